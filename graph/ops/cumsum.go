package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// CumSumAttr is the attribute of CumSum, a running sum along one axis.
type CumSumAttr struct {
	Axis               int // not negative
	Exclusive, Reverse bool
}

// MoveAxes implements graph.AxisMover.
func (a CumSumAttr) MoveAxes(perm []int) (any, bool) {
	a.Axis = perm[a.Axis]
	return a, true
}

func init() {
	graph.Register(graph.Op{Name: "CumSum", Infer: inferCumSum, Compile: compileCumSum},
		graph.Form{Format: graph.TFLite, Op: "CUMSUM", Min: 1, Max: 1, DTypes: "float32, int8, int32, int64", Lower: func(l *graph.Lower) error {
			axis, err := constAxis(l)
			if err != nil {
				return err
			}
			at := l.Attrs()
			l.Emit("CumSum", CumSumAttr{axis, at.Int(0, "", 0) != 0, at.Int(1, "", 0) != 0}, l.First(1), l.Outs())
			return nil
		}})
}

// cumSumScale returns the multiplier of the sum: terms are (value − zero) << 19.
func cumSumScale(x, o *graph.Value) float64 {
	return 2 * float64(x.Quant.Scale[0]) / (float64(1<<addShift) * float64(o.Quant.Scale[0]))
}

func inferCumSum(c *graph.InferCtx) error {
	a := c.N.Attr.(CumSumAttr)
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || len(x.Shape) > maxRank || product(x.Shape) == 0 || a.Axis < 0 || a.Axis >= len(x.Shape) {
		return c.Refuse("needs one input with elements and an axis of it")
	}
	switch x.DType {
	case tensor.F32, tensor.S32, tensor.S64:
	case tensor.S8:
		if x.Shifted {
			return c.Refuse("uint8 is not supported; float32, int8, int32 and int64 are")
		}
		if o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(x, o); err != nil {
			return err
		}
		if s := cumSumScale(x, o); !(s > 0 && s < 1) {
			return c.Refuse("scales %v and %v are too far apart", x.Quant.Scale[0], o.Quant.Scale[0])
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, int32 and int64 are", x.DType)
	}
	return c.Set(0, x.DType, x.Shape)
}

func compileCumSum(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(CumSumAttr)
	x, o := c.In(0), c.Out(0)
	r := &vec.Running{
		Outer: product(x.Shape[:a.Axis]), Depth: x.Shape[a.Axis], Inner: product(x.Shape[a.Axis+1:]),
		Exclusive: a.Exclusive, Reverse: a.Reverse,
	}
	switch x.DType {
	case tensor.S32:
		return cumSum[int32]("s32", 4, r), nil
	case tensor.S64:
		return cumSum[int64]("s64", 8, r), nil
	case tensor.S8:
		half, _ := requant.Quantize(0.5)
		term := &[256]int32{}
		for v := int32(math.MinInt8); v <= math.MaxInt8; v++ {
			term[uint8(v)] = requant.Mul((v-x.Quant.Zero[0])<<addShift, half, 0)
		}
		// The reference begins with the negative zero point where a real zero would be 0.
		first := requant.Mul(-x.Quant.Zero[0]<<addShift, half, 0)
		m, shift := requant.Quantize(cumSumScale(x, o))
		zero := o.Quant.Zero[0]
		return &graph.Kernel{ID: "vec.cumsum/s8/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.CumSumS8(a.Out[0].S8(), a.In[0].S8(), r, first, term, m, shift, zero)
			return nil
		}}, nil
	}
	return cumSum[float32]("f32", 4, r), nil
}

func cumSum[T vec.Number](types string, size int, r *vec.Running) *graph.Kernel {
	return &graph.Kernel{ID: "vec.cumsum/" + types + "/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		vec.CumSum(tensor.As[T](a.Out[0].Data, size), tensor.As[T](a.In[0].Data, size), r)
		return nil
	}}
}
