package conv

import "wayside/kernels/gemm"

// Geometry is the shape of a convolution over NHWC data. Groups divides C and the output channels.
type Geometry struct {
	Batch, H, W, C   int
	OutH, OutW, OutC int
	KH, KW           int
	StrideH, StrideW int
	DilH, DilW       int
	PadTop, PadLeft  int
	Groups           int
}

// rowsPerPatch bounds how many output pixels are gathered at once, so that the patch stays in the first-level cache.
const rowsPerPatch = 32

// pointwise reports whether every output pixel reads exactly one input pixel of the same index.
func (g *Geometry) pointwise() bool {
	return g.KH == 1 && g.KW == 1 && g.StrideH == 1 && g.StrideW == 1 && g.PadTop == 0 && g.PadLeft == 0 &&
		g.OutH == g.H && g.OutW == g.W && g.Groups == 1
}

// PatchElems returns the elements of scratch that S8 and F32 need.
func (g *Geometry) PatchElems() int {
	if g.pointwise() {
		return 0
	}
	return min(g.OutW, rowsPerPatch) * g.KH * g.KW * (g.C / g.Groups)
}

// MACs returns the multiply-accumulates of a convolution with this geometry.
func (g *Geometry) MACs() int64 {
	return int64(g.Batch) * int64(g.OutH) * int64(g.OutW) * int64(g.OutC) * int64(g.KH*g.KW) * int64(g.C/g.Groups)
}

// S8 convolves src into dst. w has one packed matrix per group, [OutC/Groups][KH×KW×C/Groups]. Outside of the image the
// input counts as zero, the input zero point of the packing. patch is scratch of PatchElems elements.
func S8(dst, src []int8, g *Geometry, w []*gemm.S8Weights, zero int8, patch []int8) {
	check(g, len(dst), len(src), len(w), len(patch))
	if g.pointwise() {
		gemm.S8(dst, g.OutC, src, g.C, g.Batch*g.H*g.W, w[0])
		return
	}
	eachPatch(g, func(gr, b, oy, ox, n, at int) {
		gather(patch, src, g, gr, b, oy, ox, n, zero)
		gemm.S8(dst[at:], g.OutC, patch, g.KH*g.KW*(g.C/g.Groups), n, w[gr])
	})
}

// F32 is S8 for float32.
func F32(dst, src []float32, g *Geometry, w []*gemm.F32Weights, patch []float32) {
	check(g, len(dst), len(src), len(w), len(patch))
	if g.pointwise() {
		gemm.F32(dst, g.OutC, src, g.C, g.Batch*g.H*g.W, w[0])
		return
	}
	eachPatch(g, func(gr, b, oy, ox, n, at int) {
		gather(patch, src, g, gr, b, oy, ox, n, 0)
		gemm.F32(dst[at:], g.OutC, patch, g.KH*g.KW*(g.C/g.Groups), n, w[gr])
	})
}

func check(g *Geometry, dst, src, w, patch int) {
	if dst < g.Batch*g.OutH*g.OutW*g.OutC || src < g.Batch*g.H*g.W*g.C || w != g.Groups || patch < g.PatchElems() {
		panic("conv: slice length mismatch")
	}
}

// eachPatch calls f for every run of n output pixels (b, oy, ox..ox+n) of every group; at is the first output element.
func eachPatch(g *Geometry, f func(group, b, oy, ox, n, at int)) {
	outPerGroup := g.OutC / g.Groups
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := 0; ox < g.OutW; ox += rowsPerPatch {
				n := min(rowsPerPatch, g.OutW-ox)
				for gr := range g.Groups {
					f(gr, b, oy, ox, n, ((b*g.OutH+oy)*g.OutW+ox)*g.OutC+gr*outPerGroup)
				}
			}
		}
	}
}

// gather lays the inputs of n output pixels side by side: patch[pixel][KH][KW][C/Groups].
func gather[T int8 | float32](patch, src []T, g *Geometry, group, b, oy, ox, n int, zero T) {
	c := g.C / g.Groups
	k := g.KH * g.KW * c
	for p := range n {
		out := patch[p*k : p*k+k]
		x0 := (ox+p)*g.StrideW - g.PadLeft
		for ky := range g.KH {
			y := oy*g.StrideH - g.PadTop + ky*g.DilH
			line := out[ky*g.KW*c : (ky+1)*g.KW*c]
			if y < 0 || y >= g.H {
				fill(line, zero)
				continue
			}
			row := (b*g.H + y) * g.W
			if g.Groups == 1 && g.DilW == 1 && x0 >= 0 && x0+g.KW <= g.W {
				copy(line, src[(row+x0)*c:(row+x0+g.KW)*c])
				continue
			}
			for kx := range g.KW {
				x := x0 + kx*g.DilW
				cell := line[kx*c : kx*c+c]
				if x < 0 || x >= g.W {
					fill(cell, zero)
					continue
				}
				at := (row+x)*g.C + group*c
				copy(cell, src[at:at+c])
			}
		}
	}
}

func fill[T int8 | float32](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}
