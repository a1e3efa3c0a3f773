package i2c

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/i2c"

	"wayside/hal"
	"wayside/hal/haltest"
)

// port answers with tx and checks that two transfers never overlap.
type port struct {
	t      *testing.T
	mu     sync.Mutex
	tx     func(addr uint16, w, r []byte) error
	closed bool
}

func (p *port) Tx(addr uint16, w, r []byte) error {
	if !p.mu.TryLock() {
		p.t.Error("two transfers at the same time")
		return nil
	}
	defer p.mu.Unlock()
	return p.tx(addr, w, r)
}

func (p *port) Close() error { p.closed = true; return nil }

func bench(t *testing.T, tx func(addr uint16, w, r []byte) error) (*Bus, *port, *haltest.FakeClock) {
	clock := haltest.NewClock()
	p := &port{t: t, tx: tx}
	return New("b1", p, 200*time.Millisecond, clock), p, clock
}

// one does a single transfer that reads a byte.
func one(b *Bus, addr uint16) (byte, error) {
	var r [1]byte
	err := b.Do(context.Background(), addr, func(bus i2c.Bus) error { return bus.Tx(addr, []byte{0}, r[:]) })
	return r[0], err
}

// TestTurns: two chips' users interleave by transfer, two users of one chip do not.
func TestTurns(t *testing.T) {
	pointer := map[uint16]byte{}
	b, _, _ := bench(t, func(addr uint16, w, r []byte) error {
		if len(w) > 0 {
			pointer[addr] = w[0]
		}
		if len(r) > 0 {
			r[0] = pointer[addr]
		}
		return nil
	})
	var wg sync.WaitGroup
	for user := range byte(8) {
		addr := uint16(0x40 + user%2)
		wg.Go(func() {
			for range 50 {
				err := b.Do(context.Background(), addr, func(bus i2c.Bus) error {
					var r [1]byte
					if err := bus.Tx(addr, []byte{user}, nil); err != nil {
						return err
					}
					if err := bus.Tx(addr, nil, r[:]); err != nil {
						return err
					}
					if r[0] != user {
						return fmt.Errorf("user %d reads what %d wrote", user, r[0])
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestStuckTransfer: a transfer that the kernel does not give back costs its caller the time-out, keeps the wire until it ends, and writes
// into nobody's memory.
func TestStuckTransfer(t *testing.T) {
	release := make(chan struct{})
	b, _, _ := bench(t, func(addr uint16, _, r []byte) error {
		if addr == 0x10 {
			<-release
		}
		r[0] = 0xee
		return nil
	})
	var r [1]byte
	err := b.Do(context.Background(), 0x10, func(bus i2c.Bus) error { return bus.Tx(0x10, nil, r[:]) })
	if !errors.Is(err, hal.ErrTimeout) || !strings.Contains(err.Error(), "b1/0x10") {
		t.Errorf("stuck transfer: %v", err)
	}
	if _, err := one(b, 0x20); !errors.Is(err, hal.ErrTimeout) || !strings.Contains(err.Error(), "waiting for the bus") {
		t.Errorf("while it is stuck: %v", err)
	}
	close(release)
	if v, err := one(b, 0x20); err != nil || v != 0xee {
		t.Errorf("afterwards: %#x, %v", v, err)
	}
	if r[0] != 0 {
		t.Error("the late transfer wrote into its caller's memory")
	}
}

// TestErrorKept: periph's drivers turn errors into text and some go on after one; the first failure comes out with its kind and nothing
// more goes over the wire.
func TestErrorKept(t *testing.T) {
	n := 0
	b, _, _ := bench(t, func(uint16, []byte, []byte) error {
		n++
		return fmt.Errorf("no acknowledge: %w", hal.ErrNoDevice)
	})
	err := b.Do(context.Background(), 0x10, func(bus i2c.Bus) error {
		for range 3 {
			_ = bus.Tx(0x10, []byte{1}, nil)
		}
		return errors.New("chip: something went wrong")
	})
	if !errors.Is(err, hal.ErrNoDevice) || n != 1 {
		t.Errorf("%v after %d transfers", err, n)
	}
	err = b.Do(context.Background(), 0x10, func(bus i2c.Bus) error {
		_ = bus.Tx(0x11, []byte{1}, nil)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "in the turn of") {
		t.Errorf("another chip's address: %v", err)
	}
	var kept i2c.Bus
	b, _, _ = bench(t, func(uint16, []byte, []byte) error { return nil })
	if err := b.Do(context.Background(), 0x10, func(bus i2c.Bus) error { kept = bus; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := kept.Tx(0x10, []byte{1}, nil); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("transfer after the turn: %v", err)
	}
}

// TestQuarantine: a missing chip is left alone once another one is on the bus, and found again.
func TestQuarantine(t *testing.T) {
	there, asked := false, 0
	b, _, clock := bench(t, func(addr uint16, _, _ []byte) error {
		if addr != 0x10 {
			return nil
		}
		if asked++; !there {
			return hal.ErrNoDevice
		}
		return nil
	})
	if _, err := one(b, 0x20); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := one(b, 0x10); !errors.Is(err, hal.ErrNoDevice) {
			t.Fatal(err)
		}
	}
	if asked != quarantineAfter {
		t.Errorf("asked %d times, want %d", asked, quarantineAfter)
	}
	there = true
	clock.Advance(quarantineFirst)
	if _, err := one(b, 0x10); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestCancelAndClose(t *testing.T) {
	b, p, _ := bench(t, func(uint16, []byte, []byte) error { return nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.Do(ctx, 0x10, func(bus i2c.Bus) error { return bus.Tx(0x10, []byte{0}, nil) })
	if !errors.Is(err, context.Canceled) || errors.Is(err, hal.ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}
	if err := b.Close(); err != nil || !p.closed {
		t.Errorf("close: %v", err)
	}
	if _, err := one(b, 0x10); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestOpenAbsent(t *testing.T) {
	cfg := &Config{Device: "/dev/i2c-65000", Timeout: hal.Duration(time.Second)}
	if _, err := Open("b", cfg, haltest.NewClock()); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "/dev/i2c-65000") {
		t.Errorf("absent adapter: %v", err)
	}
	for _, device := range []string{"", "1", "/dev/ttyS0", "/dev/i2c-", "/dev/i2c--1", "/dev/i2c-70000"} {
		cfg := &Config{Device: device, Timeout: hal.Duration(time.Second)}
		var e *hal.KeyError
		if err := cfg.Validate(); !errors.As(err, &e) || e.Key != "device" {
			t.Errorf("%q: %v", device, err)
		}
	}
	if err := (&Config{Device: "/dev/i2c-1"}).Validate(); !errors.Is(err, hal.ErrInput) || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("no timeout: %v", err)
	}
}

// TestClassify: periph v3.8.5 wraps with %v; the kernel's answer must be found in the text.
func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		no     syscall.Errno
		absent bool
	}{{syscall.EREMOTEIO, true}, {syscall.ENXIO, true}, {syscall.ETIMEDOUT, true}, {syscall.ENODEV, true}, {syscall.EIO, false}, {syscall.EAGAIN, false}, {syscall.EOPNOTSUPP, false}} {
		err := classify(fmt.Errorf("sysfs-i2c: %v", tc.no))
		if errors.Is(err, hal.ErrNoDevice) != tc.absent {
			t.Errorf("%v: %v", tc.no, err)
		}
	}
	if err := classify(nil); err != nil {
		t.Error(err)
	}
}
