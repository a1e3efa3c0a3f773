package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
	"wayside/kernels/requant"
)

// depthwiseLayer describes the weights of a DepthwiseConv2D node.
func depthwiseLayer(c graph.NodeCtx) layer {
	return layer{x: c.In(0), w: c.In(1), b: c.In(2), o: ownResult(c, c.N.Attr.(DepthwiseAttr).Then), outC: c.In(1).Shape[3], s16: []tensor.DType{tensor.S64}}
}

func inferDepthwise(c *graph.InferCtx) error {
	a := c.N.Attr.(DepthwiseAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(x.Shape) != 4 || len(w.Shape) != 4 {
		return c.Refuse("needs an input and weights of rank 4")
	}
	outC := w.Shape[3]
	if product(x.Shape) == 0 || product(w.Shape) == 0 {
		return c.Refuse("input %v or weights %v are empty", x.Shape, w.Shape)
	}
	if w.Shape[0] != 1 || a.Multiplier < 1 || outC != x.Shape[3]*a.Multiplier {
		return c.Refuse("multiplier %d does not fit input %v and weights %v", a.Multiplier, x.Shape, w.Shape)
	}
	if w.DType == tensor.S4 && x.DType != tensor.S8 {
		return c.Refuse("%s activations with int4 weights are not supported; int8 activations are", x.DType)
	}
	l := depthwiseLayer(c.NodeCtx)
	if err := l.check(c); err != nil {
		return err
	}
	if w.Const == nil && w.Shifted {
		return c.Refuse("uint8 weights that are computed at run time are not supported here; int8 are")
	}
	g, ok := convGeometry(x.Shape, w.Shape[1], w.Shape[2], outC, &a.Conv2DAttr)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v and dilation %v does not fit the input %v", w.Shape[1:3], a.Stride, a.Dilation, x.Shape)
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.OutH, g.OutW, outC})
}

func compileDepthwise(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(DepthwiseAttr)
	l := depthwiseLayer(c.NodeCtx)
	g, _ := convGeometry(l.x.Shape, l.w.Shape[1], l.w.Shape[2], l.outC, &at.Conv2DAttr)
	macs := int64(g.Batch) * int64(g.OutH) * int64(g.OutW) * int64(g.OutC) * int64(g.KH*g.KW)
	k := &graph.Kernel{ID: "conv.depthwise/" + l.types() + "/generic", MACs: macs, Scratch: 4 * g.OutC}
	bias, floats := takeBias(c, 2)
	if l.w.Const == nil {
		compileDepthwiseComputed(k, &l, g, at.Act, bias, floats)
		return k, nil
	}
	if l.x.DType == tensor.F32 && !l.hybrid() {
		wt, _ := c.Take(1)
		data, _ := wt.Floats()
		lo, hi := actRangeF32(at.Act)
		packed := conv.PackDepthwiseF32(data, g, floats, lo, hi)
		then, id := at.after(c.G.Format)
		if then != nil {
			packed.Then(func(x []float32) { then(x, nil) })
		}
		k.ID = "conv.depthwise" + id + "/" + l.types() + "/" + packed.ID()
		k.Scratch, k.Weights = packed.Scratch(), map[tensor.DType]int{tensor.F32: packed.Bytes()}
		k.Run = func(a *graph.Args) error {
			conv.DepthwiseF32(a.Out[0].F32(), a.In[0].F32(), packed, a.Scratch)
			return nil
		}
		return k, nil
	}
	data := takeS8(c, 1)
	if l.hybrid() {
		data = slices.Clone(data)
		h := l.hybrids(at.Act, floats, 1)
		one, size, outSize := *g, g.H*g.W*g.C, g.OutH*g.OutW*g.OutC
		one.Batch = 1
		k.Weights = weightBytes(tensor.S8, len(data), requant.Params{}, nil, floats)
		k.Scratch = 4*g.OutC + size
		k.Run = func(a *graph.Args) error {
			dst, src := a.Out[0].F32(), a.In[0].F32()
			acc, q := tensor.As[int32](a.Scratch[:4*g.OutC], 4), tensor.As[int8](a.Scratch[4*g.OutC:], 1)[:size]
			for b := range g.Batch {
				scale, zero := quantizeDynamic(q, src[b*size:(b+1)*size], true)
				conv.DepthwiseHybrid(dst[b*outSize:(b+1)*outSize], q, &one, data, &h[0], scale, zero, acc)
			}
			return nil
		}
		return k, nil
	}
	if l.x.DType == tensor.S16 {
		data = slices.Clone(data)
		p := l.params(requant.Wide, at.Act, false)
		q := &l.quants(p, bias, 1)[0]
		k.Scratch, k.Weights = 8*g.OutC, weightBytes(tensor.S8, len(data), p, bias, nil)
		k.Run = func(a *graph.Args) error {
			conv.Depthwise(a.Out[0].S16(), a.In[0].S16(), g, data, q, tensor.As[int64](a.Scratch, 8))
			return nil
		}
		return k, nil
	}
	then := thenS8(c, at.Then)
	defer then.count(k)
	p := l.params(requant.Fixed, at.Act, false)
	q := &l.quants(p, bias, 1)[0]
	if g.C == 1 && g.OutC >= leastFilters && compileDirectS8(k, &l, g, filtersFirst(data, g.KH*g.KW, g.OutC), q, then) {
		return k, nil
	}
	if packed, ok := conv.PackDepthwiseS8(data, g, q); ok {
		s8, s32 := packed.Bytes()
		if then.run != nil {
			packed.Then(func(x []int8) { then.run(x, nil) })
		}
		k.ID = "conv.depthwise" + then.id + "/" + l.types() + "/" + packed.ID()
		k.Scratch, k.Weights = packed.Scratch(), map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32}
		k.Run = func(a *graph.Args) error {
			packed.Run(a.Out[0].S8(), a.In[0].S8(), a.Scratch)
			return nil
		}
		return k, nil
	}
	w := make([]int16, len(data)) // without their zero point, which takes a ninth bit
	for i, v := range data {
		w[i] = int16(int32(v) - q.WZero)
	}
	k.Weights = weightBytes(tensor.S16, 2*len(w), p, bias, nil)
	k.Run = func(a *graph.Args) error {
		conv.Depthwise(a.Out[0].S8(), a.In[0].S8(), g, w, q, tensor.As[int32](a.Scratch, 4))
		return nil
	}
	k.ID = "conv.depthwise" + then.id + "/" + l.types() + "/generic"
	then.all(k)
	return k, nil
}

// leastFilters is how many filters of its only channel make a depthwise convolution worth running as the convolution that it is too.
const leastFilters = 8

// filtersFirst returns w[taps][n] as [n][taps].
func filtersFirst(w []int8, taps, n int) []int8 {
	t := make([]int8, taps*n)
	for i := range taps {
		for j := range n {
			t[j*taps+i] = w[i*n+j]
		}
	}
	return t
}

// compileDepthwiseComputed reads weights that another operator computes.
func compileDepthwiseComputed(k *graph.Kernel, l *layer, g *conv.Geometry, act graph.Activation, bias []int64, floats []float32) {
	if l.x.DType == tensor.F32 {
		lo, hi := actRangeF32(act)
		w := conv.PackDepthwiseF32(nil, g, floats, lo, hi)
		k.Weights = map[tensor.DType]int{tensor.F32: w.Bytes()}
		k.Run = func(a *graph.Args) error {
			p := w.With(a.In[1].F32())
			conv.DepthwiseF32(a.Out[0].F32(), a.In[0].F32(), &p, a.Scratch)
			return nil
		}
		return
	}
	s16 := l.x.DType == tensor.S16
	rule := requant.Fixed
	if s16 {
		rule = requant.Wide
		k.Scratch = 8 * g.OutC
	}
	p := l.params(rule, act, false)
	q := &l.quants(p, bias, 1)[0]
	k.Weights = weightBytes(tensor.S8, 0, p, bias, nil)
	k.Run = func(a *graph.Args) error {
		if s16 {
			conv.Depthwise(a.Out[0].S16(), a.In[0].S16(), g, a.In[1].S8(), q, tensor.As[int64](a.Scratch, 8))
		} else {
			conv.Depthwise(a.Out[0].S8(), a.In[0].S8(), g, a.In[1].S8(), q, tensor.As[int32](a.Scratch, 4))
		}
		return nil
	}
}
