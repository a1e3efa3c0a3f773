package guard

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/hal"
	_ "wayside/hal/outputs/sim"
	_ "wayside/hal/sensors/siminput"
)

// TestMain also fails when a guardian, a client or a writer of any test leaves a goroutine behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		os.Exit(code) // the fuzzing engine keeps goroutines of its own
	}
	for i := 0; runtime.NumGoroutine() > before && i < 100; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before && code == 0 {
		stacks := make([]byte, 1<<16)
		fmt.Fprintf(os.Stderr, "%d goroutines left behind:\n%s\n", n-before, stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

const coreText = `
[site]
name = "core"
[[sensor]]
name = "door"
driver = "sim-input"
chip = "g"
line = 5
period = "10ms"
stale_after = "400ms"
[[model]]
name = "m"
file = "m.tflite"
[[task]]
name = "a"
sensors = ["door"]
period = "100ms"
window = "100ms"
model = "m"
[[task]]
name = "b"
sensors = ["door"]
period = "100ms"
window = "100ms"
model = "m"
[[output]]
name = "sign"
kind = "sim"
chip = "g"
line = 3
tasks = ["a", "b"]
min_on = "200ms"
min_off = "300ms"
max_on = "2s"
max_ops_per_hour = 8
max_input_age = "500ms"
max_lease = "1s"
[[output]]
name = "lamp"
kind = "sim"
chip = "g"
line = 4
tasks = ["a"]
max_input_age = "500ms"
[[interlock]]
name = "door"
forbids = "sign"
when = "sensor:door > 0.5"
[[interlock]]
name = "lamp"
forbids = "sign"
when = "output:lamp = on"
`

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "core.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// bench drives a Core by hand: it keeps actions, and answers what it is told to answer.
type bench struct {
	t       *testing.T
	c       *Core
	now     time.Duration
	acts    []Action
	replies map[uint64]Reply
	token   uint64
	records []Action
}

const begin = 5000 * time.Second

// newBench has every line claimed, the door closed and read just now.
func newBench(t *testing.T, text string) *bench {
	t.Helper()
	b := &bench{t: t, now: begin, replies: map[uint64]Reply{}}
	b.c = NewCore(parse(t, text), newHistory(), "", b.now)
	b.take(b.c.Tick(b.now))
	for _, a := range b.pop(ActPeek) {
		b.take(b.c.Peeked(b.now, a.Output.Name, config.Off, nil))
	}
	for _, a := range b.pop(ActClaim) {
		b.take(b.c.Claimed(b.now, a.Output.Name, nil))
	}
	b.door(0)
	b.wait(time.Second)
	return b
}

func (b *bench) take(acts []Action) {
	for _, a := range acts {
		switch a.Kind {
		case ActReply:
			b.replies[a.Token] = a.Reply
		case ActRecord:
			b.records = append(b.records, a)
			if a.Durable {
				b.acts = append(b.acts, a)
			}
		default:
			b.acts = append(b.acts, a)
		}
	}
}

func (b *bench) pop(k ActionKind) (out []Action) {
	kept := b.acts[:0:0]
	for _, a := range b.acts {
		if a.Kind == k {
			out = append(out, a)
		} else {
			kept = append(kept, a)
		}
	}
	b.acts = kept
	return out
}

// wait lets time pass in ticks, with a heartbeat of both tasks and a reading of the closed door every 50 ms if they were alive.
func (b *bench) wait(d time.Duration) {
	for end := b.now + d; b.now < end; {
		b.now += min(10*time.Millisecond, end-b.now)
		b.take(b.c.Tick(b.now))
		if r := b.c.readings["door"]; r.have && r.err == nil && (b.now-begin)%(50*time.Millisecond) == 0 {
			b.door(r.s.Value)
		}
	}
}

func (b *bench) door(v float64) {
	b.take(b.c.Sample(b.now, "door", hal.Sample{Boot: b.now, Value: v}, nil))
}

func (b *bench) ask(change func(*Request)) uint64 {
	r := Request{Task: "a", Output: "sign", Value: 1, DecisionID: "d1", InputBoot: b.now, Lease: 600 * time.Millisecond}
	if change != nil {
		change(&r)
	}
	b.token++
	b.take(b.c.Request(b.now, b.token, r))
	return b.token
}

// disk confirms every intent, and the line every command.
func (b *bench) settle() {
	for range 4 {
		for _, a := range b.pop(ActRecord) {
			b.take(b.c.Durable(b.now, a.Change, nil))
		}
		for _, a := range b.pop(ActSet) {
			b.take(b.c.Done(b.now, a.Output.Name, a.Change, a.Value, nil))
		}
	}
}

func (b *bench) on() *bench {
	b.t.Helper()
	tok := b.ask(nil)
	b.settle()
	if rep := b.replies[tok]; !rep.Accepted || rep.Seq == 0 || b.value("sign") != config.On {
		b.t.Fatalf("on: %+v, line %s", rep, b.value("sign"))
	}
	return b
}

func (b *bench) value(name string) config.Value { return b.c.line(name).value }

func (b *bench) want(tok uint64, prefix string) {
	b.t.Helper()
	b.settle()
	rep, ok := b.replies[tok]
	switch {
	case !ok:
		b.t.Errorf("request %d has no answer", tok)
	case prefix == "" && !rep.Accepted:
		b.t.Errorf("refused: %s", rep.Reason)
	case prefix != "" && (rep.Accepted || !strings.HasPrefix(rep.Reason, prefix)):
		b.t.Errorf("answer %+v, want a refusal %q", rep, prefix)
	}
}

func (b *bench) wantSafe(reason string) {
	b.t.Helper()
	b.settle()
	if l := b.c.line("sign"); l.value != config.Off || !strings.Contains(l.reason, reason) {
		b.t.Errorf("line %s because %q, want off because %q", l.value, l.reason, reason)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*bench)
		ask    func(*Request)
		want   string
	}{
		{"granted", nil, nil, ""},
		{"unknown output", nil, func(r *Request) { r.Output = "sing" }, `unknown output "sing"`},
		{"not its task", nil, func(r *Request) { r.Output, r.Task = "lamp", "b" }, `not allowed for task "b"`},
		{"no such task", nil, func(r *Request) { r.Task = "zz" }, `not allowed for task "zz"`},
		{"value", nil, func(r *Request) { r.Value = 0.5 }, "bad request: value 0.5"},
		{"no decision", nil, func(r *Request) { r.DecisionID = "" }, "bad request: a decision id"},
		{"quality", nil, func(r *Request) { r.Quality = hal.Stale }, "input quality stale"},
		{"substituted", nil, func(r *Request) { r.Quality = hal.Substituted }, "input quality substituted"},
		{"too old", nil, func(r *Request) { r.InputBoot -= 1300 * time.Millisecond }, "input too old 1.3s > 500ms"},
		{"future", nil, func(r *Request) { r.InputBoot += time.Second }, "input from the future by 1s"},
		{"no lease", nil, func(r *Request) { r.Lease = 0 }, "lease missing"},
		{"long lease", nil, func(r *Request) { r.Lease = 2 * time.Second }, "lease too long: 2s, max_lease is 1s"},
		{"renewed by newer input", func(b *bench) { b.on().wait(100 * time.Millisecond) }, nil, ""},
		{"not newer", func(b *bench) { b.on() }, nil, "not newer"},
		{"interlock", func(b *bench) { b.door(1) }, nil, "interlock door: sensor door is 1"},
		{"interlock without reading", func(b *bench) { b.c.readings = map[string]reading{} }, nil, "interlock door: sensor door has not been read"},
		{"interlock unread", func(b *bench) { b.take(b.c.Sample(b.now, "door", hal.Sample{}, hal.ErrTimeout)) }, nil, "interlock door: sensor door: no answer"},
		{"interlock doubtful", func(b *bench) {
			b.take(b.c.Sample(b.now, "door", hal.Sample{Boot: b.now, Quality: hal.WireBreak, Reason: "open"}, nil))
		}, nil, "interlock door: sensor door is wire_break: open"},
		{"interlock stale", func(b *bench) {
			b.take(b.c.Sample(b.now, "door", hal.Sample{Boot: b.now - 500*time.Millisecond}, nil))
		}, nil, "interlock door: sensor door was last read 500ms ago"},
		{"interlock by output", func(b *bench) {
			b.want(b.ask(func(r *Request) { r.Output = "lamp" }), "")
		}, nil, "interlock lamp: output lamp is on"},
		{"interlock by an intent", func(b *bench) { b.ask(func(r *Request) { r.Output = "lamp" }) }, nil, "interlock lamp: output lamp is on"},
		{"min_off", func(b *bench) {
			b.on().wait(250 * time.Millisecond)
			b.want(b.ask(func(r *Request) { r.Value = 0 }), "")
			b.wait(180 * time.Millisecond)
		}, nil, "min_off 120ms left"},
		{"min_on", func(b *bench) { b.on().wait(50 * time.Millisecond) }, func(r *Request) { r.Value = 0 }, "min_on 150ms left"},
		{"safe needs no fresh input", func(b *bench) { b.on().wait(250 * time.Millisecond) }, func(r *Request) { r.Value, r.InputBoot, r.Quality, r.Lease = 0, 0, hal.DeviceMissing, 0 }, ""},
		{"fault", func(b *bench) { b.c.line("sign").phase = unclaimed; b.c.line("sign").retry = 1 << 60 }, nil, "line fault: "},
		{"degraded", func(b *bench) { b.c.broken = "site.toml:3: x" }, nil, "configuration broken: site.toml:3: x"},
		{"degraded still goes safe", func(b *bench) { b.c.broken = "x" }, func(r *Request) { r.Value = 0 }, ""},
		{"stopping", func(b *bench) { b.take(b.c.Stop(b.now)) }, nil, "stopping"},
		{"another task's intent", func(b *bench) { b.ask(nil) }, func(r *Request) { r.Task = "b" }, "change in progress"},
		{"ops per hour", func(b *bench) {
			for range 4 {
				b.on().wait(250 * time.Millisecond)
				b.want(b.ask(func(r *Request) { r.Value = 0 }), "")
				b.wait(400 * time.Millisecond)
			}
		}, nil, "ops per hour: 8 changes in the last hour, 8 allowed"},
		{"max_on asks for off first", func(b *bench) { maxOn(b) }, nil, "max_on: off must be asked for first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, coreText)
			if c.before != nil {
				c.before(b)
			}
			b.want(b.ask(c.ask), c.want)
		})
	}
}

// maxOn keeps the sign on by renewals until max_on ends it.
func maxOn(b *bench) {
	b.on()
	for range 25 {
		b.wait(100 * time.Millisecond)
		b.ask(nil)
		b.settle()
	}
}

func TestRecordComesFirst(t *testing.T) {
	b := newBench(t, coreText)
	tok := b.ask(nil)
	if len(b.pop(ActSet)) != 0 {
		t.Fatal("the line was driven before its record was on disk")
	}
	b.wait(110 * time.Millisecond) // the disk says nothing
	b.want(tok, "record not durable: not on disk within 100ms")
	if b.value("sign") != config.Off {
		t.Error("on without a record")
	}
	if last := b.records[len(b.records)-2].Record; last != KindCancel {
		t.Errorf("the open intent ends with %s, want cancel", last)
	}
	b.wait(10 * time.Millisecond)
	tok = b.ask(nil)
	intent := b.pop(ActRecord)[0]
	b.take(b.c.Durable(b.now, intent.Change, errors.New("no space left")))
	b.want(tok, "record not durable: no space left")

	// A disk that answers after the refusal changes nothing.
	b.take(b.c.Durable(b.now, intent.Change, nil))
	if len(b.pop(ActSet)) != 0 {
		t.Error("a late disk switched the line on")
	}
}

func TestGoingSafe(t *testing.T) {
	for _, c := range []struct {
		name   string
		event  func(*bench)
		reason string
	}{
		{"lease ends", func(b *bench) { b.wait(600 * time.Millisecond) }, "lease of 600ms ended"},
		{"worker lost", func(b *bench) { b.take(b.c.WorkerGone(b.now, false)) }, "worker lost"},
		{"bye", func(b *bench) { b.take(b.c.WorkerGone(b.now, true)) }, "worker stopped"},
		{"door", func(b *bench) { b.door(1) }, "interlock door"},
		{"door unreadable", func(b *bench) { b.take(b.c.Sample(b.now, "door", hal.Sample{}, hal.ErrNoDevice)) }, "interlock door"},
		{"stop", func(b *bench) { b.take(b.c.Stop(b.now)) }, "stopped"},
		{"max_on", maxOn, "on for max_on 2s"},
		{"changed by a reload", func(b *bench) {
			b.take(b.c.Reconfigure(b.now, parse(b.t, strings.Replace(coreText, "line = 3", "line = 6", 1))))
		}, "its configuration changed"},
		{"removed by a reload", func(b *bench) {
			text := coreText[:strings.Index(coreText, "[[output]]\nname = \"sign\"")] + coreText[strings.Index(coreText, "[[output]]\nname = \"lamp\""):strings.Index(coreText, "[[interlock]]")]
			b.take(b.c.Reconfigure(b.now, parse(b.t, text)))
			b.settle()
			if b.c.line("sign") != nil || len(b.pop(ActRelease)) != 1 {
				b.t.Error("the removed line was not given up")
			}
			b.take(b.c.Released(b.now, "sign"))
			if len(b.c.outs) != 1 {
				b.t.Errorf("%d lines left, want 1", len(b.c.outs))
			}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, coreText)
			if c.name != "max_on" {
				b.on() // just now: min_on has not passed, and going safe does not wait for it
			}
			c.event(b)
			if c.reason != "" {
				b.wantSafe(c.reason)
			}
		})
	}
}

func TestSafeOverridesWhatIsUnderWay(t *testing.T) {
	b := newBench(t, coreText)
	tok := b.ask(nil)
	b.take(b.c.Durable(b.now, b.pop(ActRecord)[0].Change, nil))
	set := b.pop(ActSet)[0]
	b.door(1) // while the line is being driven
	b.take(b.c.Done(b.now, "sign", set.Change, config.On, nil))
	if next := b.pop(ActSet); len(next) != 1 || next[0].Value != config.Off {
		t.Fatalf("after the command came %+v, want off at once", next)
	} else {
		b.acts = append(b.acts, next...)
	}
	b.want(tok, "")
	b.wantSafe("interlock door")

	b = newBench(t, coreText)
	tok = b.ask(nil)
	b.door(1) // while the intent is on its way to the disk
	b.want(tok, "interlock door")
	if b.value("sign") != config.Off {
		t.Error("switched on under an interlock")
	}
}

func TestFault(t *testing.T) {
	b := newBench(t, coreText)
	tok := b.ask(nil)
	b.take(b.c.Durable(b.now, b.pop(ActRecord)[0].Change, nil))
	b.take(b.c.Done(b.now, "sign", b.pop(ActSet)[0].Change, 0, errors.New("no answer")))
	b.want(tok, "line fault: no answer")
	if len(b.pop(ActRelease)) != 1 {
		t.Fatal("a line of unknown state was kept")
	}
	b.take(b.c.Released(b.now, "sign"))
	if len(b.pop(ActPeek)) != 1 {
		t.Fatal("not looked at again")
	}
	b.take(b.c.Peeked(b.now, "sign", config.On, nil))
	if cl := b.pop(ActClaim); len(cl) != 1 || cl[0].Value != config.Off {
		t.Fatalf("claimed %+v, want safe", cl)
	}
	b.take(b.c.Claimed(b.now, "sign", hal.ErrBusy))
	b.wait(30 * time.Millisecond)
	if len(b.pop(ActPeek)) != 1 {
		t.Fatal("a busy line was not tried again")
	}

	b = newBench(t, coreText)
	tok = b.ask(nil)
	b.take(b.c.Durable(b.now, b.pop(ActRecord)[0].Change, nil))
	b.take(b.c.Done(b.now, "sign", b.pop(ActSet)[0].Change, config.Off, nil))
	b.want(tok, "line fault: reads back off")
}

func TestTwoTasksAndHeartbeats(t *testing.T) {
	b := newBench(t, coreText)
	b.on()
	b.want(b.ask(func(r *Request) { r.Task = "b" }), "") // b holds it too
	b.wait(250 * time.Millisecond)
	b.want(b.ask(func(r *Request) { r.Value = 0 }), "") // a lets go
	if b.value("sign") != config.On {
		t.Error("one task's off took the other's lease")
	}
	b.want(b.ask(func(r *Request) { r.Task, r.Value = "b", 0 }), "")
	if b.value("sign") != config.Off {
		t.Error("nobody holds it, and it is on")
	}

	// A task that makes no progress loses its lease, whatever its length, and another's stays.
	b = newBench(t, strings.Replace(coreText, `max_lease = "1s"`, `max_lease = "9s"`, 1))
	b.want(b.ask(func(r *Request) { r.Lease = 9 * time.Second }), "")
	b.wait(900 * time.Millisecond)
	if b.value("sign") != config.On {
		t.Fatal("gave up too early")
	}
	b.wait(200 * time.Millisecond)
	b.wantSafe("task a makes no progress")
	if why, acts := b.c.Heartbeat(b.now, "zz", time.Second); why == "" || len(acts) > 0 {
		t.Error("a heartbeat of an unknown task was taken")
	}
}

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		key, policy string
		event       func(*bench)
		want        config.Value
	}{
		{"on_stale", "hold", func(b *bench) { b.wait(700 * time.Millisecond) }, config.On},
		{"on_stale", "off", func(b *bench) { b.wait(700 * time.Millisecond) }, config.Off},
		{"on_stale", "on", func(b *bench) { b.wait(700 * time.Millisecond) }, config.On},
		{"on_stop", "hold", func(b *bench) { b.take(b.c.WorkerGone(b.now, true)) }, config.On},
		{"on_stop", "on", func(b *bench) { b.take(b.c.Stop(b.now)) }, config.On},
		{"on_worker_lost", "hold", func(b *bench) { b.take(b.c.WorkerGone(b.now, false)) }, config.On},
		{"on_worker_lost", "safe", func(b *bench) { b.take(b.c.WorkerGone(b.now, false)) }, config.Off},
	} {
		b := newBench(t, strings.Replace(coreText, `min_on = "200ms"`, c.key+` = "`+c.policy+`"`, 1))
		b.on()
		c.event(b)
		b.settle()
		if got := b.value("sign"); got != c.want {
			t.Errorf("%s = %s: %s, want %s", c.key, c.policy, got, c.want)
		}
		// What is held without a lease still has interlock and max_on above it.
		b.door(1)
		b.settle()
		if b.value("sign") != config.Off {
			t.Errorf("%s = %s: an interlock did not end it", c.key, c.policy)
		}
	}
}

func TestStart(t *testing.T) {
	on, off := config.On, config.Off
	granted := &lineHistory{Value: on, Known: true, SinceNS: int64(begin - time.Second), Task: "a", Decision: "d", InputNS: int64(begin - 6*time.Second), LeaseNS: int64(600 * time.Millisecond)}
	open := &Entry{Change: 77, Output: "sign", Task: "a", To: &on, LeaseNS: int64(600 * time.Millisecond)}
	for _, c := range []struct {
		name     string
		policy   string
		last     *lineHistory
		found    config.Value
		door     float64
		want     config.Value
		resolved string
	}{
		{"safe", "safe", granted, on, 0, off, ""},
		{"hold what was granted", "hold", granted, on, 0, on, ""},
		{"hold after max_on", "hold", &lineHistory{Value: on, Known: true, SinceNS: int64(begin - 2*time.Second), Task: "a", LeaseNS: 1e9}, on, 0, off, ""},
		{"hold under an interlock", "hold", granted, on, 1, off, ""},
		{"hold without a record", "hold", nil, on, 0, off, ""},
		{"hold, found otherwise", "hold", &lineHistory{Value: off, Known: true}, on, 0, off, ""},
		{"on", "on", nil, off, 0, on, ""},
		{"on, just switched off", "on", &lineHistory{Value: off, Known: true, SinceNS: int64(begin - 100*time.Millisecond)}, off, 0, off, ""},
		{"intent carried out", "safe", &lineHistory{Value: off, Known: true, Open: open}, on, 0, off, "done"},
		{"intent not carried out", "safe", &lineHistory{Value: off, Known: true, Open: open}, off, 0, off, "not_done"},
		{"intent of another boot", "safe", &lineHistory{Open: open}, off, 0, off, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := parse(t, strings.Replace(coreText, `min_on = "200ms"`, `on_start = "`+c.policy+`"`, 1))
			h := newHistory()
			if c.last != nil {
				h.Outputs["sign"] = c.last
			}
			b := &bench{t: t, now: begin, replies: map[uint64]Reply{}, c: NewCore(cfg, h, "", begin)}
			b.take(b.c.Peeked(b.now, "lamp", off, nil))
			b.take(b.c.Claimed(b.now, "lamp", nil))
			b.door(c.door)
			b.take(b.c.Peeked(b.now, "lamp", off, nil))
			b.take(b.c.Claimed(b.now, "lamp", nil))
			b.pop(ActClaim) // the lamp's
			b.take(b.c.Peeked(b.now, "sign", c.found, nil))
			if c.want == on && len(b.pop(ActClaim)) > 0 {
				t.Fatal("claimed away from safe before the record was on disk")
			}
			b.settle()
			var cl []Action
			for _, a := range b.pop(ActClaim) {
				if a.Output.Name == "sign" {
					cl = append(cl, a)
				}
			}
			if len(cl) != 1 || cl[0].Value != c.want {
				t.Fatalf("claims %+v, want one with %s", cl, c.want)
			}
			b.take(b.c.Claimed(b.now, "sign", nil))
			e := b.records[len(b.records)-1].Entry
			if e.Resolved != c.resolved || e.To == nil || *e.To != c.want || e.Found == nil || *e.Found != c.found {
				t.Errorf("claim record %+v, want resolved %q", e, c.resolved)
			}
			if c.policy == "hold" && c.want == on { // for one lease
				b.wait(590 * time.Millisecond)
				if b.value("sign") != on {
					t.Error("held too short")
				}
				b.wait(20 * time.Millisecond)
				b.wantSafe("lease of 600ms ended")
			}
		})
	}
}

func TestHistoryAcrossBoots(t *testing.T) {
	h := newHistory()
	h.boot("one")
	on, off := config.On, config.Off
	for i := range 5 {
		at := int64(100+i) * int64(time.Minute)
		h.apply(KindDone, &Entry{Output: "sign", From: &off, To: &on, DoneNS: at}, time.Duration(at))
		h.apply(KindDone, &Entry{Output: "sign", From: &on, To: &off, DoneNS: at + 1}, time.Duration(at+1))
	}
	l := h.Outputs["sign"]
	if n := l.Ops.count(104*time.Minute + 1); n != 10 {
		t.Fatalf("%d changes in the hour, want 10", n)
	}
	h.boot("two") // the changes age by uptime only
	if l.Known {
		t.Error("a level of the last boot is still believed")
	}
	if n := l.Ops.count(55 * time.Minute); n != 10 {
		t.Errorf("%d changes left after 55 minutes of uptime, want 10", n)
	}
	if n := l.Ops.count(58*time.Minute + time.Second); n != 4 {
		t.Errorf("%d changes left after 58 minutes of uptime, want 4", n)
	}
	if n := l.Ops.count(61 * time.Minute); n != 0 {
		t.Errorf("%d changes left after 61 minutes of uptime, want 0", n)
	}
}
