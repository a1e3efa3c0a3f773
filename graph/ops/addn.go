package ops

import (
	"fmt"
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// AddN adds any number of int8 inputs of one shape and one scale. Other types become a chain of Add.
func init() {
	graph.Register(graph.Op{Name: "AddN", Infer: inferAddN, Compile: compileAddN, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "ADD_N", Min: 1, Max: 1, DTypes: "float32, int8, int32", Lower: lowerAddN})
}

func lowerAddN(l *graph.Lower) error {
	x := l.In(0)
	if len(l.N.In) < 2 || x == nil || len(l.N.Out) != 1 {
		return l.Refuse("needs two inputs or more and one output")
	}
	for i := range l.N.In {
		if v := l.In(i); v == nil || v.DType != x.DType || !v.Shape.Equal(x.Shape) {
			return l.Refuse("all inputs must have one type and one shape")
		}
	}
	switch x.DType {
	case tensor.S8:
		l.Emit("AddN", nil, l.Ins(), l.Outs())
		return nil
	case tensor.F32, tensor.S32:
	default:
		return l.Refuse("%s is not supported; float32, int8 and int32 are", x.DType)
	}
	in := l.Ins()
	sum := in[0]
	for i, v := range in[1:] {
		to := l.N.Out[0]
		if i < len(in)-2 {
			to = l.Temp(fmt.Sprintf("sum%d", i), nil)
		}
		l.Emit("Add", BinaryAttr{}, ids(sum, v), ids(to))
		sum = to
	}
	return nil
}

func inferAddN(c *graph.InferCtx) error {
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || x.DType != tensor.S8 || o.Quant == nil {
		return c.Refuse("needs int8 inputs and an output with a scale")
	}
	if x.Shifted {
		return c.Refuse("uint8 is not supported; int8 is")
	}
	for i := range c.N.In {
		v := c.In(i)
		if v == nil || v.DType != x.DType || !v.Shape.Equal(x.Shape) {
			return c.Refuse("all inputs must have one type and one shape")
		}
		if err := checkQuant(v, o); err != nil {
			return err
		}
		if !sameQuant(x, v) {
			return c.Refuse("all inputs must have one scale and zero point")
		}
	}
	if _, _, _, ok := addScales(x, x, o); !ok {
		return c.Refuse("the output scale %v is too small for inputs with the scale %v; make it larger", o.Quant.Scale[0], x.Quant.Scale[0])
	}
	return c.Set(0, tensor.S8, x.Shape)
}

func compileAddN(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	r, _, q, _ := addScales(x, x, o)
	q.Lo, q.Hi = math.MinInt8, math.MaxInt8
	t := r.Table()
	// The reference starts from the stored number 0, which stands for minus the zero point, and not from the real 0.
	start := requant.Mul(-r.Zero<<r.Left, r.Mult, r.Shift)
	return &graph.Kernel{
		ID: "vec.addn/s8/generic", Scratch: 4 * product(x.Shape), Weights: map[tensor.DType]int{tensor.S32: 4 * 256},
		Run: func(a *graph.Args) error {
			sum := tensor.As[int32](a.Scratch, 4)
			for i := range sum {
				sum[i] = start
			}
			for _, in := range a.In {
				vec.GatherS8(sum, in.S8(), t)
			}
			vec.StoreS8(a.Out[0].S8(), sum, &q)
			return nil
		},
	}, nil
}
