package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
	_ "wayside/hal/sensors/all"
	"wayside/hal/sim/gpiochip"
	"wayside/hal/sim/socket"
)

// site is a healthy site in a folder: a replayed sensor, a simulated line, no model.
type site struct {
	dir  string
	host Host
	text string
}

const healthy = `
[site]
name = "test"
state_dir = "state"
[agent]
release_dir = "releases"
allow_unsigned = true
listen = "127.0.0.1:0"
[guard]
socket = "guard.sock"
[[sensor]]
name = "speed"
driver = "csv"
period = "100ms"
file = "speed.csv"
column = "speed"
step = "100ms"
[[model]]
name = "incident"
file = "incident.tflite"
[[task]]
name = "incident"
sensors = ["speed"]
period = "100ms"
window = "2400ms"
model = "incident"
[[task.rule]]
name = "slow-down"
output = "sign"
on_above = 0.7
lease = "1s"
[[output]]
name = "sign"
kind = "sim"
chip = "gpio.sock"
line = 0
max_input_age = "1s"
tasks = ["incident"]
`

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "doc") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{dir: dir, text: healthy}
	s.host = Host{
		Proc:     fstest.MapFS{"meminfo": {Data: []byte("MemTotal: 1000000 kB\nMemAvailable:  500000 kB\n")}},
		Clock:    haltest.NewClock(),
		UID:      1000,
		FreeDisk: func(string) (uint64, error) { return 1 << 30, nil },
	}
	model, err := os.ReadFile("../../firmware-config/demo/models/incident-1.0.0.tflite")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "incident.tflite", string(model))
	s.write(t, "speed.csv", "time,speed\n0,60\n1,61\n")
	l, err := socket.Listen(filepath.Join(dir, "gpio.sock"))
	if err != nil {
		t.Fatal(err)
	}
	chip, err := gpiochip.New(gpiochip.Options{Lines: 1}, hal.RealClock(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- gpiochip.Serve(ctx, l, chip) }()
	t.Cleanup(func() { cancel(); <-served })
	return s
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) examine(t *testing.T) []Finding {
	t.Helper()
	s.write(t, "site.toml", s.text)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Examine(ctx, s.host, filepath.Join(s.dir, "site.toml"))
}

// fakeGuardian answers hello, and status with the given object; nil closes the connection instead.
func fakeGuardian(t *testing.T, path string, hello string, status any) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewScanner(c)
			for r.Scan() {
				var m map[string]any
				if json.Unmarshal(r.Bytes(), &m) != nil {
					break
				}
				if m["op"] == "hello" {
					fmt.Fprintln(c, hello)
					continue
				}
				if status == nil {
					break
				}
				b, err := json.Marshal(map[string]any{"op": "status", "id": m["id"], "ok": true, "status": status})
				if err != nil {
					break
				}
				fmt.Fprintf(c, "%s\n", b)
			}
			_ = c.Close()
		}
	}()
}

const hello = `{"op":"hello","v":1,"pid":7}`

func TestHealthySiteHasNoRedLine(t *testing.T) {
	s := newSite(t)
	found := s.examine(t)
	for _, f := range found {
		if f.Level == Red {
			t.Errorf("red: %+v", f)
		}
		if f.Level != OK && f.Remedy == "" {
			t.Errorf("no remedy: %+v", f)
		}
	}
	for _, want := range []string{"clock", "user", "configuration", "model incident", "memory", "state_dir", "journal", "actuation record", "release_dir", "guardian", "status page", "sensor speed", "output sign"} {
		n := 0
		for _, f := range found {
			if f.Check == want {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d lines for %s in %+v", n, want, found)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "state")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking made the state folder: %v", err)
	}
}

// TestEveryRedLine forces each red line once.
func TestEveryRedLine(t *testing.T) {
	for _, c := range []struct {
		name   string
		harm   func(t *testing.T, s *site)
		check  string
		cause  Cause
		detail string
	}{
		{"unknown key", func(t *testing.T, s *site) { s.text = strings.Replace(s.text, "name = \"test\"", "nmae = \"test\"", 1) }, "configuration", Input, "site.toml:3"},
		{"not TOML", func(t *testing.T, s *site) { s.text = "[site\n" }, "configuration", Input, "site.toml:2"},
		{"too little memory", func(t *testing.T, s *site) {
			s.host.Proc = fstest.MapFS{"meminfo": {Data: []byte("MemAvailable: 900 kB\n")}}
		}, "memory", Machine, "of the machine"},
		{"a tight control group", func(t *testing.T, s *site) {
			s.host.Cgroup = fstest.MapFS{"memory.max": {Data: []byte("9000000\n")}, "memory.current": {Data: []byte("8000000\n")}}
		}, "memory", Machine, "control group"},
		{"damaged model", func(t *testing.T, s *site) {
			s.write(t, "incident.tflite", "hello")
		}, "model incident", Input, "incident.tflite"},
		{"state folder cannot be made", func(t *testing.T, s *site) {
			s.write(t, "plain", "")
			s.text = strings.Replace(s.text, `"state"`, `"plain/state"`, 1)
		}, "state_dir", Machine, "cannot write"},
		{"disk cannot be asked", func(t *testing.T, s *site) {
			s.host.FreeDisk = func(string) (uint64, error) { return 0, errors.New("input/output error") }
		}, "state_dir", Machine, "input/output error"},
		{"disk full", func(t *testing.T, s *site) {
			s.host.FreeDisk = func(string) (uint64, error) { return 1 << 20, nil }
		}, "state_dir", Machine, "1 MB free"},
		{"journal is not a folder", func(t *testing.T, s *site) {
			if err := os.Mkdir(filepath.Join(s.dir, "state"), 0o755); err != nil {
				t.Fatal(err)
			}
			s.write(t, "state/journal", "")
		}, "journal", Machine, "journal"},
		{"release folder is a file", func(t *testing.T, s *site) { s.write(t, "releases", "") }, "release_dir", Machine, "releases"},
		{"somebody else on the guardian's socket", func(t *testing.T, s *site) {
			fakeGuardian(t, filepath.Join(s.dir, "guard.sock"), `{"op":"hello","v":99}`, nil)
		}, "guardian", Machine, "version"},
		{"guardian that does not answer", func(t *testing.T, s *site) {
			fakeGuardian(t, filepath.Join(s.dir, "guard.sock"), hello, nil)
		}, "guardian", Machine, ""},
		{"guardian with a broken file", func(t *testing.T, s *site) {
			fakeGuardian(t, filepath.Join(s.dir, "guard.sock"), hello, map[string]any{"mode": "degraded", "reason": "line 7"})
		}, "guardian", Input, "line 7"},
		{"output with a fault", func(t *testing.T, s *site) {
			fakeGuardian(t, filepath.Join(s.dir, "guard.sock"), hello, map[string]any{"mode": "normal", "outputs": []any{map[string]any{"name": "sign", "fault": "line lost"}}})
		}, "output sign", Hardware, "line lost"},
		{"address of the page in use", func(t *testing.T, s *site) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			s.text = strings.Replace(s.text, "127.0.0.1:0", l.Addr().String(), 1)
		}, "status page", Machine, "in use"},
		{"nobody on the bus", func(t *testing.T, s *site) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s.text += "[[bus]]\nname = \"b\"\nkind = \"modbus-tcp\"\naddress = \"" + addr + "\"\n[[sensor]]\nname = \"reg\"\ndriver = \"modbus\"\nbus = \"b\"\nperiod = \"1s\"\nregister = 0\n"
		}, "sensor reg", Hardware, "refused"},
		{"bus device missing", func(t *testing.T, s *site) {
			s.text += "[[bus]]\nname = \"b\"\nkind = \"i2c\"\ndevice = \"/dev/i2c-97\"\n[[sensor]]\nname = \"t\"\ndriver = \"bme280\"\nbus = \"b\"\nperiod = \"1s\"\nquantity = \"temperature\"\n"
		}, "bus b", Hardware, "i2c-97"},
		{"replay file missing", func(t *testing.T, s *site) {
			if err := os.Remove(filepath.Join(s.dir, "speed.csv")); err != nil {
				t.Fatal(err)
			}
		}, "sensor speed", Input, "speed.csv"},
		{"chip of an output gone", func(t *testing.T, s *site) {
			s.text = strings.Replace(s.text, "gpio.sock", "other.sock", 1)
		}, "output sign", Hardware, "other.sock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			c.harm(t, s)
			found := s.examine(t)
			for _, f := range found {
				if f.Level == Red && f.Check == c.check && f.Cause == c.cause && strings.Contains(f.Detail, c.detail) && f.Remedy != "" {
					return
				}
			}
			t.Errorf("no red line %q (%s) with %q in %+v", c.check, c.cause, c.detail, found)
		})
	}
}

func TestMissingFileIsRed(t *testing.T) {
	s := newSite(t)
	found := Examine(context.Background(), s.host, filepath.Join(s.dir, "no.toml"))
	last := found[len(found)-1]
	if last.Level != Red || last.Cause != Input || !strings.Contains(last.Detail, "no.toml") {
		t.Errorf("%+v", last)
	}
}

func TestDeviceErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		cause  Cause
		remedy string
	}{
		{hal.ErrNoDevice, Hardware, "wiring"},
		{hal.ErrTimeout, Hardware, "unit id"},
		{hal.ErrBusy, Hardware, "other program"},
		{hal.ErrInput, Input, "configuration"},
		{fs.ErrPermission, Machine, "group"},
	} {
		e := &exam{}
		e.device("sensor x", fmt.Errorf("open: %w", c.err))
		if f := e.found[0]; f.Level != Red || f.Cause != c.cause || !strings.Contains(f.Remedy, c.remedy) {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}

func TestClockNeverSet(t *testing.T) {
	s := newSite(t)
	s.host.Clock = fixedClock{time.Unix(0, 0)}
	if f := Examine(context.Background(), s.host, "")[0]; f.Level != Warning || !strings.Contains(f.Detail, "1970") {
		t.Errorf("%+v", f)
	}
}

type fixedClock struct{ at time.Time }

func (c fixedClock) Now() time.Time                       { return c.at }
func (c fixedClock) Boot() time.Duration                  { return time.Minute }
func (c fixedClock) After(time.Duration) <-chan time.Time { return nil }
