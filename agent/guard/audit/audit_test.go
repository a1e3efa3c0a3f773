package audit

import (
	"strings"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/hal/sim/gpiochip"
)

const ms = time.Millisecond

func ev(at time.Duration, kind gpiochip.EventKind, to int, cause gpiochip.Cause) gpiochip.Event {
	return gpiochip.Event{BootNS: int64(at), Line: 2, Event: kind, From: 1 - to, To: to, Cause: cause}
}

func set(at time.Duration, to int) gpiochip.Event {
	return ev(at, gpiochip.EventTransition, to, gpiochip.CauseSet)
}

var limits = Limits{MinOff: 300 * ms, MaxOn: 2 * time.Second, OnStart: config.PolicySafe, GuardianLost: time.Second, Lateness: 50 * ms}

func TestCheck(t *testing.T) {
	claim := func(at time.Duration) gpiochip.Event {
		return ev(at, gpiochip.EventClaim, 0, gpiochip.CauseRequest)
	}
	release := func(at time.Duration) gpiochip.Event {
		return ev(at, gpiochip.EventRelease, 0, gpiochip.CauseClosed)
	}
	for _, c := range []struct {
		name   string
		events []gpiochip.Event
		rules  string // of the violations, in order
		on     int
	}{
		{"in order", []gpiochip.Event{claim(1 * ms), set(10*ms, 1), set(500*ms, 0), set(800*ms, 1), set(900*ms, 0)}, "", 2},
		{"off too short", []gpiochip.Event{claim(1 * ms), set(10*ms, 1), set(500*ms, 0), set(799*ms, 1), set(900*ms, 0)}, "min_off", 2},
		{"on too long", []gpiochip.Event{set(10*ms, 1), set(2061*ms, 0)}, "max_on", 1},
		{"on a little late", []gpiochip.Event{set(10*ms, 1), set(2059*ms, 0)}, "", 1},
		{"still on at the end", []gpiochip.Event{set(10*ms, 1), {BootNS: int64(3 * time.Second), Line: -1}}, "max_on", 1},
		{"on through a lost guardian", []gpiochip.Event{claim(1 * ms), set(10*ms, 1), release(1900 * ms), claim(2800 * ms), set(2900*ms, 0)}, "", 1},
		{"on by a claim", []gpiochip.Event{ev(1*ms, gpiochip.EventTransition, 1, gpiochip.CauseRequest), set(10*ms, 0)}, "on_start", 1},
		{"guardian lost too long", []gpiochip.Event{claim(1 * ms), release(10 * ms), claim(1011 * ms)}, "guardian lost", 0},
		{"released at the end", []gpiochip.Event{claim(1 * ms), release(10 * ms), {BootNS: int64(9 * time.Second), Line: -1}}, "", 0},
		{"another line", []gpiochip.Event{{BootNS: 1, Line: 3, Event: gpiochip.EventTransition, To: 1, Cause: gpiochip.CauseRequest}}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Check(limits, 2, c.events)
			var rules []string
			for _, v := range r.Violations {
				rules = append(rules, v.Rule)
			}
			if got := strings.Join(rules, " "); got != c.rules {
				t.Errorf("violations %q, want %q: %v", got, c.rules, r.Violations)
			}
			if len(r.On) != c.on {
				t.Errorf("%d stretches, want %d", len(r.On), c.on)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	on, off := config.On, config.Off
	done := func(at time.Duration, from, to config.Value) guard.Entry {
		return guard.Entry{Output: "sign", Change: uint64(at), From: &from, To: &to, SetNS: int64(at - ms), DoneNS: int64(at + ms)}
	}
	intent := func(at time.Duration) guard.Entry {
		return guard.Entry{Output: "sign", Change: uint64(at), To: &on}
	}
	type rec struct {
		kind string
		v    guard.Entry
	}
	switched := []rec{{guard.KindIntent, intent(10 * ms)}, {guard.KindDone, done(10*ms, off, on)}}
	for _, c := range []struct {
		name    string
		records []rec
		events  []gpiochip.Event
		matched int
		wrong   string
	}{
		{"one to one", append(switched[:2:2], rec{guard.KindDone, done(20*ms, on, off)}), []gpiochip.Event{set(10*ms, 1), set(20*ms, 0)}, 2, ""},
		{"a record is missing", switched, []gpiochip.Event{set(10*ms, 1), set(20*ms, 0)}, 1, "in no record"},
		{"a change is missing", switched, nil, 0, "never saw"},
		{"one record is not enough for two", switched, []gpiochip.Event{set(10*ms, 1), set(10*ms+1, 1)}, 1, "in no record"},
		{"another time", switched, []gpiochip.Event{set(15*ms, 1)}, 0, "in no record"},
		{"no intent before it", switched[1:], []gpiochip.Event{set(10*ms, 1)}, 1, "intent"},
		{"a failed change is none", []rec{{guard.KindDone, guard.Entry{Output: "sign", To: &on, SetNS: 1, DoneNS: 2, Error: "line lost"}}}, nil, 0, ""},
		{"another output", []rec{{guard.KindDone, guard.Entry{Output: "siren", From: &off, To: &on, SetNS: 1, DoneNS: 2}}}, nil, 0, ""},
		{"an intent that was carried out", []rec{{guard.KindIntent, intent(7)},
			{guard.KindClaim, guard.Entry{Output: "sign", Found: &on, To: &on, Resolves: 7, Resolved: "done"}}}, []gpiochip.Event{set(10*ms, 1)}, 1, ""},
		{"a change found at the claim", []rec{{guard.KindClaim, guard.Entry{Output: "sign", Found: &off, Last: &on, To: &off}}}, []gpiochip.Event{set(10*ms, 0)}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			j, err := journal.Open(dir, journal.Options{Clock: still{}})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range c.records {
				if _, err := j.Append(r.kind, r.v); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			matched, wrong, err := Account(dir, "sign", 2, c.events, limits)
			if err != nil || matched != c.matched {
				t.Errorf("matched %d, want %d; error %v", matched, c.matched, err)
			}
			text := ""
			for _, w := range wrong {
				text += w.String() + "\n"
			}
			if c.wrong == "" && text != "" || !strings.Contains(text, c.wrong) {
				t.Errorf("violations %q, want %q", text, c.wrong)
			}
		})
	}
}

// still is a clock that stands at one second.
type still struct{}

func (still) Now() time.Time                       { return time.Unix(1, 0) }
func (still) Boot() time.Duration                  { return time.Second }
func (still) After(time.Duration) <-chan time.Time { return nil }
