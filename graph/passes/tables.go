package passes

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// Tables replaces what computes an int8 value, element by element, from one other int8 value alone by a table of 256 results: chains, and diamonds
// such as x × LOGISTIC(x). The operators' own kernels fill the table, so it gives what they would have given. Single operators of one input are left alone,
// since they are tables already, but where FuseThen takes them. Nodes that nobody reads any more stay for Dead.
func Tables(g *graph.Graph) error {
	t := &tabulator{g: g, all: &graph.Graph{Format: g.Format}, of: map[graph.ValueID]tabulated{}}
	users, producer := g.Users(), g.Producers()
	for i := range g.Nodes {
		t.node(&g.Nodes[i])
	}
	wanted := make([]bool, len(g.Values)) // by someone who does not get a table of its own
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := &g.Nodes[i]
		if len(n.Out) != 1 || n.Out[0] == graph.None {
			continue
		}
		o := n.Out[0]
		r, ok := t.of[o]
		if !ok {
			continue
		}
		wanted[o] = g.IsOutput(o)
		for _, u := range users[o] {
			v := g.Nodes[u].Out[0]
			next, ok := t.of[v]
			wanted[o] = wanted[o] || !ok || next.root != r.root || g.Values[v].DType != tensor.S8 && wanted[v]
		}
		single := len(n.In) == 1 && n.In[0] == r.root && (producer[r.root] < 0 || !fusable(g, producer[r.root], users))
		if wanted[o] && g.Values[o].DType == tensor.S8 && !single {
			n.Op, n.Attr, n.In = graph.TableOp, graph.TableAttr{Results: [256]byte(t.all.Values[r.results].Const)}, []graph.ValueID{r.root}
		}
	}
	return nil
}

// tabulated is a value that depends on another one alone.
type tabulated struct {
	root    graph.ValueID
	results graph.ValueID // of tabulator.all: what every value of root gives
}

// tabulator computes nodes for all int8 at once, as constants of a graph of its own.
type tabulator struct {
	g, all *graph.Graph
	of     map[graph.ValueID]tabulated
}

// rescales reports whether an operator is element-wise where one scale holds for all.
func rescales(op string) bool {
	return op == "Quantize" || op == "Dequantize" || op == graph.QuantizeLinearOp || op == graph.DequantizeLinearOp
}

// node tabulates a node's result if it can.
func (t *tabulator) node(n *graph.Node) {
	op, _ := graph.FindOp(n.Op)
	if op == nil || !op.Elementwise && !rescales(n.Op) || op.Impure || len(n.Out) != 1 || n.Out[0] == graph.None {
		return
	}
	root, ok := t.root(n)
	if !ok {
		return
	}
	out := t.g.Values[n.Out[0]]
	if q := out.Quant; q != nil && !q.PerTensor() || !out.Shape.Equal(t.g.Values[root].Shape) {
		return
	}
	all := graph.Node{Op: n.Op, Attr: n.Attr, Name: n.Name}
	for _, v := range n.In {
		all.In = append(all.In, t.input(v, root))
	}
	out.Shape = nil
	all.Out = []graph.ValueID{t.all.NewValue(out)}
	if graph.InferNode(t.all, &all) != nil {
		return
	}
	// It may fail for values that do not occur, or be too much work.
	t.all.Nodes = []graph.Node{all}
	if err := graph.Fold(t.all); err != nil || len(t.all.Nodes) > 0 {
		t.all.Nodes = nil
		return
	}
	t.of[n.Out[0]] = tabulated{root, all.Out[0]}
}

// root returns the int8 value that a node's inputs are computed from, or that is its only input, beside constants of one element.
func (t *tabulator) root(n *graph.Node) (root graph.ValueID, ok bool) {
	root = graph.None
	for _, v := range n.In {
		if v == graph.None {
			return root, false
		}
		x := &t.g.Values[v]
		if x.Quant != nil && !x.Quant.PerTensor() {
			return root, false
		}
		if x.Const != nil {
			if e, err := x.Shape.Elems(); err != nil || e != 1 {
				return root, false
			}
			continue
		}
		r, known := t.of[v]
		if !known {
			r.root = v
		}
		if root != graph.None && root != r.root || t.g.Values[r.root].DType != tensor.S8 || t.g.IsState(r.root) {
			return root, false
		}
		root = r.root
	}
	return root, root != graph.None
}

// input returns what stands for value v of the graph where root takes all values in turn.
func (t *tabulator) input(v, root graph.ValueID) graph.ValueID {
	x := t.g.Values[v]
	switch {
	case x.Const != nil:
		x.Shape = tensor.Shape{}
	case v != root:
		return t.of[v].results
	default:
		x.Shape, x.Const = tensor.Shape{256}, tensor.Aligned(256)
		for i := range x.Const {
			x.Const[i] = byte(i)
		}
	}
	return t.all.NewValue(x)
}
