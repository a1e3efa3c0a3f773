package modbus

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"wayside/hal"
	bus "wayside/hal/bus/modbus"
	"wayside/hal/haltest"
	"wayside/hal/sim/modbusslave"
)

func defaults(change func(c *Config)) *Config {
	d, _ := hal.FindSensor("modbus")
	c := d.Config().(*Config)
	c.Register = 0
	change(c)
	return c
}

func TestRead(t *testing.T) {
	mem := modbusslave.NewMemory(100)
	mem.SetRegisters(0, 0xfffe, 0x0001, 0x0002, 0x42f6, 0xe979, 0x7fc0, 0x0000, 0x8000)
	if _, err := mem.Handle(1, bus.Request{Function: bus.WriteSingleCoil, Address: 3, Bits: []bool{true}}); err != nil {
		t.Fatal(err)
	}
	slave, err := modbusslave.Listen("127.0.0.1:0", mem, hal.RealClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	clock := haltest.NewClock()
	client, err := bus.NewTCP("b", &bus.Config{Address: slave.Addr(), Timeout: hal.Duration(50 * time.Millisecond), BackoffMax: hal.Duration(time.Second)}, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for _, tc := range []struct {
		name string
		cfg  func(c *Config)
		want float64
		q    hal.Quality
	}{
		{"uint16 is the default", func(*Config) {}, 65534, hal.Good},
		{"scaled", func(c *Config) { c.Scale, c.Offset, c.Function = 0.1, -5, "input" }, 6548.4, hal.Good},
		{"int16", func(c *Config) { c.Type = bus.Int16 }, -2, hal.Good},
		{"int32, low word first", func(c *Config) { c.Type, c.Register, c.WordOrder = bus.Int32, 1, "little" }, 131073, hal.Good},
		{"uint32", func(c *Config) { c.Type, c.Register = bus.Uint32, 1 }, 65538, hal.Good},
		{"low byte first", func(c *Config) { c.Register, c.ByteOrder = 1, "little" }, 256, hal.Good},
		{"float32", func(c *Config) { c.Type, c.Register = bus.Float32, 3 }, 123.45600128173828, hal.Good},
		{"float32 not a number", func(c *Config) { c.Type, c.Register = bus.Float32, 5 }, 0, hal.OutOfRange},
		{"device says none", func(c *Config) { c.Register, c.Invalid = 7, []uint32{0x8000} }, 0, hal.DeviceMissing},
		{"coil", func(c *Config) { c.Function, c.Register = "coil", 3 }, 1, hal.Good},
		{"discrete", func(c *Config) { c.Function, c.Register = "discrete", 4 }, 0, hal.Good},
	} {
		s, err := Open(defaults(tc.cfg), client, clock)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		v, err := s.Read(context.Background())
		if err != nil || math.Abs(v.Value-tc.want) > 1e-9 || v.Quality != tc.q || v.Boot != clock.Boot() || (v.Reason == "") != (tc.q == hal.Good) {
			t.Errorf("%s: %+v, %v, want %v %s", tc.name, v, err, tc.want, tc.q)
		}
	}
	s, err := Open(defaults(func(c *Config) { c.Register = 100 }), client, clock)
	if err != nil {
		t.Fatal(err)
	}
	var e *bus.ExceptionError
	if v, err := s.Read(context.Background()); !errors.As(err, &e) || v.Quality != hal.DeviceMissing || v.Reason == "" {
		t.Errorf("no such register: %+v, %v", v, err)
	}
	if err := slave.SetFault(modbusslave.Fault{Kind: modbusslave.Silent}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if v, err := s.Read(ctx); !errors.Is(err, hal.ErrTimeout) || v.Quality != hal.DeviceMissing {
		t.Errorf("silent device: %+v, %v", v, err)
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		change func(c *Config)
		key    string
	}{
		{func(c *Config) { c.UnitID = 256 }, "unit_id"},
		{func(c *Config) { c.Register = -1 }, "register"},
		{func(c *Config) { c.Register, c.Type = 65535, bus.Uint32 }, "register"},
		{func(c *Config) { c.Function = "register" }, "function"},
		{func(c *Config) { c.Type = "word" }, "type"},
		{func(c *Config) { c.Type = bus.Bit }, "type"},
		{func(c *Config) { c.Function, c.Type = "coil", bus.Int16 }, "type"},
		{func(c *Config) { c.ByteOrder = "middle" }, "byte_order"},
		{func(c *Config) { c.WordOrder = "" }, "word_order"},
		{func(c *Config) { c.Scale = 0 }, "scale"},
		{func(c *Config) { c.Offset = math.NaN() }, "offset"},
	} {
		var e *hal.KeyError
		if err := defaults(tc.change).Validate(); !errors.As(err, &e) || e.Key != tc.key || e.Remedy == "" {
			t.Errorf("%v, want one about %s", err, tc.key)
		}
	}
}
