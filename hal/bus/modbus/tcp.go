package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"wayside/hal"
)

// Config are the keys of [[bus]] with kind = "modbus-tcp".
type Config struct {
	Address    string       `toml:"address"`     // IP:port, a number and no name: a poll must not wait for a name server
	Timeout    hal.Duration `toml:"timeout"`     // longest wait for one answer; default 500ms
	BackoffMax hal.Duration `toml:"backoff_max"` // longest pause between attempts to connect; default 2s
}

// backoffFirst is the pause after the first failed attempt to connect; each further one doubles it up to backoff_max.
const backoffFirst = 100 * time.Millisecond

// After so many requests in a row without a single byte of answer the connection is made anew: a connection whose other end
// was switched off stays open for hours on this side. No harm where the device is only slow.
const silentReconnect = 3

// maxStale bounds the late answers thrown away while one is waited for.
const maxStale = 64

func init() {
	hal.RegisterBus(hal.BusDriver{
		Kind: "modbus-tcp", Family: "modbus", Doc: "Modbus TCP device or gateway",
		Config: func() any {
			return &Config{Timeout: hal.Duration(500 * time.Millisecond), BackoffMax: hal.Duration(2 * time.Second)}
		},
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(_ context.Context, name string, cfg any, env hal.Env) (hal.Bus, error) {
			return NewTCP(name, cfg.(*Config), env.Clock)
		},
	})
}

// Validate checks the keys without touching the network.
func (c *Config) Validate() error {
	var errs []error
	if c.Address == "" {
		errs = append(errs, &hal.KeyError{Key: "address", Reason: "is missing", Remedy: `give address and port, such as address = "192.168.1.10:502"`})
	} else if a, err := netip.ParseAddrPort(c.Address); err != nil || a.Port() == 0 {
		errs = append(errs, &hal.KeyError{Key: "address", Reason: fmt.Sprintf("%q is not a number address with a port", c.Address), Remedy: `write the IP address itself and the port, such as "192.168.1.10:502" or "[fe80::1%eth0]:502"; host names are not looked up`})
	}
	if d := c.Timeout.D(); d < time.Millisecond || d > time.Minute {
		errs = append(errs, &hal.KeyError{Key: "timeout", Reason: fmt.Sprintf("%s is out of range", d), Remedy: "give 1ms to 1m"})
	}
	if d := c.BackoffMax.D(); d < backoffFirst || d > time.Hour {
		errs = append(errs, &hal.KeyError{Key: "backoff_max", Reason: fmt.Sprintf("%s is out of range", d), Remedy: fmt.Sprintf("give %s to 1h", backoffFirst)})
	}
	return errors.Join(errs...)
}

// NewTCP makes a client. It connects with the first request, so that a device that is down at start is only a sensor without
// values, and again whenever the connection is lost.
func NewTCP(name string, cfg *Config, clock hal.Clock) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("modbus %s: %w", name, err)
	}
	return newClient(name+" ("+cfg.Address+")", cfg.Timeout.D(), clock, &tcp{address: cfg.Address, clock: clock, attempts: hal.Backoff{After: 1, First: backoffFirst, Last: cfg.BackoffMax.D()}}), nil
}

type tcp struct {
	address string
	clock   hal.Clock

	conn        net.Conn
	buf         []byte // bytes received and not yet taken; may end in the middle of a frame
	transaction uint16
	silent      int // requests in a row without a byte of answer
	attempts    hal.Backoff
	lastErr     error // of the last attempt
}

func (t *tcp) close() error {
	if t.conn == nil {
		return nil
	}
	conn := t.conn
	t.conn, t.buf, t.silent = nil, t.buf[:0], 0
	if err := conn.Close(); err != nil {
		return fmt.Errorf("modbus: close: %w", err)
	}
	return nil
}

// drop closes a connection that is of no use any more, whatever closing it says.
func (t *tcp) drop() { _ = t.close() }

// roundTrip sends pdu and waits for the answer of the same transaction. again allows to repeat the request on a fresh connection when an
// old one turns out to be closed: devices close idle connections, and the request that finds out is not the one to lose.
func (t *tcp) roundTrip(ctx context.Context, unit byte, pdu []byte, again bool) ([]byte, error) {
	fresh := t.conn == nil
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	reply, err := t.exchange(ctx, unit, pdu)
	if err != nil && again && !fresh && gone(err) && ctx.Err() == nil {
		t.drop()
		if err := t.connect(ctx); err != nil {
			return nil, err
		}
		reply, err = t.exchange(ctx, unit, pdu)
	}
	switch {
	case err == nil:
		return reply, nil
	case errors.Is(err, context.Canceled):
		return nil, err // the caller's wish; a late answer will be thrown away by its transaction
	case errors.Is(err, hal.ErrTimeout):
		if t.silent++; t.silent >= silentReconnect {
			t.drop()
		}
		return nil, err
	}
	t.drop()
	if gone(err) {
		// The other end hung up. Come back after a pause, or a device that accepts and hangs up would be dialled in a tight loop.
		t.backOff(err)
		return nil, fmt.Errorf("connection lost: %w: %w", err, hal.ErrNoDevice)
	}
	return nil, err
}

func (t *tcp) connect(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	if wait := t.attempts.Wait(t.clock.Boot()); wait > 0 {
		return fmt.Errorf("not connected (%w), next attempt in %s: %w", t.lastErr, wait.Round(time.Millisecond), hal.ErrNoDevice)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		if ctxErr := ctx.Err(); errors.Is(ctxErr, context.Canceled) {
			return ctxErr
		}
		t.backOff(err)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("connect: %w", hal.ErrTimeout)
		}
		return fmt.Errorf("connect: %w: %w", err, hal.ErrNoDevice)
	}
	t.conn, t.buf, t.silent = conn, t.buf[:0], 0
	return nil
}

func (t *tcp) backOff(err error) {
	t.attempts.Failed(t.clock.Boot())
	t.lastErr = err
}

func (t *tcp) exchange(ctx context.Context, unit byte, pdu []byte) ([]byte, error) {
	done, err := hal.Deadline(ctx, t.conn)
	if err != nil {
		return nil, err
	}
	defer done()
	t.transaction++
	msg := AppendFrame(make([]byte, 0, mbapSize+maxPDU), Frame{Transaction: t.transaction, Unit: unit, PDU: pdu})
	if _, err := t.conn.Write(msg); err != nil {
		return nil, t.reason(ctx, err)
	}
	for range maxStale {
		f, err := t.frame(ctx)
		if err != nil {
			return nil, err
		}
		if f.Transaction != t.transaction {
			continue // the late answer to a request that was given up
		}
		if f.Unit != unit {
			return nil, protocolError("answer of unit %d to a request for %d", f.Unit, unit)
		}
		t.attempts.OK()
		return f.PDU, nil
	}
	return nil, protocolError("%d messages of other transactions while waiting for one", maxStale)
}

// frame takes the next whole frame from the stream; what is left of a frame when time is up stays for the next call.
func (t *tcp) frame(ctx context.Context) (Frame, error) {
	for {
		f, n, err := ParseFrame(t.buf)
		if err != nil {
			return Frame{}, err
		}
		if n > 0 {
			f.PDU = append([]byte(nil), f.PDU...)
			t.buf = append(t.buf[:0], t.buf[n:]...)
			return f, nil
		}
		var chunk [mbapSize + maxPDU]byte
		got, err := t.conn.Read(chunk[:])
		t.buf = append(t.buf, chunk[:got]...)
		if got > 0 {
			t.silent = 0
		}
		if err != nil {
			return Frame{}, t.reason(ctx, err)
		}
	}
}

// reason tells a passed deadline from a cancelled context from an error of the network.
func (t *tcp) reason(ctx context.Context, err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return hal.ErrTimeout
}

// gone reports whether the other end closed or reset the connection.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, net.ErrClosed)
}
