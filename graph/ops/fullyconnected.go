package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
)

// FullyConnectedAttr is the attribute of FullyConnected: x[..., K], w[O,K], bias[O] or none.
type FullyConnectedAttr struct {
	Act      graph.Activation
	KeepDims bool // the output keeps the leading axes of x; otherwise it is [rows, O]
}

// FuseAct implements graph.ActFuser.
func (a FullyConnectedAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

func init() {
	graph.Register(graph.Op{Name: "FullyConnected", Infer: inferFullyConnected, Compile: compileFullyConnected},
		graph.Form{Format: graph.TFLite, Op: "FULLY_CONNECTED", Min: 1, Max: 12, DTypes: "float32, int8, uint8", Lower: func(l *graph.Lower) error {
			act, err := fusedAct(l, 0)
			if err != nil {
				return err
			}
			if f := l.Attrs().Int(1, "", 0); f != 0 {
				return l.Refuse("weights format %d is not supported; the default layout is", f)
			}
			l.Emit("FullyConnected", FullyConnectedAttr{Act: act, KeepDims: l.Attrs().Int(2, "", 0) != 0}, l.Ins(), l.Outs())
			return nil
		}})
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
	if err := checkWeights(c, x, w, n, 0); err != nil {
		return err
	}
	if !clamps(a.Act) {
		return c.Refuse("activation %v cannot be fused", a.Act)
	}
	out := tensor.Shape{product(x.Shape) / k, n}
	if a.KeepDims {
		if x.Shape[len(x.Shape)-1] != k {
			return c.Refuse("keeping axes needs inputs of %d values, they have %d", k, x.Shape[len(x.Shape)-1])
		}
		out = append(append(tensor.Shape{}, x.Shape[:len(x.Shape)-1]...), n)
	}
	return c.Set(0, x.DType, out)
}

func compileFullyConnected(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(FullyConnectedAttr)
	x, w, o := *c.In(0), *c.In(1), *c.Out(0)
	n, k := w.Shape[0], w.Shape[1]
	m := product(x.Shape) / k
	macs := int64(m) * int64(n) * int64(k)
	wt, _ := c.Take(1)
	bias, fbias := takeBias(c)
	if x.DType == tensor.F32 {
		data, _ := wt.Floats()
		lo, hi := actRangeF32(a.Act)
		packed := gemm.PackF32(data, n, k, fbias, lo, hi)
		return &graph.Kernel{
			ID: "gemm/f32/generic", MACs: macs, Weights: map[tensor.DType]int{tensor.F32: packed.Bytes()},
			Run: func(a *graph.Args) error {
				gemm.F32(a.Out[0].F32(), n, a.In[0].F32(), k, m, packed)
				return nil
			},
		}, nil
	}
	lo, hi := actRange(tensor.S8, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	q := requant.Params{Zero: o.Quant.Zero[0], Min: lo, Max: hi}
	if len(w.Quant.Scale) > 1 {
		q.Mult, q.Shift = convScales(x.Quant.Scale[0], o.Quant.Scale[0], w.Quant, n)
	} else {
		// With one scale the reference multiplies input and weight scale in float32.
		mu, sh := requant.Quantize(float64(x.Quant.Scale[0]*w.Quant.Scale[0]) / float64(o.Quant.Scale[0]))
		q.Mult, q.Shift = []int32{mu}, []int32{sh}
	}
	packed := gemm.PackS8(wt.S8(), n, k, bias, x.Quant.Zero[0], w.Quant.Zero[0], q)
	s8, s32 := packed.Bytes()
	return &graph.Kernel{
		ID: "gemm/" + typesS8(&w) + "/generic", MACs: macs, Weights: map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32},
		Run: func(a *graph.Args) error {
			gemm.S8(a.Out[0].S8(), n, a.In[0].S8(), k, m, packed)
			return nil
		},
	}, nil
}
