package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"wayside/agent/config"
	"wayside/hal"
)

const (
	lockRetry    = 20 * time.Millisecond
	lockPatience = 2 * time.Second // for a guardian that is just dying
	sayBusy      = time.Second     // a line that is not owned for so long is worth a message
	stopTime     = 2 * time.Second // for the last commands and records
	maxEvents    = 256
)

// ErrRunning: another guardian has this state folder.
var ErrRunning = errors.New("another guardian is running")

// Options of Run.
type Options struct {
	Log   *slog.Logger // nil: nothing is said
	Clock hal.Clock    // nil: the machine's
	// Broken says what is wrong with the file that should be in force, when cfg is the last good copy of it: all outputs stay safe, every
	// request is refused with this reason. Nil in normal operation.
	Broken error
	// Reload reads a configuration file; nil: config.Load.
	Reload func(path string) (*config.Config, error)
	// Ready, if set, is called once every line is claimed and the socket answers.
	Ready func()
}

// LastGood is where Run keeps a copy of the newest configuration that was in force.
func LastGood(stateDir string) string { return filepath.Join(stateDir, "guard", "last-good.toml") }

// Run is the guardian. It claims the lines of cfg, answers on the socket, and returns when ctx ends: every output is then in its on_stop state
// and everything recorded. An error before the first claim means that nothing was touched; after that Run does not fail.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	g := &guardian{o: o, cfg: cfg, events: make(chan func(), maxEvents), done: make(chan struct{}), drivers: map[*config.Output]*driver{},
		tokens: map[uint64]waiter{}, said: map[string]bool{}}
	if g.o.Log == nil {
		g.o.Log = slog.New(slog.DiscardHandler)
	}
	if g.o.Clock == nil {
		g.o.Clock = hal.RealClock()
	}
	if g.o.Reload == nil {
		g.o.Reload = func(path string) (*config.Config, error) { return config.Load(path) }
	}
	g.started = g.o.Clock.Boot()
	return g.run(ctx)
}

// guardian is the surroundings of a Core: it turns events into calls and actions into input and output.
type guardian struct {
	o   Options
	cfg *config.Config

	core    *Core
	w       *writer
	srv     *server
	watch   *watcher
	drivers map[*config.Output]*driver
	env     hal.Env

	events  chan func() // everything that happens; run by the loop's goroutine
	done    chan struct{}
	started time.Duration

	worker   *conn
	tokens   map[uint64]waiter // requests that have no answer yet
	token    uint64
	ready    bool
	said     map[string]bool // lines whose absence has been said
	notified time.Duration
	watchdog time.Duration // systemd's, 0: none
	manager  *notifier

	reloading  bool
	background sync.WaitGroup // of reloads and of what they replaced
}

type waiter struct {
	from *conn
	id   uint64
}

// post hands an event to the loop. After the loop has ended it is dropped.
func (g *guardian) post(f func()) {
	select {
	case g.events <- f:
	case <-g.done:
	}
}

func (g *guardian) postCore(f func(*Core, time.Duration) []Action) {
	g.post(func() { g.perform(f(g.core, g.o.Clock.Boot())) })
}

func (g *guardian) run(ctx context.Context) error {
	dir := filepath.Join(g.cfg.StateDir(), "guard")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	lock, err := g.flock(ctx, filepath.Join(dir, "guardian.lock"))
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // the end of the process releases it as well

	w, h, notes, err := openWriter(dir, int64(g.cfg.Guard.RecordSize), g.o.Clock, func(change uint64, err error) {
		g.postCore(func(c *Core, now time.Duration) []Action { return c.Durable(now, change, err) })
	})
	if err != nil {
		return err
	}
	g.w = w
	for _, n := range notes {
		g.o.Log.Warn("record", "err", n)
	}
	broken := ""
	if g.o.Broken != nil {
		broken = g.o.Broken.Error()
		g.o.Log.Error("configuration broken: running on the last good one, all outputs safe, requests refused", "err", broken)
	} else if err := keepLastGood(g.cfg); err != nil {
		g.o.Log.Warn("no copy of the configuration was kept", "err", err)
	}
	g.srv, err = listen(g.cfg.SocketPath(), func(e event) { g.post(func() { g.heard(e) }) })
	if err != nil {
		return errors.Join(err, w.Close())
	}
	g.env = g.cfg.Env(g.o.Clock)
	g.core = NewCore(g.cfg, h, broken, g.o.Clock.Boot())
	g.w.put(Action{Record: KindStart, Entry: Entry{PID: os.Getpid(), Config: g.cfg.File, Reason: broken}})
	g.watch = startWatcher(g.cfg, g.env, g.postCore)
	g.manager = startNotifier()
	g.loop(ctx)
	return g.stop()
}

// flock makes this the only guardian of the state folder.
func (g *guardian) flock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	for begin := g.o.Clock.Boot(); ; {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		err = ErrRunning
		if g.o.Clock.Boot()-begin > lockPatience || hal.Sleep(ctx, g.o.Clock, lockRetry) != nil {
			break
		}
	}
	return nil, errors.Join(fmt.Errorf("guard: %s: %w", path, err), f.Close())
}

// keepLastGood writes the copy that a later start falls back to.
func keepLastGood(cfg *config.Config) error {
	path := LastGood(cfg.StateDir())
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	_, err = f.Write(cfg.Source())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("guard: keep %s: %w", path, err)
	}
	return nil
}

func (g *guardian) loop(ctx context.Context) {
	tick := time.NewTicker(g.cfg.Guard.Tick.D())
	defer tick.Stop()
	g.watchdog, _ = daemon.SdWatchdogEnabled(false) // an error means: not under systemd, or not asked for
	g.tick()
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-g.events:
			f()
		case <-tick.C:
			g.tick()
		}
		// A line that stays away must not keep systemd waiting: the others are guarded.
		if !g.ready && (g.core.Owned() || g.o.Clock.Boot()-g.started > sayBusy) {
			g.ready = true
			g.o.Log.Info("guarding", "outputs", len(g.cfg.Outputs), "socket", g.cfg.SocketPath())
			g.manager.say(daemon.SdNotifyReady)
			if g.o.Ready != nil {
				g.o.Ready()
			}
		}
	}
}

func (g *guardian) tick() {
	now := g.o.Clock.Boot()
	g.perform(g.core.Tick(now))
	g.prune()
	if g.watchdog > 0 && now-g.notified >= g.watchdog/3 {
		g.notified = now
		g.manager.say(daemon.SdNotifyWatchdog)
	}
	for _, l := range g.core.outs {
		name := l.c.Name
		switch {
		case l.phase == owned:
			delete(g.said, name)
		case !g.said[name] && now-max(g.started, l.since) > sayBusy:
			g.said[name] = true
			g.o.Log.Warn("output not owned, trying on", "output", name, "err", l.fault)
		}
	}
}

// perform carries out the core's actions.
func (g *guardian) perform(acts []Action) {
	for _, a := range acts {
		switch a.Kind {
		case ActRecord:
			g.w.put(a)
		case ActReply:
			if t, ok := g.tokens[a.Token]; ok {
				delete(g.tokens, a.Token)
				t.from.send(&message{Op: "request", ID: t.id, OK: a.Reply.Accepted, Reason: a.Reply.Reason, Seq: a.Reply.Seq})
			}
		default:
			d := g.drivers[a.Output]
			if d == nil {
				d = startDriver(a.Output, g.env, g.postCore)
				g.drivers[a.Output] = d
			}
			d.put(a)
		}
	}
}

// heard handles one message, or the end of a connection.
func (g *guardian) heard(e event) {
	k, m, now := e.from, e.m, g.o.Clock.Boot()
	if m == nil {
		for t, w := range g.tokens {
			if w.from == k {
				delete(g.tokens, t)
			}
		}
		if g.worker == k {
			g.worker = nil
			g.o.Log.Log(context.Background(), leaveLevel(k.bye), "worker gone", "pid", k.pid, "bye", k.bye)
			if !k.bye {
				g.perform(g.core.WorkerGone(now, false))
			}
		}
		return
	}
	reply := &message{Op: m.Op, ID: m.ID}
	switch m.Op {
	case "request", "heartbeat":
		if m.Op == "request" && (m.Value == nil || m.Quality == nil) {
			reply.Reason = DenyBadRequest + ": value and quality are needed"
		} else if why := g.seat(k, now); why != "" {
			reply.Reason = why
		} else if m.Op == "heartbeat" {
			why, acts := g.core.Heartbeat(now, m.Task, time.Duration(m.Period))
			g.perform(acts)
			reply.OK, reply.Reason = why == "", why
		} else {
			g.token++
			g.tokens[g.token] = waiter{k, m.ID}
			g.perform(g.core.Request(now, g.token, Request{Task: m.Task, Output: m.Output, Value: *m.Value, DecisionID: m.Decision,
				InputBoot: time.Duration(m.Input), Quality: *m.Quality, Lease: time.Duration(m.Lease)}))
			return
		}
	case "status":
		s := g.core.Status()
		s.PID, s.StartedNS, s.BootNS, s.Record = os.Getpid(), int64(g.started), int64(now), g.w.Status()
		reply.OK, reply.Status = true, &s
	case "reload":
		g.reload(k, m.ID, m.Path)
		return
	case "bye":
		reply.OK = true
		if g.worker == k && !k.bye {
			k.bye = true
			g.perform(g.core.WorkerGone(now, true))
		}
	default:
		reply.Op, reply.Reason = "error", fmt.Sprintf("unknown op %q", m.Op)
	}
	k.send(reply)
}

func leaveLevel(clean bool) slog.Level {
	if clean {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// seat gives the worker's seat to k if it is free. The answer is why it is not.
func (g *guardian) seat(k *conn, now time.Duration) string {
	switch {
	case k.bye:
		return DenySecondWorker + ": this connection has said bye"
	case g.worker == k:
		return ""
	case g.worker != nil && !g.worker.bye:
		return fmt.Sprintf("%s: process %d is the worker", DenySecondWorker, g.worker.pid)
	}
	g.worker = k
	g.o.Log.Info("worker connected", "pid", k.pid)
	g.perform(g.core.WorkerHere(now, k.pid))
	return ""
}

// reload reads the file at path beside the loop, since a disk may be slow, and brings it into force, or says why not.
func (g *guardian) reload(k *conn, id uint64, path string) {
	answer := func(why string) {
		if why != "" {
			g.o.Log.Warn("reload refused", "path", path, "err", why)
			if len(why) > maxLine/2 {
				why = why[:maxLine/2]
			}
			g.w.put(Action{Record: KindReload, Entry: Entry{Config: path, Reason: "refused: " + why}})
		}
		k.send(&message{Op: "reload", ID: id, OK: why == "", Reason: why})
	}
	switch {
	case !filepath.IsAbs(path):
		answer("the path must be absolute")
		return
	case g.reloading:
		answer("another reload is in progress")
		return
	}
	g.reloading = true
	old := g.cfg
	g.background.Add(1)
	go func() {
		defer g.background.Done()
		cfg, err := g.o.Reload(path)
		if err == nil {
			err = fixed(old, cfg)
		}
		var copyErr error
		if err == nil {
			copyErr = keepLastGood(cfg)
		}
		g.post(func() {
			if err != nil {
				g.reloading = false
				answer(err.Error())
				return
			}
			if copyErr != nil {
				g.o.Log.Warn("no copy of the configuration was kept", "err", copyErr)
			}
			g.inForce(cfg)
			answer("")
		})
	}()
}

// fixed checks that what a running guardian cannot change is as it was.
func fixed(old, cfg *config.Config) error {
	for _, f := range []struct{ key, old, new string }{
		{"site.state_dir", old.StateDir(), cfg.StateDir()},
		{"guard.socket", old.SocketPath(), cfg.SocketPath()},
		{"guard.record_size", old.Guard.RecordSize.String(), cfg.Guard.RecordSize.String()},
		{"guard.tick", old.Guard.Tick.String(), cfg.Guard.Tick.String()},
	} {
		if f.old != f.new {
			return fmt.Errorf("%s: %s cannot change from %s to %s while the guardian runs; stop and start it", cfg.File, f.key, f.old, f.new)
		}
	}
	return nil
}

// inForce goes over to another configuration. Until the sensors of interlocks are read anew, their last readings age; they are not
// forgotten, so that a reload which leaves them alone moves no output.
func (g *guardian) inForce(cfg *config.Config) {
	again := watchedDiffer(g.cfg, cfg)
	g.cfg, g.env = cfg, cfg.Env(g.o.Clock)
	g.perform(g.core.Reconfigure(g.o.Clock.Boot(), cfg))
	g.rebind()
	g.o.Log.Info("configuration in force", "path", cfg.File)
	if !again {
		g.reloading = false
		return
	}
	old := g.watch
	g.watch = nil
	g.background.Add(1)
	go func() { // a device may take its time to be let go, and has one owner at a time
		defer g.background.Done()
		old.end()
		g.post(func() {
			g.watch = startWatcher(cfg, g.env, g.postCore)
			g.reloading = false
		})
	}()
}

// rebind gives the drivers of unchanged outputs their new configuration's address.
func (g *guardian) rebind() {
	for o, d := range g.drivers {
		for _, l := range g.core.outs {
			if l.c != o && l.c.Name == o.Name && !l.gone && l.next == nil {
				delete(g.drivers, o)
				g.drivers[l.c] = d
			}
		}
	}
}

// prune ends the drivers of outputs that a reload took away or changed.
func (g *guardian) prune() {
	if len(g.drivers) <= len(g.core.outs) {
		return
	}
	used := map[*config.Output]bool{}
	for _, l := range g.core.outs {
		used[l.c] = true
	}
	for o, d := range g.drivers {
		if !used[o] {
			delete(g.drivers, o)
			g.background.Add(1)
			go func() {
				defer g.background.Done()
				d.end()
			}()
		}
	}
}

// stop takes the outputs to their on_stop states, gives the lines up and closes the record.
func (g *guardian) stop() error {
	g.manager.say(daemon.SdNotifyStopping)
	defer g.manager.end()
	g.perform(g.core.Stop(g.o.Clock.Boot()))
	limit := time.NewTimer(stopTime)
	defer limit.Stop()
	tick := time.NewTicker(g.cfg.Guard.Tick.D())
	defer tick.Stop()
	for waiting := true; waiting && !g.core.Quiet(); {
		select {
		case f := <-g.events:
			f()
		case <-tick.C:
			g.tick()
		case <-limit.C:
			waiting = false
		}
	}
	reason := "in order"
	if !g.core.Quiet() {
		var names []string
		for _, l := range g.core.outs {
			if l.moving != nil {
				names = append(names, l.c.Name)
			}
		}
		reason = "these outputs did not confirm: " + strings.Join(names, ", ")
		g.o.Log.Error("stopped", "err", reason)
	}
	close(g.done) // from here on events are dropped
	g.srv.end()
	if g.watch != nil {
		g.watch.end()
	}
	g.background.Wait()
	for _, d := range g.drivers {
		d.end()
	}
	g.w.put(Action{Record: KindStop, Entry: Entry{PID: os.Getpid(), Reason: reason}})
	return g.w.Close()
}
