package pipeline

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/release"
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/hal"
	"wayside/hal/haltest"
)

// lastOf is a model whose two outputs are the last value of its input and the mean of all.
type lastOf struct{ n int }

func (p lastOf) Inputs() []graph.IO {
	return []graph.IO{{Name: "x", DType: tensor.F32, Shape: tensor.Shape{1, p.n}}}
}

func (p lastOf) Outputs() []graph.IO {
	return []graph.IO{{Name: "y", DType: tensor.F32, Shape: tensor.Shape{1, 2}}}
}
func (lastOf) State() []graph.IO { return nil }
func (lastOf) ArenaBytes() int   { return 0 }
func (lastOf) WeightBytes() int  { return 0 }
func (p lastOf) Session() release.Session {
	in, _ := tensor.New(tensor.F32, tensor.Shape{1, p.n})
	out, _ := tensor.New(tensor.F32, tensor.Shape{1, 2})
	return &lastOfSession{in, out}
}

type lastOfSession struct{ in, out *tensor.Tensor }

func (s *lastOfSession) Input(int) *tensor.Tensor  { return s.in }
func (s *lastOfSession) Output(int) *tensor.Tensor { return s.out }
func (s *lastOfSession) Reset()                    {}
func (s *lastOfSession) Save() []byte              { return nil }
func (s *lastOfSession) Restore([]byte) error      { return nil }
func (s *lastOfSession) Run() error {
	x := s.in.F32()
	sum := float32(0)
	for _, v := range x {
		sum += v
	}
	s.out.F32()[0], s.out.F32()[1] = x[len(x)-1], sum/float32(len(x))
	return nil
}

// fakeGuardian answers as told and remembers.
type fakeGuardian struct {
	mu    sync.Mutex
	asked []guard.Request
	beats int
	err   error
	reply guard.Reply
}

func (g *fakeGuardian) Request(_ context.Context, r guard.Request) (guard.Reply, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r)
	return g.reply, g.err
}

func (g *fakeGuardian) Heartbeat(string, time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.beats++
	return nil
}

type taskBench struct {
	t     *testing.T
	clock *haltest.FakeClock
	out   *sink
	guard *fakeGuardian
	task  *Task
}

func newTaskBench(t *testing.T, edit func(*config.Task)) *taskBench {
	t.Helper()
	f := func(v float64) *float64 { return &v }
	d := func(ms int) config.Duration { return config.Duration(time.Duration(ms) * time.Millisecond) }
	c := config.Task{Name: "incident", Sensors: []string{"speed"}, Period: d(100), Window: d(400), MaxGaps: 1, Features: []string{"value"}, Model: "m",
		Score: config.Score{Kind: config.ScoreOutput}, Rules: []config.Rule{{Name: "slow", Output: "sign", OnAbove: f(0.7), OffBelow: f(0.4), Lease: d(900)}}}
	if edit != nil {
		edit(&c)
	}
	b := &taskBench{t: t, clock: haltest.NewClock(), out: newSink(), guard: &fakeGuardian{reply: guard.Reply{Accepted: true}}}
	slot, err := release.NewSlot(&release.Model{Name: "m", Version: "1", Digest: "abc", Program: lastOf{4}}, false, release.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b.task, err = NewTask(TaskConfig{Task: c, Sensors: []config.Sensor{{Name: "speed", StaleAfter: d(300)}}, Slot: slot, RunID: "run", IDs: new(atomic.Uint64)},
		b.clock, b.out, b.guard, b.clock.Boot())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.task.Close)
	return b
}

// play gives one value per period (NaN: the device gave nothing) and returns the steps' rule states.
func (b *taskBench) play(values ...float64) string {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.task.Run(ctx) }()
	start := len(b.out.steps)
	for _, v := range values {
		s := hal.Sample{Boot: b.clock.Boot(), Wall: b.clock.Now(), Value: v}
		if math.IsNaN(v) {
			s = hal.Missing(b.clock, errDead)
		}
		b.task.Deliver(0, s)
		<-b.out.heard
		b.clock.BlockUntil(1)
		b.clock.Advance(100 * time.Millisecond)
	}
	cancel()
	b.clock.Advance(time.Hour) // frees a waiting After
	<-done
	var states []string
	for _, s := range b.out.steps[start:min(start+len(values), len(b.out.steps))] {
		states = append(states, s.Rules[0].State.String())
	}
	return strings.Join(states, " ")
}

func TestTaskDecides(t *testing.T) {
	b := newTaskBench(t, nil)
	got := b.play(0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2)
	if want := "no_data no_data no_data on on on on on off"; got != want {
		t.Fatalf("states %q, want %q", got, want)
	}
	// On at once, again a third of the lease (300 ms) later, off at once.
	var asked []string
	for i, r := range b.guard.asked[:3] {
		asked = append(asked, map[float64]string{0: "off", 1: "on"}[r.Value])
		d := b.out.decided[i]
		if d.ID != r.DecisionID || r.InputBoot != d.InputBoot || r.Quality != hal.Good || r.Lease != 900*time.Millisecond {
			t.Errorf("request %+v does not fit decision %+v", r, d)
		}
		if d.Digest != "abc" || d.Why == "" || len(d.Inputs) != 1 || d.Renewal != (i == 1) {
			t.Errorf("decision %d: %+v", i, d)
		}
	}
	if s := strings.Join(asked, " "); s != "on on off" {
		t.Errorf("asked %q", s)
	}
	if d := b.guard.asked[1].InputBoot - b.guard.asked[0].InputBoot; d != 300*time.Millisecond {
		t.Errorf("renewed after %s", d)
	}
	if b.guard.beats == 0 {
		t.Error("no heartbeat")
	}
}

func TestTaskAsksForNothingOnBadInput(t *testing.T) {
	nan := math.NaN()
	b := newTaskBench(t, nil)
	// One gap is allowed in the window, two are not.
	got := b.play(0.9, 0.9, 0.9, 0.9, nan, 0.9, nan, 0.9, 0.9, 0.9, 0.9)
	if want := "no_data no_data no_data on on on no_data no_data on on on"; got != want {
		t.Fatalf("states %q, want %q", got, want)
	}
	for _, s := range b.out.steps {
		if !s.OK && s.Reason == "" {
			t.Errorf("a step without a score has no reason: %+v", s)
		}
	}
	for _, r := range b.guard.asked {
		if r.InputBoot == 0 || r.Quality != hal.Good {
			t.Errorf("asked on bad input: %+v", r)
		}
	}
}

func TestTaskAsksAgainWithoutAnAnswer(t *testing.T) {
	b := newTaskBench(t, nil)
	b.guard.err = errors.New("no guardian")
	b.play(0.9, 0.9, 0.9, 0.9, 0.9, 0.9)
	if n := len(b.guard.asked); n != 3 {
		t.Errorf("asked %d times in 3 steps without an answer, want each time", n)
	}
	seen := map[string]bool{}
	for _, r := range b.guard.asked {
		if seen[r.DecisionID] {
			t.Errorf("decision id %s used twice", r.DecisionID)
		}
		seen[r.DecisionID] = true
	}
}

// TestTaskStepsAtTheEndOfAPeriodWithoutSamples: a silent poller must not silence the task.
func TestTaskStepsAtTheEndOfAPeriodWithoutSamples(t *testing.T) {
	b := newTaskBench(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.task.Run(ctx) }()
	for range 3 {
		b.clock.BlockUntil(1)
		b.clock.Advance(100 * time.Millisecond)
		<-b.out.heard
	}
	cancel()
	b.clock.Advance(time.Hour)
	<-done
	if s := b.out.steps[0]; s.OK || !strings.Contains(s.Reason, "no good sample yet") {
		t.Errorf("%+v", s)
	}
}

func TestResidualScore(t *testing.T) {
	b := newTaskBench(t, func(c *config.Task) {
		c.Score = config.Score{Kind: config.ScoreResidual, Index: 1} // predicts the window's mean
		c.Normalize = &config.Normalize{Mean: []float64{10}, Std: []float64{2}}
	})
	b.play(10, 10, 10, 10, 14, 10)
	// Predicted 10 (0 normalized), came 14 (2 normalized): score 2. Then the mean of 10, 10, 10, 14 is 11, came 10: 0.5 normalized.
	s := b.out.steps
	if s[3].OK || s[3].Reason != "no prediction for this step yet" {
		t.Errorf("first step with a full window: %+v", s[3])
	}
	if !s[4].OK || s[4].Score != 2 || s[4].Forecast.Expected != 10 || s[4].Forecast.Actual != 14 || s[4].Forecast.Naive != 10 {
		t.Errorf("%+v %+v", s[4], s[4].Forecast)
	}
	if !s[5].OK || s[5].Score != 0.5 || s[5].Forecast.Expected != 11 || s[5].Forecast.Naive != 14 {
		t.Errorf("%+v %+v", s[5], s[5].Forecast)
	}
	if f := s[5].Forecast; f.MAE != 2.5 || f.NaiveMAE != 4 || f.N != 2 {
		t.Errorf("%+v", f)
	}
}

// TestInherit: a task with another rule goes on with the window of the one it replaces.
func TestInherit(t *testing.T) {
	old := newTaskBench(t, nil)
	old.play(0.9, 0.9, 0.9, 0.9)
	old.task.Deliver(0, hal.Sample{Boot: old.clock.Boot() - time.Hour, Value: 0.9}) // came after it had stopped
	next := newTaskBench(t, func(c *config.Task) { c.Rules[0].Name = "other" })
	next.clock = old.clock
	next.task.clock = old.clock
	next.task.Inherit(old.task)
	if len(next.task.pending) != 1 || len(old.task.pending) != 0 {
		t.Errorf("%d samples came along, %d stayed", len(next.task.pending), len(old.task.pending))
	}
	if _, ok := next.task.in[0].win.Fill(next.task.in[0].buf); !ok {
		t.Error("the window is empty")
	}
	wider := newTaskBench(t, func(c *config.Task) { c.MaxGaps = 2 })
	wider.task.Inherit(old.task)
	if _, have := wider.task.in[0].win.Newest(); have {
		t.Error("a window with other settings was taken over")
	}
}

func TestTaskRefusesAModelThatDoesNotFit(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	ms := func(n int) config.Duration { return config.Duration(time.Duration(n) * time.Millisecond) }
	base := config.Task{Name: "t", Sensors: []string{"s"}, Period: ms(100), Window: ms(400), Features: []string{"value"}, Score: config.Score{Kind: config.ScoreOutput},
		Rules: []config.Rule{{OnAbove: f(1)}}}
	for _, c := range []struct {
		edit func(*config.Task)
		want string
	}{
		{func(c *config.Task) { c.Window = ms(500) }, `the model's input "x" has shape [1,4] (4 values), the task feeds 5 (1 sensors × 5 features)`},
		{func(c *config.Task) { c.Score.Output = 1 }, "score.output = 1: the model has 1 outputs"},
		{func(c *config.Task) { c.Score.Index = 2 }, `score.index = 2: the model's output "y" has 2 elements`},
		{func(c *config.Task) { c.Features = []string{"wavelet"} }, `"wavelet" is unknown`},
		{func(c *config.Task) { c.Features = []string{"spectrum:9"} }, "spectrum:9"},
	} {
		tc := base
		c.edit(&tc)
		slot, err := release.NewSlot(&release.Model{Name: "m", Program: lastOf{4}}, false, release.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewTask(TaskConfig{Task: tc, Sensors: []config.Sensor{{Name: "s"}}, Slot: slot}, haltest.NewClock(), newSink(), &fakeGuardian{}, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
