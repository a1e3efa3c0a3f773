package web

import (
	"sync"
	"time"
)

// Span is how far back the charts go, and Bucket the width of one point: a point keeps the last value and the extremes of its
// time, so that a short spike is still seen.
const (
	Span   = 10 * time.Minute
	Bucket = 500 * time.Millisecond
)

const (
	buckets   = int(Span / Bucket)
	maxEvents = 200
)

// Point is one bucket of a series. All numbers are finite.
type Point struct {
	T    int64   `json:"t"` // wall clock, milliseconds since 1970, start of the bucket
	V    float64 `json:"v"` // last value
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
	Good bool    `json:"good"` // false: no usable value in this bucket; v, lo and hi mean nothing
}

// Series is one line of a chart.
type Series struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`            // sensor, score, forecast, naive, output
	Group  string   `json:"group"`           // series of one group share a chart
	Marks  []Mark   `json:"marks,omitempty"` // horizontal lines: thresholds
	Points []Point  `json:"points"`
	Now    *Current `json:"now,omitempty"`
}

// Mark is a horizontal line in a chart.
type Mark struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Current is the newest state of a series in words.
type Current struct {
	Value   float64 `json:"value"`
	Good    bool    `json:"good"`
	Quality string  `json:"quality"`
	Reason  string  `json:"reason,omitempty"`
}

// Event is one line of the event list.
type Event struct {
	ID    uint64 `json:"id"`
	T     int64  `json:"t"`     // wall clock, milliseconds since 1970
	Kind  string `json:"kind"`  // decision, refusal, model, guardian, config, sensor
	Level string `json:"level"` // info, good, warn, bad
	Text  string `json:"text"`
}

// Line is one output as the guardian sees it.
type Line struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // on, off, unknown
	Safe   string `json:"safe"`
	Reason string `json:"reason"`
	Task   string `json:"task,omitempty"`
	Fault  string `json:"fault,omitempty"`
	Ops    int    `json:"ops_hour"`
}

// Model is one model in service.
type Model struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	State   string `json:"state"`  // confirmed, probation
	Detail  string `json:"detail"` // last thing that happened to a drop for it
}

// Task is one task's last step.
type Task struct {
	Name   string  `json:"name"`
	State  string  `json:"state"` // scoring, no_data
	Reason string  `json:"reason,omitempty"`
	Score  float64 `json:"score"`
	Rules  []Rule  `json:"rules,omitempty"`
	// Forecast is set for tasks whose model predicts.
	Forecast any `json:"forecast,omitempty"`
}

// Rule is one rule's state.
type Rule struct {
	Name   string `json:"name"`
	Output string `json:"output"`
	State  string `json:"state"`
}

// Status is everything but the series, for programs.
type Status struct {
	Site     string  `json:"site"`
	Version  string  `json:"version"`
	T        int64   `json:"t"`
	Healthy  bool    `json:"healthy"`
	Guardian string  `json:"guardian"` // connected, missing, or the guardian's own trouble
	Models   []Model `json:"models"`
	Tasks    []Task  `json:"tasks"`
	Lines    []Line  `json:"lines"`
	Totals   any     `json:"totals"`
}

// Board keeps what the page shows: series of the last Span, the last events. Memory is fixed per series. Safe for concurrent use.
type Board struct {
	mu      sync.Mutex
	series  map[string]*ring
	order   []string
	events  []Event
	eventID uint64
}

type ring struct {
	s    Series // without points
	now  Current
	have bool
	data []Point // in order of time once unrolled from next
	next int
	seq  uint64 // counts points begun, so that a reader knows what it has not seen
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{series: map[string]*ring{}} }

// Declare adds a series, or changes its marks; the order of declaration is the order on the page.
func (b *Board) Declare(s Series) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Points, s.Now = nil, nil
	if r := b.series[s.Name]; r != nil {
		r.s = s
		return
	}
	b.series[s.Name] = &ring{s: s}
	b.order = append(b.order, s.Name)
}

// Keep removes every series that keep does not want, after a change of the configuration.
func (b *Board) Keep(keep func(name string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.order[:0]
	for _, n := range b.order {
		if keep(n) {
			kept = append(kept, n)
		} else {
			delete(b.series, n)
		}
	}
	b.order = kept
}

// Add puts a value into a declared series. A value that is not good makes a gap, unless a good one falls into the same bucket.
func (b *Board) Add(name string, at time.Time, v float64, good bool, quality, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.series[name]
	if r == nil {
		return
	}
	good = good && v-v == 0 // neither NaN nor infinite: JSON has no such numbers
	if v-v != 0 {
		v = 0
	}
	r.now, r.have = Current{v, good, quality, reason}, true
	t := at.UnixMilli() / Bucket.Milliseconds() * Bucket.Milliseconds()
	if p := r.last(); p != nil && p.T == t {
		switch {
		case good && p.Good:
			p.V, p.Lo, p.Hi = v, min(p.Lo, v), max(p.Hi, v)
		case good:
			*p = Point{t, v, v, v, true}
		}
		return
	}
	p := Point{t, v, v, v, good}
	if len(r.data) < buckets {
		if r.data == nil {
			r.data = make([]Point, 0, 64)
		}
		r.data = append(r.data, p)
	} else {
		r.data[r.next] = p
		r.next = (r.next + 1) % buckets
	}
	r.seq++
}

func (r *ring) last() *Point {
	if len(r.data) == 0 {
		return nil
	}
	return &r.data[(r.next+len(r.data)-1)%len(r.data)]
}

// Event appends to the event list; the oldest fall off.
func (b *Board) Event(at time.Time, kind, level, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eventID++
	if len(b.events) == maxEvents {
		b.events = b.events[:copy(b.events, b.events[1:])]
	}
	b.events = append(b.events, Event{b.eventID, at.UnixMilli(), kind, level, text})
}

// cursor is what a reader has seen.
type cursor struct {
	seq   map[string]uint64
	event uint64
}

// since returns what is new after c, and moves c. The newest point of a series is sent again, as its bucket may have changed.
func (b *Board) since(c *cursor) (series []Series, events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.seq == nil {
		c.seq = map[string]uint64{}
	}
	for _, n := range b.order {
		r := b.series[n]
		fresh := int(min(r.seq-min(c.seq[n], r.seq)+1, uint64(len(r.data))))
		c.seq[n] = r.seq
		s := r.s
		s.Points = make([]Point, 0, fresh)
		for i := len(r.data) - fresh; i < len(r.data); i++ {
			s.Points = append(s.Points, r.data[(r.next+i)%len(r.data)])
		}
		if r.have {
			now := r.now
			s.Now = &now
		}
		series = append(series, s)
	}
	for _, e := range b.events {
		if e.ID > c.event {
			events = append(events, e)
		}
	}
	c.event = b.eventID
	return series, events
}
