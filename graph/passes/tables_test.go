package passes_test

import (
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/graph/tensor"
)

// int8Graph makes graphs of quantized int8 values.
type int8Graph struct {
	t *testing.T
	g *graph.Graph
}

func (b *int8Graph) value(scale float32, zero int32, s ...int) graph.ValueID {
	return b.g.NewValue(graph.Value{Name: "v", DType: tensor.S8, Shape: s, Quant: &tensor.Quant{Scale: []float32{scale}, Zero: []int32{zero}}})
}

func (b *int8Graph) node(op string, attr any, scale float32, zero int32, in ...graph.ValueID) graph.ValueID {
	b.t.Helper()
	n := graph.Node{Op: op, Attr: attr, In: in, Out: []graph.ValueID{b.value(scale, zero)}}
	if err := graph.InferNode(b.g, &n); err != nil {
		b.t.Fatal(err)
	}
	b.g.Nodes = append(b.g.Nodes, n)
	return n.Out[0]
}

// operators are those of the nodes.
func (b *int8Graph) operators() []string {
	var names []string
	for _, n := range b.g.Nodes {
		names = append(names, n.Op)
	}
	return names
}

// outputs runs a copy of the graph on all int8.
func (b *int8Graph) outputs() [][]int8 {
	b.t.Helper()
	g := *b.g
	g.Values, g.Nodes, g.Outputs = slices.Clone(g.Values), slices.Clone(g.Nodes), slices.Clone(g.Outputs)
	p, err := graph.NewPlan(&g, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	s := p.NewSession()
	for i := range s.Input(0).S8() {
		s.Input(0).S8()[i] = int8(i)
	}
	if err := s.Run(); err != nil {
		b.t.Fatal(err)
	}
	var out [][]int8
	for i := range g.Outputs {
		out = append(out, slices.Clone(s.Output(i).S8()))
	}
	return out
}

func TestTables(t *testing.T) {
	const mul = "Mul"
	act := ops.BinaryAttr{}
	for name, c := range map[string]struct {
		build func(b *int8Graph, x graph.ValueID) (outputs []graph.ValueID)
		want  []string
	}{
		"diamond": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node(mul, act, 0.1, 3, x, b.node("Logistic", nil, 1./256, -128, x))}
		}, []string{"Table"}},
		"hard swish of a chain": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			c := func(v byte) graph.ValueID {
				id := b.value(0.05, 0, 1, 1)
				b.g.Values[id].Const = []byte{v}
				return id
			}
			y := b.node("Activate", ops.ActivateAttr{Act: graph.ActRelu6}, 6./255, -128, b.node("Add", act, 0.07, -11, x, c(60)))
			return []graph.ValueID{b.node(mul, act, 0.08, -60, x, b.node(mul, act, 1./255, -128, y, c(3)))}
		}, []string{"Table"}},
		"one operator of one input": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node("HardSwish", nil, 0.1, -60, x)}
		}, []string{"HardSwish"}},
		"the middle is an output": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			y := b.node("Logistic", nil, 1./256, -128, x)
			return []graph.ValueID{y, b.node(mul, act, 0.1, 3, x, y)}
		}, []string{"Logistic", "Table"}},
		"two inputs": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			other := b.value(0.1, 0, 4, 64)
			b.g.Inputs = append(b.g.Inputs, other)
			return []graph.ValueID{b.node(mul, act, 0.1, 3, other, b.node("Logistic", nil, 1./256, -128, x))}
		}, []string{"Logistic", mul}},
		"a constant per channel": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			c := b.value(0.1, 0, 64)
			b.g.Values[c].Const = make([]byte, 64)
			return []graph.ValueID{b.node(mul, act, 0.1, 3, x, c)}
		}, []string{mul}},
		"broadcast of another shape": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			y := b.value(0.1, 0, 1, 64)
			b.g.Inputs = append(b.g.Inputs, y)
			return []graph.ValueID{b.node(mul, act, 0.1, 3, x, y), b.node("Add", act, 0.2, 3, y, b.node("Logistic", nil, 1./256, -128, y))}
		}, []string{mul, "Table"}},
		"floats between": {func(b *int8Graph, x graph.ValueID) []graph.ValueID {
			f := func(op string, in graph.ValueID) graph.ValueID {
				n := graph.Node{Op: op, In: []graph.ValueID{in}, Out: []graph.ValueID{b.g.NewValue(graph.Value{Name: op})}}
				if err := graph.InferNode(b.g, &n); err != nil {
					b.t.Fatal(err)
				}
				b.g.Nodes = append(b.g.Nodes, n)
				return n.Out[0]
			}
			return []graph.ValueID{b.node("Quantize", nil, 0.01, 5, f("Sin", f("Dequantize", x)))}
		}, []string{"Table"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &int8Graph{t, &graph.Graph{Format: graph.TFLite}}
			x := b.value(0.05, -4, 4, 64)
			b.g.Inputs = []graph.ValueID{x}
			b.g.Outputs = c.build(b, x)
			want := b.outputs()
			if err := passes.Tables(b.g); err != nil {
				t.Fatal(err)
			}
			if err := passes.Dead(b.g); err != nil {
				t.Fatal(err)
			}
			if got := b.operators(); !slices.Equal(got, c.want) {
				t.Errorf("operators %v, want %v", got, c.want)
			}
			for i, got := range b.outputs() {
				if !slices.Equal(got, want[i]) {
					t.Errorf("output %d: %v, want %v", i, got, want[i])
				}
			}
		})
	}
}

// TestTablesOfFailure: an operator that fails a run for some values stays, so that it still does.
func TestTablesOfFailure(t *testing.T) {
	b := &int8Graph{t, &graph.Graph{Format: graph.TFLite}}
	x := b.value(0.05, -4, 4, 64)
	b.g.Inputs = []graph.ValueID{x}
	b.g.Outputs = []graph.ValueID{b.node("Abs", nil, 0.1, 0, b.node("Rsqrt", nil, 0.1, -128, x))}
	if err := passes.Tables(b.g); err != nil {
		t.Fatal(err)
	}
	if got, want := b.operators(), []string{"Rsqrt", "Abs"}; !slices.Equal(got, want) {
		t.Errorf("operators %v, want %v", got, want)
	}
}
