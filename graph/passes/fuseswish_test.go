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

// TestFuseSwish: layers take the function over where nobody else reads what is before it, and give the same values.
func TestFuseSwish(t *testing.T) {
	const three, sixth = graph.ValueID(1), graph.ValueID(2) // constants
	conv := ops.Conv2DAttr{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	for name, c := range map[string]struct {
		op     string
		attr   any
		w      tensor.Shape
		build  func(node func(op string, attr any, in ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID
		fused  bool
		spread bool // weights are computed
	}{
		"swish":                {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, fused: true},
		"window":               {op: "Conv2D", attr: conv, w: tensor.Shape{8, 3, 3, 4}, fused: true},
		"depthwise":            {op: "DepthwiseConv2D", attr: ops.DepthwiseAttr{Conv2DAttr: conv, Multiplier: 2}, w: tensor.Shape{1, 3, 3, 8}, fused: true},
		"clamped layer":        {op: "Conv2D", attr: ops.Conv2DAttr{Stride: conv.Stride, Dilation: conv.Dilation, Groups: 1, Act: graph.ActRelu}, w: tensor.Shape{8, 1, 1, 4}},
		"weights are computed": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, spread: true},
		"hard swish": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, fused: true, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("HardSwish", nil, x)}
		}},
		"hard swish of parts": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, fused: true, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("Mul", ops.BinaryAttr{}, x, node("Mul", ops.BinaryAttr{}, node("Add", ops.BinaryAttr{Act: graph.ActRelu6}, x, three), sixth))}
		}},
		"parts with another clamp": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("Mul", ops.BinaryAttr{}, x, node("Mul", ops.BinaryAttr{}, node("Add", ops.BinaryAttr{Act: graph.ActRelu}, x, three), sixth))}
		}},
		"the gate is read elsewhere": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			s := node("Logistic", nil, x)
			return []graph.ValueID{node("Mul", ops.BinaryAttr{}, s, x), node("Neg", nil, s)}
		}},
		"read elsewhere": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("Mul", ops.BinaryAttr{}, node("Logistic", nil, x), x), node("HardSwish", nil, x)}
		}},
		"an output": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("HardSwish", nil, x), x}
		}},
		"clamped product": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("Mul", ops.BinaryAttr{Act: graph.ActRelu6}, node("Logistic", nil, x), x)}
		}},
		"the gate of another": {op: "Conv2D", attr: conv, w: tensor.Shape{8, 1, 1, 4}, build: func(node func(string, any, ...graph.ValueID) graph.ValueID, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{node("Mul", ops.BinaryAttr{}, node("Logistic", nil, node("Neg", nil, x)), x)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(fuse bool) ([]float32, int) {
				g := &graph.Graph{Format: graph.TFLite}
				x := g.NewValue(graph.Value{Name: "x", DType: tensor.F32, Shape: tensor.Shape{1, 9, 7, 4}})
				n, _ := c.w.Elems()
				w := &tensor.Tensor{DType: tensor.F32, Shape: c.w, Data: tensor.Aligned(4 * n)}
				for i := range w.F32() {
					w.F32()[i] = float32(i%13)/4 - 1
				}
				g.Inputs = []graph.ValueID{x}
				for id, v := range map[graph.ValueID]float32{three: 3, sixth: 1. / 6} {
					n := &tensor.Tensor{DType: tensor.F32, Shape: tensor.Shape{}, Data: tensor.Aligned(4)}
					n.F32()[0] = v
					for len(g.Values) <= int(max(three, sixth)) {
						g.NewValue(graph.Value{})
					}
					g.Values[id] = graph.Value{Name: "number", DType: tensor.F32, Shape: n.Shape, Const: n.Data}
				}
				weights := graph.Value{Name: "w", DType: tensor.F32, Shape: c.w}
				if !c.spread {
					weights.Const = w.Data
				}
				wv := g.NewValue(weights)
				if c.spread {
					g.Inputs = append(g.Inputs, wv)
				}
				node := func(op string, attr any, in ...graph.ValueID) graph.ValueID {
					n := graph.Node{Op: op, Attr: attr, In: in, Out: []graph.ValueID{g.NewValue(graph.Value{Name: op, DType: tensor.F32})}}
					if err := graph.InferNode(g, &n); err != nil {
						t.Fatal(err)
					}
					g.Nodes = append(g.Nodes, n)
					return n.Out[0]
				}
				y := node(c.op, c.attr, x, wv, graph.None)
				if c.build == nil {
					g.Outputs = []graph.ValueID{node("Mul", ops.BinaryAttr{}, y, node("Logistic", nil, y))}
				} else {
					g.Outputs = c.build(node, y)
				}
				if fuse {
					if err := passes.FuseSwish(g); err != nil {
						t.Fatal(err)
					}
				}
				nodes := len(g.Nodes)
				p, err := graph.NewPlan(g, 0)
				if err != nil {
					t.Fatal(err)
				}
				s := p.NewSession()
				for i := range s.Input(0).F32() {
					s.Input(0).F32()[i] = float32(i%29)/4 - 3
				}
				if c.spread {
					copy(s.Input(1).F32(), w.F32())
				}
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				return slices.Clone(s.Output(0).F32()), nodes
			}
			want, before := run(false)
			got, after := run(true)
			if (after == 1) != c.fused || !c.fused && after != before {
				t.Errorf("%d nodes of %d are left", after, before)
			}
			for i, v := range want {
				if math.Abs(float64(got[i]-v)) > 1e-5*math.Abs(float64(v)) {
					t.Fatalf("value %d: got %v, want %v", i, got[i], v)
				}
			}
		})
	}
}
