package hal

import (
	"context"
	"sort"
	"sync"
)

// BusDriver opens one kind of bus.
type BusDriver struct {
	Kind   string // the value of `kind` in [[bus]]
	Family string // what sensors ask for in NeedsBus; empty means Kind. "i2c" and "i2c-sim" are both of family "i2c"
	Doc    string // one line for people
	Config func() any
	// Validate checks decoded settings without touching the world. Its error is a *KeyError, or several joined with errors.Join.
	Validate func(cfg any) error
	Open     func(ctx context.Context, name string, cfg any, env Env) (Bus, error)
}

// Serves is the family that sensors name.
func (d BusDriver) Serves() string {
	if d.Family != "" {
		return d.Family
	}
	return d.Kind
}

// SensorDriver opens one kind of sensor.
type SensorDriver struct {
	Name     string     // the value of `driver` in [[sensor]]
	Doc      string     // one line for people
	Config   func() any // a pointer to a new struct with `toml` tags, defaults set
	Validate func(cfg any) error
	Open     func(ctx context.Context, cfg any, bus Bus, env Env) (Sensor, error)
	NeedsBus string // family of the bus it must be given; empty: none, and Open gets a nil Bus
}

// Accepts reports whether the sensor can be opened on a bus of that kind.
func (d SensorDriver) Accepts(b BusDriver) bool { return d.NeedsBus != "" && d.NeedsBus == b.Serves() }

// OutputDriver claims one kind of output line.
type OutputDriver struct {
	Kind      string // the value of `kind` in [[output]]
	Doc       string
	Simulated bool // nothing real moves: may stand in the worker's own configuration file
	Config    func() any
	Validate  func(cfg any) error
	// Open claims the line with its initial value in one call. A line owned by another gives ErrBusy.
	Open func(ctx context.Context, cfg any, initial float64, env Env) (Output, error)
	// Peek reads the line's present state without claiming or changing it; nil where the device cannot do that.
	Peek func(ctx context.Context, cfg any, env Env) (float64, error)
}

// registry is filled by init functions and only read afterwards; the lock makes tests that register their own safe too.
type registry[T any] struct {
	mu sync.RWMutex
	m  map[string]T
}

func (r *registry[T]) add(what, name string, v T, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || !complete {
		panic("hal: register " + what + " " + name + ": name, Config, Validate and Open must be set")
	}
	if _, dup := r.m[name]; dup {
		panic("hal: register " + what + " " + name + ": registered twice")
	}
	if r.m == nil {
		r.m = make(map[string]T)
	}
	r.m[name] = v
}

func (r *registry[T]) find(name string) (T, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.m[name]
	return v, ok
}

func (r *registry[T]) list() []T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	names := make([]string, 0, len(r.m))
	for n := range r.m {
		names = append(names, n)
	}
	sort.Strings(names)
	out := make([]T, len(names))
	for i, n := range names {
		out[i] = r.m[n]
	}
	return out
}

var (
	buses   registry[BusDriver]
	sensors registry[SensorDriver]
	outputs registry[OutputDriver]
)

// RegisterBus adds a kind of bus. It is called from init; a duplicate or incomplete driver panics.
func RegisterBus(d BusDriver) {
	buses.add("bus", d.Kind, d, d.Config != nil && d.Validate != nil && d.Open != nil)
}

// RegisterSensor adds a sensor driver. It is called from init; a duplicate or incomplete driver panics.
func RegisterSensor(d SensorDriver) {
	sensors.add("sensor", d.Name, d, d.Config != nil && d.Validate != nil && d.Open != nil)
}

// RegisterOutput adds a kind of output. It is called from init; a duplicate or incomplete driver panics.
func RegisterOutput(d OutputDriver) {
	outputs.add("output", d.Kind, d, d.Config != nil && d.Validate != nil && d.Open != nil)
}

// Buses lists the registered kinds of bus, sorted by Kind.
func Buses() []BusDriver { return buses.list() }

// Sensors lists the registered sensor drivers, sorted by Name.
func Sensors() []SensorDriver { return sensors.list() }

// Outputs lists the registered kinds of output, sorted by Kind.
func Outputs() []OutputDriver { return outputs.list() }

// FindBus finds a kind of bus.
func FindBus(kind string) (BusDriver, bool) { return buses.find(kind) }

// FindSensor finds a sensor driver.
func FindSensor(name string) (SensorDriver, bool) { return sensors.find(name) }

// FindOutput finds a kind of output.
func FindOutput(kind string) (OutputDriver, bool) { return outputs.find(kind) }
