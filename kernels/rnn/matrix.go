package rnn

import (
	"math"

	bfloat16 "github.com/d4l3k/go-bfloat16"

	"wayside/kernels/gemm"
)

// Matrix is a row-major weight matrix in one of two storages; exactly one slice is set. bfloat16 elements are widened as
// they are read, so that they take two bytes each in memory.
type Matrix struct {
	F32  []float32
	BF16 []bfloat16.BF16
}

// Len returns the number of elements.
func (m Matrix) Len() int { return len(m.F32) + len(m.BF16) }

// widened returns the elements as float32.
func (m Matrix) widened() []float32 {
	if m.BF16 == nil {
		return m.F32
	}
	w := make([]float32, len(m.BF16))
	for i, v := range m.BF16 {
		w[i] = math.Float32frombits(uint32(v) << 16)
	}
	return w
}

// mulRows computes rows [lo, hi) of the product: dst[i-lo] = sum over j of m[i*len(x)+j] * x[j].
func (m Matrix) mulRows(dst, x []float32, lo, hi int) {
	n := len(x)
	if m.BF16 != nil {
		gemm.MatMulBF16(dst[:hi-lo], x, m.BF16[lo*n:hi*n], 1, n, hi-lo)
		return
	}
	for i := lo; i < hi; i++ {
		dst[i-lo] = dotF32(m.F32[i*n:i*n+n], x)
	}
}

// dotF32 sums in four interleaved lanes; the conversions forbid fused multiply-adds. The sum's order is that of
// gemm.MatMulBF16, so that both storages of one matrix give the same bits.
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
