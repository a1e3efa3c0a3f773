package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"wayside/agent/guard"
	"wayside/agent/pipeline"
)

// errNoGuardian: there is no connection at this moment. The link is looking for one.
var errNoGuardian = errors.New("agent: no connection to the guardian")

// link keeps a connection to the guardian and, where it may, a guardian to connect to. Safe for concurrent use.
type link struct {
	socket string
	config string   // absolute
	argv   []string // how to start a guardian; nil: somebody else does
	output string   // file that takes the started guardian's messages
	log    *slog.Logger
	notify func(GuardianRecord)

	mu      sync.Mutex
	client  *guard.Client
	status  guard.Status
	haveSt  bool
	beating map[string]bool // tasks whose heartbeat is under way
	proc    *guardProcess
	beats   sync.WaitGroup
	closed  bool
}

// guardProcess is a guardian that this worker started.
type guardProcess struct {
	cmd     *exec.Cmd
	started time.Time
	done    chan struct{} // closed when it has ended
}

var _ pipeline.Guardian = (*link)(nil)

const (
	redialEvery   = 50 * time.Millisecond
	dialTimeout   = time.Second
	statusEvery   = 500 * time.Millisecond
	shortLife     = 2 * time.Second        // a guardian that ends sooner is not started again at once
	restartPause  = 500 * time.Millisecond // but after this
	detachedFlag  = "--detached"
	guardStopTime = 3 * time.Second
)

// run keeps the connection until ctx ends. The connection is then still open, for bye.
func (l *link) run(ctx context.Context) {
	for ctx.Err() == nil {
		c, err := l.dial(ctx)
		if err != nil {
			l.maybeStart(err)
			pause(ctx, redialEvery)
			continue
		}
		l.mu.Lock()
		l.client = c
		l.mu.Unlock()
		l.notify(GuardianRecord{Event: "connected", PID: c.PID()})
		l.watch(ctx, c)
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		l.client, l.haveSt = nil, false
		l.mu.Unlock()
		_ = c.Close() // it has ended already; this waits for its reader
		l.notify(GuardianRecord{Event: "lost", PID: c.PID()})
	}
}

func (l *link) dial(ctx context.Context) (*guard.Client, error) {
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return guard.Dial(dctx, l.socket)
}

// watch returns when the connection has ended or ctx has, and reads the guardian's status meanwhile.
func (l *link) watch(ctx context.Context, c *guard.Client) {
	t := time.NewTicker(statusEvery)
	defer t.Stop()
	for {
		sctx, cancel := context.WithTimeout(ctx, statusEvery)
		st, err := c.Status(sctx)
		cancel()
		l.mu.Lock()
		if l.haveSt = err == nil; l.haveSt {
			l.status = st
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-c.Done():
			return
		case <-t.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// maybeStart starts a guardian when nobody listens on the socket and no started one is still coming up.
func (l *link) maybeStart(dialErr error) {
	if l.argv == nil || !nobodyListens(dialErr) {
		return
	}
	l.mu.Lock()
	p := l.proc
	l.mu.Unlock()
	if p != nil {
		select {
		case <-p.done:
			if time.Since(p.started) < shortLife && time.Since(p.started) < restartPause {
				return
			}
		default:
			return
		}
	}
	started, err := l.startGuardian()
	if err != nil {
		l.notify(GuardianRecord{Event: "failed", Error: err.Error()})
		return
	}
	l.mu.Lock()
	l.proc = started
	l.mu.Unlock()
	l.notify(GuardianRecord{Event: "started", PID: started.cmd.Process.Pid})
}

// nobodyListens: a guardian that is there but slow must not get a rival.
func nobodyListens(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist)
}

// startGuardian starts a guardian in a session of its own, so that neither a terminal's signals nor our death reach it: a killed worker
// leaves it holding the outputs' safe states.
func (l *link) startGuardian() (*guardProcess, error) {
	out, err := os.OpenFile(l.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("agent: starting the guardian: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(l.argv[0], l.argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("agent: starting the guardian: %w", err)
	}
	p := &guardProcess{cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in its own record; here it must only not stay a zombie
	}()
	return p, nil
}

func (l *link) current() *guard.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// Request implements pipeline.Guardian.
func (l *link) Request(ctx context.Context, r guard.Request) (guard.Reply, error) {
	c := l.current()
	if c == nil {
		return guard.Reply{}, errNoGuardian
	}
	return c.Request(ctx, r)
}

// Heartbeat implements pipeline.Guardian. It returns at once: a task must not stand still because the guardian does. While a task's
// heartbeat waits for its answer, further ones of it are left out.
func (l *link) Heartbeat(task string, period time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.client == nil || l.closed:
		return errNoGuardian
	case l.beating[task]:
		return nil
	}
	c := l.client
	l.beating[task] = true
	l.beats.Go(func() {
		err := c.Heartbeat(task, period)
		l.mu.Lock()
		delete(l.beating, task)
		l.mu.Unlock()
		var refused *guard.RefusedError
		if errors.As(err, &refused) {
			l.log.Debug("heartbeat refused", "task", task, "err", err)
		}
	})
	return nil
}

// Status is the guardian's last status; ok is false while there is none.
func (l *link) Status() (st guard.Status, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status, l.haveSt
}

// reload makes the guardian read the configuration file again.
func (l *link) reload(ctx context.Context) error {
	c := l.current()
	if c == nil {
		return errNoGuardian
	}
	return c.Reload(ctx, l.config)
}

// finish ends the connection in order after run has returned: the outputs go to their on_stop states, and a guardian that lives only
// for a worker ends too.
func (l *link) finish() error {
	l.mu.Lock()
	c, p := l.client, l.proc
	l.client, l.closed = nil, true
	l.mu.Unlock()
	l.beats.Wait()
	var errs []error
	pid := 0
	if c != nil {
		pid = c.PID()
		if err := c.Bye(); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, c.Close())
	}
	switch {
	case l.argv == nil:
	case p != nil && running(p):
		errs = append(errs, endProcess(p.cmd.Process.Pid, p.done))
	case pid > 0 && detached(pid):
		// Started by a worker that was killed before us: it would stay without anybody to end it.
		errs = append(errs, endProcess(pid, nil))
	}
	return errors.Join(errs...)
}

func running(p *guardProcess) bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// detached reports whether the process is a guardian that a worker has started, by its command line.
func detached(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	for _, arg := range bytes.Split(b, []byte{0}) {
		if string(arg) == detachedFlag {
			return true
		}
	}
	return false
}

// endProcess asks the process to end and waits for it. It does not force it: a guardian that takes longer is bringing outputs to their
// states.
func endProcess(pid int, done <-chan struct{}) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		if errors.Is(err, syscall.ESRCH) {
			return nil
		}
		return fmt.Errorf("agent: ending the guardian: %w", err)
	}
	deadline := time.Now().Add(guardStopTime)
	for time.Now().Before(deadline) {
		if done != nil {
			select {
			case <-done:
				return nil
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("agent: the guardian (process %d) did not end within %s", pid, guardStopTime)
}
