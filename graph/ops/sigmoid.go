package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

func init() {
	const types = "float32, int8, uint8, int16, float16, bfloat16"
	lower := func(op string) func(*graph.Lower) error {
		return func(l *graph.Lower) error {
			emitWide(l, op, nil, tensor.F16, tensor.BF16)
			return nil
		}
	}
	graph.Register(graph.Op{Name: "Logistic", Infer: inferSigmoid, Compile: compileSigmoid, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "LOGISTIC", Min: 1, Max: 3, DTypes: types, Lower: lower("Logistic")})
	graph.Register(graph.Op{Name: "Tanh", Infer: inferSigmoid, Compile: compileSigmoid, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "TANH", Min: 1, Max: 3, DTypes: types, Lower: lower("Tanh")})
	graph.RegisterForm(onnxForm("Sigmoid", 6, lowerUnaryTo("Logistic", nil), "float32").As("Logistic"))
	graph.RegisterForm(onnxForm("Tanh", 6, lowerUnaryTo("Tanh", nil), "float32").As("Tanh"))
}

func inferSigmoid(c *graph.InferCtx) error {
	if err := inferMap(c, tensor.F32, tensor.S8, tensor.S16); err != nil {
		return err
	}
	x, o := c.In(0), c.Out(0)
	tanh := c.N.Op == "Tanh"
	switch x.DType {
	case tensor.S8:
		scale, zero := float32(1.0/256), int32(-128)
		if tanh {
			scale, zero = 1.0/128, 0
		}
		if o.Quant.Scale[0] != scale || o.Quant.Zero[0] != zero {
			return c.Refuse("the int8 output must have scale %v and zero point %d, it has %v and %d", scale, zero, o.Quant.Scale[0], o.Quant.Zero[0])
		}
	case tensor.S16:
		if e, ok := log2(o.Quant.Scale[0]); !ok || e != -15 {
			return c.Refuse("the int16 output must have scale 1/32768, it has %v", o.Quant.Scale[0])
		}
		if m, _ := sigmoid16(x.Quant.Scale[0], tanh); m > math.MaxInt16 {
			return c.Refuse("the int16 input has scale %v; up to 2.66 is supported", x.Quant.Scale[0])
		}
	}
	return nil
}

// log2 is the whole number nearest to the binary logarithm, and whether x is that power of two within 0.07%.
func log2(x float32) (int32, bool) {
	l := float32(float32(math.Log(float64(x))) * (1 / float32(math.Ln2))) // not fused with the difference below
	r := float32(math.Round(float64(l)))
	return int32(max(min(r, 1000), -1000)), math.Abs(float64(l-r)) < 1e-3
}

// sigmoid16 is the multiplier and shift that bring int16 inputs to a scale of 1/12288, which the tables of logistic and tanh have.
func sigmoid16(scale float32, tanh bool) (mult, shift int32) {
	if e, ok := log2(scale); ok && (e == -12 || tanh && e == -11) {
		return 3 << (e + 12), 0
	}
	m := float64(scale) * 4096 * 3
	for m <= 32767.0/2 && shift <= 30 {
		shift++
		m *= 2
	}
	return int32(min(m, math.MaxInt32)), shift
}

func compileSigmoid(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	id, f, fixed, shift, zero := "vec.logistic", vec.FnLogistic, requant.Logistic, int32(31-8), int32(-128)
	tanh := c.N.Op == "Tanh"
	if tanh {
		id, f, fixed, shift, zero = "vec.tanh", vec.FnTanh, requant.Tanh, 31-7, 0
	}
	switch {
	case x.DType == tensor.F32:
		if !tanh && c.G.Format == graph.TFLite {
			f = vec.FnLogisticCut
		}
		return mapF32(o, id, f), nil
	case x.DType == tensor.S16:
		run := vec.LogisticS16
		if tanh {
			run = vec.TanhS16
		}
		m, s := sigmoid16(x.Quant.Scale[0], tanh)
		return &graph.Kernel{ID: id + "/s16/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			run(a.Out[0].S16(), a.In[0].S16(), m, s)
			return nil
		}}, nil
	case x.Shifted: // uint8: a table of the float function
		at := f.At
		if !tanh {
			at = logisticF32
		}
		return lookup(o, id, lutS8(x, o, at)), nil
	}
	return lookup(o, id, sigmoidTable(x.Quant, fixed, shift, zero)), nil
}

// logisticF32 rounds every step to float32, as TensorFlow Lite fills its tables.
func logisticF32(x float32) float32 { return 1 / (1 + vec.Exp(-x)) }

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
