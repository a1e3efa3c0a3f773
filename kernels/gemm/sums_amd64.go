package gemm

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/flip"
)

// packSumsArch packs for the tiles of this machine, nil for the generic kernel.
func packSumsArch(w []int8, n, k int) *sumMatrix {
	if !cpu.Has(cpu.AVX512VNNI) {
		return nil
	}
	return packSums(w, n, k)
}

// sumPanel is a run of columns for the tiles with plain sums.
type sumPanel struct {
	first, n int
	w        []int8
}

// sumMatrix is an int8 matrix packed for the tiles with plain sums.
type sumMatrix struct {
	n, k, lda int
	panels    []sumPanel
	sums      []int32 // of the columns' weights, as many as whole vectors hold
	bias      []int32 // what the 128 added to each value are taken back with
}

func packSums(w []int8, n, k int) *sumMatrix {
	p := &sumMatrix{n: n, k: k, lda: (k + 3) &^ 3, sums: make([]int32, up16(n)), bias: make([]int32, up16(n))}
	for first := 0; first < n; first += 64 {
		cols := min(64, n-first)
		nr := up16(cols)
		q := sumPanel{first: first, n: cols, w: make([]int8, p.lda*nr)}
		deal(bytesOf(q.w), bytesOf(w)[first*k:], k, k, cols, nr, 4, inOrder)
		for c := range cols {
			p.sums[first+c] = sum(w[(first+c)*k : (first+c+1)*k])
			p.bias[first+c] = -128 * p.sums[first+c]
		}
		p.panels = append(p.panels, q)
	}
	return p
}

func (p *sumMatrix) bytes() (n int) {
	for i := range p.panels {
		n += len(p.panels[i].w)
	}
	return n
}

// flip copies m rows of x, ldx apart, with 128 added to each value.
func (p *sumMatrix) flip(dst []byte, x []int8, ldx, m int) {
	for r := range m {
		flip.Copy(dst[r*p.lda:r*p.lda+p.k], x[r*ldx:r*ldx+p.k])
	}
}

// run writes the sums of m rows of uint8, lda apart, to dst, ldd apart.
func (p *sumMatrix) run(dst []int32, ldd int, rows []byte, m int) {
	_, _ = rows[m*p.lda-1], dst[(m-1)*ldd+p.n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := s8Tile{a: &rows[0], lda: p.lda, w: &q.w[0], groups: p.lda / 4, dst: (*int8)(unsafe.Pointer(&dst[q.first])), ldd: 4 * ldd, par: &p.bias[q.first], mask: ^uint64(0) >> (64 - q.n)}
		s32AVX512.runS8(&t, (q.n+15)/16, m)
	}
}

func (p *sumMatrix) scratch(m int) int { return up64(m * p.lda) }

// sumsOf writes the sums of m rows of x, ldx apart, to dst, ldd apart.
func (p *sumMatrix) sumsOf(dst []int32, ldd int, x []int8, ldx, m int, scratch []byte) {
	p.flip(scratch, x, ldx, m)
	p.run(dst, ldd, scratch, m)
}
