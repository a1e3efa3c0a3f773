package passes_test

import (
	"math"
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/graph/tensor"
)

// builder makes graphs of neutral nodes.
type builder struct {
	t *testing.T
	g *graph.Graph
}

func newBuilder(t *testing.T) *builder {
	return &builder{t, &graph.Graph{Format: graph.ONNX}}
}

func (b *builder) input(s ...int) graph.ValueID {
	v := b.g.NewValue(graph.Value{Name: "x", DType: tensor.F32, Shape: s})
	b.g.Inputs = append(b.g.Inputs, v)
	return v
}

func (b *builder) constant(s tensor.Shape) graph.ValueID {
	c, err := tensor.New(tensor.F32, s)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range c.F32() {
		c.F32()[i] = float32(i%7) - 3
	}
	return b.g.NewValue(graph.Value{Name: "c", DType: tensor.F32, Shape: s, Const: c.Data})
}

func (b *builder) node(op string, attr any, in ...graph.ValueID) graph.ValueID {
	b.t.Helper()
	n := graph.Node{Op: op, Attr: attr, In: in, Out: []graph.ValueID{b.g.NewValue(graph.Value{Name: op})}}
	if err := graph.InferNode(b.g, &n); err != nil {
		b.t.Fatal(err)
	}
	b.g.Nodes = append(b.g.Nodes, n)
	return n.Out[0]
}

func (b *builder) transpose(v graph.ValueID, perm ...int) graph.ValueID {
	return b.node(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, v)
}

// run computes the outputs of a copy of the graph after the given passes.
func (b *builder) run(list ...func(*graph.Graph) error) (ops []string, out [][]float32) {
	b.t.Helper()
	g := *b.g
	g.Values, g.Nodes = slices.Clone(b.g.Values), slices.Clone(b.g.Nodes)
	for i := range g.Nodes {
		g.Nodes[i].In, g.Nodes[i].Out = slices.Clone(g.Nodes[i].In), slices.Clone(g.Nodes[i].Out)
	}
	g.Outputs = slices.Clone(b.g.Outputs)
	for _, f := range list {
		if err := f(&g); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := graph.Check(&g); err != nil {
		b.t.Fatal(err)
	}
	for _, n := range g.Nodes {
		ops = append(ops, n.Op)
	}
	p, err := graph.NewPlan(&g, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	s := p.NewSession()
	for i := range p.Inputs() {
		for k := range s.Input(i).F32() {
			s.Input(i).F32()[k] = float32(k%11) - 5
		}
	}
	if err := s.Run(); err != nil {
		b.t.Fatal(err)
	}
	for i := range p.Outputs() {
		out = append(out, slices.Clone(s.Output(i).F32()))
	}
	return ops, out
}

// checkPass runs a graph as it is and after a pass, and compares the operators that remain and the results, which may differ by so much of their size, or
// of 1 where they are smaller.
func checkPass(t *testing.T, pass func(*graph.Graph) error, build func(*builder) []graph.ValueID, operators []string, bound float64) {
	t.Helper()
	b := newBuilder(t)
	b.g.Outputs = build(b)
	_, want := b.run()
	ops, got := b.run(pass)
	if !slices.Equal(ops, operators) {
		t.Errorf("operators %v, want %v", ops, operators)
	}
	for o := range want {
		if len(got[o]) != len(want[o]) {
			t.Fatalf("output %d has %d values, want %d", o, len(got[o]), len(want[o]))
		}
		for i, x := range want[o] {
			if d := math.Abs(float64(got[o][i] - x)); !(d <= bound*max(1, math.Abs(float64(x)))) {
				t.Fatalf("output %d at %d: %v, want %v", o, i, got[o][i], x)
			}
		}
	}
}

// TestLayout checks which transposes remain, and that results stay the same.
func TestLayout(t *testing.T) {
	nchw, nhwc := []int{0, 3, 1, 2}, []int{0, 2, 3, 1}
	relu := func(b *builder, v graph.ValueID) graph.ValueID {
		return b.node("Activate", ops.ActivateAttr{Act: graph.ActRelu}, v)
	}
	for _, c := range []struct {
		name  string
		build func(b *builder) graph.ValueID
		left  int // transposes
	}{
		{"a pair cancels", func(b *builder) graph.ValueID {
			return relu(b, b.transpose(b.transpose(b.input(1, 2, 3, 4), nchw...), nhwc...))
		}, 0},
		{"a pair around an elementwise operator", func(b *builder) graph.ValueID {
			return relu(b, b.transpose(relu(b, b.transpose(b.input(1, 2, 3, 4), nchw...)), nhwc...))
		}, 0},
		{"a constant of lower rank", func(b *builder) graph.ValueID {
			v := b.node("Add", ops.BinaryAttr{}, b.constant(tensor.Shape{4, 1, 1}), b.transpose(b.input(1, 2, 3, 4), nchw...))
			return relu(b, b.transpose(v, nhwc...))
		}, 0},
		{"axes are renamed", func(b *builder) graph.ValueID {
			x := b.transpose(b.input(1, 2, 3, 4), nchw...)
			v := b.node("Concat", ops.ConcatAttr{Axis: 1}, x, relu(b, x))
			v = b.node("Slice", ops.SliceAttr{Start: []int{0, 1, 0, 2}, Step: []int{1, 2, 1, -1}, Size: []int{1, 3, 2, 3}}, v)
			v = b.node("Pad", ops.PadAttr{Before: []int{0, 1, 2, 0}, After: []int{0, 0, 0, 1}}, v)
			v = b.node("Mean", ops.ReduceAttr{Axes: []int{2}, Keep: true}, v)
			return relu(b, b.transpose(v, nhwc...))
		}, 0},
		{"two that are not inverse join", func(b *builder) graph.ValueID {
			return relu(b, b.transpose(b.transpose(b.input(1, 2, 3, 4), nchw...), nchw...))
		}, 1},
		{"different permutations stay", func(b *builder) graph.ValueID {
			x := b.input(1, 2, 2, 2)
			return b.node("Add", ops.BinaryAttr{}, b.transpose(x, nchw...), b.transpose(x, nhwc...))
		}, 2},
		{"equal ones are shared", func(b *builder) graph.ValueID {
			x := b.input(3, 2)
			r := b.node("Reshape", ops.ReshapeAttr{Shape: []int{6}}, b.transpose(x, 1, 0))
			q := b.node("Reshape", ops.ReshapeAttr{Shape: []int{6}}, b.transpose(x, 1, 0))
			return b.node("Add", ops.BinaryAttr{}, r, q)
		}, 1},
		{"softmax is not moved", func(b *builder) graph.ValueID {
			return b.node("Softmax", ops.SoftmaxAttr{Axis: 1, Beta: 1}, b.transpose(b.input(3, 2), 1, 0))
		}, 1},
		{"an output keeps its value", func(b *builder) graph.ValueID {
			return b.transpose(b.transpose(b.input(3, 2), 1, 0), 1, 0)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuilder(t)
			b.g.Outputs = []graph.ValueID{c.build(b)}
			_, want := b.run()
			left, got := b.run(passes.Layout)
			n := 0
			for _, op := range left {
				if op == graph.TransposeOp {
					n++
				}
			}
			if n != c.left {
				t.Errorf("%d transposes remain, want %d: %v", n, c.left, left)
			}
			if !slices.Equal(got[0], want[0]) {
				t.Errorf("got %v, want %v", got[0], want[0])
			}
		})
	}
}

// TestFoldScale checks that constants go into the layer before them where they may.
func TestFoldScale(t *testing.T) {
	conv := ops.Conv2DAttr{Pad: ops.Explicit, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	for _, c := range []struct {
		name  string
		build func(b *builder) graph.ValueID
		left  []string
	}{
		{"batch normalization after a convolution", func(b *builder) graph.ValueID {
			v := b.node("Conv2D", conv, b.input(1, 3, 3, 2), b.constant(tensor.Shape{4, 2, 2, 2}), b.constant(tensor.Shape{4}))
			v = b.node("Mul", ops.BinaryAttr{}, v, b.constant(tensor.Shape{1, 1, 4}))
			return b.node("Add", ops.BinaryAttr{}, b.constant(tensor.Shape{1, 1, 1, 4}), v)
		}, []string{"Conv2D"}},
		{"depthwise", func(b *builder) graph.ValueID {
			a := ops.DepthwiseAttr{Conv2DAttr: conv, Multiplier: 2}
			v := b.node("DepthwiseConv2D", a, b.input(1, 3, 3, 2), b.constant(tensor.Shape{1, 2, 2, 4}), graph.None)
			return b.node("Mul", ops.BinaryAttr{}, v, b.constant(tensor.Shape{4}))
		}, []string{"DepthwiseConv2D"}},
		{"bias of a dense layer", func(b *builder) graph.ValueID {
			v := b.node("FullyConnected", ops.FullyConnectedAttr{KeepDims: true}, b.input(2, 3), b.constant(tensor.Shape{4, 3}), graph.None)
			return b.node("Add", ops.BinaryAttr{}, v, b.constant(tensor.Shape{1, 4}))
		}, []string{"FullyConnected"}},
		{"another axis than the channels", func(b *builder) graph.ValueID {
			v := b.node("FullyConnected", ops.FullyConnectedAttr{KeepDims: true}, b.input(4, 3), b.constant(tensor.Shape{4, 3}), graph.None)
			return b.node("Add", ops.BinaryAttr{}, v, b.constant(tensor.Shape{4, 1}))
		}, []string{"FullyConnected", "Add"}},
		{"an activation in between", func(b *builder) graph.ValueID {
			v := b.node("FullyConnected", ops.FullyConnectedAttr{Act: graph.ActRelu, KeepDims: true}, b.input(2, 3), b.constant(tensor.Shape{4, 3}), graph.None)
			return b.node("Add", ops.BinaryAttr{}, v, b.constant(tensor.Shape{4}))
		}, []string{"FullyConnected", "Add"}},
		{"a second reader", func(b *builder) graph.ValueID {
			v := b.node("FullyConnected", ops.FullyConnectedAttr{KeepDims: true}, b.input(2, 3), b.constant(tensor.Shape{4, 3}), graph.None)
			w := b.node("Mul", ops.BinaryAttr{}, v, b.constant(tensor.Shape{4}))
			return b.node("Add", ops.BinaryAttr{}, v, w)
		}, []string{"FullyConnected", "Mul", "Add"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuilder(t)
			b.g.Outputs = []graph.ValueID{c.build(b)}
			_, want := b.run()
			left, got := b.run(passes.FoldScale)
			if !slices.Equal(left, c.left) {
				t.Errorf("%v remain, want %v", left, c.left)
			}
			if !slices.Equal(got[0], want[0]) { // small integers: exact in any order
				t.Errorf("got %v, want %v", got[0], want[0])
			}
		})
	}
	b := newBuilder(t)
	b.g.Format = graph.TFLite
	v := b.node("FullyConnected", ops.FullyConnectedAttr{KeepDims: true}, b.input(2, 3), b.constant(tensor.Shape{4, 3}), graph.None)
	b.g.Outputs = []graph.ValueID{b.node("Add", ops.BinaryAttr{}, v, b.constant(tensor.Shape{4}))}
	if left, _ := b.run(passes.FoldScale); len(left) != 2 {
		t.Errorf("a TFLite model is changed: %v", left)
	}
}

// TestLayoutThroughUnits checks that one-dimensional convolutions in a network of two spatial axes keep no transposes: the reshapes between them only
// add and drop an axis of one element.
func TestLayoutThroughUnits(t *testing.T) {
	b := newBuilder(t)
	x := b.transpose(b.input(2, 1, 5, 3), 0, 3, 1, 2) // [2,3,1,5]
	line := b.node("Reshape", ops.ReshapeAttr{Shape: []int{2, 3, 5}}, x)
	two := b.node("Reshape", ops.ReshapeAttr{Shape: []int{2, 3, 1, 5}}, b.node("Neg", nil, line))
	b.g.Outputs = []graph.ValueID{b.transpose(two, 0, 2, 3, 1)}
	_, want := b.run()
	left, got := b.run(passes.Layout)
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
	if i := slices.Index(left, graph.TransposeOp); i >= 0 && i < len(left)-1 { // the graph's output keeps one, which does nothing
		t.Errorf("transposes are left: %v", left)
	}
}
