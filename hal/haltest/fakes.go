package haltest

import (
	"context"
	"sync"

	"wayside/hal"
)

// Sensor answers with what Next returns, stamped with Clock where Next left the times empty. Safe for concurrent use.
type Sensor struct {
	Clock hal.Clock
	Next  func(n int) (hal.Sample, error) // n counts the reads from 0

	mu     sync.Mutex
	reads  int
	closed bool
}

var _ hal.Sensor = (*Sensor)(nil)

// Values is a Next that gives the values in order, all Good, and the last one for ever.
func Values(v ...float64) func(int) (hal.Sample, error) {
	return func(n int) (hal.Sample, error) {
		if n >= len(v) {
			n = len(v) - 1
		}
		return hal.Sample{Value: v[n]}, nil
	}
}

// Read calls Next. A cancelled ctx gives its error, as a real device's time-out would.
func (s *Sensor) Read(ctx context.Context) (hal.Sample, error) {
	s.mu.Lock()
	n := s.reads
	s.reads++
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return hal.Missing(s.Clock, hal.ErrClosed), hal.ErrClosed
	}
	if err := hal.Ended(ctx); err != nil {
		return hal.Missing(s.Clock, err), err
	}
	v, err := s.Next(n)
	if err != nil {
		return hal.Missing(s.Clock, err), err
	}
	if v.Boot == 0 {
		v.Boot = s.Clock.Boot()
	}
	if v.Wall.IsZero() {
		v.Wall = s.Clock.Now()
	}
	return v, nil
}

// Close ends the sensor.
func (s *Sensor) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Reads is how often Read was called.
func (s *Sensor) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Output remembers what it was told. Safe for concurrent use.
type Output struct {
	mu     sync.Mutex
	levels []float64
	err    error
	closed bool
}

var _ hal.Output = (*Output)(nil)

// NewOutput is a claimed output with its initial value.
func NewOutput(initial float64) *Output { return &Output{levels: []float64{initial}} }

// Set remembers v, or fails with what Fail was given.
func (o *Output) Set(v float64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return hal.ErrClosed
	}
	if o.err != nil {
		return o.err
	}
	o.levels = append(o.levels, v)
	return nil
}

// Get is the last value that was set.
func (o *Output) Get() (float64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, hal.ErrClosed
	}
	return o.levels[len(o.levels)-1], o.err
}

// Close releases the output.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}

// Fail makes Set and Get fail with err from now on; nil heals.
func (o *Output) Fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// Levels is everything that was set, the initial value first.
func (o *Output) Levels() []float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]float64(nil), o.levels...)
}

// Closed reports whether Close was called.
func (o *Output) Closed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}
