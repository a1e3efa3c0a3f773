package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wayside/agent"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/agent/pipeline"
	"wayside/agent/release"
	"wayside/agent/telemetry"
)

// follower reads a journal that another process writes, from where it stopped the last time.
type follower struct {
	dir string
	seq uint64
}

// next gives the new records. Every call reads the whole journal, which a demo's length keeps small.
func (f *follower) next(fn func(journal.Record) error) error {
	_, err := journal.Read(f.dir, func(r journal.Record) error {
		if r.Seq <= f.seq {
			return nil
		}
		f.seq = r.Seq
		return fn(r)
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil // the process has not come so far
	}
	return err
}

// history is everything that worker and guardian recorded so far.
type history struct {
	worker, guard follower

	steps     map[string][]step // per task, in order
	decisions map[string]pipeline.Decision
	requests  int
	refusals  int
	releases  []releaseAt
	guardPID  int
}

// version is a model that ran, with the release's version.
type version struct{ version, digest string }

// models are the versions that ran in a task, in order.
func (h *history) models(task string) []version {
	names := map[string]string{}
	for _, e := range h.releases {
		if e.Digest != "" {
			names[e.Digest] = e.Version
		}
	}
	var out []version
	seen := map[string]bool{}
	for _, s := range h.steps[task] {
		if s.Digest == "" || seen[s.Digest] {
			continue
		}
		seen[s.Digest] = true
		v, ok := names[s.Digest]
		if !ok {
			v = release.Factory
		}
		out = append(out, version{v, s.Digest})
	}
	return out
}

// stepsOf are a task's steps with one model.
func (h *history) stepsOf(task, digest string) []step {
	var out []step
	for _, s := range h.steps[task] {
		if s.Digest == digest {
			out = append(out, s)
		}
	}
	return out
}

type step struct {
	at time.Duration // boot time of the record
	agent.StepRecord
}

type releaseAt struct {
	at time.Duration
	release.Event
}

// change is one change of an output that the guardian recorded.
type change struct {
	at time.Duration
	guard.Entry
}

func newHistory(state string) *history {
	return &history{worker: follower{dir: filepath.Join(state, "journal")}, guard: follower{dir: filepath.Join(state, "guard")},
		steps: map[string][]step{}, decisions: map[string]pipeline.Decision{}}
}

// listener hears what is new. Any function may be nil.
type listener struct {
	step    func(step)
	refused func(at time.Duration, d pipeline.Decision, r agent.ReplyRecord)
	release func(releaseAt)
	change  func(change)
}

// news is one thing to tell, with its time.
type news struct {
	at   time.Duration
	tell func()
}

// update reads what is new in both journals and tells l, in the order of time.
func (h *history) update(l listener) error {
	var told []news
	err := h.worker.next(func(r journal.Record) error { return h.workerRecord(r, l, &told) })
	if err != nil {
		return fmt.Errorf("demo: the worker's journal: %w", err)
	}
	err = h.guard.next(func(r journal.Record) error {
		if r.Kind != guard.KindDone {
			return nil
		}
		c := change{at: r.Boot}
		if err := decode(r, &c.Entry); err != nil {
			return err
		}
		if l.change != nil {
			told = append(told, news{c.at, func() { l.change(c) }})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("demo: the guardian's record: %w", err)
	}
	slices.SortStableFunc(told, func(a, b news) int { return cmp.Compare(a.at, b.at) })
	for _, n := range told {
		n.tell()
	}
	return nil
}

func (h *history) workerRecord(r journal.Record, l listener, told *[]news) error {
	later := func(f func()) { *told = append(*told, news{r.Boot, f}) }
	switch r.Kind {
	case agent.KindStep:
		s := step{at: r.Boot}
		if err := decode(r, &s.StepRecord); err != nil {
			return err
		}
		h.steps[s.Task] = append(h.steps[s.Task], s)
		if l.step != nil {
			later(func() { l.step(s) })
		}
	case agent.KindDecision:
		var d pipeline.Decision
		if err := decode(r, &d); err != nil {
			return err
		}
		h.decisions[d.ID] = d
		h.requests++
	case agent.KindReply:
		var a agent.ReplyRecord
		if err := decode(r, &a); err != nil {
			return err
		}
		if a.Accepted {
			return nil
		}
		h.refusals++
		if l.refused != nil {
			later(func() { l.refused(r.Boot, h.decisions[a.Decision], a) })
		}
	case agent.KindRelease:
		e := releaseAt{at: r.Boot}
		if err := decode(r, &e.Event); err != nil {
			return err
		}
		h.releases = append(h.releases, e)
		if l.release != nil {
			later(func() { l.release(e) })
		}
	case agent.KindGuardian:
		var g agent.GuardianRecord
		if err := decode(r, &g); err != nil {
			return err
		}
		if g.Event == "connected" || g.Event == "started" {
			h.guardPID = g.PID
		}
	}
	return nil
}

func decode(r journal.Record, v any) error {
	if err := json.Unmarshal(r.Data, v); err != nil {
		return fmt.Errorf("%s at %d: %s: %w", r.File, r.Offset, r.Kind, err)
	}
	return nil
}

// totals asks the worker for its counters.
func totals(ctx context.Context, page string) (telemetry.Totals, error) {
	var st struct {
		Totals telemetry.Totals `json:"totals"`
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+page+"/api/status", nil)
	if err != nil {
		return st.Totals, fmt.Errorf("demo: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return st.Totals, fmt.Errorf("demo: the worker's counters: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil {
		return st.Totals, fmt.Errorf("demo: the worker's counters: %w", err)
	}
	return st.Totals, nil
}
