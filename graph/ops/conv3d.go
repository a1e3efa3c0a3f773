package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
)

// Conv3DAttr is the attribute of Conv3D: x[N,D,H,W,C], w[KD,KH,KW,C,O], bias[O] or none. Index 0 is depth, 1 height, 2 width.
type Conv3DAttr struct {
	Pad              Padding
	Stride, Dilation [3]int
	Act              graph.Activation
}

// FuseAct implements graph.ActFuser.
func (a Conv3DAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

func init() {
	graph.Register(graph.Op{Name: "Conv3D", Infer: inferConv3D, Compile: compileConv3D},
		graph.Form{Format: graph.TFLite, Op: "CONV_3D", Min: 1, Max: 1, DTypes: "float32", Lower: lowerConv3D})
}

func lowerConv3D(l *graph.Lower) error {
	at := l.Attrs()
	n := func(slot int, def int64) int { return int(at.Int(slot, "", def)) }
	a := Conv3DAttr{Stride: [3]int{n(1, 0), n(3, 0), n(2, 0)}, Dilation: [3]int{n(5, 1), n(7, 1), n(6, 1)}}
	var err error
	if a.Pad, err = tflitePadding(l, 0); err != nil {
		return err
	}
	if a.Act, err = fusedAct(l, 4); err != nil {
		return err
	}
	out, bias, add := floatBias(l, 2, &a.Act)
	l.Emit("Conv3D", a, append(l.First(2), bias), ids(out))
	add()
	return nil
}

func volume(x, w tensor.Shape, a *Conv3DAttr) (*conv.Volume, bool) {
	g := &conv.Volume{Batch: x[0], C: x[4], OutC: w[4], Stride: a.Stride, Dilation: a.Dilation}
	fits := true
	for i := range 3 {
		g.In[i], g.K[i] = x[i+1], w[i]
		var ok bool
		g.Out[i], g.PadHead[i], ok = span(x[i+1], w[i], a.Stride[i], a.Dilation[i], a.Pad, 0, 0)
		fits = fits && ok
	}
	return g, fits
}

func inferConv3D(c *graph.InferCtx) error {
	a := c.N.Attr.(Conv3DAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(x.Shape) != 5 || len(w.Shape) != 5 {
		return c.Refuse("needs an input and weights of rank 5")
	}
	if x.DType != tensor.F32 || w.DType == tensor.S8 || w.DType == tensor.S4 {
		return c.Refuse("%s activations with %s weights are not supported; float32 is", x.DType, w.DType)
	}
	if product(x.Shape) == 0 || product(w.Shape) == 0 || x.Shape[4] != w.Shape[3] {
		return c.Refuse("weights %v do not fit the input %v", w.Shape, x.Shape)
	}
	l := layer{x: x, w: w, b: c.In(2), o: c.Out(0), outC: w.Shape[4]}
	if err := l.check(c); err != nil {
		return err
	}
	g, ok := volume(x.Shape, w.Shape, &a)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v and dilation %v does not fit the input %v", w.Shape[:3], a.Stride, a.Dilation, x.Shape)
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.Out[0], g.Out[1], g.Out[2], g.OutC})
}

func compileConv3D(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(Conv3DAttr)
	g, _ := volume(c.In(0).Shape, c.In(1).Shape, &at)
	_, bias := takeBias(c, 2)
	var data []float32
	if t, ok := c.Take(1); ok {
		f, _ := t.Floats()
		data = slices.Clone(f)
	}
	lo, hi := actRangeF32(at.Act)
	return &graph.Kernel{
		ID: "conv.volume/f32/generic", Scratch: 4 * g.OutC, Weights: map[tensor.DType]int{tensor.F32: 4 * (len(data) + len(bias))},
		MACs: int64(product(c.Out(0).Shape)) * int64(product(c.In(1).Shape[:4])),
		Run: func(a *graph.Args) error {
			w := data
			if w == nil {
				w = a.In[1].F32()
			}
			conv.VolumeF32(a.Out[0].F32(), a.In[0].F32(), g, w, bias, lo, hi, tensor.As[float32](a.Scratch, 4))
			return nil
		},
	}, nil
}
