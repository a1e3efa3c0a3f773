package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/pool"
)

// Pool2DAttr is the attribute of AveragePool2D and MaxPool2D over x[N,H,W,C].
type Pool2DAttr struct {
	Pad      Padding
	Pads     [4]int // top, left, bottom, right
	Stride   [2]int // height, width
	Filter   [2]int
	Act      graph.Activation
	CountPad bool // averages divide by the whole window even where it leaves the image
}

// FuseAct implements graph.ActFuser.
func (a Pool2DAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

func init() {
	graph.Register(graph.Op{Name: "AveragePool2D", Infer: inferPool, Compile: compilePool},
		graph.Form{Format: graph.TFLite, Op: "AVERAGE_POOL_2D", Min: 1, Max: 3, DTypes: "float32, int8, uint8", Lower: lowerPoolTFLite("AveragePool2D")})
	graph.Register(graph.Op{Name: "MaxPool2D", Infer: inferPool, Compile: compilePool},
		graph.Form{Format: graph.TFLite, Op: "MAX_POOL_2D", Min: 1, Max: 3, DTypes: "float32, int8, uint8", Lower: lowerPoolTFLite("MaxPool2D")})
}

func lowerPoolTFLite(op string) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		at := l.Attrs()
		a := Pool2DAttr{
			Stride: [2]int{int(at.Int(2, "", 0)), int(at.Int(1, "", 0))},
			Filter: [2]int{int(at.Int(4, "", 0)), int(at.Int(3, "", 0))},
		}
		var err error
		if a.Pad, err = tflitePadding(l, 0); err != nil {
			return err
		}
		if a.Act, err = fusedAct(l, 5); err != nil {
			return err
		}
		l.Emit(op, a, l.Ins(), l.Outs())
		return nil
	}
}

func poolGeometry(x tensor.Shape, a *Pool2DAttr) (*pool.Geometry, bool) {
	g := &pool.Geometry{
		Batch: x[0], H: x[1], W: x[2], C: x[3], KH: a.Filter[0], KW: a.Filter[1],
		StrideH: a.Stride[0], StrideW: a.Stride[1], CountPad: a.CountPad,
	}
	var okH, okW bool
	g.OutH, g.PadTop, okH = span(g.H, g.KH, g.StrideH, 1, a.Pad, a.Pads[0], a.Pads[2])
	g.OutW, g.PadLeft, okW = span(g.W, g.KW, g.StrideW, 1, a.Pad, a.Pads[1], a.Pads[3])
	return g, okH && okW
}

func inferPool(c *graph.InferCtx) error {
	a := c.N.Attr.(Pool2DAttr)
	x := c.In(0)
	if x == nil || len(x.Shape) != 4 || product(x.Shape) == 0 {
		return c.Refuse("needs one input of rank 4 with elements")
	}
	if x.DType != tensor.F32 && x.DType != tensor.S8 {
		return c.Refuse("%s is not supported; float32 and int8 are", x.DType)
	}
	g, ok := poolGeometry(x.Shape, &a)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v does not fit the input %v", a.Filter, a.Stride, x.Shape)
	}
	if x.DType == tensor.S8 {
		if err := checkQuant(x, c.Out(0)); err != nil {
			return err
		}
		if c.Out(0) == nil || !sameQuant(x, c.Out(0)) {
			return c.Refuse("input and output differ in scale or zero point; pooling needs equal ones")
		}
		if a.CountPad {
			return c.Refuse("counting the padding is not supported for int8")
		}
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.OutH, g.OutW, g.C})
}

func compilePool(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(Pool2DAttr)
	x, o := c.In(0), c.Out(0)
	g, _ := poolGeometry(x.Shape, &a)
	average := c.N.Op == "AveragePool2D"
	id := "pool.max/"
	if average {
		id = "pool.average/"
	}
	if x.DType == tensor.F32 {
		lo, hi := actRangeF32(a.Act)
		run := pool.MaxF32
		if average {
			run = pool.AverageF32
		}
		return &graph.Kernel{ID: id + "f32/generic", Run: func(a *graph.Args) error {
			run(a.Out[0].F32(), a.In[0].F32(), g, lo, hi)
			return nil
		}}, nil
	}
	lo, hi := actRange(tensor.S8, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	if average {
		return &graph.Kernel{ID: id + "s8/generic", Scratch: 4 * g.C, Run: func(a *graph.Args) error {
			pool.AverageS8(a.Out[0].S8(), a.In[0].S8(), g, lo, hi, tensor.As[int32](a.Scratch, 4))
			return nil
		}}, nil
	}
	return &graph.Kernel{ID: id + "s8/generic", Run: func(a *graph.Args) error {
		pool.MaxS8(a.Out[0].S8(), a.In[0].S8(), g, lo, hi)
		return nil
	}}, nil
}
