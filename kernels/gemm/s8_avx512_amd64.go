package gemm

import (
	"math/bits"
	"unsafe"
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
				abs += int64(max(v, -v))
				if v == -128 {
					abs += 256 // -v overflows: 128 was counted as -128
				}
			}
			// The rows come with 128 added.
			b := int64(bias[first+c]) - 128*sum
			m, r := mult[first+c], -shift[first+c]
			if max(b, -b)+255*abs >= 1<<29 || r < 0 || r > 22 {
				return nil
			}
			a, add, limit := requantTerms(m, r, zero)
			q.par[c] = int32(b) + a
			q.par[nr+c] = m << 1
			q.par[2*nr+c] = add
			q.par[3*nr+c] = r
			q.par[4*nr+c] = limit
			if lo < zero {
				q.exact = true
			} else if r > 0 {
				q.par[2*nr+c]++
			}
		}
		p.panels = append(p.panels, q)
		first += cols
	}
	return p
}

// requantTerms gives, for a multiplier m in [2^30, 2^31) and a right shift r, the terms of the one-step form of requant.Mul: with X = x + a,
// requant.Mul(x, m, −r) + zero = (hi32(X × 2m) + add + [X ≥ limit]) >> r, all unsigned, for |x| < 2^29. The proof: let v be the trailing
// zeros of m and a = 2^30 − 2^(30−v) (2^30 for odd m); then a × m − 2^30 is a multiple of 2^31, so that the first rounding becomes a
// plain shift of (x + a) × m; the second one, half away from zero, differs from half up only for negative x, which the carry tells.
func requantTerms(m, r, zero int32) (a, add, limit int32) {
	if m == 0 {
		return 1 << 30, zero, -1
	}
	a = 1 << 30
	if v := bits.TrailingZeros32(uint32(m)); v > 0 {
		a -= 1 << (30 - v)
	}
	over := int32((int64(a)*int64(m) - 1<<30) >> 31)
	if r == 0 {
		return a, zero - over, -1
	}
	return a, 1<<(r-1) - 1 - over + zero<<r, a
}

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
		table := s8TilesAVX512[q.vectors-1]
		tiles := (m + len(table) - 1) / len(table)
		height, taller := m/tiles, m%tiles
		if taller > 0 {
			t.tiles = taller
			table[height](&t)
			done := taller * (height + 1)
			if done == m {
				continue
			}
			t.a = (*uint8)(unsafe.Add(unsafe.Pointer(t.a), done*p.lda))
			t.dst = (*int8)(unsafe.Add(unsafe.Pointer(t.dst), done*ldd))
		}
		t.tiles = tiles - taller
		table[height-1](&t)
	}
}

// flipRows copies rows of k bytes with 128 added to each, lda apart; what lies between k and lda does not matter.
func flipRows(dst []byte, lda int, x []int8, ldx, k, rows int) {
	for r := range rows {
		d, s := dst[r*lda:r*lda+k], x[r*ldx:r*ldx+k]
		for len(s) >= 8 {
			*(*uint64)(unsafe.Pointer(&d[0])) = *(*uint64)(unsafe.Pointer(&s[0])) ^ 0x8080808080808080
			d, s = d[8:], s[8:]
		}
		for i, v := range s {
			d[i] = byte(v) ^ 0x80
		}
	}
}
