package feed

import (
	"fmt"
	"math"
	"time"
)

// maxSlots bounds one window; a day of 1 s samples is 86,400.
const maxSlots = 1 << 20

// Window is the recent past of one signal on an even grid: one slot per period, the newest sample in the last slot. It
// is built by time, so a sample that never came is a gap and shifts nothing. Not safe for concurrent use.
//
// A sample belongs to the slot whose time is nearest. While samples come at the grid's own rate the grid follows their
// phase slowly, so that jitter of up to half a period around the mean makes no gap. Of several samples in one slot the last good one counts.
type Window struct {
	period  time.Duration
	maxGaps int
	slots   []slot // ring: grid index k lives at k mod len
	started bool
	full    bool          // one whole span has passed since the first sample
	anchor  time.Duration // time of grid index 0
	last    time.Duration // time of the latest sample
	end     int64         // newest grid index
	newest  Sample        // newest good sample; meaningful once have is set
	have    bool
	carry   float32 // last good value that has left the window
	carried bool
}

type slot struct {
	value float32
	good  bool
}

// Sample is one good reading in a window.
type Sample struct {
	Boot  time.Duration // CLOCK_BOOTTIME when it was taken
	Wall  time.Time
	Value float64
}

// NewWindow makes a window of span/period slots. span must be a whole number of periods. Fill refuses a window with more
// than maxGaps gaps.
func NewWindow(span, period time.Duration, maxGaps int) (*Window, error) {
	switch {
	case period <= 0:
		return nil, fmt.Errorf("feed: window: the period %v is not positive", period)
	case span < period || span%period != 0:
		return nil, fmt.Errorf("feed: window: the span %v is not a whole number of periods of %v", span, period)
	case span/period > maxSlots:
		return nil, fmt.Errorf("feed: window: %v in periods of %v are %d slots, at most %d are possible", span, period, span/period, maxSlots)
	case maxGaps < 0:
		return nil, fmt.Errorf("feed: window: the number of allowed gaps %d is negative", maxGaps)
	}
	return &Window{period: period, maxGaps: maxGaps, slots: make([]slot, span/period)}, nil
}

// Len returns the number of slots.
func (w *Window) Len() int { return len(w.slots) }

// Add takes one sample: its boot time, wall time, value, and whether its quality allows its use. A sample that is not good,
// or not a finite number, takes up its time and leaves a gap. A sample older than the window is dropped.
func (w *Window) Add(boot time.Duration, wall time.Time, value float64, good bool) {
	v := float32(value)
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		good = false
	}
	if !w.started {
		w.started, w.anchor, w.last = true, boot, boot
		w.put(0, v, good)
	} else {
		k, off := w.index(boot)
		if k <= w.end-int64(len(w.slots)) {
			return
		}
		w.moveTo(k)
		w.put(k, v, good)
		// Follow the phase only while samples arrive at the grid's own rate: between others there is no one phase.
		if d := boot - w.last; d > w.period*3/4 && d < w.period*5/4 {
			w.anchor += off / 8
		}
		w.last = max(w.last, boot)
	}
	if good && (!w.have || boot >= w.newest.Boot) {
		w.newest, w.have = Sample{boot, wall, value}, true
	}
}

// Advance moves the window's end to the last slot that is wholly past at now, so that samples that never came count as
// gaps. Without it the window ends at its newest sample, however old.
func (w *Window) Advance(now time.Duration) {
	if w.started {
		k, _ := w.index(now)
		w.moveTo(k - 1)
	}
}

// Reset forgets everything.
func (w *Window) Reset() {
	clear(w.slots)
	*w = Window{period: w.period, maxGaps: w.maxGaps, slots: w.slots}
}

// Newest returns the newest good sample.
func (w *Window) Newest() (s Sample, ok bool) { return w.newest, w.have }

// Fill copies the window into dst, oldest first, each gap filled with the last good value before it, and returns the number
// of gaps. ok is false, and dst must not be used, while the window is not yet full, when gaps exceed the maximum, or when no
// good value precedes the first gap. dst has Len elements.
func (w *Window) Fill(dst []float32) (gaps int, ok bool) {
	if len(dst) != len(w.slots) {
		panic("feed: window: dst has the wrong length")
	}
	v, known := w.carry, w.carried
	n := int64(len(w.slots))
	ok = w.full
	for i := range dst {
		// k is negative in a window that is not full yet; those slots were never written.
		s := w.slots[mod(w.end-n+1+int64(i), n)]
		if s.good {
			v, known = s.value, true
		} else {
			gaps++
			ok = ok && known
		}
		dst[i] = v
	}
	return gaps, ok && gaps <= w.maxGaps
}

// index returns the grid index nearest to t and how far t lies after it.
func (w *Window) index(t time.Duration) (k int64, off time.Duration) {
	d := t - w.anchor + w.period/2
	k = int64(d / w.period)
	if d < 0 && d%w.period != 0 {
		k--
	}
	return k, t - w.anchor - time.Duration(k)*w.period
}

// moveTo makes k the newest index; slots between become gaps. A smaller k changes nothing.
func (w *Window) moveTo(k int64) {
	n := int64(len(w.slots))
	if k <= w.end {
		return
	}
	// After a gap longer than the window one pass over the ring evicts everything, in order.
	for i, steps := w.end+1, min(k-w.end, n); steps > 0; i, steps = i+1, steps-1 {
		s := &w.slots[mod(i, n)]
		if s.good {
			w.carry, w.carried = s.value, true
		}
		*s = slot{}
	}
	w.end = k
	w.full = w.full || k >= n-1
}

func (w *Window) put(k int64, v float32, good bool) {
	if good {
		w.slots[mod(k, int64(len(w.slots)))] = slot{v, true}
	}
	w.full = w.full || len(w.slots) == 1
}

func mod(a, n int64) int64 { return ((a % n) + n) % n }
