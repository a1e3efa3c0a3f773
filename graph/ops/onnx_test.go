package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

// TestSliceRange compares with Python's slices, whose rules ONNX operator Slice follows but for a start before the first
// element with a negative step, which is moved onto it.
func TestSliceRange(t *testing.T) {
	for _, c := range []struct {
		start, end, step int64
		dim, first, n    int
	}{
		{0, 5, 1, 5, 0, 5}, {1, -1, 1, 5, 1, 3}, {-2, 100, 1, 5, 3, 2}, {0, 5, 2, 5, 0, 3}, {3, 1, 1, 5, 0, 0}, {7, 9, 1, 5, 0, 0},
		{4, -100, -1, 5, 4, 5}, {100, 0, -2, 5, 4, 2}, {-1, -3, -1, 5, 4, 2}, {0, 3, -1, 5, 0, 0},
		{0, math.MaxInt64, 1, 5, 0, 5}, {math.MinInt64, math.MaxInt64, 1, 5, 0, 5}, {math.MaxInt64, math.MinInt64, -1, 5, 4, 5}, {0, 1, 1, 0, 0, 0},
		{-7, -100, -1, 5, 0, 1}, {-7, 0, -1, 5, 0, 0}, {-7, -100, -1, 0, 0, 0},
	} {
		if first, n := sliceRange(c.start, c.end, c.step, c.dim); first != c.first || n != c.n {
			t.Errorf("[%d:%d:%d] of %d gives %d elements from %d, want %d from %d", c.start, c.end, c.step, c.dim, n, first, c.n, c.first)
		}
	}
}

// TestStridedCopy transposes every permutation of a shape and compares with an index calculation.
func TestStridedCopy(t *testing.T) {
	shape := tensor.Shape{3, 1, 4, 5}
	in := contiguous(shape)
	perms := [][]int{}
	var grow func(p []int)
	grow = func(p []int) {
		if len(p) == len(shape) {
			perms = append(perms, slices.Clone(p))
			return
		}
		for i := range shape {
			if !slices.Contains(p, i) {
				grow(append(slices.Clone(p), i))
			}
		}
	}
	grow(nil)
	if len(perms) != 24 {
		t.Fatalf("%d permutations", len(perms))
	}
	for _, size := range []int{1, 2, 4, 8} {
		src := tensor.Aligned(product(shape) * size)
		for i := range src {
			src[i] = byte(i * 7)
		}
		for _, p := range perms {
			dims, st := make([]int, 4), make([]int, 4)
			for i, a := range p {
				dims[i], st[i] = shape[a], in[a]
			}
			dst := tensor.Aligned(len(src))
			s := newStrided(dims, st, 0, size)
			s.copy(dst, src)
			for o := range product(shape) {
				from, rest := 0, o
				for i := 3; i >= 0; i-- {
					from += rest % dims[i] * st[i]
					rest /= dims[i]
				}
				if !slices.Equal(dst[o*size:(o+1)*size], src[from*size:(from+1)*size]) {
					t.Fatalf("size %d, perm %v: element %d is wrong", size, p, o)
				}
			}
		}
	}
}

func TestStridedStraight(t *testing.T) {
	for _, c := range []struct {
		perm []int
		want bool
	}{{[]int{0, 1, 2, 3}, true}, {[]int{1, 0, 2, 3}, true}, {[]int{0, 2, 3, 1}, true}, {[]int{2, 0, 1, 3}, true}, {[]int{3, 0, 1, 2}, false}} {
		shape := tensor.Shape{1, 1, 6, 4}
		in := contiguous(shape)
		dims, st := make([]int, 4), make([]int, 4)
		for i, a := range c.perm {
			dims[i], st[i] = shape[a], in[a]
		}
		if s := newStrided(dims, st, 0, 4); s.straight() != c.want {
			t.Errorf("perm %v: straight is %v", c.perm, !c.want)
		}
	}
}

func TestBroadcastShape(t *testing.T) {
	for _, c := range []struct {
		a, b, want tensor.Shape
	}{
		{tensor.Shape{2, 3}, tensor.Shape{3}, tensor.Shape{2, 3}}, {tensor.Shape{}, tensor.Shape{4}, tensor.Shape{4}},
		{tensor.Shape{2, 1, 4}, tensor.Shape{3, 1}, tensor.Shape{2, 3, 4}}, {tensor.Shape{0}, tensor.Shape{1}, tensor.Shape{0}},
		{tensor.Shape{2}, tensor.Shape{3}, nil}, {tensor.Shape{0}, tensor.Shape{2}, nil},
	} {
		got, ok := broadcastShape(c.a, c.b)
		if ok != (c.want != nil) || ok && !got.Equal(c.want) {
			t.Errorf("%v and %v give %v, %v", c.a, c.b, got, ok)
		}
	}
}

func TestMatShape(t *testing.T) {
	for _, c := range []struct {
		a, b, want tensor.Shape
		trans      bool
	}{
		{a: tensor.Shape{2, 3}, b: tensor.Shape{3, 4}, want: tensor.Shape{2, 4}},
		{a: tensor.Shape{2, 3}, b: tensor.Shape{4, 3}, want: tensor.Shape{2, 4}, trans: true},
		{a: tensor.Shape{3}, b: tensor.Shape{3, 4}, want: tensor.Shape{4}},
		{a: tensor.Shape{2, 3}, b: tensor.Shape{3}, want: tensor.Shape{2}},
		{a: tensor.Shape{3}, b: tensor.Shape{3}, want: tensor.Shape{}},
		{a: tensor.Shape{5, 1, 2, 3}, b: tensor.Shape{7, 3, 4}, want: tensor.Shape{5, 7, 2, 4}},
		{a: tensor.Shape{2, 3}, b: tensor.Shape{4, 3}},
		{a: tensor.Shape{2, 2, 3}, b: tensor.Shape{3, 3, 4}},
		{a: tensor.Shape{}, b: tensor.Shape{3}},
	} {
		s, why := newMatShape(c.a, c.b, false, c.trans)
		if (why == "") != (c.want != nil) || why == "" && !s.out.Equal(c.want) {
			t.Errorf("%v times %v gives %v %q", c.a, c.b, s.out, why)
		}
	}
}

// runOp infers, compiles and runs one neutral node on the given inputs and returns its first output.
func runOp(t *testing.T, op string, attr any, in ...*tensor.Tensor) (*tensor.Tensor, error) {
	t.Helper()
	g := &graph.Graph{Format: graph.ONNX}
	n := graph.Node{Op: op, Attr: attr}
	for i, x := range in {
		n.In = append(n.In, g.NewValue(graph.Value{Name: fmt.Sprint("in", i), DType: x.DType, Shape: x.Shape, Quant: x.Quant}))
	}
	n.Out = []graph.ValueID{g.NewValue(graph.Value{Name: "out"})}
	if err := graph.InferNode(g, &n); err != nil {
		return nil, err
	}
	g.Nodes, g.Inputs, g.Outputs = []graph.Node{n}, n.In, n.Out
	p, err := graph.NewPlan(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	for i, x := range in {
		copy(s.Input(i).Data, x.Data)
	}
	return s.Output(0), s.Run()
}

// TestCast covers the conversions that Go leaves to the CPU when they are out of range.
func TestCast(t *testing.T) {
	x, _ := tensor.New(tensor.F32, tensor.Shape{8})
	copy(x.F32(), []float32{-1.9, 1.9, 300, -300, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0})
	for _, c := range []struct {
		to   tensor.DType
		want []int64
	}{
		{tensor.S8, []int64{-1, 1, 127, -128, 0, 127, -128, 0}},
		{tensor.U8, []int64{0, 1, 255, 0, 0, 255, 0, 0}},
		{tensor.S32, []int64{-1, 1, 300, -300, 0, math.MaxInt32, math.MinInt32, 0}},
		{tensor.S64, []int64{-1, 1, 300, -300, 0, math.MaxInt64, math.MinInt64, 0}},
		{tensor.Bool, []int64{1, 1, 1, 1, 1, 1, 1, 0}},
	} {
		y, err := runOp(t, "Cast", CastAttr{To: c.to}, x)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := y.Ints(); !slices.Equal(got, c.want) {
			t.Errorf("to %s: %v, want %v", c.to, got, c.want)
		}
	}
	h, _ := tensor.New(tensor.F16, tensor.Shape{130}) // more than one block
	for i := range h.F16() {
		h.F16()[i] = 0x3c00 // 1
	}
	y, err := runOp(t, "Cast", CastAttr{To: tensor.F32}, h)
	if err != nil {
		t.Fatal(err)
	}
	if f := y.F32(); f[0] != 1 || f[129] != 1 {
		t.Errorf("float16 ones become %v", f)
	}
}

// TestGatherChecksIndices lets a computed index point outside: an error, not a panic.
func TestGatherChecksIndices(t *testing.T) {
	x, _ := tensor.New(tensor.F32, tensor.Shape{3})
	copy(x.F32(), []float32{1, 2, 3})
	for _, c := range []struct {
		index int64
		ok    bool
		want  float32
	}{{0, true, 1}, {-1, true, 3}, {2, true, 3}, {3, false, 0}, {-4, false, 0}, {math.MinInt64, false, 0}, {math.MaxInt64, false, 0}} {
		i, _ := tensor.New(tensor.S64, tensor.Shape{1})
		i.S64()[0] = c.index
		y, err := runOp(t, "Gather", GatherAttr{Wrap: true}, x, i)
		if (err == nil) != c.ok || c.ok && y.F32()[0] != c.want {
			t.Errorf("index %d: %v, %v", c.index, y.F32(), err)
		}
	}
}

// TestDivision divides integers toward zero and refuses zero; float division gives infinity.
func TestDivision(t *testing.T) {
	a, _ := tensor.New(tensor.S64, tensor.Shape{2})
	b, _ := tensor.New(tensor.S64, tensor.Shape{1})
	copy(a.S64(), []int64{7, -7})
	b.S64()[0] = 2
	y, err := runOp(t, "Div", BinaryAttr{}, a, b)
	if err != nil || !slices.Equal(y.S64(), []int64{3, -3}) {
		t.Errorf("got %v, %v", y.S64(), err)
	}
	b.S64()[0] = 0
	if _, err := runOp(t, "Div", BinaryAttr{}, a, b); err == nil {
		t.Error("integer division by zero passes")
	}
	f, _ := tensor.New(tensor.F32, tensor.Shape{1})
	f.F32()[0] = 1
	z, _ := tensor.New(tensor.F32, tensor.Shape{1})
	if y, err := runOp(t, "Div", BinaryAttr{}, f, z); err != nil || !math.IsInf(float64(y.F32()[0]), 1) {
		t.Errorf("1/0 gives %v", err)
	}
}

// TestRefusals holds what operators must not accept.
func TestRefusals(t *testing.T) {
	f := func(s ...int) *tensor.Tensor { x, _ := tensor.New(tensor.F32, s); return x }
	i, _ := tensor.New(tensor.S64, tensor.Shape{1})
	for _, c := range []struct {
		name, op string
		attr     any
		in       []*tensor.Tensor
	}{
		{"perm names an axis twice", graph.TransposeOp, graph.TransposeAttr{Perm: []int{0, 0}}, []*tensor.Tensor{f(2, 3)}},
		{"perm is short", graph.TransposeOp, graph.TransposeAttr{Perm: []int{0}}, []*tensor.Tensor{f(2, 3)}},
		{"slice ends outside", "Slice", SliceAttr{[]int{1}, []int{2}, []int{3}}, []*tensor.Tensor{f(4)}},
		{"slice starts outside", "Slice", SliceAttr{[]int{-1}, []int{1}, []int{1}}, []*tensor.Tensor{f(4)}},
		{"float indices", "Gather", GatherAttr{}, []*tensor.Tensor{f(3), f(1)}},
		{"mixed types", "Div", BinaryAttr{}, []*tensor.Tensor{f(1), i}},
		{"inner extents", "MatMul", MatMulAttr{}, []*tensor.Tensor{f(2, 3), f(2, 3)}},
		{"integer matrices", "MatMul", MatMulAttr{}, []*tensor.Tensor{i, i}},
		{"clip of integers", "Clip", ClipAttr{}, []*tensor.Tensor{i}},
		{"scale of another shape", "LayerNorm", graph.LayerNormAttr{Axis: 1}, []*tensor.Tensor{f(2, 3), f(2)}},
		{"expand against broadcasting", "Expand", ExpandAttr{tensor.Shape{2}}, []*tensor.Tensor{f(3)}},
		{"gru of rank 2", "GRU", recurrentAttr{hidden: 1, directions: 1}, []*tensor.Tensor{f(1, 1), f(1, 3, 1), f(1, 3, 1)}},
		{"gru without weights", "GRU", recurrentAttr{hidden: 1, directions: 1}, []*tensor.Tensor{f(1, 1, 1)}},
	} {
		if _, err := runOp(t, c.op, c.attr, c.in...); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}
