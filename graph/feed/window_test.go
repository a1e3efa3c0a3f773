package feed

import (
	"math"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestWindow(t *testing.T) {
	type sample struct {
		at   time.Duration
		v    float64
		good bool
	}
	cases := []struct {
		name    string
		maxGaps int
		in      []sample
		advance time.Duration
		want    []float32
		gaps    int
		ok      bool
	}{
		{"full", 0, []sample{{0, 1, true}, {100 * ms, 2, true}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 0, []float32{1, 2, 3, 4}, 0, true},
		{"not yet full", 4, []sample{{0, 1, true}, {100 * ms, 2, true}, {200 * ms, 3, true}}, 0, nil, 1, false},
		{"oldest leaves", 0, []sample{{0, 1, true}, {100 * ms, 2, true}, {200 * ms, 3, true}, {300 * ms, 4, true}, {400 * ms, 5, true}}, 0, []float32{2, 3, 4, 5}, 0, true},
		{"gap is filled", 1, []sample{{0, 1, true}, {100 * ms, 2, true}, {300 * ms, 4, true}}, 0, []float32{1, 2, 2, 4}, 1, true},
		{"too many gaps", 1, []sample{{0, 1, true}, {300 * ms, 4, true}}, 0, []float32{1, 1, 1, 4}, 2, false},
		{"bad quality is a gap", 1, []sample{{0, 1, true}, {100 * ms, 9, false}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 0, []float32{1, 1, 3, 4}, 1, true},
		{"nan is a gap", 1, []sample{{0, 1, true}, {100 * ms, math.NaN(), true}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 0, []float32{1, 1, 3, 4}, 1, true},
		{"nothing before the first gap", 4, []sample{{0, 9, false}, {100 * ms, 2, true}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 0, nil, 1, false},
		{"value before the window fills", 4, []sample{{0, 1, true}, {100 * ms, 9, false}, {200 * ms, 3, true}, {300 * ms, 4, true}, {400 * ms, 5, true}}, 0, []float32{1, 3, 4, 5}, 1, true},
		{"jitter makes no gap", 0, []sample{{0, 1, true}, {140 * ms, 2, true}, {165 * ms, 3, true}, {340 * ms, 4, true}}, 0, []float32{1, 2, 3, 4}, 0, true},
		{"last of a slot counts", 0, []sample{{0, 1, true}, {100 * ms, 8, true}, {110 * ms, 2, true}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 0, []float32{1, 2, 3, 4}, 0, true},
		{"late sample finds its slot", 0, []sample{{0, 1, true}, {100 * ms, 2, true}, {300 * ms, 4, true}, {200 * ms, 3, true}}, 0, []float32{1, 2, 3, 4}, 0, true},
		{"advance sees silence", 2, []sample{{0, 1, true}, {100 * ms, 2, true}, {200 * ms, 3, true}, {300 * ms, 4, true}}, 560 * ms, []float32{3, 4, 4, 4}, 2, true},
		{"long silence", 3, []sample{{0, 1, true}, {100 * ms, 2, true}, {time.Hour, 4, true}}, 0, []float32{2, 2, 2, 4}, 3, true},
		{"silence only", 3, []sample{{0, 1, true}, {300 * ms, 2, true}}, time.Hour, []float32{2, 2, 2, 2}, 4, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, err := NewWindow(400*ms, 100*ms, c.maxGaps)
			if err != nil {
				t.Fatal(err)
			}
			// The boot clock starts anywhere; twice, the second time after Reset.
			for _, base := range []time.Duration{0, 17*time.Hour + 3} {
				w.Reset()
				for _, s := range c.in {
					w.Add(base+s.at, time.Time{}, s.v, s.good)
				}
				if c.advance > 0 {
					w.Advance(base + c.advance)
				}
				dst := make([]float32, 4)
				gaps, ok := w.Fill(dst)
				if gaps != c.gaps || ok != c.ok || c.want != nil && !slices.Equal(dst, c.want) {
					t.Errorf("base %v: got %v, %d gaps, %v; want %v, %d, %v", base, dst, gaps, ok, c.want, c.gaps, c.ok)
				}
			}
		})
	}
}

// A sampler whose first sample was late by 40 % of the period, with jitter afterwards, makes no gap.
func TestWindowFollowsPhase(t *testing.T) {
	w, _ := NewWindow(time.Second, 100*ms, 0)
	jitter := []time.Duration{0, 9, -8, 5, -9, 7, 0, -5, 8, -7}
	w.Add(40*ms, time.Time{}, 0, true)
	dst := make([]float32, w.Len())
	for i := 1; i < 500; i++ {
		w.Add(time.Duration(i)*100*ms+jitter[i%len(jitter)]*ms, time.Time{}, float64(i), true)
		if i < w.Len() {
			continue
		}
		if gaps, ok := w.Fill(dst); gaps != 0 || !ok || dst[9] != float32(i) || dst[0] != float32(i-9) {
			t.Fatalf("sample %d: %v, %d gaps", i, dst, gaps)
		}
	}
}

func TestWindowNewest(t *testing.T) {
	w, _ := NewWindow(300*ms, 100*ms, 0)
	if _, ok := w.Newest(); ok {
		t.Error("an empty window has a newest sample")
	}
	wall := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w.Add(100*ms, wall, 2.5, true)
	w.Add(200*ms, wall.Add(100*ms), 9, false)
	if s, ok := w.Newest(); !ok || s != (Sample{100 * ms, wall, 2.5}) {
		t.Errorf("got %+v %v", s, ok)
	}
}

func TestNewWindowRefuses(t *testing.T) {
	for _, c := range []struct {
		span, period time.Duration
		gaps         int
	}{{time.Second, 0, 0}, {time.Second, -1, 0}, {50 * ms, 100 * ms, 0}, {250 * ms, 100 * ms, 0}, {time.Hour * 1e4, ms, 0}, {time.Second, 100 * ms, -1}} {
		if _, err := NewWindow(c.span, c.period, c.gaps); err == nil {
			t.Errorf("span %v, period %v, gaps %d: no error", c.span, c.period, c.gaps)
		}
	}
}

func TestWindowDoesNotAllocate(t *testing.T) {
	w, _ := NewWindow(time.Second, 10*ms, 100)
	dst := make([]float32, w.Len())
	at := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		at += 10 * ms
		w.Add(at, time.Time{}, 1, true)
		w.Advance(at)
		w.Fill(dst)
	}); n != 0 {
		t.Errorf("%v allocations per sample", n)
	}
}
