package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/flip"
)

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

// Output pixels are worked on in blocks: patchElems values of input, so that they stay in the second-level cache, but at least leastRows of them, so
// that the weights do not pass by too often.
const (
	patchElems = 48 << 10
	leastRows  = 24
)

// blockRows is how many output pixels are gathered at once.
func (g *Geometry) blockRows() int {
	return min(g.Batch*g.OutH*g.OutW, max(leastRows, patchElems/max(g.rowElems(), 1)))
}

// pointwise reports whether every output pixel reads exactly one input pixel of the same index.
func (g *Geometry) pointwise() bool {
	return g.KH == 1 && g.KW == 1 && g.StrideH == 1 && g.StrideW == 1 && g.PadTop == 0 && g.PadLeft == 0 &&
		g.OutH == g.H && g.OutW == g.W && g.Groups == 1
}

// PatchElems returns the elements of scratch that F32, Rows and Hybrid need.
func (g *Geometry) PatchElems() int {
	if g.pointwise() {
		return 0
	}
	return g.blockRows() * g.rowElems()
}

// MACs returns the multiply-accumulates of a convolution with this geometry.
func (g *Geometry) MACs() int64 {
	return int64(g.Batch) * int64(g.OutH) * int64(g.OutW) * int64(g.OutC) * int64(g.KH*g.KW) * int64(g.C/g.Groups)
}

// ScratchS8 returns the bytes of scratch that S8 needs.
func ScratchS8(g *Geometry, w []*gemm.S8Weights) int {
	if g.pointwise() {
		return w[0].Scratch(g.Batch * g.H * g.W)
	}
	rows, most := g.blockRows(), 0
	for _, p := range w {
		if lda := p.Stride(); lda > 0 {
			most = max(most, rows*lda)
		} else {
			most = max(most, g.PatchElems()+p.Scratch(rows))
		}
	}
	return most
}

// S8 convolves src into dst. w has one packed matrix per group, [OutC/Groups][KH×KW×C/Groups]. Outside of the image the
// input counts as zero, the input zero point of the packing. scratch has ScratchS8 bytes.
func S8(dst, src []int8, g *Geometry, w []*gemm.S8Weights, zero int8, scratch []byte) {
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(w) != g.Groups || len(scratch) < ScratchS8(g, w) {
		panic("conv: slice length mismatch")
	}
	if g.pointwise() {
		gemm.S8(dst, g.OutC, src, g.C, g.Batch*g.H*g.W, w[0], scratch)
		return
	}
	patch := unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(scratch))), len(scratch))
	eachBlock(g, func(gr, pixel, m, at int) {
		if lda := w[gr].Stride(); lda > 0 {
			gatherFlipped(scratch, lda, src, g, gr, pixel, m, zero)
			gemm.S8Rows(dst[at:], g.OutC, scratch, m, w[gr])
			return
		}
		gather(patch, src, g, gr, pixel, m, zero)
		gemm.S8(dst[at:], g.OutC, patch, g.rowElems(), m, w[gr], scratch[g.PatchElems():])
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

// eachBlock calls f for every block of m output pixels, counted over all images, and every group; at is the first output element.
func eachBlock(g *Geometry, f func(group, pixel, m, at int)) {
	rows, pixels, outPerGroup := g.blockRows(), g.Batch*g.OutH*g.OutW, g.OutC/g.Groups
	for pixel := 0; pixel < pixels; pixel += rows {
		m := min(rows, pixels-pixel)
		for gr := range g.Groups {
			f(gr, pixel, m, pixel*g.OutC+gr*outPerGroup)
		}
	}
}

// eachRun calls f for every block of m output pixels of every group with their inputs, m rows of rowElems values; at is the
// first output element.
func eachRun[T int8 | int16 | float32](src []T, g *Geometry, zero T, patch []T, f func(group int, x []T, m, at int)) {
	if g.pointwise() {
		f(0, src, g.Batch*g.H*g.W, 0)
		return
	}
	eachBlock(g, func(gr, pixel, m, at int) {
		gather(patch, src, g, gr, pixel, m, zero)
		f(gr, patch, m, at)
	})
}

// runs calls copied for every run of values that an output pixel reads from src, and filled for every run outside of the image: at is the place in
// the row [KH][KW][C/Groups].
func (g *Geometry) runs(group, pixel int, copied func(at, from, n int), filled func(at, n int)) {
	c := g.C / g.Groups
	ox, oy, b := pixel%g.OutW, pixel/g.OutW%g.OutH, pixel/(g.OutW*g.OutH)
	x0 := ox*g.StrideW - g.PadLeft
	for ky := range g.KH {
		y := oy*g.StrideH - g.PadTop + ky*g.DilH
		at := ky * g.KW * c
		if y < 0 || y >= g.H {
			filled(at, g.KW*c)
			continue
		}
		row := (b*g.H + y) * g.W
		if g.Groups == 1 && g.DilW == 1 {
			// The taps inside of the image are neighbours.
			left := min(max(-x0, 0), g.KW)
			right := min(max(x0+g.KW-g.W, 0), g.KW-left)
			if left > 0 {
				filled(at, left*c)
			}
			if n := g.KW - left - right; n > 0 {
				copied(at+left*c, (row+x0+left)*c, n*c)
			}
			if right > 0 {
				filled(at+(g.KW-right)*c, right*c)
			}
			continue
		}
		for kx := range g.KW {
			x := x0 + kx*g.DilW
			if x < 0 || x >= g.W {
				filled(at+kx*c, c)
				continue
			}
			copied(at+kx*c, (row+x)*g.C+group*c, c)
		}
	}
}

// gather lays the inputs of n output pixels side by side: patch[pixel][KH][KW][C/Groups].
func gather[T int8 | int16 | float32](patch, src []T, g *Geometry, group, pixel, n int, zero T) {
	k := g.rowElems()
	for p := range n {
		out := patch[p*k : p*k+k]
		g.runs(group, pixel+p,
			func(at, from, n int) { copy(out[at:at+n], src[from:from+n]) },
			func(at, n int) { fill(out[at:at+n], zero) })
	}
}

// gatherFlipped is gather with 128 added to each value, rows lda bytes apart.
func gatherFlipped(patch []byte, lda int, src []int8, g *Geometry, group, pixel, n int, zero int8) {
	k := g.rowElems()
	for p := range n {
		out := patch[p*lda : p*lda+k]
		g.runs(group, pixel+p,
			func(at, from, n int) { flip.Copy(out[at:at+n], src[from:from+n]) },
			func(at, n int) { fill(out[at:at+n], byte(zero)^0x80) })
	}
}

func fill[T int8 | uint8 | int16 | float32](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}
