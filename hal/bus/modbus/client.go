package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wayside/hal"
)

// transport moves one PDU there and back: TCP here, a serial line later. It is called by one caller at a time.
type transport interface {
	roundTrip(ctx context.Context, unit byte, pdu []byte, again bool) ([]byte, error)
	close() error
}

// A unit that is silent quarantineAfter times in a row, while others on the same bus wait for it, is asked only after a pause that
// doubles from the first to the last of these: a dead device behind a gateway must not eat the others' time.
const (
	quarantineAfter = 3
	quarantineFirst = 250 * time.Millisecond
	quarantineLast  = 4 * time.Second
)

// Client is the bus: one connection, one request in flight, safe for concurrent use.
type Client struct {
	name    string
	timeout time.Duration
	clock   hal.Clock
	turn    chan struct{} // holds one token: whoever has it owns everything below
	line    transport
	units   map[byte]*hal.Backoff
	closed  bool
}

func newClient(name string, timeout time.Duration, clock hal.Clock, line transport) *Client {
	c := &Client{name: name, timeout: timeout, clock: clock, turn: make(chan struct{}, 1), line: line, units: map[byte]*hal.Backoff{}}
	c.turn <- struct{}{}
	return c
}

// Do sends one request and returns its answer. It ends when ctx does, or when the bus's timeout passes after its turn has
// come. Errors: *ExceptionError (the device refused), hal.ErrTimeout (no answer), hal.ErrNoDevice (no connection),
// ErrProtocol (not an answer to this), hal.ErrInput (the request cannot be expressed).
func (c *Client) Do(ctx context.Context, id byte, r Request) (Response, error) {
	pdu, err := AppendRequest(make([]byte, 0, maxPDU), r)
	if err != nil {
		return Response{}, err
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return Response{}, c.wrap(id, fmt.Errorf("waiting for the bus: %w", hal.Ended(ctx)))
	}
	defer func() { c.turn <- struct{}{} }()
	if c.closed {
		return Response{}, c.wrap(id, hal.ErrClosed)
	}
	u := c.units[id]
	if u == nil {
		u = &hal.Backoff{After: quarantineAfter, First: quarantineFirst, Last: quarantineLast}
		c.units[id] = u
	}
	// A unit that is alone on its bus keeps nobody waiting.
	if wait := u.Wait(c.clock.Boot()); wait > 0 && len(c.units) > 1 {
		return Response{}, c.wrap(id, fmt.Errorf("silent %d times, left alone for another %s: %w", u.Failures(), wait.Round(time.Millisecond), hal.ErrTimeout))
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	reply, err := c.line.roundTrip(ctx, id, pdu, !r.writes())
	var resp Response
	if err == nil {
		resp, err = ParseResponse(r, reply)
	}
	switch {
	case errors.Is(err, hal.ErrTimeout):
		u.Failed(c.clock.Boot())
	case !errors.Is(err, context.Canceled):
		u.OK()
	}
	if err != nil {
		return Response{}, c.wrap(id, err)
	}
	return resp, nil
}

func (c *Client) wrap(id byte, err error) error {
	return fmt.Errorf("modbus %s unit %d: %w", c.name, id, err)
}

// String names the bus.
func (c *Client) String() string { return c.name }

// Close ends the connection after a request in flight has ended; later requests give hal.ErrClosed.
func (c *Client) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.line.close()
}
