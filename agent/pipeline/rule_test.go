package pipeline

import (
	"math"
	"strings"
	"testing"
	"time"

	"wayside/agent/config"
)

func TestRule(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	up := config.Rule{OnAbove: f(0.7), OffBelow: f(0.4)}
	held := up
	held.HoldOff = config.Duration(300 * time.Millisecond)
	down := config.Rule{OnBelow: f(0.2), OffAbove: f(0.5)}
	plain := config.Rule{OnAbove: f(0.5)}
	nan := math.NaN()
	// One input every 100 ms; "-" in want is no_data, where the score is NaN the input is missing.
	cases := []struct {
		name   string
		rule   config.Rule
		scores []float64
		want   string
	}{
		{"below stays off", up, []float64{0, 0.4, 0.69}, "off off off"},
		{"the threshold itself is not above", up, []float64{0.7, 0.7001}, "off on"},
		{"hysteresis holds between", up, []float64{0.8, 0.5, 0.4, 0.41, 0.39, 0.5, 0.71}, "on on on on off off on"},
		{"first score between the thresholds is off", up, []float64{0.5, 0.8}, "off on"},
		{"hold-off waits", held, []float64{0.8, 0.8, 0.8, 0.8, 0.8}, "pending pending pending on on"},
		{"hold-off starts anew after a dip", held, []float64{0.8, 0.8, 0.6, 0.8, 0.8, 0.8, 0.8}, "pending pending off pending pending pending on"},
		{"hold-off delays on only", held, []float64{0.8, 0.8, 0.8, 0.8, 0.1}, "pending pending pending on off"},
		{"a hole forgets on", up, []float64{0.8, nan, 0.5, 0.8}, "on - off on"},
		{"a hole forgets pending", held, []float64{0.8, 0.8, nan, 0.8, 0.8, 0.8, 0.8}, "pending pending - pending pending pending on"},
		{"inverted", down, []float64{0.3, 0.2, 0.19, 0.4, 0.5, 0.51, 0.3, 0.1}, "off off on on on off off on"},
		{"one threshold", plain, []float64{0.4, 0.6, 0.5, 0.49}, "off on on off"},
		{"infinite is above", up, []float64{math.Inf(1), math.Inf(-1)}, "on off"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := NewRule(c.rule)
			if r.State() != NoData {
				t.Errorf("a new rule is %s", r.State())
			}
			for i, want := range strings.Fields(c.want) {
				if want == "-" {
					want = "no_data"
				}
				at := 1000*time.Second + time.Duration(i)*100*time.Millisecond
				got := r.Step(at, c.scores[i], !math.IsNaN(c.scores[i]))
				if got.String() != want {
					t.Fatalf("step %d, score %g: %s, want %s", i, c.scores[i], got, want)
				}
				v, asks := got.Value()
				if asks != (got != NoData) || (v == config.On) != (got == On) {
					t.Errorf("step %d: %s asks for %v, %v", i, got, v, asks)
				}
				if r.Why() == "" {
					t.Errorf("step %d: %s has no reason", i, got)
				}
			}
		})
	}
	if r := NewRule(up); r.Step(0, nan, true) != NoData {
		t.Error("a NaN score decides")
	}
}
