package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// onnxMax is the newest opset whose operators were read for this package; a model of a newer one is refused.
const onnxMax = 24

// maxRank bounds the axes of data movement operators, whose kernels keep their counters on the stack.
const maxRank = 8

// onnxForm is a form of the default ONNX domain from opset min to onnxMax.
func onnxForm(op string, min int, lower func(*graph.Lower) error, dtypes string) graph.Form {
	return graph.Form{Format: graph.ONNX, Op: op, Min: min, Max: onnxMax, DTypes: dtypes, Lower: lower}
}

// attrStrings returns a list of strings, which only ONNX attributes have; nil when absent.
func attrStrings(a graph.Attrs, name string) []string {
	if s, ok := a.(interface{ Strings(name string) []string }); ok {
		return s.Strings(name)
	}
	return nil
}

// widened returns v, or a float32 copy of it when it is a constant in 16-bit storage. A bfloat16 initializer behind a
// Cast to float stays in its storage until a consumer without a kernel for it asks here.
func widened(l *graph.Lower, v graph.ValueID) graph.ValueID {
	if v == graph.None {
		return v
	}
	x := &l.G.Values[v]
	if x.Const == nil || x.DType != tensor.BF16 && x.DType != tensor.F16 {
		return v
	}
	t := l.Temp("widened", nil)
	l.Emit("Cast", CastAttr{To: tensor.F32}, ids(v), ids(t)) // folded at once, within the budget for constants
	return t
}

// widenedIns returns the node's inputs with 16-bit constants as float32.
func widenedIns(l *graph.Lower) []graph.ValueID {
	in := l.Ins()
	for i := range in {
		in[i] = widened(l, in[i])
	}
	return in
}

// attrOrInput returns integers that older opsets keep in an attribute and newer ones in input i; false when both are absent.
func attrOrInput(l *graph.Lower, name string, i int) ([]int64, bool, error) {
	if l.In(i) != nil {
		v, ok := l.ConstInts(i)
		if !ok {
			return nil, false, l.Refuse("%s (input %d) is computed at run time; only constant %s are supported", name, i, name)
		}
		return v, true, nil
	}
	if !l.Attrs().Has(-1, name) {
		return nil, false, nil
	}
	return l.Attrs().Ints(-1, name), true, nil
}

// axisOf maps a negative axis to its place and checks the range.
func axisOf(l *graph.Lower, axis int64, rank int) (int, error) {
	a := axis
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return 0, l.Refuse("axis %d is outside of rank %d", axis, rank)
	}
	return int(a), nil
}

// axesOf maps a list of axes; duplicates are refused.
func axesOf(l *graph.Lower, axes []int64, rank int) ([]int, error) {
	out := make([]int, 0, len(axes))
	seen := map[int]bool{}
	for _, v := range axes {
		a, err := axisOf(l, v, rank)
		if err != nil {
			return nil, err
		}
		if seen[a] {
			return nil, l.Refuse("axis %d is listed twice", v)
		}
		seen[a] = true
		out = append(out, a)
	}
	return out, nil
}

func ints(v []int64) []int {
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = int(x)
	}
	return out
}

func product(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// ids is a short way to write a list of values.
func ids(v ...graph.ValueID) []graph.ValueID { return v }

// floats makes a float32 constant.
func floats(l *graph.Lower, name string, shape tensor.Shape, v ...float32) graph.ValueID {
	t, err := tensor.New(tensor.F32, shape)
	if err != nil || t.Elems() != len(v) {
		panic("ops: constant of the wrong length")
	}
	copy(t.F32(), v)
	return l.Constant(name, t)
}

// step emits an operator with one result and returns that.
func step(l *graph.Lower, op string, attr any, in ...graph.ValueID) graph.ValueID {
	t := l.Temp("step", nil)
	l.Emit(op, attr, in, ids(t))
	return t
}
