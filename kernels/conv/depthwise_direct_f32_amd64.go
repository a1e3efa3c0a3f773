package conv

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// dwDirectTile is the argument of an assembly call for groups of output pixels. The assembly knows the offsets; steps are in bytes.
type dwDirectTile struct {
	in      [5]*float32 // the first pixel that is not left out in each input row
	next    [5]int      // from behind its last channel to the same pixel of the next group
	column  int         // from one pixel to the next
	dst     *float32
	w       *float32 // per 8 channels: bias, then taps
	blocks  int      // of 8 channels
	groups  int      // of a row
	rows    int      // counted down
	nextDst int      // from behind a group's last channel to the next group
	line    int      // from behind the groups of a row to those of the next
	lineDst int
	lo, hi  float32
}

// dwDirectF32AVX2 returns the addresses for 3×3 and then for 5×5 taps, each for steps of 1 and then of 2: without pixels outside of the picture, with 1
// or up to 2 columns of them on the left, with as many on the right.
func dwDirectF32AVX2() *[16]uintptr

// dwDirectF32 is a depthwise convolution with 3×3 or 5×5 taps that reads the picture where it lies: columns of padding are left out of the sums, and lines
// above and below are read as a line of zeros. A group of neighbouring output pixels is computed for a block of channels before the next
// group, and all rows for that block before the next block.
type dwDirectF32 struct {
	Geometry
	*dwRows[float32]
	w           []float32 // per 8 channels: bias, then taps
	lo, hi      float32
	group       int // output pixels of a group
	channels    int // that are computed before the others
	left, right int // columns of padding that are read
	end         int // output pixels before those that read beyond the right edge
	table       []uintptr
	then        func([]float32)
}

// dwDirectChannels is how many channels are computed for several rows before the others, so that the input that rows share is still in the first-level cache.
const dwDirectChannels = 128

// dwDirectBlocks is how many blocks of 8 channels an assembly call computes at most: some 50 microseconds.
const dwDirectBlocks = 2048

// newDwDirectF32 returns nil for what the lines of dwF32 serve.
func newDwDirectF32(w, bias []float32, g *Geometry, lo, hi float32) *dwDirectF32 {
	k := g.KW
	if !cpu.Has(cpu.AVX2) || g.KH != k || k != 3 && k != 5 || g.StrideW < 1 || g.StrideW > 2 || g.DilW != 1 || g.C != g.OutC || g.C%8 != 0 || g.C == 0 || g.C/8 > dwDirectBlocks {
		return nil
	}
	p := &dwDirectF32{Geometry: *g, lo: lo, hi: hi, group: 4 / g.StrideW, left: g.PadLeft, right: max(0, (g.OutW-1)*g.StrideW-g.PadLeft+k-g.W)}
	// Groups that read nothing beyond the right edge end here.
	p.end = g.OutW - (p.right+g.StrideW-1)/g.StrideW
	// The first group may reach beyond the left edge, the last one beyond the right edge, none beyond both.
	reach := (p.group-1)*g.StrideW + k
	if p.left > k/2 || p.right > k/2 || p.group > g.OutW || reach-p.left > g.W || reach-p.right > g.W || p.left == 0 && p.group > p.end {
		return nil
	}
	edges := 1 + 2*(k/2)
	p.table = dwDirectF32AVX2()[(k-3)/2*2*3+(g.StrideW-1)*edges:][:edges]
	for c := 0; c < g.C; c += 8 {
		p.w = append(p.w, bias[c:c+8]...)
		for t := range k * k {
			p.w = append(p.w, w[t*g.C+c:][:8]...)
		}
	}
	p.channels = min(g.C, dwDirectChannels)
	p.dwRows = newDwRows(g, 4*reach*g.C, p.compute)
	return p
}

func (p *dwDirectF32) setThen(f func([]float32)) { p.then = f }

func (p *dwDirectF32) id() string { return "4x8/avx2" }

func (p *dwDirectF32) bytes() int { return 4 * len(p.w) }

// compute computes the output rows from to to, counted over all images.
func (p *dwDirectF32) compute(dst, src []float32, scratch []byte, from, to int) {
	zeros := unsafe.Slice((*float32)(unsafe.Pointer(&scratch[0])), ((p.group-1)*p.StrideW+p.KW)*p.C)
	clear(zeros)
	// The first and the last row that read nothing above and below the picture.
	top, bottom := (p.PadTop+p.StrideH-1)/p.StrideH, min((p.H-1-(p.KH-1)*p.DilH+p.PadTop)/p.StrideH, p.OutH-1)
	most := max(1, dwDirectBlocks*8/p.channels/((p.OutW+p.group-1)/p.group))
	for c := 0; c < p.C; c += p.channels {
		for at, n := from, 1; at < to; at += n {
			oy := at % p.OutH
			if n = 1; oy >= top && oy <= bottom {
				n = min(bottom+1-oy, to-at, most)
			}
			p.lines(dst, src, zeros, at, n, c, min(p.channels, p.C-c))
		}
	}
	if n := p.OutW * p.C; p.then != nil {
		p.then(dst[from*n : to*n])
	}
}

// lines computes some channels of n output rows.
func (p *dwDirectF32) lines(dst, src, zeros []float32, at, n, c, channels int) {
	t := dwDirectTile{w: &p.w[c*(1+p.KH*p.KW)], blocks: channels / 8, lo: p.lo, hi: p.hi, column: 4 * p.C}
	t.nextDst = 4 * (p.group*p.C - channels)
	line := p.W * p.C
	var in [5]int
	for r := range p.KH {
		y := at%p.OutH*p.StrideH - p.PadTop + r*p.DilH
		t.in[r], t.next[r], in[r] = &zeros[0], -4*channels, -1
		if y >= 0 && y < p.H {
			t.next[r], in[r] = 4*(p.group*p.StrideW*p.C-channels), (at/p.OutH*p.H+y)*line+c
		}
	}
	groups := func(edge, x, groups int) {
		for r := range p.KH {
			if in[r] >= 0 {
				t.in[r] = &src[in[r]+max(0, x*p.StrideW-p.PadLeft)*p.C]
			}
		}
		t.dst, t.groups, t.rows = &dst[(at*p.OutW+x)*p.C+c], groups, n
		t.line, t.lineDst = 4*(p.StrideH*line-groups*p.group*p.StrideW*p.C), 4*(p.OutW-groups*p.group)*p.C
		call.Tile(p.table[edge], unsafe.Pointer(&t))
	}
	// The last groups begin where they end in time, and so may compute some pixels again.
	rest, x := p.OutW, 0
	if p.right > 0 {
		rest -= p.group
	}
	if p.left > 0 {
		groups(p.left, 0, 1)
		x = p.group
	}
	for x+p.group <= p.end {
		m := min((p.end-x)/p.group, dwDirectBlocks/t.blocks)
		groups(0, x, m)
		x += m * p.group
	}
	if x < rest {
		groups(0, p.end-p.group, 1)
	}
	if p.right > 0 {
		groups(p.KW/2+p.right, p.OutW-p.group, 1)
	}
}
