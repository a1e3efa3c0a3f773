package gemm

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/flip"
	"wayside/kernels/requant"
)

// s8Tile is the argument of an assembly tile: tiles × rows rows of u8 with one panel of columns. The assembly knows the offsets.
type s8Tile struct {
	a      *uint8 // rows, lda bytes apart, groups × 4 bytes each
	lda    int
	w      *int8 // panel: [groups][columns][4]
	groups int   // K / 4, rounded up
	dst    *int8 // rows, ldd bytes apart
	ldd    int
	par    *int32 // blocks of the panel's columns: bias, multiplier, addend, shift, carry limit
	lo, hi int8
	exact  bool // the carry counts: some output may lie below the zero point before it is clamped
	tiles  int
	mask   uint64 // columns that exist
}

// s8TilesAVX512 returns the addresses of the tiles: by vectors of columns, then by rows, both less one.
func s8TilesAVX512() *[4 * tilesHigh]uintptr

var s8Tiles = s8TilesAVX512()

// s8Panel is a run of columns with its packed weights and parameters.
type s8Panel struct {
	first, n int // columns
	vectors  int // of 16 columns, padding counted
	w        []int8
	par      []int32
	exact    bool
}

// s8AVX512 is a packed matrix for the AVX512-VNNI tiles.
type s8AVX512 struct {
	k, lda int
	panels []s8Panel
	lo, hi int8
}

// packS8AVX512 packs for the tiles; nil when a sum may be too large for the exact rescaling or a multiplier moves it to the left: the generic kernel
// then does it. bias is that of the sums of raw inputs minus inZero, as PackS8 computes it.
func packS8AVX512(w []int8, n, k int, bias []int32, mult, shift []int32, zero, lo, hi int32) *s8AVX512 {
	p := &s8AVX512{k: k, lda: (k + 3) &^ 3, lo: int8(lo), hi: int8(hi)}
	if k == 0 {
		return nil
	}
	for first := 0; first < n; {
		cols := min(64, n-first)
		vectors := (cols + 15) / 16
		nr := 16 * vectors
		q := s8Panel{first: first, n: cols, vectors: vectors, w: make([]int8, p.lda*nr), par: make([]int32, 5*nr)}
		for c := range cols {
			col := w[(first+c)*k : (first+c)*k+k]
			sum, abs := int64(0), int64(0)
			for i, v := range col {
				q.w[i/4*nr*4+c*4+i%4] = v
				sum += int64(v)
				abs += max(int64(v), -int64(v))
			}
			// The rows come with 128 added.
			terms, ok := requant.OneStep(int64(bias[first+c])-128*sum, 255*abs, mult[first+c], shift[first+c], zero, lo)
			if !ok {
				return nil
			}
			q.exact = q.exact || terms.Carry
			for i, v := range [5]int32{terms.Bias, terms.Mult, terms.Add, terms.Shift, terms.Limit} {
				q.par[i*nr+c] = v
			}
		}
		p.panels = append(p.panels, q)
		first += cols
	}
	return p
}

func (p *s8AVX512) stride() int { return p.lda }

func (p *s8AVX512) id() string { return tileID(p.panels[0].vectors, "avx512vnni") }

func (p *s8AVX512) bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w)
		s32 += 4 * len(p.panels[i].par)
	}
	return s8, s32
}

// blockS8 is how many bytes of rows are prepared at once: they stay in the second-level cache.
const blockS8 = 128 << 10

// rowsPerBlock returns how many of m rows are prepared at once.
func (p *s8AVX512) rowsPerBlock(m int) int { return min(m, max(blockS8/p.lda, 24)) }

// scratch returns the bytes that run needs for m rows.
func (p *s8AVX512) scratch(m int) int { return p.rowsPerBlock(m) * p.lda }

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8AVX512) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		flipRows(scratch, p.lda, x[i*ldx:], ldx, p.k, n)
		p.rows(dst[i*ldd:], ldd, scratch, n)
	}
}

// rows multiplies m prepared rows with all panels.
func (p *s8AVX512) rows(dst []int8, ldd int, a []byte, m int) {
	_ = dst[(m-1)*ldd+p.panels[len(p.panels)-1].first+p.panels[len(p.panels)-1].n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := s8Tile{a: &a[0], lda: p.lda, w: &q.w[0], groups: p.lda / 4, dst: &dst[q.first], ldd: ldd, par: &q.par[0], lo: p.lo, hi: p.hi, exact: q.exact, mask: ^uint64(0) >> (64 - q.n)}
		// Tiles of nearly equal heights: none is far from full.
		tiles, height, taller := split(m, q.vectors)
		if taller > 0 {
			t.tiles = taller
			call.Tile(tileS8(q.vectors, height+1), unsafe.Pointer(&t))
			done := taller * (height + 1)
			if done == m {
				continue
			}
			t.a = (*uint8)(unsafe.Add(unsafe.Pointer(t.a), done*p.lda))
			t.dst = (*int8)(unsafe.Add(unsafe.Pointer(t.dst), done*ldd))
		}
		t.tiles = tiles - taller
		call.Tile(tileS8(q.vectors, height), unsafe.Pointer(&t))
	}
}

func tileS8(vectors, rows int) uintptr { return s8Tiles[(vectors-1)*tilesHigh+rows-1] }

// flipRows copies rows of k bytes with 128 added to each, lda apart; what lies between k and lda does not matter.
func flipRows(dst []byte, lda int, x []int8, ldx, k, rows int) {
	if lda == k && ldx == k {
		flip.Copy(dst[:rows*k], x[:rows*k])
		return
	}
	for r := range rows {
		flip.Copy(dst[r*lda:r*lda+k], x[r*ldx:r*ldx+k])
	}
}
