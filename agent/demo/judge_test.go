package demo

import (
	"math"
	"testing"
	"time"

	"wayside/agent"
	"wayside/agent/config"
	"wayside/agent/pipeline"
	"wayside/hal"
)

func TestJudgeEvents(t *testing.T) {
	labels := []span{{at(16, 13, 0), at(16, 15, 0)}, {at(16, 16, 0), at(16, 18, 0)}}
	for _, c := range []struct {
		name   string
		alarms []time.Time
		want   Events
	}{
		{"none", nil, Events{Labelled: 2}},
		{"both", []time.Time{at(16, 13, 0), at(16, 18, 0)}, Events{Labelled: 2, Found: 2, F1: 1}},
		{"one twice", []time.Time{at(16, 14, 0), at(16, 14, 30)}, Events{Labelled: 2, Found: 1, F1: 2.0 / 3}},
		{"one and a false", []time.Time{at(16, 14, 0), at(16, 15, 5)}, Events{Labelled: 2, Found: 1, FalseAlarms: 1, F1: 0.5}},
		{"an early one is false", []time.Time{at(16, 12, 55)}, Events{Labelled: 2, FalseAlarms: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judgeEvents(c.alarms, labels); got.Labelled != c.want.Labelled || got.Found != c.want.Found ||
				got.FalseAlarms != c.want.FalseAlarms || math.Abs(got.F1-c.want.F1) > 1e-12 {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// played is a replay of the given speeds, and one step for each row as the worker would have recorded it, polled late in each row.
func played(speeds ...float64) (*timeline, []step) {
	const phase = 70 * time.Millisecond
	r := &replay{}
	tl := &timeline{r: r, begin: time.Hour, step: rowTime}
	var steps []step
	last, lastBoot := 0.0, time.Duration(0)
	for i, v := range speeds {
		r.times = append(r.times, at(16, 0, 0).Add(time.Duration(i)*slotTime))
		r.speed = append(r.speed, v)
		r.occupancy = append(r.occupancy, v)
		now := tl.begin + time.Duration(i)*rowTime + phase
		if !math.IsNaN(v) {
			last, lastBoot = v, now
		}
		steps = append(steps, step{at: now + time.Millisecond, StepRecord: agent.StepRecord{Task: taskIncident, OK: true,
			Inputs: []pipeline.Input{{Sensor: "speed", Value: last, Quality: hal.Good, Boot: lastBoot}}}})
	}
	return tl, steps
}

func TestThreshold(t *testing.T) {
	gap := math.NaN()
	tl, steps := played(60, 30, 40, 35, 44, 20, 20, gap, gap, gap, 20, 60)
	for i := 7; i < 10; i++ {
		steps[i].OK = false
	}
	// On at row 1; 40 and 35 lie within the hysteresis; 44 is off; on again at 5; three rows without a decision end it, so 20 begins a third alarm.
	got := tl.threshold(steps, 33, 10, 3)
	want := []int{1, 5, 10}
	if len(got) != len(want) {
		t.Fatalf("alarms at %v, want rows %v", got, want)
	}
	for i, row := range want {
		if !got[i].Equal(tl.r.times[row]) {
			t.Errorf("alarm %d at %s, want row %d", i, got[i], row)
		}
	}
	if got := tl.threshold(steps, 33, 10, 6); len(got) != 2 {
		t.Errorf("with a longer lease %d alarms, want 2", len(got))
	}
}

func TestJudgeForecasts(t *testing.T) {
	tl, steps := played(60, 50, math.NaN(), 40)
	norm := config.Normalize{Mean: []float64{60}, Std: []float64{10}}
	for i := range steps {
		steps[i].Outputs = []float32{0.5, -1} // output 1: 50
	}
	// Rows 0 → 50 and 2 → 40 have a truth; row 1 → gap and row 3 → end have none. The newest reading at row 2 is still 50.
	if got, want := tl.judgeNext(steps, norm), (Errors{Model: 5, Naive: 10, Values: 2}); got != want {
		t.Errorf("next: %+v, want %+v", got, want)
	}
	// Outputs 65 and 50 for one and two rows ahead: 0 → 50, gap; 1 → gap, 40; 2 → 40; naive 60, 50, 50.
	if got, want := tl.judgeHour(steps, norm), (Errors{Model: (15 + 10 + 25) / 3.0, Naive: 10, Values: 3}); math.Abs(got.Model-want.Model) > 1e-9 || got.Naive != want.Naive || got.Values != want.Values {
		t.Errorf("hour: %+v, want %+v", got, want)
	}
}

// A row after which the replay starts over is followed by nothing: the value there is not five minutes later.
func TestTargetAcrossWrap(t *testing.T) {
	tl, steps := played(60, 50)
	tl.r.times[1] = at(15, 16, 0)
	if v, ok := tl.target(steps[0], tl.r.speed, 1); ok {
		t.Errorf("target %g across the seam", v)
	}
}

func TestAlign(t *testing.T) {
	for _, late := range []time.Duration{-60 * time.Millisecond, 0, 45 * time.Millisecond} {
		tl, steps := played(1, 2, 3, 4, 5, 6, 7, 8)
		tl.begin += late // what the demo believes
		tl.align(steps)
		for i, s := range steps {
			if got := tl.row(s.Inputs[0].Boot); got != i {
				t.Errorf("begin wrong by %s: the sample of row %d is taken for row %d", late, i, got)
				break
			}
		}
	}
}

func TestReplayedTimes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"last good sample 600ms old", "last good sample 30m old"},
		{"incomplete after 1.5s: model", "incomplete after 1h15m: model"},
		{"speed 24, model 2.0.0, 5m", "speed 24, model 2.0.0, 250h0m"},
		{"24 slots, 12 allowed", "24 slots, 12 allowed"},
	} {
		if got := replayedTimes(c.in); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}
