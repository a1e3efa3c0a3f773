package rnn

import "wayside/kernels/vec"

// Weights is a row-major matrix in float32, or in int8 with one scale for inputs that are quantized as they come (hybrid).
type Weights struct {
	F32   []float32
	S8    []int8
	Scale float32 // of S8
	Sums  []int32 // of the rows of S8: needed where inputs are quantized with a zero point
}

// Present reports whether there are weights.
func (w *Weights) Present() bool { return w.F32 != nil || w.S8 != nil }

// NewWeightsS8 returns int8 weights with the sums of their rows.
func NewWeightsS8(w []int8, rows int, scale float32) Weights {
	sums := make([]int32, rows)
	n := len(w) / max(rows, 1)
	for r := range sums {
		for _, v := range w[r*n : (r+1)*n] {
			sums[r] += int32(v)
		}
	}
	return Weights{S8: w, Scale: scale, Sums: sums}
}

// vector is an input of a product: its values, and for int8 weights the same quantized.
type vector struct {
	x     []float32
	q     []int8
	scale float32
	zero  int32
}

// quantized returns x as an operand for int8 weights; q holds the result. The rules are TensorFlow Lite's: with a zero point over
// the range of int8, or symmetric within ±127.
func quantized(x []float32, q []int8, asymmetric bool) vector {
	v := vector{x: x, q: q[:len(x)], scale: 1}
	switch {
	case len(x) == 0:
	case asymmetric:
		v.scale, v.zero = vec.QuantizeAsymmetric(v.q, x)
	default:
		v.scale = vec.QuantizeSymmetric(v.q, x)
	}
	return v
}

// mulAdd adds the product to dst: dst[r] += row r of w times v.
func (w *Weights) mulAdd(dst []float32, v *vector) {
	if w.S8 == nil {
		n := len(v.x)
		for r := range dst {
			dst[r] += dotF32(w.F32[r*n:r*n+n], v.x)
		}
		return
	}
	n := len(v.q)
	scale := w.Scale * v.scale
	for r := range dst {
		sum := int32(0)
		row := w.S8[r*n : r*n+n]
		for i, q := range v.q {
			sum += int32(row[i]) * int32(q)
		}
		if v.zero != 0 {
			sum -= w.Sums[r] * v.zero
		}
		dst[r] += float32(float32(sum) * scale)
	}
}
