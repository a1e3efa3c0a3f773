package conv

import (
	"math/bits"
	"strconv"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/internal/flip"
	"wayside/kernels/requant"
)

// dwTile is the argument of an assembly row of output pixels for one block of channels. The assembly knows the offsets.
type dwTile struct {
	taps   *unsafe.Pointer // where the first pixel finds each tap: u8, groups × 4 of them
	groups int
	w      *int8  // [groups][4 registers][channels / 4][4]
	par    *int32 // bias, multiplier, addend, shift, carry limit: [5][4 registers][channels / 4]
	dst    *int8
	dstep  int // bytes from one output pixel to the next
	xstep  int // bytes from the taps of one output pixel to those of the next
	pixels int
	lo, hi int8
	exact  bool
	mask   uint64 // channels that exist
}

// dwRowsAVX512 returns the addresses of the functions for 16, 32 and 64 channels.
func dwRowsAVX512() *[3]uintptr

var dwRows = dwRowsAVX512()

// dwBlock is a run of up to 64 channels.
type dwBlock struct {
	first, n, width int // channels: existing ones and those of the registers
	w               []int8
	par             []int32
	exact           bool
}

// dwAVX512 is a packed depthwise convolution for the AVX512-VNNI rows.
type dwAVX512 struct {
	taps, groups int
	blocks       []dwBlock
	lo, hi       int8
	zero         byte // the input zero point with 128 added
}

// packDepthwiseAVX512 packs w[taps][c]; nil where the one-step rescaling is not exact for some channel.
func packDepthwiseAVX512(w []int8, taps, c int, q *gemm.Quant) *dwAVX512 {
	p := &dwAVX512{taps: taps, groups: (taps + 3) / 4, lo: int8(q.Min), hi: int8(q.Max), zero: byte(q.XZero + 128)}
	for first := 0; first < c; {
		left := c - first
		width := 64
		switch {
		case left <= 16:
			width = 16
		case left <= 32:
			width = 32
		}
		b := dwBlock{first: first, n: min(left, width), width: width, w: make([]int8, p.groups*4*width), par: make([]int32, 5*width)}
		for ch := range b.n {
			// Unpacking leaves channel 16·lane + 4·register + i in that register at 4·lane + i.
			reg, at := ch/4%4, ch/16*4+ch%4
			slot := reg*width/4 + at
			sum, abs := int64(0), int64(0)
			for t := range taps {
				v := w[t*c+first+ch]
				b.w[t/4*4*width+reg*width+at*4+t%4] = v
				sum += int64(v)
				abs += max(int64(v), -int64(v))
			}
			bias := -(int64(q.XZero) + 128) * sum
			if q.Bias != nil {
				bias += int64(int32(q.Bias[first+ch]))
			}
			one := min(first+ch, len(q.Mult)-1)
			terms, ok := requant.OneStep(bias, 255*abs, q.Mult[one], q.Shift[one], q.Zero, q.Min)
			if !ok {
				return nil
			}
			b.exact = b.exact || terms.Carry
			for i, v := range [5]int32{terms.Bias, terms.Mult, terms.Add, terms.Shift, terms.Limit} {
				b.par[i*width+slot] = v
			}
		}
		p.blocks = append(p.blocks, b)
		first += b.n
	}
	return p
}

// ID implements DepthwiseS8.
func (p *dwAVX512) ID() string { return "1x" + strconv.Itoa(p.blocks[0].width) + "/avx512vnni" }

// Bytes implements DepthwiseS8.
func (p *dwAVX512) Bytes() (s8, s32 int) {
	for i := range p.blocks {
		s8 += len(p.blocks[i].w)
		s32 += 4 * len(p.blocks[i].par)
	}
	return s8, s32
}

// lineBytes is the room of one padded line of input: columns outside of the image on both sides, and a register's width behind the last.
func (g *Geometry) lineBytes() int {
	return (max((g.OutW-1)*g.StrideW+(g.KW-1)*g.DilW+1, g.W+g.PadLeft)*g.C + 64 + 63) &^ 63
}

// reach is how many input rows lie between the first and the last tap of an output pixel, both counted.
func (g *Geometry) reach() int { return (g.KH-1)*g.DilH + 1 }

// Scratch implements DepthwiseS8: a ring of padded lines, and the table of pointers to taps.
func (p *dwAVX512) Scratch(g *Geometry) int { return g.reach()*g.lineBytes() + p.groups*4*8 }

// Run implements DepthwiseS8.
func (p *dwAVX512) Run(dst, src []int8, g *Geometry, scratch []byte) {
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < p.Scratch(g) {
		panic("conv: slice length mismatch")
	}
	line, ring := g.lineBytes(), g.reach()
	lines := scratch[:ring*line]
	// The table holds pointers into scratch; the garbage collector does not look there, and scratch outlives this call.
	table := unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(&scratch[ring*line])), p.groups*4)
	fillBytes(lines, p.zero)
	for b := range g.Batch {
		loaded := -g.PadTop // the first input row that is not in the ring
		for oy := range g.OutH {
			top := oy*g.StrideH - g.PadTop
			loaded = max(loaded, top)
			for ; loaded < top+ring; loaded++ {
				p.load(lines[(loaded+g.PadTop)%ring*line:], src, g, b, loaded)
			}
			for i := range p.blocks {
				p.row(dst[((b*g.OutH+oy)*g.OutW)*g.OutC:], lines, table, g, &p.blocks[i], top, line, ring)
			}
		}
	}
}

// load puts input row y into a line of the ring, with 128 added to each value.
func (p *dwAVX512) load(line []byte, src []int8, g *Geometry, b, y int) {
	at := g.PadLeft * g.C
	if y < 0 || y >= g.H {
		fillBytes(line[at:at+g.W*g.C], p.zero)
		return
	}
	row := src[(b*g.H+y)*g.W*g.C:][:g.W*g.C]
	flip.Copy(line[at:at+len(row)], row)
}

// row computes one row of output pixels for one block of channels.
func (p *dwAVX512) row(dst []int8, lines []byte, table []unsafe.Pointer, g *Geometry, b *dwBlock, top, line, ring int) {
	for t := range table {
		ky, kx := 0, 0 // taps that fill up a group have weights of zero: any place will do
		if t < p.taps {
			ky, kx = t/g.KW, t%g.KW
		}
		table[t] = unsafe.Pointer(&lines[(top+ky*g.DilH+g.PadTop)%ring*line+kx*g.DilW*g.C+b.first])
	}
	t := dwTile{taps: &table[0], groups: p.groups, w: &b.w[0], par: &b.par[0], dst: &dst[b.first], dstep: g.OutC, xstep: g.StrideW * g.C, pixels: g.OutW,
		lo: p.lo, hi: p.hi, exact: b.exact, mask: ^uint64(0) >> (64 - b.n)}
	call.Tile(dwRows[bits.Len(uint(b.width/32))], unsafe.Pointer(&t))
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
