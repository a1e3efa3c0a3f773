package gemm

import (
	"wayside/kernels/requant"
)

// S8Weights is a packed matrix of int8 weights with all that its store needs. It is immutable.
type S8Weights struct {
	N, K  int
	panel []int8  // ceil(N/4) panels of [K][4] columns, padded with zeros
	bias  []int32 // bias − inZero×sum(w) + K×inZero×wZero, padded to the panels
	wZero int32
	q     requant.Params // Mult and Shift padded to the panels
}

const panelS8 = 4

// PackS8 packs w[N][K] for inputs with zero point inZero and weights with zero point wZero. bias may be nil. q has
// one multiplier or N. The slices are copied.
func PackS8(w []int8, n, k int, bias []int32, inZero, wZero int32, q requant.Params) *S8Weights {
	if len(w) < n*k || bias != nil && len(bias) < n || len(q.Mult) != 1 && len(q.Mult) < n || len(q.Shift) != len(q.Mult) {
		panic("gemm: slice length mismatch")
	}
	np := (n + panelS8 - 1) / panelS8
	p := &S8Weights{N: n, K: k, panel: make([]int8, np*k*panelS8), bias: make([]int32, np*panelS8), wZero: wZero, q: q}
	p.q.Mult, p.q.Shift = make([]int32, np*panelS8), make([]int32, np*panelS8)
	for j := range n {
		sum := int32(0)
		first := j/panelS8*k*panelS8 + j%panelS8
		for i, v := range w[j*k : j*k+k] {
			p.panel[first+i*panelS8] = v
			sum += int32(v)
		}
		if bias != nil {
			p.bias[j] = bias[j]
		}
		p.bias[j] += int32(k)*inZero*wZero - inZero*sum
		c := j
		if len(q.Mult) == 1 {
			c = 0
		}
		p.q.Mult[j], p.q.Shift[j] = q.Mult[c], q.Shift[c]
	}
	return p
}

// Bytes returns the memory of the packed weights: int8 panels, and int32 for bias, multiplier and shift.
func (w *S8Weights) Bytes() (s8, s32 int) { return len(w.panel), 12 * len(w.bias) }

// S8 computes m rows: dst[i*ldd+j] = q(bias[j] + sum over k of (x[i*ldx+k] − inZero) × (w[j][k] − wZero)).
// Sums are int32 and wrap.
func S8(dst []int8, ldd int, x []int8, ldx, m int, w *S8Weights) {
	if m == 0 {
		return
	}
	if len(x) < (m-1)*ldx+w.K || len(dst) < (m-1)*ldd+w.N {
		panic("gemm: slice length mismatch")
	}
	s8Generic(dst, ldd, x, ldx, m, w)
}
