package vec

import (
	"math"

	"wayside/kernels/requant"
)

// LookupS8 computes dst[i] = table[bits of src[i]]. dst may be src.
func LookupS8(dst, src []int8, table *[256]int8) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		dst[i] = table[uint8(v)]
	}
}

// ClampF32 computes dst[i] = src[i] limited to lo..hi. dst may be src.
func ClampF32(dst, src []float32, lo, hi float32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		dst[i] = min(max(v, lo), hi)
	}
}

// LogisticF32 computes 1/(1+exp(−x)) in float64, rounded once. dst may be src.
func LogisticF32(dst, src []float32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		dst[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

// TanhF32 computes tanh(x) in float64, rounded once. dst may be src.
func TanhF32(dst, src []float32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		dst[i] = float32(math.Tanh(float64(v)))
	}
}

// QuantizeF32 computes round(src[i]/scale), half away from zero, plus zero, limited to int8. NaN gives the least value.
func QuantizeF32(dst []int8, src []float32, scale float32, zero int32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		// Limiting before the conversion: Go leaves out-of-range conversions to the CPU.
		r := math.Round(float64(v / scale))
		if !(r > -1<<20) {
			r = -1 << 20
		}
		dst[i] = int8(min(max(int32(min(r, 1<<20))+zero, math.MinInt8), math.MaxInt8))
	}
}

// DequantizeS8 computes scale × (src[i] − zero).
func DequantizeS8(dst []float32, src []int8, scale float32, zero int32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		dst[i] = scale * float32(int32(v)-zero)
	}
}

// SoftmaxS8Table holds exp of every distance from a row's maximum, in Q0.31, for one input scale; distances that do not
// count are 0 with Count false.
type SoftmaxS8Table struct {
	Exp   [256]int32
	Count [256]bool
}

// NewSoftmaxS8Table computes the table for a given input scale and beta.
func NewSoftmaxS8Table(beta, scale float64) *SoftmaxS8Table {
	const integerBits = 5
	m, shift := requant.Quantize(min(beta*scale*(1<<(31-integerBits)), 1<<31-1))
	least := -requant.InputRadius(integerBits, shift)
	t := &SoftmaxS8Table{}
	for d := range int32(256) {
		if -d < least {
			continue
		}
		t.Count[d] = true
		t.Exp[d] = requant.ExpNegative(requant.Mul(-d, m, shift), integerBits)
	}
	return t
}

// SoftmaxS8 normalizes every row of depth values: output scale 1/256, zero point −128. dst may be src.
func SoftmaxS8(dst, src []int8, depth int, t *SoftmaxS8Table) {
	if len(dst) != len(src) || depth < 1 || len(src)%depth != 0 {
		panic("vec: slice length mismatch")
	}
	const sumBits = 12
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		row := src[:depth]
		top := int8(math.MinInt8)
		for _, v := range row {
			top = max(top, v)
		}
		sum := int32(0)
		for _, v := range row {
			sum += requant.DivPow2(t.Exp[uint8(int32(top)-int32(v))], sumBits)
		}
		scale, over := requant.Reciprocal(sum, sumBits)
		e := over + 31 - 8
		for i, v := range row {
			d := uint8(int32(top) - int32(v))
			if !t.Count[d] {
				dst[i] = math.MinInt8
				continue
			}
			r := requant.DivPow2(requant.HighMul(scale, t.Exp[d]), e) + math.MinInt8
			dst[i] = int8(min(max(r, math.MinInt8), math.MaxInt8))
		}
	}
}

// SoftmaxF32 normalizes every row of depth values: exp((x − max) × beta) / sum. dst may be src.
func SoftmaxF32(dst, src []float32, depth int, beta float32) {
	if len(dst) != len(src) || depth < 1 || len(src)%depth != 0 {
		panic("vec: slice length mismatch")
	}
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		top := float32(math.Inf(-1))
		for _, v := range src[:depth] {
			top = max(top, v)
		}
		sum := float32(0)
		for i, v := range src[:depth] {
			e := float32(math.Exp(float64((v - top) * beta)))
			dst[i] = e
			sum += e
		}
		for i, e := range dst[:depth] {
			dst[i] = e / sum
		}
	}
}
