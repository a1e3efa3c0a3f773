package gpiochip

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"wayside/hal"
	"wayside/hal/sim/socket"
)

// CallTimeout bounds every exchange with the chip. It answers from memory, so a second means that it hangs.
const CallTimeout = time.Second

// Client is one connection, and so one owner of lines. Safe for concurrent use. After a failed exchange the connection is
// closed, since an answer that came late would be taken for that of the next request; the chip then releases the lines, and every
// further call fails. A client does not reconnect by itself: who owned a line must know that he lost it.
type Client struct {
	socket string
	mu     sync.Mutex
	conn   net.Conn
	in     *bufio.Scanner
	broken error
}

// Dial connects to the chip at the socket. No chip there is hal.ErrNoDevice.
func Dial(ctx context.Context, path string) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	conn, err := socket.Dial(ctx, path, "start a simulated chip with: wayside simulate gpio --socket "+path)
	if err != nil {
		return nil, fmt.Errorf("gpiochip: %w", err)
	}
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, 4096), maxMessage)
	return &Client{socket: path, conn: conn, in: in}, nil
}

// Chip describes the chip.
func (c *Client) Chip(ctx context.Context) (Info, error) {
	r, err := c.call(ctx, request{Op: "chip"})
	if err != nil {
		return Info{}, err
	}
	if r.Chip == nil {
		return Info{}, fmt.Errorf("gpiochip: %s: answer has no chip", c.socket)
	}
	return *r.Chip, nil
}

// Lines is the state of all lines; nothing is claimed.
func (c *Client) Lines(ctx context.Context) ([]Line, error) {
	r, err := c.call(ctx, request{Op: "info"})
	if err != nil {
		return nil, err
	}
	return r.Lines, nil
}

// Line is the state of one line; nothing is claimed.
func (c *Client) Line(ctx context.Context, n int) (Line, error) {
	ls, err := c.Lines(ctx)
	if err != nil {
		return Line{}, err
	}
	if n < 0 || n >= len(ls) {
		return Line{}, &hal.KeyError{Key: "line", Reason: fmt.Sprintf("%d does not exist on %s", n, c.socket), Remedy: fmt.Sprintf("give 0 to %d", len(ls)-1)}
	}
	return ls[n], nil
}

// Request claims lines with their directions and initial levels in one step. A line of another owner is a *BusyError.
func (c *Client) Request(ctx context.Context, consumer string, lines ...LineRequest) error {
	_, err := c.call(ctx, request{Op: "request", Consumer: consumer, Lines: lines})
	return err
}

// Set drives claimed output lines together.
func (c *Client) Set(ctx context.Context, lines ...LineRequest) error {
	_, err := c.call(ctx, request{Op: "set", Lines: lines})
	return err
}

// Release gives claimed lines back without closing the connection.
func (c *Client) Release(ctx context.Context, lines ...int) error {
	req := request{Op: "release"}
	for _, n := range lines {
		req.Lines = append(req.Lines, LineRequest{Line: n})
	}
	_, err := c.call(ctx, req)
	return err
}

// Drive sets the level that the world outside puts on a line.
func (c *Client) Drive(ctx context.Context, consumer string, lines ...LineRequest) error {
	_, err := c.call(ctx, request{Op: "drive", Consumer: consumer, Lines: lines})
	return err
}

// Close ends the connection; the chip releases the lines. Closing twice is harmless.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.broken, hal.ErrClosed) {
		return nil
	}
	c.broken = hal.ErrClosed
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("gpiochip: close: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, req request) (response, error) {
	req.V = ProtocolVersion
	b, err := json.Marshal(&req)
	if err != nil {
		return response{}, fmt.Errorf("gpiochip: encode request: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return response{}, fmt.Errorf("gpiochip: %s: %w", c.socket, c.broken)
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var resp response
	if err := c.exchange(ctx, append(b, '\n'), &resp); err != nil {
		c.broken = err
		_ = c.conn.Close() // given up already
		return response{}, fmt.Errorf("gpiochip: %s: %s: %w", c.socket, req.Op, err)
	}
	if resp.OK {
		return resp, nil
	}
	if resp.Code == "busy" {
		err = &BusyError{Line: resp.Line, Consumer: resp.Consumer, PID: resp.PID}
	} else {
		err = errors.New(resp.Error)
	}
	return resp, fmt.Errorf("gpiochip: %s: %s: %w", c.socket, req.Op, err)
}

// exchange writes one request and reads one answer before ctx ends.
func (c *Client) exchange(ctx context.Context, msg []byte, resp *response) error {
	done, err := hal.Deadline(ctx, c.conn)
	if err != nil {
		return classify(err)
	}
	defer done()
	if _, err := c.conn.Write(msg); err != nil {
		return classify(err)
	}
	if !c.in.Scan() {
		err := c.in.Err()
		if err == nil {
			err = io.EOF
		}
		return classify(err)
	}
	if err := json.Unmarshal(c.in.Bytes(), resp); err != nil {
		return fmt.Errorf("answer is no JSON object of this protocol: %w", err)
	}
	return nil
}

func classify(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the chip's process is there but hangs: %w", hal.ErrTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the chip's process has ended: %w", hal.ErrNoDevice)
	}
	return err
}
