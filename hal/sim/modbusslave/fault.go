package modbusslave

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"wayside/hal"
	"wayside/hal/bus/modbus"
	"wayside/hal/sim/socket"
)

// FaultKind is one way to fail.
type FaultKind string

// The faults.
const (
	OK        FaultKind = "ok"
	Dead      FaultKind = "dead"       // closes everything; connecting is refused
	Silent    FaultKind = "silent"     // accepts and reads, never answers
	Frozen    FaultKind = "frozen"     // the values stand still
	Exception FaultKind = "exception"  // answers every request with an exception code
	Slow      FaultKind = "slow"       // answers late
	WrongUnit FaultKind = "wrong-unit" // answers as another unit
	Short     FaultKind = "short"      // answers with a byte too few
	Reset     FaultKind = "reset"      // hangs up once, then goes on without a fault
)

// Fault is a fault with its parameter.
type Fault struct {
	Kind  FaultKind
	Code  modbus.Exception // of Exception
	Delay time.Duration    // of Slow
}

// FaultHelp lists the commands that ParseFault takes.
const FaultHelp = "ok | dead | silent (or stale) | frozen | exception CODE | slow MILLISECONDS | wrong-unit | short | reset"

// ParseFault reads a command of the control socket.
func ParseFault(command string) (Fault, error) {
	words := strings.Fields(command)
	bad := func(why string) (Fault, error) {
		return Fault{}, &hal.KeyError{Key: "command", Reason: fmt.Sprintf("%q: %s", command, why), Remedy: "give one of: " + FaultHelp}
	}
	if len(words) == 0 {
		return bad("is empty")
	}
	if words[0] == "stale" {
		words[0] = string(Silent)
	}
	f := Fault{Kind: FaultKind(words[0])}
	args := 0
	switch f.Kind {
	case OK, Dead, Silent, Frozen, WrongUnit, Short, Reset:
	case Exception, Slow:
		args = 1
	default:
		return bad("is unknown")
	}
	if len(words) != 1+args {
		return bad(fmt.Sprintf("takes %d parameters", args))
	}
	if args == 0 {
		return f, nil
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		return bad("parameter is no whole number")
	}
	switch f.Kind {
	case Exception:
		if n < 1 || n > 255 {
			return bad("exception codes are 1 to 255")
		}
		f.Code = modbus.Exception(n)
	case Slow:
		f.Delay = time.Duration(n) * time.Millisecond
		if n < 0 || f.Delay > delayLimit {
			return bad(fmt.Sprintf("delays are 0 to %d", delayLimit.Milliseconds()))
		}
	}
	return f, nil
}

// SetFault makes the slave fail from the next request on, or heals it with OK.
func (s *Slave) SetFault(f Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return fmt.Errorf("modbusslave: %w", hal.ErrClosed)
	}
	switch f.Kind {
	case Dead:
		s.hangUp()
	case Reset:
		for c := range s.conns {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // makes the close a reset; without it the other end sees an orderly end
			}
			_ = c.Close() // its handler ends
		}
		f = Fault{Kind: OK}
	}
	if s.l == nil && f.Kind != Dead {
		if err := s.listen(); err != nil {
			return err
		}
	}
	s.store.Freeze(f.Kind == Frozen)
	s.fault = f
	return nil
}

// ServeControl takes commands, one a line, on a Unix socket until ctx ends, and answers each with "ok" or "error: …". It owns l and closes it.
func (s *Slave) ServeControl(ctx context.Context, l *net.UnixListener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("modbusslave: control: %w", err)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			end := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer end()
			defer func() { _ = conn.Close() }()
			in := bufio.NewScanner(conn)
			for in.Scan() {
				answer := "ok\n"
				f, err := ParseFault(in.Text())
				if err == nil {
					err = s.SetFault(f)
				}
				if err != nil {
					answer = "error: " + err.Error() + "\n"
				}
				if _, err := io.WriteString(conn, answer); err != nil {
					return
				}
			}
		}()
	}
}

// Control sends one command to a slave's control socket and waits for its answer.
func Control(ctx context.Context, path, command string) error {
	if _, err := ParseFault(command); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := socket.Dial(ctx, path, "start a simulated device with: wayside simulate modbus --control "+path)
	if err != nil {
		return fmt.Errorf("modbusslave: %w", err)
	}
	defer func() { _ = conn.Close() }() // the answer is all that counts
	done, err := hal.Deadline(ctx, conn)
	if err != nil {
		return fmt.Errorf("modbusslave: control: %w", err)
	}
	defer done()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return fmt.Errorf("modbusslave: control: %w", err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("modbusslave: control: %w", hal.ErrTimeout)
	} else if err != nil {
		return fmt.Errorf("modbusslave: control: %w", err)
	}
	if answer = strings.TrimSuffix(answer, "\n"); answer != "ok" {
		return errors.New(strings.TrimPrefix(answer, "error: "))
	}
	return nil
}
