package csv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"wayside/hal"
	"wayside/hal/table"
)

// Config are the driver keys of [[sensor]] with driver = "csv".
type Config struct {
	File   string       `toml:"file"`   // relative to the configuration file
	Column string       `toml:"column"` // column of values
	Time   string       `toml:"time"`   // column of times: seconds, or points in time; rises from row to row. Instead of step
	Step   hal.Duration `toml:"step"`   // time of one row, for tables without a column of times
	Loop   bool         `toml:"loop"`   // begin again after the end; else the device is missing from there on
}

func init() {
	hal.RegisterSensor(hal.SensorDriver{
		Name: "csv", Doc: "replay of one column of a CSV table",
		Config:   func() any { return &Config{} },
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(_ context.Context, cfg any, _ hal.Bus, env hal.Env) (hal.Sensor, error) {
			return Open(cfg.(*Config), env)
		},
	})
}

// Validate checks the keys without opening the file.
func (c *Config) Validate() error {
	var errs []error
	for _, k := range []struct{ key, v string }{{"file", c.File}, {"column", c.Column}} {
		if k.v == "" {
			errs = append(errs, &hal.KeyError{Key: k.key, Reason: "is missing", Remedy: "give the name of the " + k.key})
		}
	}
	if (c.Time == "") == (c.Step == 0) {
		errs = append(errs, &hal.KeyError{Key: "time", Reason: "exactly one of time and step is needed", Remedy: `name the column of times, or give step = "100ms" for the time of one row`})
	}
	if c.Step < 0 {
		errs = append(errs, &hal.KeyError{Key: "step", Reason: fmt.Sprintf("%s is negative", c.Step), Remedy: "give a time above 0"})
	}
	return errors.Join(errs...)
}

// Open reads and checks the whole file; its first row is now. Errors name file and line.
func Open(cfg *Config, env hal.Env) (hal.Sensor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("csv sensor: %w", err)
	}
	t, err := table.File(env.Path(cfg.File))
	if err != nil {
		return nil, fmt.Errorf("csv sensor: %w", err)
	}
	values, err := t.Column(cfg.Column)
	if err != nil {
		return nil, fmt.Errorf("csv sensor: %w", err)
	}
	s := &sensor{clock: env.Clock, name: t.Name, lines: t.Lines, values: values, loop: cfg.Loop, at: make([]float64, len(values))}
	step := cfg.Step.D().Seconds()
	if cfg.Time != "" {
		times, err := t.Column(cfg.Time)
		if err != nil {
			return nil, fmt.Errorf("csv sensor: %w", err)
		}
		for i, x := range times {
			if math.IsNaN(x) || math.IsInf(x, 0) || i > 0 && x <= times[i-1] {
				return nil, hal.InputError("csv sensor: %s:%d: column %q: the time is missing or not after that of the row before", t.Name, t.Lines[i], cfg.Time)
			}
			s.at[i] = x - times[0]
		}
		// The last row stands as long as the one before it did.
		step = 1
		if n := len(times); n > 1 {
			step = times[n-1] - times[n-2]
		}
	} else {
		for i := range s.at {
			s.at[i] = float64(i) * step
		}
	}
	s.length = s.at[len(s.at)-1] + step
	s.begin = env.Clock.Boot()
	return s, nil
}

type sensor struct {
	clock  hal.Clock
	name   string
	lines  []int
	at     []float64 // seconds from the first row
	values []float64
	length float64       // end of the last row
	begin  time.Duration // boot time of the first row
	loop   bool
}

// Read implements hal.Sensor: the value of the row whose time has come, stamped with the time of the reading. An empty cell is a
// device without a measurement, the end of the file a missing one.
func (s *sensor) Read(ctx context.Context) (hal.Sample, error) {
	if err := hal.Ended(ctx); err != nil {
		return hal.Missing(s.clock, err), err
	}
	sample := hal.Sample{Boot: s.clock.Boot(), Wall: s.clock.Now()}
	since := (sample.Boot - s.begin).Seconds()
	if since >= s.length {
		if !s.loop {
			err := fmt.Errorf("csv sensor: %s:%d: end of file: %w", s.name, s.lines[len(s.lines)-1], hal.ErrNoDevice)
			return hal.Missing(s.clock, err), err
		}
		since = math.Mod(since, s.length)
	}
	// A nanosecond of slack: times in seconds are rounded, and a row must not come a reading late for that.
	i := sort.Search(len(s.at), func(i int) bool { return s.at[i] > since+1e-9 }) - 1
	if math.IsNaN(s.values[i]) {
		sample.Quality, sample.Reason = hal.DeviceMissing, fmt.Sprintf("%s:%d: empty cell", s.name, s.lines[i])
		return sample, nil
	}
	sample.Value = s.values[i]
	return sample, nil
}

// Close implements hal.Sensor.
func (s *sensor) Close() error { return nil }
