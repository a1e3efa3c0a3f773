package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/agent/release"
	"wayside/agent/web"
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/hal"
	_ "wayside/hal/outputs/sim"
	"wayside/hal/sim/gpiochip"
)

// TestMain also is the guardian that a worker starts: Options.Guardian names this test's own binary.
func TestMain(m *testing.M) {
	registerLevel()
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(guardMain(os.Args[3]))
	}
	os.Exit(m.Run())
}

func guardMain(file string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load(file)
	if err == nil {
		err = guard.Run(ctx, cfg, guard.Options{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// level is what the sensor driver "test-level" reads, in thousandths.
var level atomic.Int64

type levelConfig struct{}

func registerLevel() {
	hal.RegisterSensor(hal.SensorDriver{Name: "test-level", Doc: "a value that a test sets", Config: func() any { return &levelConfig{} },
		Validate: func(any) error { return nil },
		Open: func(_ context.Context, _ any, _ hal.Bus, env hal.Env) (hal.Sensor, error) {
			return levelSensor{env.Clock}, nil
		}})
}

type levelSensor struct{ c hal.Clock }

func (s levelSensor) Read(context.Context) (hal.Sample, error) {
	return hal.Sample{Boot: s.c.Boot(), Wall: s.c.Now(), Value: float64(level.Load()) / 1000}, nil
}
func (levelSensor) Close() error { return nil }

// newest is a model whose score is the newest value.
type newest struct{ n int }

func loadNewest(data []byte, name string, _ int64) (release.Program, error) {
	if !strings.HasPrefix(string(data), "newest") {
		return nil, fmt.Errorf("%s: %w", name, graph.ErrFormat)
	}
	return newest{4}, nil
}

func (p newest) Inputs() []graph.IO {
	return []graph.IO{{Name: "x", DType: tensor.F32, Shape: tensor.Shape{1, p.n}}}
}
func (newest) Outputs() []graph.IO {
	return []graph.IO{{Name: "y", DType: tensor.F32, Shape: tensor.Shape{1, 1}}}
}
func (newest) State() []graph.IO { return nil }
func (newest) ArenaBytes() int   { return 0 }
func (newest) WeightBytes() int  { return 0 }
func (p newest) Session() release.Session {
	in, _ := tensor.New(tensor.F32, tensor.Shape{1, p.n})
	out, _ := tensor.New(tensor.F32, tensor.Shape{1, 1})
	return &newestSession{in, out}
}

type newestSession struct{ in, out *tensor.Tensor }

func (s *newestSession) Input(int) *tensor.Tensor  { return s.in }
func (s *newestSession) Output(int) *tensor.Tensor { return s.out }
func (s *newestSession) Reset()                    {}
func (s *newestSession) Save() []byte              { return nil }
func (s *newestSession) Restore([]byte) error      { return nil }
func (s *newestSession) Run() error {
	x := s.in.F32()
	s.out.F32()[0] = x[len(x)-1]
	return nil
}

const siteText = `
[site]
name = "test site"
[agent]
listen = "127.0.0.1:0"
[guard]
tick = "5ms"
record_deadline = "5s"
[[sensor]]
name = "level"
driver = "test-level"
period = "20ms"
stale_after = "500ms"
[[model]]
name = "m"
file = "m.tflite"
[[task]]
name = "t"
sensors = ["level"]
period = "20ms"
window = "80ms"
max_gaps = 3
model = "m"
[[task.rule]]
name = "high"
output = "sign"
on_above = 0.7
off_below = 0.4
lease = "600ms"
[[output]]
name = "sign"
kind = "sim"
chip = "gpio.sock"
line = 3
tasks = ["t"]
max_input_age = "2s"
`

// site is a folder with a configuration, a model and a simulated chip.
type site struct {
	t    *testing.T
	dir  string
	file string
	addr string // of the page
	stop context.CancelFunc
	done chan error
	ask  chan string
}

func newSite(t *testing.T) *site {
	t.Helper()
	level.Store(0)
	dir, err := os.MkdirTemp("", "agent") // t.TempDir's path would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, file: filepath.Join(dir, "site.toml")}
	s.write("site.toml", siteText)
	s.write("m.tflite", "newest")
	s.write("bad.tflite", "no model")
	rec, err := gpiochip.OpenRecorder(filepath.Join(dir, "gpio.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	chip, err := gpiochip.New(gpiochip.Options{Lines: 8}, hal.RealClock(), rec)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "gpio.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- gpiochip.Serve(ctx, l, chip) }()
	t.Cleanup(func() {
		if s.stop != nil {
			if err := s.end(); err != nil {
				t.Error(err)
			}
		}
		stop()
		<-served
		if err := errors.Join(rec.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a worker that starts the guardian itself.
func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan string, 1)
	s.stop, s.done, s.ask = cancel, make(chan error, 1), make(chan string)
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	o := Options{Config: s.file, Version: "test", Log: slog.New(slog.DiscardHandler), Guardian: []string{self}, Reload: s.ask,
		Started: func(a net.Addr) { ready <- a.String() }, load: loadNewest}
	go func() { s.done <- Run(ctx, o) }()
	select {
	case s.addr = <-ready:
	case err := <-s.done:
		s.stop = nil
		s.t.Fatal(err)
	case <-time.After(5 * time.Second):
		s.t.Fatal("the worker does not start")
	}
	s.until("the guardian is connected", func(st web.Status) bool { return st.Guardian == "connected" })
}

func (s *site) end() error {
	s.stop()
	s.stop = nil
	select {
	case err := <-s.done:
		return err
	case <-time.After(10 * time.Second):
		return errors.New("the worker does not end")
	}
}

func (s *site) status() (st web.Status) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.addr + "/api/status")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

func (s *site) until(what string, ok func(web.Status) bool) web.Status {
	s.t.Helper()
	var st web.Status
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if st = s.status(); ok(st) {
			return st
		}
	}
	s.t.Fatalf("not within 10 s: %s\n%+v", what, st)
	return st
}

func sign(want string) func(web.Status) bool {
	return func(st web.Status) bool { return st.Lines[0].Value == want }
}

func (s *site) reload() (int, string) {
	s.t.Helper()
	resp, err := http.Post("http://"+s.addr+"/api/reload", "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestSensorToLine is the whole path in both directions, with the records of both processes joined by decision id.
func TestSensorToLine(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newSite(t)
	s.start()
	s.until("the task scores", func(st web.Status) bool { return st.Tasks[0].State == "scoring" })
	level.Store(900)
	s.until("the sign is on", sign("on"))
	level.Store(100)
	s.until("the sign is off", sign("off"))
	pid, _ := guardPID(t, s)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the guardian that the worker started is still there: %v", err)
	}
	joints, damage, err := Joined(filepath.Join(s.dir, "state"))
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	joined := 0
	for _, j := range joints {
		if j.Decision == nil || j.Reply == nil {
			t.Errorf("decision %s has no worker's record: %+v", j.ID, j)
			continue
		}
		d := j.Decision
		if d.Task != "t" || d.Rule != "high" || d.Output != "sign" || d.Digest != release.Digest([]byte("newest")) || len(d.Inputs) != 1 || d.Why == "" {
			t.Errorf("decision %+v", d)
		}
		if j.Reply.Seq > 0 && len(j.Guard) == 0 {
			t.Errorf("decision %s changed the line (record %d), but no record of the guardian names it", j.ID, j.Reply.Seq)
		}
		if len(j.Guard) > 0 {
			joined++
		}
	}
	if joined < 2 {
		t.Errorf("%d of %d decisions are joined with the guardian's record, want at least on and off", joined, len(joints))
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > before+2 && time.Now().Before(end); { // the chip's two
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

// guardPID asks the guardian itself.
func guardPID(t *testing.T, s *site) (int, guard.Status) {
	t.Helper()
	c, err := guard.Dial(t.Context(), filepath.Join(s.dir, "guard.sock"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.Status(t.Context())
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return c.PID(), st
}

// TestKilledGuardianIsBackWithinASecond, and a second worker on the same site is refused.
func TestKilledGuardianIsBackWithinASecond(t *testing.T) {
	s := newSite(t)
	s.start()
	pid, _ := guardPID(t, s)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	for ; ; time.Sleep(10 * time.Millisecond) {
		if c, err := guard.Dial(t.Context(), filepath.Join(s.dir, "guard.sock")); err == nil {
			again := c.PID()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if again == pid {
				t.Fatal("the killed guardian answers")
			}
			break
		}
		if time.Since(at) > 5*time.Second {
			t.Fatal("no guardian after 5 s")
		}
	}
	// A second is the promise; a busy machine that runs tests gets two.
	if d := time.Since(at); d > 2*time.Second {
		t.Errorf("the guardian was back after %s", d)
	}
	level.Store(900)
	s.until("the sign is on", sign("on"))
	err := Run(t.Context(), Options{Config: s.file, Log: slog.New(slog.DiscardHandler), load: loadNewest})
	if !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second worker: %v", err)
	}
}

func TestReload(t *testing.T) {
	s := newSite(t)
	s.start()
	s.until("the task scores", func(st web.Status) bool { return st.Tasks[0].State == "scoring" })
	for _, c := range []struct{ name, old, new, want string }{
		{"syntax", "[site]", "[site", "site.toml:"},
		{"unknown key", "lease =", "leese =", "lease"},
		{"feature", `model = "m"`, "model = \"m\"\nfeatures = [\"wavelet\"]", "wavelet"},
		{"model does not fit", `window = "80ms"`, `window = "100ms"`, "the task feeds 5"},
		{"missing model", `file = "m.tflite"`, `file = "gone.tflite"`, "gone.tflite"},
		{"other threads", `name = "test site"`, "name = \"test site\"\nthreads = 2", "site.threads"},
		{"another cache", `name = "test site"`, "name = \"test site\"\ncache = \"panels\"", "site.cache"},
		{"needs a restart", `name = "test site"`, "name = \"test site\"\nstate_dir = \"other\"", "stop and start the worker"},
	} {
		s.write("site.toml", strings.Replace(siteText, c.old, c.new, 1))
		if code, body := s.reload(); code != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want a refusal with %q", c.name, code, body, c.want)
		}
	}
	level.Store(900)
	s.until("the sign goes on by the old rule", sign("on"))
	level.Store(0)
	s.until("the sign goes off by the old rule", sign("off"))
	level.Store(600)
	s.write("site.toml", strings.Replace(siteText, "on_above = 0.7", "on_above = 0.5", 1))
	if code, body := s.reload(); code != 200 {
		t.Fatalf("a good file: %d %s", code, body)
	}
	s.until("the sign is on by the new rule", sign("on"))
	// A new output, and a second task's sensor: the guardian takes it too.
	more := strings.Replace(siteText, "on_above = 0.7", "on_above = 0.5", 1) + "[[output]]\nname = \"beacon\"\nkind = \"sim\"\nchip = \"gpio.sock\"\nline = 4\ntasks = [\"t\"]\nmax_input_age = \"2s\"\n" +
		"[[sensor]]\nname = \"other\"\ndriver = \"test-level\"\nperiod = \"50ms\"\n"
	s.write("site.toml", more)
	s.ask <- "test"
	s.until("the beacon is known and off", func(st web.Status) bool { return len(st.Lines) == 2 && st.Lines[1].Value == "off" })
	s.until("the sign still is on", sign("on"))
	// And without them again.
	s.write("site.toml", siteText)
	if code, body := s.reload(); code != 200 {
		t.Fatalf("back: %d %s", code, body)
	}
	level.Store(0)
	s.until("one output", func(st web.Status) bool { return len(st.Lines) == 1 && st.Lines[0].Value == "off" })
	seen := map[string]bool{}
	joints, _, err := Joined(filepath.Join(s.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range joints {
		if seen[j.ID] {
			t.Errorf("decision %s twice", j.ID)
		}
		seen[j.ID] = true
	}
}

func TestBadStartIsAnInputError(t *testing.T) {
	s := newSite(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "[site", "site.toml:"},
		{"model", strings.Replace(siteText, "m.tflite", "bad.tflite", 1), "bad.tflite"},
		{"no model", strings.Replace(siteText, "m.tflite", "none.tflite", 1), "none.tflite"},
		{"address", strings.Replace(siteText, "127.0.0.1:0", taken.Addr().String(), 1), "choose another port"},
	} {
		s.write("site.toml", c.text)
		err := Run(t.Context(), Options{Config: s.file, Log: slog.New(slog.DiscardHandler), load: loadNewest})
		var in *InputError
		if !errors.As(err, &in) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an input error with %q", c.name, err, c.want)
		}
	}
	// Nothing keeps the site locked.
	s.write("site.toml", siteText)
	s.start()
}

// TestLinkNeverWaitsForTheGuardian: heartbeats to a guardian that stands still must not stop a task.
func TestLinkNeverWaitsForTheGuardian(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "g.sock"))
	if err != nil {
		t.Skipf("no socket with so long a path: %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { // says hello and nothing more
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("{\"op\":\"hello\",\"v\":1,\"pid\":1}\n"))
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	c, err := guard.Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	k := &link{client: c, beating: map[string]bool{}, log: slog.New(slog.DiscardHandler)}
	start := time.Now()
	for range 1000 {
		if err := k.Heartbeat("t", time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("1000 heartbeats took %s", d)
	}
	if err := errors.Join(c.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	k.beats.Wait()
	wg.Wait()
}
