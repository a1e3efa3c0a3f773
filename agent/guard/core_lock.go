package guard

import (
	"fmt"

	"wayside/agent/config"
	"wayside/hal"
)

// lock is one interlock. It can only forbid.
type lock struct {
	c     *config.Interlock
	stale config.Duration // of its sensor
}

// reading is the newest of an interlock's sensor.
type reading struct {
	s    hal.Sample
	err  error
	have bool
}

func (c *Core) setLocks(cfg *config.Config) {
	c.locks = nil
	for i := range cfg.Interlocks {
		il := &cfg.Interlocks[i]
		k := &lock{c: il}
		if s := cfg.Sensor(il.Cond.Sensor); s != nil {
			k.stale = s.StaleAfter
		}
		c.locks = append(c.locks, k)
	}
}

// forbids finds an interlock that keeps l out of v, and why.
func (c *Core) forbids(l *line, v config.Value) (name, why string) {
	if mutated("ignore-interlock") {
		return "", ""
	}
	for _, k := range c.locks {
		if k.c.Forbids != l.c.Name || k.c.Value != v {
			continue
		}
		if yes, why := c.active(k); yes {
			return k.c.Name, why
		}
	}
	return "", ""
}

// active says whether an interlock forbids now, and what it goes by.
func (c *Core) active(k *lock) (bool, string) {
	cond := k.c.Cond
	if cond.Output != "" {
		o := c.line(cond.Output)
		switch {
		case o == nil || o.phase != owned || !o.known:
			return true, "output " + cond.Output + " is in an unknown state"
		case o.value == cond.Is, o.moving != nil && o.moving.to == cond.Is, o.wait != nil && o.wait.to == cond.Is:
			return true, fmt.Sprintf("output %s is %s", cond.Output, cond.Is)
		}
		return false, fmt.Sprintf("output %s is %s", cond.Output, o.value)
	}
	r := c.readings[cond.Sensor]
	switch {
	case !r.have:
		return true, "sensor " + cond.Sensor + " has not been read yet"
	case r.err != nil:
		return true, "sensor " + cond.Sensor + ": " + r.err.Error()
	case r.s.Quality != hal.Good:
		return true, fmt.Sprintf("sensor %s is %s: %s", cond.Sensor, r.s.Quality, r.s.Reason)
	case c.now-r.s.Boot > k.stale.D():
		return true, fmt.Sprintf("sensor %s was last read %s ago", cond.Sensor, ms(c.now-r.s.Boot))
	case cond.Holds(r.s.Value):
		return true, fmt.Sprintf("sensor %s is %g (%s)", cond.Sensor, r.s.Value, k.c.When)
	}
	return false, fmt.Sprintf("sensor %s is %g", cond.Sensor, r.s.Value)
}

// Status is the present state.
func (c *Core) Status() Status {
	s := Status{BootNS: int64(c.now), Mode: "normal", Config: c.cfg.File, WorkerPID: c.worker,
		Outputs: []OutputStatus{}, Interlocks: []InterlockStatus{}, Tasks: []TaskStatus{}}
	switch {
	case c.stopping:
		s.Mode = "stopping"
	case c.broken != "":
		s.Mode, s.Reason = "degraded", c.broken
	}
	for _, l := range c.outs {
		o := OutputStatus{Name: l.c.Name, Value: l.value, Known: l.known && l.phase == owned, Safe: l.c.Safe, Reason: l.reason, SinceNS: int64(l.since),
			Fault: l.fault, OpsHour: l.ops.count(c.now), Accepted: l.accept, Refused: l.refuse, Transitions: l.moves, LastRefusal: l.refusal.text}
		for _, task := range sortedKeys(l.leases) {
			if le := l.leases[task]; int64(le.until-c.now) > o.LeaseNS {
				o.Task, o.Decision, o.LeaseNS = task, le.decision, int64(le.until-c.now)
			}
		}
		s.Outputs = append(s.Outputs, o)
	}
	for _, k := range c.locks {
		yes, why := c.active(k)
		s.Interlocks = append(s.Interlocks, InterlockStatus{Name: k.c.Name, Output: k.c.Forbids, Forbids: yes, Reason: why})
	}
	for i := range c.cfg.Tasks {
		t := TaskStatus{Name: c.cfg.Tasks[i].Name}
		if p := c.tasks[t.Name]; p != nil && p.seen {
			t.Alive, t.SilentNS = p.alive, int64(c.now-p.last)
		}
		s.Tasks = append(s.Tasks, t)
	}
	return s
}
