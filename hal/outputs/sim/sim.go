package sim

import (
	"context"
	"fmt"

	"wayside/hal"
	"wayside/hal/sim/gpiochip"
)

// Config are the driver keys of [[output]] with kind = "sim".
type Config struct {
	Chip       string `toml:"chip"`        // socket of `wayside simulate gpio`
	Line       int    `toml:"line"`        // offset on the chip
	ExpectName string `toml:"expect_name"` // name the line must have; empty: not checked
	ActiveLow  bool   `toml:"active_low"`  // 1 drives the line low
	Consumer   string `toml:"consumer"`    // name the claim shows; default "wayside"
}

func init() {
	hal.RegisterOutput(hal.OutputDriver{
		Kind: "sim", Doc: "line of the simulated GPIO chip (wayside simulate gpio)", Simulated: true,
		Config: func() any { return &Config{Line: -1, Consumer: "wayside"} },
		Validate: func(cfg any) error {
			return cfg.(*Config).Validate()
		},
		Open: func(ctx context.Context, cfg any, initial float64, env hal.Env) (hal.Output, error) {
			return Open(ctx, cfg.(*Config), initial, env)
		},
		Peek: func(ctx context.Context, cfg any, env hal.Env) (float64, error) {
			return Peek(ctx, cfg.(*Config), env)
		},
	})
}

// Validate checks the keys without touching the chip.
func (c *Config) Validate() error { return c.ref().Validate() }

func (c *Config) ref() gpiochip.LineRef {
	return gpiochip.LineRef{Chip: c.Chip, Line: c.Line, ExpectName: c.ExpectName, Consumer: c.Consumer}
}

// Open claims the line with its initial value, 0 or 1, in one call. After an error of Set or Get the connection and with it the
// claim are gone, unless the chip itself refused; the owner closes the output and opens a new one.
func Open(ctx context.Context, cfg *Config, initial float64, env hal.Env) (hal.Output, error) {
	o := &output{cfg: *cfg}
	level, err := o.level(initial)
	if err != nil {
		return nil, err
	}
	if o.chip, _, err = cfg.ref().Dial(ctx, env); err != nil {
		return nil, fmt.Errorf("sim output line %d: %w", cfg.Line, err)
	}
	if err := o.chip.Request(ctx, cfg.Consumer, gpiochip.LineRequest{Line: cfg.Line, Direction: gpiochip.Output, Level: level}); err != nil {
		_ = o.chip.Close() // nothing was claimed
		return nil, fmt.Errorf("sim output line %d: claim: %w", cfg.Line, err)
	}
	return o, nil
}

// Peek is the line's present state, without claiming it.
func Peek(ctx context.Context, cfg *Config, env hal.Env) (float64, error) {
	chip, l, err := cfg.ref().Dial(ctx, env)
	if err != nil {
		return 0, fmt.Errorf("sim output line %d: %w", cfg.Line, err)
	}
	if err := chip.Close(); err != nil {
		return 0, err
	}
	return value(l.Level, cfg.ActiveLow), nil
}

type output struct {
	cfg  Config
	chip *gpiochip.Client
}

func (o *output) level(v float64) (int, error) {
	if v != 0 && v != 1 {
		return 0, hal.InputError("sim output line %d: value %g: a digital output takes 0 or 1", o.cfg.Line, v)
	}
	if (v == 1) != o.cfg.ActiveLow {
		return 1, nil
	}
	return 0, nil
}

func value(level int, activeLow bool) float64 {
	if (level == 1) != activeLow {
		return 1
	}
	return 0
}

// Set implements hal.Output.
func (o *output) Set(v float64) error {
	level, err := o.level(v)
	if err != nil {
		return err
	}
	if err := o.chip.Set(context.Background(), gpiochip.LineRequest{Line: o.cfg.Line, Level: level}); err != nil {
		return fmt.Errorf("sim output line %d: set: %w", o.cfg.Line, err)
	}
	return nil
}

// Get implements hal.Output.
func (o *output) Get() (float64, error) {
	l, err := o.chip.Line(context.Background(), o.cfg.Line)
	if err != nil {
		return 0, fmt.Errorf("sim output line %d: get: %w", o.cfg.Line, err)
	}
	return value(l.Level, o.cfg.ActiveLow), nil
}

// Close implements hal.Output.
func (o *output) Close() error { return o.chip.Close() }
