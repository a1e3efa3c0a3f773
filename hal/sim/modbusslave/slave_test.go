package modbusslave

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/bus/modbus"
	"wayside/hal/haltest"
	"wayside/hal/sim/socket"
	"wayside/hal/table"
)

const testTable = "t,speed,door,note\n0,73.2,1,a\n1,-5,0,b\n2,,1,c\n3,40,0,d\n"

func readTable(t *testing.T, text string) *table.Table {
	t.Helper()
	tab, err := table.Read(strings.NewReader(text), "x.csv")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func mappings(t *testing.T, specs ...string) []Mapping {
	t.Helper()
	var out []Mapping
	for _, s := range specs {
		m, err := ParseMapping(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func connect(t *testing.T, s *Slave, clock hal.Clock) *modbus.Client {
	t.Helper()
	c, err := modbus.NewTCP("test", &modbus.Config{Address: s.Addr(), Timeout: hal.Duration(150 * time.Millisecond), BackoffMax: hal.Duration(100 * time.Millisecond)}, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func listen(t *testing.T, store Store) *Slave {
	t.Helper()
	s, err := Listen("127.0.0.1:0", store, hal.RealClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func read(c *modbus.Client, fn modbus.Function, address, count uint16) (modbus.Response, error) {
	return c.Do(context.Background(), 1, modbus.Request{Function: fn, Address: address, Count: count})
}

func TestReplay(t *testing.T) {
	clock := haltest.NewClock()
	for _, loop := range []bool{false, true} {
		store, err := NewTable(readTable(t, testTable), mappings(t, "speed=10,int16,0.1", "speed=20,float32", "door=3,bit"),
			Replay{Step: 100 * time.Millisecond, Start: 1, Loop: loop}, clock)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, listen(t, store), clock)
		expect := func(raw uint16, door bool) {
			t.Helper()
			for _, fn := range []modbus.Function{modbus.ReadHoldingRegisters, modbus.ReadInputRegisters} {
				if r, err := read(c, fn, 10, 1); err != nil || r.Registers[0] != raw {
					t.Errorf("register %v, %v, want %d", r.Registers, err, raw)
				}
			}
			if r, err := read(c, modbus.ReadDiscreteInputs, 3, 1); err != nil || r.Bits[0] != door {
				t.Errorf("bit %v, %v, want %v", r.Bits, err, door)
			}
		}
		refused := func(want modbus.Exception, fn modbus.Function, address, count uint16) {
			t.Helper()
			var e *modbus.ExceptionError
			if _, err := read(c, fn, address, count); !errors.As(err, &e) || e.Code != want {
				t.Errorf("function %d address %d count %d: %v, want exception %d", fn, address, count, err, want)
			}
		}
		expect(0xffce, false) // -5 / 0.1 = -50
		clock.Advance(99 * time.Millisecond)
		expect(0xffce, false)
		clock.Advance(time.Millisecond)
		refused(modbus.DeviceFailure, modbus.ReadHoldingRegisters, 10, 1) // empty cell
		if r, err := read(c, modbus.ReadCoils, 3, 1); err != nil || !r.Bits[0] {
			t.Errorf("bit beside an empty cell: %v, %v", r.Bits, err)
		}
		clock.Advance(100 * time.Millisecond)
		expect(400, false)
		if r, err := read(c, modbus.ReadHoldingRegisters, 20, 2); err != nil || r.Registers[0] != 0x4220 || r.Registers[1] != 0 {
			t.Errorf("float %x, %v", r.Registers, err)
		}
		refused(modbus.IllegalDataAddress, modbus.ReadHoldingRegisters, 11, 1)
		refused(modbus.IllegalDataAddress, modbus.ReadHoldingRegisters, 10, 2)
		refused(modbus.IllegalDataAddress, modbus.ReadCoils, 10, 1)
		if _, err := c.Do(context.Background(), 1, modbus.Request{Function: modbus.WriteSingleRegister, Address: 10, Registers: []uint16{1}}); err == nil {
			t.Error("a replayed register was written")
		}
		clock.Advance(100 * time.Millisecond)
		if loop {
			expect(732, true)
		} else {
			refused(modbus.DeviceFailure, modbus.ReadHoldingRegisters, 10, 1)
		}
	}
}

func TestDefaultMappings(t *testing.T) {
	m := DefaultMappings(readTable(t, testTable))
	if len(m) != 3 || m[1].Column != "speed" || m[1].Address != 2 || m[1].Type != modbus.Float32 {
		t.Errorf("mappings %+v", m)
	}
}

func TestNewTableRefuses(t *testing.T) {
	step := Replay{Step: time.Second}
	for _, tc := range []struct {
		name  string
		specs []string
		r     Replay
		want  string
	}{
		{"does not fit", []string{"speed=0,uint16,0.1"}, step, `x.csv:3: column "speed": value -5`},
		{"text", []string{"note=0"}, step, `x.csv:2: column "note"`},
		{"no column", []string{"flow=0"}, step, "speed, door"},
		{"overlap", []string{"speed=0,float32", "door=1"}, step, "overlaps"},
		{"past the end", []string{"speed=65535,float32"}, step, "past 65535"},
		{"no step", []string{"door=0"}, Replay{}, "step"},
		{"start", []string{"door=0"}, Replay{Step: time.Second, Start: 4}, "0 to 3"},
		{"nothing to serve", nil, step, "no column of numbers"},
	} {
		if _, err := NewTable(readTable(t, testTable), mappings(t, tc.specs...), tc.r, haltest.NewClock()); err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	for _, s := range []string{"", "speed", "=1", "speed=x", "speed=70000", "speed=1,word", "speed=1,int16,0", "speed=1,int16,1,2"} {
		if m, err := ParseMapping(s); !errors.Is(err, hal.ErrInput) {
			t.Errorf("%q: %+v, %v", s, m, err)
		}
	}
}

func TestFaults(t *testing.T) {
	mem := NewMemory(100)
	mem.SetRegisters(7, 77)
	s := listen(t, mem)
	clock := haltest.NewClock()
	c := connect(t, s, clock)
	get := func() error {
		clock.Advance(time.Second) // past every back-off
		r, err := read(c, modbus.ReadHoldingRegisters, 7, 1)
		if err == nil && r.Registers[0] != 77 {
			t.Errorf("register 7 reads %d", r.Registers[0])
		}
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command string
		want    error
	}{
		{"dead", hal.ErrNoDevice},
		{"silent", hal.ErrTimeout},
		{"stale", hal.ErrTimeout},
		{"slow 400", hal.ErrTimeout},
		{"exception 11", hal.ErrTimeout},
		{"exception 10", hal.ErrNoDevice},
		{"wrong-unit", modbus.ErrProtocol},
		{"short", modbus.ErrProtocol},
	} {
		f, err := ParseFault(tc.command)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetFault(f); err != nil {
			t.Fatal(err)
		}
		if err := get(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.command, err, tc.want)
		}
		if err := s.SetFault(Fault{Kind: OK}); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			err := get()
			if err == nil {
				break
			}
			if i == 5 {
				t.Fatalf("after %s and ok: %v", tc.command, err)
			}
		}
	}
	// A reset costs a reading nothing: the request is repeated on a fresh connection.
	if err := s.SetFault(Fault{Kind: Reset}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond) // lets the reset arrive
	if err := get(); err != nil {
		t.Errorf("after a reset: %v", err)
	}
	if s.Requests() == 0 {
		t.Error("no requests counted")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFault(Fault{Kind: OK}); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("a closed slave took a command: %v", err)
	}
}

func TestFrozen(t *testing.T) {
	clock := haltest.NewClock()
	store, err := NewTable(readTable(t, testTable), mappings(t, "door=0"), Replay{Step: time.Second, Loop: true}, clock)
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, store)
	want := func(n int) {
		t.Helper()
		if row, _ := store.Row(); row != n {
			t.Errorf("row %d, want %d", row, n)
		}
	}
	clock.Advance(time.Second)
	for _, f := range []FaultKind{Frozen, Frozen} { // a second command must not freeze it elsewhere
		if err := s.SetFault(Fault{Kind: f}); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		want(1)
	}
	if err := s.SetFault(Fault{Kind: OK}); err != nil {
		t.Fatal(err)
	}
	want(3) // where the clock is, not where it stood
}

func TestMemory(t *testing.T) {
	mem := NewMemory(16)
	c := connect(t, listen(t, mem), hal.RealClock())
	ctx := context.Background()
	for _, r := range []modbus.Request{
		{Function: modbus.WriteSingleCoil, Address: 3, Bits: []bool{true}},
		{Function: modbus.WriteMultipleCoils, Address: 4, Bits: []bool{false, true}},
		{Function: modbus.WriteSingleRegister, Address: 2, Registers: []uint16{9}},
		{Function: modbus.WriteMultipleRegisters, Address: 14, Registers: []uint16{1, 2}},
	} {
		if _, err := c.Do(ctx, 1, r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	r, err := read(c, modbus.ReadCoils, 3, 3)
	if err != nil || !r.Bits[0] || r.Bits[1] || !r.Bits[2] {
		t.Errorf("coils %v, %v", r.Bits, err)
	}
	if mem.Register(2) != 9 || mem.Register(15) != 2 {
		t.Errorf("registers %d, %d", mem.Register(2), mem.Register(15))
	}
	var e *modbus.ExceptionError
	if _, err := read(c, modbus.ReadInputRegisters, 15, 2); !errors.As(err, &e) || e.Code != modbus.IllegalDataAddress {
		t.Errorf("past the end: %v", err)
	}
}

func TestControl(t *testing.T) {
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	s := listen(t, NewMemory(4))
	l, err := socket.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeControl(ctx, l) }()
	c := connect(t, s, hal.RealClock())
	for _, tc := range []struct {
		command string
		want    modbus.Exception
	}{{"exception 6", modbus.DeviceBusy}, {"exception 4", modbus.DeviceFailure}} {
		if err := Control(ctx, path, tc.command); err != nil {
			t.Fatal(err)
		}
		var e *modbus.ExceptionError
		if _, err := read(c, modbus.ReadCoils, 0, 1); !errors.As(err, &e) || e.Code != tc.want {
			t.Errorf("%s: %v", tc.command, err)
		}
	}
	for _, bad := range []string{"", "explode", "slow", "slow x", "slow -1", "slow 70000", "exception 0", "dead now"} {
		if err := Control(ctx, path, bad); !errors.Is(err, hal.ErrInput) || !strings.Contains(err.Error(), "silent") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Control(ctx, path, "ok"); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("command to a closed slave: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Control(context.Background(), path, "ok"); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, a := range []string{"", "localhost:502", "127.0.0.1", "127.0.0.1:99999"} {
		if _, err := Listen(a, NewMemory(1), hal.RealClock()); !errors.Is(err, hal.ErrInput) {
			t.Errorf("%q: %v", a, err)
		}
	}
}
