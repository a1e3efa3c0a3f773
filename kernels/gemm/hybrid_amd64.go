package gemm

import (
	"math"
	"unsafe"

	"wayside/kernels/internal/call"
)

// hybridWeights is a packed matrix with all that its store needs.
type hybridWeights struct {
	*sumMatrix
	scale, bias []float32
	lo, hi      float32
	byTurns     bool
}

// hybridArgs is the argument of hybridStore: one row. sums, weights, scale and bias are as long as whole vectors.
type hybridArgs struct {
	sums, weights *int32
	scale, bias   *float32
	dst           *float32
	n             int
	zero          int32 // what weights are multiplied by and added
	row           float32
	lo, hi        float32
	byTurns       bool
}

func packHybrid(w []int8, n, k int, h *Hybrid) *hybridWeights {
	if k > math.MaxInt32/(255*128) {
		return nil
	}
	s := packSumsArch(w, n, k)
	if s == nil {
		return nil
	}
	p := &hybridWeights{sumMatrix: s, scale: make([]float32, up16(n)), bias: make([]float32, up16(n)), lo: h.Min, hi: h.Max, byTurns: h.ByTurns}
	for i := range n {
		p.scale[i] = h.Scale[min(i, len(h.Scale)-1)]
		p.bias[i] = float32(math.Copysign(0, -1)) // adding it changes nothing, not even a zero's sign
		if h.Bias != nil {
			p.bias[i] = h.Bias[i]
		}
	}
	return p
}

func (p *hybridWeights) bytes() (s8, s32, f32 int) {
	s8, s32 = p.sumMatrix.bytes()
	return s8, s32, 8 * len(p.scale)
}

// hybridBlock is how many rows are worked on at once.
const hybridBlock = 48

func (p *hybridWeights) scratch(m int) int {
	m = min(m, hybridBlock)
	return up64(m*p.lda) + up64(4*m*up16(p.n))
}

func (p *hybridWeights) run(dst []float32, ldd int, x []int8, rows []HybridRow, scratch []byte) {
	wide := up16(p.n)
	for i := 0; i < len(rows); i += hybridBlock {
		m := min(hybridBlock, len(rows)-i)
		s := room{scratch}
		a, sums := s.take(m*p.lda), wordsOf(s.take(4*m*wide))
		p.flip(a, x[i*p.k:], p.k, m)
		p.sumMatrix.run(sums, wide, a, m)
		for r := range m {
			q := rows[i+r]
			p.store(dst[(i+r)*ldd:], sums[r*wide:], q)
		}
	}
}

func (p *hybridWeights) store(dst []float32, sums []int32, q HybridRow) {
	_ = dst[p.n-1]
	t := hybridArgs{
		sums: &sums[0], weights: &p.sums[0], scale: &p.scale[0], bias: &p.bias[0], dst: &dst[0], n: p.n,
		zero: -q.Zero, row: q.Scale, lo: p.lo, hi: p.hi, byTurns: p.byTurns,
	}
	if p.sumMatrix.bias != nil {
		call.Tile(packTable[2], unsafe.Pointer(&t))
		return
	}
	if p.n >= 8 {
		call.Tile(s32AVX2Table[8], unsafe.Pointer(&t))
		return
	}
	h := Hybrid{Scale: p.scale, Bias: p.bias, Min: p.lo, Max: p.hi, ByTurns: p.byTurns}
	for c := range p.n {
		dst[c] = h.Apply(int64(sums[c]-q.Zero*p.sums[c]), c, q.Scale)
	}
}
