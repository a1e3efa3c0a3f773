package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// CurveAttr names a function of one number that ONNX has and TensorFlow Lite has not, with its parameters.
type CurveAttr struct {
	Kind        string
	Alpha, Beta float32
}

// curve is what an ONNX operator computes of every element, and the defaults of its parameters, which may be called otherwise.
type curve struct {
	op, kind          string
	min               int
	alpha, beta       float32
	alphaName, second string
	f                 func(x, alpha, beta float32) float32
}

var curves = []curve{
	{op: "Erf", kind: "erf", min: 9, f: func(x, _, _ float32) float32 { return vec.Erf(x) }},
	{op: "HardSigmoid", kind: "hard_sigmoid", min: 6, alpha: 0.2, beta: 0.5, second: "beta", f: func(x, alpha, beta float32) float32 { return min(max(float32(alpha*x)+beta, 0), 1) }},
	{op: "Elu", kind: "elu", min: 6, alpha: 1, f: func(x, alpha, _ float32) float32 { return negative(x, alpha, 1) }},
	{op: "Selu", kind: "selu", min: 6, alpha: 1.67326319217681884765625, beta: 1.05070102214813232421875, second: "gamma", f: negative},
	{op: "Celu", kind: "celu", min: 12, alpha: 1, f: func(x, alpha, _ float32) float32 {
		if x < 0 {
			return alpha * float32(math.Expm1(float64(x/alpha)))
		}
		return x
	}},
	{op: "Softplus", kind: "softplus", min: 1, f: func(x, _, _ float32) float32 { return vec.Softplus(x) }},
	{op: "Softsign", kind: "softsign", min: 1, f: func(x, _, _ float32) float32 { return x / (1 + vec.Abs32(x)) }},
	{op: "Mish", kind: "mish", min: 18, f: func(x, _, _ float32) float32 { return x * vec.Tanh(vec.Softplus(x)) }},
	{op: "ThresholdedRelu", kind: "thresholded_relu", min: 10, alpha: 1, f: func(x, alpha, _ float32) float32 {
		if x > alpha {
			return x
		}
		return 0
	}},
	{op: "Shrink", kind: "shrink", min: 9, alpha: 0.5, alphaName: "lambd", second: "bias", f: func(x, lambda, bias float32) float32 {
		switch {
		case x < -lambda:
			return x + bias
		case x > lambda:
			return x - bias
		}
		return 0
	}},
}

// negative is γ·x, and γ·α·(e^x − 1) below zero.
func negative(x, alpha, gamma float32) float32 {
	if x < 0 {
		return float32(gamma * float32(alpha*float32(math.Expm1(float64(x)))))
	}
	return gamma * x
}

var curveByKind = map[string]*curve{}

func init() {
	graph.Register(graph.Op{Name: "Curve", Infer: inferF32, Compile: compileCurve, Elementwise: true})
	graph.Register(graph.Op{Name: "Erf", Infer: inferF32, Compile: compileCurve, Elementwise: true}) // a pass looks for it
	for i := range curves {
		c := &curves[i]
		curveByKind[c.kind] = c
		neutral := "Curve"
		if c.kind == "erf" {
			neutral = "Erf"
		}
		graph.RegisterForm(onnxForm(c.op, c.min, func(l *graph.Lower) error {
			a := CurveAttr{Kind: c.kind, Alpha: c.alpha, Beta: c.beta}
			name := c.alphaName
			if name == "" {
				name = "alpha"
			}
			a.Alpha = l.Attrs().Float(-1, name, a.Alpha)
			if c.second != "" {
				a.Beta = l.Attrs().Float(-1, c.second, a.Beta)
			}
			return lowerUnaryTo(neutral, a)(l)
		}, "float32").As(neutral))
	}
	for _, f := range []struct {
		op, neutral string
		min         int
	}{
		{"Exp", "Exp", 6}, {"Log", "Log", 6}, {"Floor", "Floor", 6}, {"Ceil", "Ceil", 6}, {"Round", "Round", 11}, {"Sin", "Sin", 7}, {"Cos", "Cos", 7}, {"HardSwish", "HardSwish", 14},
	} {
		graph.RegisterForm(onnxForm(f.op, f.min, lowerUnaryTo(f.neutral, nil), "float32").As(f.neutral))
	}
	graph.RegisterForm(onnxForm("Abs", 6, lowerSigned("Abs"), "float32, int32").As("Abs"))
	graph.RegisterForm(onnxForm("Sign", 9, lowerSigned("Sign"), "float32, int32").As("Sign"))
	graph.RegisterForm(onnxForm("Neg", 6, lowerSigned("Neg"), "float32, int32, int64").As("Neg"))
	graph.RegisterForm(onnxForm("Not", 1, lowerPlain("LogicalNot", nil), "bool").As("LogicalNot"))
	graph.RegisterForm(onnxForm("Gelu", 20, func(l *graph.Lower) error {
		switch how := l.Attrs().String(-1, "approximate", "none"); how {
		case "none", "tanh":
			return lowerUnaryTo("Gelu", GeluAttr{how == "tanh"})(l)
		default:
			return l.Refuse("the approximation %q is not known; none and tanh are", how)
		}
	}, "float32").As("Gelu"))
	graph.RegisterForm(onnxForm("Reciprocal", 6, func(l *graph.Lower) error {
		if x := l.In(0); x == nil || x.DType != tensor.F32 {
			return l.Refuse("only float32 is supported")
		}
		l.Emit("Div", BinaryAttr{}, ids(floats(l, "one", nil, 1), l.N.In[0]), l.Outs())
		return nil
	}, "float32").As("Div"))
}

// lowerPlain emits a neutral operator with the inputs as they are.
func lowerPlain(op string, attr any) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		l.Emit(op, attr, widenedIns(l), l.Outs())
		return nil
	}
}

// lowerSigned emits a neutral operator that works on integers too.
func lowerSigned(op string) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		if x := l.In(0); x != nil && (x.DType == tensor.S32 || x.DType == tensor.S64) {
			return lowerPlain(op, nil)(l)
		}
		return lowerUnaryTo(op, nil)(l)
	}
}

func compileCurve(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(CurveAttr)
	f := curveByKind[a.Kind].f
	return mapF32(c.Out(0), "vec."+a.Kind, vec.Plain(func(x float32) float32 { return f(x, a.Alpha, a.Beta) })), nil
}
