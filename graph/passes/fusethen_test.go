package passes_test

import (
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/kernels/par"
)

// TestFuseThen: int8 layers take a table or a sum over where nobody else reads what is before it and the other input is there, and give the same bytes.
func TestFuseThen(t *testing.T) {
	defer par.Set(1)
	unit := ops.Conv2DAttr{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	relu := unit
	relu.Act = graph.ActRelu
	const hardSwish = "HardSwish"
	for name, c := range map[string]struct {
		build func(b *layerGraph, x graph.ValueID) []graph.ValueID
		want  []string
		steps []string // the first parts of the kernels' ids
	}{
		"table": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node(hardSwish, nil, 0.1, -60, b.conv(x, 32, 1, unit))}
		}, []string{"Conv2D"}, []string{"conv+table"}},
		"table after a window": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node("Logistic", nil, 1./256, -128, b.conv(x, 32, 3, relu))}
		}, []string{"Conv2D"}, nil},
		"table after depthwise": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node(hardSwish, nil, 0.1, -60, b.depthwise(x, 3, unit))}
		}, []string{"DepthwiseConv2D"}, []string{"conv.depthwise+table"}},
		"table after a dense layer": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node("Logistic", nil, 1./256, -128, b.dense(x, 40))}
		}, []string{"FullyConnected"}, []string{"gemm+table"}},
		"sum": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.add(ops.BinaryAttr{}, b.conv(x, 32, 1, unit), x)}
		}, []string{"Conv2D"}, []string{"conv+add"}},
		"clamped sum, the layer second": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.add(ops.BinaryAttr{Act: graph.ActRelu}, x, b.conv(x, 32, 3, relu))}
		}, []string{"Conv2D"}, nil},
		"sum with a dense layer": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := b.dense(x, 40)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, b.dense(y, 40), y)}
		}, []string{"FullyConnected", "FullyConnected"}, []string{"gemm", "gemm+add"}},
		"sum of two layers": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y, z := b.conv(x, 48, 1, unit), b.conv(x, 48, 3, unit)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, y, z)}
		}, []string{"Conv2D", "Conv2D"}, nil},
		"sum, then table": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.node("Logistic", nil, 1./256, -128, b.add(ops.BinaryAttr{}, x, b.conv(x, 32, 1, unit)))}
		}, []string{"Conv2D", "Logistic"}, nil},
		"sum with depthwise": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.add(ops.BinaryAttr{}, x, b.depthwise(x, 3, unit))}
		}, []string{"DepthwiseConv2D", "Add"}, nil},
		"the other input comes later": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := b.conv(x, 32, 1, unit)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, y, b.node("Activate", ops.ActivateAttr{Act: graph.ActRelu}, 0.1, -60, x))}
		}, []string{"Conv2D", "Activate", "Add"}, nil},
		"read elsewhere": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := b.conv(x, 32, 1, unit)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, y, x), b.node("Logistic", nil, 1./256, -128, y)}
		}, []string{"Conv2D", "Add", "Logistic"}, nil},
		"twice itself": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := b.conv(x, 32, 1, unit)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, y, y)}
		}, []string{"Conv2D"}, []string{"conv+table"}},
		"an output": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := b.conv(x, 32, 1, unit)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, y, x), y}
		}, []string{"Conv2D", "Add"}, nil},
		"broadcast": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			other := b.value(0.1, 3, 1, 1, 1, 32)
			b.g.Inputs = append(b.g.Inputs, other)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, b.conv(x, 32, 1, unit), other)}
		}, []string{"Conv2D", "Add"}, nil},
		"a constant": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			other := b.value(0.1, 3, b.g.Values[x].Shape...)
			b.g.Values[other].Const = make([]byte, 41*17*32)
			return []graph.ValueID{b.add(ops.BinaryAttr{}, b.conv(x, 32, 1, unit), other)}
		}, []string{"Conv2D", "Add"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := &layerGraph{int8Graph{t, &graph.Graph{Format: graph.TFLite}}}
			x := b.value(0.05, -4, 1, 41, 17, 32)
			b.g.Inputs = []graph.ValueID{x}
			b.g.Outputs = c.build(b, x)
			par.Set(1)
			want := b.outputs()
			for _, p := range []func(*graph.Graph) error{passes.Tables, passes.FuseThen} {
				if err := p(b.g); err != nil {
					t.Fatal(err)
				}
			}
			got := b.operators()
			if !slices.Equal(got, c.want) {
				t.Errorf("operators %v, want %v", got, c.want)
			}
			if got := b.families(); c.steps != nil && !slices.Equal(got, c.steps) {
				t.Errorf("kernels %v, want %v", got, c.steps)
			}
			for workers := 1; workers <= 3; workers++ {
				par.Set(workers)
				for i, got := range b.outputs() {
					if !slices.Equal(got, want[i]) {
						t.Errorf("output %d differs with %d threads", i, workers)
					}
				}
			}
		})
	}
}

// layerGraph makes int8 layers.
type layerGraph struct{ int8Graph }

// families are the first parts of the ids of the steps' kernels.
func (b *layerGraph) families() (f []string) {
	g := *b.g
	g.Values, g.Nodes, g.Outputs = slices.Clone(g.Values), slices.Clone(g.Nodes), slices.Clone(g.Outputs)
	p, err := graph.NewPlan(&g, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range p.Steps() {
		family, _, _ := strings.Cut(s.Kernel, "/")
		f = append(f, family)
	}
	return f
}

func (b *layerGraph) weights(s ...int) graph.ValueID {
	w := b.value(0.01, 0, s...)
	n, _ := b.g.Values[w].Shape.Elems()
	b.g.Values[w].Const = make([]byte, n)
	for i := range b.g.Values[w].Const {
		b.g.Values[w].Const[i] = byte(i*37%251 - 125)
	}
	return w
}

func (b *layerGraph) conv(x graph.ValueID, n, k int, attr ops.Conv2DAttr) graph.ValueID {
	return b.node("Conv2D", attr, 0.09, 7, x, b.weights(n, k, k, 32), graph.None)
}

func (b *layerGraph) depthwise(x graph.ValueID, k int, attr ops.Conv2DAttr) graph.ValueID {
	return b.node("DepthwiseConv2D", ops.DepthwiseAttr{Conv2DAttr: attr, Multiplier: 1}, 0.09, 7, x, b.weights(1, k, k, 32), graph.None)
}

func (b *layerGraph) dense(x graph.ValueID, n int) graph.ValueID {
	s := b.g.Values[x].Shape
	return b.node("FullyConnected", ops.FullyConnectedAttr{KeepDims: true}, 0.09, 7, x, b.weights(n, s[len(s)-1]), graph.None)
}

func (b *layerGraph) add(attr ops.BinaryAttr, x, y graph.ValueID) graph.ValueID {
	return b.node("Add", attr, 0.13, -9, x, y)
}
