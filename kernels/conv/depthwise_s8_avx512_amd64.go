package conv

import (
	"math"
	"strconv"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/internal/flip"
	"wayside/kernels/requant"
)

// dwTile is the argument of an assembly run of vectors with any taps. The assembly knows the offsets.
type dwTile struct {
	taps   *uintptr // lines of u8 from the first column of each tap on, groups × 4 of them
	groups int
	w      *int8  // [groups][4 registers][width / 4][4]
	par    *int32 // blocks of bias, multipliers, addend, shift, carry limit: [dwTerms][4 registers][width / 4]
	dst    *int8
	dstep  int // bytes from one vector to the next
	xstep  int // bytes from the taps of one vector to those of the next
	n      int // vectors
	lo, hi int8
	exact  bool
	mask   uint64 // channels that exist
	last   uint64 // those of the last vector
	at     int    // of the first vector in the lines
}

// dw3Tile is the argument of an assembly run of vectors of 64 values with 3×3 taps.
type dw3Tile struct {
	rows   [4]*byte // lines of u8; directly: rows of the image
	off    [2]int   // to the second and the third column
	w      *int8    // [sets][3 columns][for the first, for the second output row][4 registers][16][4 rows]
	par    *int32   // as in dwTile
	dst    [2]*int8
	dstep  int
	xstep  int
	n      int
	lo, hi int8
	exact  bool
	zero   byte   // directly: what lies outside of the image, with 128 added
	mask   uint64 // channels that exist
	last   uint64
	at     int
	left   bool   // directly: the first column lies outside of the image
	end    [2]int // the last column does when one vector is left, and when two are; otherwise 0
	load   uint16 // 4 channels each that are read
}

// dwTallTile is the argument of an assembly run of vectors of 64 values with four to seven rows of taps, two output rows at once.
type dwTallTile struct {
	rows    [8]*byte // lines of u8
	columns *byte    // scratch for unpacked columns of 512 bytes
	n       int      // columns
	step    int      // bytes from one column to the next in the lines
	at      int      // of the first vector in the lines
	w       *int8    // [KW][2 groups of rows][2 output rows][4 registers][16][4 rows]
	kw      int
	kstep   int // bytes from the column of one tap to that of the next
	par     *int32
	dst     [2]*int8
	dstep   int
	xstep   int // bytes of unpacked columns from one vector to the next
	vectors int
	lo, hi  int8
	exact   bool
	mask    uint64
	last    uint64
}

// dwPick is the argument of the copy of columns.
type dwPick struct {
	dst          *byte
	src          *int8
	run          int // bytes
	dstep, sstep int
	n            int // runs
}

// dwSpread is the argument of the copy that repeats values.
type dwSpread struct {
	dst   *byte
	src   *int8
	index *[64]byte // of the source byte of each byte of a vector
	sstep int       // bytes of the source to the next vector
	sleft int       // bytes of the source, and of what is written
	dleft int
}

// dwSplit is the argument of the copy of columns into two phases.
type dwSplit struct {
	dst   [2]*byte
	src   *int8
	n     int        // bytes of the source
	left  [2]int     // bytes that each phase gets
	index *[128]byte // of the source byte of each byte of a vector of each phase
}

// dwTableAVX512 returns the addresses of the functions: for 16, 32 and 64 channels and any taps; for 3×3 taps by sets of weights; dwPick, dwSpread, dwTall, dwSplit.
func dwTableAVX512() *[19]uintptr

var dwTable = dwTableAVX512()

// Places of functions in dwTable. Those for two sets of weights follow dw3Sets places after those for one.
const (
	dwAny      = 0
	dw3Single  = 3 // one output row
	dw3Pair    = 4 // two output rows
	dw3Direct  = 5 // one output row, directly
	dw3Direct2 = 7 // one output row, directly, step 2
	dw3Roll    = 8 // two output rows; a vector's third column is the first of the next
	dw3Sets    = 6
	dwPickAt   = 15
	dwSpreadAt = 16
	dwTallAt   = 17
	dwSplitAt  = 18
)

// dwTerms is how many parameters each sum has.
const dwTerms = 6

// dwBlock is what a run of vectors needs.
type dwBlock struct {
	dwRun
	w     []int8
	par   []int32
	exact bool
}

// dwAVX512 is a packed depthwise convolution for AVX512-VNNI.
type dwAVX512 struct {
	*dwShape
	*dwRows[int8]
	groups      int  // of four taps
	sets        int  // of weights: two where a weight less its zero point does not fit into int8
	three, pair bool // 3×3 taps; two output rows at once
	direct      bool // 3×3 taps read the image where it lies
	tall        bool // four to seven rows of taps, two output rows at once
	blocks      []dwBlock
	lo, hi      int8
	columnsAt   int        // place of unpacked columns in a worker's scratch
	zero        byte       // the input zero point with 128 added
	spread      *[64]byte  // for dwSpread; nil where it does not fit
	split       *[128]byte // for dwSplit; nil where it does not fit
}

// packDepthwiseAVX512 packs w[taps][OutC]; nil where it would not be exact for some channel.
func packDepthwiseAVX512(w []int8, g *Geometry, q *gemm.Quant) *dwAVX512 {
	sets, taps := 1, g.KH*g.KW
	for _, v := range w[:taps*g.OutC] {
		switch d := int32(v) - q.WZero; {
		case d > 254:
			return nil
		case d != int32(int8(d)):
			sets = 2
		}
	}
	three := g.KH == 3 && g.KW == 3 && g.OutW*g.OutC > 32
	pair := g.StrideH == 1 && g.DilH == 1 && g.OutH > 1
	// What is left of the last block of 64 channels is computed for nothing.
	tall := pair && g.KH >= 4 && g.KH <= 7 && g.KW >= 3 && sets == 1 && g.OutW <= 512 && (g.OutC+63)/64*64*3 <= g.OutC*4
	pair = pair && three || tall
	together := 1
	if pair {
		together = 2
	}
	width := 64
	if n := g.OutW * g.OutC; n <= 16 {
		width = 16
	} else if n <= 32 {
		width = 32
	}
	// Reading the image where it lies is worth the channels that the last block lacks, up to some: columns are unpacked once, and nothing is copied, which
	// takes most of the time where outputs are two pixels apart.
	right, full := (g.OutW-1)*g.StrideW+3-g.PadLeft-g.W, (g.C+63)/64*64
	direct := three && g.DilW == 1 && g.StrideW <= 2 && g.C == g.OutC && g.C%4 == 0 && g.PadLeft <= 1 && right <= 1
	shape := newDwShape(g, width, together, false, !tall && !(direct && (2*full <= 3*g.C || g.StrideW == 2 && full <= 2*g.C)))
	if shape == nil {
		return nil
	}
	p := &dwAVX512{dwShape: shape, sets: sets, three: three, pair: pair, tall: tall, lo: int8(q.Min), hi: int8(q.Max), zero: byte(q.XZero + 128)}
	p.spread, p.split = shape.spreadIndex(), shape.splitIndex()
	p.groups = (p.sets*taps + 3) / 4
	p.direct = direct && shape.dstep == g.OutC
	for i := range shape.runs {
		b := dwBlock{dwRun: shape.runs[i]}
		if !three && !tall && b.n <= 32 {
			b.width = max(16, (b.n+15)&^15)
		}
		if !p.pack(&b, w, q) {
			return nil
		}
		p.blocks = append(p.blocks, b)
	}
	each := shape.ring*shape.line + 2*64 + 8*4*p.groups
	if tall {
		p.columnsAt = (each + 63) &^ 63
		each = p.columnsAt + p.tapColumns()*512 + g.OutW*g.OutC
	}
	compute := p.compute
	if p.direct {
		each, compute = g.W*g.C+64, p.computeDirect
	}
	p.dwRows = newDwRows(g, each, compute)
	return p
}

// pack packs the weights and the parameters of one run of vectors.
func (p *dwAVX512) pack(b *dwBlock, w []int8, q *gemm.Quant) bool {
	switch {
	case p.three:
		b.w = make([]int8, p.sets*3*2*256)
	case p.tall:
		b.w = make([]int8, p.KW*1024)
	default:
		b.w = make([]int8, p.groups*4*b.width)
	}
	b.par = make([]int32, dwTerms*b.width)
	floats := make([]int32, dwTerms*b.width) // the same for a store in float32, which 3×3 taps and tall ones have where it is exact
	b.exact = false
	taps := p.KH * p.KW
	for i := range b.n {
		ch := p.channel(&b.dwRun, i)
		// Unpacking leaves value 16·lane + 4·register + j in that register at 4·lane + j.
		reg, at := i/4%4, i/16*4+i%4
		sum, abs := int64(0), int64(0)
		for t := range taps {
			v := int32(w[t*p.OutC+ch]) - q.WZero
			sum += int64(v)
			abs += int64(max(v, -v))
			first := v
			if p.sets == 2 {
				first = v >> 1
			}
			for set := range p.sets {
				u := int8(first)
				if set == 1 {
					u = int8(v - first)
				}
				switch {
				case p.tall:
					for r := range 2 {
						ky := t/p.KW + r
						b.w[t%p.KW*1024+ky/4*512+r*256+reg*64+at*4+ky%4] = u
					}
				case p.three:
					slot := (set*3+t%3)*2*256 + reg*64 + at*4 + t/3
					b.w[slot], b.w[slot+256+1] = u, u
				default:
					t := set*taps + t
					b.w[t/4*4*b.width+reg*b.width+at*4+t%4] = u
				}
			}
		}
		bias := -(int64(q.XZero) + 128) * sum
		if q.Bias != nil {
			bias += int64(int32(q.Bias[ch]))
		}
		one := min(ch, len(q.Mult)-1)
		terms, ok := requant.OneStep(bias, 255*abs, q.Mult[one], q.Shift[one], q.Zero, q.Min)
		if !ok {
			return false
		}
		slot := reg*b.width/4 + at
		b.exact = b.exact || terms.Carry
		if p.three || p.tall {
			f, ok := requant.FloatStep(bias, 255*abs, q.Mult[one], q.Shift[one], q.Zero, q.Min, q.Max)
			for j, v := range [4]int32{f.Bias, int32(math.Float32bits(f.High)), int32(math.Float32bits(f.Low)), int32(math.Float32bits(f.Add))} {
				floats[j*b.width+slot] = v
			}
			b.exact = b.exact || !ok
			if !terms.Carry { // the exact store of these always looks at the limit
				terms.Limit = -1
			}
		}
		for j, v := range [dwTerms]int32{terms.Bias, terms.Mult, 0, terms.Add, terms.Shift, terms.Limit} {
			b.par[j*b.width+slot] = v
		}
		if slot%2 == 1 {
			b.par[2*b.width+slot-1] = terms.Mult
		}
	}
	if (p.three || p.tall) && !b.exact {
		b.par = floats
	}
	return true
}

// ID implements DepthwiseS8.
func (p *dwAVX512) ID() string {
	tile := strconv.Itoa(p.blocks[0].width)
	if p.three {
		tile += "k3"
	} else if p.tall {
		tile += "k7"
	}
	return "1x" + tile + "/avx512vnni"
}

// Bytes implements DepthwiseS8.
func (p *dwAVX512) Bytes() (s8, s32 int) {
	for i := range p.blocks {
		s8 += len(p.blocks[i].w)
		s32 += 4 * len(p.blocks[i].par)
	}
	return s8, s32
}

// Scratch implements DepthwiseS8: for each worker a ring of padded lines, and the table of pointers to taps.
func (p *dwAVX512) Scratch() int { return p.scratch() }

// Run implements DepthwiseS8.
func (p *dwAVX512) Run(dst, src []int8, scratch []byte) {
	g := &p.Geometry
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < p.Scratch() {
		panic("conv: slice length mismatch")
	}
	p.run(dst, src, scratch)
}

// compute computes the output rows from to to, counted over all images.
func (p *dwAVX512) compute(dst, src []int8, scratch []byte, from, to int) {
	table := unsafe.Slice((*uintptr)(unsafe.Pointer(&scratch[0])), p.groups*4)
	lines := scratch[8*len(table):]
	lines = lines[-uintptr(unsafe.Pointer(&lines[0]))&63:]
	if p.padded {
		fillBytes(lines[:p.ring*p.line], p.zero)
	}
	finished := from
	p.walk(from, to, p.pair, func(slot, b, y, n int) {
		p.load(lines[slot*p.line:][:n*p.line], src, b, y, n)
	}, func(row, slot, rows int) {
		out := dst[row*p.OutW*p.OutC:]
		switch {
		case p.three:
			p.rows3(out, lines, slot, rows)
		case p.tall:
			p.rowsTall(out, lines, scratch[p.columnsAt:], slot, rows)
		default:
			p.row(out, lines, table, slot)
		}
		p.finishMany(dst, &finished, row+rows, to)
	})
}

// load puts input row y into a line, with 128 added to each value; or several rows into as many lines.
func (p *dwAVX512) load(line []byte, src []int8, b, y, rows int) {
	if y < 0 || y >= p.H {
		fillBytes(line, p.zero)
		return
	}
	if p.whole {
		flip.Copy(line, src[(b*p.H+y)*p.line:][:rows*p.line])
		return
	}
	n, mult := p.columns(), p.OutC/p.C
	if n == 0 {
		return
	}
	row := src[(b*p.H+y)*p.W*p.C:][:n*p.C]
	switch {
	case p.spread != nil:
		for first := range min(p.phases, n) {
			k := dwSpread{dst: &line[p.column(first+p.PadLeft)], src: &row[first*p.C], index: p.spread, sstep: 64 / mult * p.phases,
				sleft: len(row) - first*p.C, dleft: ((n-first-1)/p.phases + 1) * p.OutC}
			call.Tile(dwTable[dwSpreadAt], unsafe.Pointer(&k))
		}
	case mult > 1:
		for first := range min(p.phases, n) {
			to := line[p.column(first+p.PadLeft):]
			for x := first; x < n; x += p.phases {
				spread(to[:p.OutC], row[x*p.C:][:p.C], mult)
				to = to[p.OutC:]
			}
		}
	case p.split != nil && n > 1:
		k := dwSplit{dst: [2]*byte{&line[p.column(p.PadLeft)], &line[p.column(p.PadLeft+1)]}, src: &row[0], n: len(row), left: [2]int{(n + 1) / 2 * p.C, n / 2 * p.C},
			index: p.split}
		call.Tile(dwTable[dwSplitAt], unsafe.Pointer(&k))
	case p.phases > 1:
		for first := range min(p.phases, n) {
			k := dwPick{dst: &line[p.column(first+p.PadLeft)], src: &row[first*p.C], run: p.C, dstep: p.C, sstep: p.phases * p.C, n: (n-first-1)/p.phases + 1}
			call.Tile(dwTable[dwPickAt], unsafe.Pointer(&k))
		}
	default:
		at := p.PadLeft * p.C
		flip.Copy(line[at:at+len(row)], row)
	}
}

// spread writes each value mult times, with 128 added.
func spread(dst []byte, src []int8, mult int) {
	for i, v := range src {
		for j := range dst[i*mult : (i+1)*mult] {
			dst[i*mult+j] = byte(v) ^ 0x80
		}
	}
}

// spreadIndex returns which byte of a run of columns goes where in a vector of values that are wanted mult times; nil where a vector does not begin with a
// column, or needs too long a run.
func (s *dwShape) spreadIndex() *[64]byte {
	mult := s.OutC / s.C
	if mult == 1 || 64%mult != 0 || 64/mult%s.C != 0 || (64/mult/s.C-1)*s.phases*s.C+s.C > 64 {
		return nil
	}
	index := new([64]byte)
	for j := range index {
		v := j / mult
		index[j] = byte(v/s.C*s.phases*s.C + v%s.C)
	}
	return index
}

// splitIndex returns which byte of 128 goes where in the vectors of two phases; nil where there are not two, or vectors do not begin with a column.
func (s *dwShape) splitIndex() *[128]byte {
	if s.phases != 2 || s.C != s.OutC || 64%s.C != 0 {
		return nil
	}
	index := new([128]byte)
	for j := range index {
		column, phase := j%64/s.C, j/64
		index[j] = byte((2*column+phase)*s.C + j%s.C)
	}
	return index
}

// row computes an output row whose input rows begin at the given place of the ring.
func (p *dwAVX512) row(dst []int8, lines []byte, table []uintptr, slot int) {
	n := 0
	for range p.sets {
		p.tapTable(table[n:], p.KH, unsafe.Pointer(&lines[0]), 1, slot)
		n += p.KH * p.KW
	}
	for ; n < len(table); n++ { // their weights are zero: any place will do
		table[n] = table[0]
	}
	t := dwTile{taps: &table[0], groups: p.groups, dstep: p.dstep, xstep: p.xstep, lo: p.lo, hi: p.hi}
	for i := range p.blocks {
		b := &p.blocks[i]
		t.w, t.par, t.dst, t.n, t.exact, t.at = &b.w[0], &b.par[0], &dst[b.at], b.vectors, b.exact, b.line
		t.mask, t.last = ^uint64(0)>>(64-b.n), ^uint64(0)>>(64-b.dwRun.last)
		call.Tile(dwTable[dwAny+b.width/32], unsafe.Pointer(&t))
	}
}

// computeDirect is compute without lines.
func (p *dwAVX512) computeDirect(dst, src []int8, scratch []byte, from, to int) {
	outside := scratch[:p.W*p.C+64]
	fillBytes(outside, p.zero^0x80)
	t := dw3Tile{off: [2]int{p.C, 2 * p.C}, dstep: p.OutC, xstep: p.StrideW * p.C, n: p.OutW, lo: p.lo, hi: p.hi, zero: p.zero, at: -p.PadLeft * p.C, left: p.PadLeft > 0}
	if (p.OutW-1)*p.StrideW+3-p.PadLeft > p.W {
		t.end = [2]int{1, 2}
	}
	finished := from
	for rows := 1; from < to; from += rows {
		f, b, oy := dw3Direct, from/p.OutH, from%p.OutH
		if rows = 1; p.StrideW == 2 {
			f = dw3Direct2
		} else if p.pair && from+1 < to && oy+1 < p.OutH {
			f, rows = dw3Direct+1, 2
		}
		for i := range p.blocks {
			c := &p.blocks[i]
			for r := range rows + 2 {
				t.rows[r] = &outside[0]
				if y := oy*p.StrideH - p.PadTop + r*p.DilH; y >= 0 && y < p.H {
					t.rows[r] = (*byte)(unsafe.Pointer(&src[(b*p.H+y)*p.W*p.C+c.at]))
				}
			}
			for r := range rows {
				t.dst[r] = &dst[(from+r)*p.OutW*p.OutC+c.at]
			}
			t.w, t.par, t.exact = &c.w[0], &c.par[0], c.exact
			t.mask, t.last, t.load = ^uint64(0)>>(64-c.n), ^uint64(0)>>(64-c.n), ^uint16(0)>>(16-c.n/4)
			call.Tile(dwTable[f+(p.sets-1)*dw3Sets], unsafe.Pointer(&t))
		}
		p.finishMany(dst, &finished, from+rows, to)
	}
}

// rows3 computes one or two output rows with 3×3 taps.
func (p *dwAVX512) rows3(dst []int8, lines []byte, slot, rows int) {
	t := dw3Tile{off: [2]int(p.taps[1:]), dstep: p.dstep, xstep: p.xstep, lo: p.lo, hi: p.hi}
	for ky := range rows + 2 {
		t.rows[ky] = &lines[slot*p.line]
		slot = p.next(slot, p.DilH)
	}
	f := dw3Single
	if rows == 2 {
		if f = dw3Pair; p.taps[2]-p.taps[0] == p.xstep {
			f = dw3Roll
		}
	}
	fn := dwTable[f+(p.sets-1)*dw3Sets]
	for i := range p.blocks {
		b := &p.blocks[i]
		t.w, t.par, t.n, t.exact, t.at = &b.w[0], &b.par[0], b.vectors, b.exact, b.line
		t.mask, t.last = ^uint64(0)>>(64-b.n), ^uint64(0)>>(64-b.dwRun.last)
		for r := range rows {
			t.dst[r] = &dst[r*p.OutW*p.OutC+b.at]
		}
		call.Tile(fn, unsafe.Pointer(&t))
	}
}

// tapColumns is how many columns of the padded image the taps of an output row reach.
func (p *dwAVX512) tapColumns() int { return (p.OutW-1)*p.StrideW + (p.KW-1)*p.DilW + 1 }

// rowsTall computes one or two output rows with four to seven rows of taps. room is for unpacked columns and for a second output row that does not
// exist.
func (p *dwAVX512) rowsTall(dst []int8, lines, room []byte, slot, rows int) {
	t := dwTallTile{columns: &room[0], n: p.tapColumns(), step: p.OutC, kw: p.KW, kstep: 512 * p.DilW, dstep: p.dstep, xstep: 512 * p.StrideW, lo: p.lo, hi: p.hi}
	for ky := range t.rows {
		t.rows[ky] = &lines[slot*p.line] // those behind the last tap have weights of zero
		if ky < p.KH {
			slot = p.next(slot, 1)
		}
	}
	rest := room[512*t.n:]
	for i := range p.blocks {
		b := &p.blocks[i]
		t.w, t.par, t.vectors, t.exact, t.at = &b.w[0], &b.par[0], b.vectors, b.exact, b.line
		t.mask, t.last = ^uint64(0)>>(64-b.n), ^uint64(0)>>(64-b.dwRun.last)
		t.dst = [2]*int8{&dst[b.at], (*int8)(unsafe.Pointer(&rest[b.at]))}
		if rows == 2 {
			t.dst[1] = &dst[p.OutW*p.OutC+b.at]
		}
		call.Tile(dwTable[dwTallAt], unsafe.Pointer(&t))
	}
}

// fillBytes sets all of s to v.
func fillBytes(s []byte, v byte) {
	if len(s) == 0 {
		return
	}
	s[0] = v
	for n := 1; n < len(s); n *= 2 {
		copy(s[n:], s[:n])
	}
}
