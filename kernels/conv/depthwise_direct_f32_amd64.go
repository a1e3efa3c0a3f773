package conv

import (
	"strconv"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// dwDirectTile is the argument of an assembly call for groups of output pixels. The assembly knows the offsets; steps are in bytes.
type dwDirectTile struct {
	in      [7]*float32 // the first pixel that is not left out in each input row
	next    [7]int      // from behind its last channel to the same pixel of the next group
	column  int         // from one pixel to the next
	dst     [2]*float32 // output rows
	w       *float32    // per block of channels: bias, then taps
	blocks  int
	groups  int // of a row
	rows    int // or pairs of rows; counted down
	nextDst int // from behind a group's last channel to the next group
	line    int // from behind the groups of a row to those of the next
	lineDst int
	lo, hi  float32
	at      [7]uintptr // places in the input rows, which the assembly moves
}

// dwDirectF32AVX2 and dwDirectF32AVX512 return the addresses for 3×3 and then for 5×5 taps, each for steps of 1 and then of 2, on AVX512 each for one output
// row and then for two: without pixels outside of the picture, with 1 or up to 2 columns of them on the left, with as many on the right.
func dwDirectF32AVX2() *[16]uintptr
func dwDirectF32AVX512() *[32]uintptr

// dwDirectF32 is a depthwise convolution with 3×3 or 5×5 taps that reads the picture where it lies: columns of padding are left out of the sums, and lines
// above and below are read as a line of zeros. A group of neighbouring output pixels is computed for a block of channels before the next
// group, and all rows of a band for those of a part before the next part.
type dwDirectF32 struct {
	Geometry
	*dwRows[float32]
	parts  []dwDirectPart
	lo, hi float32
	right  int // columns of padding that are read on the right
	band   int // output rows that are computed before the next ones
}

// dwDirectPart is some blocks of channels.
type dwDirectPart struct {
	dwDirectForm
	first, blocks int       // the first channel, and how many blocks
	w             []float32 // per block: bias, then taps
}

// dwDirectForm is functions for blocks of so many channels, and groups of so many output pixels in so many rows at most.
type dwDirectForm struct {
	width, group, rows int
	table              [2][]uintptr // for one row and for two, by edge
}

const (
	// dwDirectChannels is how many channels are computed for several rows before the others, so that the input that rows share is still in the first-level cache.
	dwDirectChannels = 128
	// dwDirectBand is the bytes of output of a band of rows: what follows finds them in the second-level cache.
	dwDirectBand = 128 << 10
	// dwDirectFMAs is how many vector multiply-adds an assembly call has at most: some 50 microseconds.
	dwDirectFMAs = 72 << 10
)

// newDwDirectF32 returns nil for what the lines of dwF32 serve.
func newDwDirectF32(w, bias []float32, g *Geometry, lo, hi float32) *dwDirectF32 {
	k := g.KW
	if !cpu.Has(cpu.AVX2) || g.KH != k || k != 3 && k != 5 || g.StrideW < 1 || g.StrideW > 2 || g.DilW != 1 || g.C != g.OutC || g.C < 8 {
		return nil
	}
	p := &dwDirectF32{Geometry: *g, lo: lo, hi: hi, right: max(0, (g.OutW-1)*g.StrideW-g.PadLeft+k-g.W)}
	edges := 1 + 2*(k/2)
	place := (k-3)/2*2*3 + (g.StrideW-1)*edges
	narrow := dwDirectForm{width: 8, group: 4 / g.StrideW, rows: 1}
	narrow.table[0] = dwDirectF32AVX2()[place:][:edges]
	if !p.fits(&narrow) {
		return nil
	}
	forms := []dwDirectForm{narrow}
	if cpu.Has(cpu.AVX512VNNI) {
		wide := dwDirectForm{width: 16, group: 4, rows: 1}
		for r := range wide.table {
			wide.table[r] = dwDirectF32AVX512()[2*place+r*edges:][:edges]
		}
		if g.DilH == 1 && g.StrideH == g.StrideW {
			wide.rows = 2
		}
		if p.fits(&wide) {
			forms = []dwDirectForm{wide, narrow}
		}
	}
	// Blocks of the last form may begin in those before.
	c := 0
	for i, f := range forms {
		for c < g.C {
			n := min(g.C-c, dwDirectChannels) / f.width
			if rest := g.C - c; n == 0 && f.width <= g.C && (i == len(forms)-1 || rest > forms[i+1].width) {
				c, n = g.C-f.width, 1
			}
			if n == 0 {
				break
			}
			p.add(f, c, n, w, bias)
			c += n * f.width
		}
	}
	group := forms[0].group
	p.band = (max(1, dwDirectBand/(4*g.OutW*g.C)) + 1) &^ 1
	p.dwRows = newDwRows(g, 4*((group-1)*g.StrideW+k)*g.C, p.compute)
	return p
}

// fits reports whether the first group of a row may reach beyond the left edge, the last one beyond the right edge, and none beyond both.
func (p *dwDirectF32) fits(f *dwDirectForm) bool {
	reach := (f.group-1)*p.StrideW + p.KW
	return p.PadLeft <= p.KW/2 && p.right <= p.KW/2 && f.group <= p.OutW && reach-p.PadLeft <= p.W && reach-p.right <= p.W && (p.PadLeft > 0 || f.group <= p.end())
}

// end returns how many output pixels are before those that read beyond the right edge.
func (p *dwDirectF32) end() int { return p.OutW - (p.right+p.StrideW-1)/p.StrideW }

// add packs n blocks from a channel on.
func (p *dwDirectF32) add(f dwDirectForm, first, n int, w, bias []float32) {
	part := dwDirectPart{dwDirectForm: f, first: first, blocks: n}
	for c := first; c < first+n*f.width; c += f.width {
		part.w = append(part.w, bias[c:c+f.width]...)
		for t := range p.KH * p.KW {
			part.w = append(part.w, w[t*p.C+c:][:f.width]...)
		}
	}
	p.parts = append(p.parts, part)
}

func (p *dwDirectF32) id() string {
	f := &p.parts[0]
	isa := "avx2"
	if f.width == 16 {
		isa = "avx512"
	}
	return strconv.Itoa(f.group*f.rows) + "x" + strconv.Itoa(f.width) + "/" + isa
}

func (p *dwDirectF32) bytes() (n int) {
	for i := range p.parts {
		n += 4 * len(p.parts[i].w)
	}
	return n
}

// compute computes the output rows from to to, counted over all images.
func (p *dwDirectF32) compute(dst, src []float32, scratch []byte, from, to int) {
	zeros := unsafe.Slice((*float32)(unsafe.Pointer(&scratch[0])), p.each/4)
	clear(zeros)
	for at := from; at < to; at += p.band {
		end := min(at+p.band, to)
		for i := range p.parts {
			p.part(dst, src, zeros, &p.parts[i], at, end)
		}
		p.finish(dst, at, end-at)
	}
}

// part computes a part of the output rows from to to.
func (p *dwDirectF32) part(dst, src, zeros []float32, part *dwDirectPart, from, to int) {
	// The first and the last row that read nothing above and below the picture.
	top, bottom := (p.PadTop+p.StrideH-1)/p.StrideH, min((p.H-1-(p.KH-1)*p.DilH+p.PadTop)/p.StrideH, p.OutH-1)
	for at := from; at < to; {
		oy := at % p.OutH
		rows := min(part.rows, to-at, p.OutH-oy)
		most := max(1, dwDirectFMAs/(part.blocks*(p.OutW+part.group-1)*rows*p.KH*p.KW))
		n := 1
		if oy >= top {
			n = max(1, min((min(bottom+1-oy, to-at))/rows, most))
		}
		p.lines(dst, src, zeros, part, at, n, rows)
		at += n * rows
	}
}

// lines computes a part of n output rows or pairs of rows.
func (p *dwDirectF32) lines(dst, src, zeros []float32, part *dwDirectPart, at, n, rows int) {
	group, channels := part.group, part.blocks*part.width
	t := dwDirectTile{w: &part.w[0], blocks: part.blocks, lo: p.lo, hi: p.hi, column: 4 * p.C, nextDst: 4 * (group*p.C - channels)}
	line := p.W * p.C
	var in [len(t.in)]int
	inputs := p.KH + (rows-1)*p.StrideH
	for r := range inputs {
		y := at%p.OutH*p.StrideH - p.PadTop + r*p.DilH
		t.next[r], in[r] = -4*channels, -1
		if y >= 0 && y < p.H {
			t.next[r], in[r] = 4*(group*p.StrideW*p.C-channels), (at/p.OutH*p.H+y)*line+part.first
		}
	}
	groups := func(edge, x, groups int) {
		for r := range inputs {
			if t.in[r] = &zeros[0]; in[r] >= 0 {
				t.in[r] = &src[in[r]+max(0, x*p.StrideW-p.PadLeft)*p.C]
			}
		}
		for r := range rows {
			t.dst[r] = &dst[((at+r)*p.OutW+x)*p.C+part.first]
		}
		t.groups, t.rows = groups, n
		t.line, t.lineDst = 4*(rows*p.StrideH*line-groups*group*p.StrideW*p.C), 4*(rows*p.OutW-groups*group)*p.C
		call.Tile(part.table[rows-1][edge], unsafe.Pointer(&t))
	}
	// The last groups begin where they end in time, and so may compute some pixels again.
	rest, x, end := p.OutW, 0, p.end()
	if p.right > 0 {
		rest -= group
	}
	if p.PadLeft > 0 {
		groups(p.PadLeft, 0, 1)
		x = group
	}
	most := max(1, dwDirectFMAs/(part.blocks*group*rows*p.KH*p.KW))
	for x+group <= end {
		m := min((end-x)/group, most)
		groups(0, x, m)
		x += m * group
	}
	if x < rest {
		groups(0, end-group, 1)
	}
	if p.right > 0 {
		groups(p.KW/2+p.right, p.OutW-group, 1)
	}
}
