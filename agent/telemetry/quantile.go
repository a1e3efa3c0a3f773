package telemetry

import (
	"math"
	"sync"
	"time"
)

// Quantiles estimates quantiles of durations in fixed memory: counts in buckets that grow by 5 %, from 1 µs to about 20 minutes. An
// estimate is within 2.5 % of a value that occurred. The zero value is empty and ready; safe for concurrent use.
type Quantiles struct {
	mu    sync.Mutex
	n     uint64
	count [430]uint32
}

const growth = 1.05

// Add counts one duration.
func (q *Quantiles) Add(d time.Duration) {
	i := 0
	if us := float64(d) / 1e3; us > 1 {
		i = min(int(math.Log(us)/math.Log(growth))+1, len(q.count)-1)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count[i]++
	q.n++
}

// N is how many durations were counted.
func (q *Quantiles) N() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// At estimates the duration that the share p (0 to 1) of all durations does not exceed; 0 while there is none.
func (q *Quantiles) At(p float64) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return 0
	}
	rank := uint64(math.Ceil(p * float64(q.n)))
	var sum uint64
	for i, c := range q.count {
		if sum += uint64(c); sum >= max(rank, 1) {
			return time.Duration(1e3 * math.Pow(growth, float64(i)-0.5))
		}
	}
	return 0
}
