package gemm

import (
	"unsafe"

	"wayside/kernels/internal/call"
)

// productsAVX2 returns the addresses of widenRows, of copyPanel, of pairRows for 8 and 16 columns, and of pairColumns for both.
func productsAVX2() *[6]uintptr

var productTable = productsAVX2()

// widenArgs is the argument of widenRows: rows of int16 less a zero point and, if factor is not 0, their sum times that in the last four bytes. It is that of
// flipRows too, whose rows become uint8.
type widenArgs struct {
	dst      *byte
	src      *int8
	k, rows  int
	lds, ldd int // bytes from row to row
	zero     int32
	factor   int32
}

// copyArgs is the argument of copyPanel: 64 bytes of each row.
type copyArgs struct {
	dst, src *float32
	ldd, lds int // bytes from row to row
	rows     int
}

// pairArgs is the argument of pairRows.
type pairArgs struct {
	dst, src *int8
	lds      int // bytes from row to row
	pairs    int
	order    [16]int8 // the column that comes to each place
}

// columnArgs is the argument of pairColumns.
type columnArgs struct {
	dst    *int8
	blocks int // of 16 bytes of a row
	row    [16]*int8
}

// packProductS8AVX2 is packProductS8 for the tiles of AVX2, which have no plain sums.
func packProductS8AVX2(p *ProductS8) []int32 {
	if p.plain {
		return nil
	}
	par := make([]int32, 5*(p.N+7)/8*8)
	for first := 0; first < p.N; {
		cols, vectors := s8AVX2.panel(p.N - first)
		nr, q := 8*vectors, par[5*first:]
		for c := range cols {
			t, ok := p.terms(first + c)
			if !ok {
				return nil
			}
			t = t.Below()
			at, out := s8AVX2.place(c, vectors)
			q[at], q[nr+at], q[4*nr+at] = t.Bias, t.Mult, t.Limit
			q[2*nr+out], q[3*nr+out] = t.Add, t.Shift
		}
		first += cols
	}
	return par
}

// ldaAVX2 returns the bytes of a prepared row.
func (p *ProductS8) ldaAVX2() int {
	if p.fixes() {
		return 4*((p.K+1)/2) + 4
	}
	return 4 * ((p.K + 1) / 2)
}

// blockAVX2 returns how many rows are prepared at once.
func (p *ProductS8) blockAVX2() int { return min(p.M, max(blockS8/p.ldaAVX2(), 24)) }

func scratchProductS8AVX2(p *ProductS8) int {
	n := up64((p.K+1)/2*2*((p.N+7)&^7)) + up64(p.blockAVX2()*p.ldaAVX2())
	if p.TransA {
		n += up64(p.M * p.K)
	}
	return n
}

// runProductS8AVX2 packs all of b; the zero point of a is taken from its rows as they are widened, that of b counts through their sums.
func runProductS8AVX2(p *ProductS8, c, a, b []int8, scratch []byte) {
	m, k, n, lda, groups := p.M, p.K, p.N, p.ldaAVX2(), (p.K+1)/2
	s := room{scratch}
	if p.TransA {
		a = turned(int8s(s.take(m*k)), a, m, k)
	}
	panels := int8s(s.take(groups * 2 * ((n + 7) &^ 7)))
	for first := 0; first < n; first += 16 {
		p.packPanelAVX2(panels[2*groups*first:], b, first)
	}
	block := p.blockAVX2()
	rows := s.take(block * lda)
	for i := 0; i < m; i += block {
		high := min(block, m-i)
		w := widenArgs{dst: &rows[0], src: &a[i*k], k: k, rows: high, lds: k, ldd: lda, zero: p.q.XZero, factor: -p.q.WZero}
		call.Tile(productTable[0], unsafe.Pointer(&w))
		for first := 0; first < n; {
			cols, vectors := s8AVX2.panel(n - first)
			t := s8Tile{a: &rows[0], lda: lda, w: &panels[2*groups*first], groups: groups, dst: &c[i*n+first], ldd: n, par: &p.par[5*first], lo: int8(p.q.Min), hi: int8(p.q.Max), exact: p.q.Min < p.q.Zero, fix: p.fixes(), columns: cols}
			s8AVX2.runS8(&t, vectors, high)
			first += cols
		}
	}
}

// columnsAVX2 returns the column at each place of a panel; the last one where there is none.
func columnsAVX2(cols, vectors int) (from [16]int) {
	for i := range from {
		from[i] = cols - 1
	}
	for c := range cols {
		at, _ := s8AVX2.place(c, vectors)
		from[at] = c
	}
	return from
}

// wholePanel are the columns of a panel of 16, which most are.
var wholePanel = columnsAVX2(16, 2)

// packPanelAVX2 brings up to 16 columns of b into a panel [k/2][whole vectors of columns][2].
func (p *ProductS8) packPanelAVX2(panel, b []int8, first int) {
	cols, vectors := s8AVX2.panel(p.N - first)
	nr, done := 8*vectors, 0 // pairs that are packed
	from := wholePanel
	if cols < 16 {
		from = columnsAVX2(cols, vectors)
	}
	switch {
	case p.TransB && p.K >= 16:
		t := columnArgs{dst: &panel[0], blocks: p.K / 16}
		for i, c := range from {
			t.row[i] = &b[(first+c)*p.K]
		}
		call.Tile(productTable[3+vectors], unsafe.Pointer(&t))
		done = p.K / 16 * 8
	case !p.TransB && cols == nr && p.K >= 2:
		t := pairArgs{dst: &panel[0], src: &b[first], lds: p.N, pairs: p.K / 2}
		for i, c := range from {
			t.order[i] = int8(c)
		}
		call.Tile(productTable[1+vectors], unsafe.Pointer(&t))
		done = p.K / 2
	}
	for g := done; 2*g < p.K; g++ {
		for at, c := range from[:nr] {
			for i := range 2 {
				v := int8(0)
				switch k := 2*g + i; {
				case k >= p.K:
				case p.TransB:
					v = b[(first+c)*p.K+k]
				default:
					v = b[k*p.N+first+c]
				}
				panel[(g*nr+at)*2+i] = v
			}
		}
	}
}
