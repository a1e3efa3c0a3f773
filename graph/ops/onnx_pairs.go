package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// Forms of ONNX operators with two or more inputs that broadcast.
func init() {
	for _, f := range []struct {
		op, neutral string
		min         int
		types       string
	}{
		{"Max", "Maximum", 8, "float32, int8 to int64, uint8"}, {"Min", "Minimum", 8, "float32, int8 to int64, uint8"}, {"Sum", "Add", 8, "float32"}, {"Mean", "Add", 8, "float32"},
	} {
		graph.RegisterForm(onnxForm(f.op, f.min, func(l *graph.Lower) error { return lowerMany(l, f.neutral) }, f.types).As(f.neutral))
	}
	for _, f := range []struct {
		op       string
		min      int
		relation vec.Relation
		types    string
	}{
		{"Equal", 7, vec.Equal, "float32, int32, int64, bool"}, {"Greater", 7, vec.Greater, "float32, int32, int64"}, {"Less", 7, vec.Less, "float32, int32, int64"},
		{"GreaterOrEqual", 12, vec.GreaterEqual, "float32, int32, int64"}, {"LessOrEqual", 12, vec.LessEqual, "float32, int32, int64"}, {"Xor", 7, vec.NotEqual, "bool"},
	} {
		graph.RegisterForm(onnxForm(f.op, f.min, func(l *graph.Lower) error {
			if x := l.In(0); x == nil || (x.DType == tensor.Bool) != (f.op == "Xor") && f.op != "Equal" || x.DType == tensor.S8 {
				return l.Refuse("only %s are supported", f.types)
			}
			return lowerPlain("Compare", CompareAttr{f.relation})(l)
		}, f.types).As("Compare"))
	}
	graph.RegisterForm(onnxForm("And", 7, lowerPlain("LogicalAnd", nil), "bool").As("LogicalAnd"))
	graph.RegisterForm(onnxForm("Or", 7, lowerPlain("LogicalOr", nil), "bool").As("LogicalOr"))
	graph.RegisterForm(onnxForm("Where", 9, lowerPlain("Where", nil), whereTypes).As("Where"))
	graph.RegisterForm(onnxForm("PRelu", 7, lowerPlain("Prelu", nil), "float32").As("Prelu"))
	graph.RegisterForm(onnxForm("Pow", 7, lowerPowONNX, "float32 to the power of float32, int32 or int64; int32").As("Pow", "Sqrt", "Square", "Mul", "Cast"))
	graph.RegisterForm(onnxForm("Mod", 10, func(l *graph.Lower) error {
		if l.Attrs().Int(-1, "fmod", 0) != 0 {
			return l.Refuse("fmod = 1 is not supported; 0 is, for integers")
		}
		return lowerPlain("FloorMod", nil)(l)
	}, "int32, int64").As("FloorMod"))
}

// lowerMany applies an operator of two inputs to all inputs in turn; Mean divides by their number.
func lowerMany(l *graph.Lower, op string) error {
	in := widenedIns(l)
	if len(in) == 0 || l.In(0) == nil {
		return l.Refuse("needs at least one input")
	}
	var attr any
	if op == "Add" {
		attr = BinaryAttr{}
	}
	mean := l.N.Src.Op == "Mean"
	sum := in[0]
	for i, v := range in[1:] {
		t := l.N.Out[0]
		if mean || i+2 < len(in) {
			t = l.Temp("sum", nil)
		}
		l.Emit(op, attr, ids(sum, v), ids(t))
		sum = t
	}
	switch {
	case mean && len(in) > 1:
		l.Emit("Div", BinaryAttr{}, ids(sum, floats(l, "count", nil, float32(len(in)))), l.Outs())
	case len(in) == 1:
		emitReshape(l, sum, l.N.Out[0], l.G.Values[sum].Shape)
	}
	return nil
}

func lowerPowONNX(l *graph.Lower) error {
	x, y := l.In(0), l.In(1)
	if x == nil || y == nil {
		return l.Refuse("needs two inputs")
	}
	in := widenedIns(l)
	if x.DType == tensor.F32 && (y.DType == tensor.S32 || y.DType == tensor.S64) {
		t := l.Temp("exponent", nil)
		l.Emit("Cast", CastAttr{To: tensor.F32}, ids(in[1]), ids(t))
		in[1] = t
	}
	// Usual constant exponents are cheaper than a power.
	if t, ok := l.G.Values[in[1]].Tensor(); ok && t.DType == tensor.F32 && t.Elems() == 1 && len(t.Shape) <= len(l.G.Values[in[0]].Shape) {
		switch t.F32()[0] {
		case 0.5:
			l.Emit("Sqrt", nil, in[:1], l.Outs())
			return nil
		case 2:
			l.Emit("Square", nil, in[:1], l.Outs())
			return nil
		case 3:
			t := l.Temp("square", nil)
			l.Emit("Square", nil, in[:1], ids(t))
			l.Emit("Mul", BinaryAttr{}, ids(t, in[0]), l.Outs())
			return nil
		}
	}
	l.Emit("Pow", nil, in, l.Outs())
	return nil
}
