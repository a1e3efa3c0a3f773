package config

import (
	"net"
	"path/filepath"
	"time"

	"wayside/hal"
)

// Config is one site's file, decoded, with defaults filled in and every reference checked. It is read-only after Load.
type Config struct {
	Site       Site        `toml:"site"`
	Agent      Agent       `toml:"agent"`
	Guard      Guard       `toml:"guard"`
	Buses      []Bus       `toml:"bus"`
	Sensors    []Sensor    `toml:"sensor"`
	Models     []Model     `toml:"model"`
	Tasks      []Task      `toml:"task"`
	Outputs    []Output    `toml:"output"`
	Interlocks []Interlock `toml:"interlock"`

	// File is the path that was loaded; Dir its folder, which relative paths in the file start from.
	File string `toml:"-"`
	Dir  string `toml:"-"`

	lines  lineIndex // where each key stands, for problems found after decoding
	source []byte
}

// Source is the text that was loaded. It must not be changed.
func (c *Config) Source() []byte { return c.source }

// Path resolves a path written in the file: absolute ones stay, others start from the file's folder.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Dir, p)
}

// StateDir is the resolved site.state_dir.
func (c *Config) StateDir() string { return c.Path(c.Site.StateDir) }

// SocketPath is the resolved guard.socket.
func (c *Config) SocketPath() string { return c.Path(c.Guard.Socket) }

// Env is what drivers opened for this file are given.
func (c *Config) Env(clock hal.Clock) hal.Env { return hal.Env{Clock: clock, BaseDir: c.Dir} }

// Bus finds a bus by name; nil if there is none.
func (c *Config) Bus(name string) *Bus { return find(c.Buses, name) }

// Sensor finds a sensor by name; nil if there is none.
func (c *Config) Sensor(name string) *Sensor { return find(c.Sensors, name) }

// Model finds a model by name; nil if there is none.
func (c *Config) Model(name string) *Model { return find(c.Models, name) }

// Task finds a task by name; nil if there is none.
func (c *Config) Task(name string) *Task { return find(c.Tasks, name) }

// Output finds an output by name; nil if there is none.
func (c *Config) Output(name string) *Output { return find(c.Outputs, name) }

// Interlock finds an interlock by name; nil if there is none.
func (c *Config) Interlock(name string) *Interlock { return find(c.Interlocks, name) }

type named interface{ id() string }

func find[T any, P interface {
	*T
	named
}](list []T, name string) P {
	for i := range list {
		if p := P(&list[i]); p.id() == name {
			return p
		}
	}
	return nil
}

func (b *Bus) id() string       { return b.Name }
func (s *Sensor) id() string    { return s.Name }
func (m *Model) id() string     { return m.Name }
func (t *Task) id() string      { return t.Name }
func (o *Output) id() string    { return o.Name }
func (i *Interlock) id() string { return i.Name }

// Duration is written as text in the file: "80ms", "2.4s". D gives the time.Duration.
type Duration = hal.Duration

// Site is [site]: what this place is and where it keeps its state.
type Site struct {
	Name     string `toml:"name" doc:"what people call this place; shown on the page and in records" example:"cabinet 7578"`
	StateDir string `toml:"state_dir" doc:"folder of the journals and of everything that must survive a restart" default:"state" example:"state"`
	Threads  int    `toml:"threads" doc:"threads that share the work of one run of a model; more than the CPUs that the process may use are not started" default:"1" example:"2"`
	Cache    string `toml:"cache" doc:"folder that keeps packed weights of models from one start to the next, the 16 newest files; only the worker should be able to write to it; leave it out and weights are packed at every load" example:"cache"`
}

// Agent is [agent]: the worker process.
type Agent struct {
	ReleaseDir     string   `toml:"release_dir" doc:"folder that new models are dropped into; leave it out and no drop is looked at" example:"releases"`
	AllowUnsigned  bool     `toml:"allow_unsigned" doc:"take drops that carry no signature; needed for any drop, as signatures are not checked in this version" default:"false" example:"true"`
	ReleaseRescan  Duration `toml:"release_rescan" doc:"how often the release folder is read even if nothing announced a change" default:"2s" example:"2s"`
	ReleaseTimeout Duration `toml:"release_timeout" doc:"a drop still incomplete after this time is refused" default:"60s" example:"60s"`
	Listen         string   `toml:"listen" doc:"numeric address and port of the status page and /metrics; port 0 takes a free one; leave it out and there is no page" example:"127.0.0.1:0"`
	AllowRemote    bool     `toml:"allow_remote" doc:"let listen be an address other machines can reach; the page has no password" default:"false" example:"false"`
	JournalSize    Bytes    `toml:"journal_size" doc:"the worker's journal never takes more than this; its oldest part is deleted first" default:"16MiB" example:"16MiB"`
}

// Guard is [guard]: the guardian process.
type Guard struct {
	Socket         string   `toml:"socket" doc:"Unix socket of the guardian; at most 100 bytes as a whole path" default:"guard.sock" example:"guard.sock"`
	Tick           Duration `toml:"tick" doc:"how often leases, minimum and maximum times and interlocks are looked at, besides at every event" default:"20ms" example:"20ms"`
	RecordDeadline Duration `toml:"record_deadline" doc:"an output leaves its safe state only if the record of it is on disk within this time" default:"100ms" example:"100ms"`
	RecordSize     Bytes    `toml:"record_size" doc:"size of the guardian's own record, allocated once; the oldest records are overwritten" default:"1MiB" example:"1MiB"`
}

// Bus is one [[bus]]. Settings is the driver's own struct (a pointer, as hal.BusDriver.Config made it).
type Bus struct {
	Name string `toml:"name" doc:"the name sensors refer to" example:"loops"`
	Kind string `toml:"kind" doc:"which bus driver; its own keys follow in the same table" example:"modbus-tcp"`

	Settings any           `toml:"-"`
	Def      hal.BusDriver `toml:"-"` // the driver that Kind names
}

// Sensor is one [[sensor]]. Settings is the driver's own struct (a pointer, as hal.SensorDriver.Config made it).
type Sensor struct {
	Name       string   `toml:"name" doc:"the name tasks and interlocks refer to" example:"speed"`
	Driver     string   `toml:"driver" doc:"which sensor driver; its own keys follow in the same table" example:"modbus"`
	Bus        string   `toml:"bus" doc:"name of the bus it is on, for drivers that need one" example:"loops"`
	Period     Duration `toml:"period" doc:"one reading per period" example:"100ms"`
	Timeout    Duration `toml:"timeout" doc:"a reading that takes longer has failed; at most the period" implied:"the period" example:"80ms"`
	Range      *Range   `toml:"range" doc:"lowest and highest value that can be true; outside it the quality is out_of_range" example:"[0, 130]"`
	StuckAfter Duration `toml:"stuck_after" doc:"exactly the same value for so long: quality stuck; leave it out and this is not checked" example:"2m"`
	MaxRate    float64  `toml:"max_rate" doc:"fastest true change in units per second; faster: quality rate_too_high; leave it out and this is not checked" example:"50.0"`
	StaleAfter Duration `toml:"stale_after" doc:"a value older than this has quality stale; at least the period" implied:"3 periods" example:"300ms"`

	Settings any              `toml:"-"`
	Def      hal.SensorDriver `toml:"-"` // the driver that Driver names
}

// Checker is the plausibility check that the sensor's range, max_rate and stuck_after ask for.
func (s *Sensor) Checker() *hal.Checker {
	return &hal.Checker{Range: (*hal.Range)(s.Range), MaxRate: s.MaxRate, StuckAfter: s.StuckAfter.D()}
}

// Model is one [[model]].
type Model struct {
	Name   string      `toml:"name" doc:"the name tasks and drops refer to" example:"incident"`
	File   string      `toml:"file" doc:"the model the site starts with, .tflite or .onnx; a drop of the same name replaces it" example:"models/incident.tflite"`
	State  ModelState  `toml:"state" doc:"what happens to a recurrent model's state when the model is swapped" default:"reset" example:"reset"`
	Limits ModelLimits `toml:"limits" doc:"what the model may do; one that does otherwise is refused, or rolled back when it is already in use"`
}

// ModelState says what a swap does to recurrent state.
type ModelState string

// The model states.
const (
	StateReset ModelState = "reset" // the new model starts from zero
	StateCarry ModelState = "carry" // the new model goes on from the old one's state; refused when their shapes differ
)

// ModelLimits is limits of a [[model]]. A nil slice or a zero is a check that is off.
type ModelLimits struct {
	OutputMin    []float64 `toml:"output_min" doc:"lowest allowed value, in real units: one for all elements, or one for each, output after output" example:"[0.0]"`
	OutputMax    []float64 `toml:"output_max" doc:"highest allowed value, likewise" example:"[1.0]"`
	MaxSlowdown  float64   `toml:"max_slowdown" doc:"how many times slower than the model it replaces it may be; 0 is off" default:"20" example:"20.0"`
	ConstantRuns int       `toml:"constant_runs" doc:"so many runs in a row with exactly the same output while the input changes: the model is broken; 0 is off" default:"64" example:"64"`
}

// Task is one [[task]]: sensors in, a score out, rules on the score.
type Task struct {
	Name      string     `toml:"name" doc:"the name outputs refer to" example:"incident"`
	Sensors   []string   `toml:"sensors" doc:"what it looks at, in the order of the model's input" example:"[\"speed\", \"occupancy\"]"`
	Period    Duration   `toml:"period" doc:"one step of window, features, model and rules per period; no shorter than the sensors' periods" example:"100ms"`
	Window    Duration   `toml:"window" doc:"how far back it looks; a whole number of periods" example:"2.4s"`
	MaxGaps   int        `toml:"max_gaps" doc:"a window with more empty slots per sensor than this decides nothing" default:"0" example:"4"`
	Features  []string   `toml:"features" doc:"what is computed from each sensor's window: value diff mean std min max slope rms spectrum:N zscore" default:"value" example:"[\"value\"]"`
	Normalize *Normalize `toml:"normalize" doc:"subtract the mean and divide by the standard deviation, one of each per sensor"`
	Model     string     `toml:"model" doc:"name of the model" example:"incident"`
	Score     Score      `toml:"score" doc:"how the model's output becomes the one number that rules look at"`
	Rules     []Rule     `toml:"rule" doc:"what is asked of which output; without one the task only scores"`
}

// Slots is the number of samples in the task's window.
func (t *Task) Slots() int { return int(t.Window / t.Period) }

// Normalize is normalize of a [[task]]; both slices have one entry per sensor.
type Normalize struct {
	Mean []float64 `toml:"mean" doc:"mean of each sensor, in the order of sensors" example:"[57.0, 9.0]"`
	Std  []float64 `toml:"std" doc:"standard deviation of each sensor" example:"[9.0, 6.0]"`
}

// ScoreKind says how a score is made.
type ScoreKind string

// The score kinds.
const (
	// ScoreOutput: the score is element Index of model output Output, dequantized.
	ScoreOutput ScoreKind = "output"
	// ScoreResidual: the model predicts, in element Index of model output Output, the value that Sensor will have at the
	// task's next step; the score is |prediction − value| once that step has come, in the model's units, that is
	// normalized if the task normalizes.
	ScoreResidual ScoreKind = "residual"
)

// Score is score of a [[task]].
type Score struct {
	Kind   ScoreKind `toml:"kind" doc:"output: the element itself; residual: how far the last prediction was from the value that came" default:"output" example:"output"`
	Output int       `toml:"output" doc:"which of the model's outputs" default:"0" example:"0"`
	Index  int       `toml:"index" doc:"which element of it" default:"0" example:"0"`
	Sensor string    `toml:"sensor" doc:"for residual: the sensor whose next value is predicted" implied:"the first sensor" example:"speed"`
}

// Rule is one [[task.rule]]: a threshold with hysteresis. Either on_above with off_below, or on_below with off_above.
type Rule struct {
	Name     string   `toml:"name" doc:"named in every record of what it asked for" example:"slow-down"`
	Output   string   `toml:"output" doc:"the output it asks for" example:"sign"`
	OnAbove  *float64 `toml:"on_above" doc:"ask for on while the score is above this" example:"0.7"`
	OffBelow *float64 `toml:"off_below" doc:"and for off once it is below this" implied:"on_above" example:"0.4"`
	OnBelow  *float64 `toml:"on_below" doc:"the mirror image: ask for on while the score is below this" example:"0.2"`
	OffAbove *float64 `toml:"off_above" doc:"and for off once it is above this" implied:"on_below" example:"0.5"`
	HoldOff  Duration `toml:"hold_off" doc:"the condition must hold so long before on is asked for" default:"0s" example:"500ms"`
	Lease    Duration `toml:"lease" doc:"how long the output stays as asked without a new decision; at least 2 task periods, at most the output's max_lease" example:"1s"`
}

// Inverted reports whether low scores mean on.
func (r *Rule) Inverted() bool { return r.OnBelow != nil }

// Value is the state of a digital output. Its text forms are "off" and "on".
type Value uint8

// The values.
const (
	Off Value = 0
	On  Value = 1
)

// String is "off" or "on".
func (v Value) String() string {
	if v == On {
		return "on"
	}
	return "off"
}

// Float is 0 or 1, as hal.Output takes it.
func (v Value) Float() float64 { return float64(v) }

// Not is the other value.
func (v Value) Not() Value { return v ^ 1 }

// Policy is what an output does on an event.
type Policy string

// The policies.
const (
	PolicySafe Policy = "safe" // its safe value
	PolicyOff  Policy = "off"
	PolicyOn   Policy = "on"
	PolicyHold Policy = "hold" // stay as it is; at start: as the line is found, if the guardian itself set it so since the last boot
)

// Output is one [[output]]. Settings is the driver's own struct (a pointer, as hal.OutputDriver.Config made it).
type Output struct {
	Name          string   `toml:"name" doc:"the name rules refer to" example:"sign"`
	Kind          string   `toml:"kind" doc:"which output driver; its own keys follow in the same table. Only simulated kinds exist in this version" example:"sim"`
	Tasks         []string `toml:"tasks" doc:"the tasks that may ask for it" example:"[\"incident\"]"`
	Safe          Value    `toml:"safe" doc:"the state it is in when nothing may ask for another: off or on" default:"off" example:"off"`
	OnStart       Policy   `toml:"on_start" doc:"its state when the guardian starts: safe, off, on, or hold (as found, if set by the guardian since the last boot, for one lease at most)" default:"safe" example:"safe"`
	OnStop        Policy   `toml:"on_stop" doc:"when worker or guardian are stopped in order: safe, off, on or hold" default:"safe" example:"safe"`
	OnWorkerLost  Policy   `toml:"on_worker_lost" doc:"when the worker dies or a task stops making progress" default:"safe" example:"safe"`
	OnStale       Policy   `toml:"on_stale" doc:"when a lease ends without a newer decision" default:"safe" example:"safe"`
	MinOn         Duration `toml:"min_on" doc:"once on, a request for off is refused for so long; going safe is not held up" default:"0s" example:"300ms"`
	MinOff        Duration `toml:"min_off" doc:"once off, it stays off at least so long" default:"0s" example:"300ms"`
	MaxOn         Duration `toml:"max_on" doc:"it goes off after so long, whoever asks; 0 is no limit" default:"0s" example:"60s"`
	MaxOpsPerHour int      `toml:"max_ops_per_hour" doc:"after so many changes within an hour it no longer leaves its safe state; 0 is no limit" default:"0" example:"2000"`
	MaxInputAge   Duration `toml:"max_input_age" doc:"a decision whose oldest input is older is refused" example:"1s"`
	MaxLease      Duration `toml:"max_lease" doc:"the longest lease it gives" default:"30s" example:"30s"`

	Settings any              `toml:"-"`
	Def      hal.OutputDriver `toml:"-"` // the driver that Kind names
}

// Interlock is one [[interlock]]. It can only forbid.
type Interlock struct {
	Name    string `toml:"name" doc:"named in every refusal it causes" example:"door"`
	Forbids string `toml:"forbids" doc:"the output it guards" example:"sign"`
	Value   Value  `toml:"value" doc:"the state it forbids; never the output's safe state" default:"on" example:"on"`
	When    string `toml:"when" doc:"sensor:NAME < > <= >= NUMBER, read by the guardian itself, where a failed, doubtful or old reading forbids too; or output:NAME = on|off" example:"sensor:door > 0.5"`

	Cond Condition `toml:"-"` // When, parsed
}

// Condition is a parsed interlock condition: a sensor against a limit, or another output's state.
type Condition struct {
	Sensor string  // set for sensor conditions
	Op     string  // "<", ">", "<=", ">="
	Limit  float64 //
	Output string  // set for output conditions
	Is     Value   // the state that forbids
}

// Holds reports whether a good reading v meets a sensor condition. NaN meets every condition: it must forbid.
func (c Condition) Holds(v float64) bool {
	switch c.Op {
	case "<":
		return !(v >= c.Limit)
	case "<=":
		return !(v > c.Limit)
	case ">":
		return !(v <= c.Limit)
	}
	return !(v < c.Limit)
}

// Range is written [min, max].
type Range struct{ Min, Max float64 }

// Bytes is a size, written "512KiB", "16MiB", "1GiB" or as a plain number of bytes.
type Bytes int64

// Loopback reports whether a numeric host:port can be reached from this machine only.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Progress is how long the task may be silent before it counts as lost: 3 of its periods, at least 1 s.
func (t *Task) Progress() time.Duration { return max(3*t.Period.D(), time.Second) }
