package release

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Limits is what a model may do. It comes from the local configuration, never from a release.
type Limits struct {
	OutputMin, OutputMax []float32 // bounds of the outputs in real units: none, one for all elements, or one per element
	MaxSlowdown          float64   // times the run time of the model that ran before; 0 is off
	ConstantRuns         int       // in probation, so many runs with the same output on differing inputs; 0 is off
	ProbationRuns        int       // runs after the swap before a model is confirmed; 0 confirms at once
}

// check finds the first output that no model may give.
func (l *Limits) check(out []float32) error {
	for i, v := range out {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("output element %d is %g", i, v)
		}
		if lo, ok := bound(l.OutputMin, i); ok && v < lo {
			return fmt.Errorf("output element %d is %g, below the limit %g", i, v, lo)
		}
		if hi, ok := bound(l.OutputMax, i); ok && v > hi {
			return fmt.Errorf("output element %d is %g, above the limit %g", i, v, hi)
		}
	}
	return nil
}

func bound(b []float32, i int) (float32, bool) {
	switch {
	case len(b) == 0:
		return 0, false
	case len(b) == 1:
		return b[0], true
	case i < len(b):
		return b[i], true
	}
	return 0, false
}

const (
	randomInputs = 24 // seeded, in the range of the known inputs
	timedRuns    = 31 // odd, so that the median is a measured run
)

// behave runs a candidate on inputs that its maker did not choose. golden and recent are vectors of the model's input length;
// old is the model that runs now, nil at the very first. stop is asked before each run.
func behave(cand, old *Runner, l *Limits, golden, recent [][]float32, stop func() error) error {
	inputs := slices.Concat(recent, golden)
	known := len(inputs)
	inputs = append(inputs, random(inputs, cand.InputLen())...)

	var first []float32
	differs := false
	for i, in := range inputs {
		if err := stop(); err != nil {
			return err
		}
		cand.s.Reset()
		out, _, err := cand.Run(in)
		if err != nil {
			return fmt.Errorf("on %s: %w", origin(i, len(recent), known), err)
		}
		lim := l
		if known == 0 {
			lim = &Limits{} // nothing tells what range of inputs is real: only NaN and Inf are certain faults
		}
		if err := lim.check(out); err != nil {
			return fmt.Errorf("on %s: %w", origin(i, len(recent), known), err)
		}
		if first == nil {
			first = slices.Clone(out)
		} else if !slices.Equal(first, out) {
			differs = true
		}
	}
	if !differs {
		return fmt.Errorf("constant output on %d differing inputs", len(inputs))
	}
	return pace(cand, old, l, inputs, stop)
}

func origin(i, recent, known int) string {
	switch {
	case i < recent:
		return fmt.Sprintf("recent window %d", i)
	case i < known:
		return fmt.Sprintf("golden input %d", i-recent)
	}
	return fmt.Sprintf("random input %d", i-known)
}

// random draws vectors in the range that each element of the known ones spans, or −1..1 where nothing is known.
// The seed is fixed: the same release meets the same inputs everywhere.
func random(known [][]float32, n int) [][]float32 {
	lo, hi := make([]float32, n), make([]float32, n)
	for i := range n {
		lo[i], hi[i] = float32(math.Inf(1)), float32(math.Inf(-1))
		for _, v := range known {
			if f := float64(v[i]); !math.IsNaN(f) && !math.IsInf(f, 0) {
				lo[i], hi[i] = min(lo[i], v[i]), max(hi[i], v[i])
			}
		}
		if lo[i] > hi[i] {
			lo[i], hi[i] = -1, 1
		}
	}
	rng := rand.New(rand.NewPCG(0x57617973, 0x696465))
	out := make([][]float32, randomInputs)
	for k := range out {
		out[k] = make([]float32, n)
		for i := range n {
			out[k][i] = lo[i] + (hi[i]-lo[i])*rng.Float32()
		}
	}
	return out
}

// pace compares both models on the same inputs, alternating, so that whatever else the machine does slows both.
func pace(cand, old *Runner, l *Limits, inputs [][]float32, stop func() error) error {
	if old == nil || l.MaxSlowdown <= 0 {
		return nil
	}
	tc, to := make([]time.Duration, 0, timedRuns), make([]time.Duration, 0, timedRuns)
	for i := range timedRuns {
		if err := stop(); err != nil {
			return err
		}
		in := inputs[i%len(inputs)]
		_, a, err := cand.Run(in)
		if err != nil {
			return err
		}
		_, b, err := old.Run(in)
		if err != nil {
			return nil // the old model's faults are not the candidate's
		}
		tc, to = append(tc, a), append(to, b)
	}
	c, o := median(tc), median(to)
	if float64(c) > l.MaxSlowdown*float64(o) {
		return fmt.Errorf("one run takes %s, %.0f times the %s of the current model (limit %g times)", c, float64(c)/float64(max(o, 1)), o, l.MaxSlowdown)
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}
