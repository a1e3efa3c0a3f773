package i2c

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"wayside/hal"
)

// Port is an adapter: one transfer at a time, blocking for as long as the adapter does. Its errors are hal.ErrNoDevice where nobody
// acknowledged the address.
type Port interface {
	Tx(addr uint16, w, r []byte) error
	Close() error
}

// A chip that fails so often in a row, while others share its bus, is left alone for a pause that doubles: on some adapters a missing
// chip blocks everybody for 400 ms at each attempt.
const (
	quarantineAfter = 3
	quarantineFirst = 250 * time.Millisecond
	quarantineLast  = 4 * time.Second
)

// Bus is one adapter with one owner of the wire at a time. Safe for concurrent use.
type Bus struct {
	name    string
	port    Port
	timeout time.Duration
	clock   hal.Clock
	wire    chan struct{} // holds one token: whoever has it may use the port

	mu     sync.Mutex
	chips  map[uint16]*chip
	closed bool
}

type chip struct {
	turn chan struct{} // holds one token: whoever has it has the chip to himself, for several transfers
	rest hal.Backoff   // guarded by turn
}

// New makes a bus of a port, which it owns from then on. timeout is the longest that one use of a chip may take.
func New(name string, port Port, timeout time.Duration, clock hal.Clock) *Bus {
	b := &Bus{name: name, port: port, timeout: timeout, clock: clock, wire: make(chan struct{}, 1), chips: map[uint16]*chip{}}
	b.wire <- struct{}{}
	return b
}

// String names the bus.
func (b *Bus) String() string { return b.name }

// Close waits for a transfer under way and closes the port; later uses give hal.ErrClosed.
func (b *Bus) Close() error {
	b.mu.Lock()
	done := b.closed
	b.closed = true
	b.mu.Unlock()
	if done {
		return nil
	}
	<-b.wire
	defer func() { b.wire <- struct{}{} }()
	return b.port.Close()
}

// Do runs f with the chip at addr to itself: no other user of that chip comes between its transfers, while other chips' transfers may.
// f gets a bus for periph's drivers, good until f returns. Every transfer on it ends when ctx does or the bus's timeout passes; a
// transfer that is still stuck in the kernel then keeps the wire until the kernel gives up, and only the wire.
// If a transfer failed, its error is returned, whatever f made of it: periph's drivers put errors into text and lose their kind.
func (b *Bus) Do(ctx context.Context, addr uint16, f func(i2c.Bus) error) error {
	b.mu.Lock()
	c := b.chips[addr]
	if c == nil {
		c = &chip{turn: make(chan struct{}, 1), rest: hal.Backoff{After: quarantineAfter, First: quarantineFirst, Last: quarantineLast}}
		c.turn <- struct{}{}
		b.chips[addr] = c
	}
	shared, closed := len(b.chips) > 1, b.closed
	b.mu.Unlock()
	if closed {
		return b.wrap(addr, hal.ErrClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	select {
	case <-c.turn:
	case <-ctx.Done():
		return b.wrap(addr, fmt.Errorf("waiting for the chip: %w", hal.Ended(ctx)))
	}
	defer func() { c.turn <- struct{}{} }()
	if wait := c.rest.Wait(b.clock.Boot()); wait > 0 && shared {
		return b.wrap(addr, fmt.Errorf("failed %d times, left alone for another %s: %w", c.rest.Failures(), wait.Round(time.Millisecond), hal.ErrNoDevice))
	}
	s := &session{ctx: ctx, bus: b, addr: addr}
	err := f(s)
	s.over = true
	if s.err != nil {
		err = s.err
	}
	switch {
	case err == nil:
		c.rest.OK()
	case errors.Is(err, hal.ErrNoDevice), errors.Is(err, hal.ErrTimeout):
		c.rest.Failed(b.clock.Boot())
	}
	if err != nil {
		return b.wrap(addr, err)
	}
	return nil
}

func (b *Bus) wrap(addr uint16, err error) error {
	return fmt.Errorf("i2c %s/%#02x: %w", b.name, addr, err)
}

// transfer runs one transfer within ctx. A kernel call cannot be interrupted, so it runs beside the caller, on copies: a transfer that
// ends after its caller left must not write into memory that is in use again.
func (b *Bus) transfer(ctx context.Context, addr uint16, w, r []byte) error {
	if ctx.Err() != nil {
		return hal.Ended(ctx) // select below picks at random, and a driver that polls must be stopped
	}
	select {
	case <-b.wire:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the bus: %w", hal.Ended(ctx))
	}
	w, in := append([]byte(nil), w...), make([]byte, len(r))
	done := make(chan error, 1)
	go func() {
		err := b.port.Tx(addr, w, in)
		b.wire <- struct{}{}
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			copy(r, in)
		}
		return err
	case <-ctx.Done():
		return hal.Ended(ctx)
	}
}

// session is the i2c.Bus that one Do gives to a driver of periph.
type session struct {
	ctx  context.Context
	bus  *Bus
	addr uint16
	err  error // first failure; every later transfer fails with it too
	over bool
}

var _ i2c.Bus = (*session)(nil)

func (s *session) String() string { return s.bus.name }

// SetSpeed is refused: the speed belongs to the bus, set in the device tree, not to one of its chips.
func (s *session) SetSpeed(physic.Frequency) error {
	return errors.New("i2c: the bus speed cannot be set by a chip's driver")
}

func (s *session) Tx(addr uint16, w, r []byte) error {
	switch {
	case s.over:
		return fmt.Errorf("i2c: transfer after the end of its turn: %w", hal.ErrClosed)
	case s.err == nil && addr != s.addr:
		s.err = fmt.Errorf("transfer to %#02x in the turn of %#02x", addr, s.addr)
	case s.err == nil:
		s.err = s.bus.transfer(s.ctx, addr, w, r)
	}
	return s.err
}
