package tensor

import (
	"math"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// F16ToF32 converts the bits of an IEEE 754 binary16 exactly.
func F16ToF32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	man := uint32(h) & 0x3ff
	switch {
	case exp == 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | man<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
	case man == 0:
		return math.Float32frombits(sign)
	}
	// A subnormal: man × 2^-24, exact in float32.
	f := float32(man) * (1.0 / (1 << 24))
	return math.Float32frombits(sign | math.Float32bits(f))
}

// F32ToF16 rounds to the nearest binary16, ties to even; too large values become infinite, NaN stays a quiet NaN.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13&0x1ff)
	case b >= 0x477ff000: // 65520 and more round to infinity
		return sign | 0x7c00
	case b >= 0x38800000: // normal: at least 2^-14
		b += 0xfff + b>>13&1
		return sign | uint16((b-0x38000000)>>13)
	case b < 0x33000000: // below 2^-25
		return sign
	}
	shift := 126 - b>>23 // 14..24 for exponents that are subnormal in binary16
	man := b&0x7fffff | 0x800000
	q := man >> shift
	rest := man & (1<<shift - 1)
	half := uint32(1) << (shift - 1)
	if rest > half || rest == half && q&1 == 1 {
		q++
	}
	return sign | uint16(q)
}

// BF16ToF32 converts exactly.
func BF16ToF32(b bfloat16.BF16) float32 { return math.Float32frombits(uint32(b) << 16) }

// Floats returns the elements of a floating-point tensor as float32. For F32 it is a view, otherwise a converted copy;
// false for other dtypes.
func (t *Tensor) Floats() ([]float32, bool) {
	switch t.DType {
	case F32:
		return t.F32(), true
	case F16:
		src := t.F16()
		out := make([]float32, len(src))
		for i, h := range src {
			out[i] = F16ToF32(h)
		}
		return out, true
	case BF16:
		src := t.BF16()
		out := make([]float32, len(src))
		for i, h := range src {
			out[i] = BF16ToF32(h)
		}
		return out, true
	}
	return nil, false
}

// Ints returns the elements of an integer or bool tensor as int64, uint64 values above its range wrapped; false for other dtypes.
func (t *Tensor) Ints() ([]int64, bool) {
	switch t.DType {
	case S8:
		return widen(t.S8()), true
	case U8:
		return widen(t.U8()), true
	case S16:
		return widen(t.S16()), true
	case S32:
		return widen(t.S32()), true
	case S64:
		return widen(t.S64()), true
	case Bool:
		return widen(t.Bool()), true
	case U32:
		return widen(t.U32()), true
	case U64:
		return widen(t.U64()), true
	}
	return nil, false
}

func widen[T int8 | uint8 | int16 | int32 | int64 | uint32 | uint64](s []T) []int64 {
	out := make([]int64, len(s))
	for i, v := range s {
		out[i] = int64(v)
	}
	return out
}
