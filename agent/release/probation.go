package release

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// probation judges the first runs of a model in service.
type probation struct {
	mu       sync.Mutex
	left     int
	times    recentTimes
	lastIn   []float32
	lastOut  []float32
	constant int // runs in a row with the same output though the input moved
}

// observe looks at one run. It returns why the model must go, or whether it has passed.
// before is the pace of the model that ran until the swap.
func (p *probation) observe(l *Limits, before *recentTimes, in, out []float32, took time.Duration, err error) (reason string, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return fmt.Sprintf("run failed: %v", err), false
	}
	if err := l.check(out); err != nil {
		return err.Error(), false
	}
	p.times.add(took)
	if now, was, ok := p.times.slower(before); ok && l.MaxSlowdown > 0 && float64(now) > l.MaxSlowdown*float64(was) {
		return fmt.Sprintf("one run takes %s, %.0f times the %s of the model before it (limit %g times)", now, float64(now)/float64(max(was, 1)), was, l.MaxSlowdown), false
	}
	switch {
	case p.lastOut == nil || !slices.Equal(out, p.lastOut):
		p.constant = 0
	case !slices.Equal(in, p.lastIn):
		p.constant++
	}
	p.lastIn = append(p.lastIn[:0], in...)
	p.lastOut = append(p.lastOut[:0], out...)
	if l.ConstantRuns > 0 && p.constant >= l.ConstantRuns {
		return fmt.Sprintf("constant output over %d runs on differing inputs", p.constant), false
	}
	p.left--
	return "", p.left <= 0
}

// recentTimes keeps the last run times of a model. Safe for concurrent use.
type recentTimes struct {
	mu   sync.Mutex
	d    [31]time.Duration
	n, k int
}

func (r *recentTimes) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.d[r.k] = d
	r.k = (r.k + 1) % len(r.d)
	r.n = min(r.n+1, len(r.d))
}

// median of what is kept; ok is false below five values, where one preempted run would decide.
func (r *recentTimes) median() (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n < 5 {
		return 0, false
	}
	var s [31]time.Duration
	copy(s[:], r.d[:r.n])
	v := s[:r.n]
	slices.Sort(v)
	return v[r.n/2], true
}

func (r *recentTimes) slower(before *recentTimes) (now, was time.Duration, ok bool) {
	now, ok1 := r.median()
	was, ok2 := before.median()
	return now, was, ok1 && ok2
}
