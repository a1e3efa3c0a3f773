package gemm

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/flip"
	"wayside/kernels/requant"
)

// s8Tile is the argument of an assembly tile: tiles × rows prepared rows with one panel of columns. The assembly knows the offsets.
type s8Tile struct {
	a       *uint8 // rows, lda bytes apart, groups × 4 bytes each, uint8 or, on AVX2, int16; then, where fix says so, an int32 to add to its sums
	lda     int
	w       *int8 // panel: [groups][columns][depth]
	groups  int   // K / depth, rounded up
	dst     *int8 // rows, ldd bytes apart
	ldd     int
	par     *int32 // blocks of the panel's columns: bias, multiplier, addend, shift, carry limit
	lo, hi  int8
	exact   bool // the carry counts: some output may lie below the zero point before it is clamped
	fix     bool
	clamp   bool // to lo and hi, which are not the bounds of int8
	ordered bool // AVX512: columns stand in their order, not as place deals them out; then they are clamped too
	tiles   int
	mask    uint64 // columns that exist
	columns int    // how many they are
	segments
	next    *int8 // weights that are wanted next, or any, up to nextEnd; AVX512 fetches them
	nextEnd uintptr
	lines   int // AVX2: how many cache lines of them a tile fetches
	more    moreGroups
	ahead   int // AVX512, one row: how many bytes before their use weights are fetched
}

// moreGroups are groups of four bytes of each row that are multiplied once more, with weights of their own.
type moreGroups struct {
	count   int
	offsets *int  // in bytes, from where the row begins
	w       *int8 // panels: [columns][depth] for each
}

func s8TilesAVX512() *[50]uintptr

func s8FlipTilesAVX512() *[48]uintptr

func s4TilesAVX512() *[18]uintptr

func s8TilesAVXVNNI() *[14]uintptr

func s8TilesAVX2() *[14]uintptr

func s8InnerTilesAVX2() *[10]uintptr

func s8WideTilesAVX2() *[4]uintptr

func s4TilesAVX2() *[10]uintptr

// widenTile is the argument of widenInnerAVX2.
type widenTile struct {
	dst  *byte // rows, ldd bytes apart: n values of int16, a zero if n is odd, and an int32
	ldd  int
	src  *int8 // rows, lds bytes apart
	lds  int
	n    int
	rows int
}

//go:noescape
func widenInnerAVX2(t *widenTile)

//go:noescape
func widenAVX2(dst *byte, src *int8, n int)

//go:noescape
func sumAVX2(src *byte, n, flip int) int

var (
	s8AVX512  = tileSet{isa: "avx512vnni", width: 16, wide: 4, high: 12, sums: 24, table: s8TilesAVX512()[:], depth: 4}
	s8AVXVNNI = tileSet{isa: "avxvnni", width: 8, wide: 2, high: 6, sums: 12, table: s8TilesAVXVNNI()[:], depth: 4, zipped: true}
	s8AVX2    = tileSet{isa: "avx2", width: 8, wide: 2, high: 6, sums: 12, table: s8TilesAVX2()[:], depth: 2, zipped: true}
	// The same for rows that are int8, of two vectors and more.
	s8FlipAVX512 = s8AVX512.with(s8FlipTilesAVX512()[:])
	// The same for few rows and weights of four bits.
	s4AVX512 = tileSet{isa: "avx512vnni", width: 16, wide: 4, high: 4, sums: 16, table: s4TilesAVX512()[:], depth: 4, nibbles: true}
	s4AVX2   = tileSet{isa: "avx2", width: 8, wide: 2, high: 4, sums: 8, table: s4TilesAVX2()[:], depth: 2, zipped: true, nibbles: true}
	// The same for whole rows, with half of the multiplications.
	s8InnerAVX2 = tileSet{isa: "avx2", width: 8, wide: 2, high: 4, sums: 8, table: s8InnerTilesAVX2()[:], depth: 2, zipped: true, inner: true}
	// The same for many rows, with weights that are int16.
	s8WideAVX2 = tileSet{isa: "avx2", width: 16, wide: 1, high: 4, sums: 4, table: s8WideTilesAVX2()[:]}
)

// From how many rows on it is faster to widen a panel of weights before it is multiplied, and up to how many values of a row: so many stay in the first
// cache, where they take twice the room.
var wideRows, wideK = 64, 512

// mostLines is how many cache lines of weights a tile fetches at most: more are in the way of its own.
const mostLines = 24

// place says where column c of a panel stands among its sums and among its outputs. Packing sums to bytes takes four of the first vector, four of the
// second and so on, and then the next four of each: the columns are dealt out so that they come out in order.
func (s *tileSet) place(c, vectors int) (sum, output int) {
	fours, dealt := s.width/4, vectors
	switch {
	case vectors == 3 && c < 32: // the third vector is packed on its own
		dealt = 2
	case vectors == 3:
		return c, c
	}
	four := c / 4
	at := four%dealt*fours + four/dealt
	if !s.zipped {
		return 4*at + c%4, 4*at + c%4
	}
	return 4*at + [4]int{0, 2, 1, 3}[c%4], 4*at + c%4
}

// s8Panel is a run of columns with its packed weights and parameters.
type s8Panel struct {
	span
	vectors int
	w       []int8
	par     []int32
	exact   bool
	again   []int  // offsets of groups that are multiplied once more
	lacking []int8 // what their weights lack in w
}

// s8Matrix is a matrix packed for a set of tiles.
type s8Matrix struct {
	set         *tileSet
	k           int   // values of a row
	groups, lda int   // of a prepared row: groups of four bytes (of each segment), bytes from one to the next
	offsets     []int // of the segments of a row, in bytes
	reach       int   // how far a tile reads in a row
	panels      []s8Panel
	lo, hi      int8
	wZero       int32
}

// s8Packing is what PackS8 hands on.
type s8Packing struct {
	store             Store
	w                 []int8
	n, k              int
	bias, mult, shift []int32
	wZero             int32
	zero, lo, hi      int32
	offsets           []int  // of segments that k falls into, of equal length, in values; nil for one; each is padded to whole groups
	rests             []rest // by column
}

// rest is what a weight lacks to be int8.
type rest struct{ column, k, v int }

// centredRows is from how many rows on weights are centred: those of few rows take their sums with little time.
const centredRows = 4

// centred returns the packing with its zero point taken off the weights. Those are then no int8 at one end of their range, where quantizing with a zero point
// puts but the largest of them: what they lack is left to the rests, for which a tile multiplies some groups of four bytes again. False where there are so
// many that the sum of each row, times the zero point, takes less.
func (p s8Packing) centred() (s8Packing, bool) {
	if p.wZero == 0 {
		return p, true
	}
	w, most, rests := make([]int8, p.n*p.k), 4+p.n*p.k/2048, []rest(nil)
	for i, v := range p.w[:len(w)] {
		d := int32(v) - p.wZero
		near := min(max(d, math.MinInt8), math.MaxInt8)
		if w[i] = int8(near); d != near {
			if rests = append(rests, rest{i / p.k, i % p.k, int(d - near)}); len(rests) > most {
				return p, false
			}
		}
	}
	p.w, p.wZero, p.rests = w, 0, rests
	return p, true
}

// restsOf returns the rests of some columns.
func (p *s8Packing) restsOf(first, n int) []rest {
	at := func(column int) int {
		i, _ := slices.BinarySearchFunc(p.rests, column, func(r rest, c int) int { return r.column - c })
		return i
	}
	return p.rests[at(first):at(first+n)]
}

// pack packs for a set of tiles, whose rows have 128 added to each value or not; false when a sum may be too large for the exact rescaling or a
// multiplier moves it to the left: the generic kernel then does it.
func (p *s8Packing) pack(set *tileSet, flipped bool) (s8Matrix, bool) {
	offsets := p.offsets
	if offsets == nil {
		offsets = []int{0}
	}
	segs := len(offsets)
	length := p.k / segs
	m := s8Matrix{set: set, k: p.k, groups: (length + set.depth - 1) / set.depth, lo: int8(p.lo), hi: int8(p.hi), wZero: p.wZero}
	m.lda = 4 * m.groups
	larger := 0 // what is added to each weight
	for _, o := range offsets {
		m.offsets = append(m.offsets, o*4/set.depth)
	}
	m.reach = slices.Max(m.offsets) + 4*m.groups
	if set.nibbles {
		larger = -least
		m.wZero += int32(larger)
	}
	if m.wZero != 0 || set.inner {
		m.lda += 4 // room for what comes to the sums of a row
	}
	var spare []byte
	if set.inner {
		spare = make([]byte, 2*p.k+8)
	}
	// All panels in one piece: where one ends, the next is on its way already.
	unit, column, types := set.width, segs*m.groups*set.depth, "s8/" // to what columns are padded; bytes of one
	if set.nibbles {
		unit, column, types = 2*unit, column/2, "s4/"
	}
	columns := (p.n + unit - 1) / unit * unit
	par := make([]int32, 5*columns)
	w, ready := panels[int8](p.store, column*columns, p.w[:p.n*p.k], types+set.isa, p.n, p.k, segs)
	for first := 0; first < p.n; {
		cols, vectors := set.panel(p.n - first)
		nr := set.width * vectors
		q := s8Panel{span: span{first, cols}, vectors: vectors, w: w[:column*nr], par: par[:5*nr]}
		w, par = w[len(q.w):], par[len(q.par):]
		place := func(c int) int { at, _ := set.place(c, vectors); return at }
		panel := bytesOf(q.w)
		if set.nibbles && !ready {
			// What is absent becomes 0, so that whatever lies behind a row of odd length counts nothing.
			panel = bytes.Repeat([]byte{byte(-larger)}, 2*len(q.w))
		}
		for s := 0; s < segs && !ready; s++ {
			deal(panel[s*m.groups*set.depth*nr:], bytesOf(p.w)[first*p.k+s*length:], p.k, length, cols, nr, set.depth, place)
		}
		if set.nibbles && !ready {
			foldNibbles(q.w, panel, set.width*set.depth, byte(larger))
		}
		for c := range cols {
			column := p.w[(first+c)*p.k : (first+c+1)*p.k]
			at, out := set.place(c, vectors)
			bias, most := int64(p.bias[first+c]), int64(128)
			lack, far := int64(0), int64(0) // the sum of the rests, and of their amounts
			for _, r := range p.restsOf(first+c, 1) {
				lack, far = lack+int64(r.v), far+int64(max(r.v, -r.v))
			}
			if flipped {
				bias, most = bias-128*(int64(sum(column))+lack+int64(larger*p.k)), 255
			}
			// A bound that asks no weight is mostly good enough.
			terms, ok := requant.OneStep(bias, most*255*int64(p.k), p.mult[first+c], p.shift[first+c], p.zero, p.lo)
			if !ok {
				terms, ok = requant.OneStep(bias, most*(distance(column, p.wZero)+far), p.mult[first+c], p.shift[first+c], p.zero, p.lo)
			}
			if !ok {
				return m, false
			}
			q.exact = q.exact || terms.Carry
			if set.zipped {
				terms = terms.Below()
			}
			if set.inner {
				terms.Bias -= innerColumn(column, spare)
			}
			q.par[at], q.par[nr+at], q.par[4*nr+at] = terms.Bias, terms.Mult, terms.Limit
			q.par[2*nr+out], q.par[3*nr+out] = terms.Add, terms.Shift
		}
		for _, r := range p.restsOf(first, cols) {
			at := m.offsets[r.k/length] + r.k%length/set.depth*4
			q.add(at, nr*set.depth, place(r.column-first)*set.depth+r.k%length%set.depth, r.v)
		}
		m.panels = append(m.panels, q)
		first += cols
	}
	return m, true
}

// add adds v to weight i of a group that is multiplied once more, or several times if v is no int8. size is the weights of a group.
func (q *s8Panel) add(offset, size, i, v int) {
	for g := 0; v != 0; g++ {
		if g == len(q.again) {
			q.again, q.lacking = append(q.again, offset), append(q.lacking, make([]int8, size)...)
		}
		if w := &q.lacking[g*size+i]; q.again[g] == offset && *w == 0 {
			*w = int8(min(max(v, math.MinInt8), math.MaxInt8))
			v -= int(*w)
		}
	}
}

// innerColumn returns the sum of b0b2 + b1b3 over the fours of a column, which tiles of the inner kind have too much in its sums. What widens rows computes it
// too; spare is for what it writes besides, 2 bytes for each value and 8 more.
func innerColumn(column []int8, spare []byte) int32 {
	k, end := len(column), (len(column)+1)/2*4
	_ = spare[end+3]
	widenInnerAVX2(&widenTile{dst: &spare[0], src: &column[0], n: k, rows: 1})
	return -int32(binary.LittleEndian.Uint32(spare[end:]))
}

// distance returns the sum of a column's distances from zero.
func distance(column []int8, zero int32) (total int64) {
	for _, v := range column {
		d := int32(v) - zero
		total += int64(max(d, -d))
	}
	return total
}

func (p *s8Matrix) id() string { return p.set.id(p.panels[0].vectors) }

func (p *s8Matrix) fourBits() bool { return p.set.nibbles }

func (p *s8Matrix) bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w) + len(p.panels[i].lacking)
		s32 += 4 * len(p.panels[i].par)
	}
	return s8, s32
}

// blockS8 is how many bytes of rows are prepared at once: they stay in the second-level cache. The inner kind, which is also made for many rows, takes more.
const blockS8, blockInner = 128 << 10, 288 << 10

// rowsPerBlock returns how many of m rows are prepared at once.
func (p *s8Matrix) rowsPerBlock(m int) int {
	block := blockS8
	if p.set.inner {
		block = blockInner
	}
	return min(m, max(block/p.lda, 24))
}

// scratch returns the bytes that run needs for m rows.
func (p *s8Matrix) scratch(m int) int { return p.rowsPerBlock(m) * p.lda }

// multiply multiplies m prepared rows with all panels.
func (p *s8Matrix) multiply(dst []int8, ldd int, a []byte, m int) {
	last := &p.panels[len(p.panels)-1]
	_ = dst[(m-1)*ldd+last.first+last.n-1]
	first := 0
	if m == 1 && !slices.ContainsFunc(p.panels, func(q s8Panel) bool { return q.again != nil }) {
		first = p.one(dst, a)
	}
	for i := first; i < len(p.panels); i++ {
		q := &p.panels[i]
		t := p.tile(i, dst, ldd, a)
		p.set.runS8(&t, q.vectors, m)
	}
}

// tile is what panel i brings to a tile, with the panel that follows.
func (p *s8Matrix) tile(i int, dst []int8, ldd int, a []byte) (t s8Tile) {
	p.panels[i].fill(&t, p, dst, ldd)
	t.a, t.lda = &a[0], p.lda
	if i+1 < len(p.panels) {
		w := p.panels[i+1].w
		t.next, t.nextEnd = &w[0], uintptr(unsafe.Pointer(&w[0]))+uintptr(len(w))
	}
	return t
}

// fill fills in what a panel brings to a tile.
func (q *s8Panel) fill(t *s8Tile, p *s8Matrix, dst []int8, ldd int) {
	t.w, t.par, t.groups, t.dst, t.ldd = &q.w[0], &q.par[0], p.groups, &dst[q.first], ldd
	t.mask, t.columns = ^uint64(0)>>(64-q.n), q.n
	t.lo, t.hi, t.exact, t.fix, t.clamp = p.lo, p.hi, q.exact, p.fixed(), p.clamped()
	t.segments.count, t.segments.offsets = len(p.offsets), &p.offsets[0]
	t.more = moreGroups{len(q.again), unsafe.SliceData(q.again), unsafe.SliceData(q.lacking)}
}

// runS8 computes m rows with one panel of so many vectors of columns; t describes the first row.
func (s *tileSet) runS8(t *s8Tile, vectors, m int) {
	if t.count == 0 {
		t.segments = oneSegment
	}
	if t.next == nil {
		t.next = t.w
	}
	tiles, height, taller := s.split(m, vectors)
	if t.nextEnd != 0 {
		lines := int(t.nextEnd-uintptr(unsafe.Pointer(t.next))) / 64
		t.lines = min((lines+tiles-1)/tiles, mostLines)
	}
	if taller > 0 {
		t.tiles = taller
		call.Tile(s.tile(vectors, height+1), unsafe.Pointer(t))
		done := taller * (height + 1)
		if done == m {
			return
		}
		t.a = (*uint8)(unsafe.Add(unsafe.Pointer(t.a), done*t.lda))
		t.dst = (*int8)(unsafe.Add(unsafe.Pointer(t.dst), done*t.ldd))
		if at := uintptr(taller * t.lines * 64); at < t.nextEnd-uintptr(unsafe.Pointer(t.next)) {
			t.next = (*int8)(unsafe.Add(unsafe.Pointer(t.next), at))
		}
	}
	t.tiles = tiles - taller
	call.Tile(s.tile(vectors, height), unsafe.Pointer(t))
}

// window multiplies m windows of a picture with panel i: they begin at a[at], step bytes apart.
func (p *s8Matrix) window(i int, dst []int8, ldd int, a []byte, at, step, m int) {
	q := &p.panels[i]
	if m == 0 {
		return
	}
	_, _ = dst[(m-1)*ldd+q.first+q.n-1], a[at+(m-1)*step+p.reach-1]
	var t s8Tile
	q.fill(&t, p, dst, ldd)
	t.a, t.lda = &a[at], step
	p.set.runS8(&t, q.vectors, m)
}

func (p *s8Matrix) count() int { return len(p.panels) }

// some returns the matrix of some of the panels.
func (p *s8Matrix) some(from, to int) (first, columns int, m s8Matrix) {
	m = *p
	first, columns, m.panels = somePanels(p.panels, from, to)
	return first, columns, m
}

func (p *s8Flipped) part(from, to int) (int, int, s8Packed) {
	first, columns, m := p.some(from, to)
	return first, columns, &s8Flipped{m}
}

// size, put and fill are s8Windows' for rows that are uint8.
func (p *s8Flipped) size() int { return 1 }

func (p *s8Flipped) put(dst []byte, src []int8) { flip.Copy(dst, src) }

func (p *s8Flipped) fill(dst []byte, v int8) { repeat(dst, byte(v)^0x80) }

// size, put and fill are s8Windows' for rows that are int16.
func (p *s8Widened) size() int { return 2 }

func (p *s8Widened) put(dst []byte, src []int8) {
	if len(src) > 0 {
		_ = dst[2*len(src)-1]
		widenAVX2(&dst[0], &src[0], len(src))
	}
}

func (p *s8Widened) fill(dst []byte, v int8) {
	repeat(unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)/2), int16(v))
}

// repeat sets all of s to v, by copying what is set already.
func repeat[T byte | int16](s []T, v T) {
	if len(s) == 0 {
		return
	}
	s[0] = v
	for n := 1; n < len(s); n *= 2 {
		copy(s[n:], s[:n])
	}
}

// fix writes behind the values of a prepared row, uint8 with 128 added, what its sums need where weights have a zero point: that times the negated sum of the
// row.
func (p *s8Matrix) fix(row []byte) {
	if p.wZero != 0 {
		binary.LittleEndian.PutUint32(row[p.lda-4:p.lda], uint32(-p.wZero*int32(sumAVX2(&row[0], p.k, 0)-128*p.k)))
	}
}

// fixed reports whether something comes to the sums of a row.
func (p *s8Matrix) fixed() bool { return p.wZero != 0 || p.set.inner }

// clamped reports whether the bounds are not those of int8.
func (p *s8Matrix) clamped() bool { return p.lo != math.MinInt8 || p.hi != math.MaxInt8 }

// one multiplies one prepared row with as many panels as are taken several at a time, and returns how many these are.
func (p *s8Matrix) one(dst []int8, a []byte) int {
	full := len(p.panels)
	if p.panels[full-1].n < p.set.width*p.set.wide {
		full--
	}
	first := 0
	if p.set.zipped {
		// The functions of 256 bits take panels that lie apart: each call continues four streams where the one before ended them, so that what fetches
		// ahead need not begin anew.
		n := onePanels[0]
		apart := full / n
		for i := range apart {
			p.oneTile(p.set.table[p.set.wide*p.set.high], dst, a, i, n, apart)
		}
		first = n * apart
	}
	return first + p.set.one(full-first, func(tile uintptr, i, n int) { p.oneTile(tile, dst, a, first+i, n, 1) })
}

// ahead returns how many bytes before their use the functions for one row of AVX512 fetch weights: none where a cache may hold all of them, since asking for
// them takes time there.
func (p *s8Matrix) ahead() int {
	const cached, far = 256 << 10, 2048
	if last := &p.panels[len(p.panels)-1]; (last.first+last.n)*p.k < cached {
		return 0
	}
	return far
}

// oneTile calls a function for one row and n panels, from the first on so many apart.
func (p *s8Matrix) oneTile(tile uintptr, dst []int8, a []byte, first, n, apart int) {
	q, exact := &p.panels[first], false
	for i := range n {
		exact = exact || p.panels[first+i*apart].exact
	}
	t := s8Tile{ahead: p.ahead(), a: &a[0], lda: apart * len(q.w), w: &q.w[0], groups: p.groups, dst: &dst[q.first], ldd: apart * q.n, par: &q.par[0], lo: p.lo, hi: p.hi, exact: exact, fix: p.fixed(), clamp: p.clamped()}
	call.Tile(tile, unsafe.Pointer(&t))
}

// s8Flipped is a matrix for tiles whose rows are uint8.
type s8Flipped struct{ s8Matrix }

func (p *s8Packing) flipped(set *tileSet) (*s8Flipped, bool) {
	m, ok := p.pack(set, true)
	return &s8Flipped{m}, ok
}

func (p *s8Flipped) stride() int { return p.lda }

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Flipped) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	if p.inTiles(m) {
		_, _ = dst[(m-1)*ldd+p.panels[0].n-1], x[(m-1)*ldx+p.k-1]
		for i := 0; i < m; i += block {
			t := p.tile(0, dst[i*ldd:], ldd, bytesOf(x[i*ldx:]))
			t.lda = ldx
			s8FlipAVX512.runS8(&t, p.panels[0].vectors, min(block, m-i))
		}
		return
	}
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		p.flip(scratch, x[i*ldx:], ldx, n)
		p.multiply(dst[i*ldd:], ldd, scratch, n)
	}
}

// flipInTiles says that tiles flip rows at no cost: AMD's CPUs do that beside the multiplications, Intel's lose a fifth of these.
var flipInTiles = cpu.AMD()

// inTiles reports whether tiles take m rows as they are. With more than one panel a row would be flipped for each.
func (p *s8Flipped) inTiles(m int) bool {
	return flipInTiles && m > 1 && p.set == &s8AVX512 && len(p.panels) == 1 && p.panels[0].vectors > 1 && p.k%4 == 0 && !p.fixed()
}

// rows multiplies m prepared rows.
func (p *s8Flipped) rows(dst []int8, ldd int, a []byte, m int) {
	for r := 0; p.wZero != 0 && r < m; r++ {
		p.fix(a[r*p.lda : (r+1)*p.lda])
	}
	p.multiply(dst, ldd, a, m)
}

// flip copies rows with 128 added to each value, and with what comes to their sums.
func (p *s8Flipped) flip(dst []byte, x []int8, ldx, rows int) {
	if p.set.width == s8AVX512.width {
		flipRows(dst, p.lda, x, ldx, p.k, rows, -p.wZero)
		return
	}
	for r := range rows {
		row := dst[r*p.lda : (r+1)*p.lda]
		flip.Copy(row[:p.k], x[r*ldx:r*ldx+p.k])
		p.fix(row)
	}
}

// flipRows copies rows of k values with 128 added to each on AVX512; in the last four bytes of a row stands its sum times a factor, if that is not 0. What else
// lies behind a row's values does not matter.
func flipRows(dst []byte, ldd int, x []int8, ldx, k, rows int, factor int32) {
	if rows == 0 || k == 0 {
		return
	}
	if ldd == k && ldx == k {
		flip.Copy(dst[:rows*k], x[:rows*k])
		return
	}
	_, _ = dst[rows*ldd-1], x[(rows-1)*ldx+k-1]
	t := widenArgs{dst: &dst[0], src: &x[0], k: k, rows: rows, lds: ldx, ldd: ldd, factor: factor}
	call.Tile(packTable[3], unsafe.Pointer(&t))
}

// s8Widened is a matrix for tiles whose rows are int16.
type s8Widened struct{ s8Matrix }

func (p *s8Widened) part(from, to int) (int, int, s8Packed) {
	first, columns, m := p.some(from, to)
	return first, columns, &s8Widened{m}
}

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Widened) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		p.widen(scratch, x[i*ldx:], ldx, n)
		p.multiply(dst[i*ldd:], ldd, scratch, n)
	}
}

// widen copies rows as int16.
func (p *s8Widened) widen(dst []byte, x []int8, ldx, rows int) {
	k := p.k
	_, _ = dst[rows*p.lda-1], x[(rows-1)*ldx+k-1]
	if p.lda == 2*k && ldx == k {
		widenAVX2(&dst[0], &x[0], rows*k)
		return
	}
	t := widenArgs{dst: &dst[0], src: &x[0], k: k, rows: rows, lds: ldx, ldd: p.lda, factor: -p.wZero}
	call.Tile(productTable[0], unsafe.Pointer(&t))
}

// s8Inner is a matrix for tiles of the inner kind.
type s8Inner struct{ s8Matrix }

func (p *s8Inner) part(from, to int) (int, int, s8Packed) {
	first, columns, m := p.some(from, to)
	return first, columns, &s8Inner{m}
}

// wide reports whether panels are widened for m rows.
func (p *s8Inner) wide(m int) bool {
	return m >= wideRows && p.k <= wideK && p.panels[0].vectors == s8InnerAVX2.wide
}

// scratch returns the bytes that run needs for m rows.
func (p *s8Inner) scratch(m int) int {
	n := p.s8Matrix.scratch(m)
	if p.wide(m) {
		n += 63 + 2*len(p.panels[0].w)
	}
	return n
}

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Inner) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	block := p.rowsPerBlock(m)
	var wide []byte
	if p.wide(m) {
		scratch = scratch[-uintptr(unsafe.Pointer(&scratch[0]))%64:] // loads would cross lines
		wide, scratch = scratch[:2*len(p.panels[0].w)], scratch[2*len(p.panels[0].w):]
	}
	_ = scratch[block*p.lda-1]
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		p.widen(scratch, x[i*ldx:], ldx, n)
		if wide == nil {
			p.multiply(dst[i*ldd:], ldd, scratch, n)
		} else {
			p.multiplyWide(dst[i*ldd:], ldd, scratch, n, wide)
		}
	}
}

// multiplyWide is multiply with one panel after another widened first.
func (p *s8Inner) multiplyWide(dst []int8, ldd int, a []byte, m int, wide []byte) {
	last := &p.panels[len(p.panels)-1]
	_ = dst[(m-1)*ldd+last.first+last.n-1]
	for i := range p.panels {
		q := &p.panels[i]
		t := p.tile(i, dst, ldd, a)
		if q.vectors < p.set.wide {
			p.set.runS8(&t, q.vectors, m)
			continue
		}
		_ = wide[2*len(q.w)-1]
		widenAVX2(&wide[0], &q.w[0], len(q.w))
		t.w = (*int8)(unsafe.Pointer(&wide[0]))
		s8WideAVX2.runS8(&t, 1, m)
	}
}

// widen copies rows as int16 with what comes to their sums.
func (p *s8Inner) widen(dst []byte, x []int8, ldx, rows int) {
	_, _ = dst[rows*p.lda-1], x[(rows-1)*ldx+p.k-1]
	widenInnerAVX2(&widenTile{dst: &dst[0], ldd: p.lda, src: &x[0], lds: ldx, n: p.k, rows: rows})
	for r := 0; p.wZero != 0 && r < rows; r++ {
		end := dst[(r+1)*p.lda-4 : (r+1)*p.lda]
		sum := int32(sumAVX2((*byte)(unsafe.Pointer(&x[r*ldx])), p.k, 0x80) - 128*p.k)
		binary.LittleEndian.PutUint32(end, binary.LittleEndian.Uint32(end)-uint32(p.wZero*sum))
	}
}
