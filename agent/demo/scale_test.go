package demo

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

const scaleSample = `
[site]
name = "5m"                     # reads as a duration; nothing in the demo's own file does without being one
[guard]
tick = "1m"
[[sensor]]
name = "speed"
period = "5m"
max_rate = 0.5
scale = 0.1
register = 3
[[sensor]]
name = "occupancy"
period = "1h30m"
[[output]]
name = "sign"
max_ops_per_hour = 2
  [output.nested]
  min_on = "10m"
[[task]]
name = "t"
  [[task.rule]]
  lease = "30m"
`

func TestScaleConfig(t *testing.T) {
	out, err := scaleConfig([]byte(scaleSample), 3000, overlay{"sensor.occupancy": {"bus": "b"}, "guard": {"socket": "s"}})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Guard  struct{ Tick, Socket string }
		Sensor []struct {
			Name, Period, Bus string
			MaxRate           float64 `toml:"max_rate"`
			Scale             float64
			Register          int
		}
		Output []struct {
			Ops    int `toml:"max_ops_per_hour"`
			Nested struct {
				MinOn string `toml:"min_on"`
			}
		}
		Task []struct{ Rule []struct{ Lease string } }
	}
	if _, err := toml.Decode(string(out), &got); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	for _, c := range []struct {
		key       string
		got, want any
	}{
		{"guard.tick", got.Guard.Tick, "20ms"},
		{"guard.socket", got.Guard.Socket, "s"},
		{"sensor[0].period", got.Sensor[0].Period, "100ms"},
		{"sensor[0].max_rate", got.Sensor[0].MaxRate, 1500.0},
		{"sensor[0].scale", got.Sensor[0].Scale, 0.1},
		{"sensor[0].register", got.Sensor[0].Register, 3},
		{"sensor[0].bus", got.Sensor[0].Bus, ""},
		{"sensor[1].period", got.Sensor[1].Period, "1.8s"},
		{"sensor[1].bus", got.Sensor[1].Bus, "b"},
		{"output[0].max_ops_per_hour", got.Output[0].Ops, 6000},
		{"output[0].nested.min_on", got.Output[0].Nested.MinOn, "200ms"},
		{"task[0].rule[0].lease", got.Task[0].Rule[0].Lease, "600ms"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.key, c.got, c.want)
		}
	}
}

func TestScaleConfigErrors(t *testing.T) {
	for _, c := range []struct{ name, file, table, want string }{
		{"broken file", "[site", "guard", "configuration"},
		{"no such table", scaleSample, "agent", `no "agent"`},
		{"no such element", scaleSample, "sensor.wind", `no "sensor.wind"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := scaleConfig([]byte(c.file), 2, overlay{c.table: {"k": 1}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
