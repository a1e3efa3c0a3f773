package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/hal"
)

// world is a line, a disk, a door and a clock around a Core, all of them late, and sometimes dead, at random. It writes down what the line did and
// what was granted; judge states the rules anew and compares.
type world struct {
	rng     *rand.Rand
	cfg     *config.Config
	c       *Core
	now     time.Duration
	level   config.Value
	hist    *history // folded from what reached the page cache
	faults  bool     // lines and disk fail too
	pending []later
	down    bool // the guardian is dead

	token uint64
	asked map[uint64]Request
	door  float64

	moves  []move2
	grants []grant
	opens  []span // times of the open door
	downs  []span
	dones  int // records that stand for a move
	unsure int // records of failed commands, and intents whose fate the claim could not tell
	intent map[uint64]bool
	log    []string
}

type later struct {
	at   time.Duration
	life int // of the guardian that it belongs to; 0: of the world
	f    func()
}

type move2 struct {
	at time.Duration
	to config.Value
}

type grant struct{ at, until time.Duration }
type span struct{ from, to time.Duration }

const (
	worldTick  = 20 * time.Millisecond
	worldSlack = 80 * time.Millisecond // tick, and two commands of the line one after the other
)

func newWorld(seed uint64, cfg *config.Config, faults bool) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), cfg: cfg, now: begin, hist: newHistory(), faults: faults, asked: map[uint64]Request{}, intent: map[uint64]bool{}}
	w.hist.boot("b")
	w.boot()
	return w
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%s ", w.now)+fmt.Sprintf(format, args...))
}

func (w *world) within(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

// after runs f later, unless the guardian has died by then.
func (w *world) after(d time.Duration, f func()) {
	w.pending = append(w.pending, later{w.now + d, 1, f})
}

func (w *world) boot() {
	b, err := json.Marshal(w.hist)
	if err != nil {
		panic(err)
	}
	h := newHistory()
	if err := json.Unmarshal(b, h); err != nil {
		panic(err)
	}
	w.c, w.down = NewCore(w.cfg, h, "", w.now), false
	if n := len(w.downs); n > 0 {
		w.downs[n-1].to = w.now
	}
	w.note("guardian starts")
	w.do(w.c.Tick(w.now))
}

// kill ends the guardian. What it had appended stays, what waited for that is lost, a command under way takes effect or not.
func (w *world) kill() {
	w.note("guardian killed")
	w.down = true
	w.downs = append(w.downs, span{w.now, 1 << 62})
	for _, p := range w.pending {
		if p.life == 2 && w.rng.IntN(2) == 0 {
			p.f()
		}
	}
	w.pending = nil
	clear(w.asked)
}

// move drives the line.
func (w *world) move(v config.Value) {
	if w.level != v {
		w.level = v
		w.moves = append(w.moves, move2{w.now, v})
		w.note("LINE %s", v)
	}
}

func (w *world) appended(a Action) {
	w.hist.apply(a.Record, &a.Entry, w.now)
	e := &a.Entry
	w.note("record %s %s", a.Record, e.Reason)
	switch {
	case a.Record == KindIntent:
		w.intent[e.Change] = true
	case a.Record == KindDone && e.Error != "":
		w.unsure++
	case a.Record == KindDone && (e.From == nil || *e.From != *e.To):
		w.dones++
	case a.Record == KindClaim:
		if *e.Found != *e.To {
			w.dones++
		}
		if e.Last != nil && *e.Found != *e.Last {
			w.dones++
		}
		if e.Resolved == "not_done" || e.Resolved == "unknown" {
			w.unsure++ // may have been done and undone
		}
		if *e.To == config.On { // hold: for one lease
			w.grants = append(w.grants, grant{w.now, w.now + w.cfg.Outputs[0].MaxLease.D()})
		}
	}
}

func (w *world) do(acts []Action) {
	for _, a := range acts {
		switch a.Kind {
		case ActRecord:
			// Appends keep their order: all share one delay, that of the disk's queue, which is short.
			w.pending = append(w.pending, later{w.now, 1, func() { w.appended(a) }})
			if a.Durable {
				var err error
				d := w.within(30 * time.Millisecond)
				if w.rng.IntN(20) == 0 {
					d += 100 * time.Millisecond
				}
				if w.faults && w.rng.IntN(20) == 0 {
					err = errors.New("disk full")
				}
				w.after(d+1, func() { w.do(w.c.Durable(w.now, a.Change, err)) })
			}
		case ActPeek:
			w.after(w.within(5*time.Millisecond), func() {
				var err error
				if w.faults && w.rng.IntN(10) == 0 {
					err = hal.ErrNoDevice
				}
				w.do(w.c.Peeked(w.now, a.Output.Name, w.level, err))
			})
		case ActClaim:
			w.after(w.within(5*time.Millisecond), func() {
				if w.faults && w.rng.IntN(10) == 0 {
					w.do(w.c.Claimed(w.now, a.Output.Name, hal.ErrBusy))
					return
				}
				w.move(a.Value)
				w.do(w.c.Claimed(w.now, a.Output.Name, nil))
			})
		case ActSet:
			fail, takes := w.faults && w.rng.IntN(15) == 0, w.rng.IntN(2) == 0
			at := w.within(15 * time.Millisecond)
			w.pending = append(w.pending, later{w.now + at, 2, func() {
				if fail && !takes {
					return
				}
				if a.Value != w.cfg.Outputs[0].Safe && !w.intent[a.Change] {
					w.moves = append(w.moves, move2{-1, a.Value}) // judged as a move without a record
				}
				w.move(a.Value)
			}})
			w.after(at+w.within(5*time.Millisecond), func() {
				var err error
				if fail {
					err = hal.ErrTimeout
				}
				w.do(w.c.Done(w.now, a.Output.Name, a.Change, w.level, err))
			})
		case ActRelease:
			w.after(1, func() { w.do(w.c.Released(w.now, a.Output.Name)) })
		case ActReply:
			if r, ok := w.asked[a.Token]; ok && a.Reply.Accepted && r.Value == 1 {
				w.grants = append(w.grants, grant{w.now, w.now + r.Lease})
			}
			w.note("reply to %d: %+v", a.Token, a.Reply)
			delete(w.asked, a.Token)
		}
	}
}

// run lets time pass, with what is due in its order and a tick every 20 ms.
func (w *world) run(d time.Duration) {
	for end := w.now + d; ; {
		next, at := -1, end
		for i, p := range w.pending {
			if p.at <= at && (next < 0 || p.at < at) {
				next, at = i, p.at
			}
		}
		tick := (w.now/worldTick + 1) * worldTick
		if next < 0 || tick < at {
			if tick >= end && next < 0 {
				w.now = end
				return
			}
			w.now = tick
			if !w.down {
				w.do(w.c.Tick(w.now))
			}
			continue
		}
		w.now = max(w.now, at)
		f := w.pending[next].f
		w.pending = append(w.pending[:next:next], w.pending[next+1:]...)
		f()
	}
}

// event does one random thing.
func (w *world) event() {
	if w.down {
		if w.rng.IntN(3) == 0 {
			w.boot()
		}
		return
	}
	task := string(rune('a' + w.rng.IntN(2)))
	switch k := w.rng.IntN(100); {
	case k < 55:
		r := Request{Task: task, Output: "sign", DecisionID: "d", InputBoot: w.now - w.within(200*time.Millisecond), Lease: 200*time.Millisecond + w.within(900*time.Millisecond)}
		if w.rng.IntN(5) > 0 {
			r.Value = 1
		}
		switch w.rng.IntN(15) {
		case 0:
			r.Quality = hal.Stale
		case 1:
			r.InputBoot -= time.Second
		case 2:
			r.Task = "c"
		}
		w.token++
		w.asked[w.token] = r
		w.note("request %d: %s %g lease %s", w.token, r.Task, r.Value, r.Lease)
		w.do(w.c.Request(w.now, w.token, r))
	case k < 65:
		_, acts := w.c.Heartbeat(w.now, task, 100*time.Millisecond)
		w.do(acts)
	case k < 69:
		w.door = 1 - w.door
		w.note("door %g", w.door)
		if w.door == 1 {
			w.opens = append(w.opens, span{w.now, 1 << 62})
		} else {
			w.opens[len(w.opens)-1].to = w.now
		}
		w.do(w.c.Sample(w.now, "door", hal.Sample{Boot: w.now, Value: w.door}, nil))
	case k < 71:
		w.note("worker gone")
		w.do(w.c.WorkerGone(w.now, w.rng.IntN(2) == 0))
	case k < 73:
		w.kill()
	case k < 74:
		w.do(w.c.Reconfigure(w.now, w.cfg))
	}
	if !w.down {
		w.do(w.c.Sample(w.now, "door", hal.Sample{Boot: w.now, Value: w.door}, nil))
	}
}

// free reports whether nobody enforced anything at t: the guardian was dead, or had just started.
func (w *world) free(t time.Duration) bool {
	for _, d := range w.downs {
		if t >= d.from && t <= d.to+2*worldSlack {
			return true
		}
	}
	return false
}

// judge compares what the line did with the rules of the file. It knows nothing of the core.
func (w *world) judge() (bad []string) {
	o := w.cfg.Outputs[0]
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	strict := !w.faults // with failing lines, going safe takes as long as the line does
	var off time.Duration
	for i, m := range w.moves {
		if m.at < 0 {
			say("intent: %s without a durable intent", m.to)
			continue
		}
		if m.to == o.Safe {
			off = m.at
			continue
		}
		if off > 0 && m.at-off < o.MinOff.D() {
			say("min_off: on at %s, off only since %s", m.at, off)
		}
		n := 0
		for _, e := range w.moves[:i] {
			if e.at > m.at-time.Hour {
				n++
			}
		}
		if n >= o.MaxOpsPerHour {
			say("ops: change %d at %s", n+1, m.at)
		}
		end := w.now
		for _, e := range w.moves[i+1:] {
			if e.at >= 0 {
				end = e.at
				break
			}
		}
		if !strict {
			continue
		}
		if end-m.at > o.MaxOn.D()+worldSlack && !w.free(m.at+o.MaxOn.D()+worldSlack) {
			say("max_on: from %s for %s", m.at, end-m.at)
		}
		covered := m.at + worldSlack // the answer to the first grant is on its way
		for _, g := range w.grants {
			if g.at <= covered+worldSlack && g.until > covered && g.at <= end+worldSlack && g.until >= m.at {
				covered = g.until
			}
		}
		if end > covered+worldSlack && !w.free(covered+worldSlack) {
			say("lease: on from %s to %s, granted until %s", m.at, end, covered)
		}
		for _, d := range w.opens {
			from := max(d.from+worldSlack, m.at)
			if from < min(d.to, end) && !w.free(from) {
				say("interlock: on from %s to %s, door open from %s to %s", m.at, end, d.from, d.to)
			}
		}
	}
	moves := 0
	for _, m := range w.moves {
		if m.at >= 0 {
			moves++
		}
	}
	// One record for each move. A failed command may or may not have moved the line; an intent that a killed guardian left may have been undone too.
	if moves < w.dones || moves > w.dones+2*w.unsure {
		say("record: %d moves, %d records of them, %d unsure", moves, w.dones, w.unsure)
	}
	return bad
}

// live runs a world of n events to its end.
func live(seed uint64, cfg *config.Config, faults bool, n int) *world {
	w := newWorld(seed, cfg, faults)
	w.run(100 * time.Millisecond)
	for range n {
		w.event()
		w.run(w.within(60 * time.Millisecond))
	}
	if w.down {
		w.boot()
	}
	w.run(5 * time.Second)
	return w
}

// worldText is one output without the lamp: the world has one line.
func worldText(extra string) string {
	text := coreText[:strings.Index(coreText, "[[output]]\nname = \"lamp\"")] + coreText[strings.Index(coreText, "[[interlock]]\nname = \"door\""):strings.Index(coreText, "[[interlock]]\nname = \"lamp\"")]
	return strings.NewReplacer(`max_ops_per_hour = 8`, extra, `max_on = "2s"`, `max_on = "700ms"`).Replace(text)
}

func TestRandomWorlds(t *testing.T) {
	worlds, moves := 150, 0
	if testing.Short() {
		worlds = 30
	}
	for _, c := range []struct {
		name   string
		extra  string
		faults bool
	}{
		{"no faults", "max_ops_per_hour = 3000", false},
		{"few changes", "max_ops_per_hour = 9", false},
		{"hold at start", "max_ops_per_hour = 3000\non_start = \"hold\"", false},
		{"line and disk fail", "max_ops_per_hour = 40", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := parse(t, worldText(c.extra))
			for seed := range uint64(worlds) {
				w := live(seed, cfg, c.faults, 250)
				moves += len(w.moves)
				if bad := w.judge(); len(bad) > 0 {
					t.Fatalf("seed %d:\n%s\n\n%s", seed, strings.Join(bad, "\n"), strings.Join(w.log, "\n"))
				}
			}
		})
	}
	t.Logf("%d changes", moves)
	if moves < 10*worlds {
		t.Errorf("only %d changes in all worlds: they test nothing", moves)
	}
}

// TestJudge shows that the judge notices: each rule is broken once in the settings that the core goes by, not in those that it is judged by.
func TestJudge(t *testing.T) {
	cfg := parse(t, worldText("max_ops_per_hour = 9"))
	for _, c := range []struct {
		rule  string
		loose func(*config.Config)
	}{
		{"min_off", func(c *config.Config) { c.Outputs[0].MinOff = 0 }},
		{"ops", func(c *config.Config) { c.Outputs[0].MaxOpsPerHour = 0 }},
		{"max_on", func(c *config.Config) { c.Outputs[0].MaxOn = 0 }},
		{"lease", func(c *config.Config) { c.Outputs[0].OnStale = config.PolicyHold }},
		{"interlock", func(c *config.Config) { c.Interlocks = nil }},
	} {
		loose := parse(t, worldText("max_ops_per_hour = 900"))
		c.loose(loose)
		found := false
		for seed := uint64(0); seed < 200 && !found; seed++ {
			w := live(seed, loose, false, 250)
			w.cfg = cfg
			if c.rule != "ops" {
				w.cfg = parse(t, worldText("max_ops_per_hour = 900"))
			}
			for _, b := range w.judge() {
				found = found || strings.HasPrefix(b, c.rule+":")
			}
		}
		if !found {
			t.Errorf("%s: 200 worlds without that rule, and the judge saw nothing", c.rule)
		}
	}
}

// FuzzWorlds is TestRandomWorlds for as long as one likes.
func FuzzWorlds(f *testing.F) {
	cfg := parse(f, worldText("max_ops_per_hour = 40"))
	f.Add(uint64(1), uint16(200), false)
	f.Add(uint64(2), uint16(200), true)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, faults bool) {
		if bad := live(seed, cfg, faults, int(n%2000)).judge(); len(bad) > 0 {
			t.Fatal(strings.Join(bad, "\n"))
		}
	})
}
