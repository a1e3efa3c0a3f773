package rnn

import "math"

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
	if len(x) == 0 {
		return v
	}
	lo, hi := x[0], x[0]
	for _, f := range x[1:] {
		if f < lo {
			lo = f
		}
		if f > hi {
			hi = f
		}
	}
	if asymmetric {
		lo, hi = min(lo, 0), max(hi, 0)
		if lo == hi {
			clear(v.q)
			return v
		}
		v.scale, v.zero = asymmetricScale(float64(lo), float64(hi))
		inv := 1 / v.scale
		for i, f := range x {
			v.q[i] = int8(round(float32(v.zero)+float32(f*inv), -128))
		}
		return v
	}
	top := max(float32(math.Abs(float64(lo))), float32(math.Abs(float64(hi))))
	if top == 0 {
		clear(v.q)
		return v
	}
	v.scale = top / 127
	inv := 127 / top
	for i, f := range x {
		v.q[i] = int8(round(f*inv, -127))
	}
	return v
}

// asymmetricScale spreads lo ≤ 0 ≤ hi over int8 such that zero is met exactly.
func asymmetricScale(lo, hi float64) (float32, int32) {
	scale := (hi - lo) / 255
	fromLo, fromHi := -128-lo/scale, 127-hi/scale
	zero := fromHi
	if 128+math.Abs(lo/scale) < 127+math.Abs(hi/scale) {
		zero = fromLo
	}
	if !(zero > -128) {
		return float32(scale), -128
	}
	return float32(scale), int32(math.Round(min(zero, 127)))
}

// round is f rounded half away from zero within lo..127. NaN gives lo.
func round(f float32, lo float64) int32 {
	r := math.Round(float64(f))
	if !(r > lo) {
		return int32(lo)
	}
	return int32(min(r, 127))
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
