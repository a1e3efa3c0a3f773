package passes

import (
	"encoding/binary"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// ListWrites finds the loops of converted recurrent layers that write one element of a list per round: the elements before place i, the new one, those
// behind it, joined again. The two parts have shapes that only the run knows; the whole is one update of a slice. It runs before Build, on source nodes.
//
//	CONCATENATION(SLICE(list, 0, [i, -1, …]), item, SLICE(list, [i+1, 0, …], -1))  →  DYNAMIC_UPDATE_SLICE(list, item, [i, -1, …])
//
// An update takes a start below 0 as 0, so that [i, -1, …] serves as it is. For a place outside of the list the two differ: the parts would not fit together, the
// update keeps to the list's ends.
func ListWrites(g *graph.Graph) error {
	if g.Format != graph.TFLite {
		return nil
	}
	for _, sub := range g.Subgraphs {
		if sub != nil {
			listWrites(sub)
		}
	}
	listWrites(g)
	return nil
}

func listWrites(g *graph.Graph) {
	m := matcher{g, g.Producers()}
	found := false
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Src.Op == "CONCATENATION" {
			if list, item, place, ok := m.listWrite(n); ok {
				n.Src.Op, n.Src.Version = "DYNAMIC_UPDATE_SLICE", 1
				n.In = []graph.ValueID{list, item, place}
				found = true
			}
		}
	}
	if !found {
		return
	}
	// The parts that nobody reads any more would be refused for their open shapes.
	users := g.Users()
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n graph.Node) bool {
		return n.Src.Op == "SLICE" && len(n.Out) == 1 && n.Out[0] != graph.None && len(users[n.Out[0]]) == 0 && !g.IsOutput(n.Out[0])
	})
}

// matcher looks at how values of source nodes come about.
type matcher struct {
	g        *graph.Graph
	producer []int32
}

func (m matcher) listWrite(n *graph.Node) (list, item, place graph.ValueID, ok bool) {
	if len(n.In) != 3 || len(n.Out) != 1 || n.In[1] == graph.None || n.Src.Attrs == nil || n.Src.Attrs.Int(0, "", 0) != 0 || n.Src.Attrs.Int(1, "", 0) != 0 {
		return
	}
	before, after := m.made(n.In[0], "SLICE", 3), m.made(n.In[2], "SLICE", 3)
	if before == nil || after == nil || before.In[0] != after.In[0] || before.In[0] == graph.None {
		return
	}
	list, item = before.In[0], n.In[1]
	whole, one := m.g.Values[list].Shape, m.g.Values[item].Shape
	if len(whole) == 0 || len(one) != len(whole) || one[0] != 1 || !slices.Equal(one[1:], whole[1:]) || !m.g.Values[n.Out[0]].Shape.Equal(whole) {
		return
	}
	i, ok1 := m.vector(before.In[2], len(whole), -1)
	next, ok2 := m.vector(after.In[1], len(whole), 0)
	if !ok1 || !ok2 || !m.all(before.In[1], len(whole), 0) || !m.all(after.In[2], len(whole), -1) || !m.successor(next, i) {
		return 0, 0, 0, false
	}
	return list, item, before.In[2], true
}

// made returns the node that makes v if it is the given operator with so many inputs.
func (m matcher) made(v graph.ValueID, op string, inputs int) *graph.Node {
	if v == graph.None || m.producer[v] < 0 {
		return nil
	}
	n := &m.g.Nodes[m.producer[v]]
	if n.Src.Op != op || len(n.In) != inputs {
		return nil
	}
	return n
}

// vector takes v apart that is [x, rest, rest, …] of n elements, and returns the scalar x.
func (m matcher) vector(v graph.ValueID, n, rest int) (graph.ValueID, bool) {
	if n > 1 {
		c := m.made(v, "CONCATENATION", 2)
		if c == nil || !m.all(c.In[1], n-1, int64(rest)) {
			return 0, false
		}
		v = c.In[0]
	}
	r := m.made(v, "RESHAPE", 2)
	if r == nil || r.In[0] == graph.None || len(m.g.Values[r.In[0]].Shape) != 0 {
		return 0, false
	}
	return r.In[0], true
}

// successor reports whether a is b + 1.
func (m matcher) successor(a, b graph.ValueID) bool {
	n := m.made(a, "ADD", 2)
	return n != nil && n.Src.Attrs != nil && n.Src.Attrs.Int(0, "", 0) == 0 && (n.In[0] == b && m.all(n.In[1], 1, 1) || n.In[1] == b && m.all(n.In[0], 1, 1))
}

// all reports whether v is a constant of n integers that all are x.
func (m matcher) all(v graph.ValueID, n int, x int64) bool {
	if v == graph.None {
		return false
	}
	c := &m.g.Values[v]
	if c.DType == tensor.S32 && len(c.Const) == 4*n {
		for ; n > 0; n-- {
			if int64(int32(binary.LittleEndian.Uint32(c.Const[4*(n-1):]))) != x {
				return false
			}
		}
		return true
	}
	return false
}
