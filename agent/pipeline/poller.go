package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wayside/hal"
)

// PollerConfig is one sensor's schedule and the way to its device.
type PollerConfig struct {
	Sensor  string
	Period  time.Duration
	Timeout time.Duration // of one reading
	Check   *hal.Checker
	Open    func(ctx context.Context) (hal.Sensor, error) // also called again after the device was lost
	Deliver func(s hal.Sample)                            // to the tasks; must not block
}

// Poller reads one sensor once per period. Each runs in a goroutine of its own, so that a slow or dead device costs no other
// sensor anything.
type Poller struct {
	c     PollerConfig
	clock hal.Clock
	sink  Sink
	start time.Duration // boot time at which period 0 begins

	dev      hal.Sensor
	fails    int   // readings in a row without an answer
	skip     int64 // periods still to leave out
	recovers int   // good samples still to be distrusted
}

const (
	closeAfter   = 3               // failures in a row after which the device is closed and opened anew, and polls are left out
	recoverAfter = 2               // good samples after that before a value is believed again
	maxPause     = 5 * time.Second // longest pause between tries of a dead device
)

// NewPoller makes the poller of one sensor. All pollers of a process share start, so that sensors of the same period are
// read at the same moment.
func NewPoller(c PollerConfig, clock hal.Clock, sink Sink, start time.Duration) *Poller {
	if c.Timeout <= 0 || c.Timeout > c.Period {
		c.Timeout = c.Period
	}
	if c.Check == nil {
		c.Check = &hal.Checker{}
	}
	return &Poller{c: c, clock: clock, sink: sink, start: start}
}

// Run polls until ctx ends, and closes the device.
//
// The schedule is absolute: period n begins at start + n·period, and its poll is made as soon as possible inside it. A period whose end
// has passed is counted as missed and not made up for: never two polls for one period, never a burst.
func (p *Poller) Run(ctx context.Context) {
	defer p.close()
	n := p.index(p.clock.Boot())
	if p.at(n) < p.clock.Boot() {
		n++ // the running period began before we did
	}
	for {
		if err := hal.Sleep(ctx, p.clock, p.at(n)-p.clock.Boot()); err != nil {
			return
		}
		if k := p.index(p.clock.Boot()); k > n {
			p.sink.Missed(p.c.Sensor, int(k-n), MissedLate)
			n = k
		}
		n = p.poll(ctx, n) + 1
		if ctx.Err() != nil {
			return
		}
	}
}

func (p *Poller) at(n int64) time.Duration { return p.start + time.Duration(n)*p.c.Period }

func (p *Poller) index(boot time.Duration) int64 {
	d := boot - p.start
	if d < 0 {
		return 0
	}
	return int64(d / p.c.Period)
}

// poll makes the poll of period n and returns the last period that is dealt with.
func (p *Poller) poll(ctx context.Context, n int64) int64 {
	if p.skip > 0 {
		p.skip--
		s := hal.Missing(p.clock, errQuarantine)
		s.Reason = fmt.Sprintf("no answer %d times in a row; next try in %s", p.fails, time.Duration(p.skip+1)*p.c.Period)
		p.emit(s)
		p.sink.Missed(p.c.Sensor, 1, MissedQuarantine)
		return n
	}
	s, err := p.read(ctx)
	if ctx.Err() != nil {
		return n // stopped in the middle: neither taken nor missed
	}
	if err != nil {
		p.failed()
		p.emit(s)
		p.sink.Missed(p.c.Sensor, 1, MissedNoAnswer)
		return n
	}
	if p.fails >= closeAfter {
		p.recovers = recoverAfter
		p.c.Check.Reset()
	}
	p.fails = 0
	s = p.c.Check.Apply(s)
	if p.recovers > 0 && s.Quality == hal.Good {
		p.recovers--
		s.Quality, s.Reason = hal.Recovering, "the device is back; not believed yet"
	}
	p.emit(s)
	// A slow device may answer in a later period than it was asked in: the sample counts for the period it was taken in.
	if k := p.index(s.Boot); k > n {
		p.sink.Missed(p.c.Sensor, int(k-n), MissedLate)
		return k
	}
	return n
}

var errQuarantine = errors.New("quarantined")

func (p *Poller) read(ctx context.Context) (hal.Sample, error) {
	rctx, cancel := context.WithTimeout(ctx, p.c.Timeout)
	defer cancel()
	if p.dev == nil {
		dev, err := p.c.Open(rctx)
		if err != nil {
			return hal.Missing(p.clock, err), err
		}
		p.dev = dev
	}
	return p.dev.Read(rctx)
}

// failed counts, and after a few failures leaves out 1, 3, 7, … periods, at most maxPause: a dead device blocks its bus for
// its time-out, and others need the bus.
func (p *Poller) failed() {
	p.fails++
	if p.fails < closeAfter {
		return
	}
	p.close() // a device that was unplugged needs its set-up again
	limit := max(1, int64(maxPause/p.c.Period))
	p.skip = min(int64(1)<<min(p.fails-closeAfter+1, 30)-1, limit)
}

func (p *Poller) emit(s hal.Sample) {
	if p.c.Deliver != nil {
		p.c.Deliver(s)
	}
	p.sink.Polled(p.c.Sensor, s)
}

func (p *Poller) close() {
	if p.dev != nil {
		_ = p.dev.Close() // nothing can be done about a device that does not close
		p.dev = nil
	}
}
