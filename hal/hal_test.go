package hal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

func TestQualityText(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range hal.Qualities() {
		s := q.String()
		if s == "" || seen[s] || s != strings.ToLower(s) || strings.ContainsAny(s, " -()") {
			t.Errorf("name %q", s)
		}
		seen[s] = true
		b, err := json.Marshal(map[string]hal.Quality{"q": q})
		var back map[string]hal.Quality
		if err != nil || string(b) != `{"q":"`+s+`"}` || json.Unmarshal(b, &back) != nil || back["q"] != q {
			t.Errorf("%s: JSON %s, %v, back %v", s, b, err, back)
		}
	}
	if len(seen) != 11 || hal.Quality(0) != hal.Good {
		t.Errorf("%d qualities", len(seen))
	}
	if q, err := hal.ParseQuality("Good"); err == nil {
		t.Errorf("parsed as %v", q)
	}
	if _, err := hal.Quality(200).MarshalText(); err == nil {
		t.Error("a quality that does not exist has a text")
	}
}

// TestChecker feeds samples one second apart and compares the qualities that come out.
func TestChecker(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(-1)
	const (
		good, oor, rate, stuck, missing = hal.Good, hal.OutOfRange, hal.RateTooHigh, hal.Stuck, hal.DeviceMissing
	)
	for _, tc := range []struct {
		name string
		c    hal.Checker
		in   []float64
		q    []hal.Quality // of the driver; nil: all good
		want []hal.Quality
	}{
		{"no settings", hal.Checker{}, []float64{0, 1e300, nan, inf}, nil, []hal.Quality{good, good, oor, oor}},
		{"range", hal.Checker{Range: &hal.Range{Min: -5, Max: 10}}, []float64{-5, 10, -5.1, 10.1, 0}, nil, []hal.Quality{good, good, oor, oor, good}},
		{"a spike is refused and the value after it believed", hal.Checker{MaxRate: 2}, []float64{1, 2, 50, 3, 5}, nil, []hal.Quality{good, good, rate, good, good}},
		{"a step is believed when it could have come about", hal.Checker{MaxRate: 2}, []float64{0, 7, 7, 7, 7}, nil, []hal.Quality{good, rate, rate, rate, good}},
		{"an out-of-range value is no base for the rate", hal.Checker{MaxRate: 2, Range: &hal.Range{Min: 0, Max: 100}}, []float64{1, 500, 2, 3}, nil, []hal.Quality{good, oor, good, good}},
		{"stuck", hal.Checker{StuckAfter: 2 * time.Second}, []float64{1, 1, 1, 1, 2, 2}, nil, []hal.Quality{good, good, stuck, stuck, good, good}},
		{"the driver's quality stays", hal.Checker{Range: &hal.Range{Min: 0, Max: 1}}, []float64{5, 5}, []hal.Quality{hal.WireBreak, hal.Substituted}, []hal.Quality{hal.WireBreak, hal.Substituted}},
		{"a hole ends standing still", hal.Checker{StuckAfter: 2 * time.Second}, []float64{1, 1, 0, 1, 1, 1}, []hal.Quality{good, good, missing, good, good, good}, []hal.Quality{good, good, missing, good, good, stuck}},
	} {
		for i, v := range tc.in {
			s := hal.Sample{Boot: time.Duration(i+1) * time.Second, Value: v}
			if tc.q != nil {
				s.Quality = tc.q[i]
			}
			got := tc.c.Apply(s)
			if got.Quality != tc.want[i] {
				t.Errorf("%s: sample %d: %s (%s), want %s", tc.name, i, got.Quality, got.Reason, tc.want[i])
			}
			if tc.q == nil && (got.Quality == hal.Good) != (got.Reason == "") {
				t.Errorf("%s: sample %d: %s with reason %q", tc.name, i, got.Quality, got.Reason)
			}
		}
		tc.c.Reset()
		if got := tc.c.Apply(hal.Sample{Boot: time.Hour, Value: 1}); got.Quality != hal.Good {
			t.Errorf("%s: after Reset: %s", tc.name, got.Quality)
		}
	}
}

func TestAged(t *testing.T) {
	s := hal.Sample{Boot: 10 * time.Second}
	for _, tc := range []struct {
		now, max time.Duration
		q, want  hal.Quality
	}{
		{11 * time.Second, time.Second, hal.Good, hal.Good},
		{11*time.Second + 1, time.Second, hal.Good, hal.Stale},
		{time.Hour, 0, hal.Good, hal.Good},
		{time.Hour, time.Second, hal.WireBreak, hal.WireBreak},
	} {
		s.Quality = tc.q
		if got := hal.Aged(s, tc.now, tc.max); got.Quality != tc.want || got.Quality == hal.Stale && got.Reason == "" {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

func TestRealClock(t *testing.T) {
	c := hal.RealClock()
	a, wall := c.Boot(), c.Now()
	<-c.After(2 * time.Millisecond)
	if d := c.Boot() - a; d < 2*time.Millisecond || a <= 0 {
		t.Errorf("boot time went from %v by %v", a, d)
	}
	if !c.Now().After(wall) {
		t.Error("wall clock stands")
	}
}

func TestSleep(t *testing.T) {
	clock := haltest.NewClock()
	done := make(chan error)
	go func() { done <- hal.Sleep(context.Background(), clock, time.Hour) }()
	clock.BlockUntil(1)
	clock.Advance(time.Hour)
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := hal.Sleep(ctx, clock, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := hal.Sleep(ctx, clock, time.Hour); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("out of time: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	b := hal.Backoff{After: 2, First: time.Second, Last: 5 * time.Second}
	var now time.Duration = 100 * time.Second
	b.Failed(now)
	if w := b.Wait(now); w > 0 {
		t.Errorf("pause of %v after one failure", w)
	}
	for _, want := range []time.Duration{1, 2, 4, 5, 5} {
		b.Failed(now)
		if w := b.Wait(now); w != want*time.Second {
			t.Errorf("pause %v, want %v s after %d failures", w, int(want), b.Failures())
		}
		now += want * time.Second
		if w := b.Wait(now); w > 0 {
			t.Errorf("%v left at its end", w)
		}
	}
	b.OK()
	b.Failed(now)
	if w := b.Wait(now); w > 0 || b.Failures() != 1 {
		t.Errorf("after a success: pause %v, %d failures", w, b.Failures())
	}
}

// TestDeadline: ctx ends a read, and after done it cannot touch the connection any more.
func TestDeadline(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _ = a.Close(); _ = b.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	done, err := hal.Deadline(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*time.Millisecond, cancel)
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	done()
	ctx, cancel = context.WithCancel(context.Background())
	done, err = hal.Deadline(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	done()
	cancel()
	go func() { _, _ = b.Write([]byte{7}) }()
	if _, err := a.Read(make([]byte, 1)); err != nil {
		t.Errorf("read after done: %v", err)
	}
}

func TestErrors(t *testing.T) {
	k := &hal.KeyError{Key: "address", Reason: "is missing", Remedy: "give one"}
	if k.Error() != "address: is missing; give one" {
		t.Errorf("text %q", k)
	}
	inner := errors.New("inner")
	for _, err := range []error{k, fmt.Errorf("open: %w", k), hal.InputError("x: %w", inner)} {
		if !errors.Is(err, hal.ErrInput) || errors.Is(err, hal.ErrNoDevice) {
			t.Errorf("%v is classified wrongly", err)
		}
	}
	if err := hal.InputError("x: %w", inner); !errors.Is(err, inner) || err.Error() != "x: inner" {
		t.Errorf("%v", err)
	}
	c := haltest.NewClock()
	if s := hal.Missing(c, inner); s.Quality != hal.DeviceMissing || s.Reason != "inner" || s.Boot != c.Boot() || !s.Wall.Equal(c.Now()) {
		t.Errorf("missing sample %+v", s)
	}
}

func TestDurationAndPath(t *testing.T) {
	var d hal.Duration
	if err := d.UnmarshalText([]byte("2.4s")); err != nil || d.D() != 2400*time.Millisecond || d.String() != "2.4s" {
		t.Errorf("%v, %v", d, err)
	}
	if err := d.UnmarshalText([]byte("80")); err == nil || !strings.Contains(err.Error(), `"80ms"`) {
		t.Errorf("a number without a unit: %v", err)
	}
	e := hal.Env{BaseDir: "/etc/wayside"}
	for in, want := range map[string]string{"": "", "/x": "/x", "gpio.sock": "/etc/wayside/gpio.sock", "../y": "/etc/y"} {
		if got := e.Path(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// registerOnce lets the test run again in one process: nothing is ever taken out of a registry.
var registerOnce sync.Once

func TestRegistry(t *testing.T) {
	complete := hal.OutputDriver{
		Kind: "test-z", Config: func() any { return nil }, Validate: func(any) error { return nil },
		Open: func(context.Context, any, float64, hal.Env) (hal.Output, error) { return nil, nil },
	}
	registerOnce.Do(func() {
		hal.RegisterOutput(complete)
		complete.Kind = "test-a"
		hal.RegisterOutput(complete)
	})
	if l := hal.Outputs(); len(l) != 2 || l[0].Kind != "test-a" || l[1].Kind != "test-z" {
		t.Errorf("list %+v", l)
	}
	if _, ok := hal.FindOutput("test-z"); !ok {
		t.Error("not found")
	}
	if _, ok := hal.FindSensor("test-z"); ok {
		t.Error("an output was found as a sensor")
	}
	for name, d := range map[string]hal.OutputDriver{
		"registered twice": complete,
		"without Open":     {Kind: "x", Config: complete.Config, Validate: complete.Validate},
		"without a name":   {Config: complete.Config, Validate: complete.Validate, Open: complete.Open},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			hal.RegisterOutput(d)
		}()
	}
}
