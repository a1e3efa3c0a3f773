package gemm

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// The tiles that store sums, the fastest first.
var (
	s32Dotprod = armShape{tiles: s32DotprodTiles()[:], rows: 8, cols: 8, group: 4, depth: 4}
	s32Neon    = armShape{tiles: s32NeonTiles()[:], rows: 4, cols: 4, group: 8, depth: 16}
)

// hybridWeights is a packed int8 matrix for the tiles of ARMv8 that store sums, and what turns these into float32.
type hybridWeights struct {
	n, k, row      int // columns, values of a row, bytes of a row as the tiles read it
	name           string
	shape          *armShape
	blocks, groups int
	panels         [][]int8
	sums           []int32 // of each column's weights
	h              Hybrid
}

// noBias stands before sums that have none.
var noBias [8]int32

func packHybrid(w []int8, n, k int, h *Hybrid) *hybridWeights {
	p := &hybridWeights{n: n, k: k, name: "8x8/dotprod", shape: &s32Dotprod, sums: make([]int32, n), h: *h}
	switch {
	case cpu.Has(cpu.Dotprod):
	case cpu.Has(cpu.Neon):
		p.name, p.shape = "4x4/neon", &s32Neon
	default:
		return nil
	}
	p.row = p.shape.rowBytes(k)
	var list []armChunk
	list, p.blocks, p.groups = p.shape.chunks(p.row)
	for first := 0; first < n; first += p.shape.cols {
		cols := min(p.shape.cols, n-first)
		p.panels = append(p.panels, packArm(p.shape, w[first*k:(first+cols)*k], k, cols, list))
	}
	for j := range n {
		for _, v := range w[j*k : (j+1)*k] {
			p.sums[j] += int32(v)
		}
	}
	return p
}

func (p *hybridWeights) id() string { return p.name }

func (p *hybridWeights) bytes() (s8, s32, f32 int) {
	for _, w := range p.panels {
		s8 += len(w)
	}
	return s8, 4 * len(p.sums), 4 * (len(p.h.Scale) + len(p.h.Bias))
}

func (p *hybridWeights) scratch(m int) int {
	m = p.shape.rowsPerBlock(m, p.row)
	if p.row == p.k {
		return 4 * m * p.n
	}
	return 4*m*p.n + m*p.row
}

func (p *hybridWeights) run(dst []float32, ldd int, x []int8, rows []HybridRow, scratch []byte) {
	block := p.shape.rowsPerBlock(len(rows), p.row)
	sums := unsafe.Slice((*int32)(unsafe.Pointer(&scratch[0])), block*p.n)
	for i := 0; i < len(rows); i += block {
		m := min(block, len(rows)-i)
		a := x[i*p.k:]
		if p.row != p.k {
			a = widenRows(scratch[4*block*p.n:], p.row, a, p.k, p.k, m)
		}
		for j, w := range p.panels {
			first := j * p.shape.cols
			t := armTile{w: unsafe.Pointer(&w[0]), blocks: p.blocks, groups: p.groups, bytes: p.row, par: unsafe.Pointer(&noBias[0]), cols: min(p.shape.cols, p.n-first)}
			runRows(p.shape, &t, sums[first:], p.n, a, p.row, m)
		}
		for r := range m {
			q := rows[i+r]
			out, s := dst[(i+r)*ldd:][:p.n], sums[r*p.n:]
			for j := range out {
				out[j] = p.h.Apply(int64(s[j]-q.Zero*p.sums[j]), j, q.Scale)
			}
		}
	}
}
