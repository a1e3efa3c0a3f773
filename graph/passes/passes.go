package passes

import (
	"fmt"

	"wayside/graph"
)

// Pass is one rewrite. It keeps the graph valid: topological order, every value with dtype and shape.
type Pass struct {
	Name string
	Run  func(*graph.Graph) error
}

// All are the passes in their order, on a graph of neutral nodes.
var All = []Pass{
	{"rewrite", Rewrite},
	{"copies", Copies},
	{"layout", Layout},
	{"fold-scale", FoldScale},
	{"layer-norm", LayerNorm},
	{"fuse-activation", FuseActivation},
	{"integers", Integers},
	{"attention", Attention},
	{"turn-products", TurnProducts},
	{"fold", graph.Fold},
	{"fuse-pad", FusePad},
	{"fuse-gelu", FuseGelu},
	{"fuse-swish", FuseSwish},
	{"tables", Tables},
	{"dead", Dead},
	{"fuse-then", FuseThen},
}

// Run applies all passes, to the graphs of control operators too.
func Run(g *graph.Graph) error {
	for _, p := range All {
		if err := p.Run(g); err != nil {
			return fmt.Errorf("passes: %s: %w", p.Name, err)
		}
	}
	for i := range g.Nodes {
		n, ok := g.Nodes[i].Attr.(graph.Nested)
		if !ok {
			continue
		}
		for _, sub := range n.Graphs() {
			if err := Run(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rewrite lets nodes that turn out to be something simpler be replaced by it, such as a loop that is a recurrent layer.
func Rewrite(g *graph.Graph) error {
	var nodes []graph.Node
	for i := range g.Nodes {
		n := g.Nodes[i]
		if r, ok := n.Attr.(graph.Rewriter); ok {
			if instead, ok := r.Rewrite(g, &n); ok {
				nodes = append(nodes, instead...)
				continue
			}
		}
		nodes = append(nodes, n)
	}
	g.Nodes = nodes
	return nil
}

// Copies removes nodes that pass their input on unchanged (Identity, Dropout). A copy whose result is an output of the
// graph stays, so that outputs keep their names and their own memory.
func Copies(g *graph.Graph) error {
	kept := g.Nodes[:0]
	for _, n := range g.Nodes {
		if n.Op == graph.CopyOp && !g.IsOutput(n.Out[0]) {
			for i := range g.Nodes {
				for j, v := range g.Nodes[i].In {
					if v == n.Out[0] {
						g.Nodes[i].In[j] = n.In[0]
					}
				}
			}
			continue
		}
		kept = append(kept, n)
	}
	g.Nodes = kept
	return nil
}

// FuseActivation lets an operator clamp its own result where a plain activation is its only reader. Quantized values are
// left alone: there the activation rescales.
func FuseActivation(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	dead := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		act, ok := n.Attr.(graph.Activator)
		if !ok || len(n.In) != 1 || n.In[0] == graph.None {
			continue
		}
		x := n.In[0]
		p := producer[x]
		if p < 0 || dead[p] || !readOnce(g, users, x) || g.Values[x].Quant != nil || len(g.Nodes[p].Out) != 1 {
			continue
		}
		before := &g.Nodes[p]
		f, ok := before.Attr.(graph.ActFuser)
		if !ok {
			continue
		}
		attr, ok := f.FuseAct(act.Activation())
		if !ok {
			continue
		}
		before.Attr, before.Out[0] = attr, n.Out[0]
		producer[n.Out[0]] = p
		dead[i] = true
	}
	keep(g, dead)
	return nil
}

// Dead removes nodes whose results nobody reads. Nodes that touch state stay.
func Dead(g *graph.Graph) error {
	need := make([]bool, len(g.Values))
	for _, v := range g.Outputs {
		need[v] = true
	}
	dead := make([]bool, len(g.Nodes))
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := &g.Nodes[i]
		op, _ := graph.FindOp(n.Op)
		used := op != nil && op.Impure
		for _, v := range n.Out {
			used = used || v != graph.None && need[v]
		}
		if !used {
			dead[i] = true
			continue
		}
		for _, v := range n.In {
			if v != graph.None {
				need[v] = true
			}
		}
	}
	keep(g, dead)
	return nil
}

func keep(g *graph.Graph, dead []bool) {
	kept := g.Nodes[:0]
	for i, n := range g.Nodes {
		if !dead[i] {
			kept = append(kept, n)
		}
	}
	g.Nodes = kept
}

// readOnce reports whether one node reads a value, and nobody else does.
func readOnce(g *graph.Graph, users [][]int32, v graph.ValueID) bool {
	return v != graph.None && len(users[v]) == 1 && !g.IsOutput(v)
}
