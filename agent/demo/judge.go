package demo

import (
	"math"
	"time"

	"wayside/agent/config"
)

// Events is how alarms met the labelled incidents of the replayed stretch. An incident is found when an alarm begins inside its labelled
// window; an alarm that begins outside every window is false.
type Events struct {
	Labelled    int     `json:"labelled"`
	Found       int     `json:"found"`
	FalseAlarms int     `json:"false_alarms"`
	F1          float64 `json:"f1"` // 0 without any incident and alarm
}

func judgeEvents(alarms []time.Time, labels []span) Events {
	e := Events{Labelled: len(labels)}
	for _, l := range labels {
		for _, a := range alarms {
			if !a.Before(l.from) && !a.After(l.to) {
				e.Found++
				break
			}
		}
	}
	for _, a := range alarms {
		inside := false
		for _, l := range labels {
			inside = inside || !a.Before(l.from) && !a.After(l.to)
		}
		if !inside {
			e.FalseAlarms++
		}
	}
	if d := e.Found + e.Labelled + e.FalseAlarms; d > 0 {
		e.F1 = 2 * float64(e.Found) / float64(d)
	}
	return e
}

// Errors are the mean absolute errors of a forecast and of the naive one, that everything stays as it is, over the same values.
type Errors struct {
	Model  float64 `json:"model"`
	Naive  float64 `json:"naive"`
	Values int     `json:"values"`
}

// ModelErrors are the errors of one version of a model, over the time it ran.
type ModelErrors struct {
	Version string `json:"version"`
	Errors
}

type errorSum struct {
	model, naive float64
	n            int
}

func (s *errorSum) add(model, naive, truth float64) {
	s.model += math.Abs(model - truth)
	s.naive += math.Abs(naive - truth)
	s.n++
}

func (s *errorSum) errors() Errors {
	if s.n == 0 {
		return Errors{}
	}
	return Errors{Model: s.model / float64(s.n), Naive: s.naive / float64(s.n), Values: s.n}
}

// timeline knows which row of the table was served when.
type timeline struct {
	r     *replay
	begin time.Duration // boot time of row 0, as well as it is known
	step  time.Duration // of one row
}

// row is the row at a boot time, held to the table.
func (t *timeline) row(boot time.Duration) int {
	return min(max(int((boot-t.begin)/t.step), 0), len(t.r.times)-1)
}

// when is the replayed time at a boot time.
func (t *timeline) when(boot time.Duration) time.Time { return t.r.times[t.row(boot)] }

// align shifts begin by at most one row so that as many samples as possible show the value of their row: the device began a little
// before it said so, and polls may fall close to the change from one row to the next.
func (t *timeline) align(steps []step) {
	best, most := t.begin, -1
	for shift := -t.step; shift <= t.step; shift += t.step / 20 {
		try := timeline{t.r, t.begin + shift, t.step}
		hits := 0
		for _, s := range steps {
			for _, in := range s.Inputs {
				if in.Sensor == "speed" && in.Boot > 0 && in.Value == t.r.speed[try.row(in.Boot)] {
					hits++
				}
			}
		}
		// Of equally good shifts the smallest stands.
		if hits > most || hits == most && abs(shift) < abs(best-t.begin) {
			best, most = t.begin+shift, hits
		}
	}
	t.begin = best
}

func abs(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}

// rowOf is the row that a step's window ends with: that of its newest reading if it came in this period, else that of the step itself.
func (t *timeline) rowOf(s step) int {
	if in := s.Inputs[0]; s.at-in.Boot < t.step {
		return t.row(in.Boot)
	}
	return t.row(s.at)
}

// target is the value that came ahead rows after a step, if one came.
func (t *timeline) target(s step, values []float64, ahead int) (float64, bool) {
	i := t.rowOf(s) + ahead
	if i >= len(values) || math.IsNaN(values[i]) || !t.r.times[i].Equal(t.r.times[i-ahead].Add(time.Duration(ahead)*slotTime)) {
		return 0, false
	}
	return values[i], true
}

// judgeNext compares the incident model's second output, the next speed, with what came.
func (t *timeline) judgeNext(steps []step, norm config.Normalize) Errors {
	var sum errorSum
	for _, s := range steps {
		if len(s.Outputs) < 2 || len(s.Inputs) == 0 {
			continue
		}
		if truth, ok := t.target(s, t.r.speed, 1); ok {
			sum.add(float64(s.Outputs[1])*norm.Std[0]+norm.Mean[0], s.Inputs[0].Value, truth)
		}
	}
	return sum.errors()
}

// judgeHour compares the forecaster's outputs, the next hour's occupancy, with what came.
func (t *timeline) judgeHour(steps []step, norm config.Normalize) Errors {
	var sum errorSum
	for _, s := range steps {
		if len(s.Inputs) == 0 {
			continue
		}
		for k, v := range s.Outputs {
			if truth, ok := t.target(s, t.r.occupancy, k+1); ok {
				sum.add(float64(v)*norm.Std[0]+norm.Mean[0], s.Inputs[0].Value, truth)
			}
		}
	}
	return sum.errors()
}

// threshold gives the alarms that a plain threshold would have begun on the same readings: on below limit, off again above limit + back, and
// off after so many rows without a usable step as the rule's lease has.
func (t *timeline) threshold(steps []step, limit, back float64, lease int) []time.Time {
	var alarms []time.Time
	on, last := false, -1
	for _, s := range steps {
		if !s.OK || len(s.Inputs) == 0 {
			continue
		}
		row := t.rowOf(s)
		if last >= 0 && row-last > lease {
			on = false
		}
		last = row
		switch v := s.Inputs[0].Value; {
		case on:
			on = v <= limit+back
		case v < limit:
			on = true
			alarms = append(alarms, t.r.times[row])
		}
	}
	return alarms
}
