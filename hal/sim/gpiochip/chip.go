package gpiochip

import (
	"errors"
	"fmt"
	"sync"

	"wayside/hal"
)

// Direction of a line.
type Direction string

// The two directions; a line that nobody ever claimed is an input.
const (
	Input  Direction = "input"
	Output Direction = "output"
)

// OnRelease says what an output line does when its owner goes. Real chips do either, by driver.
type OnRelease string

// The two release behaviours.
const (
	Keep   OnRelease = "keep"   // stays an output at its last level
	Revert OnRelease = "revert" // becomes an input; the level follows the pull or whatever drives the line from outside
)

// Limits of one chip. 64 is what one request of the kernel's GPIO interface takes.
const (
	MaxLines    = 64
	maxConsumer = 64
)

// Options describe a chip.
type Options struct {
	Name      string    // label of the chip; "sim0" if empty
	Lines     int       // 1..MaxLines
	LineNames []string  // names by offset; shorter than Lines leaves the rest unnamed
	OnRelease OnRelease // Keep if empty
	PullUp    bool      // an input that nothing drives reads 1 instead of 0
}

// Line is one line as anybody may see it, without claiming it.
type Line struct {
	Line      int       `json:"line"`
	Name      string    `json:"name,omitempty"`
	Direction Direction `json:"direction"`
	Level     int       `json:"level"`
	Owned     bool      `json:"owned"`
	Consumer  string    `json:"consumer,omitempty"` // of the owner, or of the last owner of a line that is kept
	PID       int       `json:"pid,omitempty"`
}

// Owner is one holder of lines: a connection.
type Owner struct {
	PID      int
	Consumer string // as given with the latest claim
}

// LineRequest asks for one line in one call: direction and, for an output, its initial level.
type LineRequest struct {
	Line      int       `json:"line"`
	Direction Direction `json:"direction,omitempty"`
	Level     int       `json:"level"`
}

// BusyError is a claim on a line that another owner holds. errors.Is(err, hal.ErrBusy) holds.
type BusyError struct {
	Line     int
	Consumer string
	PID      int
}

// Error names the line and who has it.
func (e *BusyError) Error() string {
	return fmt.Sprintf("line %d is held by %q (process %d)", e.Line, e.Consumer, e.PID)
}

// Is makes it a hal.ErrBusy.
func (e *BusyError) Is(target error) bool { return target == hal.ErrBusy }

// Chip is the state of all lines. Safe for concurrent use. Every change is written to the record before it takes effect,
// and one that cannot be recorded is refused; only a release takes effect in any case, because its owner is gone.
type Chip struct {
	opt   Options
	clock hal.Clock
	rec   *Recorder

	mu     sync.Mutex
	lines  []line
	seq    uint64
	recErr error // first failure to record a release
}

type line struct {
	dir      Direction
	latch    int // what the output drives
	external int // what the world outside drives, the pull at first
	owner    *Owner
	last     Owner // latest owner, for Info on kept lines
}

func (l *line) level() int {
	if l.dir == Output {
		return l.latch
	}
	return l.external
}

// New makes a chip with all lines unclaimed inputs, and records its start.
func New(opt Options, clock hal.Clock, rec *Recorder) (*Chip, error) {
	if opt.Name == "" {
		opt.Name = "sim0"
	}
	if opt.OnRelease == "" {
		opt.OnRelease = Keep
	}
	switch {
	case opt.Lines < 1 || opt.Lines > MaxLines:
		return nil, &hal.KeyError{Key: "lines", Reason: fmt.Sprintf("%d lines", opt.Lines), Remedy: fmt.Sprintf("give 1 to %d", MaxLines)}
	case opt.OnRelease != Keep && opt.OnRelease != Revert:
		return nil, &hal.KeyError{Key: "on-release", Reason: fmt.Sprintf("%q is unknown", opt.OnRelease), Remedy: `give "keep" or "revert"`}
	case len(opt.LineNames) > opt.Lines:
		return nil, &hal.KeyError{Key: "line-names", Reason: fmt.Sprintf("%d names for %d lines", len(opt.LineNames), opt.Lines), Remedy: "give at most one name for each line"}
	}
	seen := map[string]int{}
	for i, n := range opt.LineNames {
		if j, dup := seen[n]; dup && n != "" {
			return nil, &hal.KeyError{Key: "line-names", Reason: fmt.Sprintf("lines %d and %d are both called %q", j, i, n), Remedy: "give each line a name of its own"}
		}
		seen[n] = i
	}
	c := &Chip{opt: opt, clock: clock, rec: rec, lines: make([]line, opt.Lines)}
	for i := range c.lines {
		c.lines[i].dir = Input
		if opt.PullUp {
			c.lines[i].external = 1
		}
	}
	if err := c.record(Event{Event: EventStart, Line: -1, Cause: CauseStart}); err != nil {
		return nil, err
	}
	return c, nil
}

// Options are those the chip was made with, defaults filled in.
func (c *Chip) Options() Options { return c.opt }

// Info is the present state of every line.
func (c *Chip) Info() []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Line, len(c.lines))
	for i := range c.lines {
		out[i] = c.info(i)
	}
	return out
}

func (c *Chip) info(i int) Line {
	l := &c.lines[i]
	v := Line{Line: i, Direction: l.dir, Level: l.level(), Owned: l.owner != nil, Consumer: l.last.Consumer, PID: l.last.PID}
	if i < len(c.opt.LineNames) {
		v.Name = c.opt.LineNames[i]
	}
	return v
}

// Claim gives o the lines, each with its direction and initial level in this one step, or none of them. A held line is a *BusyError.
func (c *Chip) Claim(o *Owner, consumer string, reqs []LineRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if consumer == "" || len(consumer) > maxConsumer {
		return fmt.Errorf("consumer name %q: give one of 1 to %d bytes", consumer, maxConsumer)
	}
	if err := c.check(reqs); err != nil {
		return err
	}
	for _, r := range reqs {
		if r.Direction != Input && r.Direction != Output {
			return fmt.Errorf("line %d: direction %q: give %q or %q", r.Line, r.Direction, Input, Output)
		}
		if own := c.lines[r.Line].owner; own != nil {
			return &BusyError{Line: r.Line, Consumer: own.Consumer, PID: own.PID}
		}
	}
	o.Consumer = consumer
	var ev []Event
	next := make([]line, len(reqs))
	for i, r := range reqs {
		was := &c.lines[r.Line]
		n := *was
		n.dir, n.owner, n.last = r.Direction, o, *o
		if r.Direction == Output {
			n.latch = r.Level
		}
		next[i] = n
		ev = append(ev, c.event(EventClaim, r.Line, was, &n, CauseRequest, *o))
		ev = c.transition(ev, r.Line, was, &n, CauseRequest, *o)
	}
	if err := c.record(ev...); err != nil {
		return err
	}
	for i, r := range reqs {
		c.lines[r.Line] = next[i]
	}
	return nil
}

// Set drives output lines that o holds, all together.
func (c *Chip) Set(o *Owner, reqs []LineRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(reqs); err != nil {
		return err
	}
	var ev []Event
	for _, r := range reqs {
		l := &c.lines[r.Line]
		if l.owner != o {
			return fmt.Errorf("line %d was not requested on this connection", r.Line)
		}
		if l.dir != Output {
			return fmt.Errorf("line %d was requested as an input", r.Line)
		}
		n := *l
		n.latch = r.Level
		ev = c.transition(ev, r.Line, l, &n, CauseSet, *o)
	}
	if err := c.record(ev...); err != nil {
		return err
	}
	for _, r := range reqs {
		c.lines[r.Line].latch = r.Level
	}
	return nil
}

// Release gives back lines of o; nil means all it holds. cause goes into the record.
func (c *Chip) Release(o *Owner, lines []int, cause Cause) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lines == nil {
		for i := range c.lines {
			if c.lines[i].owner == o {
				lines = append(lines, i)
			}
		}
	}
	var ev []Event
	next := make([]line, len(lines))
	for k, i := range lines {
		if i < 0 || i >= len(c.lines) || c.lines[i].owner != o {
			return fmt.Errorf("line %d was not requested on this connection", i)
		}
		was := &c.lines[i]
		n := *was
		n.owner = nil
		if c.opt.OnRelease == Revert {
			n.dir = Input
		}
		next[k] = n
		ev = append(ev, c.event(EventRelease, i, was, &n, cause, *o))
		ev = c.transition(ev, i, was, &n, cause, *o)
	}
	err := c.record(ev...)
	for k, i := range lines {
		c.lines[i] = next[k]
	}
	if err != nil && c.recErr == nil {
		c.recErr = err
	}
	return err
}

// Drive sets what the world outside puts on a line: a door contact, a button. It moves the level of an input at once; an
// output keeps its level and follows only when it is reverted.
func (c *Chip) Drive(who Owner, reqs []LineRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(reqs); err != nil {
		return err
	}
	var ev []Event
	for _, r := range reqs {
		l := &c.lines[r.Line]
		n := *l
		n.external = r.Level
		ev = c.transition(ev, r.Line, l, &n, CauseDrive, who)
	}
	if err := c.record(ev...); err != nil {
		return err
	}
	for _, r := range reqs {
		c.lines[r.Line].external = r.Level
	}
	return nil
}

// Stop records the end of the chip and returns the first failure to record a release, if there was one.
func (c *Chip) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.record(Event{Event: EventStop, Line: -1, Cause: CauseStop})
	return errors.Join(c.recErr, err)
}

// check refuses unknown lines, lines named twice and levels other than 0 and 1.
func (c *Chip) check(reqs []LineRequest) error {
	if len(reqs) == 0 {
		return errors.New("no line given")
	}
	var seen [MaxLines]bool
	for _, r := range reqs {
		switch {
		case r.Line < 0 || r.Line >= len(c.lines):
			return fmt.Errorf("line %d does not exist: chip %s has lines 0 to %d", r.Line, c.opt.Name, len(c.lines)-1)
		case seen[r.Line]:
			return fmt.Errorf("line %d is given twice", r.Line)
		case r.Level != 0 && r.Level != 1:
			return fmt.Errorf("line %d: level %d: give 0 or 1", r.Line, r.Level)
		}
		seen[r.Line] = true
	}
	return nil
}

func (c *Chip) event(kind EventKind, i int, from, to *line, cause Cause, who Owner) Event {
	return Event{
		Event: kind, Line: i, From: from.level(), To: to.level(), FromDirection: from.dir, Direction: to.dir,
		Cause: cause, PID: who.PID, Consumer: who.Consumer,
	}
}

// transition appends the event of a change that can be seen on the line, if there is one.
func (c *Chip) transition(ev []Event, i int, from, to *line, cause Cause, who Owner) []Event {
	if from.level() == to.level() && from.dir == to.dir {
		return ev
	}
	return append(ev, c.event(EventTransition, i, from, to, cause, who))
}

// record stamps the events with one time and appends them in one write.
func (c *Chip) record(ev ...Event) error {
	if len(ev) == 0 {
		return nil
	}
	boot, wall := c.clock.Boot(), c.clock.Now()
	for i := range ev {
		ev[i].Seq = c.seq + uint64(i)
		ev[i].BootNS, ev[i].Wall, ev[i].Chip = int64(boot), wall, c.opt.Name
	}
	if err := c.rec.append(ev); err != nil {
		return err
	}
	c.seq += uint64(len(ev))
	return nil
}
