//go:build arm || arm64

package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
)

// dwGroups is a depthwise int8 convolution with several outputs for each input channel: for every channel a matrix product of its windows, for which there
// are tiles.
type dwGroups struct {
	*dwRows[int8]
	g     Geometry
	w     []*gemm.S8Weights // [outputs of a channel][taps], one for each channel
	zero  int8              // outside of the image
	block int               // windows that are gathered at once
}

// dwLeastOutputs is for how many outputs of a channel gathering its windows is worth it.
const dwLeastOutputs = 4

// packDwGroups packs w[taps][OutC]; nil where no tile does it.
func packDwGroups(w []int8, g *Geometry, q *gemm.Quant) DepthwiseS8 {
	taps, outputs := g.KH*g.KW, g.OutC/g.C
	if outputs < dwLeastOutputs || taps == 0 {
		return nil
	}
	p := &dwGroups{g: *g, zero: int8(q.XZero)}
	p.g.Groups = g.C
	for c := range g.C {
		first := c * outputs
		one, bias, params := make([]int8, outputs*taps), make([]int32, outputs), q.Params
		for m := range outputs {
			for t := range taps {
				one[m*taps+t] = w[t*g.OutC+first+m]
			}
			if q.Bias != nil {
				bias[m] = int32(q.Bias[first+m])
			}
		}
		if len(q.Mult) > 1 {
			params.Mult, params.Shift = q.Mult[first:first+outputs], q.Shift[first:first+outputs]
		}
		packed := gemm.PackS8(one, outputs, taps, bias, q.XZero, q.WZero, params)
		if packed.ID() == "generic" {
			return nil
		}
		p.w = append(p.w, packed)
	}
	p.block = min(p.g.blockRows(), g.OutH*g.OutW)
	p.dwRows = newDwRows(g, align(p.block*taps)+p.w[0].Scratch(p.block), p.compute)
	return p
}

// ID implements DepthwiseS8.
func (p *dwGroups) ID() string { return p.w[0].ID() }

// Bytes implements DepthwiseS8.
func (p *dwGroups) Bytes() (s8, s32 int) {
	for _, w := range p.w {
		a, b := w.Bytes()
		s8, s32 = s8+a, s32+b
	}
	return s8, s32
}

// Scratch implements DepthwiseS8.
func (p *dwGroups) Scratch() int { return p.scratch() }

// Run implements DepthwiseS8.
func (p *dwGroups) Run(dst, src []int8, scratch []byte) {
	g := &p.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < p.Scratch() {
		panic("conv: slice length mismatch")
	}
	p.run(dst, src, scratch)
}

// compute computes the output rows from to to, counted over all images.
func (p *dwGroups) compute(dst, src []int8, scratch []byte, from, to int) {
	g, taps := &p.g, p.g.KH*p.g.KW
	patch := unsafe.Slice((*int8)(unsafe.Pointer(&scratch[0])), p.block*taps)
	for pixel, end := from*g.OutW, to*g.OutW; pixel < end; pixel += p.block {
		m := min(p.block, end-pixel)
		for c, w := range p.w {
			gather(patch, taps, src, g, c, pixel, m, p.zero)
			gemm.S8(dst[pixel*g.OutC+c*w.N:], g.OutC, patch, taps, m, w, scratch[align(p.block*taps):])
		}
	}
	p.finish(dst, from, to-from)
}
