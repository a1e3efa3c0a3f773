package modbus

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

// wire is a server that answers with whatever its script makes of each request frame.
type wire struct {
	l     net.Listener
	conns atomic.Int32
}

// serve starts a server. answer gets the number of the request on the server, its frame and the connection.
func serve(t *testing.T, answer func(n int, f Frame, conn net.Conn)) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		n := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.conns.Add(1)
			var buf []byte
			chunk := make([]byte, 300)
			for {
				f, size, err := ParseFrame(buf)
				if err != nil {
					break
				}
				if size == 0 {
					got, err := conn.Read(chunk)
					if err != nil {
						break
					}
					buf = append(buf, chunk[:got]...)
					continue
				}
				answer(n, f, conn)
				n++
				buf = buf[size:]
			}
			_ = conn.Close()
		}
	}()
	return w
}

func client(t *testing.T, w *wire, clock hal.Clock) *Client {
	t.Helper()
	c, err := NewTCP("loops", &Config{Address: w.l.Addr().String(), Timeout: hal.Duration(150 * time.Millisecond), BackoffMax: hal.Duration(time.Second)}, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// value is a reply with one register.
func value(f Frame, v byte) Frame {
	return Frame{Transaction: f.Transaction, Unit: f.Unit, PDU: []byte{f.PDU[0], 2, 0, v}}
}

func send(conn net.Conn, f Frame) { _, _ = conn.Write(AppendFrame(nil, f)) }

func readOne(c *Client, unit byte, address uint16) (uint16, error) {
	r, err := c.Do(context.Background(), unit, Request{Function: ReadHoldingRegisters, Address: address, Count: 1})
	if err != nil {
		return 0, err
	}
	return r.Registers[0], nil
}

// TestLateReply is the defect of the known Go clients: after one late answer each request got the answer of the one before. Here the
// server answers request 0 together with request 1, and every later one twice.
func TestLateReply(t *testing.T) {
	var late Frame
	w := serve(t, func(n int, f Frame, conn net.Conn) {
		own := value(f, f.PDU[2])
		switch n {
		case 0:
			late = own
			return
		case 1:
			send(conn, late)
		default:
			send(conn, own)
		}
		send(conn, own)
	})
	c := client(t, w, haltest.NewClock())
	if _, err := readOne(c, 1, 10); !errors.Is(err, hal.ErrTimeout) {
		t.Fatalf("silent request: %v", err)
	}
	for a := uint16(20); a < 30; a++ {
		if v, err := readOne(c, 1, a); err != nil || v != a {
			t.Errorf("register %d reads %d, %v", a, v, err)
		}
	}
	if n := w.conns.Load(); n != 1 {
		t.Errorf("%d connections, a late answer needs no new one", n)
	}
}

// TestLateRestOfReply: a time-out in the middle of a frame must not lose the place in the stream.
func TestLateRestOfReply(t *testing.T) {
	var rest []byte
	w := serve(t, func(n int, f Frame, conn net.Conn) {
		b := AppendFrame(nil, value(f, f.PDU[2]))
		if n == 0 {
			rest = b[5:]
			_, _ = conn.Write(b[:5])
			return
		}
		_, _ = conn.Write(append(rest, b...))
		rest = nil
	})
	c := client(t, w, haltest.NewClock())
	if _, err := readOne(c, 1, 1); !errors.Is(err, hal.ErrTimeout) {
		t.Fatalf("half a reply: %v", err)
	}
	for a := uint16(2); a < 5; a++ {
		if v, err := readOne(c, 1, a); err != nil || v != a {
			t.Errorf("register %d reads %d, %v", a, v, err)
		}
	}
}

// TestBadReplies: each of these must be an error of the right kind, and the next request must work.
func TestBadReplies(t *testing.T) {
	for _, tc := range []struct {
		name  string
		reply func(f Frame, conn net.Conn)
		want  error
	}{
		{"wrong unit", func(f Frame, c net.Conn) { r := value(f, 9); r.Unit++; send(c, r) }, ErrProtocol},
		{"wrong function", func(f Frame, c net.Conn) { r := value(f, 9); r.PDU[0] = 4; send(c, r) }, ErrProtocol},
		{"short data", func(f Frame, c net.Conn) { r := value(f, 9); r.PDU = r.PDU[:3]; send(c, r) }, ErrProtocol},
		{"two registers", func(f Frame, c net.Conn) { r := value(f, 9); r.PDU = []byte{3, 4, 0, 9, 0, 9}; send(c, r) }, ErrProtocol},
		{"not modbus", func(_ Frame, c net.Conn) { _, _ = c.Write([]byte("220 ready\r\n")) }, ErrProtocol},
		{"flood of old transactions", func(f Frame, c net.Conn) {
			f.Transaction--
			for range maxStale + 1 {
				send(c, value(f, 9))
			}
		}, ErrProtocol},
		{"gateway target silent", func(f Frame, c net.Conn) {
			send(c, Frame{f.Transaction, f.Unit, []byte{0x83, byte(GatewayTarget)}})
		}, hal.ErrTimeout},
		{"gateway path", func(f Frame, c net.Conn) { send(c, Frame{f.Transaction, f.Unit, []byte{0x83, byte(GatewayPath)}}) }, hal.ErrNoDevice},
		{"hang up", func(_ Frame, c net.Conn) { _ = c.Close() }, hal.ErrNoDevice},
		{"reset", func(_ Frame, c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }, hal.ErrNoDevice},
		{"half a frame, then hang up", func(f Frame, c net.Conn) { _, _ = c.Write(AppendFrame(nil, value(f, 9))[:8]); _ = c.Close() }, hal.ErrNoDevice},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := serve(t, func(n int, f Frame, conn net.Conn) {
				if n == 0 {
					tc.reply(f, conn)
					return
				}
				send(conn, value(f, 7))
			})
			clock := haltest.NewClock()
			c := client(t, w, clock)
			if v, err := readOne(c, 3, 1); !errors.Is(err, tc.want) || !strings.Contains(err.Error(), "loops") || !strings.Contains(err.Error(), "unit 3") {
				t.Errorf("%d, %v, want %v with bus and unit", v, err, tc.want)
			}
			clock.Advance(backoffFirst)
			if v, err := readOne(c, 3, 1); err != nil || v != 7 {
				t.Errorf("afterwards: %d, %v", v, err)
			}
		})
	}
}

func TestException(t *testing.T) {
	w := serve(t, func(_ int, f Frame, conn net.Conn) { send(conn, Frame{f.Transaction, f.Unit, []byte{0x83, 2}}) })
	c := client(t, w, haltest.NewClock())
	_, err := readOne(c, 1, 1)
	var e *ExceptionError
	if !errors.As(err, &e) || e.Code != IllegalDataAddress || e.Function != ReadHoldingRegisters {
		t.Fatalf("got %v", err)
	}
	if _, err := readOne(c, 1, 1); !errors.As(err, &e) || w.conns.Load() != 1 {
		t.Errorf("an exception must not cost the connection: %v, %d connections", err, w.conns.Load())
	}
}

// TestIdleClose: a device that closed an idle connection costs no reading, but a write is not sent twice.
func TestIdleClose(t *testing.T) {
	seen := make(chan byte, 10)
	w := serve(t, func(_ int, f Frame, conn net.Conn) {
		seen <- f.PDU[0]
		if f.PDU[0] == byte(ReadHoldingRegisters) {
			send(conn, value(f, 5))
		}
		_ = conn.Close()
	})
	clock := haltest.NewClock()
	c := client(t, w, clock)
	for range 3 {
		if v, err := readOne(c, 1, 1); err != nil || v != 5 {
			t.Fatalf("%d, %v", v, err)
		}
		time.Sleep(5 * time.Millisecond) // lets the close arrive
	}
	// A write on the closed connection fails rather than being repeated.
	_, err := c.Do(context.Background(), 1, Request{Function: WriteSingleRegister, Address: 1, Registers: []uint16{9}})
	if !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("write on a dead connection: %v", err)
	}
	if n := len(seen); n > 3 {
		t.Errorf("%d requests arrived after 3 readings, the write was repeated", n)
	}
}

// TestBackOff: a device that is not there is dialled at growing intervals, and refusals in between cost no time.
func TestBackOff(t *testing.T) {
	w := serve(t, func(_ int, f Frame, conn net.Conn) { send(conn, value(f, 1)) })
	clock := haltest.NewClock()
	c := client(t, w, clock)
	_ = w.l.Close()
	pause := backoffFirst
	for range 6 {
		if _, err := readOne(c, 1, 1); !errors.Is(err, hal.ErrNoDevice) || strings.Contains(err.Error(), "next attempt") {
			t.Fatalf("attempt: %v", err)
		}
		clock.Advance(pause - time.Millisecond)
		if _, err := readOne(c, 1, 1); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "next attempt in 1ms") {
			t.Fatalf("in between, pause %s: %v", pause, err)
		}
		clock.Advance(time.Millisecond)
		pause = min(2*pause, time.Second)
	}
}

// TestQuarantine: a silent unit stops costing time once another one uses the bus, and is asked again after its pause.
func TestQuarantine(t *testing.T) {
	var heal atomic.Bool
	var asked atomic.Int32
	w := serve(t, func(_ int, f Frame, conn net.Conn) {
		if f.Unit == 2 {
			asked.Add(1)
			if !heal.Load() {
				return
			}
		}
		send(conn, value(f, f.Unit))
	})
	clock := haltest.NewClock()
	c := client(t, w, clock)
	for range quarantineAfter {
		if v, err := readOne(c, 1, 1); err != nil || v != 1 {
			t.Fatalf("good unit: %d, %v", v, err)
		}
		if _, err := readOne(c, 2, 1); !errors.Is(err, hal.ErrTimeout) {
			t.Fatalf("silent unit: %v", err)
		}
	}
	before := asked.Load()
	for range 20 {
		if _, err := readOne(c, 2, 1); !errors.Is(err, hal.ErrTimeout) || !strings.Contains(err.Error(), "left alone") {
			t.Fatalf("in quarantine: %v", err)
		}
		if v, err := readOne(c, 1, 1); err != nil || v != 1 {
			t.Fatalf("good unit: %d, %v", v, err)
		}
	}
	if n := asked.Load(); n != before {
		t.Errorf("asked %d times in quarantine", n-before)
	}
	heal.Store(true)
	clock.Advance(quarantineFirst)
	if v, err := readOne(c, 2, 1); err != nil || v != 2 {
		t.Errorf("after its pause: %d, %v", v, err)
	}
}

// TestSilentReconnect: three requests without a byte of answer make a new connection.
func TestSilentReconnect(t *testing.T) {
	w := serve(t, func(n int, f Frame, conn net.Conn) {
		if n >= silentReconnect {
			send(conn, value(f, 8))
		}
	})
	c := client(t, w, haltest.NewClock())
	for range silentReconnect {
		if _, err := readOne(c, 1, 1); !errors.Is(err, hal.ErrTimeout) {
			t.Fatal(err)
		}
	}
	if v, err := readOne(c, 1, 1); err != nil || v != 8 || w.conns.Load() != 2 {
		t.Errorf("%d, %v, %d connections", v, err, w.conns.Load())
	}
}

func TestCancelAndClose(t *testing.T) {
	w := serve(t, func(n int, f Frame, conn net.Conn) {
		if n > 0 {
			send(conn, value(f, 8))
		}
	})
	c := client(t, w, haltest.NewClock())
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err := c.Do(ctx, 1, Request{Function: ReadCoils, Count: 1})
	if !errors.Is(err, context.Canceled) || errors.Is(err, hal.ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}
	if v, err := readOne(c, 1, 1); err != nil || v != 8 {
		t.Errorf("after a cancelled request: %d, %v", v, err)
	}
	// A caller whose time is over before the bus is free does not wait longer.
	<-c.turn
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, 1, Request{Function: ReadCoils, Count: 1}); !errors.Is(err, hal.ErrTimeout) || !strings.Contains(err.Error(), "waiting for the bus") {
		t.Errorf("busy bus: %v", err)
	}
	c.turn <- struct{}{}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := readOne(c, 1, 1); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Address: "192.168.1.10:502", Timeout: hal.Duration(time.Second), BackoffMax: hal.Duration(time.Second)}
	if err := good.Validate(); err != nil {
		t.Errorf("good settings: %v", err)
	}
	for _, tc := range []struct {
		change func(c *Config)
		key    string
	}{
		{func(c *Config) { c.Address = "" }, "address"},
		{func(c *Config) { c.Address = "gateway.local:502" }, "address"},
		{func(c *Config) { c.Address = "10.0.0.1" }, "address"},
		{func(c *Config) { c.Address = "10.0.0.1:0" }, "address"},
		{func(c *Config) { c.Timeout = 0 }, "timeout"},
		{func(c *Config) { c.BackoffMax = 1 }, "backoff_max"},
	} {
		c := good
		tc.change(&c)
		var e *hal.KeyError
		if err := c.Validate(); !errors.As(err, &e) || e.Key != tc.key || e.Remedy == "" || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%+v: %v, want one about %s", c, err, tc.key)
		}
	}
}
