package guard

import (
	"encoding/json"
	"fmt"
	"time"

	"wayside/agent/config"
	"wayside/agent/journal"
)

// Kinds of the guardian's records.
const (
	KindStart  = "start"  // the guardian started
	KindClaim  = "claim"  // a line was claimed with its initial value
	KindIntent = "intent" // an output is about to leave its safe state; on the disk before it does
	KindDone   = "done"   // an output's value changed, or the attempt failed
	KindCancel = "cancel" // an intent that was not carried out
	KindRefuse = "refuse" // a request was refused; repeated refusals for the same reason are counted, not repeated
	KindWorker = "worker" // the worker came, left or crashed, or a task of it stopped
	KindReload = "reload" // another configuration came into force, or was refused
	KindStop   = "stop"   // the guardian ended in order
	KindState  = "state"  // first in every segment: what the deleted ones said
)

// Entry is the payload of every record but KindState. What does not apply is left out.
type Entry struct {
	Change   uint64        `json:"change,omitempty"` // one number for intent, done, cancel and Reply.Seq of one change; a boot time in ns, unique
	Output   string        `json:"output,omitempty"`
	Task     string        `json:"task,omitempty"`
	Decision string        `json:"decision,omitempty"`
	From     *config.Value `json:"from,omitempty"` // as last recorded
	To       *config.Value `json:"to,omitempty"`
	Rule     string        `json:"rule,omitempty"`   // request, on_start, on_stop, on_worker_lost, on_stale, max_on, interlock, reload, fault
	Reason   string        `json:"reason,omitempty"` // the same in words
	InputNS  int64         `json:"input_boot_ns,omitempty"`
	LeaseNS  int64         `json:"lease_ns,omitempty"`
	SetNS    int64         `json:"set_boot_ns,omitempty"`  // when the line was commanded
	DoneNS   int64         `json:"done_boot_ns,omitempty"` // when it confirmed
	ReadBack *config.Value `json:"read_back,omitempty"`
	Error    string        `json:"error,omitempty"` // the change failed; the line's state is unknown until the next claim
	Count    int           `json:"count,omitempty"` // of refusals like this since the last such record

	// Of a claim.
	Found    *config.Value `json:"found,omitempty"`    // level before the claim; absent if the line cannot be read unclaimed
	Last     *config.Value `json:"last,omitempty"`     // level by the records; differs from Found if the last change's record was lost
	Resolves uint64        `json:"resolves,omitempty"` // the intent that was still open
	Resolved string        `json:"resolved,omitempty"` // done, not_done or unknown

	PID    int    `json:"pid,omitempty"`
	Config string `json:"config,omitempty"`
}

func ptr(v config.Value) *config.Value { return &v }

// opsWindow counts changes within the last hour, by minute. A minute's changes all count as old as its last: the limit is never exceeded, and
// a slot becomes free up to one minute late.
type opsWindow struct {
	Minutes []opsMinute `json:"minutes,omitempty"`
}

type opsMinute struct {
	Last int64 `json:"t"` // boot ns of the last change in it; negative: before the boot
	N    int   `json:"n"`
}

func (w *opsWindow) add(at time.Duration) {
	if n := len(w.Minutes); n > 0 && floorMinute(w.Minutes[n-1].Last) == floorMinute(int64(at)) {
		w.Minutes[n-1].N++
		w.Minutes[n-1].Last = int64(at)
		return
	}
	w.trim(at)
	w.Minutes = append(w.Minutes, opsMinute{int64(at), 1})
}

func floorMinute(ns int64) int64 {
	m := int64(time.Minute)
	return (ns - ((ns%m)+m)%m) / m
}

func (w *opsWindow) trim(now time.Duration) {
	i := 0
	for i < len(w.Minutes) && w.Minutes[i].Last <= int64(now-time.Hour) {
		i++
	}
	if i > 0 {
		w.Minutes = append(w.Minutes[:0], w.Minutes[i:]...)
	}
}

func (w *opsWindow) count(now time.Duration) int {
	w.trim(now)
	n := 0
	for _, m := range w.Minutes {
		n += m.N
	}
	return n
}

// lineHistory is what the records say of one output.
type lineHistory struct {
	Value    config.Value `json:"value"`
	Known    bool         `json:"known"` // Value holds, in this boot
	SinceNS  int64        `json:"since_ns"`
	Task     string       `json:"task,omitempty"` // the last request that was carried out
	Decision string       `json:"decision,omitempty"`
	InputNS  int64        `json:"input_boot_ns,omitempty"`
	LeaseNS  int64        `json:"lease_ns,omitempty"`
	Ops      opsWindow    `json:"ops"`
	Open     *Entry       `json:"open,omitempty"` // an intent with neither done nor cancel
}

// history is the state that must outlive the guardian. It has one truth, the records: it is folded from them at start, and kept folded
// by the writer so that every segment can begin with it.
type history struct {
	BootID  string                  `json:"boot_id"`
	BootNS  int64                   `json:"boot_ns"` // of the newest record
	Outputs map[string]*lineHistory `json:"outputs"`
}

func newHistory() *history { return &history{Outputs: map[string]*lineHistory{}} }

func (h *history) line(name string) *lineHistory {
	l := h.Outputs[name]
	if l == nil {
		l = &lineHistory{}
		h.Outputs[name] = l
	}
	return l
}

// boot enters another boot: levels and timers of the old one mean nothing, and its changes age only by uptime.
func (h *history) boot(id string) {
	if h.BootID == id {
		return
	}
	if h.BootID != "" {
		for _, l := range h.Outputs {
			l.Known, l.SinceNS, l.InputNS = false, 0, 0
			for i := range l.Ops.Minutes {
				l.Ops.Minutes[i].Last -= h.BootNS
			}
		}
	}
	h.BootID, h.BootNS = id, 0
}

// read folds one record of the journal.
func (h *history) read(r journal.Record) error {
	if r.Kind == KindState {
		fresh := newHistory()
		if err := json.Unmarshal(r.Data, fresh); err != nil {
			return fmt.Errorf("guard: record %d in %s: %w", r.Seq, r.File, err)
		}
		if fresh.Outputs == nil {
			fresh.Outputs = map[string]*lineHistory{}
		}
		for name, l := range fresh.Outputs {
			if l == nil {
				delete(fresh.Outputs, name)
			}
		}
		*h = *fresh
		h.boot(r.BootID)
		return nil
	}
	var e Entry
	if err := json.Unmarshal(r.Data, &e); err != nil {
		return fmt.Errorf("guard: record %d in %s: %w", r.Seq, r.File, err)
	}
	h.boot(r.BootID)
	h.apply(r.Kind, &e, r.Boot)
	return nil
}

// apply folds one entry.
func (h *history) apply(kind string, e *Entry, boot time.Duration) {
	h.BootNS = max(h.BootNS, int64(boot))
	if e.Output == "" {
		return
	}
	l := h.line(e.Output)
	switch kind {
	case KindIntent:
		open := *e
		l.Open = &open
	case KindCancel:
		if l.Open != nil && l.Open.Change == e.Change {
			l.Open = nil
		}
	case KindDone:
		if l.Open != nil && l.Open.Change == e.Change {
			l.Open = nil
		}
		if e.Error != "" || e.To == nil {
			l.Known = false
			l.Ops.add(time.Duration(e.DoneNS)) // it may have moved all the same
			return
		}
		l.took(*e.To, e.DoneNS)
		l.Task, l.Decision, l.InputNS, l.LeaseNS = e.Task, e.Decision, e.InputNS, e.LeaseNS
	case KindClaim:
		l.Open = nil
		if e.Found != nil && e.Last != nil && *e.Found != *e.Last {
			l.took(*e.Found, e.SetNS) // the change whose record was lost
		}
		switch {
		case e.To == nil:
			return
		case e.Found != nil && *e.Found == *e.To && l.Known:
			return // stayed as it was, and so do its timers
		case e.Found != nil && *e.Found == *e.To:
			l.Value, l.Known, l.SinceNS = *e.To, true, e.DoneNS
		default:
			l.took(*e.To, e.DoneNS)
		}
	}
}

// took notes a change of value.
func (l *lineHistory) took(v config.Value, at int64) {
	if !l.Known || l.Value != v {
		l.Ops.add(time.Duration(at))
		l.SinceNS = at
	}
	l.Value, l.Known = v, true
}
