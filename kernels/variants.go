package kernels

import (
	"slices"

	"wayside/kernels/attention"
	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/pool"
	"wayside/kernels/requant"
	"wayside/kernels/rnn"
	"wayside/kernels/vec"
)

// Variant is one kernel at work on data of a fixed shape, for comparing the kernels of a machine.
type Variant struct {
	ID     string // family/types/tile/isa, as inspect shows it for a model's step
	Tier   string // the lowest tier that has it
	Work   string // what it computes, for people
	MACs   int64
	Elems  int64 // elements that it computes, of kernels that multiply nothing
	Chosen bool  // the one that a model would get with the limit that holds
	run    func()
}

// Run does the work n times. As Limit it must not be called while a model runs.
func (v *Variant) Run(n int) {
	defer limited(v.Tier)()
	for range n {
		v.run()
	}
}

// limited sets a limit and returns what restores the one before. Only names of tiers are given to it.
func limited(tier string) func() {
	before := cpu.Best().String()
	_ = cpu.Limit(tier)
	return func() { _ = cpu.Limit(before) }
}

// form is one way to do a piece of work.
type form struct {
	id    string
	macs  int64
	elems int64
	run   func()
}

// work is a shape of data. Its forms are those that the limit allows, first the one that a model would get.
type work struct {
	name  string
	forms func() []form
}

// works are the shapes: the layers that most of the time of small networks goes to.
var works = []work{
	{"int8 matrix product, 196 rows of 256 to 256", func() []form { return denseS8(196, 256, pattern(make([]int8, 256*256))) }},
	{"int8 matrix product, 1 row of 640 to 128", func() []form { return denseS8(1, 128, pattern(make([]int8, 128*640))) }},
	{"int8 matrix product, 1 row of 640 to 128, weights of four bits", func() []form { return denseS8(1, 128, fourBits(128*640)) }},
	{"float32 matrix product, 196 rows of 256 to 256", func() []form { return denseF32(196, 256, weights(256*256)) }},
	{"float32 matrix product, 1 row of 640 to 128", func() []form { return denseF32(1, 128, weights(128*640)) }},
	{"float32 matrix product, 1 row of 640 to 128, weights of bfloat16", func() []form { return denseF32(1, 128, pattern(make([]float32, 128*640))) }},
	{"float32 matrix product, 1 row of 640 to 128, weights of float16", func() []form { return denseF32(1, 128, halves(128*640)) }},
	{"int8 convolution 3×3, 28×28×32 to 32", convS8},
	{"float32 convolution 3×3, 28×28×32 to 32", convF32},
	{"int8 depthwise convolution 3×3, 28×28×128", depthwiseS8},
	{"float32 depthwise convolution 3×3, 28×28×128", depthwiseF32},
	{"float32 attention, a head of 64 queries and keys of 32", attend},
	{"float32 GRU of 64, 32 steps", gru},
	{"float32 LSTM of 64, 32 steps", lstm},
	{"int8 sum of 28×28×128 and as many", sumS8},
	{"float32 logistic function of 16384", logistic},
	{"int8 softmax, 64 rows of 64", softmaxS8},
	{"float32 softmax, 64 rows of 64", softmaxF32},
	{"float32 layer normalization, 64 rows of 128", normalize},
	{"int8 maximum of 2×2, 56×56×64", maxS8},
	{"float32 average of 3×3, 28×28×64", averageF32},
}

// Variants returns every kernel of this machine for each of a few fixed shapes, from the slowest tier to the fastest, whatever the limit. The
// number of threads is the one set by Threads before. As Limit it must not be called while a model runs.
func Variants() []*Variant {
	best := cpu.Best()
	var all []*Variant
	for _, w := range works {
		first := len(all)
		for _, t := range cpu.Tiers() {
			if !cpu.Supported(t) {
				continue
			}
			var forms []form
			func() {
				defer limited(t.String())()
				forms = w.forms()
			}()
			for i := range forms {
				// The last resort comes first, so that the speeds of a tier ascend.
				f := &forms[len(forms)-1-i]
				same := slices.IndexFunc(all[first:], func(o *Variant) bool { return o.ID == f.id })
				if same < 0 {
					same = len(all) - first
					all = append(all, &Variant{ID: f.id, Tier: t.String(), Work: w.name, MACs: f.macs, Elems: f.elems, run: f.run})
				}
				if t == best && f == &forms[0] {
					all[first+same].Chosen = true
				}
			}
		}
	}
	return all
}

// pattern fills s with values of all sizes, the same ones every time.
func pattern[T int8 | float32](s []T) []T {
	seed := uint32(1)
	for i := range s {
		seed = seed*1664525 + 1013904223
		s[i] = T(int8(seed>>24) / 2) // halves stay clear of −128, which some tiles leave to others
	}
	return s
}

// weights returns n float32 weights that need all of their bits.
func weights(n int) []float32 {
	w := pattern(make([]float32, n))
	for i := range w {
		w[i] /= 3
	}
	return w
}

// halves returns n weights that need float16: bfloat16 has too few bits for them.
func halves(n int) []float32 {
	w := pattern(make([]float32, n))
	for i := range w {
		w[i] += 1. / 16
	}
	return w
}

// fourBits returns n weights of four bits.
func fourBits(n int) []int8 {
	w := pattern(make([]int8, n))
	for i := range w {
		w[i] >>= 3
	}
	return w
}

// channels is a rescaling of n channels by something near 1/500.
func channels(n int) requant.Params {
	q := requant.Params{Mult: make([]int32, n), Shift: make([]int32, n), Min: -128, Max: 127}
	for i := range n {
		q.Mult[i], q.Shift[i] = requant.Quantize(0.002 + float64(i)*1e-6)
	}
	return q
}

// denseS8 multiplies m rows with weights of n columns.
func denseS8(m, n int, data []int8) []form {
	k, types := len(data)/n, "s8pc/"
	w := gemm.PackS8In(nil, m, data, n, k, make([]int32, n), 3, 0, channels(n))
	if w.FourBits() {
		types = "s8s4pc/"
	}
	x, dst, scratch := pattern(make([]int8, m*k)), make([]int8, m*n), make([]byte, w.Scratch(m))
	return []form{{id: "gemm/" + types + w.ID(), macs: int64(m) * int64(n) * int64(k), run: func() { gemm.S8(dst, n, x, k, m, w, scratch) }}}
}

func denseF32(m, n int, data []float32) []form {
	k := len(data) / n
	w := gemm.PackF32In(nil, m, data, n, k, make([]float32, n), -1e9, 1e9)
	x, dst := pattern(make([]float32, m*k)), make([]float32, m*n)
	return []form{{id: "gemm/" + w.Types() + "/" + w.ID(), macs: int64(m) * int64(n) * int64(k), run: func() { gemm.F32(dst, n, x, k, m, w) }}}
}

// square is a convolution 3×3 with stride 1 that keeps the size of its picture.
func square(size, in, out, groups int) *conv.Geometry {
	return &conv.Geometry{Batch: 1, H: size, W: size, C: in, OutH: size, OutW: size, OutC: out, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, Groups: groups}
}

// buffers returns an input and an output of a geometry.
func buffers[T int8 | float32](g *conv.Geometry) (src, dst []T) {
	return pattern(make([]T, g.H*g.W*g.C)), make([]T, g.OutH*g.OutW*g.OutC)
}

func convS8() (forms []form) {
	g := square(28, 32, 32, 1)
	k := g.KH * g.KW * g.C
	w, q := pattern(make([]int8, g.OutC*k)), &gemm.Quant{Params: channels(g.OutC), XZero: 3}
	src, dst := buffers[int8](g)
	if c, ok := conv.NewWinogradS8(w, g, q); ok {
		scratch := make([]byte, c.Scratch())
		forms = append(forms, form{id: "conv.winograd/s8pc/" + c.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
	}
	if c, ok := conv.NewDirectS8(w, g, q); ok {
		scratch := make([]byte, c.Scratch())
		forms = append(forms, form{id: "conv.direct/s8pc/" + c.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
	}
	packed := gemm.PackS8In(nil, g.OutH*g.OutW, w, g.OutC, k, make([]int32, g.OutC), 3, 0, q.Params)
	c := conv.NewS8(g, []*gemm.S8Weights{packed}, 3)
	scratch := make([]byte, c.Scratch())
	return append(forms, form{id: "conv/s8pc/" + packed.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
}

func convF32() (forms []form) {
	g := square(28, 32, 32, 1)
	k := g.KH * g.KW * g.C
	w, bias := weights(g.OutC*k), make([]float32, g.OutC)
	src, dst := buffers[float32](g)
	if c, ok := conv.NewWinograd(w, g, bias, -1e9, 1e9); ok {
		scratch := make([]float32, c.Scratch())
		forms = append(forms, form{id: "conv.winograd/f32/" + c.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
	}
	if c, ok := conv.NewDirectF32(w, g, bias, -1e9, 1e9); ok {
		scratch := make([]float32, c.Scratch())
		forms = append(forms, form{id: "conv.direct/f32/" + c.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
	}
	packed := gemm.PackF32(w, g.OutC, k, bias, -1e9, 1e9)
	c := conv.NewF32(g, []*gemm.F32Weights{packed})
	scratch := make([]float32, c.Scratch())
	return append(forms, form{id: "conv/" + packed.Types() + "/" + packed.ID(), macs: g.MACs(), run: func() { c.Run(dst, src, scratch) }})
}

func depthwiseS8() []form {
	const name = "conv.depthwise/s8pc/"
	g := square(28, 128, 128, 128)
	q := &gemm.Quant{Params: channels(g.OutC), XZero: 3, Bias: make([]int64, g.OutC)}
	w := pattern(make([]int8, g.KH*g.KW*g.OutC))
	src, dst := buffers[int8](g)
	if p, ok := conv.PackDepthwiseS8(w, g, q); ok {
		scratch := make([]byte, p.Scratch()+64) // more than 32 bytes lie aligned
		return []form{{id: name + p.ID(), macs: g.MACs(), run: func() { p.Run(dst, src, scratch) }}}
	}
	acc := make([]int32, g.OutC)
	return []form{{id: name + "generic", macs: g.MACs(), run: func() { conv.Depthwise(dst, src, g, w, q, acc) }}}
}

func depthwiseF32() []form {
	g := square(28, 128, 128, 128)
	p := conv.PackDepthwiseF32(weights(g.KH*g.KW*g.OutC), g, nil, -1e9, 1e9)
	src, dst := buffers[float32](g)
	scratch := make([]byte, p.Scratch())
	return []form{{id: "conv.depthwise/f32/" + p.ID(), macs: g.MACs(), run: func() { conv.DepthwiseF32(dst, src, p, scratch) }}}
}

func attend() []form {
	const n, depth = 64, 32
	p := attention.NewF32(attention.Shape{Queries: n, Keys: n, Depth: depth, Values: depth, Scale: 0.0001})
	q, k, v, dst := pattern(make([]float32, n*depth)), pattern(make([]float32, n*depth)), pattern(make([]float32, n*depth)), make([]float32, n*depth)
	scratch := make([]byte, p.Scratch())
	return []form{{id: "attention/f32/" + p.ID(), macs: 2 * n * n * depth, run: func() { p.Head(dst, depth, q, depth, k, depth, v, depth, nil, 0, scratch) }}}
}

// Shapes of the recurrent layers: as many inputs as outputs.
const hidden, steps = 64, 32

// gates returns weights of n gates that keep the state within bounds, and inputs for all steps.
func gates(n int) (w, r rnn.Matrix, x []float32) {
	all := weights(2 * n * hidden * hidden)
	for i := range all {
		all[i] /= 256
	}
	return rnn.Matrix{F32: all[:n*hidden*hidden]}, rnn.Matrix{F32: all[n*hidden*hidden:]}, pattern(make([]float32, steps*hidden))
}

// sequence is the form of a packed layer, or of the plain cell where there is none.
func sequence(id string, macs int64, p *rnn.Packed, x []float32, step func(x []float32)) []form {
	if p == nil {
		return []form{{id: id + "generic", macs: macs, run: func() {
			for i := range steps {
				step(x[i*hidden : (i+1)*hidden])
			}
		}}}
	}
	y, h, c, scratch := make([]float32, steps*hidden), make([]float32, hidden), make([]float32, hidden), make([]float32, p.Scratch(steps))
	walk := p.Walk()
	return []form{{id: id + p.ID(), macs: macs, run: func() { walk.Run(y, hidden, h, c, x, hidden, steps, false, scratch) }}}
}

func gru() []form {
	w, r, x := gates(3)
	g := rnn.GRU{Input: hidden, Hidden: hidden, W: w, R: r, LinearBeforeReset: true, F: rnn.Sigmoid, G: rnn.Tanh}
	h, scratch := make([]float32, hidden), make([]float32, g.Scratch())
	return sequence("rnn.gru/f32/", 2*3*hidden*hidden*steps, g.Pack(), x, func(x []float32) { g.Step(h, x, scratch) })
}

func lstm() []form {
	w, r, x := gates(4)
	l := rnn.LSTM{Input: hidden, Hidden: hidden, W: w, R: r, F: rnn.Sigmoid, G: rnn.Tanh, H: rnn.Tanh}
	h, c, scratch := make([]float32, hidden), make([]float32, hidden), make([]float32, l.Scratch())
	return sequence("rnn.lstm/f32/", 2*4*hidden*hidden*steps, l.Pack(), x, func(x []float32) { l.Step(h, c, x, scratch) })
}

func sumS8() []form {
	const n = 28 * 28 * 128
	// As TensorFlow Lite rescales: inputs by half and less into 20 bits more, and back.
	const left = 20
	half := vec.Rescale{Zero: 3, Left: left}
	half.Mult, half.Shift = requant.Quantize(0.5)
	less := vec.Rescale{Zero: -4, Left: left}
	less.Mult, less.Shift = requant.Quantize(0.371357)
	q := vec.Store{Lo: -128, Hi: 127}
	q.Mult, q.Shift = requant.Quantize(1.097135 / (1 << left))
	a, b, dst, rows := pattern(make([]int8, n)), pattern(make([]int8, n)), make([]int8, n), &vec.Rows{N: n, SA: 1, SB: 1, Count: 1}
	prepared := func(elems int) form {
		p := vec.NewSumS8(&half, &less, false, &q)
		p.Prepare(elems)
		return form{id: "vec.add/s8/" + p.ISA(), elems: n, run: func() { p.Run(dst, a, b, rows) }}
	}
	return []form{prepared(n), prepared(0)}
}

func logistic() []form {
	const n = 1 << 14
	x, dst := pattern(make([]float32, n)), make([]float32, n)
	return []form{{id: "vec.logistic/f32/" + vec.FnLogistic.ISA(), elems: n, run: func() { vec.FnLogistic.Map(dst, x) }}}
}

func softmaxS8() []form {
	const n, depth = 64 * 64, 64
	t := vec.NewSoftmaxS8Table(1, 0.1)
	x, dst, scratch := pattern(make([]int8, n)), make([]int8, n), make([]int32, vec.SoftmaxS8Scratch(depth))
	return []form{{id: "vec.softmax/s8/" + vec.SoftmaxS8ISA(), elems: n, run: func() { vec.SoftmaxS8(dst, x, depth, t, scratch) }}}
}

func softmaxF32() []form {
	const n, depth = 64 * 64, 64
	x, dst := pattern(make([]float32, n)), make([]float32, n)
	return []form{{id: "vec.softmax/f32/" + vec.ISA(), elems: n, run: func() { vec.SoftmaxF32(dst, x, depth, 1) }}}
}

func normalize() []form {
	const n, depth = 64 * 128, 128
	x, dst, scale, shift := pattern(make([]float32, n)), make([]float32, n), pattern(make([]float32, depth)), pattern(make([]float32, depth))
	return []form{{id: "vec.layer_norm/f32/" + vec.LayerNormISA(), elems: n, run: func() { vec.LayerNormF32(dst, x, scale, shift, depth, 1e-5) }}}
}

func maxS8() []form {
	g := &pool.Geometry{Batch: 1, H: 56, W: 56, C: 64, OutH: 28, OutW: 28, KH: 2, KW: 2, StrideH: 2, StrideW: 2}
	x, dst := pattern(make([]int8, g.H*g.W*g.C)), make([]int8, g.OutH*g.OutW*g.C)
	return []form{{id: "pool.max/s8/" + pool.ISA(1), elems: int64(len(dst)), run: func() { pool.MaxS8(dst, x, g, -128, 127) }}}
}

func averageF32() []form {
	g := &pool.Geometry{Batch: 1, H: 28, W: 28, C: 64, OutH: 28, OutW: 28, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1}
	x, dst := pattern(make([]float32, g.H*g.W*g.C)), make([]float32, g.OutH*g.OutW*g.C)
	return []form{{id: "pool.average/f32/" + pool.ISA(4), elems: int64(len(dst)), run: func() { pool.AverageF32(dst, x, g, -1e9, 1e9) }}}
}
