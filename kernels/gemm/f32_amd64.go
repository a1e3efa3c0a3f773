package gemm

import (
	"slices"
	"unsafe"

	"wayside/kernels/internal/call"
)

// f32Tile is the argument of an assembly tile: tiles × rows rows with one panel of columns. The assembly knows the offsets.
type f32Tile struct {
	a       *float32 // rows, lda bytes apart, k values each
	lda     int
	w       *byte // panel: [k][columns], in the form of the tile
	k       int
	dst     *float32 // rows, ldd bytes apart
	ldd     int
	bias    *float32
	lo, hi  float32
	tiles   int
	mask    uint64 // columns that exist
	columns int    // how many they are
	segments
	next    *byte // weights that are wanted next, or any; tiles fetch them
	nextEnd uintptr
}

// segments says where the runs of k lie that make up a row.
type segments struct {
	count   int
	offsets *int    // in bytes, from where the row begins
	base    uintptr // the assembly's own
	left    int     // the assembly's own
}

var noOffset int

// oneSegment is a row that lies in one piece.
var oneSegment = segments{count: 1, offsets: &noOffset}

// The tables of tiles, each in the assembly file of its kind.
func f32TilesAVX512() *[50]uintptr
func f32bf16TilesAVX512() *[50]uintptr
func f32f16TilesAVX512() *[50]uintptr
func f32TilesAVX2() *[14]uintptr
func f32bf16TilesAVX2() *[14]uintptr
func f32f16TilesAVX2() *[14]uintptr

var (
	f32AVX512 = tileSet{isa: "avx512", width: 16, wide: 4, high: 12, sums: 24, table: f32TilesAVX512()[:]}
	f32AVX2   = tileSet{isa: "avx2", width: 8, wide: 2, high: 6, sums: 12, table: f32TilesAVX2()[:]}
)

// f32Sets are the tiles of an instruction set by the form of weights.
type f32Sets [3]*tileSet

var (
	f32SetsAVX512 = f32Sets{full: &f32AVX512, brain: f32AVX512.with(f32bf16TilesAVX512()[:]), half: f32AVX512.with(f32f16TilesAVX512()[:])}
	f32SetsAVX2   = f32Sets{full: &f32AVX2, brain: f32AVX2.with(f32bf16TilesAVX2()[:]), half: f32AVX2.with(f32f16TilesAVX2()[:])}
)

// f32Panel is a run of columns with its packed weights and bias.
type f32Panel struct {
	span
	set     *tileSet
	vectors int
	w       []byte
	bias    []float32
}

// f32Matrix is a matrix packed for sets of tiles: all panels but those at the end are of the first one's set and width.
type f32Matrix struct {
	form   form
	k      int
	segs   int // segments that a row falls into
	panels []f32Panel
	lo, hi float32
}

// packF32Tiles packs for tiles of an instruction set, and for those of another one what the columns at the end do not fill, if narrow has them.
func packF32Tiles(store Store, wide, narrow *f32Sets, form form, w []float32, n, k int, bias []float32, lo, hi float32) *f32Matrix {
	p := &f32Matrix{form: form, k: k, segs: 1, lo: lo, hi: hi}
	columns := 0
	for first := 0; first < n; {
		q := f32Panel{span: span{first, n - first}, set: wide[form]}
		if narrow != nil {
			q.narrow(narrow[form])
		}
		q.n, q.vectors = q.set.panel(q.n)
		p.panels = append(p.panels, q)
		first += q.n
		columns += q.set.width * q.vectors
	}
	// All panels in one piece: where one ends, the next is on its way already.
	biases := make([]float32, columns)
	all, ready := form.panels(store, k*columns, w[:n*k], wide[form].isa, n, k)
	var panel []float32 // before it is narrowed
	for i := range p.panels {
		q := &p.panels[i]
		nr := q.set.width * q.vectors
		q.w, q.bias = all[:form.size()*k*nr], biases[:nr]
		all, biases = all[len(q.w):], biases[nr:]
		if !ready {
			panel = form.room(q.w, panel)
			place := inOrder
			if form == brain {
				place = q.set.pairs(q.vectors)
			}
			deal(bytesOf(panel), bytesOf(w)[4*q.first*k:], 4*k, 4*k, q.n, nr, 4, place)
			form.store(q.w, panel)
		}
		if bias != nil {
			copy(q.bias, bias[q.first:q.first+q.n])
		}
	}
	return p
}

// narrow leaves columns that fill half a vector, or less, to a panel of their own, in tiles with vectors half as wide: on CPUs that compute the wide ones in
// two halves the empty half would cost as much as a full one.
func (q *f32Panel) narrow(set *tileSet) {
	switch rest := q.n % q.set.width; {
	case rest == 0 || rest > set.width || q.n > q.set.width*q.set.wide:
	case q.n > rest:
		q.n -= rest
	default:
		q.set = set
	}
}

// pairs returns the places of columns of bfloat16 among so many vectors: a word holds one of a vector and, in its high half, one of the next. A last vector
// without a next is in order.
func (s *tileSet) pairs(vectors int) func(c int) int {
	return func(c int) int {
		v, lane := c/s.width, c%s.width
		if v|1 >= vectors {
			return c
		}
		return v/2*2*s.width + 2*lane + v%2
	}
}

func (p *f32Matrix) bytes() FormBytes {
	weights, parameters := 0, 0
	for i := range p.panels {
		weights += len(p.panels[i].w)
		parameters += 4 * len(p.panels[i].bias)
	}
	return p.form.bytes(weights, parameters)
}

func (p *f32Matrix) types() form { return p.form }

func (p *f32Matrix) id() string { return p.panels[0].set.id(p.panels[0].vectors) }

// run computes m rows of x, ldx apart, into dst, ldd apart.
func (p *f32Matrix) run(dst []float32, ldd int, x []float32, ldx, m int) {
	last := &p.panels[len(p.panels)-1]
	_, _ = x[(m-1)*ldx+p.k-1], dst[(m-1)*ldd+last.first+last.n-1]
	// A block of rows stays in the second-level cache while all panels pass over it.
	block := max(blockF32/p.k, 24)
	for i := 0; i < m; i += block {
		n := min(block, m-i)
		first := 0
		if n == 1 {
			first = p.one(dst[i*ldd:], x[i*ldx:])
		}
		for j := first; j < len(p.panels); j++ {
			q := &p.panels[j]
			t := q.tile(p, dst[i*ldd:], ldd)
			t.a, t.lda = &x[i*ldx], 4*ldx
			if j+1 < len(p.panels) {
				w := p.panels[j+1].w
				t.next, t.nextEnd = &w[0], uintptr(unsafe.Pointer(&w[0]))+uintptr(len(w))
			}
			q.set.runF32(&t, q.vectors, n)
		}
	}
}

// tile fills in what a panel brings to a tile.
func (q *f32Panel) tile(p *f32Matrix, dst []float32, ldd int) f32Tile {
	return f32Tile{w: &q.w[0], k: p.k / p.segs, dst: &dst[q.first], ldd: 4 * ldd, bias: &q.bias[0], lo: p.lo, hi: p.hi, mask: ^uint64(0) >> (64 - q.n), columns: q.n}
}

// window multiplies m windows of a picture with panel i: they begin at a[at], step values apart, and offsets, in bytes, say where their segments lie
// from there.
func (p *f32Matrix) window(i int, dst []float32, ldd int, a []float32, at, step, m int, offsets []int) {
	q := &p.panels[i]
	if m == 0 {
		return
	}
	_, _ = dst[(m-1)*ldd+q.first+q.n-1], a[at+(m-1)*step+slices.Max(offsets)/4+p.k/p.segs-1]
	t := q.tile(p, dst, ldd)
	t.a, t.lda, t.segments = &a[at], 4*step, segments{count: len(offsets), offsets: &offsets[0]}
	q.set.runF32(&t, q.vectors, m)
}

func (p *f32Matrix) count() int { return len(p.panels) }

// part is the matrix of some of the panels.
func (p *f32Matrix) part(from, to int) (first, columns int, _ f32Packed) {
	m := *p
	first, columns, m.panels = somePanels(p.panels, from, to)
	return first, columns, &m
}

// one multiplies one row with as many panels as are taken several at a time, and returns how many these are.
func (p *f32Matrix) one(dst, x []float32) int {
	set, full := p.panels[0].set, len(p.panels)
	for full > 0 && p.panels[full-1].n < set.width*set.wide {
		full--
	}
	return set.one(full, func(tile uintptr, first, _ int) {
		q := &p.panels[first]
		t := f32Tile{a: &x[0], w: &q.w[0], k: p.k, dst: &dst[q.first], bias: &q.bias[0], lo: p.lo, hi: p.hi}
		call.Tile(tile, unsafe.Pointer(&t))
	})
}

// blockF32 is how many values of the rows are worked on at once.
const blockF32 = 64 << 10

// runF32 computes m rows with one panel of so many vectors of columns; t describes the first row.
func (s *tileSet) runF32(t *f32Tile, vectors, m int) {
	if t.count == 0 {
		t.segments = oneSegment
	}
	if t.next == nil {
		t.next = t.w
	}
	tiles, height, taller := s.split(m, vectors)
	if taller > 0 {
		t.tiles = taller
		call.Tile(s.tile(vectors, height+1), unsafe.Pointer(t))
		done := taller * (height + 1)
		if done == m {
			return
		}
		t.a = (*float32)(unsafe.Add(unsafe.Pointer(t.a), done*t.lda))
		t.dst = (*float32)(unsafe.Add(unsafe.Pointer(t.dst), done*t.ldd))
	}
	t.tiles = tiles - taller
	call.Tile(s.tile(vectors, height), unsafe.Pointer(t))
}
