package release

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// recentWindows is how many of the last real inputs a Slot keeps for the behaviour test.
const recentWindows = 32

// Slot is the place of one configured model in the pipeline. What runs there is one atomic pointer: tasks load it at the start of
// each step, so a swap takes effect at a step boundary and nobody waits for it. Safe for concurrent use.
type Slot struct {
	name   string
	carry  bool // on a swap the state goes on; models with another layout are refused
	limits Limits
	cur    atomic.Pointer[active]

	mu     sync.Mutex // users, recent, next, outcome
	users  []*User
	recent [][]float32
	next   int
	// outcome hears how a probation ended. It is called from a task's step and must not block. reason is empty when confirmed.
	outcome func(m *Model, reason string)
}

// active is a model in a slot and, in probation, its judge and the way back. It does not change once it is in the slot.
type active struct {
	model *Model
	ready map[*User]*Runner // built before the swap, so that no step allocates for it; a later User builds its own
	prev  *active           // what to go back to; nil once confirmed
	prob  *probation        // nil once confirmed
	pace  *recentTimes
}

// NewSlot makes the slot of a configured model with the model that runs first. carry keeps the state of recurrent models over a
// swap, and refuses models with other state tensors; otherwise state starts from zero.
func NewSlot(m *Model, carry bool, limits Limits) (*Slot, error) {
	if _, err := NewRunner(m.Program); err != nil {
		return nil, fmt.Errorf("release: model %q: %w", m.Name, err)
	}
	s := &Slot{name: m.Name, carry: carry, limits: limits}
	s.cur.Store(&active{model: m, pace: &recentTimes{}})
	return s, nil
}

// Name is the configured name of the model.
func (s *Slot) Name() string { return s.name }

// Model is what runs now.
func (s *Slot) Model() *Model { return s.cur.Load().model }

// Probation reports whether the current model is not yet confirmed.
func (s *Slot) Probation() bool { return s.cur.Load().prob != nil }

// Recent copies the last real inputs, oldest first.
func (s *Slot) Recent() [][]float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][]float32, 0, len(s.recent))
	for i := range s.recent {
		out = append(out, slices.Clone(s.recent[(s.next+i)%len(s.recent)]))
	}
	return out
}

func (s *Slot) remember(in []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recent) < recentWindows {
		s.recent = append(s.recent, slices.Clone(in))
		return // next stays 0: the oldest is the first
	}
	s.recent[s.next] = append(s.recent[s.next][:0], in...)
	s.next = (s.next + 1) % recentWindows
}

// User is one task's use of a slot: a session of its own in every model that comes. Its methods are for one goroutine.
type User struct {
	slot      *Slot
	task      string
	check     func(Program) error
	run, back userRun // the current model's, and the one before it: the way back allocates nothing
}

type userRun struct {
	a *active
	r *Runner
}

// User registers a task. check says whether a model fits what the task feeds and reads; a model that does not is refused,
// the current one with an error here.
func (s *Slot) User(task string, check func(Program) error) (*User, error) {
	u := &User{slot: s, task: task, check: check}
	a := s.cur.Load()
	if err := check(a.model.Program); err != nil {
		return nil, fmt.Errorf("release: model %q does not fit task %q: %w", s.name, task, err)
	}
	r, err := NewRunner(a.model.Program)
	if err != nil {
		return nil, fmt.Errorf("release: model %q: %w", s.name, err)
	}
	u.run = userRun{a, r}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, u)
	return u, nil
}

// Close ends the use: later models need not fit this task.
func (u *User) Close() {
	s := u.slot
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(s.users, func(v *User) bool { return v == u })
}

// Result is one step of a model.
type Result struct {
	Model *Model        // that gave Out
	Out   []float32     // all outputs in real units; belongs to the User until its next Step
	Took  time.Duration // of the run alone
}

// Runner is the User's session in the current model, for its sizes.
func (u *User) Runner() *Runner { return u.run.r }

// Step runs the current model on in. A model in probation that misbehaves is rolled back here and now, and the step is
// answered by the one before it: no step is lost to a bad model.
func (u *User) Step(in []float32) (Result, error) {
	u.slot.remember(in)
	for {
		a := u.slot.cur.Load()
		if a != u.run.a {
			if err := u.change(a); err != nil {
				if a.prob != nil {
					u.slot.rollBack(a, err.Error())
					continue
				}
				return Result{Model: a.model}, err
			}
		}
		out, took, err := u.run.r.Run(in)
		if a.prob != nil {
			reason, done := a.prob.observe(&u.slot.limits, a.prev.pace, in, out, took, err)
			if reason != "" {
				u.slot.rollBack(a, reason)
				continue
			}
			if done {
				u.slot.confirm(a)
			}
		}
		if err == nil {
			a.pace.add(took)
		}
		return Result{Model: a.model, Out: out, Took: took}, err
	}
}

// change moves the User to a at a step boundary.
func (u *User) change(a *active) error {
	next := userRun{a: a}
	switch {
	case u.back.a == a || (u.back.a != nil && u.back.a.model == a.model):
		next.r = u.back.r
		next.r.s.Reset()
	case u.run.a.model == a.model: // confirmed: the same model in a new place
		u.run.a = a
		return nil
	default:
		if next.r = a.ready[u]; next.r == nil {
			r, err := NewRunner(a.model.Program)
			if err != nil {
				return fmt.Errorf("release: model %q: %w", u.slot.name, err)
			}
			next.r = r
		}
	}
	if u.slot.carry && sameState(u.run.a.model.Program, a.model.Program) {
		if err := next.r.s.Restore(u.run.r.s.Save()); err != nil {
			next.r.s.Reset()
		}
	}
	u.back, u.run = u.run, next
	return nil
}

// sameState reports whether the state of a can go on in b.
func sameState(a, b Program) bool {
	x, y := a.State(), b.State()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].DType != y[i].DType || !x[i].Shape.Equal(y[i].Shape) {
			return false
		}
	}
	return len(x) > 0
}

// fits asks every task whether it can use p.
func (s *Slot) fits(p Program) error {
	s.mu.Lock()
	users := slices.Clone(s.users)
	s.mu.Unlock()
	for _, u := range users {
		if err := u.check(p); err != nil {
			return fmt.Errorf("does not fit task %q: %w", u.task, err)
		}
	}
	if cur := s.Model().Program; s.carry && len(cur.State())+len(p.State()) > 0 && !sameState(cur, p) {
		return fmt.Errorf("its state tensors differ from those of the current model, and state = \"carry\" needs them equal; set state = \"reset\"")
	}
	return nil
}

// swap puts m in place for the next steps, in probation. The caller has tested it.
func (s *Slot) swap(m *Model) error {
	s.mu.Lock()
	users := slices.Clone(s.users)
	s.mu.Unlock()
	a := &active{model: m, ready: map[*User]*Runner{}, pace: &recentTimes{}}
	for _, u := range users {
		r, err := NewRunner(m.Program)
		if err != nil {
			return err
		}
		a.ready[u] = r
	}
	old := s.cur.Load()
	if s.limits.ProbationRuns > 0 {
		a.prev, a.prob = old, &probation{left: s.limits.ProbationRuns}
	}
	if !s.cur.CompareAndSwap(old, a) {
		return fmt.Errorf("release: model %q changed while another was being swapped in", s.name)
	}
	if a.prob == nil {
		s.tell(m, "")
	}
	return nil
}

// rollBack goes back to what ran before a. Several tasks may ask at once: the first does it.
func (s *Slot) rollBack(a *active, reason string) {
	if s.cur.CompareAndSwap(a, a.prev) {
		s.tell(a.model, reason)
	}
}

// confirm ends a's probation and lets go of the model before it.
func (s *Slot) confirm(a *active) {
	if s.cur.CompareAndSwap(a, &active{model: a.model, pace: a.pace}) {
		s.tell(a.model, "")
	}
}

func (s *Slot) tell(m *Model, reason string) {
	s.mu.Lock()
	f := s.outcome
	s.mu.Unlock()
	if f != nil {
		f(m, reason)
	}
}

func (s *Slot) onOutcome(f func(m *Model, reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = f
}
