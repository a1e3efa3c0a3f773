package gemm

import "wayside/kernels/requant"

// Integer is the element type of quantized activations and of weights that are not packed.
type Integer interface{ int8 | int16 }

// Quant is all that Rows needs beside its numbers. Bias may be nil.
type Quant struct {
	requant.Params
	XZero, WZero int32
	Bias         []int64
}

// Rows computes m rows with weights as they lie in a file or come out of another operator, w[n][k]:
// dst[i*ldd+j] = q(bias[j] + sum over k of (x[i*ldx+k] − XZero) × (w[j][k] − WZero)).
func Rows[Y, X, W Integer](dst []Y, ldd int, x []X, ldx, m int, w []W, n, k int, q *Quant) {
	checkRows(len(dst), ldd, len(x), ldx, m, len(w), n, k)
	for i := range m {
		row := x[i*ldx : i*ldx+k]
		out := dst[i*ldd : i*ldd+n]
		for j := range out {
			a := Dot(row, w[j*k:j*k+k], q.XZero, q.WZero)
			if q.Bias != nil {
				a += q.Bias[j]
			}
			out[j] = Y(q.Store(a, j))
		}
	}
}

func checkRows(dst, ldd, x, ldx, m, w, n, k int) {
	if m > 0 && (x < (m-1)*ldx+k || dst < (m-1)*ldd+n) || w < n*k {
		panic("gemm: slice length mismatch")
	}
}

// Dot is the sum of (x[i] − xZero) × (w[i] − wZero) over x; w is at least as long.
func Dot[X, W Integer](x []X, w []W, xZero, wZero int32) int64 {
	w = w[:len(x)]
	sum := int64(0)
	for i, v := range x {
		sum += int64((int32(v) - xZero) * (int32(w[i]) - wZero))
	}
	return sum
}

// RowsS32 is Rows without scaling: dst[i*ldd+j] = sum over k of x[i*ldx+k] × w[j][k]. Sums wrap.
func RowsS32(dst []int32, ldd int, x []int8, ldx, m int, w []int8, n, k int) {
	checkRows(len(dst), ldd, len(x), ldx, m, len(w), n, k)
	for i := range m {
		for j := range n {
			dst[i*ldd+j] = int32(Dot(x[i*ldx:i*ldx+k], w[j*k:j*k+k], 0, 0))
		}
	}
}

// RowsF32 is Rows for float32, clamped to lo and hi: products are added in order, then the bias, which may be nil.
func RowsF32(dst []float32, ldd int, x []float32, ldx, m int, w []float32, n, k int, bias []float32, lo, hi float32) {
	checkRows(len(dst), ldd, len(x), ldx, m, len(w), n, k)
	for i := range m {
		row := x[i*ldx : i*ldx+k]
		out := dst[i*ldd : i*ldd+n]
		for j := range out {
			a := float32(0)
			for t, v := range w[j*k : j*k+k] {
				a += float32(row[t] * v)
			}
			if bias != nil {
				a += bias[j]
			}
			out[j] = min(max(a, lo), hi)
		}
	}
}

// Hybrid turns int32 sums into float32: the sum times the scale of its inputs and Scale, of which there is one or one
// per output, then Bias, which may be nil, then a clamp. ByTurns multiplies the sum by one and then the other instead of
// by their product, which rounds differently.
type Hybrid struct {
	Scale    []float32
	Bias     []float32
	Min, Max float32
	ByTurns  bool
}

// Apply scales sum a of channel c for inputs with the given scale.
func (h *Hybrid) Apply(a int64, c int, scale float32) float32 {
	s := h.Scale[0]
	if len(h.Scale) > 1 {
		s = h.Scale[c]
	}
	f := float32(int32(a))
	if h.ByTurns {
		f = float32(float32(f*s) * scale)
	} else {
		f = float32(f * float32(scale*s))
	}
	if h.Bias != nil {
		f += h.Bias[c]
	}
	return min(max(f, h.Min), h.Max)
}

// HybridRows computes m rows of float32 from inputs that were quantized with one scale and zero point, and int8 weights
// w[n][k]: dst[i*ldd+j] = h(sum over k of (x[i*ldx+k] − zero) × w[j][k]).
func HybridRows(dst []float32, ldd int, x []int8, ldx, m int, w []int8, n, k int, h *Hybrid, scale float32, zero int32) {
	checkRows(len(dst), ldd, len(x), ldx, m, len(w), n, k)
	for i := range m {
		row := x[i*ldx : i*ldx+k]
		out := dst[i*ldd : i*ldd+n]
		for j := range out {
			out[j] = h.Apply(Dot(row, w[j*k:j*k+k], zero, 0), j, scale)
		}
	}
}
