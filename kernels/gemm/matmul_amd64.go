package gemm

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/move"
	"wayside/kernels/requant"
)

// packAVX512 returns the addresses of turn, weave, hybridStore and flipRows.
func packAVX512() *[4]uintptr

// s32TilesAVX512 returns the addresses of the tiles with plain sums, as s8TilesAVX512 does.
func s32TilesAVX512() *[48]uintptr

var (
	s32AVX512 = tileSet{isa: "avx512vnni", width: 16, wide: 4, high: 12, sums: 24, table: s32TilesAVX512()[:], depth: 4}
	packTable = packAVX512()
)

func fastProducts() bool { return cpu.Has(cpu.AVX2) }

func productID(n int, s8 bool) string {
	set := f32Set()
	if s8 {
		set = s8Set()
	}
	_, vectors := set.panel(n)
	return set.id(vectors)
}

// turnArgs is the argument of turn: the transpose of up to 16 rows of 32-bit words. The destination has whole blocks of 16 rows of 16 words.
type turnArgs struct {
	src   unsafe.Pointer
	lds   int // bytes between rows
	rows  int
	bytes int // of a row; what is missing from the last word is zero
	dst   unsafe.Pointer
	ldd   int // bytes between rows of the destination
}

// weaveArgs is the argument of weave: bytes of four rows become words, 64 at a time.
type weaveArgs struct {
	row   [4]*int8
	step  int // bytes from four rows to the next
	fours int
	dst   *int8 // 256 bytes are written each time
	ldd   int   // bytes from one time to the next
	mask  uint64
}

func turn(t *turnArgs) { call.Tile(packTable[0], unsafe.Pointer(t)) }

// room hands out parts of scratch memory.
type room struct{ rest []byte }

func (r *room) take(n int) []byte {
	n = (n + 63) &^ 63
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func wordsOf(b []byte) []int32 { return unsafe.Slice((*int32)(unsafe.Pointer(&b[0])), len(b)/4) }

func up16(n int) int { return (n + 15) &^ 15 }

// s8Set are the tiles that products of int8 run on.
func s8Set() *tileSet {
	if cpu.Has(cpu.AVX512VNNI) {
		return &s8AVX512
	}
	return &s8AVX2
}

// f32Set are the tiles that products of float32 run on.
func f32Set() *tileSet {
	if cpu.Has(cpu.AVX512VNNI) {
		return &f32AVX512
	}
	return &f32AVX2
}

// direct returns b when it already is what the tiles want.
func (p *ProductF32) direct(b []float32) []float32 {
	if set := f32Set(); !p.TransB && p.N%set.width == 0 && p.N <= set.width*set.wide {
		return b
	}
	return nil
}

// panelsProductF32 is how many floats the second matrix takes as panels, with what turn writes too much.
func panelsProductF32(p *ProductF32) int { return p.K*up16(p.N) + 16*64 }

func packProductF32(p *ProductF32, panels, b []float32, ldb int) {
	set, k := f32Set(), p.K
	for first := 0; first < p.N; {
		cols, vectors := set.panel(p.N - first)
		nr := vectors * set.width
		panel := panels[first*k:]
		switch {
		case p.TransB && set == &f32AVX512:
			for v := 0; v < cols; v += 16 {
				turn(&turnArgs{src: unsafe.Pointer(&b[(first+v)*ldb]), lds: 4 * ldb, rows: min(16, cols-v), bytes: 4 * k, dst: unsafe.Pointer(&panel[v]), ldd: 4 * nr})
			}
		case p.TransB:
			move.Transpose(panel, b[first*ldb:], nr, ldb, cols, k)
		case cols%16 == 0:
			for c := 0; c < cols; c += 16 {
				t := copyArgs{dst: &panel[c], src: &b[first+c], ldd: 4 * nr, lds: 4 * ldb, rows: k}
				call.Tile(productTable[1], unsafe.Pointer(&t))
			}
		default:
			for i := range k {
				row := panel[i*nr : (i+1)*nr]
				copy(row, b[i*ldb+first:i*ldb+first+cols])
				clear(row[cols:])
			}
		}
		first += cols
	}
}

func rowsOfProductF32(p *ProductF32, c []float32, ldc int, a []float32, lda, m int, panels []float32) {
	set, k := f32Set(), p.K
	block := max(blockF32/k, 24)
	for i := 0; i < m; i += block {
		for first := 0; first < p.N; {
			cols, vectors := set.panel(p.N - first)
			t := f32Tile{a: &a[i*lda], lda: 4 * lda, w: (*byte)(unsafe.Pointer(&panels[first*k])), k: k, dst: &c[i*ldc+first], ldd: 4 * ldc, bias: &p.bias[first], lo: p.min, hi: p.max, mask: ^uint64(0) >> (64 - cols), columns: cols}
			set.runF32(&t, vectors, min(block, m-i))
			first += cols
		}
	}
}

// packProductS8 returns the parameters of the tiles with the bias of the sums alone, panel after panel as in s8AVX512; nil where they are not
// exact. For plain sums there are none, but a slice.
func packProductS8(p *ProductS8) []int32 {
	if !cpu.Has(cpu.AVX512VNNI) {
		return packProductS8AVX2(p)
	}
	if p.plain {
		return []int32{}
	}
	par := make([]int32, 5*up16(p.N))
	x, w := int64(p.q.XZero), int64(p.q.WZero)
	for first := 0; first < p.N; first += 64 {
		cols := min(64, p.N-first)
		nr := up16(cols)
		for c := range cols {
			t, ok := p.terms(first + c)
			if !ok {
				return nil
			}
			t.Bias += int32(x * w * int64(p.K))
			for i, v := range [5]int32{t.Bias, t.Mult, t.Add, t.Shift, t.Limit} {
				par[5*first+i*nr+c] = v
			}
		}
	}
	return par
}

// terms returns the terms of a column for the sums of inputs and weights less their zero points; false where the form is not exact.
func (p *ProductS8) terms(column int) (requant.Terms, bool) {
	bias := int64(0)
	if p.q.Bias != nil {
		bias = p.q.Bias[column]
	}
	one := min(column, len(p.q.Mult)-1)
	return requant.OneStep(bias, 255*255*int64(p.K), p.q.Mult[one], p.q.Shift[one], p.q.Zero, p.q.Min)
}

func (p *ProductS8) groups() int { return (p.K + 3) / 4 }

// fixes reports whether sums depend on those of the rows.
func (p *ProductS8) fixes() bool { return !p.plain && p.q.WZero != 0 }

// lda returns the bytes of a prepared row.
func (p *ProductS8) lda() int {
	if p.fixes() {
		return 4*p.groups() + 4
	}
	return 4 * p.groups()
}

// panelS8 returns the bytes of a packed panel: whole blocks of turn, and what weave writes too much.
func (p *ProductS8) panelBytes() int { return up16(p.groups())*4*min(up16(p.N), 64) + 256 }

func scratchProductS8(p *ProductS8) int {
	if !cpu.Has(cpu.AVX512VNNI) {
		return scratchProductS8AVX2(p)
	}
	n := up64(p.M*p.lda()) + up64(p.panelBytes()) + up64(p.lda()) + 4*64 + 4*5*64
	if p.TransA {
		n += up64(p.M * p.K)
	}
	return n
}

func runProductS8(p *ProductS8, c []int8, c32 []int32, a, b []int8, scratch []byte) {
	if !cpu.Has(cpu.AVX512VNNI) {
		runProductS8AVX2(p, c, a, b, scratch)
		return
	}
	m, k, n, lda := p.M, p.K, p.N, p.lda()
	s := room{scratch}
	if p.TransA {
		a = turned(int8s(s.take(m*k)), a, m, k)
	}
	rows, panel, ones := s.take(m*lda), int8s(s.take(p.panelBytes())), s.take(lda)
	sums, par := wordsOf(s.take(4*64)), wordsOf(s.take(4*5*64))
	p.flip(rows, a)
	for i := range ones {
		ones[i] = 1
	}
	block := max(blockS8/lda, 24)
	for first := 0; first < n; first += 64 {
		cols := min(64, n-first)
		nr := up16(cols)
		p.packPanel(panel, b, first, cols)
		clear(par[:nr])
		t := s8Tile{a: &ones[0], lda: lda, w: &panel[0], groups: p.groups(), dst: (*int8)(unsafe.Pointer(&sums[0])), ldd: 0, par: &par[0], mask: ^uint64(0) >> (64 - cols)}
		s32AVX512.runS8(&t, nr/16, 1)
		set := &s32AVX512
		if p.plain {
			for c := range cols {
				par[c] = -128 * sums[c]
			}
		} else {
			set = &s8AVX512
			copy(par, p.par[5*first:5*(first+nr)])
			f := -128 - p.q.XZero
			for c := range cols {
				par[c] += f * sums[c]
			}
		}
		for i := 0; i < m; i += block {
			t := s8Tile{a: &rows[i*lda], lda: lda, w: &panel[0], groups: p.groups(), par: &par[0], lo: int8(p.q.Min), hi: int8(p.q.Max), exact: p.q.Min < p.q.Zero, fix: p.fixes(), ordered: true, mask: ^uint64(0) >> (64 - cols)}
			if p.plain {
				t.dst, t.ldd = (*int8)(unsafe.Pointer(&c32[i*n+first])), 4*n
			} else {
				t.dst, t.ldd = &c[i*n+first], n
			}
			set.runS8(&t, nr/16, min(block, m-i))
		}
	}
}

// flip copies rows with 128 added to each value; behind them stands what their sums need where b has a zero point.
func (p *ProductS8) flip(dst []byte, x []int8) {
	factor := int32(0)
	if p.fixes() {
		factor = -p.q.WZero
	}
	flipRows(dst, p.lda(), x, p.K, p.K, p.M, factor)
}

// noRow stands for rows that are missing.
var noRow [64]int8

// packPanel brings columns of b into a panel [k/4][whole vectors of columns][4].
func (p *ProductS8) packPanel(panel, b []int8, first, cols int) {
	k, n, nr := p.K, p.N, up16(cols)
	if p.TransB {
		for v := 0; v < cols; v += 16 {
			turn(&turnArgs{src: unsafe.Pointer(&b[(first+v)*k]), lds: k, rows: min(16, cols-v), bytes: k, dst: unsafe.Pointer(&panel[4*v]), ldd: 4 * nr})
		}
		return
	}
	t := weaveArgs{step: 4 * n, fours: k / 4, dst: &panel[0], ldd: 4 * nr, mask: ^uint64(0) >> (64 - cols)}
	if t.fours > 0 {
		for i := range t.row {
			t.row[i] = &b[i*n+first]
		}
		call.Tile(packTable[1], unsafe.Pointer(&t))
	}
	if k%4 == 0 {
		return
	}
	t.dst, t.fours, t.step = &panel[k/4*4*nr], 1, 0
	for i := range t.row {
		t.row[i] = &noRow[0]
		if r := k&^3 + i; r < k {
			t.row[i] = &b[r*n+first]
		}
	}
	call.Tile(packTable[1], unsafe.Pointer(&t))
}
