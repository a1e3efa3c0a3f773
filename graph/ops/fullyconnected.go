package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// FullyConnectedAttr is the attribute of FullyConnected: x[..., K], w[O,K], bias[O] or none.
type FullyConnectedAttr struct {
	Act      graph.Activation
	KeepDims bool        // the output keeps the leading axes of x; otherwise it is [rows, O]
	Asym     bool        // float32 rows get a zero point when they are quantized for integer weights
	Then     *graph.Node // changes int8 results: see graph.ThenFuser
}

// FuseThen implements graph.ThenFuser.
func (a FullyConnectedAttr) FuseThen(n *graph.Node) (any, bool) {
	if a.Then != nil {
		return nil, false
	}
	node := *n
	a.Then = &node
	return a, true
}

// FuseAct implements graph.ActFuser.
func (a FullyConnectedAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || a.Then != nil || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

func init() {
	graph.Register(graph.Op{Name: "FullyConnected", Infer: inferFullyConnected, Compile: compileFullyConnected},
		graph.Form{Format: graph.TFLite, Op: "FULLY_CONNECTED", Min: 1, Max: 14, Lower: lowerFullyConnected,
			DTypes: "float32 with float, int8 or int4 weights; int8 with int8 or int4 weights; int16 with int8, int4 or int16 weights; uint8, also to int16"})
}

func lowerFullyConnected(l *graph.Lower) error {
	act, err := fusedAct(l, 0)
	if err != nil {
		return err
	}
	if f := l.Attrs().Int(1, "", 0); f != 0 {
		return l.Refuse("weights format %d is not supported; the default layout is", f)
	}
	if len(l.N.Out) != 1 {
		return l.Refuse("%d outputs; one is supported", len(l.N.Out))
	}
	a := FullyConnectedAttr{Act: act, KeepDims: l.Attrs().Int(2, "", 0) != 0, Asym: l.Attrs().Int(3, "", 0) != 0}
	out, bias, add := floatBias(l, 2, &a.Act)
	l.Emit("FullyConnected", a, append(l.First(2), bias), ids(out))
	add()
	return nil
}

// denseLayer describes the weights of a FullyConnected node.
func denseLayer(c graph.NodeCtx) layer {
	return layer{x: c.In(0), w: c.In(1), b: c.In(2), o: ownResult(c, c.N.Attr.(FullyConnectedAttr).Then), outC: c.In(1).Shape[0], wide: true, s16: []tensor.DType{tensor.S64, tensor.S32}}
}

func inferFullyConnected(c *graph.InferCtx) error {
	a := c.N.Attr.(FullyConnectedAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(w.Shape) != 2 || len(x.Shape) < 1 {
		return c.Refuse("needs an input and weights of rank 2")
	}
	n, k := w.Shape[0], w.Shape[1]
	if n == 0 || k == 0 || product(x.Shape)%k != 0 {
		return c.Refuse("input %v does not fit weights %v", x.Shape, w.Shape)
	}
	l := denseLayer(c.NodeCtx)
	if err := l.check(c); err != nil {
		return err
	}
	if !clamps(a.Act) {
		return c.Refuse("activation %v cannot be fused", a.Act)
	}
	d := x.DType
	if l.toS16() {
		d = tensor.S16
	}
	out := tensor.Shape{product(x.Shape) / k, n}
	if a.KeepDims {
		if x.Shape[len(x.Shape)-1] != k {
			return c.Refuse("keeping axes needs inputs of %d values, they have %d", k, x.Shape[len(x.Shape)-1])
		}
		out = append(slices.Clone(x.Shape[:len(x.Shape)-1]), n)
	}
	return c.Set(0, d, out)
}

// gemmRows is a multiple of the heights of most tiles.
const gemmRows = 12

// toS16 reports whether uint8 becomes int16.
func (l *layer) toS16() bool { return l.x.Shifted && l.o.DType == tensor.S16 }

// denseRule returns the arithmetic of the reference that decides: tflite-micro where it has the combination of types,
// otherwise LiteRT, which multiplies in float64.
func denseRule(l *layer) requant.Rule {
	pc := len(l.w.Quant.Scale) > 1
	switch {
	case l.x.DType == tensor.S8 && (l.x.Shifted || l.w.DType == tensor.S4 && pc):
		return requant.Float
	case l.x.DType == tensor.S8:
		return requant.Fixed
	case l.b != nil && l.b.DType == tensor.S32 && l.w.DType != tensor.S16:
		return requant.Float
	case l.w.DType == tensor.S4:
		return requant.FloatWide
	}
	return requant.Wide
}

func compileFullyConnected(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(FullyConnectedAttr)
	l := denseLayer(c.NodeCtx)
	n, k := l.w.Shape[0], l.w.Shape[1]
	m := product(l.x.Shape) / k
	kernel := &graph.Kernel{ID: "gemm/" + l.types() + "/generic", MACs: int64(m) * int64(n) * int64(k)}
	bias, floats := takeBias(c, 2)
	if l.x.DType == tensor.F32 {
		if l.hybrid() {
			compileDenseHybrid(c, kernel, &l, &at, m, n, k, floats)
		} else {
			compileDenseF32(c, kernel, &l, &at, m, n, k, floats)
		}
		return kernel, nil
	}
	then := stepS8{}
	if l.o.DType == tensor.S8 {
		then = thenS8(c, at.Then)
	}
	defer then.count(kernel)
	p := l.params(denseRule(&l), at.Act, true)
	q := &l.quants(p, bias, 1)[0]
	if l.w.DType == tensor.S16 {
		var w []int16
		if t, ok := c.Take(1); ok {
			w = slices.Clone(t.S16())
		}
		kernel.Weights = weightBytes(tensor.S16, 2*len(w), p, bias, nil)
		kernel.Run = func(a *graph.Args) error {
			w := w
			if w == nil {
				w = a.In[1].S16()
			}
			gemm.Rows(a.Out[0].S16(), n, a.In[0].S16(), k, m, w, n, k, q)
			return nil
		}
		return kernel, nil
	}
	w := takeS8(c, 1)
	if w != nil && l.x.DType == tensor.S8 && p.Rule == requant.Fixed {
		packed := gemm.PackS8In(c.G.Panels, m, w, n, k, narrow32(bias), q.XZero, q.WZero, p)
		s8, s32 := packed.Bytes()
		kernel.ID = "gemm" + then.id + "/" + l.typesOf(packedAs(packed)) + "/" + packed.ID()
		kernel.Weights = map[tensor.DType]int{packedAs(packed): s8, tensor.S32: s32}
		setDenseS8(kernel, m, packed, then.run)
		return kernel, nil
	}
	w = slices.Clone(w)
	kernel.Weights = weightBytes(tensor.S8, len(w), p, bias, nil)
	s16, toS16 := l.x.DType == tensor.S16, l.toS16()
	kernel.Run = func(a *graph.Args) error {
		w := w
		if w == nil {
			w = a.In[1].S8()
		}
		switch {
		case s16:
			gemm.Rows(a.Out[0].S16(), n, a.In[0].S16(), k, m, w, n, k, q)
		case toS16:
			gemm.Rows(a.Out[0].S16(), n, a.In[0].S8(), k, m, w, n, k, q)
		default:
			gemm.Rows(a.Out[0].S8(), n, a.In[0].S8(), k, m, w, n, k, q)
		}
		return nil
	}
	kernel.ID = "gemm" + then.id + "/" + l.types() + "/generic"
	then.all(kernel)
	return kernel, nil
}

func compileDenseF32(c *graph.CompileCtx, kernel *graph.Kernel, l *layer, at *FullyConnectedAttr, m, n, k int, bias []float32) {
	lo, hi := actRangeF32(at.Act)
	if l.w.Const == nil {
		kernel.Weights = weightBytes(tensor.F32, 0, requant.Params{}, nil, bias)
		p := gemm.NewProductF32(gemm.Product{M: m, K: k, N: n, TransB: true}, bias, lo, hi)
		kernel.ID, kernel.Scratch = "gemm/"+l.types()+"/"+p.ID(), p.Scratch()
		kernel.Run = func(a *graph.Args) error {
			p.Run(a.Out[0].F32(), a.In[0].F32(), a.In[1].F32(), a.Scratch)
			return nil
		}
		return
	}
	wt, _ := c.Take(1)
	data, _ := wt.Floats()
	packed := gemm.PackF32In(c.G.Panels, m, data, n, k, bias, lo, hi)
	kernel.ID = "gemm/" + packed.Types() + "/" + packed.ID()
	kernel.Weights = floatBytes(packed.Bytes())
	setDenseF32(kernel, m, packed)
}

// compileDenseHybrid quantizes each row at run time.
func compileDenseHybrid(c *graph.CompileCtx, kernel *graph.Kernel, l *layer, at *FullyConnectedAttr, m, n, k int, bias []float32) {
	h, w, asym := &l.hybrids(at.Act, bias, 1)[0], takeS8(c, 1), at.Asym
	packed := gemm.PackHybrid(w, n, k, h)
	s8, s32, f32 := packed.Bytes()
	kernel.ID = "gemm/" + l.types() + "/" + packed.ID()
	kernel.Weights = map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32, tensor.F32: f32}
	block := min(m, 32)
	first := (block*k + 63) &^ 63
	kernel.Scratch = first + packed.Scratch(block)
	kernel.Run = func(a *graph.Args) error {
		dst, src, q := a.Out[0].F32(), a.In[0].F32(), tensor.As[int8](a.Scratch[:first], 1)
		var rows [32]gemm.HybridRow
		for i := 0; i < m; i += block {
			b := min(block, m-i)
			for r := range b {
				rows[r].Scale, rows[r].Zero = quantizeDynamic(q[r*k:(r+1)*k], src[(i+r)*k:(i+r+1)*k], asym)
			}
			packed.Run(dst[i*n:], n, q, rows[:b], a.Scratch[first:])
		}
		return nil
	}
}

// quantizeDynamic quantizes float32 inputs for integer weights, with a zero point or without.
func quantizeDynamic(dst []int8, src []float32, asym bool) (scale float32, zero int32) {
	if asym {
		return vec.QuantizeAsymmetric(dst, src)
	}
	return vec.QuantizeSymmetric(dst, src), 0
}
