package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// ClipAttr bounds values to [Lo, Hi].
type ClipAttr struct{ Lo, Hi float32 }

// LeakyReluAttr scales negative values by Alpha.
type LeakyReluAttr struct{ Alpha float32 }

func init() {
	graph.Register(graph.Op{Name: "Clip", Infer: inferUnary, Compile: compileClip, Elementwise: true},
		onnxForm("Clip", 6, lowerClipONNX, "float32"))
	graph.Register(graph.Op{Name: "LeakyRelu", Infer: inferUnary, Compile: compileLeakyRelu, Elementwise: true},
		onnxForm("LeakyRelu", 6, func(l *graph.Lower) error {
			l.Emit("LeakyRelu", LeakyReluAttr{l.Attrs().Float(-1, "alpha", 0.01)}, widenedIns(l), l.Outs())
			return nil
		}, "float32"))
	graph.Register(graph.Op{Name: "Sqrt", Infer: inferUnary, Compile: compileSqrt, Elementwise: true},
		onnxForm("Sqrt", 6, func(l *graph.Lower) error {
			l.Emit("Sqrt", nil, widenedIns(l), l.Outs())
			return nil
		}, "float32"))
	graph.RegisterForm(onnxForm("Relu", 6, lowerUnaryTo("Activate", ActivateAttr{Act: graph.ActRelu}), "float32"))
	graph.RegisterForm(onnxForm("Sigmoid", 6, lowerUnaryTo("Logistic", nil), "float32"))
	graph.RegisterForm(onnxForm("Tanh", 6, lowerUnaryTo("Tanh", nil), "float32"))
}

// lowerUnaryTo emits a neutral operator of one float32 input.
func lowerUnaryTo(op string, attr any) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		x := l.In(0)
		if x == nil || x.DType != tensor.F32 && (x.DType != tensor.BF16 || x.Const == nil) {
			return l.Refuse("only float32 is supported")
		}
		l.Emit(op, attr, widenedIns(l), l.Outs())
		return nil
	}
}

func lowerClipONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	a := ClipAttr{float32(math.Inf(-1)), float32(math.Inf(1))}
	if l.Version() < 11 {
		a.Lo, a.Hi = l.Attrs().Float(-1, "min", a.Lo), l.Attrs().Float(-1, "max", a.Hi)
	}
	for i, p := range []*float32{&a.Lo, &a.Hi} {
		if l.In(i+1) == nil {
			continue
		}
		v, ok := l.ConstF32(i + 1)
		if !ok || len(v) != 1 {
			return l.Refuse("bounds must be constant float scalars")
		}
		*p = v[0]
	}
	in := ids(l.N.In[0])
	switch inf := float32(math.Inf(1)); a {
	case ClipAttr{0, inf}, ClipAttr{0, math.MaxFloat32}:
		l.Emit("Activate", ActivateAttr{Act: graph.ActRelu}, in, l.Outs())
	case ClipAttr{0, 6}:
		l.Emit("Activate", ActivateAttr{Act: graph.ActRelu6}, in, l.Outs())
	default:
		l.Emit("Clip", a, in, l.Outs())
	}
	return nil
}

func inferUnary(c *graph.InferCtx) error {
	x := c.In(0)
	if x == nil || x.DType != tensor.F32 {
		return c.Refuse("only float32 is supported")
	}
	return c.Set(0, tensor.F32, x.Shape)
}

func unaryKernel(id string, f func(dst, src []float32)) *graph.Kernel {
	return &graph.Kernel{ID: id, InPlace: []int{0}, Run: func(a *graph.Args) error {
		f(a.Out[0].F32(), a.In[0].F32())
		return nil
	}}
}

func compileClip(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(ClipAttr)
	return unaryKernel("vec.clip/f32/generic", func(dst, src []float32) {
		for i, x := range src {
			if x < a.Lo {
				x = a.Lo
			}
			if x > a.Hi { // a lower bound above the upper one yields the upper; NaN stays
				x = a.Hi
			}
			dst[i] = x
		}
	}), nil
}

func compileLeakyRelu(c *graph.CompileCtx) (*graph.Kernel, error) {
	alpha := c.N.Attr.(LeakyReluAttr).Alpha
	return unaryKernel("vec.leaky_relu/f32/generic", func(dst, src []float32) {
		for i, x := range src {
			if x < 0 {
				x *= alpha
			}
			dst[i] = x
		}
	}), nil
}

func compileSqrt(*graph.CompileCtx) (*graph.Kernel, error) {
	return unaryKernel("vec.sqrt/f32/generic", func(dst, src []float32) {
		for i, x := range src {
			dst[i] = float32(math.Sqrt(float64(x)))
		}
	}), nil
}
