package guard

import (
	"errors"
	"fmt"
	"time"

	"wayside/agent/config"
)

// claimRetry is the pause between two attempts at a line that another process still owns, or that is not there.
const claimRetry = 20 * time.Millisecond

// errNoPeek: the kind of line cannot be read without claiming it.
var errNoPeek = errors.New("cannot be read before it is claimed")

// Peeked is the level of an unclaimed line, or why it could not be read (errNoPeek where that is normal). The claim follows, with the
// initial value that the configuration and the records allow.
func (c *Core) Peeked(now time.Duration, output string, found config.Value, err error) []Action {
	c.begin(now)
	for _, l := range c.outs {
		if l.c.Name != output || l.phase != peeking {
			continue
		}
		if err != nil && !errors.Is(err, errNoPeek) {
			c.tryLater(l, err)
			continue
		}
		e := &Entry{Output: l.c.Name, Rule: "on_start"}
		if l.broke {
			e.Rule = "fault"
		}
		if err == nil {
			e.Found = ptr(found)
		}
		if l.last.Known {
			e.Last = ptr(l.last.Value)
		}
		if open := l.last.Open; open != nil {
			e.Resolves, e.Resolved = open.Change, "unknown"
			if err == nil && l.last.Known {
				e.Resolved = "not_done"
				if open.To != nil && found == *open.To {
					e.Resolved = "done"
				}
			}
		}
		l.claim = e
		c.start(l)
	}
	return c.end()
}

// start decides the initial value.
func (c *Core) start(l *line) {
	want, why := c.initial(l)
	l.claim.Reason = why
	if want == l.c.Safe {
		c.claimAs(l, want)
		return
	}
	// Any state but safe needs its record first, also the one the line is in already.
	l.phase = waiting
	from := want
	if l.claim.Found != nil {
		from = *l.claim.Found
	}
	m := &move{to: want, rule: l.claim.Rule, reason: why, change: c.newChange(), deadline: c.now + c.cfg.Guard.RecordDeadline.D()}
	l.wait = m
	c.do(Action{Kind: ActRecord, Record: KindIntent, Change: m.change, Durable: true,
		Entry: Entry{Change: m.change, Output: l.c.Name, From: ptr(from), To: ptr(want), Rule: m.rule, Reason: why}})
}

// initial is the value to claim the line with, and why.
func (c *Core) initial(l *line) (config.Value, string) {
	safe := l.c.Safe
	want := safe
	switch {
	case c.broken != "":
		return safe, "safe: " + c.broken
	case c.stopping:
		return safe, "safe: stopping"
	case l.broke:
		return safe, "safe after a fault"
	case l.c.OnStart == config.PolicySafe:
		return safe, "on_start = safe"
	case l.c.OnStart == config.PolicyOn:
		want = config.On
	case l.c.OnStart == config.PolicyOff:
		want = config.Off
	default: // hold
		found := l.claim.Found
		switch {
		case found == nil:
			return safe, "hold: the line cannot be read before it is claimed"
		case *found == safe:
			return safe, "hold: found so"
		case !l.last.Known || l.last.LeaseNS <= 0 || l.last.Task == "":
			return safe, "hold: no record of this boot says who asked for " + found.String()
		case *found != l.last.Value:
			if l.claim.Resolved != "done" {
				return safe, "hold: the line was found otherwise than it was left"
			}
		}
		want = *found
		if d := l.c.MaxOn.D(); d > 0 && want == config.On && *found == l.last.Value && c.now-time.Duration(l.last.SinceNS) >= d {
			return safe, "hold: on for max_on " + d.String()
		}
	}
	if want == safe {
		return safe, "on_start = " + string(l.c.OnStart)
	}
	if name, why := c.forbids(l, want); name != "" {
		return safe, fmt.Sprintf("on_start = %s, but %s %s: %s", l.c.OnStart, DenyInterlock, name, why)
	}
	if n, limit := l.ops.count(c.now), l.c.MaxOpsPerHour; limit > 0 && n >= limit && l.c.OnStart != config.PolicyHold {
		return safe, fmt.Sprintf("on_start = %s, but %s", l.c.OnStart, DenyOps)
	}
	if l.c.OnStart != config.PolicyHold && l.last.Known && (l.claim.Found == nil || *l.claim.Found != want) {
		least := l.c.MinOff.D()
		if want == config.Off {
			least = l.c.MinOn.D()
		}
		if c.now-time.Duration(l.last.SinceNS) < least {
			return safe, fmt.Sprintf("on_start = %s, but it was just switched %s", l.c.OnStart, safe)
		}
	}
	return want, "on_start = " + string(l.c.OnStart)
}

// claimAs claims the line with v.
func (c *Core) claimAs(l *line, v config.Value) {
	l.phase = claiming
	l.claim.To, l.claim.SetNS = ptr(v), int64(c.now)
	c.do(Action{Kind: ActClaim, Output: l.c, Value: v})
}

// Claimed says whether the claim succeeded.
func (c *Core) Claimed(now time.Duration, output string, err error) []Action {
	c.begin(now)
	for _, l := range c.outs {
		if l.c.Name == output && l.phase == claiming {
			c.claimed(l, err)
		}
	}
	return c.end()
}

func (c *Core) claimed(l *line, err error) {
	e := l.claim
	l.claim = nil
	if err != nil {
		c.tryLater(l, err)
		return
	}
	e.DoneNS, e.Change = int64(c.now), c.newChange()
	c.record(KindClaim, *e)
	v := *e.To
	hadRecord := l.last
	l.phase, l.known, l.value, l.fault, l.broke = owned, true, v, "", false
	l.reason, l.rule = e.Reason, e.Rule
	switch {
	case e.Found != nil && *e.Found == v && hadRecord.Known && hadRecord.Value == v:
		l.since = time.Duration(hadRecord.SinceNS)
	case e.Found != nil && *e.Found == v && hadRecord.Known:
		// It changed after the last record, that is at some time until now.
		l.since = c.now
		l.ops.add(c.now)
	case e.Found != nil && *e.Found == v:
		l.since = c.now
	default:
		l.since = c.now
		l.moves++
		if e.Last != nil && e.Found != nil && *e.Last != *e.Found {
			l.ops.add(c.now)
		}
		l.ops.add(c.now)
	}
	if v != l.c.Safe {
		c.holdOver(l, hadRecord)
	}
	l.last = lineHistory{}
	if c.stopping {
		c.policy(l, l.c.OnStop, "on_stop", "the guardian was stopped")
	}
	c.retire(l)
}

// holdOver gives a line that was claimed away from its safe state the right to be there: for good by on_start = on or off; by hold for as
// long as the lease was that its last request asked for.
func (c *Core) holdOver(l *line, last lineHistory) {
	if l.c.OnStart != config.PolicyHold {
		l.held = true
		return
	}
	task, decision, input, length := last.Task, last.Decision, last.InputNS, last.LeaseNS
	if o := last.Open; o != nil {
		task, decision, input, length = o.Task, o.Decision, o.InputNS, o.LeaseNS
	}
	d := min(time.Duration(length), l.c.MaxLease.D())
	l.leases[task] = &lease{until: c.now + d, decision: decision, input: time.Duration(input), length: d}
	l.newest[task] = time.Duration(input)
}

// tryLater notes why a line is not owned; sweep tries again.
func (c *Core) tryLater(l *line, err error) {
	l.phase, l.retry, l.known = unclaimed, c.now+claimRetry, false
	l.fault, l.claim = err.Error(), nil
	if l.gone || l.next != nil {
		c.released(l)
	}
}

// Released says that a line was given up.
func (c *Core) Released(now time.Duration, output string) []Action {
	c.begin(now)
	for _, l := range c.outs {
		if l.c.Name == output && l.phase == releasing {
			c.released(l)
		}
	}
	return c.end()
}

func (c *Core) released(l *line) {
	switch {
	case l.gone:
		l.phase = released
		for i := range c.outs {
			if c.outs[i] == l {
				c.outs = append(c.outs[:i:i], c.outs[i+1:]...)
				break
			}
		}
	case l.next != nil:
		fresh := newLine(l.next, c.now)
		fresh.ops = l.ops
		*l = *fresh
	default: // after a fault
		l.phase, l.retry, l.broke = unclaimed, c.now, true
	}
}

// retire gives up a line that a reload changed, once it is safe.
func (c *Core) retire(l *line) {
	if (l.gone || l.next != nil) && l.phase == owned && l.moving == nil && l.wait == nil && l.known && l.value == l.c.Safe {
		l.phase = releasing
		c.do(Action{Kind: ActRelease, Output: l.c})
	}
}

// Reconfigure brings another valid configuration into force. An output whose own table changed goes safe, is given up and claimed anew; the others
// keep state, timers and leases.
func (c *Core) Reconfigure(now time.Duration, cfg *config.Config) []Action {
	c.begin(now)
	ch := config.Diff(c.cfg, cfg)
	c.cfg, c.broken = cfg, ""
	c.setTasks(cfg)
	c.setLocks(cfg)
	for _, name := range append(append([]string(nil), ch.Sensors.Changed...), ch.Sensors.Removed...) {
		delete(c.readings, name)
	}
	changed := map[string]bool{}
	for _, name := range ch.Outputs.Changed {
		changed[name] = true
	}
	for _, l := range append([]*line(nil), c.outs...) {
		o := cfg.Output(l.c.Name)
		switch {
		case l.gone:
		case o == nil:
			l.gone = true
			c.leave(l)
		case changed[l.c.Name] || l.next != nil:
			l.next = o
			c.leave(l)
		default:
			l.c = o
			for task := range l.leases {
				if c.tasks[task] == nil {
					c.dropTask(task)
				}
			}
		}
	}
	for _, name := range ch.Outputs.Added {
		c.outs = append(c.outs, newLine(cfg.Output(name), c.now))
	}
	c.record(KindReload, Entry{Config: cfg.File, Reason: "in force"})
	return c.end()
}

// leave takes a line out of service because its configuration changed.
func (c *Core) leave(l *line) {
	switch l.phase {
	case owned:
		c.safe(l, "reload", "its configuration changed")
		c.retire(l)
	case unclaimed:
		c.released(l)
	case waiting:
		c.cancel(l, DenyOverruled+": its configuration changed") // claims safe; retire follows
	default: // peeking, claiming, releasing: the answer is on its way
	}
}
