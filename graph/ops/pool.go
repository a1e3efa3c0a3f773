package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/pool"
)

// Pool2DAttr is the attribute of AveragePool2D, MaxPool2D and L2Pool2D over x[N,H,W,C].
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
	for _, o := range []struct {
		name, tflite string
		max          int
		dtypes       string
	}{
		{"AveragePool2D", "AVERAGE_POOL_2D", 3, "float32, int8, uint8, int16"},
		{"MaxPool2D", "MAX_POOL_2D", 3, "float32, int8, uint8, int16"},
		{"L2Pool2D", "L2_POOL_2D", 1, "float32"},
	} {
		graph.Register(graph.Op{Name: o.name, Infer: inferPool, Compile: compilePool},
			graph.Form{Format: graph.TFLite, Op: o.tflite, Min: 1, Max: o.max, DTypes: o.dtypes, Lower: lowerPoolTFLite(o.name)})
	}
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
	switch {
	case x.DType == tensor.F32:
	case c.N.Op == "L2Pool2D":
		return c.Refuse("%s is not supported; float32 is", x.DType)
	case x.DType != tensor.S8 && x.DType != tensor.U8 && x.DType != tensor.S16:
		return c.Refuse("%s is not supported; float32, int8, uint8 and int16 are", x.DType)
	}
	g, ok := poolGeometry(x.Shape, &a)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v does not fit the input %v", a.Filter, a.Stride, x.Shape)
	}
	switch o := c.Out(0); {
	case x.DType == tensor.F32:
	case o != nil && x.Quant == nil && o.Quant == nil: // plain integers
		if a.Act != graph.ActNone {
			return c.Refuse("%s without a scale has no activation; a scale would say where it limits", x.DType)
		}
	default:
		if o == nil || o.Quant == nil || x.Quant == nil {
			return c.Refuse("input and output need scales, or neither has one")
		}
		if err := checkQuant(x, o); err != nil {
			return err
		}
		const close = 1e-6 // what the reference takes for equal
		if s, t := float64(x.Quant.Scale[0]), float64(o.Quant.Scale[0]); math.Abs(s-t) > close || x.Quant.Zero[0] != o.Quant.Zero[0] {
			return c.Refuse("input and output differ in scale or zero point; pooling needs equal ones")
		}
	}
	if x.DType != tensor.F32 && a.CountPad {
		return c.Refuse("counting the padding is not supported for %s", x.DType)
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.OutH, g.OutW, g.C})
}

func compilePool(c *graph.CompileCtx) (*graph.Kernel, error) {
	switch c.In(0).DType {
	case tensor.S8:
		return poolS8(c), nil
	case tensor.U8:
		return poolInt[uint8](c, "u8", 0, math.MaxUint8), nil
	case tensor.S16:
		return poolInt[int16](c, "s16", math.MinInt16, math.MaxInt16), nil
	}
	a := c.N.Attr.(Pool2DAttr)
	g, _ := poolGeometry(c.In(0).Shape, &a)
	lo, hi := actRangeF32(a.Act)
	switch c.N.Op {
	case "MaxPool2D":
		return poolKernel("pool.max/f32/"+pool.ISA(4), g, 0, func(a *graph.Args, g *pool.Geometry, at int, _ []byte) {
			pool.MaxF32(a.Out[0].F32()[at:], a.In[0].F32(), g, lo, hi)
		}), nil
	case "L2Pool2D":
		return poolKernel("pool.l2/f32/"+pool.ISA(4), g, 0, func(a *graph.Args, g *pool.Geometry, at int, _ []byte) {
			pool.L2F32(a.Out[0].F32()[at:], a.In[0].F32(), g, lo, hi)
		}), nil
	}
	return poolKernel("pool.average/f32/"+pool.ISA(4), g, 0, func(a *graph.Args, g *pool.Geometry, at int, _ []byte) {
		pool.AverageF32(a.Out[0].F32()[at:], a.In[0].F32(), g, lo, hi)
	}), nil
}

// poolKernel makes run a kernel. It gets a geometry, where its outputs begin, and scratch memory: threads share the output lines of one picture.
func poolKernel(id string, g *pool.Geometry, scratch int, run func(a *graph.Args, g *pool.Geometry, at int, scratch []byte)) *graph.Kernel {
	k := &graph.Kernel{ID: id, Scratch: scratch, Work: poolWork(g), Run: func(a *graph.Args) error {
		run(a, g, 0, a.Scratch)
		return nil
	}}
	const perNano = 4
	s := newPartStep(k.Work / perNano)
	if s == nil || g.Batch != 1 || g.OutH < 2 {
		return k
	}
	n := min(s.most, g.OutH)
	for i := range n {
		from, to := i*g.OutH/n, (i+1)*g.OutH/n
		part := *g
		part.OutH, part.PadTop = to-from, g.PadTop-from*g.StrideH
		s.parts = append(s.parts, func(a *graph.Args, scratch []byte) { run(a, &part, from*g.OutW*g.C, scratch) })
	}
	k.Run, s.scratch = nil, scratch
	s.set(k)
	return k
}

// poolWork counts the elements that all windows look at.
func poolWork(g *pool.Geometry) int64 {
	return int64(g.Batch*g.C) * int64(g.OutH) * int64(min(g.KH, g.H)) * int64(g.OutW) * int64(min(g.KW, g.W))
}

// poolS8 pools int8 with the kernels of the machine.
func poolS8(c *graph.CompileCtx) *graph.Kernel {
	a := c.N.Attr.(Pool2DAttr)
	x, o := c.In(0), c.Out(0)
	g, _ := poolGeometry(x.Shape, &a)
	lo, hi := int32(math.MinInt8), int32(math.MaxInt8)
	if o.Quant != nil {
		lo, hi = actRange(x.DType, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	}
	if c.N.Op == "MaxPool2D" {
		return poolKernel("pool.max/s8/"+pool.ISA(1), g, 0, func(a *graph.Args, g *pool.Geometry, at int, _ []byte) {
			pool.MaxS8(a.Out[0].S8()[at:], a.In[0].S8(), g, int8(lo), int8(hi))
		})
	}
	offset := int32(0)
	if x.Shifted {
		offset = 128 // uint8 averages round halves up
	}
	return poolKernel("pool.average/s8/"+pool.ISA(1), g, 4*g.C, func(a *graph.Args, g *pool.Geometry, at int, scratch []byte) {
		pool.AverageS8(a.Out[0].S8()[at:], a.In[0].S8(), g, offset, lo, hi, tensor.As[int32](scratch, 4))
	})
}

// poolInt pools integers but int8. least and most bound the type.
func poolInt[T uint8 | int16](c *graph.CompileCtx, types string, least, most int32) *graph.Kernel {
	a := c.N.Attr.(Pool2DAttr)
	x, o := c.In(0), c.Out(0)
	g, _ := poolGeometry(x.Shape, &a)
	lo, hi := least, most
	if o.Quant != nil {
		lo, hi = actRange(x.DType, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	}
	size := x.DType.Bytes(1)
	if c.N.Op == "MaxPool2D" {
		return &graph.Kernel{ID: "pool.max/" + types + "/generic", Work: poolWork(g), Run: func(a *graph.Args) error {
			pool.Max(tensor.As[T](a.Out[0].Data, size), tensor.As[T](a.In[0].Data, size), g, T(least), T(lo), T(hi))
			return nil
		}}
	}
	return &graph.Kernel{ID: "pool.average/" + types + "/generic", Scratch: 4 * g.C, Work: poolWork(g), Run: func(a *graph.Args) error {
		pool.Average(tensor.As[T](a.Out[0].Data, size), tensor.As[T](a.In[0].Data, size), g, 0, lo, hi, tensor.As[int32](a.Scratch, 4))
		return nil
	}}
}
