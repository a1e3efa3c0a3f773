package modbus

import (
	"math"

	"wayside/hal"
)

// ValueType is how registers hold a number.
type ValueType string

// The types. Bit is a coil or a discrete input.
const (
	Bit     ValueType = "bit"
	Uint16  ValueType = "uint16"
	Int16   ValueType = "int16"
	Uint32  ValueType = "uint32"
	Int32   ValueType = "int32"
	Float32 ValueType = "float32"
)

// ValueTypes is all of them, for error texts.
const ValueTypes = "bit, uint16, int16, uint32, int32 or float32"

// Order is how a number lies in registers. The protocol fixes big-endian bytes within a register and nothing for 32 bits; devices
// do all four combinations.
type Order struct {
	LittleBytes bool // the low byte of each register first
	LittleWords bool // the low register first
}

// Registers is how many registers the type takes; 0 for Bit and for unknown types.
func (t ValueType) Registers() int {
	switch t {
	case Uint16, Int16:
		return 1
	case Uint32, Int32, Float32:
		return 2
	}
	return 0
}

// raw puts the registers together, highest bits first.
func (o Order) raw(regs []uint16) uint32 {
	var v uint32
	for i := range regs {
		r := regs[i]
		if o.LittleWords {
			r = regs[len(regs)-1-i]
		}
		if o.LittleBytes {
			r = r<<8 | r>>8
		}
		v = v<<16 | uint32(r)
	}
	return v
}

// Decode reads the number from exactly t.Registers() registers. raw has the bits as they stand in the device.
func (t ValueType) Decode(regs []uint16, o Order) (value float64, raw uint32, err error) {
	if n := t.Registers(); n == 0 || n != len(regs) {
		return 0, 0, hal.InputError("modbus: %d registers for type %q", len(regs), t)
	}
	raw = o.raw(regs)
	switch t {
	case Int16:
		return float64(int16(raw)), raw, nil
	case Int32:
		return float64(int32(raw)), raw, nil
	case Float32:
		return float64(math.Float32frombits(raw)), raw, nil
	}
	return float64(raw), raw, nil
}

// Encode writes v, rounded to the nearest number of the type, in the protocol's own order (high byte and high register first). A number that
// the type cannot hold is a hal.ErrInput.
func (t ValueType) Encode(v float64) ([]uint16, error) {
	lo, hi := 0.0, 0.0
	switch t {
	case Uint16:
		hi = math.MaxUint16
	case Int16:
		lo, hi = math.MinInt16, math.MaxInt16
	case Uint32:
		hi = math.MaxUint32
	case Int32:
		lo, hi = math.MinInt32, math.MaxInt32
	case Float32:
		b := math.Float32bits(float32(v))
		return []uint16{uint16(b >> 16), uint16(b)}, nil
	default:
		return nil, hal.InputError("modbus: type %q has no registers", t)
	}
	r := math.Round(v)
	if !(r >= lo && r <= hi) {
		return nil, hal.InputError("modbus: %g does not fit %s (%g to %g)", v, t, lo, hi)
	}
	b := uint32(int64(r))
	if t.Registers() == 1 {
		return []uint16{uint16(b)}, nil
	}
	return []uint16{uint16(b >> 16), uint16(b)}, nil
}
