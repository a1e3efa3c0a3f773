package gemm

import (
	"math"

	"wayside/kernels/requant"
)

// Wide16 is a packed matrix of int8 weights for products with rows of int16, whose results are int16 by the rule requant.Wide. It is immutable.
type Wide16 struct {
	w     *S16Weights
	scale []float64 // of each column
}

// wideRows16 is how many rows have their sums computed before these are rescaled: few enough for the first caches.
const wideRows16 = 48

// PackWide16 packs w[N][K], which is copied. It returns false where Rows is to be used: where there are no kernels, for zero points, a bias or a clamp, for N that is
// no multiple of 16 or an odd K, for columns whose sum may leave int32, and for scales of 1 and more.
func PackWide16(w []int8, n, k int, q *Quant) (*Wide16, bool) {
	if len(w) < n*k {
		panic("gemm: slice length mismatch")
	}
	if !s16Fast() || n == 0 || k == 0 || n%16 != 0 || k%2 != 0 || q.Rule != requant.Wide || q.XZero != 0 || q.WZero != 0 || q.Zero != 0 || q.Bias != nil || q.Min != math.MinInt16 || q.Max != math.MaxInt16 {
		return nil, false
	}
	wide, p := make([]int16, n*k), &Wide16{scale: make([]float64, n)}
	for j := range n {
		size := int64(0)
		for i, v := range w[j*k : j*k+k] {
			wide[j*k+i] = int16(v)
			size += max(int64(v), -int64(v))
		}
		c := min(j, len(q.Mult)-1)
		reduced, total := requant.Reduced(q.Mult[c], q.Shift[c])
		p.scale[j] = math.Ldexp(float64(reduced), -total)
		if size<<15 > math.MaxInt32 || p.scale[j] >= 1 {
			return nil, false
		}
	}
	p.w = PackS16(wide, n, k)
	return p, true
}

// Bytes returns the memory of the packed weights and of the scales.
func (p *Wide16) Bytes() (s16, parameters int) { return p.w.Bytes(), 8 * len(p.scale) }

// ID names the tile and the instruction set.
func (p *Wide16) ID() string { return p.w.ID() }

// Scratch returns the int32 values of scratch that Run needs for m rows.
func (p *Wide16) Scratch(m int) int { return min(m, wideRows16) * p.w.N }

// Run computes m rows: dst[i*N+j] = q(sum over k of x[i*K+k] × w[j][k]).
func (p *Wide16) Run(dst, x []int16, m int, scratch []int32) {
	n, k := p.w.N, p.w.K
	if len(dst) < m*n || len(x) < m*k || len(scratch) < p.Scratch(m) {
		panic("gemm: slice length mismatch")
	}
	for i := 0; i < m; i += wideRows16 {
		rows := min(wideRows16, m-i)
		S16(scratch, n, x[i*k:], k, rows, p.w)
		storeWide16(dst[i*n:(i+rows)*n], scratch[:rows*n], p.scale)
	}
}
