package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/hal/sim/gpiochip"
)

// account is a record of the guardian that can explain one change of the line's level.
type account struct {
	kind     string
	to       int
	from, by time.Duration // when the change can have been
	used     bool
}

// Account holds each change of the line's level against the guardian's records of the output in dir, one to one: a done record; a claim
// that changed the level; an intent that the next claim found carried out; or a claim that found another level than the records knew,
// which is how a change is known that the chip made itself, or whose record died with its guardian. matched is how many changes were
// explained. A change to the unsafe state that has no intent or claim before it is wrong too: the intent must be on disk first.
func Account(dir, output string, line int, events []gpiochip.Event, l Limits) (matched int, wrong []Violation, err error) {
	var accounts []*account
	intents := map[uint64]guard.Entry{}
	damage, err := journal.Read(dir, func(rec journal.Record) error {
		if rec.Kind == guard.KindState {
			return nil
		}
		var e guard.Entry
		if err := json.Unmarshal(rec.Data, &e); err != nil {
			return fmt.Errorf("audit: record in %s at %d: %w", rec.File, rec.Offset, err)
		}
		if e.Output != output {
			return nil
		}
		switch rec.Kind {
		case guard.KindIntent:
			intents[e.Change] = e
		case guard.KindDone:
			if e.Error != "" || e.To == nil || e.From != nil && *e.From == *e.To {
				break
			}
			accounts = append(accounts, &account{kind: "done", to: int(*e.To), from: time.Duration(e.SetNS), by: time.Duration(e.DoneNS)})
			if _, ok := intents[e.Change]; !ok && *e.To != l.Safe {
				wrong = append(wrong, Violation{time.Duration(e.SetNS), "record", fmt.Sprintf("left the safe state for %s without a record of the intent before it", *e.To)})
			}
		case guard.KindClaim:
			accounts = append(accounts, claimed(e, intents[e.Resolves], rec.Boot, l)...)
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	for _, d := range damage {
		if !d.Torn { // a torn end is what a kill leaves
			wrong = append(wrong, Violation{0, "record", d.String()})
		}
	}
	for _, e := range events {
		if e.Line != line || e.Event != gpiochip.EventTransition || e.From == e.To {
			continue
		}
		if match(accounts, e) {
			matched++
			continue
		}
		at := time.Duration(e.BootNS)
		wrong = append(wrong, Violation{at, "record", fmt.Sprintf("the change to %s (%s) is in no record of the guardian", config.Value(e.To), e.Cause)})
	}
	for _, a := range accounts {
		if !a.used && a.kind == "done" {
			wrong = append(wrong, Violation{a.by, "record", fmt.Sprintf("a change to %s is recorded that the chip never saw", config.Value(a.to))})
		}
	}
	return matched, wrong, nil
}

// claimed gives the changes that a claim record explains: its own, and at most one that it found made before it.
func claimed(e, intent guard.Entry, boot time.Duration, l Limits) (a []*account) {
	if e.Found == nil || e.To == nil {
		return nil
	}
	if *e.Found != *e.To {
		a = append(a, &account{kind: "claim", to: int(*e.To), from: boot - l.GuardianLost, by: boot + l.Lateness})
	}
	switch {
	case e.Last != nil && *e.Found != *e.Last:
		a = append(a, &account{kind: "found", to: int(*e.Found), by: boot})
	case e.Resolved == "done" && intent.To != nil:
		a = append(a, &account{kind: "resolved", to: int(*intent.To), by: boot})
	}
	return a
}

// match takes the first unused account that explains the event, those that state the change itself first.
func match(accounts []*account, e gpiochip.Event) bool {
	at := time.Duration(e.BootNS)
	for _, direct := range []bool{true, false} {
		for _, a := range accounts {
			if !a.used && (a.kind == "done" || a.kind == "claim") == direct && a.to == e.To && at >= a.from && at <= a.by {
				a.used = true
				return true
			}
		}
	}
	return false
}
