package passes

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// FuseGelu makes one operator of x × ½ × (1 + erf(x / √2)), in whatever order an ONNX exporter multiplies. Its kernel keeps the digits of large negative
// numbers, which the sum loses. Nodes that nobody reads any more stay for Dead.
func FuseGelu(g *graph.Graph) error {
	if g.Format != graph.ONNX {
		return nil
	}
	producer := g.Producers()
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if !isProduct(n) || g.Values[n.Out[0]].DType != tensor.F32 {
			continue
		}
		for k, v := range n.In {
			p := producer[v]
			if p < 0 || !isProduct(&g.Nodes[p]) {
				continue
			}
			if x, ok := geluOf(g, producer, [3]graph.ValueID{n.In[1-k], g.Nodes[p].In[0], g.Nodes[p].In[1]}); ok && g.Values[x].Shape.Equal(g.Values[n.Out[0]].Shape) {
				n.Op, n.Attr, n.In = "Gelu", nil, []graph.ValueID{x}
				break
			}
		}
	}
	return Dead(g)
}

// isProduct reports whether a node multiplies two values and does nothing else.
func isProduct(n *graph.Node) bool {
	return n.Op == "Mul" && len(n.In) == 2 && n.In[0] != graph.None && n.In[1] != graph.None && !hasActivation(n.Attr)
}

// geluOf returns x of three factors that are x, a half, and 1 + erf(x / √2).
func geluOf(g *graph.Graph, producer []int32, factors [3]graph.ValueID) (graph.ValueID, bool) {
	for a := range factors {
		for b := range factors {
			if a == b || !isNumber(g, factors[a], 0.5) {
				continue
			}
			x := factors[3-a-b]
			if erfOf(g, producer, factors[b]) == x {
				return x, true
			}
		}
	}
	return graph.None, false
}

// erfOf returns x where v is 1 + erf(x / √2).
func erfOf(g *graph.Graph, producer []int32, v graph.ValueID) graph.ValueID {
	other := func(op string, v graph.ValueID, number float64) graph.ValueID { // what op does with the number to give v
		if v == graph.None || producer[v] < 0 {
			return graph.None
		}
		n := &g.Nodes[producer[v]]
		if n.Op != op || len(n.In) != 2 || hasActivation(n.Attr) {
			return graph.None
		}
		switch {
		case isNumber(g, n.In[1], number):
			return n.In[0]
		case op != "Div" && isNumber(g, n.In[0], number):
			return n.In[1]
		}
		return graph.None
	}
	e := other("Add", v, 1)
	if e == graph.None || producer[e] < 0 || g.Nodes[producer[e]].Op != "Erf" {
		return graph.None
	}
	d := g.Nodes[producer[e]].In[0]
	if x := other("Div", d, math.Sqrt2); x != graph.None {
		return x
	}
	return other("Mul", d, math.Sqrt2/2)
}

// isNumber reports whether a value is a constant of one element near a number.
func isNumber(g *graph.Graph, v graph.ValueID, number float64) bool {
	if v == graph.None || len(g.Values[v].Const) != 4 || g.Values[v].DType != tensor.F32 {
		return false
	}
	t, _ := g.Values[v].Tensor()
	return math.Abs(float64(t.F32()[0])/number-1) < 1e-6
}
