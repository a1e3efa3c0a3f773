package gemm

import (
	"math"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/flip"
	"wayside/kernels/requant"
)

// s8Tile is the argument of an assembly tile: tiles × rows prepared rows with one panel of columns. The assembly knows the offsets.
type s8Tile struct {
	a       *uint8 // rows, lda bytes apart, groups × 4 bytes each: uint8, or int16 on AVX2
	lda     int
	w       *int8 // panel: [groups][columns][depth]
	groups  int   // K / depth, rounded up
	dst     *int8 // rows, ldd bytes apart
	ldd     int
	par     *int32 // blocks of the panel's columns: bias, multiplier, addend, shift, carry limit
	lo, hi  int8
	exact   bool // the carry counts: some output may lie below the zero point before it is clamped
	tiles   int
	mask    uint64 // columns that exist
	columns int    // how many they are
}

func s8TilesAVX512() *[48]uintptr

func s8TilesAVXVNNI() *[12]uintptr

func s8TilesAVX2() *[12]uintptr

//go:noescape
func widenAVX2(dst *byte, src *int8, n int)

var (
	s8AVX512  = tileSet{isa: "avx512vnni", width: 16, wide: 4, high: 12, sums: 24, table: s8TilesAVX512()[:], depth: 4}
	s8AVXVNNI = tileSet{isa: "avxvnni", width: 8, wide: 2, high: 6, sums: 12, table: s8TilesAVXVNNI()[:], depth: 4, zipped: true}
	s8AVX2    = tileSet{isa: "avx2", width: 8, wide: 2, high: 6, sums: 12, table: s8TilesAVX2()[:], depth: 2, zipped: true}
)

// place says where column c of a panel stands among its sums and among its outputs. Zipped, columns 0, 2, 1 and 3 of each four follow each other
// among the sums, and with two vectors each holds every other four: so the results of the store come out in order.
func (s *tileSet) place(c, vectors int) (sum, output int) {
	if !s.zipped {
		return c, c
	}
	four := c / 4
	if vectors == 2 {
		four = four%2*2 + four/2
	}
	return four*4 + [4]int{0, 2, 1, 3}[c%4], four*4 + c%4
}

// s8Panel is a run of columns with its packed weights and parameters.
type s8Panel struct {
	first, n int // columns
	vectors  int
	w        []int8
	par      []int32
	exact    bool
}

// s8Matrix is a matrix packed for a set of tiles.
type s8Matrix struct {
	set    *tileSet
	k, lda int // values of a row, bytes from one prepared row to the next
	panels []s8Panel
	lo, hi int8
}

// s8Packing is what PackS8 hands on.
type s8Packing struct {
	w                 []int8
	n, k              int
	bias, mult, shift []int32
	wZero             int32
	zero, lo, hi      int32
}

// pack packs for a set of tiles whose rows have groups × depth values, 128 added to each of them where they are flipped; false when a sum may be
// too large for the exact rescaling or a multiplier moves it to the left: the generic kernel then does it.
func (p *s8Packing) pack(set *tileSet, groups int, flipped bool) (s8Matrix, bool) {
	m := s8Matrix{set: set, k: p.k, lda: 4 * groups, lo: int8(p.lo), hi: int8(p.hi)}
	for first := 0; first < p.n; {
		cols, vectors := set.panel(p.n - first)
		nr := set.width * vectors
		q := s8Panel{first: first, n: cols, vectors: vectors, w: make([]int8, groups*set.depth*nr), par: make([]int32, 5*nr)}
		for c := range cols {
			at, out := set.place(c, vectors)
			sum, abs := int64(0), int64(0)
			for i, v := range p.w[(first+c)*p.k : (first+c)*p.k+p.k] {
				q.w[(i/set.depth*nr+at)*set.depth+i%set.depth] = v
				sum += int64(v)
				d := int64(v) - int64(p.wZero)
				abs += max(d, -d)
			}
			if p.wZero != 0 { // times what is left of the row, see s8Widened
				for i := p.k; i < groups*set.depth; i++ {
					q.w[(i/set.depth*nr+at)*set.depth+i%set.depth] = int8(p.wZero)
				}
			}
			bias, largest := int64(p.bias[first+c]), 128*abs
			if flipped {
				bias, largest = bias-128*sum, 255*abs
			}
			terms, ok := requant.OneStep(bias, largest, p.mult[first+c], p.shift[first+c], p.zero, p.lo)
			if !ok {
				return m, false
			}
			q.exact = q.exact || terms.Carry
			if set.zipped && terms.Carry && terms.Limit >= 0 {
				terms.Add++ // these tiles take it back below the limit
			}
			q.par[at], q.par[nr+at], q.par[4*nr+at] = terms.Bias, terms.Mult, terms.Limit
			q.par[2*nr+out], q.par[3*nr+out] = terms.Add, terms.Shift
		}
		m.panels = append(m.panels, q)
		first += cols
	}
	return m, true
}

func (p *s8Matrix) id() string { return p.set.id(p.panels[0].vectors) }

func (p *s8Matrix) bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w)
		s32 += 4 * len(p.panels[i].par)
	}
	return s8, s32
}

// blockS8 is how many bytes of rows are prepared at once: they stay in the second-level cache.
const blockS8 = 128 << 10

// rowsPerBlock returns how many of m rows are prepared at once.
func (p *s8Matrix) rowsPerBlock(m int) int { return min(m, max(blockS8/p.lda, 24)) }

// scratch returns the bytes that run needs for m rows.
func (p *s8Matrix) scratch(m int) int { return p.rowsPerBlock(m) * p.lda }

// rows multiplies m prepared rows with all panels.
func (p *s8Matrix) rows(dst []int8, ldd int, a []byte, m int) {
	last := &p.panels[len(p.panels)-1]
	_ = dst[(m-1)*ldd+last.first+last.n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := s8Tile{a: &a[0], lda: p.lda, w: &q.w[0], groups: p.lda / 4, dst: &dst[q.first], ldd: ldd, par: &q.par[0], lo: p.lo, hi: p.hi, exact: q.exact, mask: ^uint64(0) >> (64 - q.n), columns: q.n}
		tiles, height, taller := p.set.split(m, q.vectors)
		if taller > 0 {
			t.tiles = taller
			call.Tile(p.set.tile(q.vectors, height+1), unsafe.Pointer(&t))
			done := taller * (height + 1)
			if done == m {
				continue
			}
			t.a = (*uint8)(unsafe.Add(unsafe.Pointer(t.a), done*p.lda))
			t.dst = (*int8)(unsafe.Add(unsafe.Pointer(t.dst), done*ldd))
		}
		t.tiles = tiles - taller
		call.Tile(p.set.tile(q.vectors, height), unsafe.Pointer(&t))
	}
}

// s8Flipped is a matrix for tiles whose rows are uint8.
type s8Flipped struct{ s8Matrix }

func (p *s8Packing) flipped(set *tileSet) (*s8Flipped, bool) {
	m, ok := p.pack(set, (p.k+3)/4, true)
	return &s8Flipped{m}, ok
}

func (p *s8Flipped) stride() int { return p.lda }

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Flipped) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		p.flip(scratch, x[i*ldx:], ldx, n)
		p.rows(dst[i*ldd:], ldd, scratch, n)
	}
}

// flip copies rows with 128 added to each value; what lies behind a row's values does not matter.
func (p *s8Flipped) flip(dst []byte, x []int8, ldx, rows int) {
	k := p.k
	if p.lda == k && ldx == k {
		flip.Copy(dst[:rows*k], x[:rows*k])
		return
	}
	for r := range rows {
		flip.Copy(dst[r*p.lda:r*p.lda+k], x[r*ldx:r*ldx+k])
	}
}

// s8Widened is a matrix for tiles whose rows are int16. Where the weights have a zero point, what makes up for it stands behind a row's values: the
// negated sum of them, in as many parts as int16 needs, where all weights are the zero point.
type s8Widened struct {
	s8Matrix
	parts int
}

func (p *s8Packing) widened(set *tileSet) (*s8Widened, bool) {
	parts := 0
	if p.wZero != 0 {
		if p.wZero != int32(int8(p.wZero)) {
			return nil, false
		}
		parts = (128*p.k + math.MaxInt16 - 1) / math.MaxInt16
	}
	m, ok := p.pack(set, (p.k+parts+1)/2, false)
	if parts > 0 {
		parts = m.lda/2 - p.k // all places that pack has filled
	}
	return &s8Widened{m, parts}, ok
}

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Widened) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		p.widen(scratch, x[i*ldx:], ldx, n)
		p.rows(dst[i*ldd:], ldd, scratch, n)
	}
}

// widen copies rows as int16.
func (p *s8Widened) widen(dst []byte, x []int8, ldx, rows int) {
	_, _ = dst[rows*p.lda-1], x[(rows-1)*ldx+p.k-1]
	if p.lda == 2*p.k && ldx == p.k {
		widenAVX2(&dst[0], &x[0], rows*p.k)
		return
	}
	for r := range rows {
		in := x[r*ldx : r*ldx+p.k]
		widenAVX2(&dst[r*p.lda], &in[0], p.k)
		if p.parts == 0 {
			continue
		}
		left := int32(0)
		for _, v := range in {
			left -= int32(v)
		}
		for i := range p.parts {
			part := min(max(left, math.MinInt16), math.MaxInt16)
			dst[r*p.lda+2*(p.k+i)], dst[r*p.lda+2*(p.k+i)+1] = byte(part), byte(part>>8)
			left -= part
		}
	}
}
