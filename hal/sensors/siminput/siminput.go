package siminput

import (
	"context"
	"fmt"

	"wayside/hal"
	"wayside/hal/sim/gpiochip"
)

// Config are the driver keys of [[sensor]] with driver = "sim-input".
type Config struct {
	Chip       string `toml:"chip"`        // socket of `wayside simulate gpio`
	Line       int    `toml:"line"`        // offset on the chip
	ExpectName string `toml:"expect_name"` // name the line must have; empty: not checked
	ActiveLow  bool   `toml:"active_low"`  // a low line reads 1
	Consumer   string `toml:"consumer"`    // name the claim shows; default "wayside"
	Shared     bool   `toml:"shared"`      // read without claiming the line, so that several may read it
}

func init() {
	hal.RegisterSensor(hal.SensorDriver{
		Name: "sim-input", Doc: "digital input of the simulated GPIO chip (wayside simulate gpio)",
		Config: func() any { return &Config{Line: -1, Consumer: "wayside"} },
		Validate: func(cfg any) error {
			return cfg.(*Config).Validate()
		},
		Open: func(ctx context.Context, cfg any, _ hal.Bus, env hal.Env) (hal.Sensor, error) {
			return Open(ctx, cfg.(*Config), env)
		},
	})
}

// Validate checks the keys without touching the chip.
func (c *Config) Validate() error { return c.ref().Validate() }

func (c *Config) ref() gpiochip.LineRef {
	return gpiochip.LineRef{Chip: c.Chip, Line: c.Line, ExpectName: c.ExpectName, Consumer: c.Consumer}
}

// Open claims the line as an input, unless it is to be shared, and keeps the connection. A chip that ends and comes back is
// found again by the next Read.
func Open(ctx context.Context, cfg *Config, env hal.Env) (hal.Sensor, error) {
	s := &sensor{cfg: *cfg, env: env}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

type sensor struct {
	cfg  Config
	env  hal.Env
	chip *gpiochip.Client // nil while there is no connection
}

func (s *sensor) connect(ctx context.Context) error {
	chip, _, err := s.cfg.ref().Dial(ctx, s.env)
	if err != nil {
		return s.wrap(err)
	}
	if !s.cfg.Shared {
		err = chip.Request(ctx, s.cfg.Consumer, gpiochip.LineRequest{Line: s.cfg.Line, Direction: gpiochip.Input})
	}
	if err != nil {
		_ = chip.Close() // nothing was claimed
		return s.wrap(err)
	}
	s.chip = chip
	return nil
}

func (s *sensor) wrap(err error) error { return fmt.Errorf("sim-input line %d: %w", s.cfg.Line, err) }

// Read implements hal.Sensor: 0 or 1.
func (s *sensor) Read(ctx context.Context) (hal.Sample, error) {
	if s.chip == nil {
		if err := s.connect(ctx); err != nil {
			return hal.Missing(s.env.Clock, err), err
		}
	}
	l, err := s.chip.Line(ctx, s.cfg.Line)
	if err != nil {
		_ = s.chip.Close() // broken already
		s.chip = nil
		err = s.wrap(err)
		return hal.Missing(s.env.Clock, err), err
	}
	sample := hal.Sample{Boot: s.env.Clock.Boot(), Wall: s.env.Clock.Now()}
	if (l.Level == 1) != s.cfg.ActiveLow {
		sample.Value = 1
	}
	return sample, nil
}

// Close implements hal.Sensor.
func (s *sensor) Close() error {
	if s.chip == nil {
		return nil
	}
	return s.chip.Close()
}
