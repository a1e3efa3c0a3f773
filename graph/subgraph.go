package graph

import (
	"errors"
	"fmt"
	"slices"

	"wayside/graph/tensor"
)

// Limits of what control operators may make of a file: a hostile one could let a few bytes refer to one large subgraph many times,
// or to itself.
const (
	maxNesting   = 16
	nestedNodes  = 1 << 16  // nodes of all copies together
	nestedTimes  = 16       // bytes of constants of all copies together, as a multiple of the file's constants
	nestedSlack  = 16 << 20 // and some bytes that any file may have
	maxVariables = 1 << 12
)

// nesting is what a graph shares with the copies of its subgraphs that control operators make.
type nesting struct {
	subgraphs []*Graph
	build     *folder
	late      *folder
	nodes     int
	bytes     int64
	limit     int64 // of bytes
}

// nest returns the budgets that g shares with its subgraphs, made at first use for the main graph.
func (g *Graph) nest() *nesting {
	if g.shared == nil {
		own := g.ConstBytes()
		g.shared = &nesting{subgraphs: g.Subgraphs, build: newFolder(own), late: newFolder(own), limit: nestedTimes*own + nestedSlack}
	}
	return g.shared
}

// ConstBytes returns the bytes of the constants of the graph and of its subgraphs, each counted once.
func (g *Graph) ConstBytes() int64 {
	n, seen := int64(0), map[*byte]bool{}
	for _, s := range append([]*Graph{g}, g.Subgraphs...) {
		if s == nil {
			continue
		}
		for i := range s.Values {
			if c := s.Values[i].Const; len(c) > 0 && !seen[&c[0]] {
				seen[&c[0]] = true
				n += int64(len(c))
			}
		}
	}
	return n
}

// Variable returns the state that keeps a variable's bytes, made at first use. A key names one variable of the model in all of its
// subgraphs. It is an error when two nodes disagree about dtype or shape.
func (g *Graph) Variable(key, name string, d tensor.DType, s tensor.Shape, q *tensor.Quant) (ValueID, error) {
	if id, ok := g.variables[key]; ok {
		v := &g.Values[id]
		if v.DType != d || !v.Shape.Equal(s) {
			return None, fmt.Errorf("variable %q is %s%v elsewhere and %s%v here", name, v.DType, v.Shape, d, s)
		}
		return id, nil
	}
	n, err := s.Elems()
	if err != nil || d == tensor.Invalid || d.Bytes(n) < 0 {
		return None, fmt.Errorf("variable %q has no static type and shape: %s%v", name, d, s)
	}
	if len(g.variables) >= maxVariables {
		return None, fmt.Errorf("more than %d variables", maxVariables)
	}
	id := g.NewValue(Value{Name: name, DType: d, Shape: slices.Clone(s), Quant: q})
	g.States = append(g.States, id)
	g.nameVariable(key, id)
	return id, nil
}

func (g *Graph) nameVariable(key string, id ValueID) {
	if g.variables == nil {
		g.variables = map[string]ValueID{}
	}
	g.variables[key] = id
}

// SetHandle says that a value, which has no bytes, stands for a variable.
func (g *Graph) SetHandle(id ValueID, key string) {
	if g.handles == nil {
		g.handles = map[ValueID]string{}
	}
	g.handles[id] = key
}

// Handle returns the key of the variable that a value stands for.
func (g *Graph) Handle(id ValueID) (string, bool) {
	k, ok := g.handles[id]
	return k, ok
}

// Nested is implemented by the attribute structs of control operators. The graphs have been built; passes go into them.
type Nested interface{ Graphs() []*Graph }

// Subgraph returns subgraph index of the file as it was read, for a look at it.
func (l *Lower) Subgraph(index int) (*Graph, error) {
	n := l.G.nest()
	if index < 1 || index >= len(n.subgraphs) {
		return nil, fmt.Errorf("%w: subgraph %d of %d is referred to", ErrDamaged, index, len(n.subgraphs))
	}
	return n.subgraphs[index], nil
}

// Sub makes a copy of subgraph index of the file for this node, with the given values of the node's graph as its inputs: their dtypes
// and shapes hold and handles of variables go on. Inputs that stay in its Inputs are those whose values have bytes and that are not made
// constant: an input is constant where konst says so and the given value is one. The copy is built, ready for passes and NewPlan.
// Unsupported nodes inside are listed like the model's own.
func (l *Lower) Sub(index int, in []ValueID, konst []bool) (*Graph, error) {
	src, err := l.Subgraph(index)
	if err != nil {
		return nil, err
	}
	n := l.G.nest()
	if l.G.depth+1 > maxNesting {
		return nil, l.Refuse("subgraphs nest deeper than %d levels, or run themselves", maxNesting)
	}
	n.nodes += len(src.Nodes) + 1
	for i := range src.Values {
		n.bytes += int64(len(src.Values[i].Const))
	}
	if n.nodes > nestedNodes || n.bytes > n.limit {
		return nil, fmt.Errorf("%w: subgraphs are used so often that they become %d nodes with %d bytes of constants", ErrDamaged, n.nodes, n.bytes)
	}
	if len(src.Inputs) != len(in) {
		return nil, fmt.Errorf("%w: subgraph %d has %d inputs, %d are given", ErrDamaged, index, len(src.Inputs), len(in))
	}
	g := src.clone()
	g.shared, g.depth, g.Panels = n, l.G.depth+1, l.G.Panels
	keep := []ValueID{}
	for i, id := range in {
		to := g.Inputs[i]
		if key, ok := l.G.handles[id]; ok {
			g.SetHandle(to, key)
			continue
		}
		from, v := &l.G.Values[id], &g.Values[to]
		if from.DType == tensor.Invalid {
			return nil, l.Refuse("input %q of subgraph %d %s", v.Name, index, from.noType())
		}
		if v.DType != from.DType {
			return nil, l.Refuse("input %q of subgraph %d is %s, the value given to it is %s", v.Name, index, v.DType, from.DType)
		}
		v.Shape = slices.Clone(from.Shape)
		if konst != nil && konst[i] && from.Const != nil {
			v.Const = from.Const
			continue
		}
		keep = append(keep, to)
	}
	g.Inputs = keep
	// Variable tensors of a subgraph are one variable for all who run it.
	for _, id := range g.States {
		g.nameVariable(fmt.Sprintf("subgraph %d tensor %d", index, id), id)
	}
	if err := Check(g); err != nil {
		return nil, err
	}
	if err := Build(g); err != nil {
		var u *UnsupportedError
		if errors.As(err, &u) {
			for i := range u.Nodes {
				u.Nodes[i].Node = l.N.Name + "/" + u.Nodes[i].Node
			}
		}
		return nil, err
	}
	return g, nil
}

// StatesOf returns the states of l's graph that the given graphs, made by Sub, use, and for each graph and each of its states the place in that list.
func (l *Lower) StatesOf(gs ...*Graph) (ids []ValueID, at [][]int, err error) {
	index := map[string]int{}
	for _, g := range gs {
		keys := map[ValueID]string{}
		for k, id := range g.variables {
			keys[id] = k
		}
		var places []int
		for _, id := range g.States {
			k, ok := keys[id]
			if !ok {
				return nil, nil, fmt.Errorf("the state %q of a subgraph has no key", g.Values[id].Name)
			}
			i, ok := index[k]
			if !ok {
				v := g.Values[id]
				mine, err := l.G.Variable(k, v.Name, v.DType, v.Shape, v.Quant)
				if err != nil {
					return nil, nil, err
				}
				l.G.Values[mine].Start, l.G.Values[mine].Fill = v.Start, v.Fill
				i = len(ids)
				index[k], ids = i, append(ids, mine)
			}
			places = append(places, i)
		}
		at = append(at, places)
	}
	return ids, at, nil
}

// clone copies a graph of source nodes as far as building it changes anything; constants and attributes are shared.
func (g *Graph) clone() *Graph {
	c := &Graph{Format: g.Format, Name: g.Name, Values: slices.Clone(g.Values), Nodes: slices.Clone(g.Nodes)}
	c.Inputs, c.Outputs, c.States = slices.Clone(g.Inputs), slices.Clone(g.Outputs), slices.Clone(g.States)
	for i := range c.Nodes {
		c.Nodes[i].In, c.Nodes[i].Out = slices.Clone(c.Nodes[i].In), slices.Clone(c.Nodes[i].Out)
	}
	return c
}
