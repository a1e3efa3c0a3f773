package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// ArgExtremeAttr is the attribute of ArgMax and ArgMin.
type ArgExtremeAttr struct {
	Axis int          // not negative
	Type tensor.DType // of the result: int32 or int64
}

func init() {
	for _, o := range []struct{ name, tflite string }{{"ArgMax", "ARG_MAX"}, {"ArgMin", "ARG_MIN"}} {
		graph.Register(graph.Op{Name: o.name, Infer: inferArgExtreme, Compile: compileArgExtreme},
			graph.Form{Format: graph.TFLite, Op: o.tflite, Min: 1, Max: 3, DTypes: "float32, int8, uint8, int32, bool; places in int32 or int64",
				Lower: func(l *graph.Lower) error { return lowerArgExtreme(l, o.name) }})
	}
}

func lowerArgExtreme(l *graph.Lower, op string) error {
	axis, err := constAxis(l)
	if err != nil {
		return err
	}
	a := ArgExtremeAttr{Axis: axis}
	switch t := l.Attrs().Int(0, "", 0); t {
	case 2:
		a.Type = tensor.S32
	case 4:
		a.Type = tensor.S64
	default:
		return l.Refuse("places in type number %d are not supported; int32 (2) and int64 (4) are", t)
	}
	l.Emit(op, a, l.First(1), l.Outs())
	return nil
}

// constAxis reads a constant axis of input 0 from input 1, which may be a scalar or a list of one.
func constAxis(l *graph.Lower) (int, error) {
	axis, err := constOne(l.NodeCtx, 1, "axis")
	if err != nil {
		return 0, err
	}
	if l.In(0) == nil {
		return 0, l.Refuse("needs an input")
	}
	return axisOf(l, int64(axis), len(l.In(0).Shape))
}

func inferArgExtreme(c *graph.InferCtx) error {
	a := c.N.Attr.(ArgExtremeAttr)
	x := c.In(0)
	if x == nil || len(x.Shape) > maxRank || product(x.Shape) == 0 || a.Axis < 0 || a.Axis >= len(x.Shape) {
		return c.Refuse("needs one input with elements and an axis of it")
	}
	switch x.DType {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S32, tensor.Bool:
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int32 and bool are", x.DType)
	}
	out := append(tensor.Shape{}, x.Shape[:a.Axis]...)
	return c.Set(0, a.Type, append(out, x.Shape[a.Axis+1:]...))
}

func compileArgExtreme(c *graph.CompileCtx) (*graph.Kernel, error) {
	switch c.In(0).DType {
	case tensor.S8:
		return argExtreme[int8](c, "s8"), nil
	case tensor.U8, tensor.Bool:
		return argExtreme[uint8](c, "u8"), nil
	case tensor.S32:
		return argExtreme[int32](c, "s32"), nil
	}
	return argExtreme[float32](c, "f32"), nil
}

func argExtreme[T vec.Number](c *graph.CompileCtx, types string) *graph.Kernel {
	a := c.N.Attr.(ArgExtremeAttr)
	s := c.In(0).Shape
	outer, depth, inner := product(s[:a.Axis]), s[a.Axis], product(s[a.Axis+1:])
	size := c.In(0).DType.Bytes(1)
	least := c.N.Op == "ArgMin"
	k := &graph.Kernel{ID: "vec.argmax/" + types + "/generic"}
	if least {
		k.ID = "vec.argmin/" + types + "/generic"
	}
	k.Run = func(a *graph.Args) error {
		src := tensor.As[T](a.In[0].Data, size)
		if o := a.Out[0]; o.DType == tensor.S64 {
			vec.ArgExtreme(o.S64(), src, outer, depth, inner, least)
		} else {
			vec.ArgExtreme(o.S32(), src, outer, depth, inner, least)
		}
		return nil
	}
	return k
}
