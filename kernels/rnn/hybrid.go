package rnn

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/vec"
)

// Weights is a row-major matrix in float32, or in int8 with one scale for inputs that are quantized as they come (hybrid).
type Weights struct {
	F32   []float32
	S8    []int8
	Scale float32 // of S8
	Sums  []int32 // of the rows of S8: needed where inputs are quantized with a zero point

	packed *gemm.HybridWeights // instead of S8 and Sums, where this machine has a kernel
}

// Present reports whether there are weights.
func (w *Weights) Present() bool { return w.F32 != nil || w.S8 != nil || w.packed != nil }

// ID names the tile and the instruction set of packed weights.
func (w *Weights) ID() string {
	if w.packed == nil {
		return "generic"
	}
	return w.packed.ID()
}

// Bytes returns the memory of int8 weights and of what belongs to them: int8, int32 and float32.
func (w *Weights) Bytes() (s8, s32, f32 int) {
	if w.packed == nil {
		return len(w.S8), 4 * len(w.Sums), 0
	}
	return w.packed.Bytes()
}

// NewWeightsS8 returns int8 weights with the sums of their rows, packed where this machine has a kernel for them. The slice is kept or copied.
func NewWeightsS8(w []int8, rows int, scale float32) Weights {
	n := len(w) / max(rows, 1)
	if p := gemm.PackHybrid(w, rows, n, &gemm.Hybrid{Scale: []float32{scale}, Min: negInf, Max: posInf}); p.ID() != "generic" {
		return Weights{Scale: scale, packed: p}
	}
	sums := make([]int32, rows)
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

// work is memory for products with packed weights: as many floats as a product has, and bytes.
type work struct {
	products []float32
	room     []byte
}

// workOf takes what is left of a step's working memory.
func workOf(f []float32, q []int8) work {
	return work{f, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(q))), len(q))}
}

// room returns the bytes of working memory that the products with these weights need.
func room(ws ...*Weights) (n int) {
	for _, w := range ws {
		if w.packed != nil {
			n = max(n, w.packed.Scratch(1))
		}
	}
	return n
}

// mulAdd adds the product to dst: dst[r] += row r of w times v.
func (w *Weights) mulAdd(dst []float32, v *vector, s work) {
	if w.packed != nil {
		w.packed.Run(s.products, 0, v.q, []gemm.HybridRow{{Scale: v.scale, Zero: v.zero}}, s.room)
		for r, x := range s.products[:len(dst)] {
			dst[r] += x
		}
		return
	}
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
