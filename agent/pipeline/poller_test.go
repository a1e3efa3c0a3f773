package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"wayside/agent/guard"
	"wayside/hal"
	"wayside/hal/haltest"
)

// sink remembers what it heard. Safe for concurrent use.
type sink struct {
	mu      sync.Mutex
	samples []hal.Sample
	missed  map[string]int
	steps   []Step
	decided []Decision
	answers []error
	heard   chan struct{} // one per Polled or Stepped
}

func newSink() *sink { return &sink{missed: map[string]int{}, heard: make(chan struct{}, 10000)} }

func (s *sink) Polled(_ string, v hal.Sample) {
	s.mu.Lock()
	s.samples = append(s.samples, v)
	s.mu.Unlock()
	s.heard <- struct{}{}
}

func (s *sink) Missed(_ string, n int, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed[why] += n
}

func (s *sink) Stepped(v Step) {
	s.mu.Lock()
	s.steps = append(s.steps, v)
	s.mu.Unlock()
	s.heard <- struct{}{}
}

func (s *sink) Decided(d Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decided = append(s.decided, d)
}

func (s *sink) Answered(_ Decision, _ guard.Reply, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, err)
}

var errDead = errors.New("no answer")

// device answers from a script: the script may move the clock, as a slow device does.
type device struct {
	clock  hal.Clock
	read   func(n int) error
	n      int
	closed int
}

func (d *device) Read(context.Context) (hal.Sample, error) {
	n := d.n
	d.n++
	if err := d.read(n); err != nil {
		return hal.Missing(d.clock, err), err
	}
	return hal.Sample{Boot: d.clock.Boot(), Wall: d.clock.Now(), Value: float64(n)}, nil
}

func (d *device) Close() error { d.closed++; return nil }

const period = 100 * time.Millisecond

func TestPollerSchedule(t *testing.T) {
	fail := func(from, to int) func(int) error {
		return func(n int) error {
			if n >= from && n < to {
				return errDead
			}
			return nil
		}
	}
	cases := []struct {
		name    string
		read    func(c *haltest.FakeClock) func(int) error
		stall   map[int]time.Duration // the clock jumps at this period: the machine was busy
		periods int
		good    int
		missed  map[string]int
	}{
		{"one sample per period", func(*haltest.FakeClock) func(int) error { return fail(0, 0) }, nil, 20, 20, nil},
		{"a stall is counted, not made up for", func(*haltest.FakeClock) func(int) error { return fail(0, 0) },
			map[int]time.Duration{5: 350 * time.Millisecond}, 20, 18, map[string]int{MissedLate: 2}},
		{"a slow device misses periods by itself", func(c *haltest.FakeClock) func(int) error {
			return func(n int) error {
				if n == 3 {
					c.Advance(250 * time.Millisecond)
				}
				return nil
			}
		}, nil, 20, 18, map[string]int{MissedLate: 2}},
		{"one failure is one period", func(*haltest.FakeClock) func(int) error { return fail(4, 5) }, nil, 20, 19, map[string]int{MissedNoAnswer: 1}},
		// Failures at periods 0, 1, 2, then 1 left out, a failure at 4, 3 left out, a failure at 8, 7 left out, a failure at 16, …
		{"a dead device is asked less and less", func(*haltest.FakeClock) func(int) error { return fail(0, 1000) }, nil, 17, 0,
			map[string]int{MissedNoAnswer: 6, MissedQuarantine: 11}},
		// Back at period 8: two samples are distrusted, then good.
		{"a device that returns is believed after two samples", func(*haltest.FakeClock) func(int) error { return fail(0, 4) }, nil, 20, 10,
			map[string]int{MissedNoAnswer: 4, MissedQuarantine: 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clock, out := haltest.NewClock(), newSink()
			dev := &device{clock: clock, read: c.read(clock)}
			opens := 0
			p := NewPoller(PollerConfig{Sensor: "s", Period: period, Open: func(context.Context) (hal.Sensor, error) { opens++; return dev, nil }},
				clock, out, clock.Boot())
			ctx, cancel := context.WithCancel(context.Background())
			start := clock.Boot()
			done := make(chan struct{})
			go func() { defer close(done); p.Run(ctx) }()
			for clock.Boot() < start+time.Duration(c.periods-1)*period {
				clock.BlockUntil(1)
				n := int((clock.Boot() - start) / period)
				step := period
				if d := c.stall[n]; d > 0 {
					step = d
				}
				clock.Advance(start + time.Duration(n)*period + step - clock.Boot())
			}
			clock.BlockUntil(1)
			cancel()
			<-done
			good := 0
			for _, s := range out.samples {
				if s.Quality == hal.Good {
					good++
				}
			}
			if good != c.good || fmt.Sprint(out.missed) != fmt.Sprint(nonNil(c.missed)) {
				t.Errorf("%d good samples, missed %v; want %d, %v", good, out.missed, c.good, nonNil(c.missed))
			}
			total := 0
			seen := map[time.Duration]bool{}
			for _, s := range out.samples {
				k := (s.Boot - start) / period
				if seen[k] {
					t.Errorf("two samples in period %d", k)
				}
				seen[k] = true
				if s.Quality != hal.DeviceMissing {
					total++
				}
			}
			for _, n := range out.missed {
				total += n
			}
			if total != c.periods {
				t.Errorf("taken and missed are %d, but %d periods passed", total, c.periods)
			}
			if dev.closed != opens {
				t.Errorf("opened %d times, closed %d times", opens, dev.closed)
			}
		})
	}
}

func nonNil(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

// TestDeadDeviceCostsOthersNothing: one sensor hangs until its time-out in every read, another on the same schedule loses nothing.
func TestDeadDeviceCostsOthersNothing(t *testing.T) {
	clock := hal.RealClock()
	dead, alive := newSink(), newSink()
	start := clock.Boot()
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	run := func(out *sink, s hal.Sensor) {
		p := NewPoller(PollerConfig{Sensor: "s", Period: 20 * time.Millisecond, Open: func(context.Context) (hal.Sensor, error) { return s, nil }}, clock, out, start)
		wg.Go(func() { p.Run(ctx) })
	}
	run(dead, hanging{})
	run(alive, &device{clock: clock, read: func(int) error { return nil }})
	wg.Wait()
	if len(alive.samples)+alive.missed[MissedLate] < 18 || alive.missed[MissedLate] > 4 {
		t.Errorf("the healthy sensor has %d samples, missed %v", len(alive.samples), alive.missed)
	}
	if dead.missed[MissedNoAnswer] == 0 || dead.missed[MissedQuarantine] == 0 {
		t.Errorf("the dead sensor missed %v", dead.missed)
	}
}

type hanging struct{}

func (hanging) Read(ctx context.Context) (hal.Sample, error) {
	<-ctx.Done()
	return hal.Missing(hal.RealClock(), ctx.Err()), ctx.Err()
}
func (hanging) Close() error { return nil }
