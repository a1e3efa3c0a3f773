package modbus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"wayside/hal"
	bus "wayside/hal/bus/modbus"
)

// Config are the driver keys of [[sensor]] with driver = "modbus".
type Config struct {
	UnitID    int           `toml:"unit_id"`    // 0 to 255; default 1
	Register  int           `toml:"register"`   // address in the protocol, from 0: "40001" of a manual is 0 with function "holding"
	Function  string        `toml:"function"`   // holding (default), input, coil, discrete
	Type      bus.ValueType `toml:"type"`       // uint16 (default), int16, uint32, int32, float32; bit for coil and discrete
	ByteOrder string        `toml:"byte_order"` // within a register: big (default) or little
	WordOrder string        `toml:"word_order"` // of two registers: big (default, high one first) or little
	Scale     float64       `toml:"scale"`      // value = raw * scale + offset; default 1
	Offset    float64       `toml:"offset"`
	Invalid   []uint32      `toml:"invalid"` // raw values by which the device says that it has none, such as 32768
}

var functions = map[string]bus.Function{
	"holding": bus.ReadHoldingRegisters, "input": bus.ReadInputRegisters,
	"coil": bus.ReadCoils, "discrete": bus.ReadDiscreteInputs,
}

func init() {
	hal.RegisterSensor(hal.SensorDriver{
		Name: "modbus", Doc: "register or bit of a Modbus device", NeedsBus: "modbus",
		Config: func() any {
			return &Config{UnitID: 1, Register: -1, Function: "holding", ByteOrder: "big", WordOrder: "big", Scale: 1}
		},
		Validate: func(cfg any) error { return cfg.(*Config).Validate() },
		Open: func(_ context.Context, cfg any, b hal.Bus, env hal.Env) (hal.Sensor, error) {
			c, ok := b.(*bus.Client)
			if !ok {
				return nil, hal.InputError("modbus sensor: bus %v is no modbus bus", b)
			}
			return Open(cfg.(*Config), c, env.Clock)
		},
	})
}

// Validate checks the keys.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, reason, remedy string) {
		errs = append(errs, &hal.KeyError{Key: key, Reason: reason, Remedy: remedy})
	}
	if c.UnitID < 0 || c.UnitID > 255 {
		bad("unit_id", fmt.Sprintf("%d is out of range", c.UnitID), "give 0 to 255")
	}
	if c.Register < 0 || c.Register > 65535 {
		bad("register", "is missing or out of range", "give 0 to 65535, counted from 0")
	}
	fn, known := functions[c.Function]
	if !known {
		bad("function", fmt.Sprintf("%q is unknown", c.Function), "give holding, input, coil or discrete")
	}
	bits := known && fn <= bus.ReadDiscreteInputs
	t := c.valueType()
	switch {
	case t != bus.Bit && t.Registers() == 0:
		bad("type", fmt.Sprintf("%q is unknown", t), "give "+bus.ValueTypes)
	case known && bits != (t == bus.Bit):
		bad("type", fmt.Sprintf("%s does not go with function %q", t, c.Function), "coil and discrete are bits, holding and input are registers")
	case c.Register+t.Registers() > 1<<16:
		bad("register", fmt.Sprintf("%s at %d goes past 65535", t, c.Register), "use a lower address")
	}
	for _, o := range []struct{ key, v string }{{"byte_order", c.ByteOrder}, {"word_order", c.WordOrder}} {
		if o.v != "big" && o.v != "little" {
			bad(o.key, fmt.Sprintf("%q is unknown", o.v), "give big or little")
		}
	}
	if c.Scale == 0 || math.IsNaN(c.Scale) || math.IsInf(c.Scale, 0) {
		bad("scale", fmt.Sprintf("%g makes every value the same", c.Scale), "give a number other than 0")
	}
	if math.IsNaN(c.Offset) || math.IsInf(c.Offset, 0) {
		bad("offset", "is not a finite number", "give one")
	}
	return errors.Join(errs...)
}

// valueType fills in the default, which depends on the function.
func (c *Config) valueType() bus.ValueType {
	if c.Type != "" {
		return c.Type
	}
	if fn := functions[c.Function]; fn == bus.ReadCoils || fn == bus.ReadDiscreteInputs {
		return bus.Bit
	}
	return bus.Uint16
}

// Open makes the sensor; nothing is sent before the first Read. The bus stays the caller's.
func Open(cfg *Config, b *bus.Client, clock hal.Clock) (hal.Sensor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("modbus sensor: %w", err)
	}
	t := cfg.valueType()
	return &sensor{
		bus: b, clock: clock, unit: byte(cfg.UnitID), kind: t,
		order:   bus.Order{LittleBytes: cfg.ByteOrder == "little", LittleWords: cfg.WordOrder == "little"},
		request: bus.Request{Function: functions[cfg.Function], Address: uint16(cfg.Register), Count: uint16(max(t.Registers(), 1))},
		scale:   cfg.Scale, offset: cfg.Offset, invalid: cfg.Invalid,
	}, nil
}

type sensor struct {
	bus           *bus.Client
	clock         hal.Clock
	unit          byte
	request       bus.Request
	kind          bus.ValueType
	order         bus.Order
	scale, offset float64
	invalid       []uint32
}

// Read implements hal.Sensor. The sample's time is that of the answer, which is after the device took the value.
func (s *sensor) Read(ctx context.Context) (hal.Sample, error) {
	resp, err := s.bus.Do(ctx, s.unit, s.request)
	if err != nil {
		err = fmt.Errorf("%s %d: %w", s.kind, s.request.Address, err)
		return hal.Missing(s.clock, err), err
	}
	sample := hal.Sample{Boot: s.clock.Boot(), Wall: s.clock.Now()}
	var v float64
	var raw uint32
	if s.kind == bus.Bit {
		if resp.Bits[0] {
			v, raw = 1, 1
		}
	} else if v, raw, err = s.kind.Decode(resp.Registers, s.order); err != nil {
		return hal.Missing(s.clock, err), err
	}
	for _, x := range s.invalid {
		if x == raw {
			sample.Quality, sample.Reason = hal.DeviceMissing, fmt.Sprintf("raw value %#x means that the device has no measurement", raw)
			return sample, nil
		}
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		sample.Quality, sample.Reason = hal.OutOfRange, fmt.Sprintf("device sent %g", v)
		return sample, nil
	}
	sample.Value = v*s.scale + s.offset
	return sample, nil
}

// Close implements hal.Sensor; the bus belongs to who opened it.
func (s *sensor) Close() error { return nil }
