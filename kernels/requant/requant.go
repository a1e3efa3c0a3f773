package requant

import (
	"math"
)

// Rule names the arithmetic that scales a sum of products down to an output value.
type Rule uint8

// The rules of TensorFlow Lite's kernels.
const (
	Fixed     Rule = iota // the sum wraps to int32, then Mul
	Wide                  // Mul64
	Float                 // the sum wraps to int32, times Real in float64, rounded half away from zero
	FloatWide             // Float without the wrap
)

// Params says how sums become output values: per output channel a multiplier (one for all channels when the slices have
// length 1), then the output zero point is added and the result clamped to Min and Max.
type Params struct {
	Rule           Rule
	Mult, Shift    []int32   // Fixed, Wide
	Real           []float64 // Float, FloatWide
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
	reduced, total := Reduced(m, shift)
	return int32((x*int64(reduced) + 1<<(total-1)) >> total)
}

// Reduced returns the multiplier of Mul64 in 15 bits, and by how many bits the product with it moves to the right.
func Reduced(m, shift int32) (reduced int32, total int) {
	reduced = 0x7fff
	if m < 0x7fff0000 {
		reduced = (m + 1<<15) >> 16
	}
	return reduced, int(15 - shift)
}

// Apply rescales sum a of channel c to int8 by the rule Fixed.
func (p *Params) Apply(a int32, c int) int8 {
	if len(p.Mult) == 1 {
		c = 0
	}
	return int8(min(max(Mul(a, p.Mult[c], p.Shift[c])+p.Zero, p.Min), p.Max))
}

// Store rescales sum a of channel c by any rule.
func (p *Params) Store(a int64, c int) int32 {
	if len(p.Mult) == 1 || len(p.Real) == 1 {
		c = 0
	}
	var v int32
	switch p.Rule {
	case Fixed:
		v = Mul(int32(a), p.Mult[c], p.Shift[c])
	case Wide:
		v = Mul64(a, p.Mult[c], p.Shift[c])
	case Float:
		v = roundFloat(float64(int32(a)) * p.Real[c])
	case FloatWide:
		v = roundFloat(float64(a) * p.Real[c])
	}
	return min(max(v+p.Zero, p.Min), p.Max)
}

// roundFloat rounds half away from zero and stays far from the ends of int32, so that a zero point can be added.
func roundFloat(f float64) int32 { return int32(math.Round(min(max(f, -1<<30), 1<<30))) }

// InputRadius is the largest distance from the zero point whose rescaled value still fits the fixed-point format with the
// given integer bits.
func InputRadius(integerBits, leftShift int32) int32 {
	r := math.Floor(float64(int64(1)<<integerBits-1) * float64(int64(1)<<(31-integerBits)) / math.Ldexp(1, int(leftShift)))
	return int32(min(r, math.MaxInt32))
}
