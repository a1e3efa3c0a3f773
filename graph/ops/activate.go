package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// ActivateAttr is the attribute of Activate: a plain activation as a node.
type ActivateAttr struct{ Act graph.Activation }

// Activation implements graph.Activator.
func (a ActivateAttr) Activation() graph.Activation { return a.Act }

func init() {
	lower := func(act graph.Activation) func(*graph.Lower) error {
		return func(l *graph.Lower) error {
			l.Emit("Activate", ActivateAttr{act}, l.Ins(), l.Outs())
			return nil
		}
	}
	const types = "float32, int8, uint8"
	graph.Register(graph.Op{Name: "Activate", Infer: inferActivate, Compile: compileActivate, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "RELU", Min: 1, Max: 3, DTypes: types, Lower: lower(graph.ActRelu)},
		graph.Form{Format: graph.TFLite, Op: "RELU6", Min: 1, Max: 3, DTypes: types, Lower: lower(graph.ActRelu6)},
		graph.Form{Format: graph.TFLite, Op: "RELU_N1_TO_1", Min: 1, Max: 2, DTypes: types, Lower: lower(graph.ActReluN1To1)})
	graph.Register(graph.Op{Name: "Logistic", Infer: inferSigmoid, Compile: compileSigmoid, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "LOGISTIC", Min: 1, Max: 3, DTypes: types})
	graph.Register(graph.Op{Name: "Tanh", Infer: inferSigmoid, Compile: compileSigmoid, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "TANH", Min: 1, Max: 3, DTypes: types})
}

// inferMap checks an operator with one input and one output of its shape, in float32 or int8 with scales.
func inferMap(c *graph.InferCtx) error {
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil {
		return c.Refuse("needs one input and one output")
	}
	if x.DType != tensor.F32 && x.DType != tensor.S8 {
		return c.Refuse("%s is not supported; float32 and int8 are", x.DType)
	}
	if x.DType == tensor.S8 {
		if o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(x, o); err != nil {
			return err
		}
	}
	return c.Set(0, x.DType, x.Shape)
}

func lookup(id string, t *[256]int8) *graph.Kernel {
	return &graph.Kernel{ID: id + "/s8/generic", InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S8: 256}, Run: func(a *graph.Args) error {
		vec.LookupS8(a.Out[0].S8(), a.In[0].S8(), t)
		return nil
	}}
}

func inferActivate(c *graph.InferCtx) error {
	if a := c.N.Attr.(ActivateAttr).Act; !clamps(a) {
		return c.Refuse("activation %v is not supported", a)
	}
	return inferMap(c)
}

func compileActivate(c *graph.CompileCtx) (*graph.Kernel, error) {
	act := c.N.Attr.(ActivateAttr).Act
	x, o := c.In(0), c.Out(0)
	if x.DType == tensor.F32 {
		lo, hi := actRangeF32(act)
		return &graph.Kernel{ID: "vec.clamp/f32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.ClampF32(a.Out[0].F32(), a.In[0].F32(), lo, hi)
			return nil
		}}, nil
	}
	m, shift := requant.Quantize(float64(x.Quant.Scale[0]) / float64(o.Quant.Scale[0]))
	lo, hi := actRange(tensor.S8, act, o.Quant.Scale[0], o.Quant.Zero[0])
	zi, zo := x.Quant.Zero[0], o.Quant.Zero[0]
	return lookup("vec.activate", table(func(v int32) int32 {
		return min(max(requant.Mul(v-zi, m, shift)+zo, lo), hi)
	})), nil
}

func inferSigmoid(c *graph.InferCtx) error {
	if err := inferMap(c); err != nil {
		return err
	}
	x, o := c.In(0), c.Out(0)
	if x.DType != tensor.S8 {
		return nil
	}
	scale, zero := float32(1.0/256), int32(-128)
	if c.N.Op == "Tanh" {
		scale, zero = 1.0/128, 0
	}
	if o.Quant.Scale[0] != scale || o.Quant.Zero[0] != zero {
		return c.Refuse("the int8 output must have scale %v and zero point %d, it has %v and %d", scale, zero, o.Quant.Scale[0], o.Quant.Zero[0])
	}
	return nil
}

func compileSigmoid(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	tanh := c.N.Op == "Tanh"
	if x.DType == tensor.F32 {
		id, f := "vec.logistic/f32/generic", vec.LogisticF32
		if tanh {
			id, f = "vec.tanh/f32/generic", vec.TanhF32
		}
		return &graph.Kernel{ID: id, InPlace: []int{0}, Run: func(a *graph.Args) error {
			f(a.Out[0].F32(), a.In[0].F32())
			return nil
		}}, nil
	}
	if tanh {
		return lookup("vec.tanh", sigmoidTable(x.Quant, requant.Tanh, 31-7, 0)), nil
	}
	return lookup("vec.logistic", sigmoidTable(x.Quant, requant.Logistic, 31-8, -128)), nil
}

// sigmoidTable applies a function of Q4.27 numbers to every int8 input: the result is divided by 2^shift and gets the
// output zero point. Inputs beyond the range of Q4.27 saturate.
func sigmoidTable(q *tensor.Quant, f func(int32) int32, shift, zero int32) *[256]int8 {
	const integerBits = 4
	frac, e := math.Frexp(float64(q.Scale[0]) * (1 << (31 - integerBits)))
	m := int32(min(math.Round(frac*(1<<31)), math.MaxInt32))
	radius := requant.InputRadius(integerBits, int32(e))
	return table(func(v int32) int32 {
		d := v - q.Zero[0]
		switch {
		case d <= -radius:
			return math.MinInt8
		case d >= radius:
			return math.MaxInt8
		}
		return requant.DivPow2(f(requant.Mul(d, m, int32(e))), shift) + zero
	})
}
