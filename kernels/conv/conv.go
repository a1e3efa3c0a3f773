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
	eachRun(src, g, zero, patch, func(gr int, x []int8, m, at int) {
		gemm.S8(dst[at:], g.OutC, x, g.rowElems(), m, w[gr])
	})
}

// F32 is S8 for float32.
func F32(dst, src []float32, g *Geometry, w []*gemm.F32Weights, patch []float32) {
	check(g, len(dst), len(src), len(w), len(patch))
	eachRun(src, g, 0, patch, func(gr int, x []float32, m, at int) {
		gemm.F32(dst[at:], g.OutC, x, g.rowElems(), m, w[gr])
	})
}

// Rows is S8 with weights as they lie in a file, w[OutC][KH×KW×C/Groups]; q has one entry per group.
func Rows[Y, X, W gemm.Integer](dst []Y, src []X, g *Geometry, w []W, q []gemm.Quant, patch []X) {
	check(g, len(dst), len(src), len(q), len(patch))
	n, k := g.OutC/g.Groups, g.rowElems()
	eachRun(src, g, X(q[0].XZero), patch, func(gr int, x []X, m, at int) {
		gemm.Rows(dst[at:], g.OutC, x, k, m, w[gr*n*k:], n, k, &q[gr])
	})
}

// RowsF32 is Rows for float32, with an optional bias and a clamp.
func RowsF32(dst, src []float32, g *Geometry, w, bias []float32, lo, hi float32, patch []float32) {
	check(g, len(dst), len(src), g.Groups, len(patch))
	n, k := g.OutC/g.Groups, g.rowElems()
	eachRun(src, g, 0, patch, func(gr int, x []float32, m, at int) {
		b := bias
		if b != nil {
			b = b[gr*n:]
		}
		gemm.RowsF32(dst[at:], g.OutC, x, k, m, w[gr*n*k:], n, k, b, lo, hi)
	})
}

// Hybrid convolves one image that was quantized with one scale and zero point; h has one entry per group.
func Hybrid(dst []float32, src []int8, g *Geometry, w []int8, h []gemm.Hybrid, scale float32, zero int32, patch []int8) {
	check(g, len(dst), len(src), len(h), len(patch))
	n, k := g.OutC/g.Groups, g.rowElems()
	eachRun(src, g, int8(zero), patch, func(gr int, x []int8, m, at int) {
		gemm.HybridRows(dst[at:], g.OutC, x, k, m, w[gr*n*k:], n, k, &h[gr], scale, zero)
	})
}

func check(g *Geometry, dst, src, w, patch int) {
	if dst < g.Batch*g.OutH*g.OutW*g.OutC || src < g.Batch*g.H*g.W*g.C || w != g.Groups || patch < g.PatchElems() {
		panic("conv: slice length mismatch")
	}
}

// rowElems is the length of one filter.
func (g *Geometry) rowElems() int { return g.KH * g.KW * (g.C / g.Groups) }

// eachRun calls f for every run of m output pixels of every group with their inputs, m rows of rowElems values; at is the
// first output element.
func eachRun[T int8 | int16 | float32](src []T, g *Geometry, zero T, patch []T, f func(group int, x []T, m, at int)) {
	if g.pointwise() {
		f(0, src, g.Batch*g.H*g.W, 0)
		return
	}
	outPerGroup := g.OutC / g.Groups
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := 0; ox < g.OutW; ox += rowsPerPatch {
				m := min(rowsPerPatch, g.OutW-ox)
				for gr := range g.Groups {
					gather(patch, src, g, gr, b, oy, ox, m, zero)
					f(gr, patch, m, ((b*g.OutH+oy)*g.OutW+ox)*g.OutC+gr*outPerGroup)
				}
			}
		}
	}
}

// gather lays the inputs of n output pixels side by side: patch[pixel][KH][KW][C/Groups].
func gather[T int8 | int16 | float32](patch, src []T, g *Geometry, group, b, oy, ox, n int, zero T) {
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

func fill[T int8 | int16 | float32](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}
