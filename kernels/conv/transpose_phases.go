package conv

import (
	"slices"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/par"
)

// phase is the output pixels of a transposed convolution that have the same distances from the input pixels around them: every StrideH-th line from y on,
// every StrideW-th column from x on. An ordinary convolution with a part of the taps, in their opposite order, computes them; none of its products is with
// a zero between input pixels.
type phase struct {
	g    Geometry
	y, x int
	taps []int // of the transposed convolution, by the taps of the ordinary one
}

// axis returns the ordinary convolution along an axis for the outputs o, o+stride and so on, of so many: how many taps it has and the first of them in the
// transposed one, its outputs, and what it lacks before the first input. The other taps follow in steps of −stride.
func axis(o, outs, k, pad, stride int) (taps, first, n, before int) {
	least := (o + pad) % stride
	if least >= k || o >= outs {
		return 0, 0, 0, 0
	}
	taps = (k - least + stride - 1) / stride
	return taps, least + (taps-1)*stride, (outs - o + stride - 1) / stride, taps - 1 - (o+pad)/stride
}

// phases divides a transposed convolution; nil where some of its output pixels are reached by no input.
func (g *Geometry) phases() (all []phase) {
	for y := range min(g.StrideH, g.OutH) {
		rows, ky, h, top := axis(y, g.OutH, g.KH, g.PadTop, g.StrideH)
		for x := range min(g.StrideW, g.OutW) {
			columns, kx, w, left := axis(x, g.OutW, g.KW, g.PadLeft, g.StrideW)
			if rows == 0 || columns == 0 {
				return nil
			}
			p := phase{g: *g, y: y, x: x}
			p.g.OutH, p.g.OutW, p.g.KH, p.g.KW, p.g.StrideH, p.g.StrideW, p.g.PadTop, p.g.PadLeft = h, w, rows, columns, 1, 1, top, left
			for i := range rows {
				for j := range columns {
					p.taps = append(p.taps, (ky-i*g.StrideH)*g.KW+kx-j*g.StrideW)
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// weightsOf returns the phase's part of w[OutC][KH×KW][C].
func weightsOf[T any](w []T, g *Geometry, p *phase) []T {
	part := make([]T, 0, g.OutC*len(p.taps)*g.C)
	for o := range g.OutC {
		for _, t := range p.taps {
			part = append(part, w[(o*g.KH*g.KW+t)*g.C:][:g.C]...)
		}
	}
	return part
}

// transposed is a transposed convolution divided into phases whose lines workers share. L is the convolution of a phase.
type transposed[T int8 | float32, L any] struct {
	g        *Geometry
	phases   []phase
	layers   []L
	first    []int // line of each phase, of all of their lines
	lines    shared
	dst, src []T
}

func newTransposed[T int8 | float32, L any](g *Geometry) (t transposed[T, L], ok bool) {
	if cpu.Best() == cpu.Generic || len(g.phases()) == 0 {
		return t, false
	}
	t.g, t.phases = g, g.phases()
	n := 0
	for i := range t.phases {
		t.first = append(t.first, n)
		n += g.Batch * t.phases[i].g.OutH
	}
	t.lines = divide(n, 1, n, 4, int64(g.Batch)*int64(g.H)*int64(g.W)*int64(g.C)*int64(g.OutC)*int64(g.KH*g.KW))
	return t, true
}

// do calls f for the output pixels of a chunk of lines, so many of one line at a time: for the phase, its output pixel, and where that lies in dst.
func (t *transposed[T, L]) do(chunk int, most func(phase int) int, f func(phase, pixel, m, at int)) {
	line, n := t.lines.chunk(chunk)
	for ; n > 0; line, n = line+1, n-1 {
		i, exact := slices.BinarySearch(t.first, line)
		if !exact {
			i--
		}
		p := &t.phases[i]
		own := line - t.first[i] // of the phase, over all images
		y := own/p.g.OutH*t.g.OutH + p.y + own%p.g.OutH*t.g.StrideH
		for x := 0; x < p.g.OutW; x += most(i) {
			f(i, own*p.g.OutW+x, min(most(i), p.g.OutW-x), (y*t.g.OutW+p.x+x*t.g.StrideW)*t.g.OutC)
		}
	}
}

// TransposedF32 is a transposed convolution of float32 values with packed weights: make one with NewTransposedF32, and a copy of it for each session.
type TransposedF32 struct {
	transposed[float32, F32]
	per     int // values of scratch of each worker
	scratch []float32
}

// NewTransposedF32 packs w[OutC][KH][KW][C] for tiles; bias may be nil; results are clamped to lo and hi. It returns false where TransposeF32 is to be
// used: for weights that are not finite, for outputs that no input reaches, and where only generic kernels run. g.Store gives the memory.
func NewTransposedF32(w []float32, g *Geometry, bias []float32, lo, hi float32) (*TransposedF32, bool) {
	base, ok := newTransposed[float32, F32](g)
	if !ok || !finite(w) {
		return nil, false
	}
	t := &TransposedF32{transposed: base}
	for i := range t.phases {
		p := &t.phases[i]
		packed := gemm.PackF32In(g.Store, g.Batch*p.g.OutH*p.g.OutW, weightsOf(w, g, p), g.OutC, p.g.rowElems(), bias, lo, hi)
		layer := NewF32(&p.g, []*gemm.F32Weights{packed})
		layer.step = g.StrideW * g.OutC
		t.layers = append(t.layers, *layer)
		t.per = max(t.per, layer.shared.rows*layer.apart)
	}
	return t, true
}

// finite reports whether no weight is infinite or not a number: outside of the image, its product with zero must be zero.
func finite(w []float32) bool {
	return !slices.ContainsFunc(w, func(v float32) bool { return v-v != 0 })
}

// Scratch returns the values of scratch that Run needs.
func (t *TransposedF32) Scratch() int { return t.lines.workers * t.per }

// Bytes returns the memory of the packed weights and the bias.
func (t *TransposedF32) Bytes() (n gemm.FormBytes) {
	for i := range t.layers {
		n = n.Plus(t.layers[i].w[0].Bytes())
	}
	return n
}

// ID names the tile and the instruction set.
func (t *TransposedF32) ID() string { return t.layers[0].w[0].ID() }

// Run computes dst of src. It does not allocate.
func (t *TransposedF32) Run(dst, src, scratch []float32) {
	g := t.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < t.Scratch() {
		panic("conv: slice length mismatch")
	}
	t.dst, t.src, t.scratch = dst, src, scratch
	t.lines.run(t)
}

// Do implements par.Task: a chunk is some lines.
func (t *TransposedF32) Do(chunk, worker int) {
	scratch := t.scratch[worker*t.per : (worker+1)*t.per]
	t.do(chunk, func(i int) int { return t.layers[i].shared.rows }, func(i, pixel, m, at int) {
		l := t.layers[i] // which all sessions have
		l.src = t.src
		l.block(t.dst[at:], 0, pixel, m, l.w[0], scratch)
	})
}

var _, _ par.Task = (*TransposedF32)(nil), (*TransposedS8)(nil)

// TransposedS8 is TransposedF32 for int8.
type TransposedS8 struct {
	transposed[int8, S8]
	per     int
	scratch []byte
}

// NewTransposedS8 is NewTransposedF32 for int8 and the quantization q.
func NewTransposedS8(w []int8, g *Geometry, bias []int32, q *gemm.Quant) (*TransposedS8, bool) {
	base, ok := newTransposed[int8, S8](g)
	if !ok {
		return nil, false
	}
	t := &TransposedS8{transposed: base}
	for i := range t.phases {
		p := &t.phases[i]
		packed := gemm.PackS8In(g.Store, g.Batch*p.g.OutH*p.g.OutW, weightsOf(w, g, p), g.OutC, p.g.rowElems(), bias, q.XZero, q.WZero, q.Params)
		layer := NewS8(&p.g, []*gemm.S8Weights{packed}, int8(q.XZero))
		layer.step = g.StrideW * g.OutC
		t.layers = append(t.layers, *layer)
		t.per = max(t.per, layer.per)
	}
	return t, true
}

// Scratch returns the bytes of scratch that Run needs.
func (t *TransposedS8) Scratch() int { return t.lines.workers * t.per }

// Bytes returns the memory of the packed weights and of the parameters.
func (t *TransposedS8) Bytes() (s8, s32 int) {
	for i := range t.layers {
		a, b := t.layers[i].w[0].Bytes()
		s8, s32 = s8+a, s32+b
	}
	return s8, s32
}

// ID names the tile and the instruction set.
func (t *TransposedS8) ID() string { return t.layers[0].w[0].ID() }

// Run computes dst of src. It does not allocate.
func (t *TransposedS8) Run(dst, src []int8, scratch []byte) {
	g := t.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < t.Scratch() {
		panic("conv: slice length mismatch")
	}
	t.dst, t.src, t.scratch = dst, src, scratch
	t.lines.run(t)
}

// Do implements par.Task: a chunk is some lines.
func (t *TransposedS8) Do(chunk, worker int) {
	scratch := t.scratch[worker*t.per : (worker+1)*t.per]
	t.do(chunk, func(i int) int { return t.layers[i].shared.rows }, func(i, pixel, m, at int) {
		l := t.layers[i] // which all sessions have
		l.src = t.src
		l.block(t.dst[at:], 0, pixel, m, l.w[0], scratch)
	})
}
