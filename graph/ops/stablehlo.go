package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// Forms of the StableHLO operators with two inputs. They do not broadcast, know no activation and look at the stored numbers.
func init() {
	numbers := []tensor.DType{tensor.F32, tensor.S32, tensor.S64}
	truth := []tensor.DType{tensor.Bool}
	for _, f := range []struct {
		tflite, op string
		attr       any
		swap       bool // the other order gives the reference's choice where a NaN is involved: the first input
		types      []tensor.DType
	}{
		{"STABLEHLO_ADD", "Add", BinaryAttr{}, false, numbers},
		{"STABLEHLO_SUBTRACT", "Sub", BinaryAttr{}, false, numbers},
		{"STABLEHLO_MULTIPLY", "Mul", BinaryAttr{}, false, numbers},
		{"STABLEHLO_DIVIDE", "Div", BinaryAttr{}, false, numbers},
		{"STABLEHLO_MAXIMUM", "Maximum", nil, true, numbers},
		{"STABLEHLO_MINIMUM", "Minimum", nil, true, numbers},
		{"STABLEHLO_AND", "LogicalAnd", nil, false, truth},
		{"STABLEHLO_OR", "LogicalOr", nil, false, truth},
	} {
		graph.RegisterForm(hloForm(f.tflite, f.types, func(l *graph.Lower) error {
			in := l.Ins()
			if f.swap {
				slices.Reverse(in)
			}
			l.Emit(f.op, f.attr, in, l.Outs())
			return nil
		}).As(f.op))
	}
	graph.RegisterForm(hloForm("STABLEHLO_COMPARE", numbers, lowerHLOCompare).As("Compare"))
	graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "STABLEHLO_SELECT", Min: 1, Max: 1, DTypes: whereTypes, Lower: lowerHLOSelect}.As("Where"))
}

// hloForm makes a form that checks types and shapes first.
func hloForm(op string, types []tensor.DType, lower func(*graph.Lower) error) graph.Form {
	return graph.Form{Format: graph.TFLite, Op: op, Min: 1, Max: 1, DTypes: typeList(types), Lower: func(l *graph.Lower) error {
		a, b := l.In(0), l.In(1)
		if len(l.N.In) != 2 || a == nil || b == nil || a.DType != b.DType || !a.Shape.Equal(b.Shape) {
			return l.Refuse("needs two inputs of one type and one shape")
		}
		if !slices.Contains(types, a.DType) {
			return l.Refuse("%s is not supported; %s are", a.DType, typeList(types))
		}
		return lower(l)
	}}
}

func lowerHLOCompare(l *graph.Lower) error {
	const totalOrder = 2
	relations := []vec.Relation{vec.Equal, vec.NotEqual, vec.GreaterEqual, vec.Greater, vec.LessEqual, vec.Less}
	d := l.Attrs().Int(0, "", 0)
	if d < 0 || d >= int64(len(relations)) {
		return l.Refuse("direction %d is unknown", d)
	}
	if l.Attrs().Int(1, "", 0) == totalOrder {
		return l.Refuse("the total order of floats is not supported; the usual comparison is")
	}
	l.Emit("Compare", CompareAttr{relations[d]}, l.Ins(), l.Outs())
	return nil
}

// lowerHLOSelect allows a scalar condition, or one of the shape of the values.
func lowerHLOSelect(l *graph.Lower) error {
	c, x, y := l.In(0), l.In(1), l.In(2)
	if len(l.N.In) != 3 || c == nil || x == nil || y == nil || !x.Shape.Equal(y.Shape) || len(c.Shape) != 0 && !c.Shape.Equal(x.Shape) {
		return l.Refuse("needs two values of one shape and a condition that is a scalar or has that shape")
	}
	l.Emit("Where", nil, l.Ins(), l.Outs())
	return nil
}
