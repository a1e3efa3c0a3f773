package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wayside/agent/guard"
	"wayside/hal"
	"wayside/hal/sim/gpiochip"
	"wayside/hal/sim/modbusslave"
)

// The chaos rig is a site of real processes of the real binary: simulated chip, simulated Modbus device, worker, and the guardian that
// the worker starts. The chip records every transition from outside.

const (
	chaosSign = 0 // line of the sign
	chaosDoor = 1 // line of the door contact

	chaosPoll = 50 * time.Millisecond // period of both sensors

	chaosLease  = 600 * time.Millisecond
	chaosMinOff = 1200 * time.Millisecond
	chaosMaxOn  = 2500 * time.Millisecond
)

// chaosConfig is the site; its verbs are: Modbus address, model file, the rule's thresholds, operations per hour.
const chaosConfig = `
[site]
name = "chaos"
state_dir = "state"
[agent]
release_dir = "releases"
release_rescan = "200ms"
release_timeout = "2s"
allow_unsigned = true
listen = "127.0.0.1:0"
[guard]
socket = "guard.sock"
tick = "10ms"
record_deadline = "400ms"
record_size = "16MiB"
[[bus]]
name = "loops"
kind = "modbus-tcp"
address = "%s"
timeout = "200ms"
backoff_max = "200ms"
[[sensor]]
name = "speed"
driver = "modbus"
bus = "loops"
period = "50ms"
timeout = "45ms"
range = [0.0, 130.0]
stale_after = "300ms"
register = 0
scale = 0.1
[[sensor]]
name = "door"
driver = "sim-input"
period = "50ms"
chip = "gpio.sock"
line = 1
shared = true
[[model]]
name = "incident"
file = "%s"
[[task]]
name = "incident"
sensors = ["speed"]
period = "50ms"
window = "1200ms"
max_gaps = 12
normalize = { mean = [60.0], std = [15.0] }
model = "incident"
score = { kind = "output", output = 0, index = 0 }
[[task.rule]]
name = "slow-down"
output = "sign"
on_above = %g
off_below = %g
lease = "600ms"
[[output]]
name = "sign"
kind = "sim"
chip = "gpio.sock"
line = 0
tasks = ["incident"]
min_on = "150ms"
min_off = "1200ms"
max_on = "2500ms"
max_ops_per_hour = %d
max_input_age = "400ms"
[[interlock]]
name = "door-open"
forbids = "sign"
value = "on"
when = "sensor:door > 0.5"
`

// binary builds cmd/wayside once per set of build tags and returns its path.
var binary = func() func(t *testing.T, tags string) string {
	var mu sync.Mutex
	built := map[string]string{}
	return func(t *testing.T, tags string) string {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if p, ok := built[tags]; ok {
			return p
		}
		dir, err := os.MkdirTemp("", "wayside-bin")
		if err != nil {
			t.Fatal(err)
		}
		atEnd = append(atEnd, func() { _ = os.RemoveAll(dir) })
		p := filepath.Join(dir, "wayside")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", tags, "-o", p, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		built[tags] = p
		return p
	}
}()

// atEnd is run by TestMain after all tests.
var atEnd []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range atEnd {
		f()
	}
	os.Exit(code)
}

// lockedBuffer collects the output of a process that outlives the call that started it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return string(b[max(0, len(b)-n):])
}

// process is a started program whose end somebody waits for.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// end sends s and waits; a process that does not end within the time is killed and reported.
func (p *process) end(s syscall.Signal, within time.Duration) error {
	if err := p.signal(s); err != nil {
		<-p.done
		return nil // it had ended already
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(within):
		_ = p.cmd.Process.Kill() // the error below says why
		<-p.done
		return fmt.Errorf("%s did not end within %s of %s", strings.Join(p.cmd.Args, " "), within, s)
	}
}

type chaosRig struct {
	t     *testing.T
	dir   string
	bin   string
	env   []string
	clock hal.Clock
	log   *lockedBuffer
	addr  string
	rng   *rand.Rand

	chip, slave *process
	supervised  sync.WaitGroup
	mu          sync.Mutex
	worker      *process
	closing     bool
	restarts    int

	hiccups hiccups
}

// hiccups measures how late this process itself is woken: what a loaded machine does to the rig it does to the site as well, and no rule
// can be kept more exactly than that.
type hiccups struct {
	mu   sync.Mutex
	late []hiccup
	stop chan struct{}
}

type hiccup struct{ at, by time.Duration }

// watch notes each wake-up that comes more than 10 ms late, until stop is closed.
func (h *hiccups) watch(clock hal.Clock) {
	const every = 10 * time.Millisecond
	for last := clock.Boot(); ; {
		select {
		case <-h.stop:
			return
		case <-time.After(every):
		}
		now := clock.Boot()
		if by := now - last - every; by > every {
			h.mu.Lock()
			h.late = append(h.late, hiccup{now, by})
			h.mu.Unlock()
		}
		last = now
	}
}

// worst is the longest hiccup that ended between two times.
func (h *hiccups) worst(from, to time.Duration) (by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.late {
		if l.at >= from && l.at <= to {
			by = max(by, l.by)
		}
	}
	return by
}

func newChaosRig(t *testing.T, bin string, seed uint64, onRelease string, env ...string) *chaosRig {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &chaosRig{t: t, dir: dir, bin: bin, env: append(os.Environ(), env...), clock: hal.RealClock(), log: &lockedBuffer{}, rng: rand.New(rand.NewPCG(seed, 7578))}
	r.hiccups.stop = make(chan struct{})
	go r.hiccups.watch(r.clock)
	t.Cleanup(func() {
		close(r.hiccups.stop)
		r.stop()
		if t.Failed() {
			t.Logf("left for a look: %s\nlast words of the processes:\n%s", dir, r.log.tail(1500))
			return
		}
		_ = os.RemoveAll(dir)
	})
	r.chip = r.start("simulate", "gpio", "--socket", r.path("gpio.sock"), "--record", r.path("gpio.jsonl"), "--lines", "2", "--line-names", "sign,door", "--on-release", onRelease, "--ready-file", r.path("gpio.ready"))
	r.await("the chip", 5*time.Second, func() bool { return exists(r.path("gpio.ready")) })
	r.table()
	r.slave = r.start("simulate", "modbus", "--table", r.path("speed.csv"), "--step", "50ms", "--loop", "--map", "speed=0,uint16,0.1", "--control", r.path("modbus.ctl"), "--ready-file", r.path("modbus.ready"))
	r.await("the Modbus device", 5*time.Second, func() bool { return exists(r.path("modbus.ready")) })
	b, err := os.ReadFile(r.path("modbus.ready"))
	if err != nil {
		t.Fatal(err)
	}
	r.addr = strings.TrimSpace(string(b))
	r.model("incident-1.tflite", "demo/models/incident-1.0.0.tflite")
	if err := os.Mkdir(r.path("releases"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.configure(0.7, 0.4, 3600)
	r.startWorker()
	return r
}

func (r *chaosRig) path(name string) string { return filepath.Join(r.dir, name) }

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// table is a road whose traffic breaks down and recovers every few seconds, so that the rule has something to do all the time.
func (r *chaosRig) table() {
	var b strings.Builder
	b.WriteString("speed\n")
	for cycle := range 12 {
		for i := range 24 + 3*(cycle%5) {
			fmt.Fprintf(&b, "%.1f\n", 62+3*r.rng.Float64()+0.1*float64(i%3))
		}
		for i := range 24 + 4*(cycle%4) {
			fmt.Fprintf(&b, "%.1f\n", 18+4*r.rng.Float64()+0.1*float64(i%3))
		}
	}
	if err := os.WriteFile(r.path("speed.csv"), []byte(b.String()), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// asset is a file of firmware-config.
func asset(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repoRoot(t), "firmware-config", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *chaosRig) model(to, from string) {
	if err := os.WriteFile(r.path(to), asset(r.t, from), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *chaosRig) configure(on, off float64, ops int) {
	r.site(fmt.Sprintf(chaosConfig, r.addr, "incident-1.tflite", on, off, ops))
}

// site writes the configuration file; it appears whole.
func (r *chaosRig) site(text string) {
	if err := os.WriteFile(r.path("site.toml.part"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.path("site.toml.part"), r.path("site.toml")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *chaosRig) start(args ...string) *process {
	r.t.Helper()
	cmd := exec.Command(r.bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = r.env, r.log, r.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// The guardian inherits the log's pipe and outlives the worker: waiting for the pipe would wait for it.
	cmd.WaitDelay = 100 * time.Millisecond
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is the caller's matter
		close(p.done)
	}()
	return p
}

// startWorker starts the worker and, like a service manager, starts it again whenever it ends.
func (r *chaosRig) startWorker() {
	p := r.start("run", "--config", r.path("site.toml"))
	r.mu.Lock()
	r.worker = p
	r.mu.Unlock()
	r.supervised.Add(1)
	go func() {
		defer r.supervised.Done()
		for {
			<-p.done
			time.Sleep(100 * time.Millisecond)
			r.mu.Lock()
			if r.closing {
				r.mu.Unlock()
				return
			}
			r.restarts++
			p = r.start("run", "--config", r.path("site.toml"))
			r.worker = p
			r.mu.Unlock()
		}
	}()
}

func (r *chaosRig) workerProcess() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.worker
}

// stop ends worker and guardian in order, then the devices. It may be called twice.
func (r *chaosRig) stop() {
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		return
	}
	r.closing = true
	w := r.worker
	r.mu.Unlock()
	if w != nil {
		_ = w.signal(syscall.SIGCONT) // it may be stopped
		if err := w.end(syscall.SIGTERM, 10*time.Second); err != nil {
			r.t.Error(err)
		}
		r.supervised.Wait()
	}
	if pid, err := r.guardianPID(); err == nil {
		// A guardian that an earlier worker started stays when a later one ends; a service manager would end it here.
		_ = syscall.Kill(pid, syscall.SIGTERM)
		r.await("the guardian's end", 5*time.Second, func() bool { _, err := r.guardianPID(); return err != nil })
	}
	for _, p := range []*process{r.slave, r.chip} {
		if p != nil {
			if err := p.end(syscall.SIGTERM, 5*time.Second); err != nil {
				r.t.Error(err)
			}
		}
	}
}

// await polls until cond holds; a time-out fails the test.
func (r *chaosRig) await(what string, within time.Duration, cond func() bool) {
	r.t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	r.t.Fatalf("no %s within %s\n%s", what, within, r.log.tail(1500))
}

// guardianStatus asks the guardian itself.
func (r *chaosRig) guardianStatus() (guard.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := guard.Dial(ctx, r.path("guard.sock"))
	if err != nil {
		return guard.Status{}, err
	}
	defer c.Close() //nolint:errcheck // nothing was asked of it that could be lost
	return c.Status(ctx)
}

func (r *chaosRig) guardianPID() (int, error) {
	s, err := r.guardianStatus()
	return s.PID, err
}

// healthy waits until the worker is attached to a guardian that owns the sign.
func (r *chaosRig) healthy() {
	r.t.Helper()
	r.await("healthy site", 15*time.Second, func() bool {
		w := r.workerProcess()
		select {
		case <-w.done:
			return false // the guardian may not have noticed yet
		default:
		}
		s, err := r.guardianStatus()
		return err == nil && s.Mode == "normal" && s.WorkerPID == w.pid() && len(s.Outputs) == 1 && s.Outputs[0].Known
	})
}

// metrics gives the sums of the worker's metrics by name, labels put together, and once more those with reason late; ok is false while the page is not up.
func (r *chaosRig) metrics() (sums map[string]float64, ok bool) {
	addr, err := os.ReadFile(r.path("state/http.addr"))
	if err != nil {
		return nil, false
	}
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + strings.TrimSpace(string(addr)) + "/metrics")
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, false
	}
	sums = map[string]float64{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		sums[name] += v
		if strings.Contains(labels, `reason="late"`) {
			sums[name+" late"] += v
		}
	}
	return sums, true
}

// drop puts a release of firmware-config/demo into the release folder under a name of its own. It also gets a version of its own: a
// release that was decided on is not looked at twice.
func (r *chaosRig) drop(from, name string) {
	r.t.Helper()
	src := filepath.Join(repoRoot(r.t), "firmware-config/demo/releases", from)
	files, err := os.ReadDir(src)
	r.must(err)
	content := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(src, f.Name()))
		r.must(err)
		content[f.Name()] = b
	}
	manifest := regexp.MustCompile(`(?m)^version = "([^"]*)"`).ReplaceAllString(string(content["release.toml"]), `version = "${1}-`+name+`"`)
	content["release.toml"] = []byte(manifest)
	r.deliver(name, content)
}

// dropFactory makes a release of the model that the site began with.
func (r *chaosRig) dropFactory(name string) {
	r.t.Helper()
	model := asset(r.t, "demo/models/incident-1.0.0.tflite")
	golden := asset(r.t, "demo/models/incident-1.0.0.golden.npz")
	manifest := fmt.Sprintf("model = \"incident\"\nfile = \"model.tflite\"\nversion = \"1.0.0-%s\"\n[sha256]\n\"model.tflite\" = \"%x\"\n\"golden.npz\" = \"%x\"\n",
		name, sha256.Sum256(model), sha256.Sum256(golden))
	r.deliver(name, map[string][]byte{"model.tflite": model, "golden.npz": golden, "release.toml": []byte(manifest)})
}

// deliver makes the folder of a drop appear whole.
func (r *chaosRig) deliver(name string, content map[string][]byte) {
	r.t.Helper()
	part := r.path("drop.part")
	r.must(os.Mkdir(part, 0o755))
	for f, b := range content {
		r.must(os.WriteFile(filepath.Join(part, f), b, 0o644))
	}
	r.must(os.Rename(part, filepath.Join(r.path("releases"), name)))
}

// fault makes the Modbus device fail, or heals it.
func (r *chaosRig) fault(command string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := modbusslave.Control(ctx, r.path("modbus.ctl"), command); err != nil {
		r.t.Fatal(err)
	}
}

// door opens or closes the cabinet's door.
func (r *chaosRig) door(open bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := gpiochip.Dial(ctx, r.path("gpio.sock"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the answer has come
	level := 0
	if open {
		level = 1
	}
	if err := c.Drive(ctx, "technician", gpiochip.LineRequest{Line: chaosDoor, Level: level}); err != nil {
		r.t.Fatal(err)
	}
}

// recorded is what the chip has seen.
func (r *chaosRig) recorded() []gpiochip.Event {
	r.t.Helper()
	ev, err := gpiochip.ReadRecord(r.path("gpio.jsonl"))
	if err != nil {
		r.t.Fatal(err)
	}
	return ev
}
