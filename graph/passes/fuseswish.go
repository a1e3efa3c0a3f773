package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// FuseSwish lets a float32 layer with constant weights apply x × LOGISTIC(x) or HARD_SWISH, also as x × (clamp(x + 3, 0, 6) × 1/6), to its results while they are
// in the cache, where nobody else reads them.
func FuseSwish(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	dead := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		x, gates, act := swish(g, n, producer, users)
		if act == graph.ActNone || dead[i] {
			continue
		}
		p, readers := producer[x], append(gates, int32(i))
		if p < 0 || g.IsOutput(x) || g.Values[x].DType != tensor.F32 || len(g.Nodes[p].Out) != 1 || len(g.Nodes[p].In) < 2 {
			continue
		}
		if w := &g.Values[g.Nodes[p].In[1]]; w.Const == nil || w.DType != tensor.F32 && w.DType != tensor.F16 {
			continue
		}
		if slices.ContainsFunc(users[x], func(u int32) bool { return !slices.Contains(readers, u) }) {
			continue
		}
		f, ok := g.Nodes[p].Attr.(graph.AfterFuser)
		if !ok {
			continue
		}
		attr, ok := f.FuseAfter(act)
		if !ok {
			continue
		}
		g.Nodes[p].Attr, g.Nodes[p].Out = attr, []graph.ValueID{n.Out[0]}
		producer[n.Out[0]] = p
		for _, r := range readers {
			dead[r] = true
		}
	}
	keep(g, dead)
	return nil
}

// swish recognises a node that ends one of the functions: of which value, and the nodes that compute what it is multiplied with.
func swish(g *graph.Graph, n *graph.Node, producer []int32, users [][]int32) (x graph.ValueID, gates []int32, act graph.Activation) {
	switch {
	case n.Op == "HardSwish" && len(n.In) == 1 && n.In[0] != graph.None:
		return n.In[0], nil, graph.ActHardSwish
	case !isProduct(n):
		return 0, nil, graph.ActNone
	}
	alone := func(v graph.ValueID) int32 { // what computes it for one reader
		if !readOnce(g, users, v) {
			return -1
		}
		return producer[v]
	}
	for k, x := range n.In {
		p := alone(n.In[1-k])
		if p < 0 {
			continue
		}
		if g.Nodes[p].Op == "Logistic" && g.Nodes[p].In[0] == x {
			return x, []int32{p}, graph.ActSwish
		}
		clamped, ok := otherThan(g, &g.Nodes[p], 1./6)
		if !ok || !isProduct(&g.Nodes[p]) {
			continue
		}
		a := alone(clamped)
		if a < 0 || g.Nodes[a].Op != "Add" {
			continue
		}
		f, fused := g.Nodes[a].Attr.(graph.Fused)
		if y, ok := otherThan(g, &g.Nodes[a], 3); ok && y == x && fused && f.Fused() == graph.ActRelu6 {
			return x, []int32{p, a}, graph.ActHardSwish
		}
	}
	return 0, nil, graph.ActNone
}

// otherThan returns the other input of a node that has a number as one of two.
func otherThan(g *graph.Graph, n *graph.Node, number float64) (graph.ValueID, bool) {
	for k, v := range n.In {
		if len(n.In) == 2 && n.In[1-k] != graph.None && isNumber(g, v, number) {
			return n.In[1-k], true
		}
	}
	return graph.None, false
}
