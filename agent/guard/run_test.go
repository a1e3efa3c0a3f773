package guard_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wayside/agent/config"
	"wayside/agent/guard"
	"wayside/agent/journal"
	"wayside/hal"
	_ "wayside/hal/outputs/sim"
	_ "wayside/hal/sensors/siminput"
	"wayside/hal/sim/gpiochip"
)

const siteText = `
[site]
name = "test"
[guard]
tick = "5ms"
record_deadline = "5s"
[[sensor]]
name = "door"
driver = "sim-input"
chip = "gpio.sock"
line = 5
period = "10ms"
stale_after = "2s"
[[model]]
name = "m"
file = "m.tflite"
[[task]]
name = "t"
sensors = ["door"]
period = "100ms"
window = "100ms"
model = "m"
[[task.rule]]
name = "r"
output = "sign"
on_above = 0.5
lease = "300ms"
[[output]]
name = "sign"
kind = "sim"
chip = "gpio.sock"
line = 3
tasks = ["t"]
max_input_age = "2s"
[[interlock]]
name = "door"
forbids = "sign"
when = "sensor:door > 0.5"
`

// rig is a chip, a configuration and a guardian in this process.
type rig struct {
	t      *testing.T
	dir    string
	record string
	chip   *gpiochip.Chip
	cfg    *config.Config
	cancel context.CancelFunc
	done   chan error
}

func newRig(t *testing.T, text string) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "guard") // t.TempDir's path would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, record: filepath.Join(dir, "lines.jsonl")}
	rec, err := gpiochip.OpenRecorder(r.record)
	if err != nil {
		t.Fatal(err)
	}
	if r.chip, err = gpiochip.New(gpiochip.Options{Lines: 8}, hal.RealClock(), rec); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "gpio.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- gpiochip.Serve(ctx, l, r.chip) }()
	r.write("site.toml", text)
	if r.cfg, err = config.Load(filepath.Join(dir, "site.toml")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.stop()
		stop()
		<-served
		if err := errors.Join(rec.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) write(name, text string) string {
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *rig) start(o guard.Options) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	o.Ready = func() { close(ready) }
	r.cancel, r.done = cancel, make(chan error, 1)
	go func() { r.done <- guard.Run(ctx, r.cfg, o) }()
	select {
	case <-ready:
	case err := <-r.done:
		r.t.Fatal("guardian ended: ", err)
	case <-time.After(5 * time.Second):
		r.t.Fatal("guardian not ready")
	}
}

func (r *rig) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Error("guardian: ", err)
	}
	r.cancel = nil
}

func (r *rig) dial() *guard.Client {
	r.t.Helper()
	c, err := guard.Dial(context.Background(), r.cfg.SocketPath())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) ask(c *guard.Client, v float64, lease time.Duration) guard.Reply {
	r.t.Helper()
	rep, err := c.Request(context.Background(), guard.Request{Task: "t", Output: "sign", Value: v, DecisionID: "d", InputBoot: hal.RealClock().Boot(), Lease: lease})
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

// granted asks for on until it is granted: the interlock's first reading may still be on its way.
func (r *rig) granted(c *guard.Client, lease time.Duration) {
	r.t.Helper()
	var rep guard.Reply
	for range 200 {
		if rep = r.ask(c, 1, lease); rep.Accepted {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("never granted: %s", rep.Reason)
}

func (r *rig) level(line int) int { return r.chip.Info()[line].Level }

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for range 400 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.t.Fatalf("did not happen: %s", what)
}

func (r *rig) entries() (kinds []string) {
	r.t.Helper()
	damage, err := journal.Read(filepath.Join(r.cfg.StateDir(), "guard"), func(rec journal.Record) error {
		kinds = append(kinds, rec.Kind)
		return nil
	})
	if err != nil || len(damage) > 0 {
		r.t.Fatal(err, damage)
	}
	return kinds
}

func TestGrantAndLeaseEnd(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	c := r.dial()
	r.granted(c, 300*time.Millisecond)
	if r.level(3) != 1 {
		t.Fatal("granted, but the line is low")
	}
	r.eventually("safe after the lease", func() bool { return r.level(3) == 0 })
	s, err := c.Status(context.Background())
	if err != nil || len(s.Outputs) != 1 || !strings.Contains(s.Outputs[0].Reason, "lease of 300ms ended") || s.WorkerPID != os.Getpid() {
		t.Fatalf("status %+v, %v", s, err)
	}
	r.stop()
	got := strings.Join(r.entries(), " ")
	if !strings.HasPrefix(got, "state start claim ") || !strings.Contains(got, "intent done") || !strings.HasSuffix(got, "stop") {
		t.Fatalf("records %s", got)
	}
}

func TestWorkerGone(t *testing.T) {
	for _, bye := range []bool{true, false} {
		r := newRig(t, strings.Replace(siteText, "[[interlock]]", "on_stop = \"hold\"\n[[interlock]]", 1))
		r.start(guard.Options{})
		c := r.dial()
		r.granted(c, 20*time.Second)
		if bye {
			if err := c.Bye(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c2 := r.dial()
		if bye {
			time.Sleep(50 * time.Millisecond)
			if r.level(3) != 1 {
				t.Error("on_stop = hold did not hold")
			}
		} else {
			r.eventually("safe at once", func() bool { return r.level(3) == 0 })
		}
		if rep := r.ask(c2, 0, 0); !rep.Accepted {
			t.Error("the next worker is refused: " + rep.Reason)
		}
		r.stop()
	}
}

func TestSecondWorkerAndGuardian(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	c, c2 := r.dial(), r.dial()
	r.granted(c, time.Second)
	if rep := r.ask(c2, 0, 0); rep.Accepted || !strings.HasPrefix(rep.Reason, guard.DenySecondWorker) {
		t.Errorf("second worker: %+v", rep)
	}
	var refused *guard.RefusedError
	if err := c2.Heartbeat("t", time.Second); !errors.As(err, &refused) {
		t.Errorf("second worker's heartbeat: %v", err)
	}
	if _, err := c2.Status(context.Background()); err != nil {
		t.Errorf("status is for everybody: %v", err)
	}
	if err := guard.Run(context.Background(), r.cfg, guard.Options{}); !errors.Is(err, guard.ErrRunning) {
		t.Errorf("second guardian: %v", err)
	}
}

func TestInterlockDoor(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	c := r.dial()
	r.granted(c, 20*time.Second)
	drive := func(v int) {
		t.Helper()
		if err := r.chip.Drive(gpiochip.Owner{}, []gpiochip.LineRequest{{Line: 5, Level: v}}); err != nil {
			t.Fatal(err)
		}
	}
	drive(1)
	r.eventually("safe when the door opens", func() bool { return r.level(3) == 0 })
	if rep := r.ask(c, 1, time.Second); rep.Accepted || !strings.HasPrefix(rep.Reason, "interlock door: sensor door is 1") {
		t.Errorf("door open: %+v", rep)
	}
	drive(0)
	r.granted(c, time.Second)
}

func TestReload(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	c := r.dial()
	r.granted(c, 20*time.Second)
	bad := r.write("bad.toml", strings.Replace(siteText, "max_input_age", "max_inptu_age", 1))
	var refused *guard.RefusedError
	if err := c.Reload(context.Background(), bad); !errors.As(err, &refused) || !strings.Contains(refused.Reason, `bad.toml:`) || !strings.Contains(refused.Reason, `did you mean "max_input_age"?`) {
		t.Fatalf("bad file: %v", err)
	}
	if r.level(3) != 1 {
		t.Error("a refused file changed the output")
	}
	same := r.write("same.toml", strings.Replace(siteText, "on_above = 0.5", "on_above = 0.6", 1))
	if err := c.Reload(context.Background(), same); err != nil {
		t.Fatal(err)
	}
	if r.level(3) != 1 {
		t.Error("a file that does not change the output moved it")
	}
	other := r.write("other.toml", strings.Replace(siteText, "line = 3", "line = 4", 1))
	if err := c.Reload(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	r.eventually("old line safe and free", func() bool { return r.level(3) == 0 && !r.chip.Info()[3].Owned })
	r.granted(c, time.Second)
	if r.level(4) != 1 {
		t.Error("granted, but the new line is low")
	}
	moved := r.write("moved.toml", strings.Replace(siteText, "[guard]", "[guard]\nsocket = \"x.sock\"", 1))
	if err := c.Reload(context.Background(), moved); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "guard.socket") {
		t.Errorf("moved socket: %v", err)
	}
	if b, err := os.ReadFile(guard.LastGood(r.cfg.StateDir())); err != nil || !strings.Contains(string(b), "line = 4") {
		t.Errorf("last good copy: %v", err)
	}
}

func TestBrokenAtBoot(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{Broken: errors.New("site.toml:3: not TOML")})
	c := r.dial()
	if rep := r.ask(c, 1, time.Second); rep.Accepted || !strings.Contains(rep.Reason, "site.toml:3") {
		t.Errorf("broken configuration: %+v", rep)
	}
	if s, err := c.Status(context.Background()); err != nil || s.Mode != "degraded" || !s.Outputs[0].Known {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := c.Reload(context.Background(), r.cfg.File); err != nil {
		t.Fatal(err)
	}
	r.granted(c, time.Second)
}

func TestBusyLine(t *testing.T) {
	r := newRig(t, siteText)
	owner := &gpiochip.Owner{}
	if err := r.chip.Claim(owner, "old", []gpiochip.LineRequest{{Line: 3, Direction: gpiochip.Output, Level: 1}}); err != nil {
		t.Fatal(err)
	}
	r.start(guard.Options{}) // ready although the line is not
	c := r.dial()
	if rep := r.ask(c, 1, time.Second); rep.Accepted || !strings.HasPrefix(rep.Reason, guard.DenyFault) {
		t.Errorf("line of another: %+v", rep)
	}
	if err := r.chip.Release(owner, []int{3}, gpiochip.CauseClosed); err != nil {
		t.Fatal(err)
	}
	r.eventually("claimed, safe", func() bool { return r.level(3) == 0 })
}

// TestHostileClients: whatever a client sends or leaves out, the others are served and nothing is left behind.
func TestHostileClients(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	hello := `{"op":"hello","v":1}` + "\n"
	for _, c := range []struct{ name, send, want string }{
		{"not JSON", "GET / HTTP/1.1\n", "the first message must be hello"},
		{"no hello", `{"op":"status","id":1}` + "\n", "the first message must be hello"},
		{"old version", `{"op":"hello","v":0}` + "\n", "protocol version 0 is not understood"},
		{"far newer version", `{"op":"hello","v":3}` + "\n", "protocol version 3 is not understood"},
		{"next version", `{"op":"hello","v":2,"new":"field"}` + "\n", `"op":"hello","v":1`},
		{"unknown op", hello + `{"op":"open-everything","id":4}` + "\n", `"op":"error","id":4,"reason":"unknown op`},
		{"no value", hello + `{"op":"request","id":5,"task":"t","output":"sign","decision":"d","quality":"good"}` + "\n", "value and quality are needed"},
		{"no quality", hello + `{"op":"request","id":5,"task":"t","output":"sign","decision":"d","value":1}` + "\n", "value and quality are needed"},
		{"unknown quality", hello + `{"op":"request","id":5,"quality":"splendid"}` + "\n", ""},
		{"endless line", hello + strings.Repeat("x", 80<<10), ""},
	} {
		conn, err := net.Dial("unix", r.cfg.SocketPath())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, werr := conn.Write([]byte(c.send)) // the guardian may close in the middle of it
		got, buf := "", make([]byte, 4096)
		for c.want == "" || !strings.Contains(got, c.want) {
			n, err := conn.Read(buf)
			got += string(buf[:n])
			if err != nil {
				break
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: answer %q, want %q (write: %v)", c.name, got, c.want, werr)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	c := r.dial()
	r.granted(c, time.Second)
}

// TestClient: an answer that comes too late is dropped and the connection stays usable; a closed one says so.
func TestClient(t *testing.T) {
	r := newRig(t, siteText)
	r.start(guard.Options{})
	c := r.dial()
	if c.PID() != os.Getpid() {
		t.Errorf("pid %d", c.PID())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v", err)
	}
	if _, err := c.Status(context.Background()); err != nil {
		t.Errorf("after it: %v", err)
	}
	if err := c.Heartbeat("t", 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Status(context.Background()); !errors.Is(err, guard.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	r.stop()
	if _, err := guard.Dial(context.Background(), r.cfg.SocketPath()); err == nil {
		t.Error("dialled a guardian that has ended")
	}
}

// manager is a systemd that listens, or does not.
func manager(t *testing.T, r *rig) *net.UnixConn {
	t.Helper()
	path := filepath.Join(r.dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return l
}

// TestServiceManager: systemd hears of readiness, of life and of the stop.
func TestServiceManager(t *testing.T) {
	r := newRig(t, siteText)
	l := manager(t, r)
	said := make(chan []string)
	go func() {
		var words []string
		for b := make([]byte, 100); !slices.Contains(words, "STOPPING=1"); {
			if l.SetReadDeadline(time.Now().Add(5*time.Second)) != nil {
				break
			}
			n, err := l.Read(b)
			if err != nil {
				break
			}
			words = append(words, string(b[:n]))
		}
		said <- words
	}()
	r.start(guard.Options{})
	time.Sleep(300 * time.Millisecond)
	r.stop()
	words := <-said
	alive := 0
	for _, w := range words {
		if w == "WATCHDOG=1" {
			alive++
		}
	}
	if !slices.Contains(words, "READY=1") || !slices.Contains(words, "STOPPING=1") || alive < 3 {
		t.Errorf("said %v", words)
	}
}

// TestDeafServiceManager: one that does not read its socket holds up neither the outputs nor the end.
func TestDeafServiceManager(t *testing.T) {
	r := newRig(t, siteText)
	_ = manager(t, r)
	r.start(guard.Options{})
	c := r.dial()
	r.granted(c, 300*time.Millisecond)
	time.Sleep(time.Second) // its queue is full by now
	r.granted(c, 300*time.Millisecond)
	r.eventually("safe after the lease", func() bool { return r.level(3) == 0 })
	r.stop()
}
