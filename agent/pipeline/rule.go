package pipeline

import (
	"time"

	"wayside/agent/config"
)

// RuleState is what a rule wants.
type RuleState uint8

// The rule states. NoData is the zero value: a rule that has seen nothing wants nothing.
const (
	NoData  RuleState = iota // the input does not allow a decision: nothing is asked for
	Off                      // the output shall be off
	Pending                  // the condition holds, but not yet for hold_off: the output shall still be off
	On                       // the output shall be on
)

// String is the snake_case name used in records and on the page.
func (s RuleState) String() string {
	switch s {
	case Off:
		return "off"
	case Pending:
		return "pending"
	case On:
		return "on"
	}
	return "no_data"
}

// Value is what the state asks of the output; ok is false when it asks nothing.
func (s RuleState) Value() (v config.Value, ok bool) {
	if s == On {
		return config.On, true
	}
	return config.Off, s != NoData
}

// Rule is a threshold with hysteresis and hold-off. It is pure: time comes in with the input. Not safe for concurrent use.
type Rule struct {
	on, off  float64
	inverted bool // low scores mean on
	holdOff  time.Duration

	state RuleState
	since time.Duration // boot time of the input at which the condition began to hold; for Pending
}

// NewRule takes the thresholds out of a checked configuration.
func NewRule(c config.Rule) *Rule {
	r := &Rule{holdOff: c.HoldOff.D(), inverted: c.Inverted()}
	on, off := c.OnAbove, c.OffBelow
	if r.inverted {
		on, off = c.OnBelow, c.OffAbove
	}
	if on != nil {
		r.on, r.off = *on, *on
	}
	if off != nil {
		r.off = *off
	}
	return r
}

// State is the result of the last Step.
func (r *Rule) State() RuleState { return r.state }

// Step takes one score computed from input of boot time at. ok is false when there is no score that may be acted on.
//
// Without a score the rule forgets everything: what held before the hole need not hold after it, so the hold-off starts anew.
// Between the thresholds the state stays; a rule without a past is off there.
func (r *Rule) Step(at time.Duration, score float64, ok bool) RuleState {
	on, off := score > r.on, score < r.off
	if r.inverted {
		on, off = score < r.on, score > r.off
	}
	if score != score { // NaN decides nothing
		ok = false
	}
	switch {
	case !ok:
		r.state = NoData
	case r.state == On:
		if off {
			r.state = Off
		}
	case !on:
		r.state = Off
	default:
		if r.state != Pending {
			r.state, r.since = Pending, at
		}
		if at-r.since >= r.holdOff {
			r.state = On
		}
	}
	return r.state
}

// Why says in words what the state rests on.
func (r *Rule) Why() string {
	above, below := "above", "below"
	if r.inverted {
		above, below = below, above
	}
	switch r.state {
	case On:
		return "score " + above + " " + number(r.on) + " for " + r.holdOff.String() + ", not yet " + below + " " + number(r.off)
	case Pending:
		return "score " + above + " " + number(r.on) + ", not yet for " + r.holdOff.String()
	case Off:
		return "score not " + above + " " + number(r.on)
	}
	return "no usable input"
}
