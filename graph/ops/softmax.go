package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// SoftmaxAttr is the attribute of Softmax; Axis must be the last one.
type SoftmaxAttr struct {
	Axis int
	Beta float32
}

func init() {
	graph.Register(graph.Op{Name: "Softmax", Infer: inferSoftmax, Compile: compileSoftmax},
		graph.Form{Format: graph.TFLite, Op: "SOFTMAX", Min: 1, Max: 3, DTypes: "float32, int8, uint8", Lower: func(l *graph.Lower) error {
			l.Emit("Softmax", SoftmaxAttr{-1, l.Attrs().Float(0, "", 0)}, l.Ins(), l.Outs())
			return nil
		}})
}

func inferSoftmax(c *graph.InferCtx) error {
	a := c.N.Attr.(SoftmaxAttr)
	if err := inferMap(c); err != nil {
		return err
	}
	x, o := c.In(0), c.Out(0)
	if len(x.Shape) == 0 || a.Axis != -1 && a.Axis != len(x.Shape)-1 || x.Shape[len(x.Shape)-1] == 0 {
		return c.Refuse("needs at least one axis with elements, and works along the last one")
	}
	if x.DType != tensor.S8 {
		return nil
	}
	if o.Quant.Scale[0] != 1.0/256 || o.Quant.Zero[0] != -128 {
		return c.Refuse("the int8 output must have scale 1/256 and zero point -128, it has %v and %d", o.Quant.Scale[0], o.Quant.Zero[0])
	}
	// The fixed-point form needs a multiplier above one, and sums of at most 2^12 ones.
	if r := float64(a.Beta) * float64(x.Quant.Scale[0]) * (1 << 26); !(r > 1) {
		return c.Refuse("beta %v with the input scale %v is too small", a.Beta, x.Quant.Scale[0])
	}
	if d := x.Shape[len(x.Shape)-1]; d >= 1<<12 {
		return c.Refuse("%d int8 values in a row; up to 4095 are supported", d)
	}
	return nil
}

func compileSoftmax(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SoftmaxAttr)
	x := c.In(0)
	depth := x.Shape[len(x.Shape)-1]
	if x.DType == tensor.F32 {
		beta := a.Beta
		return &graph.Kernel{ID: "vec.softmax/f32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.SoftmaxF32(a.Out[0].F32(), a.In[0].F32(), depth, beta)
			return nil
		}}, nil
	}
	t := vec.NewSoftmaxS8Table(float64(a.Beta), float64(x.Quant.Scale[0]))
	return &graph.Kernel{ID: "vec.softmax/s8/generic", InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S32: 4 * 256}, Run: func(a *graph.Args) error {
		vec.SoftmaxS8(a.Out[0].S8(), a.In[0].S8(), depth, t)
		return nil
	}}, nil
}
