//go:build arm || arm64

package gemm

import "unsafe"

// noBias stands before sums that have none.
var noBias [8]int32

// sumMatrix is a packed int8 matrix for the tiles of ARM that store sums.
type sumMatrix struct {
	n, k, row      int // columns, values of a row, bytes of a row as the tiles read it
	shape          *armShape
	blocks, groups int
	panels         [][]int8
	sums           []int32 // of each column's weights
}

// packSumsArch packs for the tiles of this machine, nil for the generic kernel.
func packSumsArch(w []int8, n, k int) *sumMatrix {
	p := &sumMatrix{n: n, k: k, shape: s32Shape(), sums: make([]int32, n)}
	if p.shape == nil {
		return nil
	}
	p.row = p.shape.rowBytes(k)
	var list []armChunk
	list, p.blocks, p.groups = p.shape.chunks(p.row)
	for first := 0; first < n; first += p.shape.cols {
		cols := min(p.shape.cols, n-first)
		panel := make([]int8, p.shape.panel(list))
		packArm(panel, p.shape, w[first*k:(first+cols)*k], k, cols, list)
		p.panels = append(p.panels, panel)
	}
	for j := range n {
		for _, v := range w[j*k : (j+1)*k] {
			p.sums[j] += int32(v)
		}
	}
	return p
}

func (p *sumMatrix) id() string { return p.shape.id() }

func (p *sumMatrix) bytes() (s8, s32 int) {
	for _, w := range p.panels {
		s8 += len(w)
	}
	return s8, 4 * len(p.sums)
}

// scratch is for so many rows that the tiles cannot read as they are.
func (p *sumMatrix) scratch(m int) int {
	if p.row == p.k {
		return 0
	}
	return p.shape.rowsPerBlock(m, p.row) * p.row
}

// sumsOf writes the sums of m rows of x, ldx apart, to dst, ldd apart.
func (p *sumMatrix) sumsOf(dst []int32, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.shape.rowsPerBlock(m, p.row)
	for i := 0; i < m; i += block {
		m, a, lda := min(block, m-i), x[i*ldx:], ldx
		if p.row != p.k {
			a, lda = widenRows(scratch, p.row, a, ldx, p.k, m), p.row
		}
		for j, w := range p.panels {
			first := j * p.shape.cols
			t := armTile{w: unsafe.Pointer(&w[0]), blocks: p.blocks, groups: p.groups, bytes: p.row, par: unsafe.Pointer(&noBias[0]), cols: min(p.shape.cols, p.n-first)}
			runRows(p.shape, &t, dst[i*ldd+first:], ldd, a, lda, m)
		}
	}
}
