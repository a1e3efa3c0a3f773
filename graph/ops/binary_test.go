package ops

import (
	"math"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// value describes an operand of a node that a test infers.
type value struct {
	d       tensor.DType
	shape   tensor.Shape
	scale   float32 // 0 for none
	zero    int32
	shifted bool
	konst   []byte
}

// inferValues infers one node on described operands and returns the output's shape.
func inferValues(op string, attr any, out value, in ...value) (tensor.Shape, error) {
	g := &graph.Graph{Format: graph.TFLite}
	add := func(v value) graph.ValueID {
		x := graph.Value{Name: "v", DType: v.d, Shape: v.shape, Shifted: v.shifted, Const: v.konst}
		if v.scale != 0 {
			x.Quant = &tensor.Quant{Scale: []float32{v.scale}, Zero: []int32{v.zero}}
		}
		return g.NewValue(x)
	}
	n := graph.Node{Op: op, Attr: attr}
	for _, v := range in {
		n.In = append(n.In, add(v))
	}
	n.Out = []graph.ValueID{add(out)}
	err := graph.InferNode(g, &n)
	return g.Values[n.Out[0]].Shape, err
}

// TestPairRefusals holds what operators with two or three broadcast inputs must not accept, and what the reason must say.
func TestPairRefusals(t *testing.T) {
	f := func(s ...int) value { return value{d: tensor.F32, shape: s} }
	i := func(s ...int) value { return value{d: tensor.S32, shape: s} }
	q := func(d tensor.DType, scale float32, zero int32) value {
		return value{d: d, shape: tensor.Shape{2}, scale: scale, zero: zero}
	}
	u := value{d: tensor.S8, shape: tensor.Shape{2}, scale: 1, shifted: true}
	s8, s16 := q(tensor.S8, 0.5, 0), q(tensor.S16, 0.5, 0)
	bare8, bare16 := q(tensor.S8, 0, 0), q(tensor.S16, 0, 0)
	zero := i(2)
	zero.konst = make([]byte, 8)
	truth := value{d: tensor.Bool, shape: tensor.Shape{2}}
	deep := f(1, 1, 1, 1, 1, 1, 1, 1, 1)
	for _, c := range []struct {
		name, op string
		attr     any
		out      value
		in       []value
		says     string
	}{
		{"one input", "Add", BinaryAttr{}, f(), []value{f(2)}, "two inputs"},
		{"mixed types", "Add", BinaryAttr{}, f(), []value{f(2), i(2)}, "one type"},
		{"shapes", "Mul", BinaryAttr{}, f(), []value{f(2), f(3)}, "broadcast"},
		{"nine axes", "Mul", BinaryAttr{}, f(), []value{deep, f(2)}, "8 axes"},
		{"bool sum", "Add", BinaryAttr{}, truth, []value{truth, truth}, "bool"},
		{"tanh", "Add", BinaryAttr{Act: graph.ActTanh}, f(), []value{f(2), f(2)}, "tanh"},
		{"uint32 quotient", "Div", BinaryAttr{}, f(), []value{{d: tensor.U32}, {d: tensor.U32}}, "uint32"},
		{"int16 without scales", "Sub", BinaryAttr{}, bare16, []value{bare16, bare16}, "without scales"},
		{"output without scale", "Add", BinaryAttr{}, bare8, []value{s8, s8}, "output has no scale"},
		{"input without scale", "Mul", BinaryAttr{}, s8, []value{s8, bare8}, "without a scale"},
		{"zero point of int16", "Mul", BinaryAttr{}, s16, []value{q(tensor.S16, 1, 3), s16}, "needs 0"},
		{"zero point beyond int16", "Add", BinaryAttr{}, s16, []value{q(tensor.S16, 1, 40000), s16}, "outside of int16"},
		{"output scale too small", "Sub", BinaryAttr{}, q(tensor.S8, 1e-7, 0), []value{s8, s8}, "too small"},
		{"constant divisor", "Div", BinaryAttr{}, i(2), []value{i(2), zero}, "contains 0"},
		{"constant modulus", "FloorMod", nil, i(2), []value{i(2), zero}, "contains 0"},
		{"int64 power", "Pow", nil, f(2), []value{{d: tensor.S64}, {d: tensor.S64}}, "int64"},
		{"angle of two shapes", "Atan2", nil, f(2), []value{f(2), f(1)}, "equal"},
		{"floor of uint8", "FloorDiv", nil, u, []value{u, u}, "uint8"},
		{"square of uint8", "SquaredDifference", nil, u, []value{u, u}, "uint8"},
		{"square of bool", "SquaredDifference", nil, truth, []value{truth, truth}, "bool"},
		{"and of numbers", "LogicalAnd", nil, truth, []value{i(2), i(2)}, "int32"},
		{"order of bool", "Compare", CompareAttr{vec.Less}, truth, []value{truth, truth}, "no order"},
		{"comparison without scale", "Compare", CompareAttr{vec.Less}, truth, []value{bare8, bare8}, "without a scale"},
		{"comparison with a large scale", "Compare", CompareAttr{vec.Less}, truth, []value{s8, q(tensor.S8, 1, 0)}, "not below 1"},
		{"condition of numbers", "Where", nil, f(2), []value{i(2), f(2), f(2)}, "bool"},
		{"two kinds of values", "Where", nil, f(2), []value{truth, f(2), i(2)}, "one type"},
		{"int4", "Where", nil, f(2), []value{truth, {d: tensor.S4}, {d: tensor.S4}}, "int4"},
		{"uint8 with and without scale", "Where", nil, u, []value{truth, s8, u}, "uint8"},
		{"slopes larger than the input", "Prelu", nil, f(2), []value{f(1), f(2)}, "broadcast"},
		{"int16 slopes", "Prelu", nil, s16, []value{s16, s16}, "int8"},
		{"integer input", "Prelu", nil, i(2), []value{i(2), i(2)}, "int32"},
		{"terms of two scales", "AddN", nil, s8, []value{s8, q(tensor.S8, 1, 0)}, "one scale"},
		{"uint8 terms", "AddN", nil, u, []value{u, u}, "uint8"},
	} {
		_, err := inferValues(c.op, c.attr, c.out, c.in...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want a reason that says %q", c.name, err, c.says)
		}
	}
	if s, err := inferValues("Where", nil, f(1, 1), truth1(), f(), f(1)); err != nil || !s.Equal(tensor.Shape{1, 1}) {
		t.Errorf("single elements: the output is %v, %v", s, err)
	}
}

func truth1() value { return value{d: tensor.Bool, shape: tensor.Shape{1}} }

// TestDivisionByZeroAtRun meets a zero among many divisors, in every operator that divides integers.
func TestDivisionByZeroAtRun(t *testing.T) {
	a, _ := tensor.New(tensor.S32, tensor.Shape{2, 3})
	b, _ := tensor.New(tensor.S32, tensor.Shape{2, 1})
	copy(a.S32(), []int32{math.MinInt32, -7, 7, 1, 2, 3})
	for _, c := range []struct {
		op   string
		attr any
		want []int32
	}{
		{"Div", BinaryAttr{}, []int32{math.MinInt32, 7, -7, 0, 1, 1}},
		{"FloorDiv", nil, []int32{math.MinInt32, 7, -7, 0, 1, 1}},
		{"FloorMod", nil, []int32{0, 0, 0, 1, 0, 1}},
	} {
		copy(b.S32(), []int32{-1, 2})
		if y, err := runOp(t, c.op, c.attr, a, b); err != nil || !slices.Equal(y.S32(), c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.op, y.S32(), err, c.want)
		}
		copy(b.S32(), []int32{5, 0})
		if _, err := runOp(t, c.op, c.attr, a, b); err == nil {
			t.Errorf("%s: division by zero passes", c.op)
		}
	}
	copy(b.S32(), []int32{1, -1})
	if _, err := runOp(t, "Pow", nil, a, b); err == nil {
		t.Error("a negative power of an integer passes")
	}
}

// TestSpread visits every element of broadcasts once, with the inputs' elements that numpy takes.
func TestSpread(t *testing.T) {
	for _, c := range [][]tensor.Shape{
		{{2, 3, 4}, {2, 3, 4}}, {{2, 1, 3, 1}, {1, 4, 1, 5}}, {{}, {7}}, {{1, 1}, {1, 1, 9}}, {{3, 1}, {}, {4}}, {{2, 0}, {1}},
		{{2, 1, 2, 1, 2}, {2}, {1, 2, 1, 2, 1}}, {{1, 1}, {1}}, {{5, 1, 1}, {5, 2, 3}, {2, 3}},
	} {
		out := tensor.Shape{}
		for _, s := range c {
			out, _ = broadcastShape(out, s)
		}
		seen := 0
		s := newSpread(out, c...)
		s.each(func(o int, in [3]int) {
			for r := range s.n {
				at := o + r
				if at != seen {
					t.Fatalf("%v: element %d comes after %d", c, at, seen)
				}
				seen++
				for k, shape := range c {
					if want := operandIndex(at, out, shape); in[k]+r*s.in[k] != want {
						t.Fatalf("%v: element %d takes %d of input %d, want %d", c, at, in[k]+r*s.in[k], k, want)
					}
				}
			}
		})
		if seen != product(out) {
			t.Errorf("%v: %d of %d elements", c, seen, product(out))
		}
	}
}

// operandIndex returns which element of an input belongs to element i of the broadcast.
func operandIndex(i int, out, in tensor.Shape) int {
	index, stride := 0, 1
	for a := len(out) - 1; a >= 0; a-- {
		if k := a - len(out) + len(in); k >= 0 {
			if in[k] != 1 {
				index += i % out[a] * stride
			}
			stride *= in[k]
		}
		i /= out[a]
	}
	return index
}
