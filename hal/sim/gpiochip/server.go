package gpiochip

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ProtocolVersion is the "v" of every request. A server answers another version with an error that names its own.
const ProtocolVersion = 1

// maxMessage bounds one request. The largest that makes sense, 64 lines, has under 8 KiB.
const maxMessage = 64 << 10

// maxConns bounds the connections, so that a runaway client cannot take all descriptors.
const maxConns = 128

type request struct {
	V        int           `json:"v"`
	Op       string        `json:"op"`
	Consumer string        `json:"consumer,omitempty"`
	Lines    []LineRequest `json:"lines,omitempty"`
}

type response struct {
	OK       bool   `json:"ok"`
	Code     string `json:"code,omitempty"` // busy | invalid
	Error    string `json:"error,omitempty"`
	Line     int    `json:"line,omitempty"`     // with busy: the line, and who has it
	Consumer string `json:"consumer,omitempty"` //
	PID      int    `json:"pid,omitempty"`      //
	Chip     *Info  `json:"chip,omitempty"`
	Lines    []Line `json:"lines,omitempty"`
}

// Info is the chip as a whole.
type Info struct {
	Name      string    `json:"name"`
	Lines     int       `json:"lines"`
	OnRelease OnRelease `json:"on_release"`
	PID       int       `json:"pid"` // of the process that is the chip
}

// Serve answers on l until ctx ends, then releases every line, records the chip's end and returns. It owns l and closes it.
func Serve(ctx context.Context, l *net.UnixListener, c *Chip) error {
	s := &server{chip: c, conns: map[*net.UnixConn]struct{}{}}
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // wakes Accept; the listener's own error is of no use then
		s.closeAll()
	})
	defer stop()
	var wg sync.WaitGroup
	var acceptErr error
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if ctx.Err() == nil {
				acceptErr = fmt.Errorf("gpiochip: accept: %w", err)
				_ = l.Close() // already failing
				s.closeAll()
			}
			break
		}
		if !s.add(conn) {
			_ = conn.Close() // over the limit: the client sees the end of the stream
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			s.serve(ctx, conn)
		}()
	}
	wg.Wait()
	return errors.Join(acceptErr, c.Stop())
}

type server struct {
	chip  *Chip
	mu    sync.Mutex
	conns map[*net.UnixConn]struct{}
	ended bool
}

func (s *server) add(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.conns) >= maxConns {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.conns {
		_ = c.Close() // their handlers end with the next read
	}
}

// serve answers one connection and gives its lines back when it ends.
func (s *server) serve(ctx context.Context, conn *net.UnixConn) {
	o := &Owner{PID: peerPID(conn)}
	defer func() {
		cause := CauseClosed
		if ctx.Err() != nil {
			cause = CauseStop
		}
		_ = s.chip.Release(o, nil, cause) // the chip keeps the error and Stop returns it
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, 4096), maxMessage)
	out := json.NewEncoder(conn)
	for in.Scan() {
		var req request
		var resp response
		if err := json.Unmarshal(in.Bytes(), &req); err != nil {
			resp = failed(fmt.Errorf("request is no JSON object of this protocol: %w", err))
		} else {
			resp = s.handle(o, &req)
		}
		if err := out.Encode(&resp); err != nil {
			return
		}
	}
}

func (s *server) handle(o *Owner, req *request) response {
	if req.V != ProtocolVersion {
		return failed(fmt.Errorf("protocol version %d: this chip speaks %d", req.V, ProtocolVersion))
	}
	var err error
	switch req.Op {
	case "chip":
		opt := s.chip.Options()
		return response{OK: true, Chip: &Info{Name: opt.Name, Lines: opt.Lines, OnRelease: opt.OnRelease, PID: os.Getpid()}}
	case "info":
		return response{OK: true, Lines: s.chip.Info()}
	case "request":
		err = s.chip.Claim(o, req.Consumer, req.Lines)
	case "set":
		err = s.chip.Set(o, req.Lines)
	case "release":
		lines := make([]int, len(req.Lines))
		for i, l := range req.Lines {
			lines[i] = l.Line
		}
		err = s.chip.Release(o, lines, CauseRelease)
	case "drive":
		err = s.chip.Drive(Owner{PID: o.PID, Consumer: req.Consumer}, req.Lines)
	default:
		err = fmt.Errorf("operation %q is unknown: chip, info, request, set, release or drive", req.Op)
	}
	if err != nil {
		return failed(err)
	}
	return response{OK: true}
}

func failed(err error) response {
	r := response{Code: "invalid", Error: err.Error()}
	var busy *BusyError
	if errors.As(err, &busy) {
		r.Code, r.Line, r.Consumer, r.PID = "busy", busy.Line, busy.Consumer, busy.PID
	}
	return r
}

// peerPID asks the kernel who is at the other end; 0 where it does not say.
func peerPID(c *net.UnixConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	if err := raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	}); err != nil {
		return 0
	}
	return pid
}
