package pipeline

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/release"
	"wayside/graph/feed"
	"wayside/hal"
)

// TaskConfig is everything a task needs. All of it is checked by NewTask.
type TaskConfig struct {
	Task    config.Task
	Sensors []config.Sensor // of Task.Sensors, in that order
	Slot    *release.Slot   // of Task.Model
	RunID   string          // unique to this process; decision ids begin with it
	IDs     *atomic.Uint64  // numbers the decisions of all tasks of this process, so that an id never comes twice
}

// Task is one loop: windows by time → features → model → score → rules → requests. Deliver is called by pollers, Run by one goroutine.
type Task struct {
	c     TaskConfig
	clock hal.Clock
	sink  Sink
	guard Guardian
	start time.Duration // boot time at which step 0's period begins

	mu      sync.Mutex
	pending []delivery
	signal  chan struct{}

	in    []taskInput
	feats feed.Features
	norm  []normal // per sensor
	user  *release.User
	vec   []float32 // the model's input
	rules []*taskRule
	score scorer

	lastBeat time.Duration
}

type delivery struct {
	sensor int
	s      hal.Sample
}

type normal struct{ mean, std float32 }

type taskInput struct {
	name    string
	stale   time.Duration
	win     *feed.Window
	buf     []float32
	raw     float64 // the newest slot before normalization
	latest  hal.Sample
	arrived bool // something came in this period
	gaps    int
}

type taskRule struct {
	c     config.Rule
	rule  *Rule
	sent  bool
	value config.Value
	input time.Duration // InputBoot of the last request
}

const (
	maxPending     = 1024                   // samples waiting for a slow step; the oldest go first, as gaps
	heartbeatEvery = 250 * time.Millisecond // at least; a slower task beats once per step
	requestTimeout = 500 * time.Millisecond
)

// NewTask builds a task and registers it with its model's slot. Close must be called, after Run has returned.
func NewTask(c TaskConfig, clock hal.Clock, sink Sink, g Guardian, start time.Duration) (*Task, error) {
	t := &Task{c: c, clock: clock, sink: sink, guard: g, start: start, signal: make(chan struct{}, 1)}
	fail := func(err error) (*Task, error) {
		return nil, fmt.Errorf("pipeline: task %q: %w", c.Task.Name, err)
	}
	var err error
	if t.feats, err = feed.ParseFeatures(c.Task.Features); err != nil {
		return fail(err)
	}
	slots := c.Task.Slots()
	if err := t.feats.Check(slots); err != nil {
		return fail(err)
	}
	for i, s := range c.Sensors {
		w, err := feed.NewWindow(c.Task.Window.D(), c.Task.Period.D(), c.Task.MaxGaps)
		if err != nil {
			return fail(err)
		}
		t.in = append(t.in, taskInput{name: s.Name, stale: s.StaleAfter.D(), win: w, buf: make([]float32, slots)})
		n := normal{0, 1}
		if nz := c.Task.Normalize; nz != nil {
			n = normal{float32(nz.Mean[i]), float32(nz.Std[i])}
		}
		t.norm = append(t.norm, n)
	}
	t.vec = make([]float32, t.feats.Size(slots)*len(t.in))
	if t.score, err = newScorer(c); err != nil {
		return fail(err)
	}
	for _, r := range c.Task.Rules {
		t.rules = append(t.rules, &taskRule{c: r, rule: NewRule(r)})
	}
	if t.user, err = c.Slot.User(c.Task.Name, t.fits); err != nil {
		return nil, err
	}
	return t, nil
}

// Name is the task's configured name.
func (t *Task) Name() string { return t.c.Task.Name }

// Close leaves the model's slot.
func (t *Task) Close() { t.user.Close() }

// Inherit takes over what old has seen, where both look at the same sensors in the same slots, so that a changed rule or model does not
// cost a window's time. Neither task may be running; old gets no more samples.
func (t *Task) Inherit(old *Task) {
	a, b := t.c.Task, old.c.Task
	if a.Period != b.Period || a.Window != b.Window || a.MaxGaps != b.MaxGaps || !slices.Equal(a.Sensors, b.Sensors) {
		return
	}
	for i := range t.in {
		t.in[i].win, t.in[i].latest = old.in[i].win, old.in[i].latest
	}
	old.mu.Lock()
	waiting := old.pending
	old.pending = nil
	old.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = append(waiting, t.pending...)
}

// fits says whether a model can serve this task.
func (t *Task) fits(p release.Program) error {
	if n := len(p.Inputs()); n != 1 {
		return fmt.Errorf("the model has %d inputs, the task feeds 1", n)
	}
	in := p.Inputs()[0]
	n, err := in.Shape.Elems()
	if err != nil {
		return err
	}
	if n != len(t.vec) {
		return fmt.Errorf("the model's input %q has shape %s (%d values), the task feeds %d (%d sensors × %d features)",
			in.Name, in.Shape, n, len(t.vec), len(t.in), len(t.vec)/len(t.in))
	}
	outs := p.Outputs()
	if o := t.c.Task.Score.Output; o >= len(outs) {
		return fmt.Errorf("score.output = %d: the model has %d outputs, counted from 0", o, len(outs))
	}
	out := outs[t.c.Task.Score.Output]
	if n, err = out.Shape.Elems(); err != nil {
		return err
	}
	if t.c.Task.Score.Index >= n {
		return fmt.Errorf("score.index = %d: the model's output %q has %d elements, counted from 0", t.c.Task.Score.Index, out.Name, n)
	}
	return nil
}

// Deliver gives the task a sample of sensor i (of Task.Sensors). It never blocks.
func (t *Task) Deliver(i int, s hal.Sample) {
	t.mu.Lock()
	if len(t.pending) >= maxPending {
		t.pending = t.pending[:copy(t.pending, t.pending[1:])]
	}
	t.pending = append(t.pending, delivery{i, s})
	t.mu.Unlock()
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

// Run steps once per period until ctx ends: as soon as every sensor has given a sample in the period, else at its end with what is there.
func (t *Task) Run(ctx context.Context) {
	period := t.c.Task.Period.D()
	n := max(0, int64((t.clock.Boot()-t.start)/period))
	stepped := false
	for {
		end := t.start + time.Duration(n+1)*period
		now := t.clock.Boot()
		switch {
		case now >= end:
			if !stepped {
				t.step(ctx)
			}
			n, stepped = max(n+1, int64((t.clock.Boot()-t.start)/period)), false
			for i := range t.in {
				t.in[i].arrived = false
			}
			t.takeIn(t.start + time.Duration(n)*period)
		case !stepped && t.complete():
			t.step(ctx)
			stepped = true
		default:
			select {
			case <-ctx.Done():
				return
			case <-t.signal:
				t.takeIn(t.start + time.Duration(n)*period)
			case <-t.clock.After(end - now):
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// takeIn moves what pollers delivered into the windows. Samples taken since begin count for the running period.
func (t *Task) takeIn(begin time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.pending {
		in := &t.in[d.sensor]
		in.win.Add(d.s.Boot, d.s.Wall, d.s.Value, d.s.Quality == hal.Good)
		in.latest = d.s
		in.arrived = in.arrived || d.s.Boot >= begin
	}
	t.pending = t.pending[:0]
}

func (t *Task) complete() bool {
	for i := range t.in {
		if !t.in[i].arrived {
			return false
		}
	}
	return true
}

// step is one look at the window.
func (t *Task) step(ctx context.Context) {
	now := t.clock.Boot()
	st := Step{Task: t.c.Task.Name, Boot: now, Wall: t.clock.Now()}
	inputs, oldest, why := t.gather(now, &st)
	if why == "" {
		st.Boot = oldest
		res, err := t.user.Step(t.vec)
		st.Model, st.Took, st.Outputs = res.Model, res.Took, res.Out
		switch {
		case err != nil:
			why = err.Error()
		default:
			st.Score, st.Forecast, why = t.score.score(t, res.Out)
		}
	} else {
		t.score.hole()
	}
	st.OK, st.Reason = why == "", why
	for _, r := range t.rules {
		r.rule.Step(st.Boot, st.Score, st.OK)
		st.Rules = append(st.Rules, RuleView{Rule: r.c.Name, Output: r.c.Output, State: r.rule.State()})
	}
	for _, r := range t.rules {
		t.act(ctx, r, &st, inputs)
	}
	end := t.clock.Boot()
	st.Overrun = end-now > t.c.Task.Period.D()
	st.Inputs = inputs
	t.sink.Stepped(st)
	if len(t.rules) > 0 && (end-t.lastBeat >= heartbeatEvery || t.lastBeat == 0) {
		t.lastBeat = end
		// Without a guardian there is nobody to tell; the link reports that itself.
		_ = t.guard.Heartbeat(t.c.Task.Name, t.c.Task.Period.D())
	}
}

// gather fills the model's input. why is set when the windows do not allow a decision.
func (t *Task) gather(now time.Duration, st *Step) (inputs []Input, oldest time.Duration, why string) {
	inputs = make([]Input, len(t.in))
	per := len(t.vec) / len(t.in)
	oldest = now
	for i := range t.in {
		in := &t.in[i]
		in.win.Advance(now)
		gaps, ok := in.win.Fill(in.buf)
		in.gaps = gaps
		st.Gaps += gaps
		newest, have := in.win.Newest()
		s := hal.Aged(hal.Sample{Boot: newest.Boot, Value: newest.Value}, now, in.stale)
		inputs[i] = Input{Sensor: in.name, Value: newest.Value, Quality: s.Quality, Boot: newest.Boot, Gaps: gaps}
		switch {
		case why != "":
		case !have:
			why = fmt.Sprintf("sensor %s: no good sample yet%s", in.name, because(in.latest))
		case s.Quality != hal.Good:
			why = fmt.Sprintf("sensor %s: last good sample %s%s", in.name, s.Reason, because(in.latest))
		case !ok && gaps <= t.c.Task.MaxGaps:
			why = fmt.Sprintf("sensor %s: window not yet full", in.name)
		case !ok:
			why = fmt.Sprintf("sensor %s: %d gaps in the window of %d, %d allowed%s", in.name, gaps, len(in.buf), t.c.Task.MaxGaps, because(in.latest))
		}
		oldest = min(oldest, newest.Boot)
		if why != "" {
			continue
		}
		in.raw = float64(in.buf[len(in.buf)-1])
		t.norm[i].apply(in.buf)
		t.feats.Apply(t.vec[i*per:(i+1)*per], in.buf)
	}
	return inputs, oldest, why
}

// apply scales a window as the model was trained on it; features are computed from the scaled values.
func (n normal) apply(v []float32) {
	for k := range v {
		v[k] = (v[k] - n.mean) / n.std
	}
}

func because(s hal.Sample) string {
	if s.Quality == hal.Good || s.Reason == "" {
		return ""
	}
	return " (" + s.Quality.String() + ": " + s.Reason + ")"
}

// act sends a rule's wish, when it is new or its lease needs renewing on newer input.
func (t *Task) act(ctx context.Context, r *taskRule, st *Step, inputs []Input) {
	v, ok := r.rule.State().Value()
	if !ok {
		r.sent = false
		return
	}
	same := r.sent && v == r.value
	if same && st.Boot-r.input < r.c.Lease.D()/3 {
		return
	}
	d := Decision{
		ID: t.c.RunID + "-" + strconv.FormatUint(t.c.IDs.Add(1), 10), Task: t.c.Task.Name, Rule: r.c.Name, Output: r.c.Output,
		Value: v, Want: v.String(), Renewal: same, Why: r.rule.Why(), Score: st.Score, Inputs: slices.Clone(inputs),
		InputBoot: st.Boot, Quality: hal.Good, Lease: r.c.Lease.D(),
	}
	if st.Model != nil {
		d.Model, d.Version, d.Digest = st.Model.Name, st.Model.Version, st.Model.Digest
	}
	t.sink.Decided(d)
	d.Latency = t.clock.Boot() - d.InputBoot
	rctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	rep, err := t.guard.Request(rctx, guard.Request{Task: d.Task, Output: d.Output, Value: v.Float(), DecisionID: d.ID,
		InputBoot: d.InputBoot, Quality: d.Quality, Lease: d.Lease})
	// Without an answer it is not known what the guardian did: the next step asks again.
	r.sent, r.value, r.input = err == nil, v, st.Boot
	t.sink.Answered(d, rep, err)
}

// scorer makes one number of a model's outputs.
type scorer struct {
	kind   config.ScoreKind
	out    int // output tensor
	index  int
	sensor int // of the prediction

	expected, last float64 // the prediction for now in the model's units, and the value before in the sensor's
	have           bool
	sum, naiveSum  float64
	n              int
}

func newScorer(c TaskConfig) (scorer, error) {
	s := c.Task.Score
	sc := scorer{kind: s.Kind, out: s.Output, index: s.Index}
	switch s.Kind {
	case config.ScoreOutput:
	case config.ScoreResidual:
		if s.Sensor != "" {
			if sc.sensor = slices.Index(c.Task.Sensors, s.Sensor); sc.sensor < 0 {
				return sc, fmt.Errorf("score.sensor %q is not one of its sensors", s.Sensor)
			}
		}
	default:
		return sc, fmt.Errorf("score.kind %q is not known", s.Kind)
	}
	return sc, nil
}

// hole forgets the prediction: after a step without input it would be compared with the wrong value.
func (s *scorer) hole() { s.have = false }

func (s *scorer) score(t *Task, out []float32) (score float64, f *Forecast, why string) {
	at, n, ok := t.user.Runner().Offset(s.out)
	if !ok || s.index >= n {
		return 0, nil, fmt.Sprintf("the model has no element %d in output %d", s.index, s.out)
	}
	v := float64(out[at+s.index])
	if math.IsNaN(v) || math.IsInf(v, 0) {
		s.have = false
		return 0, nil, fmt.Sprintf("the model's output is %g", v)
	}
	if s.kind == config.ScoreOutput {
		return v, nil, ""
	}
	in := &t.in[s.sensor]
	norm := t.norm[s.sensor]
	real := func(x float64) float64 { return x*float64(norm.std) + float64(norm.mean) }
	now := float64(in.buf[len(in.buf)-1])
	f = &Forecast{Sensor: in.name, Actual: in.raw, Next: real(v)}
	if s.have {
		score = math.Abs(s.expected - now)
		f.Expected, f.Naive = real(s.expected), s.last
		s.n++
		s.sum += math.Abs(f.Expected - f.Actual)
		s.naiveSum += math.Abs(f.Naive - f.Actual)
	} else {
		why = "no prediction for this step yet"
	}
	if s.n > 0 {
		f.MAE, f.NaiveMAE, f.N = s.sum/float64(s.n), s.naiveSum/float64(s.n), s.n
	}
	s.expected, s.last, s.have = v, in.raw, true
	return score, f, why
}
