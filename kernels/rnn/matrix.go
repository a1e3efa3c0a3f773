package rnn

import (
	"math"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// Matrix is a row-major weight matrix in one of two storages; exactly one slice is set. bfloat16 elements are widened as
// they are read, so that they take two bytes each in memory.
type Matrix struct {
	F32  []float32
	BF16 []bfloat16.BF16
}

// Len returns the number of elements.
func (m Matrix) Len() int { return len(m.F32) + len(m.BF16) }

// mulRows computes rows [lo, hi) of the product: dst[i-lo] = sum over j of m[i*len(x)+j] * x[j].
func (m Matrix) mulRows(dst, x []float32, lo, hi int) {
	n := len(x)
	if m.BF16 != nil {
		for i := lo; i < hi; i++ {
			dst[i-lo] = dotBF16(m.BF16[i*n:i*n+n], x)
		}
		return
	}
	for i := lo; i < hi; i++ {
		dst[i-lo] = dotF32(m.F32[i*n:i*n+n], x)
	}
}

// dotF32 sums in four interleaved lanes; the conversions forbid fused multiply-adds.
func dotF32(w, x []float32) float32 {
	var a, b, c, d float32
	w = w[:len(x)]
	for len(x) >= 4 {
		a += float32(w[0] * x[0])
		b += float32(w[1] * x[1])
		c += float32(w[2] * x[2])
		d += float32(w[3] * x[3])
		w, x = w[4:len(x)], x[4:]
	}
	for i, v := range x {
		a += float32(w[i] * v)
	}
	return (a + b) + (c + d)
}

// dotBF16 is dotF32 over widened weights.
func dotBF16(w []bfloat16.BF16, x []float32) float32 {
	var a, b, c, d float32
	w = w[:len(x)]
	for len(x) >= 4 {
		a += float32(widen(w[0]) * x[0])
		b += float32(widen(w[1]) * x[1])
		c += float32(widen(w[2]) * x[2])
		d += float32(widen(w[3]) * x[3])
		w, x = w[4:len(x)], x[4:]
	}
	for i, v := range x {
		a += float32(widen(w[i]) * v)
	}
	return (a + b) + (c + d)
}

func widen(v bfloat16.BF16) float32 { return math.Float32frombits(uint32(v) << 16) }
