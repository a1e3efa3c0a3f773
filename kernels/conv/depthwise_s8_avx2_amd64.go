package conv

import (
	"math"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/requant"
)

// dwTile8 is the argument of the tiles: blocks of eight channels of all pixels of one output row, or of two. The assembly knows the offsets, and moves
// what tells one block from the next.
type dwTile8 struct {
	taps      *uintptr // where each pair of taps begins in the lines
	pairs     int
	w         *int16 // per block: [pairs][rows][8][2]
	par       *int32 // per block: bias, multiplier, addend, shift, carry limit: [dwPairTerms][8]
	dst       [2]*int8
	dstep     int // bytes from one pixel to the next in dst
	xstep     int // and in the lines
	tiles     int // of four pixels
	rest      int // pixels of one more tile that are new
	at        int // place of the block in the lines, in bytes
	blocks    int
	blockstep int
	lo, hi    int8
	exact     bool
	clamp     bool // to lo and hi, which are not the bounds of int8
	wstep     int  // bytes from the weights of one pair to those of the next
}

// dwLineOf is the argument of the function that puts two rows into a line.
type dwLineOf struct {
	dst       *byte
	src       [2]*int8
	pixels    int
	pixel     int // bytes of one
	blocks    int
	blockstep int
}

// dwTableAVX2 returns the addresses of the tiles for one and two output rows, with any taps, 3×3 and 5×5 of them, of the function that makes lines, and
// of that for one output pixel.
func dwTableAVX2() *[8]uintptr

const dwLineAt = 6

// Blocks are computed together as long as their lines fill less than dwLinesBytes of the first-level cache, but at least dwLeastBlocks of them, since
// every group reads the input anew.
const (
	dwLinesBytes  = 24 << 10
	dwLeastBlocks = 8
)

// dwPairTerms is how many parameters each sum has.
const dwPairTerms = 5

// dwAVX2 is a packed depthwise convolution for AVX2. A line holds two input rows, as [block of 8 channels][column][8][2] int16. Where output rows lie one
// or an even number of input rows apart, lines stay in a ring as long as output rows need them; otherwise each output row has its own.
type dwAVX2 struct {
	Geometry
	*dwRows[int8]
	kind      int  // place of the tiles in the table
	together  int  // output rows that are computed at once
	shared    bool // lines serve more than one group of them
	step      int  // lines from one group to the next, where they are shared
	lines     int  // that one group needs
	channels  int  // OutC, at least 8
	pixels    int  // OutW, at least 4
	columns   int  // of a line
	blockstep int  // bytes from one block of a line to the next
	line      int  // bytes of a line of the blocks that are computed together
	group     int  // how many these are
	blocks    []dwBlock8
	lo, hi    int8
	zero      int8
	staged    bool                                  // rows are first copied with each value as often as it has output channels, or to fill up a block
	apart     bool                                  // outputs go to a place of their own first, since there are not enough for a tile
	at        struct{ lines, zeros, rows, out int } // places in the scratch of a worker
}

// dwBlock8 is a run of blocks of eight channels that are computed together. The channels that do not fill a block make one with some of those before.
type dwBlock8 struct {
	first, n int // first channel, blocks
	w        []int16
	par      []int32
	exact    bool
}

// packDepthwiseAVX2 packs w[taps][OutC]; nil where it would not be exact for some channel.
func packDepthwiseAVX2(w []int8, g *Geometry, q *gemm.Quant) *dwAVX2 {
	if g.OutC == 0 || g.OutW < 1 || g.OutH < 1 || g.KH*g.KW > dwMaxTaps {
		return nil
	}
	p := &dwAVX2{Geometry: *g, together: 1, lo: int8(q.Min), hi: int8(q.Max), zero: int8(q.XZero), channels: max(g.OutC, 8), pixels: max(g.OutW, 4)}
	p.staged, p.apart = g.C != g.OutC || g.OutC < 8, g.OutC < 8 || g.OutW < 4
	switch {
	case g.DilH == 1 && g.StrideH == 1:
		p.shared, p.together, p.step = true, 2, 1
	case g.DilH == 1 && g.StrideH%2 == 0:
		p.shared, p.step = true, g.StrideH/2
	}
	if g.KH == g.KW && g.DilW == 1 {
		switch g.KH {
		case 3:
			p.kind = 2
		case 5:
			p.kind = 4
		}
	}
	p.lines = (g.KH + p.together) / 2
	p.columns = (p.pixels-1)*g.StrideW + (g.KW-1)*g.DilW + 1
	p.blockstep = (p.columns | 1) * 32 // odd, for blocks not to fall into few sets of the cache
	if p.blockstep > dwMaxScratch || p.lines > dwMaxScratch/p.blockstep {
		return nil
	}
	blocks := p.channels / 8
	most := max(dwLinesBytes/(p.blockstep*p.lines), dwLeastBlocks)
	groups := (blocks + most - 1) / most
	p.group = (blocks + groups - 1) / groups
	p.line = p.group * p.blockstep
	for first := 0; first < blocks; first += p.group {
		p.blocks = append(p.blocks, dwBlock8{first: 8 * first, n: min(p.group, blocks-first)})
	}
	if p.channels%8 != 0 {
		p.blocks = append(p.blocks, dwBlock8{first: p.channels - 8, n: 1})
	}
	for i := range p.blocks {
		if !p.pack(&p.blocks[i], w, q) {
			return nil
		}
	}
	p.at.lines = 8 * p.lines * g.KW
	p.at.zeros = p.at.lines + p.lines*p.line + 64
	p.at.rows = p.at.zeros + p.W*p.channels
	p.at.out = p.at.rows
	if p.staged {
		p.at.out += 2 * p.W * p.channels
	}
	each := p.at.out
	if p.apart {
		each += p.together * p.pixels * p.channels
	}
	p.dwRows = newDwRows(g, each, p.compute)
	return p
}

// pack packs the weights and the parameters of a run of blocks.
func (p *dwAVX2) pack(b *dwBlock8, w []int8, q *gemm.Quant) bool {
	pairs := p.lines * p.KW
	b.w, b.par = make([]int16, b.n*pairs*p.together*16), make([]int32, b.n*dwPairTerms*8)
	for i := range 8 * b.n {
		ch := b.first + i
		if ch >= p.OutC {
			continue
		}
		weights, par := b.w[i/8*pairs*p.together*16:], b.par[i/8*dwPairTerms*8:]
		sum, abs := int64(0), int64(0)
		for t := range p.KH * p.KW {
			v := int32(w[t*p.OutC+ch]) - q.WZero
			sum += int64(v)
			abs += int64(max(v, -v))
			for r := range p.together {
				ky := t/p.KW + r
				weights[((ky/2*p.KW+t%p.KW)*p.together+r)*16+i%8*2+ky%2] = int16(v)
			}
		}
		carry, ok := packDwTerms(par[i%8:], q, ch, sum, abs)
		if !ok {
			return false
		}
		b.exact = b.exact || carry
	}
	return true
}

// packDwTerms puts what turns a channel's sum into its output at every eighth place of par: sum is that of its weights less their zero point, abs that of
// their distances from it. carry says that the carry counts, ok that the form is exact.
func packDwTerms(par []int32, q *gemm.Quant, ch int, sum, abs int64) (carry, ok bool) {
	bias := -int64(q.XZero) * sum
	if q.Bias != nil {
		bias += int64(int32(q.Bias[ch]))
	}
	one := min(ch, len(q.Mult)-1)
	terms, ok := requant.OneStep(bias, 128*abs, q.Mult[one], q.Shift[one], q.Zero, q.Min)
	terms = terms.Below()
	for k, v := range [dwPairTerms]int32{terms.Bias, terms.Mult, terms.Add, terms.Shift, terms.Limit} {
		par[8*k] = v
	}
	return terms.Carry, ok
}

// ID implements DepthwiseS8.
func (p *dwAVX2) ID() string { return "4x8/avx2" }

// Bytes implements DepthwiseS8.
func (p *dwAVX2) Bytes() (s8, s32 int) {
	for i := range p.blocks {
		s8 += 2 * len(p.blocks[i].w)
		s32 += 4 * len(p.blocks[i].par)
	}
	return s8, s32
}

// Scratch implements DepthwiseS8: for each worker the table of taps, lines, a row of zero points, and room for rows and outputs.
func (p *dwAVX2) Scratch() int { return p.scratch() }

// Run implements DepthwiseS8.
func (p *dwAVX2) Run(dst, src []int8, scratch []byte) {
	g := &p.Geometry
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < p.Scratch() {
		panic("conv: slice length mismatch")
	}
	p.run(dst, src, scratch)
}

// dwRoom is the scratch memory of a worker.
type dwRoom struct {
	taps                    []uintptr
	lines, zeros, rows, out []byte
}

// compute computes the output rows from to to, counted over all images.
func (p *dwAVX2) compute(dst, src []int8, scratch []byte, from, to int) {
	m := dwRoom{taps: unsafe.Slice((*uintptr)(unsafe.Pointer(&scratch[0])), p.lines*p.KW), lines: scratch[p.at.lines:p.at.zeros],
		zeros: scratch[p.at.zeros:p.at.rows], rows: scratch[p.at.rows:p.at.out], out: scratch[p.at.out:]}
	m.lines = m.lines[-uintptr(unsafe.Pointer(&m.lines[0]))&63:]
	fill(m.zeros, byte(p.zero))
	p.border(m.lines)
	for from < to {
		b, y := from/p.OutH, from%p.OutH
		n := min(to-from, p.OutH-y)
		for i := range p.blocks {
			p.image(dst[from*p.OutW*p.OutC:], src[b*p.H*p.W*p.C:], &m, &p.blocks[i], y*p.StrideH-p.PadTop, n)
		}
		p.finish(dst, from, n)
		from += n
	}
}

// image computes some channels of n output rows of one image, of which the first needs input rows from top on.
func (p *dwAVX2) image(dst, src []int8, m *dwRoom, b *dwBlock8, top, n int) {
	loaded := 0 // lines, where they are shared: line i holds the rows top + 2i and the next
	for row := 0; row < n; row += p.together {
		first := 0 // line
		if p.shared {
			first = row / p.together * p.step
			for loaded = max(loaded, first); loaded < first+p.lines; loaded++ {
				p.load(m, src, b, loaded%p.lines, top+2*loaded, top+2*loaded+1)
			}
		} else {
			for i := range p.lines {
				y := top + row*p.StrideH + 2*i*p.DilH
				p.load(m, src, b, i, y, y+p.DilH)
			}
		}
		for i := range p.lines {
			// Addresses, not pointers: storing these would have the garbage collector look at what was there.
			at := uintptr(unsafe.Pointer(&m.lines[(first+i)%p.lines*p.line]))
			for kx := range p.KW {
				m.taps[i*p.KW+kx] = at + uintptr(kx*p.DilW*32)
			}
		}
		p.rowsOf(dst[row*p.OutW*p.OutC:], m, b, min(p.together, n-row))
	}
}

// dwCallWork is about how many products of eight channels one call of assembly may do: some ten microseconds.
const dwCallWork = 16 << 10

// rowsOf computes one or two output rows from the lines that the taps lie in.
func (p *dwAVX2) rowsOf(dst []int8, m *dwRoom, b *dwBlock8, rows int) {
	t := dwTile8{taps: &m.taps[0], pairs: len(m.taps), xstep: 32 * p.StrideW, tiles: p.pixels / 4, rest: p.pixels % 4, blockstep: p.blockstep, lo: p.lo, hi: p.hi,
		wstep: 32 * p.together}
	t.dstep, t.exact, t.clamp = p.channels, b.exact, p.lo != math.MinInt8 || p.hi != math.MaxInt8
	out := dst
	if p.apart {
		out = unsafe.Slice((*int8)(unsafe.Pointer(&m.out[0])), len(m.out))
	}
	most := max(1, dwCallWork/(len(m.taps)*p.pixels*rows))
	for n := 0; n < b.n; n += most {
		t.w, t.par, t.at = &b.w[n*len(m.taps)*p.together*16], &b.par[n*dwPairTerms*8], n*p.blockstep
		t.blocks = min(most, b.n-n)
		for r := range rows {
			t.dst[r] = &out[r*p.pixels*p.channels+b.first+8*n]
		}
		call.Tile(dwTableAVX2()[p.kind+rows-1], unsafe.Pointer(&t))
	}
	if p.apart {
		channels := min(8*b.n, p.OutC)
		for r := range rows {
			for x := range p.OutW {
				copy(dst[(r*p.OutW+x)*p.OutC+b.first:][:channels], out[(r*p.pixels+x)*p.channels+b.first:])
			}
		}
	}
}

// inner returns how many input columns of a line matter.
func (p *dwAVX2) inner() int { return max(0, min(p.W, p.columns-p.PadLeft)) }

// border fills the columns of all lines that lie outside of the image with the zero point.
func (p *dwAVX2) border(lines []byte) {
	left := min(p.PadLeft, p.columns)
	right := left + p.inner()
	if right == p.columns && left == 0 {
		return
	}
	for at := 0; at < p.lines*p.line; at += p.blockstep {
		block := unsafe.Slice((*int16)(unsafe.Pointer(&lines[at])), p.columns*16)
		fill(block[:left*16], int16(p.zero))
		fill(block[right*16:], int16(p.zero))
	}
}

// load puts some channels of input rows y0 and y1 into a line. Rows outside of the image hold the zero point.
func (p *dwAVX2) load(m *dwRoom, src []int8, b *dwBlock8, line, y0, y1 int) {
	n := p.inner()
	if n == 0 {
		return
	}
	k := dwLineOf{dst: &m.lines[line*p.line+p.PadLeft*32], pixel: p.channels, blocks: b.n, blockstep: p.blockstep}
	for i, y := range [2]int{y0, y1} {
		var row *int8
		switch {
		case y < 0 || y >= p.H:
			row = (*int8)(unsafe.Pointer(&m.zeros[0]))
		case p.staged:
			row = p.stage(m.rows[i*p.W*p.channels:], src[y*p.W*p.C:], n)
		default:
			row = &src[y*p.W*p.C : (y*p.W+n)*p.C][0]
		}
		k.src[i] = (*int8)(unsafe.Add(unsafe.Pointer(row), b.first))
	}
	most := max(1, dwCallWork/b.n)
	for ; n > 0; n -= most {
		k.pixels = min(most, n)
		part := k // the function moves what it gets
		call.Tile(dwTableAVX2()[dwLineAt], unsafe.Pointer(&part))
		if n > most {
			k.dst = (*byte)(unsafe.Add(unsafe.Pointer(k.dst), most*32))
			for i := range k.src {
				k.src[i] = (*int8)(unsafe.Add(unsafe.Pointer(k.src[i]), most*p.channels))
			}
		}
	}
}

// stage copies n pixels of a row with each value as often as it has output channels.
func (p *dwAVX2) stage(to []byte, row []int8, n int) *int8 {
	mult := p.OutC / p.C
	for x := range n {
		pixel := to[x*p.channels : (x+1)*p.channels]
		for c, v := range row[x*p.C : (x+1)*p.C] {
			repeat(pixel[c*mult:(c+1)*mult], byte(v))
		}
	}
	return (*int8)(unsafe.Pointer(&to[0]))
}

// repeat sets all of s to v.
func repeat(s []byte, v byte) {
	eight := uint64(v) * 0x0101010101010101
	for len(s) >= 8 {
		*(*uint64)(unsafe.Pointer(&s[0])) = eight
		s = s[8:]
	}
	for i := range s {
		s[i] = v
	}
}
