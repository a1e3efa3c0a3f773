package release

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Event is one step of one drop, for people and the journal.
type Event struct {
	At      time.Time `json:"at"`
	Folder  string    `json:"folder"`
	Model   string    `json:"model,omitempty"`
	Version string    `json:"version,omitempty"`
	Digest  string    `json:"digest,omitempty"`  // of the model
	Release string    `json:"release,omitempty"` // of release.toml
	State   string    `json:"state"`             // seen hashed loaded self_tested behaved swapped confirmed refused rolled_back
	Reason  string    `json:"reason,omitempty"`  // for refused and rolled_back
}

// The states of a drop, in order; the last two end it early.
const (
	Seen       = "seen"
	Hashed     = "hashed"
	Loaded     = "loaded"
	SelfTested = "self_tested"
	Behaved    = "behaved"
	Swapped    = "swapped"
	Confirmed  = "confirmed"
	Refused    = "refused"
	RolledBack = "rolled_back"
)

// Options of a Manager. Zero values take the defaults given.
type Options struct {
	Dir             string                                                          // the drop folder
	AllowUnsigned   bool                                                            // drops carry no signature yet: without this every drop is refused
	Rescan          time.Duration                                                   // default 1 s
	IncompleteAfter time.Duration                                                   // since the last change in the folder; default 60 s
	SelfTestTimeout time.Duration                                                   // for golden and behaviour test together; default 10 s
	MaxModelBytes   int64                                                           // of file, inflated model and arena each; default 64 MiB
	Load            func(data []byte, name string, maxBytes int64) (Program, error) // default LoadGraph
	Event           func(Event)                                                     // hears every step; called from the Manager's goroutine

	crash func(step string) error // tests: an error here leaves everything as a killed process would
}

const maxTries = 3

// Manager watches the drop folder and takes releases through their states, one at a time. It writes the Store.
type Manager struct {
	o     Options
	store *Store
	slots map[string]*Slot

	looked map[string]look // per folder, what was seen of it
	done   chan outcome
}

// look is what is known of a folder that did not end in the Store.
type look struct {
	print   string    // fingerprint when it was last read
	changed time.Time // when the fingerprint last changed
	reason  string    // why it is incomplete
	over    bool      // decided: nothing more until it changes
	seen    bool      // the event was given
	release string    // digest of release.toml, once it was read
	ev      Event     // what its manifest says it is
}

type outcome struct {
	model  *Model
	reason string
}

// pendingSwap is kept per model in probation, to name it when its outcome comes.
type pendingSwap struct {
	ev   Event
	data Record
}

// NewManager makes a manager of the given slots. It does nothing until Run.
func NewManager(o Options, store *Store, slots map[string]*Slot) *Manager {
	if o.Rescan <= 0 {
		o.Rescan = time.Second
	}
	if o.IncompleteAfter <= 0 {
		o.IncompleteAfter = 60 * time.Second
	}
	if o.SelfTestTimeout <= 0 {
		o.SelfTestTimeout = 10 * time.Second
	}
	if o.MaxModelBytes <= 0 {
		o.MaxModelBytes = MaxModelBytes
	}
	if o.Load == nil {
		o.Load = LoadGraph
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	// Each slot has at most one outcome under way: swapping waits for it.
	return &Manager{o: o, store: store, slots: slots, looked: map[string]look{}, done: make(chan outcome, max(1, len(slots)))}
}

// MaxModelBytes bounds a model's file, its inflated bytes and its arena, unless Options say otherwise.
const MaxModelBytes = 64 << 20

// errStopped ends a try that was interrupted by an orderly stop: no fault of the release.
var errStopped = errors.New("release: stopped")

// errCrash is what a test's crash hook returns.
var errCrash = errors.New("release: crashed by the test")

// Run takes drops until ctx ends. It runs on an operating-system thread of its own with less priority than the pollers.
// When it returns no try is under way.
func (m *Manager) Run(ctx context.Context) {
	yieldToPollers()

	var hints <-chan fsnotify.Event
	if w, err := fsnotify.NewWatcher(); err == nil {
		defer w.Close()
		if w.Add(m.o.Dir) == nil {
			hints = w.Events
		}
		// The watcher blocks on an error nobody takes.
		var drain sync.WaitGroup
		drain.Go(func() {
			for range w.Errors {
			}
		})
		defer drain.Wait()
		defer w.Close()
	}
	for _, s := range m.slots {
		s.onOutcome(func(mod *Model, reason string) {
			select {
			case m.done <- outcome{mod, reason}:
			default: // only a second outcome of the same swap finds it full
			}
		})
		defer s.onOutcome(nil)
	}
	tick := time.NewTicker(m.o.Rescan)
	defer tick.Stop()
	swaps := map[string]pendingSwap{}
	for {
		if m.scan(ctx, swaps) != nil {
			return
		}
		if !m.wait(ctx, tick, hints, swaps) {
			for name := range swaps {
				m.stopProbation(name, swaps)
			}
			return
		}
	}
}

// yieldToPollers gives the calling goroutine an operating-system thread of its own with less priority than the pollers'.
func yieldToPollers() {
	// Not unlocked: the thread ends with this goroutine, and its priority with it.
	runtime.LockOSThread()
	// Refused at worst (a seccomp filter): then loading runs at the priority of everything else.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10)
}

// wait returns when it is time to look again, false when ctx has ended.
func (m *Manager) wait(ctx context.Context, tick *time.Ticker, hints <-chan fsnotify.Event, swaps map[string]pendingSwap) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case o := <-m.done:
			m.settle(o, swaps)
			return true
		case <-hints:
			// A copy makes many events; a short pause takes them as one.
			select {
			case <-ctx.Done():
				return false
			case <-time.After(50 * time.Millisecond):
			}
			for drained := false; !drained; {
				select {
				case <-hints:
				default:
					drained = true
				}
			}
			return true
		case <-tick.C:
			return true
		}
	}
}

// stopProbation: an orderly stop in the middle of a probation proves nothing; the drop is taken up again at the next start.
func (m *Manager) stopProbation(name string, swaps map[string]pendingSwap) {
	select {
	case o := <-m.done:
		m.settle(o, swaps)
	default:
	}
	if _, ok := swaps[name]; ok {
		// A failed write leaves the try counted, which is the cautious side.
		_ = m.store.abandon(name)
	}
}

// settle writes down how a probation ended.
func (m *Manager) settle(o outcome, swaps map[string]pendingSwap) {
	p, ok := swaps[o.model.Name]
	if !ok {
		return
	}
	delete(swaps, o.model.Name)
	ev := p.ev
	ev.State, ev.Reason = Confirmed, ""
	var err error
	if o.reason == "" {
		err = m.store.promote(o.model.Name, p.data)
	} else {
		ev.State, ev.Reason = RolledBack, o.reason
		err = m.store.settle(o.model.Name, o.model.Release, RolledBack, o.reason)
	}
	if err != nil {
		ev.Reason = joinReason(ev.Reason, fmt.Sprintf("not remembered over a restart: %v", err))
	}
	m.emit(ev)
}

func joinReason(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (m *Manager) emit(ev Event) {
	ev.At = time.Now().UTC()
	m.o.Event(ev)
}

// scan looks at every folder once. An error means that the manager must end.
func (m *Manager) scan(ctx context.Context, swaps map[string]pendingSwap) error {
	names, err := folders(m.o.Dir)
	if err != nil {
		return nil // the folder is gone or not there yet: the next look decides
	}
	present := map[string]bool{}
	for _, n := range names {
		present[n] = true
		if ctx.Err() != nil {
			return nil
		}
		if err := m.look(ctx, n, swaps); err != nil {
			return err
		}
	}
	for n, l := range m.looked {
		if !present[n] {
			delete(m.looked, n)
			// A confirmed release whose folder was taken away may be dropped again, to go back to it. A bad one stays bad.
			if h, ok := m.store.state.Handled[l.release]; ok && h.Outcome == Confirmed {
				delete(m.store.state.Handled, l.release)
			}
		}
	}
	return nil
}

// look decides on one folder as far as its content allows. It returns an error only when the manager must end.
func (m *Manager) look(ctx context.Context, folder string, swaps map[string]pendingSwap) error {
	dir := filepath.Join(m.o.Dir, folder)
	print, err := fingerprint(dir)
	if err != nil {
		return nil // removed while we looked
	}
	l := m.looked[folder]
	changed := print != l.print
	if changed {
		l = look{print: print, changed: time.Now(), seen: l.seen, release: l.release, ev: Event{Folder: folder, State: Seen}}
	}
	defer func() { m.looked[folder] = l }()
	if l.over {
		return nil
	}
	if !changed && l.reason != "" {
		// Nothing moved since the last look, so reading it again would tell nothing new.
		m.expire(&l)
		return nil
	}
	ev := Event{Folder: folder, State: Seen}
	man, err := readManifest(dir)
	if err == nil {
		ev.Model, ev.Version, ev.Release = man.Model, man.Version, man.Digest
		l.release, l.ev = man.Digest, ev
		if _, ok := m.store.state.Handled[man.Digest]; ok {
			l.over = true
			return nil
		}
		if slot := m.slots[man.Model]; slot != nil && slot.Probation() {
			l.print = "" // look again once the model before it is settled
			return nil
		}
	}
	if !l.seen {
		l.seen = true
		m.emit(ev)
	}
	var d *drop
	if err == nil {
		d, err = readDrop(dir, man, m.o.MaxModelBytes)
	}
	var inc *incompleteError
	switch {
	case errors.As(err, &inc):
		l.reason = inc.reason
		m.expire(&l)
		return nil
	case err != nil:
		l.over = true
		m.refuse(ev, err)
		return nil
	}
	err = m.take(ctx, d, &ev, swaps)
	switch {
	case errors.Is(err, errCrash), errors.Is(err, errStopped):
		return err
	case err != nil:
		m.refuse(ev, err)
	}
	l.over = true
	return nil
}

// expire refuses a drop that has been incomplete for too long.
func (m *Manager) expire(l *look) {
	if time.Since(l.changed) < m.o.IncompleteAfter {
		return
	}
	l.over = true
	ev := l.ev
	ev.State = Refused
	ev.Reason = fmt.Sprintf("incomplete after %s: %s", m.o.IncompleteAfter, l.reason)
	m.emit(ev)
}

// refuse ends a drop for good: neither a rescan nor a restart looks at it again.
func (m *Manager) refuse(ev Event, why error) {
	ev.State, ev.Reason = Refused, why.Error()
	if ev.Release != "" {
		if err := m.store.settle(ev.Model, ev.Release, Refused, ev.Reason); err != nil {
			ev.Reason = joinReason(ev.Reason, err.Error())
		}
	}
	m.emit(ev)
}

// take runs a complete drop through its states up to the swap. Any error but errStopped and errCrash is a refusal.
func (m *Manager) take(ctx context.Context, d *drop, ev *Event, swaps map[string]pendingSwap) error {
	reached := func(state string) error {
		ev.State = state
		m.emit(*ev)
		if ctx.Err() != nil {
			// A failed write leaves the try counted, which is the cautious side.
			_ = m.store.abandon(ev.Model)
			return errStopped
		}
		if m.o.crash != nil {
			return m.o.crash(state)
		}
		return nil
	}
	slot := m.slots[d.man.Model]
	switch {
	case slot == nil:
		return fmt.Errorf("no [[model]] of the configuration is named %q", d.man.Model)
	case !m.o.AllowUnsigned:
		return errors.New("unsigned: set agent.allow_unsigned = true to take drops without a signature")
	}
	if err := reached(Hashed); err != nil {
		return err
	}
	tries, err := m.store.begin(d.man.Model, d.man.Digest, Hashed)
	if err != nil {
		return err
	}
	if tries > maxTries {
		return fmt.Errorf("given up: the worker ended %d times while taking it", maxTries)
	}
	if err := d.unpack(m.o.MaxModelBytes); err != nil {
		return err
	}
	ev.Digest = d.digest
	mod, err := m.load(d)
	if err != nil {
		return err
	}
	if err := slot.fits(mod.Program); err != nil {
		return err
	}
	gold, err := readGolden(d.golden, mod.Program)
	if err != nil {
		return err
	}
	if err := reached(Loaded); err != nil {
		return err
	}
	if err := m.test(ctx, slot, mod, gold, d.man.Golden.Tolerance, reached); err != nil {
		return err
	}
	if err := m.store.putBlob(d.digest, d.model); err != nil {
		return err
	}
	if err := m.store.reach(d.man.Model, Behaved, d.digest); err != nil {
		return err
	}
	// Before the swap: its outcome may come at once.
	ev.State = Swapped
	swaps[mod.Name] = pendingSwap{ev: *ev, data: Record{Version: mod.Version, Digest: mod.Digest, Release: mod.Release, At: time.Now().UTC()}}
	if err := slot.swap(mod); err != nil {
		delete(swaps, mod.Name)
		return err
	}
	return reached(Swapped)
}

// load parses the bytes that were hashed; a reader's panic is an error like any other.
func (m *Manager) load(d *drop) (mod *Model, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: loading panicked: %v", d.man.File, p)
		}
	}()
	p, err := m.o.Load(d.model, d.man.File, m.o.MaxModelBytes)
	if err != nil {
		return nil, err
	}
	return &Model{Name: d.man.Model, Version: d.man.Version, Digest: d.digest, Release: d.man.Digest, Program: p}, nil
}

// test runs golden and behaviour test in a goroutine of their own with a time budget. A run that never returns is left
// behind, as Go cannot end it; everything else is waited for.
func (m *Manager) test(ctx context.Context, slot *Slot, mod *Model, gold *goldenSet, tolerance float64, reached func(string) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.SelfTestTimeout)
	defer cancel()
	stop := func() error {
		runtime.Gosched() // pollers first
		return ctx.Err()
	}
	current := slot.Model()
	selfTested := make(chan error, 1)
	behaved := make(chan error, 1)
	guard := func(result chan<- error, f func() error) {
		yieldToPollers()
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("self-test panicked: %v", p)
			}
		}()
		result <- f()
	}
	ended := func(c <-chan error, grace time.Duration) error {
		select {
		case err := <-c:
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("self-test not finished within %s", m.o.SelfTestTimeout)
			}
			return err
		case <-time.After(m.o.SelfTestTimeout + grace):
			return fmt.Errorf("self-test not finished within %s", m.o.SelfTestTimeout)
		}
	}
	go guard(selfTested, func() error { return gold.run(mod.Program.Session(), tolerance, stop) })
	if err := ended(selfTested, time.Second); err != nil {
		return orStopped(err)
	}
	if err := reached(SelfTested); err != nil {
		return err
	}
	go guard(behaved, func() error {
		cand, err := NewRunner(mod.Program)
		if err != nil {
			return err
		}
		old, err := NewRunner(current.Program)
		if err != nil {
			return err
		}
		vectors, err := gold.vectors(mod.Program.Inputs()[0])
		if err != nil {
			return err
		}
		recent := slot.Recent()
		if len(recent) > 0 && len(recent[0]) != cand.InputLen() {
			recent = nil
		}
		return behave(cand, old, &slot.limits, vectors, recent, stop)
	})
	if err := ended(behaved, time.Second); err != nil {
		return orStopped(err)
	}
	return reached(Behaved)
}

func orStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return errStopped
	}
	return err
}

// Start gives the model that a slot starts with: the active release of the store when its kept bytes still hash and load, else
// the factory model. dropped says why a kept release could not be used.
func Start(store *Store, name string, factory []byte, factoryFile string, loadFn func([]byte, string, int64) (Program, error)) (m *Model, dropped error, err error) {
	if loadFn == nil {
		loadFn = LoadGraph
	}
	rec, data, derr := store.activeBytes(name, MaxModelBytes)
	if derr == nil && data != nil {
		p, lerr := loadFn(data, rec.Version, MaxModelBytes)
		if lerr == nil {
			return &Model{Name: name, Version: rec.Version, Digest: rec.Digest, Release: rec.Release, Program: p}, nil, nil
		}
		derr = lerr
	}
	if derr != nil {
		dropped = fmt.Errorf("release: model %q: kept release cannot be used, the factory model runs: %w", name, derr)
		if err := store.dropActive(name, derr.Error()); err != nil {
			dropped = errors.Join(dropped, err)
		}
	}
	p, err := loadFn(factory, factoryFile, MaxModelBytes)
	if err != nil {
		return nil, dropped, fmt.Errorf("release: model %q: %w", name, err)
	}
	return &Model{Name: name, Version: Factory, Digest: Digest(factory), Program: p}, dropped, nil
}
