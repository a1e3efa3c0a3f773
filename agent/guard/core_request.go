package guard

import (
	"fmt"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// clockSlack is how far in the future an input's time may seem to lie: both sides read one clock, but not at one moment.
const clockSlack = 10 * time.Millisecond

// refusalRepeat is how often a refusal that goes on for the same reason is recorded again.
const refusalRepeat = 10 * time.Second

// Request judges a request of the worker. Its answer is an ActReply with token, now or later.
func (c *Core) Request(now time.Duration, token uint64, r Request) []Action {
	c.begin(now)
	l := c.line(r.Output)
	if l == nil {
		c.do(Action{Kind: ActReply, Token: token, Reply: Reply{Reason: fmt.Sprintf("%s %q", DenyUnknownOutput, r.Output)}})
		return c.end()
	}
	if why := c.formal(l, &r); why != "" {
		c.deny(l, token, &r, why)
		return c.end()
	}
	if config.Value(r.Value) == l.c.Safe {
		c.askSafe(l, token, &r)
	} else {
		c.askLeave(l, token, &r)
	}
	return c.end()
}

// formal checks what every request must have.
func (c *Core) formal(l *line, r *Request) string {
	allowed := false
	for _, t := range l.c.Tasks {
		allowed = allowed || t == r.Task
	}
	switch {
	case !allowed || c.tasks[r.Task] == nil:
		return fmt.Sprintf("%s %q: output %s lists %v", DenyNotAllowed, r.Task, l.c.Name, l.c.Tasks)
	case r.Value != 0 && r.Value != 1:
		return fmt.Sprintf("%s: value %g, a digital output takes 0 or 1", DenyBadRequest, r.Value)
	case r.DecisionID == "" || len(r.DecisionID) > 128:
		return DenyBadRequest + ": a decision id of 1 to 128 bytes is needed"
	case l.gone || l.next != nil:
		return DenyBusy + ": the configuration of this output is being changed"
	}
	return ""
}

// askSafe is a request for the safe state. It needs no fresh input: it can only end something.
func (c *Core) askSafe(l *line, token uint64, r *Request) {
	l.rearm = false
	c.progressed(c.tasks[r.Task])
	if w := l.wait; w != nil && w.req != nil && w.req.Task == r.Task {
		c.cancel(l, DenyOverruled+": the task asked for "+l.c.Safe.String())
	}
	others := len(l.leases)
	if l.leases[r.Task] != nil {
		others--
	}
	m := &move{to: l.c.Safe, rule: "request", reason: "task " + r.Task + " asked for it", req: r, tokens: []uint64{token}}
	switch {
	case l.phase != owned:
		c.deny(l, token, r, DenyFault+": "+l.fault)
	case others > 0: // another task still holds it: this one only gives up its own lease
		delete(l.leases, r.Task)
		c.answer(l, m, true, "")
	case l.moving != nil && l.moving.to == l.c.Safe || l.again != "":
		c.answer(l, m, true, "")
	case l.moving != nil:
		c.deny(l, token, r, DenyBusy)
	case l.known && l.value == l.c.Safe:
		delete(l.leases, r.Task)
		c.answer(l, m, true, "")
	default:
		word, least := DenyMinOn, l.c.MinOn.D()
		if l.value == config.Off {
			word, least = DenyMinOff, l.c.MinOff.D()
		}
		if left := least - (c.now - l.since); left > 0 {
			c.deny(l, token, r, fmt.Sprintf("%s %s left", word, ms(left)))
			return
		}
		clear(l.leases)
		l.held = false
		m.change = c.newChange()
		c.command(l, m)
	}
}

// askLeave is a request for the state that is not safe: to enter it, or to stay in it.
func (c *Core) askLeave(l *line, token uint64, r *Request) {
	if why := c.grounds(l, r); why != "" {
		c.deny(l, token, r, why)
		return
	}
	want := l.c.Safe.Not()
	switch {
	case l.wait != nil && l.wait.req != nil:
		// One intent at a time; the task that asks again while its first answer is pending gets that answer.
		if l.wait.req.Task != r.Task {
			c.deny(l, token, r, DenyBusy)
			return
		}
		c.progressed(c.tasks[r.Task])
		if r.InputBoot > l.wait.req.InputBoot {
			l.wait.req = r
		}
		l.wait.tokens = append(l.wait.tokens, token)
	case l.phase == owned && l.again == "" && l.wait == nil && l.commanded() == want && (l.moving != nil || l.known):
		if why := c.standing(l, want); why != "" {
			c.deny(l, token, r, why)
			return
		}
		c.progressed(c.tasks[r.Task])
		c.grant(l, r)
		l.accept++
		c.do(Action{Kind: ActReply, Token: token, Reply: Reply{Accepted: true}})
	default:
		if why := c.mayLeave(l, want); why != "" {
			c.deny(l, token, r, why)
			return
		}
		c.progressed(c.tasks[r.Task])
		c.intend(l, &move{to: want, rule: "request", reason: "task " + r.Task + " asked for it", tokens: []uint64{token}}, r)
	}
}

// grounds checks the decision itself: whether it may be acted on at all.
func (c *Core) grounds(l *line, r *Request) string {
	switch {
	case c.stopping:
		return DenyStopping
	case c.broken != "":
		return DenyDegraded + ": " + c.broken
	case r.Quality != hal.Good:
		return fmt.Sprintf("%s %s", DenyQuality, r.Quality)
	case c.now-r.InputBoot > l.c.MaxInputAge.D():
		return c.tooOld(l, r)
	case r.InputBoot > c.now+clockSlack:
		return fmt.Sprintf("%s by %s", DenyFuture, ms(r.InputBoot-c.now))
	case r.Lease <= 0:
		return DenyLease + " missing"
	case r.Lease > l.c.MaxLease.D():
		return fmt.Sprintf("%s too long: %s, max_lease is %s", DenyLease, r.Lease, l.c.MaxLease)
	case r.InputBoot <= l.newest[r.Task] && !mutated("ignore-newer"):
		return DenyNotNewer + ": the decision's oldest input is no newer than that of an earlier one"
	}
	return ""
}

func (c *Core) tooOld(l *line, r *Request) string {
	return fmt.Sprintf("%s %s > %s", DenyTooOld, ms(c.now-r.InputBoot), l.c.MaxInputAge)
}

// standing checks the rules that hold in a state just as on entering it.
func (c *Core) standing(l *line, v config.Value) string {
	if name, why := c.forbids(l, v); name != "" {
		return DenyInterlock + " " + name + ": " + why
	}
	if l.rearm {
		return DenyMaxOn + ": " + l.c.Safe.String() + " must be asked for first"
	}
	return ""
}

// mayLeave says why the line may not leave its safe state for v; empty: it may.
func (c *Core) mayLeave(l *line, v config.Value) string {
	switch {
	case l.phase != owned:
		return DenyFault + ": " + l.fault
	case l.wait != nil || l.moving != nil:
		return DenyBusy
	case !l.known:
		return DenyFault + ": " + l.fault
	}
	if why := c.standing(l, v); why != "" {
		return why
	}
	word, least := DenyMinOff, l.c.MinOff.D()
	if v == config.Off {
		word, least = DenyMinOn, l.c.MinOn.D()
	}
	if left := least - (c.now - l.since); left > 0 && !mutated("ignore-min-off") {
		return fmt.Sprintf("%s %s left", word, ms(left))
	}
	// The way back counts too: a line that left its safe state must be able to return within the limit.
	if n, limit := l.ops.count(c.now), l.c.MaxOpsPerHour; limit > 0 && n >= limit {
		return fmt.Sprintf("%s: %d changes in the last hour, %d allowed", DenyOps, n, limit)
	}
	return ""
}

// deny answers a request with no, and records it unless the same was recorded just now.
func (c *Core) deny(l *line, token uint64, r *Request, why string) {
	l.refuse++
	c.do(Action{Kind: ActReply, Token: token, Reply: Reply{Reason: why}})
	word, f := denyWord(why), &l.refusal
	if f.word == word && f.task == r.Task && c.now-f.at < refusalRepeat {
		f.unsaid++
		f.text = why
		return
	}
	c.record(KindRefuse, Entry{Output: l.c.Name, Task: r.Task, Decision: r.DecisionID, To: ptr(config.Value(boolByte(r.Value != 0))), Rule: "request", Reason: why,
		InputNS: int64(r.InputBoot), LeaseNS: int64(r.Lease), Count: f.unsaid})
	*f = refusal{word: word, task: r.Task, text: why, at: c.now}
}

func boolByte(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

var denyWords = []string{DenyUnknownOutput, DenyBadRequest, DenyNotAllowed, DenyQuality, DenyTooOld, DenyFuture, DenyNotNewer, DenyLease,
	DenyInterlock, DenyMinOn, DenyMinOff, DenyMaxOn, DenyOps, DenyRecord, DenyFault, DenyBusy, DenySecondWorker, DenyDegraded, DenyStopping, DenyOverruled}

// denyWord is the Deny word that a reason starts with.
func denyWord(reason string) string {
	for _, w := range denyWords {
		if len(reason) >= len(w) && reason[:len(w)] == w {
			return w
		}
	}
	return reason
}
