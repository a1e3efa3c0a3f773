package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wayside/hal"
)

// Limits that keep a mistaken file from asking for what no gateway has.
const (
	maxSlots     = 1 << 16 // samples in a window
	maxOpsLimit  = 3600    // changes of one output per hour that the guardian keeps the times of
	minTick      = time.Millisecond
	maxTick      = 100 * time.Millisecond
	minRecord    = 64 << 10
	maxThreads   = 256
	maxSocketLen = 100 // the kernel's limit for a Unix socket's path is 107 bytes
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// validate checks everything that can be checked without opening a device.
func (c *Config) validate(report Report) {
	v := &validator{c: c, report: report}
	v.site()
	names(v, "bus", c.Buses)
	names(v, "sensor", c.Sensors)
	names(v, "model", c.Models)
	names(v, "task", c.Tasks)
	names(v, "output", c.Outputs)
	names(v, "interlock", c.Interlocks)
	for i := range c.Buses {
		v.settings(key("bus", i), c.Buses[i].Def.Validate, c.Buses[i].Settings)
	}
	for i := range c.Sensors {
		v.sensor(key("sensor", i), &c.Sensors[i])
	}
	for i := range c.Models {
		v.model(key("model", i), &c.Models[i])
	}
	for i := range c.Tasks {
		v.task(key("task", i), &c.Tasks[i])
	}
	for i := range c.Outputs {
		v.output(key("output", i), &c.Outputs[i])
	}
	for i := range c.Interlocks {
		v.interlock(key("interlock", i), &c.Interlocks[i])
	}
}

type validator struct {
	c      *Config
	report Report
}

func key(table string, i int) string { return table + "[" + strconv.Itoa(i) + "]" }

// names checks that every element has a usable name of its own.
func names[T any, P interface {
	*T
	named
}](v *validator, table string, list []T) {
	first := map[string]int{}
	for i := range list {
		k, n := key(table, i), P(&list[i]).id()
		v.name(k, n)
		if j, dup := first[n]; dup && n != "" {
			v.report(k+".name", fmt.Sprintf("%q is already the name of the %s at line %d", n, table, v.c.lines.at(key(table, j))), "give it another name")
		}
		first[n] = i
	}
}

func (v *validator) name(k, n string) {
	if n == "" {
		v.report(k+".name", "missing", "give it a name")
	} else if !nameForm.MatchString(n) {
		v.report(k+".name", strconv.Quote(n)+" is not a name", "use letters, digits, - and _, at most 64")
	}
}

// known reports whether name is in list, and reports the problem with the nearest name otherwise.
func known[T any, P interface {
	*T
	named
}](v *validator, k, what, name string, list []T) bool {
	all := map[string]bool{}
	for i := range list {
		all[P(&list[i]).id()] = true
	}
	switch {
	case name == "":
		v.report(k, "missing", "name a "+what)
	case !all[name]:
		remedy := suggest(name, all)
		if len(all) == 0 {
			remedy = "add a [[" + what + "]]"
		}
		v.report(k, fmt.Sprintf("there is no %s %q", what, name), remedy)
	default:
		return true
	}
	return false
}

func (v *validator) positive(k string, d Duration) bool {
	if d <= 0 {
		if d == 0 {
			v.report(k, "missing or 0", `write a duration such as "100ms"`)
		} else {
			v.report(k, d.String()+" is negative", "write a positive duration")
		}
		return false
	}
	return true
}

func (v *validator) notNegative(k string, d Duration) {
	if d < 0 {
		v.report(k, d.String()+" is negative", "write 0s or more")
	}
}

func (v *validator) oneOf(k, got string, want ...string) {
	all := map[string]bool{}
	for _, w := range want {
		if got == w {
			return
		}
		all[w] = true
	}
	if n := nearest(got, want); n != "" {
		v.report(k, strconv.Quote(got)+" is not known", suggest(got, all))
		return
	}
	v.report(k, strconv.Quote(got)+" is not known", "one of "+strings.Join(want, ", "))
}

// settings runs a driver's own validation. validate is nil when the driver is unknown, which has been reported.
func (v *validator) settings(table string, validate func(any) error, cfg any) {
	if validate == nil || cfg == nil {
		return
	}
	for _, err := range flatten(validate(cfg)) {
		var ke *hal.KeyError
		if errors.As(err, &ke) {
			v.report(table+"."+ke.Key, ke.Reason, ke.Remedy)
		} else {
			v.report(table, err.Error(), "")
		}
	}
}

// flatten undoes errors.Join.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the list itself is wanted, not one in its chain
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

func (v *validator) site() {
	c := v.c
	if c.Site.Name == "" {
		v.report("site.name", "missing", "say what people call this place")
	}
	if c.Site.StateDir == "" {
		v.report("site.state_dir", "is empty", "name a folder, or leave it out for state")
	}
	if c.Site.Threads < 1 || c.Site.Threads > maxThreads {
		v.report("site.threads", fmt.Sprintf("%d is out of range", c.Site.Threads), fmt.Sprintf("write a number from 1 to %d", maxThreads))
	}
	if c.Agent.Listen != "" {
		v.listen("agent.listen", c.Agent.Listen, c.Agent.AllowRemote)
	} else if c.Agent.AllowRemote {
		v.report("agent.allow_remote", "there is no listen that it could allow", "add listen, or remove it")
	}
	v.positive("agent.release_rescan", c.Agent.ReleaseRescan)
	v.positive("agent.release_timeout", c.Agent.ReleaseTimeout)
	if c.Agent.ReleaseDir != "" && !c.Agent.AllowUnsigned {
		v.report("agent.release_dir", "this version cannot check signatures, so no drop could ever be taken",
			"set allow_unsigned = true if whoever can write to that folder may change the model, or remove release_dir")
	}
	if c.Agent.JournalSize < minRecord {
		v.report("agent.journal_size", c.Agent.JournalSize.String()+" is too small", "write at least 64KiB")
	}
	if c.Guard.RecordSize < minRecord || c.Guard.RecordSize > 1<<30 {
		v.report("guard.record_size", c.Guard.RecordSize.String()+" is out of range", "write a size from 64KiB to 1GiB")
	}
	if t := c.Guard.Tick.D(); t < minTick || t > maxTick {
		v.report("guard.tick", t.String()+" is out of range", "write a duration from 1ms to 100ms")
	}
	v.positive("guard.record_deadline", c.Guard.RecordDeadline)
	switch {
	case c.Guard.Socket == "":
		v.report("guard.socket", "is empty", "name the socket's file, or leave it out for guard.sock")
	case len(c.SocketPath()) > maxSocketLen:
		v.report("guard.socket", fmt.Sprintf("its whole path %s is %d bytes long", c.SocketPath(), len(c.SocketPath())), fmt.Sprintf("use a path of at most %d bytes", maxSocketLen))
	}
}

// listen checks a numeric host:port. Names are refused because they would be looked up on a network that may be hostile or absent.
func (v *validator) listen(k, addr string, remote bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.report(k, strconv.Quote(addr)+" is not address:port", `write "127.0.0.1:0"`)
		return
	}
	if net.ParseIP(host) == nil {
		v.report(k, strconv.Quote(host)+" is not a numeric address", `write "127.0.0.1:`+port+`"`)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.report(k, strconv.Quote(port)+" is not a port", "write a number from 0 to 65535")
	} else if !remote && !Loopback(addr) {
		v.report(k, host+" can be reached by other machines", fmt.Sprintf(`write "127.0.0.1:%d", or set allow_remote = true`, n))
	}
}

func (v *validator) sensor(k string, s *Sensor) {
	c := v.c
	if v.positive(k+".period", s.Period) {
		if s.Timeout == 0 {
			s.Timeout = s.Period
		}
		if s.StaleAfter == 0 {
			s.StaleAfter = 3 * s.Period
		}
		if s.Timeout < 0 || s.Timeout > s.Period {
			v.report(k+".timeout", fmt.Sprintf("%s is not between 0 and the period of %s", s.Timeout, s.Period), "write at most the period")
		}
		if s.StaleAfter < s.Period {
			v.report(k+".stale_after", fmt.Sprintf("%s is shorter than the period of %s: every value would be stale before the next", s.StaleAfter, s.Period), "write at least the period")
		}
	}
	v.notNegative(k+".stuck_after", s.StuckAfter)
	if s.MaxRate < 0 {
		v.report(k+".max_rate", "is negative", "write units per second, or leave it out")
	}
	if s.Def.Validate == nil {
		return
	}
	switch {
	case s.Def.NeedsBus == "" && s.Bus != "":
		v.report(k+".bus", fmt.Sprintf("driver %q is on no bus", s.Driver), "remove it")
	case s.Def.NeedsBus != "" && s.Bus == "":
		v.report(k+".bus", fmt.Sprintf("driver %q needs a bus of kind %s", s.Driver, s.Def.NeedsBus), "name a [[bus]]")
	case s.Def.NeedsBus != "" && known(v, k+".bus", "bus", s.Bus, c.Buses):
		if b := c.Bus(s.Bus); b.Def.Validate != nil && !s.Def.Accepts(b.Def) {
			v.report(k+".bus", fmt.Sprintf("driver %q needs a bus of kind %s, %q is of kind %s", s.Driver, s.Def.NeedsBus, s.Bus, b.Kind), "name another bus")
		}
	}
	v.settings(k, s.Def.Validate, s.Settings)
}

func (v *validator) model(k string, m *Model) {
	if m.File == "" {
		v.report(k+".file", "missing", "name the model file the site starts with")
	} else if ext := filepath.Ext(m.File); ext != ".tflite" && ext != ".onnx" {
		v.report(k+".file", fmt.Sprintf("%q ends neither in .tflite nor in .onnx", m.File), "name a model of one of these formats")
	}
	v.oneOf(k+".state", string(m.State), string(StateReset), string(StateCarry))
	l := m.Limits
	if l.MaxSlowdown != 0 && l.MaxSlowdown < 1 {
		v.report(k+".limits.max_slowdown", fmt.Sprintf("%g would refuse every model", l.MaxSlowdown), "write 1 or more, or 0 for no limit")
	}
	if l.ConstantRuns < 0 || l.ConstantRuns == 1 {
		v.report(k+".limits.constant_runs", fmt.Sprintf("%d makes no sense", l.ConstantRuns), "write 2 or more, or 0 for no limit")
	}
	if n, x := len(l.OutputMin), len(l.OutputMax); n > 1 && x > 1 && n != x {
		v.report(k+".limits.output_max", fmt.Sprintf("has %d numbers, output_min has %d", x, n), "give both one number, or one for each element")
	}
	for i, lo := range l.OutputMin {
		hi := lo
		if len(l.OutputMax) == 1 {
			hi = l.OutputMax[0]
		} else if i < len(l.OutputMax) {
			hi = l.OutputMax[i]
		}
		if hi < lo {
			v.report(fmt.Sprintf("%s.limits.output_min[%d]", k, i), fmt.Sprintf("%g is above output_max %g", lo, hi), "exchange them")
		}
	}
}

func (v *validator) task(k string, t *Task) {
	c := v.c
	if len(t.Sensors) == 0 {
		v.report(k+".sensors", "missing", "name the sensors it looks at")
	}
	havePeriod := v.positive(k+".period", t.Period)
	for i, name := range t.Sensors {
		ki := fmt.Sprintf("%s.sensors[%d]", k, i)
		if known(v, ki, "sensor", name, c.Sensors) && havePeriod {
			if s := c.Sensor(name); s.Period > t.Period {
				v.report(k+".period", fmt.Sprintf("%s is shorter than the %s of sensor %q: its window would have gaps for ever", t.Period, s.Period, name), "write at least "+s.Period.String())
			}
		}
		for _, earlier := range t.Sensors[:i] {
			if earlier == name {
				v.report(ki, fmt.Sprintf("%q is named twice", name), "remove one")
			}
		}
	}
	if v.positive(k+".window", t.Window) && havePeriod {
		switch {
		case t.Window%t.Period != 0:
			n := t.Window / t.Period
			v.report(k+".window", fmt.Sprintf("%s is not a whole number of periods of %s", t.Window, t.Period), fmt.Sprintf("write %s or %s", max(n, 1)*t.Period, (n+1)*t.Period))
		case t.Window/t.Period > maxSlots:
			v.report(k+".window", fmt.Sprintf("has %d slots", t.Window/t.Period), fmt.Sprintf("at most %d", maxSlots))
		case t.MaxGaps < 0 || t.MaxGaps >= t.Slots():
			v.report(k+".max_gaps", fmt.Sprintf("%d of %d slots", t.MaxGaps, t.Slots()), fmt.Sprintf("write a number from 0 to %d", t.Slots()-1))
		}
	}
	if len(t.Features) == 0 {
		v.report(k+".features", "is empty", `write at least ["value"], or leave it out`)
	}
	if n := t.Normalize; n != nil {
		if len(n.Mean) != len(t.Sensors) {
			v.report(k+".normalize.mean", fmt.Sprintf("has %d numbers for %d sensors", len(n.Mean), len(t.Sensors)), "write one for each sensor")
		}
		if len(n.Std) != len(t.Sensors) {
			v.report(k+".normalize.std", fmt.Sprintf("has %d numbers for %d sensors", len(n.Std), len(t.Sensors)), "write one for each sensor")
		}
		for i, s := range n.Std {
			if s <= 0 {
				v.report(fmt.Sprintf("%s.normalize.std[%d]", k, i), fmt.Sprintf("%g is not positive", s), "write the standard deviation of the training data")
			}
		}
	}
	known(v, k+".model", "model", t.Model, c.Models)
	v.score(k+".score", t)
	seen := map[string]bool{}
	for i := range t.Rules {
		r := &t.Rules[i]
		kr := fmt.Sprintf("%s.rule[%d]", k, i)
		v.name(kr, r.Name)
		if seen[r.Name] {
			v.report(kr+".name", fmt.Sprintf("%q is already the name of a rule of this task", r.Name), "give it another name")
		}
		seen[r.Name] = true
		v.rule(kr, t, r)
	}
	outputs := map[string]bool{}
	for i := range t.Rules {
		if o := t.Rules[i].Output; outputs[o] && o != "" {
			v.report(fmt.Sprintf("%s.rule[%d].output", k, i), fmt.Sprintf("another rule of this task asks for %q too: they would undo each other's requests", o), "keep one of them")
		}
		outputs[t.Rules[i].Output] = true
	}
}

func (v *validator) score(k string, t *Task) {
	s := &t.Score
	v.oneOf(k+".kind", string(s.Kind), string(ScoreOutput), string(ScoreResidual))
	if s.Output < 0 {
		v.report(k+".output", "is negative", "outputs count from 0")
	}
	if s.Index < 0 {
		v.report(k+".index", "is negative", "elements count from 0")
	}
	if s.Kind != ScoreResidual {
		if s.Sensor != "" {
			v.report(k+".sensor", fmt.Sprintf("means nothing for kind %q", s.Kind), "remove it")
		}
		return
	}
	if s.Sensor == "" && len(t.Sensors) > 0 {
		s.Sensor = t.Sensors[0]
	}
	for _, name := range t.Sensors {
		if name == s.Sensor {
			return
		}
	}
	v.report(k+".sensor", fmt.Sprintf("%q is not one of the task's sensors", s.Sensor), "name one of them")
}

func (v *validator) rule(k string, t *Task, r *Rule) {
	above, below := r.OnAbove != nil || r.OffBelow != nil, r.OnBelow != nil || r.OffAbove != nil
	switch {
	case above && below:
		extra := ".on_below"
		if r.OnBelow == nil {
			extra = ".off_above"
		}
		v.report(k+extra, "the rule has keys of both kinds of threshold", "keep on_above and off_below, or on_below and off_above")
	case r.OnAbove == nil && r.OnBelow == nil:
		v.report(k+".on_above", "missing", "say above (on_above) or below (on_below) which score it asks for on")
	case above:
		if r.OffBelow == nil {
			r.OffBelow = r.OnAbove
		}
		if *r.OffBelow > *r.OnAbove {
			v.report(k+".off_below", fmt.Sprintf("%g is above on_above %g", *r.OffBelow, *r.OnAbove), "write at most on_above")
		}
	default:
		if r.OffAbove == nil {
			r.OffAbove = r.OnBelow
		}
		if *r.OffAbove < *r.OnBelow {
			v.report(k+".off_above", fmt.Sprintf("%g is below on_below %g", *r.OffAbove, *r.OnBelow), "write at least on_below")
		}
	}
	v.notNegative(k+".hold_off", r.HoldOff)
	haveLease := v.positive(k+".lease", r.Lease)
	if haveLease && t.Period > 0 && r.Lease < 2*t.Period {
		v.report(k+".lease", fmt.Sprintf("%s is shorter than 2 task periods: one late decision would end it", r.Lease), "write at least "+(2*t.Period).String())
	}
	if !known(v, k+".output", "output", r.Output, v.c.Outputs) {
		return
	}
	o := v.c.Output(r.Output)
	if haveLease && o.MaxLease > 0 && r.Lease > o.MaxLease {
		v.report(k+".lease", fmt.Sprintf("%s is longer than the max_lease %s of output %q", r.Lease, o.MaxLease, o.Name), "shorten it, or raise max_lease")
	}
	if t.Name != "" && !contains(o.Tasks, t.Name) {
		v.report(k+".output", fmt.Sprintf("output %q does not list task %q in its tasks", o.Name, t.Name), fmt.Sprintf("add %q to the tasks of output %q (line %d)", t.Name, o.Name, v.c.lines.at(v.keyOf(o))))
	}
}

// keyOf is the key path of an output of this file.
func (v *validator) keyOf(o *Output) string {
	for i := range v.c.Outputs {
		if &v.c.Outputs[i] == o {
			return key("output", i)
		}
	}
	return "output"
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func (v *validator) output(k string, o *Output) {
	c := v.c
	if o.Def.Validate != nil && !o.Def.Simulated {
		v.report(k+".kind", fmt.Sprintf("%q is a real output", o.Kind), "real outputs do not exist in this version; only simulated ones do: "+simulatedKinds())
	}
	v.settings(k, o.Def.Validate, o.Settings)
	if len(o.Tasks) == 0 {
		v.report(k+".tasks", "missing", "name the tasks that may ask for it")
	}
	for i, name := range o.Tasks {
		known(v, fmt.Sprintf("%s.tasks[%d]", k, i), "task", name, c.Tasks)
	}
	for _, p := range []struct {
		key string
		v   Policy
	}{{"on_start", o.OnStart}, {"on_stop", o.OnStop}, {"on_worker_lost", o.OnWorkerLost}, {"on_stale", o.OnStale}} {
		v.oneOf(k+"."+p.key, string(p.v), string(PolicySafe), string(PolicyOff), string(PolicyOn), string(PolicyHold))
	}
	for _, d := range []struct {
		key string
		v   Duration
	}{{"min_on", o.MinOn}, {"min_off", o.MinOff}, {"max_on", o.MaxOn}} {
		v.notNegative(k+"."+d.key, d.v)
	}
	if o.MaxOn > 0 && o.MaxOn < o.MinOn {
		v.report(k+".max_on", fmt.Sprintf("%s is shorter than min_on %s", o.MaxOn, o.MinOn), "write at least min_on, or 0s for no limit")
	}
	if o.MaxOn > 0 && o.Safe == On {
		v.report(k+".max_on", "would switch it off, away from its safe state", `remove it, or set safe = "off"`)
	}
	if o.MaxOpsPerHour < 0 || o.MaxOpsPerHour > maxOpsLimit {
		v.report(k+".max_ops_per_hour", fmt.Sprintf("%d is out of range", o.MaxOpsPerHour), fmt.Sprintf("write a number from 1 to %d, or 0 for no limit", maxOpsLimit))
	}
	v.positive(k+".max_lease", o.MaxLease)
	v.positive(k+".max_input_age", o.MaxInputAge)
}

var condForm = regexp.MustCompile(`^\s*(?:sensor:([A-Za-z0-9_-]+)\s*(<=|>=|<|>)\s*(\S+)|output:([A-Za-z0-9_-]+)\s*=\s*(on|off))\s*$`)

func (v *validator) interlock(k string, il *Interlock) {
	c := v.c
	if known(v, k+".forbids", "output", il.Forbids, c.Outputs) {
		if o := c.Output(il.Forbids); o.Safe == il.Value {
			v.report(k+".value", fmt.Sprintf("%q is the safe state of output %q, which nothing may forbid", il.Value, il.Forbids), fmt.Sprintf("write %q", il.Value.Not()))
		}
	}
	m := condForm.FindStringSubmatch(il.When)
	if m == nil {
		reason := strconv.Quote(il.When) + " is not a condition"
		if il.When == "" {
			reason = "missing"
		}
		v.report(k+".when", reason, `write "sensor:NAME > NUMBER" or "output:NAME = on"`)
		return
	}
	if m[1] != "" {
		limit, err := strconv.ParseFloat(m[3], 64)
		if err != nil || limit != limit {
			v.report(k+".when", strconv.Quote(m[3])+" is not a number", `write "sensor:`+m[1]+` `+m[2]+` NUMBER"`)
		}
		il.Cond = Condition{Sensor: m[1], Op: m[2], Limit: limit}
		known(v, k+".when", "sensor", m[1], c.Sensors)
		return
	}
	il.Cond = Condition{Output: m[4]}
	if m[5] == "on" {
		il.Cond.Is = On
	}
	if known(v, k+".when", "output", m[4], c.Outputs) && m[4] == il.Forbids {
		v.report(k+".when", "an output cannot forbid itself", "name another output")
	}
}
