package ads1115

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	periph "periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ads1x15"

	"wayside/hal"
	"wayside/hal/bus/i2c"
)

// Levels of NAMUR NE 43 in milliamperes.
const (
	failLow   = 3.6  // below: broken wire or failed transmitter
	limitLow  = 3.8  // below: the transmitter is at its lower limit
	limitHigh = 20.5 // above: the transmitter is at its upper limit
	failHigh  = 21.0 // above: failed transmitter or short circuit
	// fullLoop is the current that must still be measured and not clipped, so that failHigh can be told.
	fullLoop = 24.0
)

// maxVolts is the widest range of the converter (SBAS444D, table 3).
const maxVolts = 6.144

// Config are the driver keys of [[sensor]] with driver = "ads1115".
type Config struct {
	Address int     `toml:"address"`    // 0x48 (default) to 0x4b, by the ADDR pin
	Channel int     `toml:"channel"`    // input 0 to 3
	Shunt   float64 `toml:"shunt_ohms"` // resistor that the loop's current flows through, such as 150
	Low     float64 `toml:"low"`        // value at 4 mA, in the sensor's unit
	High    float64 `toml:"high"`       // value at 20 mA
	Rate    int     `toml:"rate"`       // conversions per second: 8, 16, 32, 64, 128 (default), 250, 475 or 860; slower is quieter
}

func init() {
	hal.RegisterSensor(hal.SensorDriver{
		Name: "ads1115", Doc: "4-20 mA loop on an ADS1115 converter, with NAMUR NE 43 fault levels", NeedsBus: "i2c",
		Config:   func() any { return &Config{Address: 0x48, Channel: -1, Rate: 128} },
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(ctx context.Context, cfg any, b hal.Bus, env hal.Env) (hal.Sensor, error) {
			bus, ok := b.(*i2c.Bus)
			if !ok {
				return nil, hal.InputError("ads1115: bus %v is no i2c bus", b)
			}
			return Open(ctx, cfg.(*Config), bus, env.Clock)
		},
	})
}

// Validate checks the keys.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, reason, remedy string) {
		errs = append(errs, &hal.KeyError{Key: key, Reason: reason, Remedy: remedy})
	}
	if c.Address < 0x48 || c.Address > 0x4b {
		bad("address", fmt.Sprintf("%#02x is none of this chip's", c.Address), "give 0x48 to 0x4b")
	}
	if c.Channel < 0 || c.Channel > 3 {
		bad("channel", "is missing or out of range", "give the input, 0 to 3")
	}
	if limit := maxVolts / fullLoop * 1000; !(c.Shunt >= 1 && c.Shunt <= limit) {
		bad("shunt_ohms", "is missing or out of range", fmt.Sprintf("give the resistor in ohms, 1 to %.0f: %g mA must stay measurable", limit, fullLoop))
	}
	if c.Low == c.High || math.IsNaN(c.Low+c.High) || math.IsInf(c.Low, 0) || math.IsInf(c.High, 0) {
		bad("high", fmt.Sprintf("%g at 20 mA and %g at 4 mA are no range", c.High, c.Low), "give the values that the transmitter means by 4 mA (low) and by 20 mA (high)")
	}
	switch c.Rate {
	case 8, 16, 32, 64, 128, 250, 475, 860:
	default:
		bad("rate", fmt.Sprintf("%d is no rate of this chip", c.Rate), "give 8, 16, 32, 64, 128, 250, 475 or 860")
	}
	return errors.Join(errs...)
}

// Open makes the sensor after one read of the chip's config register, so that a missing chip is told at once. The bus stays the caller's.
func Open(ctx context.Context, cfg *Config, bus *i2c.Bus, clock hal.Clock) (hal.Sensor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ads1115: %w", err)
	}
	s := &sensor{cfg: *cfg, bus: bus, clock: clock}
	err := bus.Do(ctx, s.addr(), func(b periph.Bus) error {
		var r [2]byte
		return b.Tx(s.addr(), []byte{regConfig}, r[:])
	})
	if err != nil {
		return nil, fmt.Errorf("ads1115: %w", err)
	}
	return s, nil
}

type sensor struct {
	cfg   Config
	bus   *i2c.Bus
	clock hal.Clock
}

func (s *sensor) addr() uint16 { return uint16(s.cfg.Address) }

// Read implements hal.Sensor: one conversion.
func (s *sensor) Read(ctx context.Context) (hal.Sample, error) {
	var volts float64
	err := s.bus.Do(ctx, s.addr(), func(b periph.Bus) error {
		g := &gate{Bus: b, ctx: ctx, clock: s.clock, pause: time.Second / time.Duration(s.cfg.Rate) / 10}
		dev, err := ads1x15.NewADS1115(g, &ads1x15.Opts{I2cAddress: s.addr()})
		if err != nil {
			return err
		}
		span := physic.ElectricPotential(math.Round(fullLoop / 1000 * s.cfg.Shunt * float64(physic.Volt)))
		pin, err := dev.PinForChannel(ads1x15.Channel0+ads1x15.Channel(s.cfg.Channel), span, physic.Frequency(s.cfg.Rate)*physic.Hertz, ads1x15.BestQuality)
		if err != nil {
			return err
		}
		a, err := pin.Read()
		volts = float64(a.V) / float64(physic.Volt)
		return err
	})
	if err != nil {
		err = fmt.Errorf("ads1115 input %d: %w", s.cfg.Channel, err)
		return hal.Missing(s.clock, err), err
	}
	ma := volts / s.cfg.Shunt * 1000
	sample := hal.Sample{Boot: s.clock.Boot(), Wall: s.clock.Now(), Value: s.cfg.Low + (ma-4)/16*(s.cfg.High-s.cfg.Low)}
	sample.Quality, sample.Reason = judge(ma)
	return sample, nil
}

// judge is NAMUR NE 43.
func judge(ma float64) (hal.Quality, string) {
	switch {
	case ma < failLow:
		return hal.WireBreak, fmt.Sprintf("%.2f mA, below %g: broken wire or failed transmitter", ma, failLow)
	case ma < limitLow:
		return hal.OutOfRange, fmt.Sprintf("%.2f mA, below %g: the transmitter is at its lower limit", ma, limitLow)
	case ma > failHigh:
		return hal.OutOfRange, fmt.Sprintf("%.2f mA, above %g: failed transmitter or short circuit", ma, failHigh)
	case ma > limitHigh:
		return hal.OutOfRange, fmt.Sprintf("%.2f mA, above %g: the transmitter is at its upper limit", ma, limitHigh)
	}
	return hal.Good, ""
}

// Close implements hal.Sensor; in single-shot mode the chip powers itself down after each conversion.
func (s *sensor) Close() error { return nil }

// Registers and bits that the gate needs (SBAS444D, 9.6).
const (
	regConversion = 0
	regConfig     = 1
	bitOS         = 0x8000 // reads 1 when no conversion runs
)

// gate stands between periph's driver and the bus. periph v3.7.4 sleeps exactly one nominal conversion time and then takes the result, but the
// chip's oscillator is only good to 10 %, so that it can get the conversion before, of another channel. The gate lets the read of the
// result pass only when the chip says that it is done, and that its settings are still those that were written.
type gate struct {
	periph.Bus
	ctx    context.Context
	clock  hal.Clock
	pause  time.Duration
	config uint16
}

func (g *gate) Tx(addr uint16, w, r []byte) error {
	switch {
	case len(w) == 3 && w[0] == regConfig:
		g.config = binary.BigEndian.Uint16(w[1:]) &^ bitOS
	case len(w) == 1 && w[0] == regConversion && len(r) == 2:
		if err := g.wait(addr); err != nil {
			return err
		}
	}
	return g.Bus.Tx(addr, w, r)
}

func (g *gate) wait(addr uint16) error {
	for {
		var r [2]byte
		if err := g.Bus.Tx(addr, []byte{regConfig}, r[:]); err != nil {
			return err
		}
		v := binary.BigEndian.Uint16(r[:])
		if got := v &^ bitOS; got != g.config {
			return fmt.Errorf("config register is %#04x and not %#04x: the chip lost its power, or another master uses it: %w", got, g.config, hal.ErrNoDevice)
		}
		if v&bitOS != 0 {
			return nil
		}
		if err := hal.Sleep(g.ctx, g.clock, g.pause); err != nil {
			return err
		}
	}
}
