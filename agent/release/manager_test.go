package release

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func pack(t testing.TB, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoodDropIsConfirmedAndSurvivesRestart(t *testing.T) {
	for _, c := range []struct{ name, model string }{
		{"raw", "fake in=4 kind=mean v2"},
		{"zstd", pack(t, []byte("fake in=4 kind=mean v2"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			b := newBench(t, dir, Options{AllowUnsigned: true})
			b.steps(40)
			dropSpec{name: "v2", model: c.model}.write(t, b.drops)
			if err := b.m.scan(context.Background(), b.swaps); err != nil {
				t.Fatal(err)
			}
			if got := b.slot.Model().Version; got != "2.0" || !b.slot.Probation() {
				t.Fatalf("after the scan %s runs, probation %v; events %s, last %+v", got, b.slot.Probation(), b.states(), b.last())
			}
			b.steps(30)
			if want := "seen hashed loaded self_tested behaved swapped confirmed"; b.states() != want {
				t.Fatalf("states %q, want %q", b.states(), want)
			}
			digest := Digest([]byte("fake in=4 kind=mean v2"))
			if m := b.slot.Model(); b.slot.Probation() || m.Digest != digest {
				t.Fatalf("%+v probation %v", m, b.slot.Probation())
			}
			// A second look takes nothing again.
			_ = b.m.scan(context.Background(), b.swaps)
			again := newBench(t, dir, Options{AllowUnsigned: true})
			if m := again.slot.Model(); m.Version != "2.0" || m.Digest != digest {
				t.Fatalf("after a restart %+v runs", m)
			}
			_ = again.m.scan(context.Background(), again.swaps)
			if s := again.states(); s != "" {
				t.Fatalf("the confirmed drop was handled again after a restart: %s", s)
			}
			// The kept bytes are damaged: the factory model runs.
			if err := os.WriteFile(again.store.blob(digest), []byte("fake in=4 kind=mean evil"), 0o600); err != nil {
				t.Fatal(err)
			}
			third := newBench(t, dir, Options{AllowUnsigned: true})
			if m := third.slot.Model(); m.Version != Factory {
				t.Fatalf("a damaged kept model runs: %+v", m)
			}
		})
	}
}

func TestBadDropsAreRefusedAndTheOldStays(t *testing.T) {
	swapHash := func(file string) func(string) string {
		return func(s string) string {
			return regexp.MustCompile(`(?m)^"`+file+`" = "....`).ReplaceAllString(s, `"`+file+`" = "0000`)
		}
	}
	cases := []struct {
		name   string
		drop   dropSpec
		o      Options
		wait   bool // needs the time of incomplete drops
		reason string
	}{
		{name: "half written", wait: true, drop: dropSpec{mangle: func(d string) { _ = os.Truncate(filepath.Join(d, "model.tflite"), 9) }},
			reason: `^incomplete after 30ms: model.tflite: SHA-256 is [0-9a-f]{12}…, release.toml says [0-9a-f]{12}…$`},
		{name: "no golden", wait: true, drop: dropSpec{mangle: func(d string) { _ = os.Remove(filepath.Join(d, "golden.npz")) }},
			reason: `^incomplete after 30ms: golden.npz is missing$`},
		{name: "no manifest", wait: true, drop: dropSpec{mangle: func(d string) { _ = os.Remove(filepath.Join(d, ManifestName)) }},
			reason: `^incomplete after 30ms: release.toml is missing$`},
		{name: "wrong hash", wait: true, drop: dropSpec{manifest: swapHash("model.tflite")},
			reason: `^incomplete after 30ms: model.tflite: SHA-256 is .*, release.toml says 0000`},
		{name: "unknown key", wait: true, drop: dropSpec{manifest: func(s string) string { return "colour = 1\n" + s }},
			reason: `unknown key "colour"`},
		{name: "path in file", wait: true, drop: dropSpec{manifest: func(s string) string { return s + "\"../x\" = \"00\"\n" }},
			reason: `"../x" is no plain file name`},
		{name: "link", drop: dropSpec{mangle: func(d string) {
			_ = os.Remove(filepath.Join(d, "model.tflite"))
			_ = os.Symlink("/etc/passwd", filepath.Join(d, "model.tflite"))
		}}, reason: `^model.tflite is a link: copy the file itself$`},
		{name: "unsigned", drop: dropSpec{}, o: Options{AllowUnsigned: false}, reason: `^unsigned: set agent.allow_unsigned = true`},
		{name: "unknown model", drop: dropSpec{manifest: func(s string) string { return strings.Replace(s, `model = "m"`, `model = "x"`, 1) }},
			reason: `^no \[\[model\]\] of the configuration is named "x"$`},
		{name: "damaged", drop: dropSpec{model: "fake damaged=1"}, reason: `model.tflite: node 3: .*damaged`},
		{name: "no model", drop: dropSpec{model: "hello"}, reason: `^model.tflite: `},
		{name: "wrong shape", drop: dropSpec{model: "fake in=2 kind=mean"}, reason: `^does not fit task "task": the model's input has 2 values, the task feeds 4$`},
		{name: "golden disagrees", drop: dropSpec{goldenFn: func(in []float32) float32 { return mean(in) + 0.01 }},
			reason: `^golden sample 0, output 0: element 0 is .*, golden is .* \(tolerance 0.0001\)$`},
		{name: "nan", drop: dropSpec{model: "fake in=4 kind=nan"}, reason: `element 0 is NaN`},
		{name: "nan later", drop: dropSpec{model: "fake in=4 kind=nan_after:7"}, reason: `^on .*: output element 0 is NaN$`},
		{name: "constant, golden agrees", drop: dropSpec{model: "fake in=4 kind=constant", goldenFn: func([]float32) float32 { return 0.25 }},
			reason: `^constant output on \d+ differing inputs$`},
		{name: "outside limits, golden agrees", drop: dropSpec{model: "fake in=4 kind=big", goldenFn: func(in []float32) float32 { return mean(in) + 100 }},
			reason: `^on recent window 0: output element 0 is 100\.\d+, above the limit 10$`},
		{name: "slow, golden agrees", drop: dropSpec{model: "fake in=4 kind=slow:2500"}, reason: `^one run takes .*ms, \d+ times the .* of the current model \(limit 20 times\)$`},
		{name: "panics", drop: dropSpec{model: "fake in=4 kind=panic"}, reason: `^self-test panicked: index out of range$`},
		{name: "hangs", drop: dropSpec{model: "fake in=4 kind=hang"}, o: Options{AllowUnsigned: true, SelfTestTimeout: 30 * time.Millisecond},
			reason: `^self-test not finished within 30ms$`},
		{name: "bomb", drop: dropSpec{model: pack(t, make([]byte, 4<<20))}, o: Options{AllowUnsigned: true, MaxModelBytes: 1 << 20},
			reason: `^model.tflite: zstd: inflates to more than the 1048576 bytes allowed$`},
		{name: "broken zstd", drop: dropSpec{model: pack(t, []byte("fake in=4"))[:9]}, reason: `^model.tflite: zstd: `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "unsigned" {
				c.o.AllowUnsigned = true
			}
			c.o.IncompleteAfter = 30 * time.Millisecond
			b := newBench(t, t.TempDir(), c.o)
			b.steps(40)
			c.drop.name = "bad"
			c.drop.write(t, b.drops)
			for end := time.Now().Add(3 * time.Second); ; {
				if err := b.m.scan(context.Background(), b.swaps); err != nil {
					t.Fatal(err)
				}
				if b.last().State == Refused || time.Now().After(end) || !c.wait {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			e := b.last()
			if e.State != Refused || !regexp.MustCompile(c.reason).MatchString(e.Reason) {
				t.Fatalf("last event %+v\nwant refused: %s", e, c.reason)
			}
			if m := b.slot.Model(); m.Version != Factory || b.slot.Probation() {
				t.Fatalf("%s runs after a refused drop", m.Version)
			}
			b.steps(5)
			n := len(b.log)
			_ = b.m.scan(context.Background(), b.swaps)
			if len(b.log) != n {
				t.Errorf("a refused drop was looked at again: %+v", b.last())
			}
			if c.wait {
				return // not remembered: the same folder may be completed later
			}
			again := newBench(t, b.dir, c.o)
			_ = again.m.scan(context.Background(), again.swaps)
			if s := again.states(); s != "" {
				t.Errorf("a refused drop was tried again after a restart: %s", s)
			}
		})
	}
}

func TestIncompleteDropIsTakenOnceComplete(t *testing.T) {
	b := newBench(t, t.TempDir(), Options{AllowUnsigned: true, IncompleteAfter: time.Hour})
	b.steps(10)
	model := "fake in=4 kind=mean v=late"
	dropSpec{name: "late", model: model, mangle: func(d string) { _ = os.Remove(filepath.Join(d, "model.tflite")) }}.write(t, b.drops)
	for range 3 {
		_ = b.m.scan(context.Background(), b.swaps)
	}
	if s := b.states(); s != "seen" {
		t.Fatalf("states %q while the model is missing, want only seen", s)
	}
	if err := os.WriteFile(filepath.Join(b.drops, "late", "model.tflite"), []byte(model), 0o644); err != nil {
		t.Fatal(err)
	}
	_ = b.m.scan(context.Background(), b.swaps)
	if !b.slot.Probation() {
		t.Fatalf("not taken once complete: %s %+v", b.states(), b.last())
	}
}

// TestProbationRollsBack: models that behave in every test and misbehave in service. Steps go on without one bad result.
func TestProbationRollsBack(t *testing.T) {
	for _, c := range []struct{ kind, reason string }{
		{"nan_after:9", `^output element 0 is NaN$`},
		{"big_after:9", `above the limit 10$`},
		{"error_after:9", `^run failed: arena lost$`},
		{"constant_after:2", `^constant output over 12 runs on differing inputs$`},
		{"slow_after:9", `times the .* of the model before it \(limit 20 times\)$`},
	} {
		t.Run(c.kind, func(t *testing.T) {
			b := newBench(t, t.TempDir(), Options{AllowUnsigned: true})
			b.steps(40)
			// The tests before the swap use sessions of their own, so the fault must come late there too: put the model in directly.
			p, err := loadFake([]byte("fake in=4 kind="+c.kind), "x", 0)
			if err != nil {
				t.Fatal(err)
			}
			m := &Model{Name: "m", Version: "2", Digest: "d", Release: "r", Program: p}
			b.swaps["m"] = pendingSwap{ev: Event{Model: "m", Version: "2"}, data: Record{Version: "2", Digest: "d", Release: "r"}}
			if _, err := b.store.begin("m", "r", Hashed); err != nil {
				t.Fatal(err)
			}
			if err := b.slot.swap(m); err != nil {
				t.Fatal(err)
			}
			if b.slot.limits.ProbationRuns = 60; b.slot.cur.Load().prob != nil {
				b.slot.cur.Load().prob.left = 60
			}
			b.steps(59)
			e := b.last()
			if e.State != RolledBack || !regexp.MustCompile(c.reason).MatchString(e.Reason) {
				t.Fatalf("last event %+v, want rolled_back: %s", e, c.reason)
			}
			if b.slot.Model().Version != Factory {
				t.Fatalf("%s runs after the roll back", b.slot.Model().Version)
			}
			if h := b.store.state.Handled["r"]; h.Outcome != RolledBack {
				t.Fatalf("the store has %+v", h)
			}
		})
	}
}

// TestCrashBetweenSteps kills the manager after each step; the next start runs the old model and, up to the third crash, tries again.
func TestCrashBetweenSteps(t *testing.T) {
	for _, at := range []string{Hashed, Loaded, SelfTested, Behaved, Swapped} {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			crash := func(step string) error {
				if step == at {
					return errCrash
				}
				return nil
			}
			for try := 1; try <= maxTries; try++ {
				b := newBench(t, dir, Options{AllowUnsigned: true, crash: crash})
				if m := b.slot.Model(); m.Version != Factory {
					t.Fatalf("try %d: %s runs after a crash at %s", try, m.Version, at)
				}
				b.steps(10)
				if try == 1 {
					dropSpec{name: "v2"}.write(t, b.drops)
				}
				if err := b.m.scan(context.Background(), b.swaps); err == nil {
					t.Fatalf("try %d: no crash at %s; %s", try, at, b.states())
				}
			}
			b := newBench(t, dir, Options{AllowUnsigned: true})
			b.steps(10)
			_ = b.m.scan(context.Background(), b.swaps)
			if at == Hashed {
				// Nothing of the model was touched yet, so these crashes are not counted against it.
				b.steps(30)
				if b.last().State != Confirmed {
					t.Fatalf("%+v", b.last())
				}
				return
			}
			if e := b.last(); e.State != Refused || e.Reason != "given up: the worker ended 3 times while taking it" {
				t.Fatalf("after %d crashes: %+v", maxTries, e)
			}
		})
	}
}

func TestDamagedStateIsSetAside(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, dir, Options{AllowUnsigned: true})
	b.steps(40)
	dropSpec{name: "v2"}.write(t, b.drops)
	_ = b.m.scan(context.Background(), b.swaps)
	b.steps(30)
	path := b.store.path()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(`"2.0"`), []byte(`"2.1"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s, damaged, err := OpenStore(filepath.Join(dir, "state"))
	if err != nil || damaged == nil || !strings.Contains(damaged.Error(), "checksum") {
		t.Fatalf("damaged %v, err %v", damaged, err)
	}
	m, _, err := Start(s, "m", []byte("fake in=4"), "f", loadFake)
	if err != nil || m.Version != Factory {
		t.Fatalf("%+v %v", m, err)
	}
}

// TestRunTakesADropAndLeavesNoGoroutine goes through the real loop, with files arriving while it runs.
func TestRunTakesADropAndLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	b := newBench(t, t.TempDir(), Options{AllowUnsigned: true, Rescan: 20 * time.Millisecond})
	b.steps(40)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.m.Run(ctx) }()
	time.Sleep(30 * time.Millisecond)
	dropSpec{name: "v2"}.write(t, b.drops)
	in := []float32{0, 0.2, 0.4, 0}
	for end := time.Now().Add(5 * time.Second); b.last().State != Confirmed && time.Now().Before(end); {
		in[0] += 0.001
		if _, err := b.user.Step(in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	if b.last().State != Confirmed {
		t.Fatalf("events %s, last %+v", b.states(), b.last())
	}
	for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Fatalf("%d goroutines, %d before:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

func TestStateIsCarriedOrReset(t *testing.T) {
	for _, carry := range []bool{false, true} {
		old, _ := loadFake([]byte("fake in=4 kind=mean state=1"), "a", 0)
		next, _ := loadFake([]byte("fake in=4 kind=mean state=1 v2"), "b", 0)
		s, err := NewSlot(&Model{Name: "m", Version: "1", Program: old}, carry, Limits{ProbationRuns: 5})
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.User("t", func(Program) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := u.Step(make([]float32, 4)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.swap(&Model{Name: "m", Version: "2", Program: next}); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Step(make([]float32, 4)); err != nil {
			t.Fatal(err)
		}
		other, _ := loadFake([]byte("fake in=4 kind=mean"), "c", 0)
		if err := s.fits(other); (err != nil) != carry {
			t.Errorf("carry %v: a model without state: %v", carry, err)
		}
		want := byte(1)
		if carry {
			want = 4
		}
		if got := u.run.r.s.Save()[0]; got != want {
			t.Errorf("carry %v: state is %d after the swap, want %d", carry, got, want)
		}
	}
}
