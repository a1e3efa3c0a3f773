package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	_ "wayside/hal/sensors/all"
)

const good = `[site]
name = "cabinet 7578"
[agent]
listen = "127.0.0.1:0"
[[bus]]
name = "loops"
kind = "modbus-tcp"
address = "127.0.0.1:1502"
timeout = "500ms"
[[sensor]]
name = "speed"
driver = "modbus"
bus = "loops"
period = "100ms"
timeout = "80ms"
range = [0, 130]
register = 0
scale = 0.1
[[sensor]]
name = "door"
driver = "sim-input"
chip = "gpio.sock"
line = 5
period = "50ms"
[[model]]
name = "incident"
file = "m.tflite"
limits = { output_min = [0.0], output_max = [1.0] }
[[task]]
name = "incident"
sensors = ["speed"]
period = "100ms"
window = "2.4s"
max_gaps = 4
normalize = { mean = [50.0], std = [9.0] }
model = "incident"
score = { kind = "residual", index = 0 }
[[task.rule]]
name = "slow-down"
output = "sign"
on_above = 0.7
off_below = 0.4
lease = "1s"
[[output]]
name = "sign"
kind = "sim"
chip = "gpio.sock"
line = 3
tasks = ["incident"]
max_input_age = "1s"
[[output]]
name = "lamp"
kind = "sim"
chip = "gpio.sock"
line = 4
tasks = ["incident"]
max_input_age = "1s"
[[interlock]]
name = "door"
forbids = "sign"
when = "sensor:door > 0.5"
[[interlock]]
name = "lamp"
forbids = "sign"
when = "output:lamp = on"
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse([]byte(text), "site.toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGood(t *testing.T) {
	c := parse(t, good)
	s, task, o := c.Sensor("speed"), c.Task("incident"), c.Output("sign")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		what      string
		got, want any
	}{
		{"state dir", c.StateDir(), filepath.Join(wd, "state")},
		{"socket", c.SocketPath(), filepath.Join(wd, "guard.sock")},
		{"tick", c.Guard.Tick.D(), 20 * time.Millisecond},
		{"record size", c.Guard.RecordSize, Bytes(1 << 20)},
		{"stale after", s.StaleAfter.D(), 300 * time.Millisecond},
		{"range", *s.Range, Range{0, 130}},
		{"door's timeout", c.Sensor("door").Timeout.D(), 50 * time.Millisecond},
		{"slots", task.Slots(), 24},
		{"features", task.Features, []string{"value"}},
		{"residual's sensor", task.Score.Sensor, "speed"},
		{"slowdown", c.Model("incident").Limits.MaxSlowdown, 20.0},
		{"constant runs", c.Model("incident").Limits.ConstantRuns, 64},
		{"state", c.Model("incident").State, StateReset},
		{"safe", o.Safe, Off},
		{"on_stop", o.OnStop, PolicySafe},
		{"max lease", o.MaxLease.D(), 30 * time.Second},
		{"interlock's value", c.Interlock("door").Value, On},
		{"condition", c.Interlock("door").Cond, Condition{Sensor: "door", Op: ">", Limit: 0.5}},
		{"condition", c.Interlock("lamp").Cond, Condition{Output: "lamp", Is: On}},
		{"progress", task.Progress(), time.Second},
		{"source", string(c.Source()), good},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s: %v, want %v", x.what, x.got, x.want)
		}
	}
	if reflect.ValueOf(s.Settings).Elem().FieldByName("Scale").Float() != 0.1 {
		t.Errorf("driver's settings %+v", s.Settings)
	}
	if v := c.Condition("door"); v.Holds(0.4) || !v.Holds(0.6) {
		t.Error("condition does not hold where it should")
	}
}

// Condition is the interlock's, for brevity.
func (c *Config) Condition(name string) Condition { return c.Interlock(name).Cond }

// line is the number of the first line of text that contains part.
func line(t *testing.T, text, part string) int {
	t.Helper()
	before, _, ok := strings.Cut(text, part)
	if !ok {
		t.Fatalf("%q is not in the text", part)
	}
	return strings.Count(before, "\n") + 1
}

// TestProblems changes one thing in the good file and expects one problem, at its line, with reason and remedy.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ from, to, key, reason, remedy string }{
		{`name = "cabinet 7578"`, ``, "site.name", "missing", "say what"},
		{`lease = "1s"`, `leese = "1s"`, "task[0].rule[0].leese", "unknown key", `did you mean "lease"?`},
		{`lease = "1s"`, `lease = "150ms"`, "task[0].rule[0].lease", "150ms is shorter than 2 task periods", "at least 200ms"},
		{`lease = "1s"`, `lease = "31s"`, "task[0].rule[0].lease", "longer than the max_lease 30s", "raise max_lease"},
		{`lease = "1s"`, `lease = 1`, "task[0].rule[0].lease", "is 1, a whole number", "text in quotes"},
		{`lease = "1s"`, `lease = "1 sec"`, "task[0].rule[0].lease", `"1 sec" is not a duration`, "write a number with a unit"},
		{`register = 0`, `registre = 0`, "sensor[0].registre", "unknown key", `did you mean "register"?`},
		{`register = 0`, `register = 70000`, "sensor[0].register", "65535", "lower address"},
		{`range = [0, 130]`, `range = [130, 0]`, "sensor[0].range", "not a lowest and a highest", "[lowest, highest]"},
		{`timeout = "80ms"`, `timeout = "180ms"`, "sensor[0].timeout", "180ms is not between 0 and the period of 100ms", "at most the period"},
		{`bus = "loops"`, `bus = "loop"`, "sensor[0].bus", `there is no bus "loop"`, `did you mean "loops"?`},
		{`driver = "modbus"`, `driver = "modbsu"`, "sensor[0].driver", `"modbsu" is no kind of sensor`, `did you mean "modbus"?`},
		{`kind = "modbus-tcp"`, `kind = "i2c-sim"`, "bus[0].address", "unknown key", ""},
		{`address = "127.0.0.1:1502"`, `address = "localhost:1502"`, "bus[0].address", "", ""},
		{`listen = "127.0.0.1:0"`, `listen = "localhost:80"`, "agent.listen", `"localhost" is not a numeric address`, `"127.0.0.1:80"`},
		{`listen = "127.0.0.1:0"`, `listen = "0.0.0.0:80"`, "agent.listen", "can be reached by other machines", "allow_remote = true"},
		{`listen = "127.0.0.1:0"`, `listen = "127.0.0.1:x"`, "agent.listen", `"x" is not a port`, "0 to 65535"},
		{`listen = "127.0.0.1:0"`, `release_dir = "r"`, "agent.release_dir", "cannot check signatures", "allow_unsigned = true"},
		{`file = "m.tflite"`, `file = "m.pt"`, "model[0].file", "neither in .tflite nor in .onnx", ""},
		{`output_min = [0.0]`, `output_min = [2.0]`, "model[0].limits.output_min[0]", "2 is above output_max 1", ""},
		{`sensors = ["speed"]`, `sensors = ["sped"]`, "task[0].sensors[0]", `there is no sensor "sped"`, `did you mean "speed"?`},
		{`model = "incident"`, `model = "accident"`, "task[0].model", `there is no model "accident"`, ""},
		{`window = "2.4s"`, `window = "2450ms"`, "task[0].window", "2.45s is not a whole number of periods of 100ms", "write 2.4s or 2.5s"},
		{`max_gaps = 4`, `max_gaps = 24`, "task[0].max_gaps", "24 of 24 slots", "0 to 23"},
		{`mean = [50.0]`, `mean = [50.0, 1.0]`, "task[0].normalize.mean", "2 numbers for 1 sensors", "one for each"},
		{`std = [9.0]`, `std = [0.0]`, "task[0].normalize.std[0]", "0 is not positive", ""},
		{`kind = "residual"`, `kind = "residue"`, "task[0].score.kind", `"residue" is not known`, `did you mean "residual"?`},
		{`off_below = 0.4`, `off_below = 0.8`, "task[0].rule[0].off_below", "0.8 is above on_above 0.7", ""},
		{`off_below = 0.4`, `off_above = 0.8`, "task[0].rule[0].off_above", "both kinds of threshold", ""},
		{`output = "sign"`, `output = "sing"`, "task[0].rule[0].output", `there is no output "sing"`, `did you mean "sign"?`},
		{`tasks = ["incident"]`, `tasks = []`, "output[0].tasks", "missing", ""},
		{"line = 3\n", "line = 3\nsafe = \"of\"\n", "output[0].safe", `"of" is no state`, `"off" or "on"`},
		{"line = 3\n", "line = 3\non_stale = \"keep\"\n", "output[0].on_stale", `"keep" is not known`, "one of safe, off, on, hold"},
		{"line = 3\n", "line = 3\nmax_on = \"1s\"\nmin_on = \"2s\"\n", "output[0].max_on", "1s is shorter than min_on 2s", ""},
		{"line = 3\n", "line = 3\nmax_ops_per_hour = 9999\n", "output[0].max_ops_per_hour", "9999 is out of range", "1 to 3600"},
		{`kind = "sim"`, `kind = "gpio"`, "output[0].kind", `"gpio" is no kind of output`, "real outputs do not exist in this version"},
		{`forbids = "sign"`, "forbids = \"sign\"\nvalue = \"off\"", "interlock[0].value", "safe state", `write "on"`},
		{`"sensor:door > 0.5"`, `"door > 0.5"`, "interlock[0].when", "is not a condition", "sensor:NAME > NUMBER"},
		{`"sensor:door > 0.5"`, `"sensor:dor > 0.5"`, "interlock[0].when", `there is no sensor "dor"`, `did you mean "door"?`},
		{`"output:lamp = on"`, `"output:sign = on"`, "interlock[1].when", "cannot forbid itself", ""},
		{"[[bus]]", "[guard]\nrecord_size = \"1KiB\"\n[[bus]]", "guard.record_size", "1KiB is out of range", "64KiB"},
		{"[[bus]]", "[guard]\ntick = \"1s\"\n[[bus]]", "guard.tick", "1s is out of range", "1ms to 100ms"},
		{"[[bus]]", "[gaurd]\n[[bus]]", "gaurd", "unknown key", `did you mean "guard"?`},
	} {
		t.Run(c.key+" "+c.to, func(t *testing.T) {
			if !strings.Contains(good, c.from) {
				t.Fatalf("the good file has no %q", c.from)
			}
			text := strings.Replace(good, c.from, c.to, 1)
			_, err := Parse([]byte(text), "site.toml")
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("no problem: %v", err)
			}
			p := e.Problems[0]
			for _, x := range e.Problems {
				if x.Key == c.key {
					p = x
				}
			}
			if p.Key != c.key || !strings.Contains(p.Reason, c.reason) || !strings.Contains(p.Remedy, c.remedy) {
				t.Fatalf("got %v", e)
			}
			if c.reason != "" && p.Remedy == "" {
				t.Errorf("no remedy: %v", p)
			}
			if p.File != "site.toml" || p.Line == 0 {
				t.Errorf("no place: %v", p)
			}
			if part, _, _ := strings.Cut(strings.TrimSpace(c.to), "\n"); strings.Count(text, part) == 1 && !strings.Contains(c.to, "\n") && strings.HasPrefix(c.to, c.key[strings.LastIndex(c.key, ".")+1:]) && p.Line != line(t, text, part) {
				t.Errorf("line %d, want %d: %v", p.Line, line(t, text, part), p)
			}
		})
	}
}

func TestAllAtOnce(t *testing.T) {
	text := strings.NewReplacer(`lease = "1s"`, `leese = "1s"`, `register = 0`, `register = "x"`, `kind = "sim"`, `kind = "relay"`, `on_above = 0.7`, `on_above = nan`).Replace(good)
	_, err := Parse([]byte(text), "site.toml")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var keys []string
	last := 0
	for _, p := range e.Problems {
		keys = append(keys, p.Key)
		if p.Line < last {
			t.Errorf("not in the order of lines: %v", e)
		}
		last = p.Line
	}
	for _, want := range []string{"sensor[0].register", "task[0].rule[0].leese", "task[0].rule[0].on_above", "output[0].kind", "output[1].kind"} {
		if !contains(keys, want) {
			t.Errorf("%s is missing among\n%v", want, e)
		}
	}
}

func TestSyntaxAndFiles(t *testing.T) {
	_, err := Parse([]byte("[site]\nname = \n"), "site.toml")
	var e *Error
	if !errors.As(err, &e) || e.Problems[0].Line != 2 || !strings.HasPrefix(e.Error(), "site.toml:2: not TOML: ") {
		t.Errorf("syntax: %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.toml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); !errors.As(err, &e) {
		t.Errorf("too long: %v", err)
	}
	_, err = Parse([]byte(good), "site.toml", func(c *Config, report Report) { report("task[0].features", "no such word", "remedy") })
	if !errors.As(err, &e) || e.Problems[0].Line != line(t, good, "[[task]]") {
		t.Errorf("the caller's check: %v", err)
	}
	dir := t.TempDir()
	for _, c := range []struct{ text, want string }{
		{"[site]\nstate_dir = \"/var/x\"\n[", "/var/x"}, {"[site]\n state_dir = 'y'\n[[", filepath.Join(dir, "y")}, {"=", filepath.Join(dir, "state")},
	} {
		path := filepath.Join(dir, "f.toml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := StateDirOf(path); got != c.want {
			t.Errorf("state dir of a broken file %q, want %q", got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	base := parse(t, good)
	if ch := Diff(base, parse(t, good)); !ch.Empty() {
		t.Errorf("two equal files differ: %+v", ch)
	}
	for _, c := range []struct{ from, to, want string }{
		{`name = "cabinet 7578"`, `name = "x"`, "site"},
		{`address = "127.0.0.1:1502"`, `address = "127.0.0.1:1503"`, "bus loops, sensor speed, task incident"},
		{`scale = 0.1`, `scale = 0.2`, "sensor speed, task incident"},
		{`driver = "sim-input"` + "\n" + `chip = "gpio.sock"`, `driver = "sim-input"` + "\n" + `chip = "g.sock"`, "sensor door, interlock door"},
		{`file = "m.tflite"`, `file = "n.tflite"`, "model incident, task incident"},
		{`on_above = 0.7`, `on_above = 0.8`, "task incident"},
		{`line = 3`, `line = 6`, "output sign"},
		{`when = "output:lamp = on"`, `when = "output:lamp = off"`, "interlock lamp"},
		{`listen = "127.0.0.1:0"`, ``, "agent"},
		{`[[bus]]`, "[guard]\ntick = \"10ms\"\n[[bus]]", "guard"},
	} {
		ch := Diff(base, parse(t, strings.Replace(good, c.from, c.to, 1)))
		var got []string
		for _, x := range []struct {
			on   bool
			name string
		}{{ch.Site, "site"}, {ch.Agent, "agent"}, {ch.Guard, "guard"}} {
			if x.on {
				got = append(got, x.name)
			}
		}
		for _, x := range []struct {
			kind string
			c    Change
		}{{"bus", ch.Buses}, {"sensor", ch.Sensors}, {"model", ch.Models}, {"task", ch.Tasks}, {"output", ch.Outputs}, {"interlock", ch.Interlocks}} {
			for _, n := range x.c.Changed {
				got = append(got, x.kind+" "+n)
			}
			if len(x.c.Added)+len(x.c.Removed) > 0 {
				t.Errorf("%s: %s added %v, removed %v", c.to, x.kind, x.c.Added, x.c.Removed)
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: changed %q, want %q", c.to, s, c.want)
		}
	}
	cut := strings.Index(good, "[[interlock]]\nname = \"lamp\"")
	ch := Diff(base, parse(t, good[:cut]))
	if fmt.Sprint(ch.Interlocks) != "{[] [lamp] []}" || fmt.Sprint(Diff(parse(t, good[:cut]), base).Interlocks) != "{[lamp] [] []}" {
		t.Errorf("removed interlock: %+v", ch)
	}
}

func TestLines(t *testing.T) {
	text := `# comment with "quotes" and [brackets]
a = """
x = 1
[no]
"""
[t."quo.ted"]
k = [ # comment
  1,
  { z = 2, y = "]" },
]
[[l]]
p.q = 1
[[l.m]]
n = 'it''s'
[[l]]
[[l.m]]
[[l.m]]
n = 1
`
	ix := indexLines(text)
	for k, want := range map[string]int{"a": 2, "t.quo.ted": 6, "t.quo.ted.k": 7, "t.quo.ted.k[0]": 8, "t.quo.ted.k[1].z": 9, "t.quo.ted.k[1].y": 9,
		"l[0].p.q": 12, "l[0].m[0].n": 14, "l[1]": 15, "l[1].m[0]": 16, "l[1].m[1].n": 18, "l[1].m[1].absent": 17, "x": 0, "no": 0} {
		if got := ix.at(k); got != want {
			t.Errorf("%s at line %d, want %d", k, got, want)
		}
	}
}

func TestCondition(t *testing.T) {
	nan := 0.0
	nan /= nan
	for _, c := range []struct {
		op   string
		v    float64
		want bool
	}{{"<", 0.4, true}, {"<", 0.5, false}, {"<=", 0.5, true}, {"<=", 0.6, false}, {">", 0.6, true}, {">", 0.5, false}, {">=", 0.5, true}, {">=", 0.4, false},
		{"<", nan, true}, {"<=", nan, true}, {">", nan, true}, {">=", nan, true}} {
		if got := (Condition{Op: c.op, Limit: 0.5}).Holds(c.v); got != c.want {
			t.Errorf("%g %s 0.5: %v", c.v, c.op, got)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"512KiB": 512 << 10, "16MiB": 16 << 20, "1GiB": 1 << 30, "4097": 4097, "0": 0} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want || b.String() != text {
			t.Errorf("%s: %d, %s, %v", text, b, b, err)
		}
	}
	for _, text := range []string{"", "16MB", "-1KiB", "1.5MiB", "99999999999GiB", "KiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %d", text, b)
		}
	}
}

// FuzzParse gives the loader any text: no panic, and what it accepts it accepts again.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("[[task]]\nrule = [{}]\n[[task]]\n")
	f.Add("[[output]]\n[output]\n")
	f.Add("sensor = [1]\nbus = {}\n")
	f.Add("a.b.c = [[{x=1}], '''\n''']")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), "site.toml")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("not a list of problems: %v", err)
			}
			return
		}
		if !Diff(c, c).Empty() {
			t.Fatal("differs from itself")
		}
	})
}
