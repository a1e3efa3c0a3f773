package guard

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"wayside/hal"
)

const (
	maxConns     = 16 // connections at once; more are closed unanswered
	maxUnsent    = 64 // answers that a client has not read yet; then it is closed
	helloTimeout = 2 * time.Second
	sendTimeout  = time.Second
)

// server speaks the protocol. Everything it hears becomes an event of the loop; it decides nothing but who may speak.
type server struct {
	l    *net.UnixListener
	post func(event)

	mu    sync.Mutex
	conns map[*conn]bool
	ended bool
	wg    sync.WaitGroup
}

// event is something that a connection said, or its end (m == nil).
type event struct {
	from *conn
	m    *message
}

// conn is one client.
type conn struct {
	c   *net.UnixConn
	pid int
	uid uint32
	out chan *message

	bye bool // the loop's: it said bye

	mu     sync.Mutex
	closed bool
}

// listen makes the socket, in place of one that a dead guardian left. One that answers belongs to a living guardian.
func listen(path string, post func(event)) (*server, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("guard: another guardian answers on %s: %w", path, hal.ErrBusy)
	}
	if st, err := os.Lstat(path); err == nil {
		if st.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("guard: %s exists and is no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("guard: %w", err)
		}
	}
	old := unix.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	s := &server{l: l, post: post, conns: map[*conn]bool{}}
	s.wg.Add(1)
	go s.accept()
	return s, nil
}

func (s *server) accept() {
	defer s.wg.Done()
	for {
		c, err := s.l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, or the client is gone already
			time.Sleep(10 * time.Millisecond)
			continue
		}
		k := &conn{c: c, out: make(chan *message, maxUnsent)}
		s.mu.Lock()
		full := s.ended || len(s.conns) >= maxConns
		if !full {
			s.conns[k] = true
			s.wg.Add(2)
		}
		s.mu.Unlock()
		if full {
			_ = c.Close()
			continue
		}
		go s.write(k)
		go s.read(k)
	}
}

// peer finds who is at the other end.
func (k *conn) peer() error {
	raw, err := k.c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var cerr error
	err = raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	k.pid, k.uid = int(cred.Pid), cred.Uid
	return nil
}

func (s *server) read(k *conn) {
	defer s.wg.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, k)
		s.mu.Unlock()
		k.close()
		s.post(event{from: k})
	}()
	if err := k.peer(); err != nil {
		return
	}
	if k.uid != 0 && k.uid != uint32(os.Getuid()) {
		k.send(&message{Op: "error", Reason: "user id " + strconv.Itoa(int(k.uid)) + " may not speak to the guardian"})
		return
	}
	r := bufio.NewReaderSize(k.c, 1024)
	_ = k.c.SetReadDeadline(time.Now().Add(helloTimeout))
	var hello message
	if err := readMessage(r, &hello); err != nil || hello.Op != "hello" {
		k.send(&message{Op: "error", Reason: "the first message must be hello"})
		return
	}
	if err := acceptsVersion(hello.V); err != nil {
		k.send(&message{Op: "error", Reason: err.Error()})
		return
	}
	_ = k.c.SetReadDeadline(time.Time{})
	k.send(&message{Op: "hello", V: protocolVersion, PID: os.Getpid()})
	for {
		m := new(message)
		if err := readMessage(r, m); err != nil {
			return
		}
		s.post(event{k, m})
	}
}

// write sends answers, so that a client that does not read holds up nobody.
func (s *server) write(k *conn) {
	defer s.wg.Done()
	defer k.c.Close() //nolint:errcheck // the reader has ended or will now
	for m := range k.out {
		b, err := encode(m)
		if err != nil || len(b) > maxLine {
			b, _ = encode(&message{Op: "error", ID: m.ID, Reason: fmt.Sprintf("the answer cannot be sent: %d bytes, %v", len(b), err)})
		}
		_ = k.c.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := k.c.Write(b); err != nil {
			_ = k.c.Close() // the reader sees it and ends
			for range k.out {
			}
			return
		}
	}
}

// send queues an answer; it never waits.
func (k *conn) send(m *message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	select {
	case k.out <- m:
	default:
		k.closed = true
		close(k.out)
		_ = k.c.Close() // it does not read
	}
}

func (k *conn) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.closed = true
		close(k.out) // what is queued is still sent, then the writer closes the connection
	}
}

// end closes the listener and every connection, and waits for their goroutines.
func (s *server) end() {
	s.mu.Lock()
	s.ended = true
	_ = s.l.Close()
	for k := range s.conns {
		_ = k.c.CloseRead()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
