package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// FuseSwish lets a float32 layer with constant weights apply x × LOGISTIC(x) or HARD_SWISH to its results while they are in the cache, where nobody else
// reads them.
func FuseSwish(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	dead := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		x, gate, act := swish(g, n, producer)
		if act == graph.ActNone || dead[i] {
			continue
		}
		p, readers := producer[x], []int32{int32(i)}
		if gate >= 0 {
			readers = append(readers, gate)
		}
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

// swish recognises a node that ends one of the functions: of which value, and the node of its logistic function or −1.
func swish(g *graph.Graph, n *graph.Node, producer []int32) (x graph.ValueID, gate int32, act graph.Activation) {
	switch {
	case n.Op == "HardSwish" && len(n.In) == 1 && n.In[0] != graph.None:
		return n.In[0], -1, graph.ActHardSwish
	case n.Op != "Mul" || len(n.In) != 2 || n.In[0] == graph.None || n.In[1] == graph.None || hasActivation(n.Attr):
		return 0, -1, graph.ActNone
	}
	for k, x := range n.In {
		s := n.In[1-k]
		if p := producer[s]; p >= 0 && g.Nodes[p].Op == "Logistic" && g.Nodes[p].In[0] == x && !g.IsOutput(s) {
			return x, p, graph.ActSwish
		}
	}
	return 0, -1, graph.ActNone
}
