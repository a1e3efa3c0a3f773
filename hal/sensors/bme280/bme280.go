package bme280

import (
	"context"
	"errors"
	"fmt"
	"strings"

	periph "periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/bmxx80"

	"wayside/hal"
	"wayside/hal/bus/i2c"
)

// Config are the driver keys of [[sensor]] with driver = "bme280".
type Config struct {
	Address      int    `toml:"address"`      // 0x76 (default) or 0x77
	Quantity     string `toml:"quantity"`     // temperature (degrees Celsius), humidity (percent) or pressure (hPa)
	Oversampling int    `toml:"oversampling"` // conversions averaged in the chip: 1 (default), 2, 4, 8 or 16; more takes longer
}

var oversampling = map[int]bmxx80.Oversampling{1: bmxx80.O1x, 2: bmxx80.O2x, 4: bmxx80.O4x, 8: bmxx80.O8x, 16: bmxx80.O16x}

// quantities convert periph's units into ours.
var quantities = map[string]func(e *physic.Env) float64{
	"temperature": func(e *physic.Env) float64 { return e.Temperature.Celsius() },
	"humidity":    func(e *physic.Env) float64 { return float64(e.Humidity) / float64(physic.PercentRH) },
	"pressure":    func(e *physic.Env) float64 { return float64(e.Pressure) / float64(physic.Pascal) / 100 },
}

func init() {
	hal.RegisterSensor(hal.SensorDriver{
		Name: "bme280", Doc: "temperature, humidity or pressure from a Bosch BME280 or BMP280", NeedsBus: "i2c",
		Config:   func() any { return &Config{Address: 0x76, Oversampling: 1} },
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(ctx context.Context, cfg any, b hal.Bus, env hal.Env) (hal.Sensor, error) {
			bus, ok := b.(*i2c.Bus)
			if !ok {
				return nil, hal.InputError("bme280: bus %v is no i2c bus", b)
			}
			return Open(ctx, cfg.(*Config), bus, env.Clock)
		},
	})
}

// Validate checks the keys.
func (c *Config) Validate() error {
	var errs []error
	if c.Address != 0x76 && c.Address != 0x77 {
		errs = append(errs, &hal.KeyError{Key: "address", Reason: fmt.Sprintf("%#02x is none of this chip's", c.Address), Remedy: "give 0x76 or 0x77"})
	}
	if quantities[c.Quantity] == nil {
		errs = append(errs, &hal.KeyError{Key: "quantity", Reason: fmt.Sprintf("%q is unknown", c.Quantity), Remedy: "give temperature, humidity or pressure"})
	}
	if _, ok := oversampling[c.Oversampling]; !ok {
		errs = append(errs, &hal.KeyError{Key: "oversampling", Reason: fmt.Sprintf("%d is no setting of this chip", c.Oversampling), Remedy: "give 1, 2, 4, 8 or 16"})
	}
	return errors.Join(errs...)
}

// Open finds the chip, reads its calibration and sets it up. The bus stays the caller's.
func Open(ctx context.Context, cfg *Config, bus *i2c.Bus, clock hal.Clock) (hal.Sensor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("bme280: %w", err)
	}
	s := &sensor{cfg: *cfg, bus: bus, clock: clock, tap: &tap{}}
	if err := bus.Do(ctx, s.addr(), s.setUp); err != nil {
		return nil, fmt.Errorf("bme280: %w", err)
	}
	return s, nil
}

type sensor struct {
	cfg   Config
	bus   *i2c.Bus
	clock hal.Clock
	tap   *tap
	dev   *bmxx80.Dev // nil after the chip was lost: it is set up anew by the next Read
}

func (s *sensor) addr() uint16 { return uint16(s.cfg.Address) }

// setUp makes a driver for a chip that was just found, or found again.
func (s *sensor) setUp(b periph.Bus) error {
	s.tap.Bus = b
	o := oversampling[s.cfg.Oversampling]
	dev, err := bmxx80.NewI2C(s.tap, s.addr(), &bmxx80.Opts{Temperature: o, Pressure: o, Humidity: o})
	if err != nil {
		// A failed transfer has its own kind; what is left is a chip that is another one.
		return fmt.Errorf("%w: %w", err, hal.ErrNoDevice)
	}
	name, _, _ := strings.Cut(dev.String(), "{")
	switch {
	case name == "BMP280" && s.cfg.Quantity == "humidity":
		return hal.InputError("the chip is a BMP280, which has no humidity")
	case name != "BME280" && name != "BMP280":
		return fmt.Errorf("the chip is a %s: %w", name, hal.ErrNoDevice)
	}
	s.dev = dev
	return nil
}

// Read implements hal.Sensor: one measurement of the chip.
func (s *sensor) Read(ctx context.Context) (hal.Sample, error) {
	var e physic.Env
	err := s.bus.Do(ctx, s.addr(), func(b periph.Bus) error {
		if s.dev == nil {
			if err := s.setUp(b); err != nil {
				return err
			}
		}
		s.tap.Bus = b
		s.tap.skipped = ""
		if err := s.dev.Sense(&e); err != nil {
			return err
		}
		if skipped := s.tap.skipped; skipped != "" && (skipped != "humidity" || s.cfg.Quantity == "humidity") {
			return fmt.Errorf("the chip did not measure %s: it lost its power and with it its settings: %w", skipped, hal.ErrNoDevice)
		}
		return nil
	})
	if err != nil {
		s.dev = nil
		err = fmt.Errorf("bme280 %s: %w", s.cfg.Quantity, err)
		return hal.Missing(s.clock, err), err
	}
	return hal.Sample{Boot: s.clock.Boot(), Wall: s.clock.Now(), Value: quantities[s.cfg.Quantity](&e)}, nil
}

// Close implements hal.Sensor; in forced mode the chip sleeps between measurements.
func (s *sensor) Close() error { return nil }

// Registers, and what the data hold when a measurement was skipped (DS002, 5.4.3, 5.4.5, 5.4.7 to 5.4.9).
const (
	regCtrlHum = 0xf2 // followed by the status and by ctrl_meas
	regData    = 0xf7
	skipped20  = 0x80000
	skipped16  = 0x8000
)

// tap stands between periph's driver and the bus. It looks at the data on their way: a chip that was reset, by a dip of its supply, answers
// with reset values that the driver (v3.7.4) turns into a plausible wrong reading.
type tap struct {
	periph.Bus
	skipped string // quantity that the last data lacked
}

func (t *tap) Tx(addr uint16, w, r []byte) error {
	err := t.Bus.Tx(addr, w, r)
	if err != nil || len(w) != 1 || w[0] != regData || len(r) < 6 {
		return err
	}
	pressure := int(r[0])<<12 | int(r[1])<<4 | int(r[2])>>4
	temperature := int(r[3])<<12 | int(r[4])<<4 | int(r[5])>>4
	humid := len(r) >= 8
	if temperature != skipped20 && pressure != skipped20 && (!humid || int(r[6])<<8|int(r[7]) != skipped16) {
		return nil
	}
	// The same numbers can be true readings, of a temperature near 26 degrees for instance. The settings tell: those that were lost are 0.
	var c [3]byte
	if err := t.Bus.Tx(addr, []byte{regCtrlHum}, c[:]); err != nil {
		return err
	}
	switch {
	case c[2]>>5 == 0:
		t.skipped = "temperature"
	case c[2]>>2&7 == 0:
		t.skipped = "pressure"
	case humid && c[0]&7 == 0:
		t.skipped = "humidity"
	}
	return nil
}
