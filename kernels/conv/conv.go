package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/flip"
	"wayside/kernels/par"
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
	Store            gemm.Store // gives packed weights their memory; nil for plain memory
}

// Output pixels are worked on in blocks: patchElems values of input, so that they stay in the second-level cache, but at least leastRows of them, so
// that the weights do not pass by too often.
const (
	patchElems = 48 << 10
	leastRows  = 24
)

// blockRows is how many output pixels are gathered at once.
func (g *Geometry) blockRows() int { return g.rowsOf(patchElems) }

// rowsOf is how many output pixels have so many values of input, but at least leastRows of them.
func (g *Geometry) rowsOf(elems int) int {
	return min(g.Batch*g.OutH*g.OutW, max(leastRows, elems/max(g.rowElems(), 1)))
}

// blockRowsS8 is blockRows for int8 products: where tiles read rows of int16, weights are what passes by slowest, and fewer blocks are faster.
func (g *Geometry) blockRowsS8() int {
	const wideElems = 128 << 10
	if !gemm.WideS8Rows() {
		return g.blockRows()
	}
	return g.rowsOf(wideElems)
}

// pointwise reports whether every output pixel reads exactly one input pixel of the same index.
func (g *Geometry) pointwise() bool {
	return g.KH == 1 && g.KW == 1 && g.StrideH == 1 && g.StrideW == 1 && g.PadTop == 0 && g.PadLeft == 0 &&
		g.OutH == g.H && g.OutW == g.W && g.Groups == 1
}

// PatchElems returns the elements of scratch that Rows, RowsF32 and Hybrid need.
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

// sharePixels divides the output pixels of a layer into blocks of at most so many: multiples of what tiles take, where workers get nearly equal shares that
// way.
func (g *Geometry) sharePixels(most int) shared {
	const perWorker = 4
	for tile := 12; ; tile /= 2 {
		s := divide(g.Batch*g.OutH*g.OutW, tile, most, perWorker, g.MACs())
		if tile == 1 || s.workers == 1 || 10*s.workers*s.most() <= 11*s.total {
			return s
		}
	}
}

// S8 is an int8 convolution with packed weights: make one with NewS8, and a copy of it for each session.
type S8 struct {
	g      *Geometry
	w      []*gemm.S8Weights
	zero   int8
	shared shared
	parts  []gemm.S8Part // where workers share the columns instead of the pixels
	after[int8]
	step     int // from one output pixel to the next
	per      int // bytes of scratch of each worker
	dst, src []int8
	scratch  []byte
}

// NewS8 prepares a convolution. w has one packed matrix per group, [OutC/Groups][KH×KW×C/Groups]. Outside of the image the input counts as zero, the
// input zero point of the packing. As many threads as par has at this moment share the work.
func NewS8(g *Geometry, w []*gemm.S8Weights, zero int8) *S8 {
	if len(w) != g.Groups {
		panic("conv: slice length mismatch")
	}
	c := &S8{g: g, w: w, zero: zero, step: g.OutC}
	if g.columnwise(1) {
		c.shared = g.shareColumns()
		c.parts = w[0].Parts(columnParts * c.shared.workers)
	} else {
		c.shared = g.sharePixels(g.blockRowsS8())
	}
	for _, p := range w {
		switch lda := p.Stride(); {
		case g.pointwise():
			c.per = max(c.per, p.Scratch(c.shared.rows))
		case lda > 0:
			c.per = max(c.per, c.shared.rows*lda)
		default:
			c.per = max(c.per, align(c.shared.rows*g.rowElems())+p.Scratch(c.shared.rows))
		}
	}
	c.per = align(c.per)
	return c
}

// Then has f, if it is not nil, change all results in place, while they are in the cache. beside are the values of the session's other tensor at the same
// places, nil without one. It is for use before Scratch and Run.
func (c *S8) Then(f func(x, beside []int8)) {
	if c.then = f; f == nil || len(c.parts) > 1 {
		return
	}
	c.shared = c.g.sharePixels(min(c.g.blockRowsS8(), max(leastRows, thenBytes/c.g.OutC)))
}

// align rounds up to a cache line.
func align(n int) int { return (n + 63) &^ 63 }

// Scratch returns the bytes of scratch that Run needs.
func (c *S8) Scratch() int { return c.per * c.shared.workers }

// Run convolves src into dst. It does not allocate.
func (c *S8) Run(dst, src []int8, scratch []byte) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.scratch = dst, src, scratch
	if len(c.parts) > 1 {
		par.RunPlanned(c, len(c.parts), c.shared.workers)
		return
	}
	c.shared.run(c)
}

// Do implements par.Task: a chunk is a block of output pixels or a part of the columns.
func (c *S8) Do(chunk, worker int) {
	scratch := c.scratch[worker*c.per : (worker+1)*c.per]
	if len(c.parts) > 1 {
		part := &c.parts[chunk]
		for i := range c.shared.chunks {
			pixel, m := c.shared.chunk(i)
			c.block(c.dst[pixel*c.g.OutC+part.First:], 0, pixel, m, part.W, scratch)
			for r := range m {
				c.finish(c.dst, (pixel+r)*c.g.OutC+part.First, part.W.N)
			}
		}
		return
	}
	pixel, m := c.shared.chunk(chunk)
	for gr, w := range c.w {
		c.block(c.dst[pixel*c.g.OutC+gr*(c.g.OutC/c.g.Groups):], gr, pixel, m, w, scratch)
	}
	c.finish(c.dst, pixel*c.g.OutC, m*c.g.OutC)
}

// block computes m pixels of a group.
func (c *S8) block(dst []int8, gr, pixel, m int, w *gemm.S8Weights, scratch []byte) {
	g := c.g
	switch lda := w.Stride(); {
	case g.pointwise():
		gemm.S8(dst, c.step, c.src[pixel*g.C:], g.C, m, w, scratch)
	case lda > 0:
		gatherFlipped(scratch, lda, c.src, g, gr, pixel, m, c.zero)
		gemm.S8Rows(dst, c.step, scratch, m, w)
	default:
		at := align(c.shared.rows * g.rowElems())
		patch := unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(scratch))), at)
		gather(patch, g.rowElems(), c.src, g, gr, pixel, m, c.zero)
		gemm.S8(dst, c.step, patch, g.rowElems(), m, w, scratch[at:])
	}
}

// F32 is a float32 convolution with packed weights: make one with NewF32, and a copy of it for each session.
type F32 struct {
	g      *Geometry
	w      []*gemm.F32Weights
	shared shared
	parts  []gemm.F32Part // where workers share the columns instead of the pixels
	step   int            // from one output pixel to the next
	apart  int            // values from one gathered row to the next
	after[float32]
	dst, src, scratch []float32
}

// Then is S8's.
func (c *F32) Then(f func(x, beside []float32)) {
	if c.then = f; f == nil || len(c.parts) > 1 {
		return
	}
	c.shared = c.g.sharePixels(min(c.g.blockRows(), max(leastRows, thenBytes/4/c.g.OutC)))
}

// NewF32 is NewS8 for float32.
func NewF32(g *Geometry, w []*gemm.F32Weights) *F32 {
	if len(w) != g.Groups {
		panic("conv: slice length mismatch")
	}
	c := &F32{g: g, w: w, step: g.OutC, apart: gemm.ApartF32(g.rowElems())}
	if g.columnwise(4) {
		c.shared = g.shareColumns()
		c.parts = w[0].Parts(columnParts * c.shared.workers)
	} else {
		c.shared = g.sharePixels(g.blockRows())
	}
	return c
}

// inPlace reports whether rows are multiplied where they lie.
func (c *F32) inPlace() bool { return c.g.pointwise() && c.apart == c.g.C }

// Scratch returns the values of scratch that Run needs.
func (c *F32) Scratch() int {
	if c.inPlace() {
		return 0
	}
	return c.shared.workers * c.shared.rows * c.apart
}

// Run convolves src into dst. It does not allocate.
func (c *F32) Run(dst, src, scratch []float32) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.scratch = dst, src, scratch
	if len(c.parts) > 1 {
		par.RunPlanned(c, len(c.parts), c.shared.workers)
		return
	}
	c.shared.run(c)
}

// Do implements par.Task: a chunk is a block of output pixels or a part of the columns.
func (c *F32) Do(chunk, worker int) {
	g := c.g
	if len(c.parts) > 1 {
		c.columns(&c.parts[chunk], worker)
		return
	}
	pixel, m := c.shared.chunk(chunk)
	for gr, w := range c.w {
		c.block(c.dst[pixel*g.OutC+gr*(g.OutC/g.Groups):], gr, pixel, m, w, c.room(worker))
	}
	c.finish(c.dst, pixel*g.OutC, m*g.OutC)
}

// columns computes some columns of all output pixels.
func (c *F32) columns(p *gemm.F32Part, worker int) {
	for i := range c.shared.chunks {
		pixel, m := c.shared.chunk(i)
		c.block(c.dst[pixel*c.g.OutC+p.First:], 0, pixel, m, p.W, c.room(worker))
		for r := range m {
			c.finish(c.dst, (pixel+r)*c.g.OutC+p.First, p.W.N)
		}
	}
}

// room is a worker's part of the scratch memory.
func (c *F32) room(worker int) []float32 {
	if c.inPlace() {
		return nil
	}
	n := c.shared.rows * c.apart
	return c.scratch[worker*n : (worker+1)*n]
}

// block computes m pixels of a group.
func (c *F32) block(dst []float32, gr, pixel, m int, w *gemm.F32Weights, patch []float32) {
	g := c.g
	if c.inPlace() {
		gemm.F32(dst, c.step, c.src[pixel*g.C:], g.C, m, w)
		return
	}
	gather(patch, c.apart, c.src, g, gr, pixel, m, 0)
	gemm.F32(dst, c.step, patch, c.apart, m, w)
}

// Rows convolves src into dst with weights as they lie in a file, w[OutC][KH×KW×C/Groups]; q has one entry per group.
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

// eachRun calls f for every block of m output pixels of every group with their inputs, m rows of rowElems values; at is the
// first output element.
func eachRun[T int8 | int16 | float32](src []T, g *Geometry, zero T, patch []T, f func(group int, x []T, m, at int)) {
	if g.pointwise() {
		f(0, src, g.Batch*g.H*g.W, 0)
		return
	}
	rows, pixels, outPerGroup := g.blockRows(), g.Batch*g.OutH*g.OutW, g.OutC/g.Groups
	for pixel := 0; pixel < pixels; pixel += rows {
		m := min(rows, pixels-pixel)
		for gr := range g.Groups {
			gather(patch, g.rowElems(), src, g, gr, pixel, m, zero)
			f(gr, patch, m, pixel*g.OutC+gr*outPerGroup)
		}
	}
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

// gather lays the inputs of n output pixels side by side, rows [KH][KW][C/Groups] that lie apart.
func gather[T int8 | int16 | float32](patch []T, apart int, src []T, g *Geometry, group, pixel, n int, zero T) {
	if g.Groups == 1 && g.DilW == 1 {
		for done := 0; done < n; {
			m := min(n-done, g.OutW-(pixel+done)%g.OutW)
			gatherLine(patch[done*apart:], apart, src, g, pixel+done, m, zero)
			done += m
		}
		return
	}
	k := g.rowElems()
	for p := range n {
		out := patch[p*apart : p*apart+k]
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

// fill sets all of s to v, by copying what is filled already.
func fill[T int8 | uint8 | int16 | float32](s []T, v T) {
	if len(s) == 0 {
		return
	}
	s[0] = v
	for n := 1; n < len(s); n *= 2 {
		copy(s[n:], s[:n])
	}
}
