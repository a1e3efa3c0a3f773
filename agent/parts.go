package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"wayside/agent/config"
	"wayside/agent/pipeline"
	"wayside/agent/release"
	"wayside/agent/web"
	"wayside/hal"
)

// parts is everything that a configuration asks for. A reload builds another one that shares what did not change.
type parts struct {
	buses   map[string]*busHandle
	sensors map[string]*sensorPart
	models  map[string]*release.Slot
	tasks   map[string]*taskPart
	manager *managerPart // nil without a release folder
}

// sensorPart is a poller and its listeners.
type sensorPart struct {
	poller *pipeline.Poller
	bus    *busHandle
	fan    atomic.Pointer[[]listener]
	runner
}

type listener struct {
	task  *pipeline.Task
	index int
}

type taskPart struct {
	task *pipeline.Task
	runner
}

type managerPart struct {
	m *release.Manager
	runner
}

// runner is a goroutine that can be stopped and waited for.
type runner struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (r *runner) start(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.done.Go(func() { f(ctx) })
}

// stop is safe for a runner that was never started.
func (r *runner) stop() {
	if r.cancel != nil {
		r.cancel()
		r.done.Wait()
		r.cancel = nil
	}
}

func (s *sensorPart) deliver(v hal.Sample) {
	if l := s.fan.Load(); l != nil {
		for _, t := range *l {
			t.task.Deliver(t.index, v)
		}
	}
}

func runID(c hal.Clock) string {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		// No entropy is no reason to stand still; boot time is unique enough beside the journal's boot id.
		return fmt.Sprintf("%x", int64(c.Boot()))
	}
	return hex.EncodeToString(b[:])
}

// build makes the parts that cfg asks for, beside old (nil at the start), and starts nothing. What ch says is unchanged is shared with
// old. On an error everything new is undone.
func (w *worker) build(cfg *config.Config, ch *config.Changes) (p *parts, err error) {
	old := &parts{}
	if ch == nil {
		ch = &config.Changes{}
	} else {
		old = &w.parts
	}
	p = &parts{buses: map[string]*busHandle{}, sensors: map[string]*sensorPart{}, models: map[string]*release.Slot{}, tasks: map[string]*taskPart{}}
	tasks := p.tasks // p itself is nil once an error is returned
	defer func() {
		if err != nil {
			for name, t := range tasks {
				if old.tasks[name] != t {
					t.task.Close()
				}
			}
		}
	}()
	env := cfg.Env(w.clock)
	for _, b := range cfg.Buses {
		if h := old.buses[b.Name]; h != nil && !has(ch.Buses, b.Name) {
			p.buses[b.Name] = h
		} else {
			p.buses[b.Name] = newBusHandle(b, env)
		}
	}
	for _, s := range cfg.Sensors {
		if o := old.sensors[s.Name]; o != nil && !has(ch.Sensors, s.Name) {
			p.sensors[s.Name] = o
			continue
		}
		sp := &sensorPart{bus: p.buses[s.Bus]}
		sp.poller = pipeline.NewPoller(pipeline.PollerConfig{Sensor: s.Name, Period: s.Period.D(), Timeout: s.Timeout.D(), Check: s.Checker(),
			Open: opener(s, sp.bus, env), Deliver: sp.deliver}, w.clock, w.rec, w.start)
		p.sensors[s.Name] = sp
	}
	for _, m := range cfg.Models {
		if o := old.models[m.Name]; o != nil && !has(ch.Models, m.Name) {
			p.models[m.Name] = o
			continue
		}
		slot, err := w.slot(cfg, m)
		if err != nil {
			return nil, err
		}
		p.models[m.Name] = slot
	}
	var errs []error
	for _, t := range cfg.Tasks {
		if o := old.tasks[t.Name]; o != nil && !has(ch.Tasks, t.Name) {
			p.tasks[t.Name] = o
			continue
		}
		tc := pipeline.TaskConfig{Task: t, Slot: p.models[t.Model], RunID: w.runID, IDs: &w.ids}
		for _, s := range t.Sensors {
			tc.Sensors = append(tc.Sensors, *cfg.Sensor(s))
		}
		task, err := pipeline.NewTask(tc, w.clock, w.rec, w.link, w.start)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", cfg.File, err))
			continue
		}
		p.tasks[t.Name] = &taskPart{task: task}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	switch {
	case old.manager != nil && !ch.Agent && ch.Models.Empty():
		p.manager = old.manager // it remembers what it has looked at
	case cfg.Agent.ReleaseDir != "":
		dir := cfg.Path(cfg.Agent.ReleaseDir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("agent: agent.release_dir: %w", err)
		}
		p.manager = &managerPart{m: release.NewManager(release.Options{Dir: dir, AllowUnsigned: cfg.Agent.AllowUnsigned,
			Rescan: cfg.Agent.ReleaseRescan.D(), IncompleteAfter: cfg.Agent.ReleaseTimeout.D(), Load: w.o.load, Event: w.rec.Released}, w.store, p.models)}
	}
	return p, nil
}

func has(c config.Change, name string) bool {
	for _, l := range [][]string{c.Added, c.Changed} {
		for _, n := range l {
			if n == name {
				return true
			}
		}
	}
	return false
}

// probationRuns is how many runs after a swap a model is watched before it is confirmed.
const probationRuns = 50

// slot loads the model that m starts with.
func (w *worker) slot(cfg *config.Config, m config.Model) (*release.Slot, error) {
	file := cfg.Path(m.File)
	data, err := readModel(file)
	if err != nil {
		return nil, fmt.Errorf("agent: %s: model %q: %w", cfg.File, m.Name, err)
	}
	mod, dropped, err := release.Start(w.store, m.Name, data, file, w.o.load)
	if dropped != nil {
		w.log.Error("kept model", "err", dropped)
		w.rec.event("model", "bad", dropped.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("agent: %s: model %q: %w", cfg.File, m.Name, err)
	}
	return release.NewSlot(mod, m.State == config.StateCarry, release.Limits{OutputMin: narrow(m.Limits.OutputMin), OutputMax: narrow(m.Limits.OutputMax),
		MaxSlowdown: m.Limits.MaxSlowdown, ConstantRuns: m.Limits.ConstantRuns, ProbationRuns: probationRuns})
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out
}

func readModel(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Size() > release.MaxModelBytes {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d allowed", path, fi.Size(), int64(release.MaxModelBytes))
	}
	return os.ReadFile(path)
}

func (w *worker) digests() map[string]string {
	out := map[string]string{}
	for n, s := range w.models {
		out[n] = s.Model().Digest
	}
	return out
}

// startAll starts the first configuration.
func (w *worker) startAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.declare()
	w.subscribe()
	w.runMissing()
}

// runMissing starts every part that does not run yet: tasks before the pollers that feed them.
func (w *worker) runMissing() {
	for _, t := range w.tasks {
		if t.cancel == nil {
			t.start(t.task.Run)
		}
	}
	for _, s := range w.sensors {
		if s.cancel == nil {
			s.start(s.poller.Run)
		}
	}
	if w.manager != nil && w.manager.cancel == nil {
		w.manager.start(w.manager.m.Run)
	}
}

// subscribe connects every sensor with the tasks that use it.
func (w *worker) subscribe() {
	lists := map[string][]listener{}
	for _, t := range w.cfg.Tasks {
		for i, s := range t.Sensors {
			lists[s] = append(lists[s], listener{w.tasks[t.Name].task, i})
		}
	}
	for name, s := range w.sensors {
		l := lists[name]
		s.fan.Store(&l)
	}
}

// declare tells the page which lines to draw.
func (w *worker) declare() {
	names := map[string]bool{}
	add := func(s web.Series) {
		names[s.Name] = true
		w.board.Declare(s)
	}
	for _, s := range w.cfg.Sensors {
		add(web.Series{Name: s.Name, Kind: "sensor", Group: "sensor " + s.Name})
	}
	for _, t := range w.cfg.Tasks {
		var marks []web.Mark
		for _, r := range t.Rules {
			for _, m := range []struct {
				what string
				v    *float64
			}{{"on above", r.OnAbove}, {"off below", r.OffBelow}, {"on below", r.OnBelow}, {"off above", r.OffAbove}} {
				if m.v != nil {
					marks = append(marks, web.Mark{Name: r.Name + " " + m.what, Value: *m.v})
				}
			}
		}
		add(web.Series{Name: scoreSeries(t.Name), Kind: "score", Group: "task " + t.Name, Marks: marks})
		if t.Score.Kind == config.ScoreResidual {
			group := "sensor " + t.Score.Sensor
			if t.Score.Sensor == "" {
				group = "sensor " + t.Sensors[0]
			}
			add(web.Series{Name: forecastSeries(t.Name), Kind: "forecast", Group: group})
			add(web.Series{Name: naiveSeries(t.Name), Kind: "naive", Group: group})
		}
	}
	for _, o := range w.cfg.Outputs {
		add(web.Series{Name: outputSeries(o.Name), Kind: "output", Group: "outputs"})
	}
	w.board.Keep(func(n string) bool { return names[n] })
}

// stopAll stops every part in the order in which nothing is fed that has ended.
func (w *worker) stopAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.manager != nil {
		w.manager.stop()
	}
	for _, s := range w.sensors {
		s.stop()
	}
	for _, t := range w.tasks {
		t.stop()
		t.task.Close()
	}
	for name, b := range w.buses {
		if err := b.close(); err != nil {
			w.log.Warn("closing bus", "bus", name, "err", err)
		}
	}
}
