package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard/audit"
)

// verdict is what the chip's record of the sign's line says, held against the declared rules, the faults and the guardian's own records.
type verdict struct {
	wrong       []string
	transitions int           // of the level, as the chip recorded them
	worstSafe   time.Duration // from the loss of the worker to the safe state
	worstOwned  time.Duration // from the loss of the guardian to the next claim
	records     int           // of the guardian that account for them
	missed      float64       // polls, by model swaps
	unjudged    int           // swaps during which the machine itself stood still for half a poll's period
	lateness    time.Duration
}

// lateness is what tick, sockets and scheduling may add to a deadline; the rig's own worst hiccup comes on top. Earliness is never forgiven.
const lateness = 250 * time.Millisecond

func (v *verdict) errorf(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func judgeChaos(t *testing.T, r *chaosRig, faults []fault) *verdict {
	t.Helper()
	events := r.recorded()
	late := lateness + r.hiccups.worst(0, r.clock.Boot())
	limits := audit.Limits{MinOff: chaosMinOff, MaxOn: chaosMaxOn, OnStart: config.PolicySafe, GuardianLost: time.Second, Lateness: late}
	seen := audit.Check(limits, chaosSign, events)
	matched, unrecorded, err := audit.Account(filepath.Join(r.path("state"), "guard"), "sign", chaosSign, events, limits)
	if err != nil {
		t.Fatal(err)
	}
	v := &verdict{transitions: seen.Transitions, records: matched, worstOwned: seen.Unowned, lateness: late}
	for _, w := range append(seen.Violations, unrecorded...) {
		v.wrong = append(v.wrong, w.String())
	}
	on := seen.On
	for _, f := range faults {
		switch f.kind {
		case "kill -9 worker", "SIGSTOP worker", "sensor dead", "stale sensor":
			v.safeAfter(on, f, chaosLease)
		case "door open":
			v.forbidden(on, f)
		case "model swap":
			d := f.missedAfter - f.missedBefore
			if d > 0 && r.hiccups.worst(f.at, f.done) > chaosPoll/2 {
				v.unjudged++
			} else if d > 0 {
				v.missed += d
				v.errorf("a model swap at %s cost %g polls", f.at, d)
			}
		}
	}
	return v
}

// safeAfter: within the given time after the fault the sign is off, and it stays so as long as the fault lasts.
func (v *verdict) safeAfter(on []audit.Stretch, f fault, within time.Duration) {
	deadline := f.done + within
	for _, s := range on {
		if s.From < f.at && s.To > f.at {
			d := s.To - f.at
			if f.kind == "kill -9 worker" || f.kind == "SIGSTOP worker" {
				v.worstSafe = max(v.worstSafe, d)
			}
			if s.To > deadline+v.lateness {
				v.errorf("%s at %s: still on %s later; the lease is %s", f.kind, f.at, d, within)
			}
		}
		// A decision that was on its way when the fault came may still arrive, for one lease; a new one may not.
		if f.until > 0 && s.From > deadline && s.From < f.until {
			v.errorf("%s at %s: on at %s, in the middle of it", f.kind, f.at, s.From)
		}
	}
}

// forbidden: an interlock ends on, and keeps it from beginning, within one reading of the door.
func (v *verdict) forbidden(on []audit.Stretch, f fault) {
	deadline := f.done + chaosPoll + v.lateness
	for _, s := range on {
		if s.From < f.until && s.To > deadline && s.From < deadline {
			v.errorf("the door opened at %s and the sign was on until %s", f.at, s.To)
		}
		if s.From > deadline && s.From < f.until {
			v.errorf("the door was open from %s and the sign came on at %s", f.at, s.From)
		}
	}
}
