package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// callTimeout ends a call whose context has no deadline of its own. It is well above the guardian's record deadline.
const callTimeout = 2 * time.Second

// ErrClosed: the connection to the guardian has ended, from either side. Dial again.
var ErrClosed = errors.New("guard: connection closed")

// RefusedError is a refusal of something that is not a Request: a heartbeat, a reload.
type RefusedError struct{ Op, Reason string }

// Error names the operation and the guardian's reason.
func (e *RefusedError) Error() string { return "guard: " + e.Op + " refused: " + e.Reason }

// Client is one connection to the guardian. Its methods are safe for concurrent use. It does not reconnect: after ErrClosed the owner
// dials a new one. Every call ends with its context, or after 2 s if that has no deadline; a call that ended so leaves the connection
// usable, and its late answer is dropped.
type Client struct {
	conn net.Conn
	pid  int

	wmu sync.Mutex // one writer at a time

	mu      sync.Mutex
	nextID  uint64
	waiting map[uint64]chan *message
	err     error // why the connection ended; set once

	done chan struct{} // closed when the reader has ended
}

// Dial connects and agrees on the protocol's version. It ends with ctx, or after 2 s.
func Dial(ctx context.Context, socket string) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("guard: dial: %w", err)
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	hello, _ := encode(&message{Op: "hello", V: protocolVersion}) // a constant always encodes
	r := bufio.NewReaderSize(conn, 4096)
	var m message
	if _, err = conn.Write(hello); err == nil {
		err = readMessage(r, &m)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("guard: hello to %s: %w", socket, err)
	case m.Op == "error":
		err = fmt.Errorf("guard: hello to %s: %s", socket, m.Reason)
	default:
		if err = acceptsVersion(m.V); err != nil {
			err = fmt.Errorf("guard: hello to %s: %w", socket, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetDeadline(time.Time{})
	c := &Client{conn: conn, pid: m.PID, waiting: map[uint64]chan *message{}, done: make(chan struct{})}
	go c.read(r)
	return c, nil
}

// PID is the guardian's process id, as it said at hello.
func (c *Client) PID() int { return c.pid }

// Done is closed when the connection has ended, from either side.
func (c *Client) Done() <-chan struct{} { return c.done }

func readMessage(r *bufio.Reader, m *message) error {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && long == nil {
			return json.Unmarshal(part, m)
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return json.Unmarshal(long, m)
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		case len(long) > maxLine:
			return fmt.Errorf("message longer than %d bytes", maxLine)
		}
	}
}

// read delivers answers until the connection ends.
func (c *Client) read(r *bufio.Reader) {
	defer close(c.done)
	for {
		m := new(message)
		if err := readMessage(r, m); err != nil {
			c.fail(fmt.Errorf("%w: %w", ErrClosed, err))
			return
		}
		c.mu.Lock()
		ch := c.waiting[m.ID]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		if ch != nil {
			ch <- m // has room for the one answer
		}
	}
}

// fail ends the connection and every waiting call.
func (c *Client) fail(err error) {
	_ = c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	for id, ch := range c.waiting {
		delete(c.waiting, id)
		close(ch)
	}
}

func (c *Client) call(ctx context.Context, m *message) (*message, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	ch := make(chan *message, 1)
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		return nil, err
	}
	c.nextID++
	m.ID = c.nextID
	c.waiting[m.ID] = ch
	c.mu.Unlock()

	if err := c.write(ctx, m); err != nil {
		c.forget(m.ID)
		return nil, err
	}
	select {
	case rep, ok := <-ch:
		if !ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			return nil, c.err
		}
		if rep.Op == "error" {
			return nil, &RefusedError{m.Op, rep.Reason}
		}
		return rep, nil
	case <-ctx.Done():
		c.forget(m.ID)
		return nil, fmt.Errorf("guard: %s: no answer: %w", m.Op, ctx.Err())
	}
}

func (c *Client) write(ctx context.Context, m *message) error {
	line, err := encode(m)
	if err != nil {
		return fmt.Errorf("guard: %s: %w", m.Op, err)
	}
	if len(line) > maxLine {
		return fmt.Errorf("guard: %s: message of %d bytes, at most %d", m.Op, len(line), maxLine)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	deadline, _ := ctx.Deadline()
	_ = c.conn.SetWriteDeadline(deadline)
	if _, err := c.conn.Write(line); err != nil {
		// Part of a line may have gone out: the stream cannot be used any more.
		err = fmt.Errorf("%w: %w", ErrClosed, err)
		c.fail(err)
		return err
	}
	return nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	delete(c.waiting, id)
	c.mu.Unlock()
}

// Request asks for an output. A refusal is no error: it is in the Reply. An error means that it is not known what the guardian did;
// asking again with a new decision is always allowed.
func (c *Client) Request(ctx context.Context, r Request) (Reply, error) {
	rep, err := c.call(ctx, &message{Op: "request", Task: r.Task, Output: r.Output, Value: &r.Value, Decision: r.DecisionID,
		Input: int64(r.InputBoot), Quality: &r.Quality, Lease: int64(r.Lease)})
	if err != nil {
		return Reply{}, err
	}
	return Reply{Accepted: rep.OK, Reason: rep.Reason, Seq: rep.Seq}, nil
}

// Heartbeat says that the task completed a step since the last heartbeat. Send it at least three times within the task's progress time
// (3 periods, at least 1 s), and not for a task that stands still.
func (c *Client) Heartbeat(task string, period time.Duration) error {
	rep, err := c.call(context.Background(), &message{Op: "heartbeat", Task: task, Period: int64(period)})
	return refused("heartbeat", rep, err)
}

// Status asks what the guardian knows.
func (c *Client) Status(ctx context.Context) (Status, error) {
	rep, err := c.call(ctx, &message{Op: "status"})
	if err != nil {
		return Status{}, err
	}
	if rep.Status == nil {
		return Status{}, errors.New("guard: status: the answer has none")
	}
	return *rep.Status, nil
}

// Reload makes the guardian read the file at path, an absolute path. A refusal, with the file's problems as its reason, is a *RefusedError; the
// configuration in force then stays.
func (c *Client) Reload(ctx context.Context, path string) error {
	rep, err := c.call(ctx, &message{Op: "reload", Path: path})
	return refused("reload", rep, err)
}

// Bye says that the worker ends in order: its outputs go to their on_stop states, not to on_worker_lost. Call Close afterwards.
func (c *Client) Bye() error {
	rep, err := c.call(context.Background(), &message{Op: "bye"})
	return refused("bye", rep, err)
}

func refused(op string, rep *message, err error) error {
	if err == nil && !rep.OK {
		err = &RefusedError{op, rep.Reason}
	}
	return err
}

// Close ends the connection and waits for the client's goroutine. Without Bye before it, the guardian takes it for a crash of the worker.
func (c *Client) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}
