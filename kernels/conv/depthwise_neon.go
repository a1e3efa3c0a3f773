//go:build arm || arm64

package conv

import (
	"slices"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// armTaps bounds the taps of a window that the functions take.
const armTaps = 50

// armDepthwise is the argument of an assembly function: pixels output pixels, groups of channels each. The assembly knows the offsets.
type armDepthwise struct {
	w      unsafe.Pointer // [groups][taps][channels of a group]
	par    unsafe.Pointer // [groups]: what the store needs of each channel
	dst    unsafe.Pointer // of the first pixel and channel
	ldd    int            // from pixel to pixel, bytes
	step   int            // of the input from pixel to pixel, bytes
	pixels int
	groups int
	quads  int // of taps
	rest   int // taps behind them
	vec    unsafe.Pointer
	src    [armTaps]unsafe.Pointer // each tap's input of the first pixel and channel
}

// dwS8Neon returns the addresses of the functions: groups of 16 and of 8 channels for windows of nine taps, then of any number; then all of them for
// outputs whose sign counts.
func dwS8Neon() *[8]uintptr

var dwS8 = dwS8Neon()

// armPanel is a run of groups of channels with their packed weights T and parameters P.
type armPanel[T int8 | float32, P int32 | float32] struct {
	first, n, lanes int // first channel, groups, channels of each
	w               []T
	par             []P
	fn              uintptr
}

// armGroups cuts channels into groups of 16 and of narrow ones; the last group overlaps the one before it if need be. None if there are too few channels.
func armGroups[T int8 | float32, P int32 | float32](channels, narrow int) (list []armPanel[T, P]) {
	if channels < narrow {
		return nil
	}
	add := func(first, n, lanes int) {
		if n > 0 {
			list = append(list, armPanel[T, P]{first: first, n: n, lanes: lanes})
		}
	}
	wide := channels / 16
	rest := channels - 16*wide
	if rest > 16-narrow && wide > 0 {
		add(0, wide, 16)
		add(channels-16, 1, 16)
		return list
	}
	add(0, wide, 16)
	add(16*wide, rest/narrow, narrow)
	if rest%narrow > 0 {
		add(channels-narrow, 1, narrow)
	}
	return list
}

// pack lays the weights [taps][channels] of the panel's groups side by side.
func (p *armPanel[T, P]) pack(w []T, taps, channels int) {
	for g := range p.n {
		for t := range taps {
			at := t*channels + p.first + g*p.lanes
			p.w = append(p.w, w[at:at+p.lanes]...)
		}
	}
}

// dwS8Arm is a depthwise int8 convolution packed for NEON.
type dwS8Arm struct {
	*dwRows[int8]
	g      Geometry
	extra  []int // taps that are taken twice, since their weights do not fit into one of −127 to 127
	panels []armPanel[int8, int32]
	halo   []int8  // a pixel outside of the image: the input zero point in each channel
	vec    []int32 // zero point and bounds for a vector: halfwords, bytes, bytes
}

// packDepthwiseArch packs for NEON; nil where the functions do not give the reference's bytes or do not fit: a multiplier that does not move sums to the
// right, two or three outputs for each input channel, too few channels, too many taps.
func packDepthwiseArch(w []int8, g *Geometry, q *gemm.Quant) DepthwiseS8 {
	if g.C != g.OutC {
		return packDwGroups(w, g, q)
	}
	taps, channels := g.KH*g.KW, g.C
	p := &dwS8Arm{g: *g, panels: armGroups[int8, int32](channels, 8), halo: slices.Repeat([]int8{int8(q.XZero)}, channels)}
	if !cpu.Has(cpu.Neon) || p.panels == nil || taps == 0 {
		return nil
	}
	parts := p.split(w[:taps*channels], q.WZero)
	if all := taps + len(p.extra); parts == nil || all > armTaps {
		return nil
	}
	p.dwRows = newDwRows(g, 0, p.compute)
	for _, v := range []int32{q.Zero & 0xffff * 0x10001, q.Min & 0xff * 0x1010101, q.Max & 0xff * 0x1010101} {
		p.vec = append(p.vec, v, v, v, v)
	}
	for i := range p.panels {
		panel := &p.panels[i]
		panel.pack(parts, taps+len(p.extra), channels)
		kind := 0
		if panel.lanes < 16 {
			kind = 1
		}
		if taps+len(p.extra) != 9 {
			kind += 2
		}
		if q.Min < q.Zero {
			kind += 4
		}
		panel.fn = dwS8[kind]
		for c := panel.first; c < panel.first+panel.n*panel.lanes; c += panel.lanes {
			par := make([]int32, 3*panel.lanes)
			for l := range panel.lanes {
				bias, one := int32(0), min(c+l, len(q.Mult)-1)
				if q.Bias != nil {
					bias = int32(q.Bias[c+l])
				}
				for t := range taps {
					bias -= q.XZero * (int32(w[t*channels+c+l]) - q.WZero)
				}
				m, s := q.Mult[one], q.Shift[one]
				if m == 0 {
					s = -1
				}
				if s > -1 || s < -31 {
					return nil
				}
				par[l], par[panel.lanes+l], par[2*panel.lanes+l] = bias, m, s
			}
			panel.par = append(panel.par, par...)
		}
	}
	return p
}

// split takes the zero point off the weights and returns them, limited to −127..127, and behind them what that cuts off, for the taps that lose
// something; nil where even that does not fit.
func (p *dwS8Arm) split(w []int8, zero int32) []int8 {
	parts := make([]int8, len(w))
	for tap := range len(w) / p.g.C {
		lost, at := make([]int8, p.g.C), tap*p.g.C
		cut := false
		for c := range lost {
			v := int32(w[at+c]) - zero
			first := min(max(v, -127), 127)
			if rest := v - first; rest < -127 || rest > 127 {
				return nil
			} else if rest != 0 {
				lost[c], cut = int8(rest), true
			}
			parts[at+c] = int8(first)
		}
		if cut {
			parts, p.extra = append(parts, lost...), append(p.extra, tap)
		}
	}
	return parts
}

// ID implements DepthwiseS8.
func (p *dwS8Arm) ID() string { return "1x16/neon" }

// Bytes implements DepthwiseS8.
func (p *dwS8Arm) Bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w)
		s32 += 4 * len(p.panels[i].par)
	}
	return s8 + len(p.halo), s32 + 4*len(p.vec)
}

// Scratch implements DepthwiseS8: none.
func (p *dwS8Arm) Scratch() int { return 0 }

// Run implements DepthwiseS8.
func (p *dwS8Arm) Run(dst, src []int8, scratch []byte) {
	g := &p.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C {
		panic("conv: slice length mismatch")
	}
	p.run(dst, src, scratch)
}

// compute computes the output rows from to to, counted over all images.
func (p *dwS8Arm) compute(dst, src []int8, _ []byte, from, to int) {
	t := armDepthwise{vec: unsafe.Pointer(&p.vec[0])}
	for i := range p.panels {
		p.panels[i].walk(&t, dst, src, p.halo, &p.g, p.extra, from, to)
	}
	p.finish(dst, from, to-from)
}

// armMACs bounds the multiply-adds of one call: well under 100 µs.
const armMACs = 50_000

// walk runs the panel's function over the output rows from to to, counted over all images. Pixels whose windows lie inside of the image go in runs along a row; at its edges, one pixel
// at a time, the taps outside read the halo.
func (p *armPanel[T, P]) walk(t *armDepthwise, dst, src, halo []T, g *Geometry, extra []int, from, to int) {
	t.w, t.par, t.groups = unsafe.Pointer(&p.w[0]), unsafe.Pointer(&p.par[0]), p.n
	size, taps := int(unsafe.Sizeof(halo[0])), g.KH*g.KW+len(extra)
	t.ldd, t.step = g.OutC*size, g.StrideW*g.C*size
	t.quads, t.rest = taps/4, taps%4
	most := max(1, armMACs/(taps*g.C))
	left, right := g.inside()
	for row := from; row < to; row++ {
		b, y0 := row/g.OutH, row%g.OutH*g.StrideH-g.PadTop
		rows := y0 >= 0 && y0+(g.KH-1)*g.DilH < g.H
		for ox := 0; ox < g.OutW; ox += t.pixels {
			t.pixels = 1
			if rows && ox >= left && ox < right {
				t.pixels = min(right-ox, most)
			}
			x0 := ox*g.StrideW - g.PadLeft
			for ky, i := 0, 0; ky < g.KH; ky++ {
				y := y0 + ky*g.DilH
				for x := x0; x < x0+g.KW*g.DilW; x += g.DilW {
					if y < 0 || y >= g.H || x < 0 || x >= g.W {
						t.src[i] = unsafe.Pointer(&halo[p.first])
					} else {
						t.src[i] = unsafe.Pointer(&src[((b*g.H+y)*g.W+x)*g.C+p.first])
					}
					i++
				}
			}
			for i, tap := range extra {
				t.src[g.KH*g.KW+i] = t.src[tap]
			}
			t.dst = unsafe.Pointer(&dst[(row*g.OutW+ox)*g.OutC+p.first])
			call.Tile(p.fn, unsafe.Pointer(t))
		}
	}
}

// inside returns the first and the end of the output columns whose windows lie inside of the image's width.
func (g *Geometry) inside() (left, right int) {
	last := g.W - 1 - (g.KW-1)*g.DilW + g.PadLeft // where the last such window begins, counted from the padding
	if last < 0 {
		return 0, 0
	}
	return (g.PadLeft + g.StrideW - 1) / g.StrideW, min(g.OutW, last/g.StrideW+1)
}
