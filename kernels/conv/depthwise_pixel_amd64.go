package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
)

// dwPixelTile is the argument of the function for one output pixel: blocks of eight channels. The assembly knows the offsets, and moves what tells one
// block from the next.
type dwPixelTile struct {
	src    *int8
	taps   *[2]int // bytes from src to the values of each pair of taps
	pairs  int
	w      *int16 // per block: [pairs][8][2]
	par    *int32 // per block: bias, multiplier, addend, shift, carry limit: [dwPairTerms][8]
	dst    *int8
	blocks int
	lo, hi int8
	exact  bool
}

// dwPixelAt is the place of the function in dwTableAVX2.
const dwPixelAt = 7

// dwPixel is a packed depthwise convolution with one output pixel, as streaming models have that see one step more at each run. Taps outside of the
// image are part of the bias.
type dwPixel struct {
	Geometry
	taps   [][2]int
	w      []int16
	par    []int32
	first  []int // first channel of each block
	lo, hi int8
	exact  bool
	then   func([]int8)
}

// packDepthwisePixel packs w[taps][OutC]; nil for other geometries and where it would not be exact for some channel.
func packDepthwisePixel(w []int8, g *Geometry, q *gemm.Quant) *dwPixel {
	if g.OutH != 1 || g.OutW != 1 || g.C != g.OutC || g.OutC < 8 || g.KH*g.KW > dwMaxTaps {
		return nil
	}
	p := &dwPixel{Geometry: *g, lo: int8(q.Min), hi: int8(q.Max)}
	var inside []int
	for t := range g.KH * g.KW {
		if y, x := t/g.KW*g.DilH-g.PadTop, t%g.KW*g.DilW-g.PadLeft; y >= 0 && y < g.H && x >= 0 && x < g.W {
			inside = append(inside, t)
			if at := (y*g.W + x) * g.C; len(inside)%2 == 1 {
				p.taps = append(p.taps, [2]int{at, at}) // an odd last one stands beside itself, with a weight of zero
			} else {
				p.taps[len(p.taps)-1][1] = at
			}
		}
	}
	if len(inside) == 0 {
		return nil
	}
	// The channels that do not fill a block make one with some of those before.
	for c := 0; c < g.OutC; c += 8 {
		p.first = append(p.first, min(c, g.OutC-8))
	}
	p.w, p.par = make([]int16, len(p.first)*len(p.taps)*16), make([]int32, len(p.first)*dwPairTerms*8)
	for b, first := range p.first {
		for i := range 8 {
			ch, sum, abs := first+i, int64(0), int64(0)
			for n, t := range inside {
				v := int32(w[t*g.OutC+ch]) - q.WZero
				sum += int64(v)
				abs += int64(max(v, -v))
				p.w[((b*len(p.taps)+n/2)*8+i)*2+n%2] = int16(v)
			}
			// What lies outside of the image holds the zero point and adds nothing.
			carry, ok := packDwTerms(p.par[b*dwPairTerms*8+i:], q, ch, sum, abs)
			if !ok {
				return nil
			}
			p.exact = p.exact || carry
		}
	}
	return p
}

// ID implements DepthwiseS8.
func (p *dwPixel) ID() string { return "1x8/avx2" }

// Bytes implements DepthwiseS8.
func (p *dwPixel) Bytes() (s8, s32 int) { return 2 * len(p.w), 4 * len(p.par) }

// Then implements DepthwiseS8.
func (p *dwPixel) Then(f func([]int8)) { p.then = f }

// Scratch implements DepthwiseS8.
func (p *dwPixel) Scratch() int { return 0 }

// Run implements DepthwiseS8.
func (p *dwPixel) Run(dst, src []int8, _ []byte) {
	g, image := &p.Geometry, p.H*p.W*p.C
	if len(dst) < g.Batch*g.OutC || len(src) < g.Batch*image {
		panic("conv: slice length mismatch")
	}
	full, most := g.OutC/8, max(1, dwCallWork/len(p.taps))
	for i := range g.Batch {
		for b := 0; b < full; b += most {
			p.blocks(dst[i*g.OutC:], src[i*image:], b, min(most, full-b))
		}
		if full < len(p.first) {
			p.blocks(dst[i*g.OutC:], src[i*image:], full, 1)
		}
	}
	if p.then != nil {
		p.then(dst[:g.Batch*g.OutC])
	}
}

// blocks computes n blocks of channels that follow each other.
func (p *dwPixel) blocks(dst, src []int8, b, n int) {
	t := dwPixelTile{src: &src[p.first[b]], taps: &p.taps[0], pairs: len(p.taps), w: &p.w[b*len(p.taps)*16], par: &p.par[b*dwPairTerms*8],
		dst: &dst[p.first[b]], blocks: n, lo: p.lo, hi: p.hi, exact: p.exact}
	call.Tile(dwTableAVX2()[dwPixelAt], unsafe.Pointer(&t))
}
