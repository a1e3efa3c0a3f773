package gemm

import (
	"strconv"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// s32AVX2 returns the addresses of the products by vectors of columns less one, and of hybridStoreAVX2.
func s32AVX2() *[9]uintptr

var s32AVX2Table = s32AVX2()

// sumTile is the argument of the products on AVX2: one row.
type sumTile struct {
	x     *byte // int16
	w     *int8 // [pairs][columns][2]
	dst   *int32
	pairs int
}

// packSumsArch packs for the tiles of this machine, nil for the generic kernel.
func packSumsArch(w []int8, n, k int) *sumMatrix {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return packSums(w, n, k)
	case cpu.Has(cpu.AVX2):
		return packPairSums(w, n, k)
	}
	return nil
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
	bias      []int32 // what the 128 added to each value are taken back with; nil on AVX2, whose rows are int16 as they are
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

// packPairSums packs for the products on AVX2.
func packPairSums(w []int8, n, k int) *sumMatrix {
	p := &sumMatrix{n: n, k: k, lda: 2 * ((k + 1) &^ 1), sums: make([]int32, up16(n))}
	const most = 64
	for first := 0; first < n; first += most {
		cols := min(most, n-first)
		nr := (cols + 7) &^ 7
		q := sumPanel{first: first, n: cols, w: make([]int8, p.lda/2*nr)}
		for c := range cols {
			for i, v := range w[(first+c)*k : (first+c)*k+k] {
				q.w[i/2*nr*2+c*2+i%2] = v
				p.sums[first+c] += int32(v)
			}
		}
		p.panels = append(p.panels, q)
	}
	return p
}

// id names the widest tile and the instruction set.
func (p *sumMatrix) id() string {
	if p.bias == nil {
		return "1x" + strconv.Itoa(min(p.n+7, 64)&^7) + "/avx2"
	}
	return s32AVX512.id((min(p.n, 64) + 15) / 16)
}

func (p *sumMatrix) bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w)
	}
	return s8, 4 * (len(p.sums) + len(p.bias))
}

// flip copies m rows of x, ldx apart, as the tiles want them: with 128 added to each value, or as int16.
func (p *sumMatrix) flip(dst []byte, x []int8, ldx, m int) {
	if p.bias == nil {
		for r := range m {
			row := dst[r*p.lda : (r+1)*p.lda]
			row[p.lda-2], row[p.lda-1] = 0, 0
			widenAVX2(&row[0], &x[r*ldx : r*ldx+p.k][0], p.k)
		}
		return
	}
	flipRows(dst, p.lda, x, ldx, p.k, m, 0)
}

// run writes the sums of m rows that flip has made to dst, ldd apart; on AVX2 whole vectors of them.
func (p *sumMatrix) run(dst []int32, ldd int, rows []byte, m int) {
	if p.bias == nil {
		_, _ = rows[m*p.lda-1], dst[(m-1)*ldd+(p.n+7)&^7-1]
		for i := range p.panels {
			q := &p.panels[i]
			tile := s32AVX2Table[(q.n+7)/8-1]
			for r := range m {
				t := sumTile{x: &rows[r*p.lda], w: &q.w[0], dst: &dst[r*ldd+q.first], pairs: p.lda / 4}
				call.Tile(tile, unsafe.Pointer(&t))
			}
		}
		return
	}
	_, _ = rows[m*p.lda-1], dst[(m-1)*ldd+p.n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := s8Tile{a: &rows[0], lda: p.lda, w: &q.w[0], groups: p.lda / 4, dst: (*int8)(unsafe.Pointer(&dst[q.first])), ldd: 4 * ldd, par: &p.bias[q.first], mask: ^uint64(0) >> (64 - q.n)}
		s32AVX512.runS8(&t, (q.n+15)/16, m)
	}
}

func (p *sumMatrix) scratch(m int) int {
	if p.ragged() {
		return up64(m*p.lda) + up64(4*m*up16(p.n))
	}
	return up64(m * p.lda)
}

// ragged reports whether the products write more than the sums.
func (p *sumMatrix) ragged() bool { return p.bias == nil && p.n%8 != 0 }

// sumsOf writes the sums of m rows of x, ldx apart, to dst, ldd apart.
func (p *sumMatrix) sumsOf(dst []int32, ldd int, x []int8, ldx, m int, scratch []byte) {
	p.flip(scratch, x, ldx, m)
	if p.ragged() {
		wide := up16(p.n)
		sums := wordsOf(scratch[up64(m*p.lda):][:4*m*wide])
		p.run(sums, wide, scratch, m)
		for r := range m {
			copy(dst[r*ldd:r*ldd+p.n], sums[r*wide:])
		}
		return
	}
	p.run(dst, ldd, scratch, m)
}
