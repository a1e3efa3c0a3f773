package passes

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// FuseThen lets an int8 layer with constant weights do what the only reader of its results does, while they are in the cache: look them up in a table, or add
// a tensor of the same shape, which then is an input of the layer. In float32 adding is not faster there, since results take four times the room.
func FuseThen(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	dead := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		p, beside := int32(-1), graph.None
		switch n.Op {
		case graph.TableOp:
			p = producer[n.In[0]]
			if p >= 0 && !fusable(g, p, users) {
				p = -1
			}
		case "Add":
			p, beside = adder(g, n, producer, users)
		}
		if p < 0 {
			continue
		}
		layer := &g.Nodes[p]
		attr, ok := layer.Attr.(graph.ThenFuser).FuseThen(n)
		if !ok {
			continue
		}
		layer.Attr, layer.Out = attr, []graph.ValueID{n.Out[0]}
		if beside != graph.None {
			in := []graph.ValueID{graph.None, graph.None, graph.None, beside}
			copy(in, layer.In)
			layer.In = in
		}
		producer[n.Out[0]] = p
		dead[i] = true
	}
	keep(g, dead)
	return nil
}

// fusable reports whether a node is a layer that another node can be fused with: one with constant weights, whose result has one reader.
func fusable(g *graph.Graph, p int32, users [][]int32) bool {
	n := &g.Nodes[p]
	if _, ok := n.Attr.(graph.ThenFuser); !ok || len(n.Out) != 1 || len(n.In) < 2 || len(n.In) > graph.BesideIn {
		return false
	}
	w, y := &g.Values[n.In[1]], n.Out[0]
	return w.Const != nil && (w.DType == tensor.S8 || w.DType == tensor.S4) && g.Values[y].DType == tensor.S8 && readOnce(g, users, y)
}

// adder returns the layer that can add what an Add adds, and the other input, which must be there before the layer runs; −1 where there is none.
func adder(g *graph.Graph, n *graph.Node, producer []int32, users [][]int32) (layer int32, beside graph.ValueID) {
	layer = -1
	if len(n.In) != 2 || n.In[0] == graph.None || n.In[1] == graph.None || n.In[0] == n.In[1] {
		return -1, graph.None
	}
	for k, v := range n.In {
		other, p := n.In[1-k], producer[v]
		x, y := &g.Values[v], &g.Values[other]
		if p >= 0 && p > producer[other] && fusable(g, p, users) && x.DType == y.DType && x.Shape.Equal(y.Shape) && y.Const == nil && !g.IsState(other) {
			layer, beside = p, other
		}
	}
	return layer, beside
}
