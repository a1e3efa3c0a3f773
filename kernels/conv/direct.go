package conv

import (
	"wayside/kernels/gemm"
	"wayside/kernels/par"
)

// A direct convolution copies the picture once, with a border of padding, and lets the tiles of the matrix product read its windows there: a window is
// some lines of the picture, each in one piece, and neighbouring windows lie a stride apart. Nothing is gathered.

// windows is the geometry of a bordered picture and of the windows in it, in elements.
type windows struct {
	lines, line int   // lines of one image, elements from one to the next
	offsets     []int // where they lie from where the window begins
	step        int   // from one output pixel to the next
	down        int   // from one output line to the next
}

// directable reports whether windows serve this geometry well: one group, and output lines long enough to fill tiles.
func (g *Geometry) directable() bool {
	return g.Groups == 1 && !g.pointwise() && g.OutW >= 4 && g.C*g.KW*g.DilW < 1<<20
}

// windows lays out the bordered picture.
func (g *Geometry) windows() *windows {
	w := &windows{lines: (g.OutH-1)*g.StrideH + (g.KH-1)*g.DilH + 1, step: g.StrideW * g.C}
	w.line = max((g.OutW-1)*g.StrideW+(g.KW-1)*g.DilW+1, 0) * g.C
	w.down = g.StrideH * w.line
	for ky := range g.KH {
		if g.DilW == 1 {
			w.offsets = append(w.offsets, ky*g.DilH*w.line)
			continue
		}
		for kx := range g.KW {
			w.offsets = append(w.offsets, ky*g.DilH*w.line+kx*g.DilW*g.C)
		}
	}
	return w
}

// each calls copied for the part of bordered line y of an image that the picture covers, and filled for the rest: at counts elements of the line.
func (w *windows) each(g *Geometry, b, y int, copied func(at, from, n int), filled func(at, n int)) {
	row := y - g.PadTop
	if row < 0 || row >= g.H {
		filled(0, w.line)
		return
	}
	left := min(g.PadLeft*g.C, w.line)
	n := min(g.W*g.C, w.line-left)
	if left > 0 {
		filled(0, left)
	}
	if n > 0 {
		copied(left, (b*g.H+row)*g.W*g.C, n)
	}
	if rest := w.line - left - n; rest > 0 {
		filled(left+n, rest)
	}
}

// copyLines does the task of copying lines of the picture, a chunk each, shared among workers.
func (w *windows) copyLines(g *Geometry, workers int, t par.Task) {
	lines := g.Batch * w.lines
	if lines > par.MaxChunks {
		workers = 1
	}
	par.RunPlanned(t, lines, workers)
}

// multiply calls run for the lines, or parts of them, that n output pixels from the first on lie in, m pixels each: out is where their outputs begin, at
// where their first window does. Every panel of weights passes over all of them before the next.
func (w *windows) multiply(g *Geometry, first, n, panels int, run func(panel, out, at, m int)) {
	for panel := range panels {
		for pixel := first; pixel < first+n; {
			l, x := pixel/g.OutW, pixel%g.OutW
			m := min(g.OutW-x, first+n-pixel)
			run(panel, pixel*g.OutC, (l/g.OutH)*w.lines*w.line+(l%g.OutH)*w.down+x*w.step, m)
			pixel += m
		}
	}
}

// slackBytes is the room behind a bordered picture: the last segment is read in groups of four.
const slackBytes = 64

// DirectS8 is an int8 convolution that reads windows: make one with NewDirectS8, and a copy of it for each session.
type DirectS8 struct {
	g        *Geometry
	w        *gemm.S8Windows
	win      *windows
	size     int // bytes of a value of the picture
	zero     int8
	shared   shared
	dst, src []int8
	picture  []byte
	borders  s8Borders
	after[int8]
}

// Then is S8's.
func (c *DirectS8) Then(f func(x, beside []int8)) {
	if c.then = f; f == nil {
		return
	}
	c.shared = c.g.shareLines(max(1, thenBytes/c.g.OutC))
}

// NewDirectS8 packs w[OutC][KH×KW×C] for a geometry; false where gathering is the only or the better way.
func NewDirectS8(w []int8, g *Geometry, q *gemm.Quant) (*DirectS8, bool) {
	if !g.directable() {
		return nil, false
	}
	win := g.windows()
	var bias []int32
	if q.Bias != nil {
		bias = make([]int32, len(q.Bias))
		for i, v := range q.Bias {
			bias[i] = int32(v)
		}
	}
	// Most of the picture would be widened for nothing, or lines fill the tiles badly and gathering them takes little beside the products.
	if (g.KH*g.KW == 1 || g.OutW < 8 && g.rowElems() >= 1024) && gemm.WideS8Rows() {
		return nil, false
	}
	packed, ok := gemm.PackS8Windows(g.Store, w, g.OutC, g.rowElems(), win.offsets, bias, q.XZero, q.WZero, q.Params)
	if !ok {
		return nil, false
	}
	c := &DirectS8{g: g, w: packed, win: win, size: packed.Size(), zero: int8(q.XZero), shared: g.shareLines(g.Batch * g.OutH * g.OutW)}
	return c, true
}

// shareLines divides the output pixels of a layer into runs of at most so many: whole lines where there are enough of them.
func (g *Geometry) shareLines(most int) shared {
	const perWorker, tile = 4, 12
	unit := g.OutW
	if g.Batch*g.OutH < perWorker*par.Workers() {
		unit = tile
	}
	return divide(g.Batch*g.OutH*g.OutW, unit, most, perWorker, g.MACs())
}

// Bytes returns the memory of the packed weights.
func (c *DirectS8) Bytes() (s8, s32 int) { return c.w.Bytes() }

// ID names the tile and the instruction set.
func (c *DirectS8) ID() string { return c.w.ID() }

// Scratch returns the bytes of scratch that Run needs.
func (c *DirectS8) Scratch() int {
	return align(c.g.Batch*c.win.lines*c.win.line*c.size + slackBytes)
}

// s8Borders is the task of copying lines of the picture.
type s8Borders struct{ c *DirectS8 }

// Do implements par.Task: a chunk is a line.
func (t *s8Borders) Do(chunk, _ int) {
	c := t.c
	out := c.picture[chunk*c.win.line*c.size : (chunk+1)*c.win.line*c.size]
	c.win.each(c.g, chunk/c.win.lines, chunk%c.win.lines,
		func(at, from, n int) { c.w.Put(out[at*c.size:(at+n)*c.size], c.src[from:from+n]) },
		func(at, n int) { c.w.Fill(out[at*c.size:(at+n)*c.size], c.zero) })
}

// Run convolves src into dst. It does not allocate.
func (c *DirectS8) Run(dst, src []int8, scratch []byte) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.picture = dst, src, scratch
	c.borders.c = c
	c.win.copyLines(g, c.shared.workers, &c.borders)
	c.shared.run(c)
}

// Do implements par.Task: a chunk is a run of output pixels.
func (c *DirectS8) Do(chunk, _ int) {
	first, n := c.shared.chunk(chunk)
	c.win.multiply(c.g, first, n, c.w.Panels(), func(panel, out, at, m int) {
		c.w.Run(panel, c.dst[out:], c.g.OutC, c.picture, at*c.size, c.win.step*c.size, m)
	})
	c.finish(c.dst, first*c.g.OutC, n*c.g.OutC)
}

// DirectF32 is DirectS8 for float32.
type DirectF32 struct {
	g                 *Geometry
	w                 *gemm.F32Windows
	win               *windows
	bytes             []int // offsets in bytes
	shared            shared
	dst, src, picture []float32
	borders           f32Borders
	after[float32]
}

// Then is S8's.
func (c *DirectF32) Then(f func(x, beside []float32)) {
	if c.then = f; f == nil {
		return
	}
	c.shared = c.g.shareLines(max(1, thenBytes/4/c.g.OutC))
}

// NewDirectF32 is NewDirectS8 for float32, with an optional bias and a clamp. Windows that would be in each other's way in the cache are gathered.
func NewDirectF32(w []float32, g *Geometry, bias []float32, lo, hi float32) (*DirectF32, bool) {
	if !g.directable() {
		return nil, false
	}
	win := g.windows()
	if gemm.ApartF32(win.step) != win.step {
		return nil, false
	}
	packed, ok := gemm.PackF32Windows(g.Store, w, g.OutC, g.rowElems(), len(win.offsets), bias, lo, hi)
	if !ok {
		return nil, false
	}
	c := &DirectF32{g: g, w: packed, win: win, shared: g.shareLines(g.Batch * g.OutH * g.OutW)}
	for _, o := range win.offsets {
		c.bytes = append(c.bytes, 4*o)
	}
	return c, true
}

// Bytes returns the memory of the packed weights.
func (c *DirectF32) Bytes() gemm.FormBytes { return c.w.Bytes() }

// Types names activations and weights as gemm.F32Weights.Types does.
func (c *DirectF32) Types() string { return c.w.Types() }

// ID names the tile and the instruction set.
func (c *DirectF32) ID() string { return c.w.ID() }

// Scratch returns the values of scratch that Run needs.
func (c *DirectF32) Scratch() int { return align(c.g.Batch * c.win.lines * c.win.line) }

// f32Borders is the task of copying lines of the picture.
type f32Borders struct{ c *DirectF32 }

// Do implements par.Task: a chunk is a line.
func (t *f32Borders) Do(chunk, _ int) {
	c := t.c
	out := c.picture[chunk*c.win.line : (chunk+1)*c.win.line]
	c.win.each(c.g, chunk/c.win.lines, chunk%c.win.lines,
		func(at, from, n int) { copy(out[at:at+n], c.src[from:from+n]) },
		func(at, n int) { clear(out[at : at+n]) })
}

// Run convolves src into dst. It does not allocate.
func (c *DirectF32) Run(dst, src, scratch []float32) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.picture = dst, src, scratch
	c.borders.c = c
	c.win.copyLines(g, c.shared.workers, &c.borders)
	c.shared.run(c)
}

// Do implements par.Task: a chunk is a run of output pixels.
func (c *DirectF32) Do(chunk, _ int) {
	first, n := c.shared.chunk(chunk)
	c.win.multiply(c.g, first, n, c.w.Panels(), func(panel, out, at, m int) {
		c.w.Run(panel, c.dst[out:], c.g.OutC, c.picture, at, c.win.step, m, c.bytes)
	})
	c.finish(c.dst, first*c.g.OutC, n*c.g.OutC)
}
