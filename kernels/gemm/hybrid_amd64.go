package gemm

import (
	"math"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/flip"
)

// sumPanel is a run of columns for the tiles with plain sums.
type sumPanel struct {
	first, n int
	w        []int8
}

// sumWeights is an int8 matrix packed for the tiles with plain sums.
type sumWeights struct {
	n, k, lda int
	panels    []sumPanel
	sums      []int32 // of the columns' weights, as many as whole vectors hold
}

func packSums(w []int8, n, k int) *sumWeights {
	p := &sumWeights{n: n, k: k, lda: (k + 3) &^ 3, sums: make([]int32, up16(n))}
	for first := 0; first < n; first += 64 {
		cols := min(64, n-first)
		nr := up16(cols)
		q := sumPanel{first: first, n: cols, w: make([]int8, p.lda*nr)}
		for c := range cols {
			for i, v := range w[(first+c)*k : (first+c)*k+k] {
				q.w[i/4*nr*4+c*4+i%4] = v
				p.sums[first+c] += int32(v)
			}
		}
		p.panels = append(p.panels, q)
	}
	return p
}

func (p *sumWeights) bytes() (n int) {
	for i := range p.panels {
		n += len(p.panels[i].w)
	}
	return n
}

// flip copies m rows with 128 added to each value.
func (p *sumWeights) flip(dst []byte, x []int8, m int) {
	for r := range m {
		flip.Copy(dst[r*p.lda:r*p.lda+p.k], x[r*p.k:(r+1)*p.k])
	}
}

// noBias stands before sums that have none.
var noBias [64]int32

// run writes the sums of m rows of uint8, lda apart, to dst, ldd apart.
func (p *sumWeights) run(dst []int32, ldd int, rows []byte, m int) {
	_, _ = rows[m*p.lda-1], dst[(m-1)*ldd+p.n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := s8Tile{a: &rows[0], lda: p.lda, w: &q.w[0], groups: p.lda / 4, dst: (*int8)(unsafe.Pointer(&dst[q.first])), ldd: 4 * ldd, par: &noBias[0], mask: ^uint64(0) >> (64 - q.n)}
		s32AVX512.runS8(&t, (q.n+15)/16, m)
	}
}

// hybridWeights is a packed matrix with all that its store needs.
type hybridWeights struct {
	*sumWeights
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
	if !cpu.Has(cpu.AVX512VNNI) || k > math.MaxInt32/(255*128) {
		return nil
	}
	p := &hybridWeights{sumWeights: packSums(w, n, k), scale: make([]float32, up16(n)), bias: make([]float32, up16(n)), lo: h.Min, hi: h.Max, byTurns: h.ByTurns}
	for i := range n {
		p.scale[i] = h.Scale[min(i, len(h.Scale)-1)]
		p.bias[i] = float32(math.Copysign(0, -1)) // adding it changes nothing, not even a zero's sign
		if h.Bias != nil {
			p.bias[i] = h.Bias[i]
		}
	}
	return p
}

func (p *hybridWeights) id() string { return s32AVX512.id((min(p.n, 64) + 15) / 16) }

func (p *hybridWeights) bytes() (s8, s32, f32 int) {
	return p.sumWeights.bytes(), 4 * len(p.sums), 8 * len(p.scale)
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
		p.flip(a, x[i*p.k:], m)
		p.sumWeights.run(sums, wide, a, m)
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
		zero: -128 - q.Zero, row: q.Scale, lo: p.lo, hi: p.hi, byTurns: p.byTurns,
	}
	call.Tile(packTable[2], unsafe.Pointer(&t))
}
