package guard

import (
	"fmt"
	"sort"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// Core is the guardian's judgement: a state machine without input or output of its own. Each method takes the boot time and returns what
// must be done, in order. It is used from one goroutine.
//
// Precedence, highest first: going safe for any reason but a request (interlock, max_on, lost worker, ended lease, stop) happens at once,
// whatever min_on, min_off and the record say; a request for the safe state waits for the minimum time of the other one, by being
// refused until then; leaving the safe state needs every rule and the durable record of the intent.
//
// Several tasks may be listed for one output: it leaves its safe state while any of them holds a lease, and a request for the safe state
// gives up only the asking task's own.
type Core struct {
	cfg      *config.Config
	outs     []*line
	locks    []*lock
	readings map[string]reading
	tasks    map[string]*progress

	now      time.Duration
	change   uint64 // the last change number
	worker   int    // its pid; 0: none
	broken   string // why requests are refused; empty: they are not
	stopping bool

	acts []Action
}

// ActionKind says what an Action asks for.
type ActionKind uint8

// The actions.
const (
	ActPeek    ActionKind = iota // read the line without claiming it; answer with Peeked
	ActClaim                     // claim it with Value; answer with Claimed
	ActSet                       // drive it; answer with Done
	ActRelease                   // give it up; answer with Released
	ActRecord                    // append Entry; if Durable, sync and answer with Durable
	ActReply                     // answer the request Token
)

// Action is one thing for the surroundings to do.
type Action struct {
	Kind    ActionKind
	Output  *config.Output
	Value   config.Value
	Change  uint64
	Record  string
	Entry   Entry
	Durable bool
	Token   uint64
	Reply   Reply
}

// line is one output.
type line struct {
	c     *config.Output
	phase phase
	retry time.Duration // when to peek again
	broke bool          // it was owned and failed: the next claim is safe, whatever on_start says

	known  bool
	value  config.Value // last confirmed
	since  time.Duration
	reason string
	rule   string
	fault  string
	ops    opsWindow

	moving *move  // a command that the line has not confirmed yet
	wait   *move  // an intent that the disk has not confirmed yet
	again  string // the safe state must be commanded once moving is done: the rule
	claim  *Entry // the claim in progress

	leases map[string]*lease
	newest map[string]time.Duration // newest input each task was granted anything on
	held   bool                     // a policy keeps the present state without a lease
	rearm  bool                     // max_on ended it: the safe state must be asked for before another lease
	next   *config.Output           // after a reload: what to claim once released
	gone   bool                     // after a reload: no longer configured

	last    lineHistory // what the records said at start
	accept  uint64
	refuse  uint64
	moves   uint64
	refusal refusal
}

type phase uint8

const (
	unclaimed phase = iota // to be peeked at, at retry
	peeking
	waiting // for the record of a claim that is not safe
	claiming
	owned
	releasing
	released
)

// move is one change of an output, from request or rule to the line's confirmation.
type move struct {
	to       config.Value
	change   uint64
	rule     string
	reason   string
	req      *Request
	tokens   []uint64 // requests to answer
	deadline time.Duration
	set      time.Duration
	known    bool // the value before it
	from     config.Value
}

type lease struct {
	until    time.Duration
	decision string
	input    time.Duration
	length   time.Duration
}

type refusal struct {
	word   string
	task   string
	text   string
	at     time.Duration
	unsaid int
}

type progress struct {
	c     *config.Task
	last  time.Duration
	limit time.Duration
	seen  bool
	alive bool
}

// NewCore begins with no line claimed. h is what the records say; broken, if not empty, is why no request may be granted.
func NewCore(cfg *config.Config, h *history, broken string, now time.Duration) *Core {
	c := &Core{cfg: cfg, broken: broken, readings: map[string]reading{}, tasks: map[string]*progress{}, now: now}
	c.setTasks(cfg)
	c.setLocks(cfg)
	for i := range cfg.Outputs {
		l := newLine(&cfg.Outputs[i], now)
		if old := h.Outputs[l.c.Name]; old != nil {
			l.last = *old
			l.ops = old.Ops
		}
		c.outs = append(c.outs, l)
	}
	return c
}

func newLine(o *config.Output, now time.Duration) *line {
	return &line{c: o, retry: now, since: now, leases: map[string]*lease{}, newest: map[string]time.Duration{}, reason: "not claimed yet", fault: "not claimed yet"}
}

func (c *Core) setTasks(cfg *config.Config) {
	old := c.tasks
	c.tasks = map[string]*progress{}
	for i := range cfg.Tasks {
		t := &cfg.Tasks[i]
		p := &progress{c: t, limit: t.Progress()}
		if o := old[t.Name]; o != nil {
			p.last, p.seen, p.alive = o.last, o.seen, o.alive
		}
		c.tasks[t.Name] = p
	}
}

func (c *Core) line(name string) *line {
	for _, l := range c.outs {
		if l.c.Name == name && !l.gone {
			return l
		}
	}
	return nil
}

func (c *Core) do(a Action) { c.acts = append(c.acts, a) }

func (c *Core) record(kind string, e Entry) { c.do(Action{Kind: ActRecord, Record: kind, Entry: e}) }

// begin enters a moment: whatever time alone has decided is decided before the event is looked at.
func (c *Core) begin(now time.Duration) {
	c.now = max(c.now, now)
	c.acts = nil
	c.sweep()
}

// end lets the event's consequences spread, and gives the actions.
func (c *Core) end() []Action {
	c.sweep()
	acts := c.acts
	c.acts = nil
	return acts
}

// newChange is a number that no change of this boot has had.
func (c *Core) newChange() uint64 {
	c.change = max(c.change+1, uint64(c.now))
	return c.change
}

// Tick looks at everything that time decides.
func (c *Core) Tick(now time.Duration) []Action {
	c.begin(now)
	return c.end()
}

// sweep applies leases, progress, interlocks, max_on and deadlines, until nothing changes any more.
func (c *Core) sweep() {
	for _, p := range c.tasks {
		if p.alive && c.now-p.last > p.limit {
			p.alive = false
			c.record(KindWorker, Entry{Task: p.c.Name, Reason: fmt.Sprintf("no progress for %s", ms(c.now-p.last))})
			c.dropTask(p.c.Name)
		}
	}
	// An interlock may look at another output: as many rounds as there are outputs settle every chain.
	for range c.outs {
		before := len(c.acts)
		for _, l := range c.outs {
			c.sweepLine(l)
		}
		if len(c.acts) == before {
			return
		}
	}
}

func (c *Core) sweepLine(l *line) {
	if l.phase == unclaimed && c.now >= l.retry {
		l.phase = peeking
		c.do(Action{Kind: ActPeek, Output: l.c})
		return
	}
	if w := l.wait; w != nil {
		if c.now >= w.deadline {
			c.cancel(l, DenyRecord+": not on disk within "+ms(c.cfg.Guard.RecordDeadline.D()))
		} else if name, why := c.forbids(l, w.to); name != "" {
			c.cancel(l, DenyInterlock+" "+name+": "+why)
		} else if w.req != nil && c.now-w.req.InputBoot > l.c.MaxInputAge.D() {
			c.cancel(l, c.tooOld(l, w.req))
		}
	}
	if l.phase != owned {
		return
	}
	// Leases end; with the last one goes the right to be in this state.
	for task, le := range l.leases {
		if c.now >= le.until && !mutated("ignore-lease") {
			delete(l.leases, task)
			if len(l.leases) == 0 && !l.held {
				c.policy(l, l.c.OnStale, "on_stale", fmt.Sprintf("lease of %s ended: no decision of task %s on newer input", ms(le.length), task))
			}
		}
	}
	if !c.away(l) {
		return
	}
	v := l.c.Safe.Not()
	if name, why := c.forbids(l, v); name != "" {
		c.safe(l, "interlock:"+name, DenyInterlock+" "+name+": "+why)
	} else if d := l.c.MaxOn.D(); d > 0 && v == config.On && l.moving == nil && l.known && c.now-l.since >= d {
		l.rearm = true
		c.safe(l, "max_on", "on for max_on "+d.String())
	}
}

// commanded is the value that the line has or is about to have.
func (l *line) commanded() config.Value {
	if l.moving != nil {
		return l.moving.to
	}
	return l.value
}

// away reports whether the line is, or may be, out of its safe state with nothing on the way to end that.
func (c *Core) away(l *line) bool {
	return l.phase == owned && l.again == "" && l.commanded() != l.c.Safe
}

// safe brings a line to its safe state now.
func (c *Core) safe(l *line, rule, reason string) {
	if l.wait != nil {
		c.cancel(l, DenyOverruled+": "+reason)
	}
	clear(l.leases)
	l.held = false
	if l.phase != owned {
		return
	}
	if l.moving == nil {
		if l.known && l.value == l.c.Safe {
			return
		}
	} else if l.moving.to == l.c.Safe {
		return
	}
	l.reason, l.rule = reason, rule
	if l.moving != nil {
		// The line takes one command after the other; the surroundings queue this one behind it.
		l.again = rule
		return
	}
	c.command(l, &move{to: l.c.Safe, change: c.newChange(), rule: rule, reason: reason})
}

// command drives the line.
func (c *Core) command(l *line, m *move) {
	m.set, m.known, m.from = c.now, l.known, l.value
	l.moving, l.reason, l.rule = m, m.reason, m.rule
	c.do(Action{Kind: ActSet, Output: l.c, Value: m.to, Change: m.change})
}

// policy applies what the configuration says for an event. Leases are gone afterwards.
func (c *Core) policy(l *line, p config.Policy, rule, reason string) {
	want := l.c.Safe
	switch p {
	case config.PolicyOn:
		want = config.On
	case config.PolicyOff:
		want = config.Off
	case config.PolicyHold:
		if l.wait != nil {
			c.cancel(l, DenyOverruled+": "+reason)
		}
		clear(l.leases)
		l.held = c.away(l)
		l.reason, l.rule = reason+" (hold)", rule
		return
	}
	if want == l.c.Safe {
		c.safe(l, rule, reason)
		return
	}
	// A state that is not safe, by rule: it needs all that a request needs except a lease.
	if l.wait != nil {
		c.cancel(l, DenyOverruled+": "+reason)
	}
	clear(l.leases)
	if l.commanded() == want && l.again == "" {
		l.held, l.reason, l.rule = true, reason, rule
		return
	}
	if why := c.mayLeave(l, want); why != "" || l.phase != owned {
		c.safe(l, rule, reason+"; "+why)
		return
	}
	l.held = true
	c.intend(l, &move{to: want, rule: rule, reason: reason}, nil)
}

// intend records the intent to leave the safe state; Durable goes on from there.
func (c *Core) intend(l *line, m *move, r *Request) {
	m.change = c.newChange()
	m.deadline = c.now + c.cfg.Guard.RecordDeadline.D()
	m.req = r
	l.wait = m
	e := Entry{Change: m.change, Output: l.c.Name, From: ptr(l.value), To: ptr(m.to), Rule: m.rule, Reason: m.reason}
	if r != nil {
		e.Task, e.Decision, e.InputNS, e.LeaseNS = r.Task, r.DecisionID, int64(r.InputBoot), int64(r.Lease)
	}
	c.do(Action{Kind: ActRecord, Record: KindIntent, Entry: e, Change: m.change, Durable: true})
}

// cancel gives up an intent.
func (c *Core) cancel(l *line, reason string) {
	m := l.wait
	l.wait = nil
	if m.req == nil {
		l.held = false
	}
	c.record(KindCancel, Entry{Change: m.change, Output: l.c.Name, Rule: m.rule, Reason: reason})
	c.answer(l, m, false, reason)
	if l.phase == waiting { // it was the claim: claim safe instead
		l.claim.Reason = reason
		c.claimAs(l, l.c.Safe)
	}
}

func (c *Core) answer(l *line, m *move, ok bool, reason string) {
	for _, t := range m.tokens {
		if ok {
			l.accept++
			c.do(Action{Kind: ActReply, Token: t, Reply: Reply{Accepted: true, Seq: m.change}})
		} else {
			c.deny(l, t, m.req, reason)
		}
	}
}

// Durable says that the intent of a change is on the disk, or why not.
func (c *Core) Durable(now time.Duration, change uint64, err error) []Action {
	c.begin(now)
	for _, l := range c.outs {
		m := l.wait
		if m == nil || m.change != change {
			continue
		}
		if err != nil {
			c.cancel(l, DenyRecord+": "+err.Error())
			break
		}
		l.wait = nil
		if l.phase == waiting {
			c.claimAs(l, m.to)
			break
		}
		if m.req != nil {
			c.grant(l, m.req)
		}
		c.command(l, m)
		break
	}
	return c.end()
}

// grant gives or renews a task's lease.
func (c *Core) grant(l *line, r *Request) {
	l.leases[r.Task] = &lease{until: c.now + r.Lease, decision: r.DecisionID, input: r.InputBoot, length: r.Lease}
	l.newest[r.Task] = r.InputBoot
	l.held = false
}

// Done says what became of an ActSet.
func (c *Core) Done(now time.Duration, output string, change uint64, readBack config.Value, err error) []Action {
	c.begin(now)
	for _, l := range c.outs {
		if l.c.Name == output && l.moving != nil && l.moving.change == change {
			c.moved(l, readBack, err)
		}
	}
	return c.end()
}

func (c *Core) moved(l *line, readBack config.Value, err error) {
	m := l.moving
	l.moving = nil
	if err == nil && readBack != m.to {
		err = fmt.Errorf("reads back %s", readBack)
	}
	e := Entry{Change: m.change, Output: l.c.Name, To: ptr(m.to), Rule: m.rule, Reason: m.reason,
		SetNS: int64(m.set), DoneNS: int64(c.now), ReadBack: ptr(readBack)}
	if m.known {
		e.From = ptr(m.from)
	}
	if m.req != nil {
		e.Task, e.Decision, e.InputNS, e.LeaseNS = m.req.Task, m.req.DecisionID, int64(m.req.InputBoot), int64(m.req.Lease)
	}
	if err != nil {
		e.Error, e.ReadBack = err.Error(), nil
		l.ops.add(c.now) // it may have moved all the same
		c.record(KindDone, e)
		c.lost(l, err.Error())
		c.answer(l, m, false, DenyFault+": "+err.Error())
		return
	}
	c.record(KindDone, e)
	if !m.known || m.from != m.to {
		l.ops.add(c.now)
		l.since = c.now
		l.moves++
	}
	l.known, l.value, l.fault = true, m.to, ""
	c.answer(l, m, true, "")
	if rule := l.again; rule != "" {
		l.again = ""
		if l.value != l.c.Safe {
			c.command(l, &move{to: l.c.Safe, change: c.newChange(), rule: rule, reason: l.reason})
		}
	} else if l.c.Safe != l.value && len(l.leases) == 0 && !l.held {
		c.safe(l, "on_stale", "nothing holds it any more")
	}
	c.retire(l)
}

// lost gives a line up whose state is unknown; it is claimed anew, safe.
func (c *Core) lost(l *line, why string) {
	l.known, l.fault, l.again, l.held = false, why, "", false
	clear(l.leases)
	l.last = lineHistory{}
	l.phase = releasing
	c.do(Action{Kind: ActRelease, Output: l.c})
}

// WorkerHere says that a worker has taken the seat.
func (c *Core) WorkerHere(now time.Duration, pid int) []Action {
	c.begin(now)
	c.worker = pid
	c.record(KindWorker, Entry{PID: pid, Reason: "connected"})
	return c.end()
}

// WorkerGone says that the worker's connection ended: after a bye, or without one.
func (c *Core) WorkerGone(now time.Duration, bye bool) []Action {
	c.begin(now)
	reason, rule := "worker lost: its connection ended without a word", "on_worker_lost"
	if bye {
		reason, rule = "worker stopped", "on_stop"
	}
	c.record(KindWorker, Entry{PID: c.worker, Reason: reason})
	c.worker = 0
	for _, p := range c.tasks {
		p.alive, p.seen = false, false
	}
	for _, l := range c.outs {
		p := l.c.OnWorkerLost
		if bye {
			p = l.c.OnStop
		}
		l.rearm = false
		c.policy(l, p, rule, reason)
	}
	return c.end()
}

// dropTask takes a silent task's leases.
func (c *Core) dropTask(name string) {
	for _, l := range c.outs {
		waits := l.wait != nil && l.wait.req != nil && l.wait.req.Task == name
		if l.leases[name] == nil && !waits {
			continue
		}
		if waits {
			c.cancel(l, DenyOverruled+": task "+name+" makes no progress")
		}
		delete(l.leases, name)
		if len(l.leases) == 0 && !l.held {
			c.policy(l, l.c.OnWorkerLost, "on_worker_lost", "task "+name+" makes no progress")
		}
	}
}

// Heartbeat notes progress of a task. The answer is empty, or why it was not understood.
func (c *Core) Heartbeat(now time.Duration, task string, period time.Duration) (string, []Action) {
	c.begin(now)
	p := c.tasks[task]
	if p == nil {
		return fmt.Sprintf("there is no task %q", task), c.end()
	}
	if period <= 0 {
		return "a heartbeat needs the task's period", c.end()
	}
	// The shorter of the two periods counts: neither side can make the other wait longer than it expects.
	p.limit = max(3*min(period, p.c.Period.D()), time.Second)
	c.progressed(p)
	return "", c.end()
}

func (c *Core) progressed(p *progress) { p.last, p.alive, p.seen = c.now, true, true }

// Sample is a reading of an interlock's sensor, or why there is none.
func (c *Core) Sample(now time.Duration, sensor string, s hal.Sample, err error) []Action {
	c.begin(now)
	c.readings[sensor] = reading{s, err, true}
	return c.end()
}

// Stop ends in order: every output goes to its on_stop state and no request is granted any more.
func (c *Core) Stop(now time.Duration) []Action {
	c.begin(now)
	if !c.stopping {
		c.stopping = true
		for _, l := range c.outs {
			c.policy(l, l.c.OnStop, "on_stop", "the guardian was stopped")
		}
	}
	return c.end()
}

// Quiet reports whether nothing is under way.
func (c *Core) Quiet() bool {
	for _, l := range c.outs {
		if l.moving != nil || l.wait != nil || l.again != "" {
			return false
		}
	}
	return true
}

// Owned reports whether every configured line is claimed.
func (c *Core) Owned() bool {
	for _, l := range c.outs {
		if l.phase != owned {
			return false
		}
	}
	return true
}

func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
