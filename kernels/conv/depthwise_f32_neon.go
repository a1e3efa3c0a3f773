//go:build arm || arm64

package conv

import (
	"slices"
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// dwF32Neon returns the addresses of the functions: groups of 16 and of 4 channels for windows of nine taps, then of any number.
func dwF32Neon() *[4]uintptr

var dwF32 = dwF32Neon()

// dwF32Arm is a depthwise float32 convolution packed for NEON.
type dwF32Arm struct {
	*dwRows[float32]
	g      Geometry
	panels []armPanel[float32, float32]
	halo   []float32 // a pixel outside of the image
	vec    []float32 // nothing, and the bounds for a vector
}

// packDepthwiseF32Arch packs w[taps][OutC] for NEON; nil where the functions do not fit.
func packDepthwiseF32Arch(w, bias []float32, g *Geometry, lo, hi float32) depthwiseF32Packed {
	taps := g.KH * g.KW
	p := &dwF32Arm{g: *g, panels: armGroups[float32, float32](g.C, 4), halo: make([]float32, g.C), vec: []float32{0, 0, 0, 0, lo, lo, lo, lo, hi, hi, hi, hi}}
	if !cpu.Has(cpu.Neon) || p.panels == nil || taps == 0 || taps > armTaps || g.C != g.OutC {
		return nil
	}
	if !finite(w) {
		return nil
	}
	for i := range p.panels {
		panel := &p.panels[i]
		panel.pack(w, taps, g.C)
		panel.par = slices.Clone(bias[panel.first : panel.first+panel.n*panel.lanes])
		kind := 0
		if panel.lanes < 16 {
			kind = 1
		}
		if taps != 9 {
			kind += 2
		}
		panel.fn = dwF32[kind]
	}
	p.dwRows = newDwRows(g, 0, p.compute)
	return p
}

func (p *dwF32Arm) id() string { return "1x16/neon" }

func (p *dwF32Arm) bytes() int {
	n := len(p.halo) + len(p.vec)
	for i := range p.panels {
		n += len(p.panels[i].w) + len(p.panels[i].par)
	}
	return 4 * n
}

// compute computes the output rows from to to, counted over all images.
func (p *dwF32Arm) compute(dst, src []float32, _ []byte, from, to int) {
	t := armDepthwise{vec: unsafe.Pointer(&p.vec[0])}
	for i := range p.panels {
		p.panels[i].walk(&t, dst, src, p.halo, &p.g, nil, from, to)
	}
	p.finish(dst, from, to-from)
}
