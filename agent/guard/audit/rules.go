package audit

import (
	"fmt"
	"time"

	"wayside/agent/config"
	"wayside/hal/sim/gpiochip"
)

// Violation is one thing that the line did and should not have done.
type Violation struct {
	Boot time.Duration // when, as the chip recorded it
	Rule string        // the configuration's key, such as min_off, or "record"
	Text string
}

// String has time, rule and text.
func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Boot, v.Rule, v.Text) }

// Limits are the declared rules of one output that can be judged from outside. FromOutput takes them from a configuration.
type Limits struct {
	Safe          config.Value
	MinOff, MaxOn time.Duration // 0: no limit. Off is the value 0, on the value 1
	OnStart       config.Policy
	GuardianLost  time.Duration // how long the line may be without an owner
	Lateness      time.Duration // what a busy machine may add to a deadline; earliness is never forgiven
}

// FromOutput gives an output's limits. The stated window for a lost guardian is one second.
func FromOutput(o *config.Output, lateness time.Duration) Limits {
	return Limits{Safe: o.Safe, MinOff: o.MinOff.D(), MaxOn: o.MaxOn.D(), OnStart: o.OnStart, GuardianLost: time.Second, Lateness: lateness}
}

// Stretch is a time in which the line was on.
type Stretch struct {
	From, To time.Duration  // To is the end of the record if it was still on
	Cause    gpiochip.Cause // of the change to on
	Released bool           // the line was without an owner for a part of it
}

// Result is what the record of one line says.
type Result struct {
	On          []Stretch
	Transitions int           // changes of the level, whatever caused them
	Unowned     time.Duration // the longest time between a release and the next claim
	Violations  []Violation
}

// Check judges the recorded events of one line (those of other lines are left out) by the rules that need no other knowledge: it came on
// only by a command of an owner that held it, never by being claimed or released, unless on_start says so; off for min_off before each
// on; on for at most max_on; and, once claimed, never without an owner for longer than the stated window. The release at the end of the
// record is no loss.
func Check(l Limits, line int, events []gpiochip.Event) Result {
	var r Result
	if len(events) == 0 {
		return r
	}
	end := time.Duration(events[len(events)-1].BootNS)
	var lost time.Duration
	on := false
	for _, e := range events {
		if e.Line != line {
			continue
		}
		at := time.Duration(e.BootNS)
		switch e.Event {
		case gpiochip.EventRelease:
			lost = at
			if on {
				r.On[len(r.On)-1].Released = true
			}
		case gpiochip.EventClaim:
			if lost != 0 {
				r.Unowned = max(r.Unowned, at-lost)
				if at-lost > l.GuardianLost {
					r.add(at, "guardian lost", "without an owner for %s", at-lost)
				}
				lost = 0
			}
		case gpiochip.EventTransition:
			if e.From == e.To {
				break // only the direction changed
			}
			r.Transitions++
			if on = e.To == 1; on {
				r.On = append(r.On, Stretch{From: at, To: end, Cause: e.Cause})
			} else if n := len(r.On); n > 0 {
				r.On[n-1].To = at
			}
		}
	}
	r.judge(l)
	return r
}

func (r *Result) add(at time.Duration, rule, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{at, rule, fmt.Sprintf(format, args...)})
}

func (r *Result) judge(l Limits) {
	byClaim := l.Safe == config.On || l.OnStart == config.PolicyOn || l.OnStart == config.PolicyHold
	for i, s := range r.On {
		if i > 0 && s.From-r.On[i-1].To < l.MinOff && l.Safe == config.Off {
			r.add(s.From, "min_off", "on again %s after off, %s are declared", s.From-r.On[i-1].To, l.MinOff)
		}
		if s.Cause != gpiochip.CauseSet && !byClaim {
			r.add(s.From, "on_start", "on by %s, not by a command", s.Cause)
		}
		limit := l.MaxOn + l.Lateness
		if s.Released {
			limit += l.GuardianLost // a line without an owner may stay as it is until the next guardian
		}
		if d := s.To - s.From; l.MaxOn > 0 && d > limit {
			r.add(s.To, "max_on", "on for %s, %s are declared", d, l.MaxOn)
		}
	}
}
