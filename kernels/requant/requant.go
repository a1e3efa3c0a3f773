package requant

import (
	"math"
)

// Params says how int32 sums become int8: per output channel a multiplier and a shift (one of each for all channels when the
// slices have length 1), then the output zero point is added and the result clamped to Min and Max.
type Params struct {
	Mult, Shift    []int32
	Zero, Min, Max int32
}

// Quantize turns a real multiplier into a fixed-point one: real = m × 2^(shift−31) with m in [2^30, 2^31). Multipliers
// too small to matter give 0, 0. It is TensorFlow Lite's QuantizeMultiplier; real must not be negative.
func Quantize(real float64) (m, shift int32) {
	if real == 0 || math.IsNaN(real) || math.IsInf(real, 0) {
		return 0, 0
	}
	q, e := math.Frexp(real)
	f := int64(math.Round(q * (1 << 31)))
	if f == 1<<31 {
		f /= 2
		e++
	}
	if e < -31 {
		return 0, 0
	}
	return int32(f), int32(e)
}

// HighMul is the high half of the doubled product, rounded half up: floor((a×b + 2^30) / 2^31). It saturates for a = b = −2^31.
func HighMul(a, b int32) int32 {
	if a == b && a == math.MinInt32 {
		return math.MaxInt32
	}
	return int32((int64(a)*int64(b) + 1<<30) >> 31)
}

// DivPow2 divides by 2^e, e in 0..31, and rounds half away from zero.
func DivPow2(x, e int32) int32 {
	mask := int32(int64(1)<<e - 1)
	rest := x & mask
	half := mask >> 1
	if x < 0 {
		half++
	}
	x >>= e
	if rest > half {
		x++
	}
	return x
}

// Mul is x × m × 2^(shift−31) with the two roundings of TensorFlow Lite Micro: HighMul, then DivPow2. Positive shifts move x
// left first and may overflow as int32 does.
func Mul(x, m, shift int32) int32 {
	if shift > 0 {
		return HighMul(x<<min(shift, 31), m)
	}
	return DivPow2(HighMul(x, m), -shift)
}

// Mul64 is x × m × 2^(shift−31) for sums of int16 products, with TensorFlow Lite's arithmetic for them: the multiplier is first
// reduced to 15 bits, then one rounding, half up. |x| must be below 2^47 and shift below 8.
func Mul64(x int64, m, shift int32) int32 {
	reduced := int64(0x7fff)
	if m < 0x7fff0000 {
		reduced = int64(m+1<<15) >> 16
	}
	total := 15 - shift
	return int32((x*reduced + 1<<(total-1)) >> total)
}

// Apply rescales sum a of channel c.
func (p *Params) Apply(a int32, c int) int8 {
	if len(p.Mult) == 1 {
		c = 0
	}
	return int8(min(max(Mul(a, p.Mult[c], p.Shift[c])+p.Zero, p.Min), p.Max))
}

// InputRadius is the largest distance from the zero point whose rescaled value still fits the fixed-point format with the
// given integer bits.
func InputRadius(integerBits, leftShift int32) int32 {
	r := math.Floor(float64(int64(1)<<integerBits-1) * float64(int64(1)<<(31-integerBits)) / math.Ldexp(1, int(leftShift)))
	return int32(min(r, math.MaxInt32))
}
