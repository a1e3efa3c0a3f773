package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"wayside/agent/config"
	"wayside/agent/journal"
	"wayside/agent/release"
	"wayside/agent/telemetry"
	"wayside/agent/web"
	"wayside/graph/load"
	"wayside/hal"
)

// Options of Run.
type Options struct {
	Config  string // path of the configuration file
	Version string // of the program, for records and metrics
	Log     *slog.Logger
	Clock   hal.Clock // default: the machine's

	// Guardian is the command that starts a guardian, without arguments of its own: the program itself. Empty: a service manager
	// keeps the guardian, and the worker only connects to it.
	Guardian []string
	// Reload asks for a reload of the configuration; the reason goes to journal and log. May be nil.
	Reload <-chan string
	// Configured is called with the configuration before anything is loaded or opened. May be nil.
	Configured func(*config.Config)
	// Kernels names the kernels that models run on and the version of their panels, see load.Cache.
	Kernels string
	// Started is called once everything runs, with the page's address, or nil without a page. May be nil.
	Started func(page net.Addr)

	load func(data []byte, name string, maxBytes int64) (release.Program, error) // tests; default release.LoadGraph
}

// InputError is a fault in what the user wrote: configuration, model, address. Nothing was started and nothing changed.
type InputError struct{ Err error }

// Error is the fault.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap gives the fault.
func (e *InputError) Unwrap() error { return e.Err }

// memoryLimit makes the collector work harder before the worker's heap grows past what a small gateway can spare; it is no hard limit.
const memoryLimit = 48 << 20

// Run is the worker. It returns when ctx ends, after an orderly stop: outputs in their on_stop states, everything recorded. An
// *InputError means that it never started; other errors are the machine's.
func Run(ctx context.Context, o Options) error {
	if o.Clock == nil {
		o.Clock = hal.RealClock()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	path, err := filepath.Abs(o.Config)
	if err != nil {
		return &InputError{fmt.Errorf("agent: %w", err)}
	}
	cfg, err := config.Load(path)
	if err != nil {
		return &InputError{err}
	}
	if o.Configured != nil {
		o.Configured(cfg)
	}
	if dir := cfg.Site.Cache; dir != "" && o.load == nil {
		o.load = release.CachedGraphs(&load.Cache{Dir: cfg.Path(dir), Kernels: o.Version + " " + o.Kernels, Note: func(err error) {
			o.Log.Warn("cache of packed weights", "component", "models", "err", err)
		}})
	}
	w, err := newWorker(cfg, path, o)
	if err != nil {
		return err
	}
	return w.run(ctx)
}

// worker is a running agent.
type worker struct {
	o       Options
	path    string // of the configuration, absolute
	log     *slog.Logger
	clock   hal.Clock
	start   time.Duration // boot time at which all schedules begin
	runID   string
	ids     atomic.Uint64 // decisions so far
	rec     *recorder
	metrics *telemetry.Metrics
	board   *web.Board
	store   *release.Store
	link    *link
	page    net.Listener

	reloads chan reloadRequest

	mu  sync.Mutex // cfg, parts; held while they change
	cfg *config.Config
	parts
}

type reloadRequest struct {
	why   string
	reply chan<- error
}

// newWorker opens what must be there and builds what runs. On an error everything opened is closed.
func newWorker(cfg *config.Config, path string, o Options) (_ *worker, err error) {
	w := &worker{o: o, path: path, log: o.Log.With("component", "agent"), clock: o.Clock, cfg: cfg,
		metrics: telemetry.New(o.Version), board: web.NewBoard(), reloads: make(chan reloadRequest)}
	state := cfg.StateDir()
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, &InputError{fmt.Errorf("agent: site.state_dir: %w", err)}
	}
	j, err := journal.Open(filepath.Join(state, workerJournal), journal.Options{MaxBytes: int64(cfg.Agent.JournalSize), Clock: o.Clock})
	if errors.Is(err, journal.ErrLocked) {
		return nil, fmt.Errorf("agent: another worker runs on %s: %w", state, err)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	var page net.Listener
	defer func() {
		if err == nil {
			return
		}
		if cerr := j.Close(); cerr != nil {
			w.log.Error("closing the journal", "err", cerr)
		}
		if page != nil {
			if cerr := page.Close(); cerr != nil {
				w.log.Error("closing the page's port", "err", cerr)
			}
		}
	}()
	for _, d := range j.Damage() {
		if !d.Torn {
			w.log.Warn("journal is damaged", "damage", d.String())
		}
	}
	w.rec = newRecorder(j, w.metrics, w.board, w.log)
	w.metrics.Gauge("wayside_journal_bytes", func() float64 { return folderBytes(filepath.Join(state, workerJournal)) })
	var damaged error
	if w.store, damaged, err = release.OpenStore(state); err != nil {
		return nil, err
	}
	if damaged != nil {
		w.log.Error("state of models is damaged", "err", damaged)
		w.rec.event("model", "bad", damaged.Error())
	}
	w.runID = runID(o.Clock)
	w.link = &link{socket: cfg.SocketPath(), config: path, output: filepath.Join(state, "guard.log"), log: o.Log.With("component", "guardian"),
		notify: w.guardianEvent, beating: map[string]bool{}}
	if len(o.Guardian) > 0 {
		w.link.argv = append(append([]string(nil), o.Guardian...), "guard", "--config", path, detachedFlag)
	}
	if cfg.Agent.Listen != "" {
		if page, err = net.Listen("tcp", cfg.Agent.Listen); err != nil {
			return nil, &InputError{fmt.Errorf("agent: %s: agent.listen = %q: %w; choose another port, or 0 for a free one", path, cfg.Agent.Listen, err)}
		}
		w.page = page
		if err = os.WriteFile(filepath.Join(state, "http.addr"), []byte(w.page.Addr().String()+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("agent: writing the page's address: %w", err)
		}
	}
	w.start = w.clock.Boot()
	next, err := w.build(cfg, nil)
	if err != nil {
		return nil, &InputError{err}
	}
	w.parts = *next
	return w, nil
}

// run starts everything, serves reloads, and stops everything in order once ctx ends.
func (w *worker) run(ctx context.Context) error {
	cfg := w.cfg
	w.rec.write(KindStart, StartRecord{Version: w.o.Version, Config: w.path, PID: os.Getpid(), AllowUnsigned: cfg.Agent.AllowUnsigned, Models: w.digests()})
	if cfg.Agent.ReleaseDir != "" && cfg.Agent.AllowUnsigned {
		w.log.Warn("unsigned models are taken from the release folder (agent.allow_unsigned = true)", "folder", cfg.Path(cfg.Agent.ReleaseDir))
		w.rec.event("config", "warn", "Unsigned models are taken from "+cfg.Agent.ReleaseDir+" (allow_unsigned)")
	}
	// What must live until the outputs are in their on_stop states has a context of its own.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	linkCtx, stopLink := context.WithCancel(background)
	var bg, lk sync.WaitGroup
	lk.Go(func() { w.link.run(linkCtx) })
	bg.Go(func() { w.syncJournal(background) })
	bg.Go(func() { telemetry.Watchdog(background, w.healthy) })
	bg.Go(func() { w.feedLines(background) })
	pageErr := make(chan error, 1)
	if w.page != nil {
		srv := web.New(web.Options{Board: w.board, Status: w.status, Metrics: w.metrics.WritePrometheus,
			Reload: w.askReload, Remote: cfg.Agent.AllowRemote, Log: w.o.Log.With("component", "web")})
		bg.Go(func() {
			if err := srv.Serve(background, w.page); err != nil {
				pageErr <- err
			}
		})
	}
	w.startAll()
	w.log.Info("worker runs", "version", w.o.Version, "site", cfg.Site.Name, "sensors", len(cfg.Sensors), "tasks", len(cfg.Tasks), "models", len(cfg.Models))
	var page net.Addr
	if w.page != nil {
		page = w.page.Addr()
		w.log.Info("status page", "url", "http://"+page.String()+"/")
	}
	if w.o.Started != nil {
		w.o.Started(page)
	}
	if err := telemetry.Ready(); err != nil {
		w.log.Warn("service manager does not hear us", "err", err)
	}

	var failed error
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case why := <-w.o.Reload:
			w.reload(ctx, why)
		case r := <-w.reloads:
			r.reply <- w.reload(ctx, r.why)
		case err := <-pageErr:
			w.log.Error("status page ended", "err", err)
		}
	}
	if err := telemetry.Stopping(); err != nil {
		w.log.Debug("service manager does not hear us", "err", err)
	}
	w.stopAll()
	stopLink()
	lk.Wait()
	if err := w.link.finish(); err != nil {
		w.log.Warn("guardian at stop", "err", err)
	}
	stopBackground()
	bg.Wait()
	w.rec.write(KindStop, StopRecord{Reason: "asked to stop"})
	if err := w.rec.journal.Close(); err != nil {
		failed = fmt.Errorf("agent: closing the journal: %w", err)
	}
	w.log.Info("worker ended")
	return failed
}

// syncJournal bounds what a power cut can take from the worker's records.
func (w *worker) syncJournal(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.rec.sync()
		}
	}
}

func (w *worker) guardianEvent(g GuardianRecord) {
	w.rec.write(KindGuardian, g)
	switch g.Event {
	case "connected":
		w.metrics.Guardian(true)
		w.rec.event("guardian", "good", fmt.Sprintf("Guardian connected (process %d)", g.PID))
		w.log.Info("guardian connected", "pid", g.PID)
	case "lost":
		w.metrics.Guardian(false)
		w.rec.event("guardian", "bad", fmt.Sprintf("Guardian lost (process %d)", g.PID))
		w.log.Error("guardian lost", "pid", g.PID)
	case "started":
		w.metrics.GuardianStarted()
		w.log.Info("guardian started", "pid", g.PID)
	default:
		w.log.Error("guardian", "event", g.Event, "err", g.Error)
	}
}

// folderBytes adds up the files of a folder; those that vanish meanwhile count nothing.
func folderBytes(dir string) (n float64) {
	ents, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range ents {
		if fi, err := e.Info(); err == nil {
			n += float64(fi.Size())
		}
	}
	return n
}

// healthy: something was polled or computed lately. Tasks of long periods have sensors of long periods.
func (w *worker) healthy() bool {
	w.mu.Lock()
	longest := 2 * time.Second
	for _, s := range w.cfg.Sensors {
		longest = max(longest, 3*s.Period.D())
	}
	idle := len(w.cfg.Sensors) == 0
	w.mu.Unlock()
	last := time.Duration(w.rec.progress.Load())
	return idle || w.clock.Boot()-max(last, w.start) < longest
}
