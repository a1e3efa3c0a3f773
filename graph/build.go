package graph

import (
	"errors"
	"fmt"
	"slices"

	"wayside/graph/tensor"
)

// Bind gives every dynamic axis of the graph's inputs an extent: shapes by the input's name or its name in a signature first, 1 for what remains.
// A given shape must have the input's rank and agree with its static axes. It runs before Build.
func Bind(g *Graph, shapes map[string][]int) error {
	for _, id := range g.Inputs {
		g.Declared = append(g.Declared, slices.Clone(g.Values[id].Shape))
	}
	for name, s := range shapes {
		i := slices.IndexFunc(g.Inputs, func(v ValueID) bool { return g.Values[v].Name == name })
		if at, ok := g.Meta.InputName(name); i < 0 && ok {
			i = at
		}
		if i < 0 {
			names := make([]string, len(g.Inputs))
			for j, v := range g.Inputs {
				names[j] = g.Values[v].Name
			}
			return fmt.Errorf("graph: binding shapes: the model has no input %q; it has %q", name, names)
		}
		v := &g.Values[g.Inputs[i]]
		if len(s) != len(v.Shape) {
			return fmt.Errorf("graph: binding shapes: input %q has %d axes %v, the given shape %v has %d", name, len(v.Shape), v.Shape, s, len(s))
		}
		for a, d := range s {
			if d < 1 || v.Shape[a] >= 0 && v.Shape[a] != d {
				return fmt.Errorf("graph: binding shapes: axis %d of input %q is %d in the model, %d was asked for", a, name, v.Shape[a], d)
			}
		}
		v.Shape = slices.Clone(tensor.Shape(s))
	}
	for _, id := range g.Inputs {
		v := &g.Values[id]
		v.Shape = slices.Clone(v.Shape)
		for a, d := range v.Shape {
			if d < 0 {
				v.Shape[a] = 1
			}
		}
		if n, err := v.Shape.Elems(); err != nil || v.DType.Bytes(n) < 0 {
			return fmt.Errorf("graph: input %q of %s%v: %w: too large", v.Name, v.DType, v.Shape, ErrDamaged)
		}
	}
	return nil
}

// Check verifies the invariants that everything after a reader relies on: ids in range, one producer per value, nodes in
// topological order, constants of the right length. It returns an error that wraps ErrDamaged.
func Check(g *Graph) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("graph: %w: "+format, append([]any{ErrDamaged}, args...)...)
	}
	known := make([]bool, len(g.Values))
	for i := range g.Values {
		v := &g.Values[i]
		if v.Const == nil {
			continue
		}
		n, err := v.Shape.Elems()
		if err != nil {
			return bad("constant %q: %w", v.Name, err)
		}
		if v.DType != tensor.Invalid && len(v.Const) != v.DType.Bytes(n) {
			return bad("constant %q: %s%v needs %d bytes, the file has %d", v.Name, v.DType, v.Shape, v.DType.Bytes(n), len(v.Const))
		}
		known[i] = true
	}
	in := func(id ValueID) bool { return id >= 0 && int(id) < len(g.Values) }
	for _, list := range [][]ValueID{g.Inputs, g.States} {
		for _, id := range list {
			if !in(id) {
				return bad("input refers to value %d of %d", id, len(g.Values))
			}
			known[id] = true
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, id := range n.In {
			if id == None {
				continue
			}
			if !in(id) {
				return bad("node %d (%s) reads value %d of %d", i, n.Src.Op, id, len(g.Values))
			}
			if !known[id] {
				return bad("node %d (%s) reads %q before any node has computed it", i, n.Src.Op, g.Values[id].Name)
			}
		}
		for _, id := range n.Out {
			if id == None {
				continue
			}
			if !in(id) {
				return bad("node %d (%s) writes value %d of %d", i, n.Src.Op, id, len(g.Values))
			}
			if known[id] {
				return bad("node %d (%s) computes %q a second time", i, n.Src.Op, g.Values[id].Name)
			}
			known[id] = true
		}
	}
	for _, id := range g.Outputs {
		if !in(id) || !known[id] {
			return bad("output %d is computed by no node", id)
		}
	}
	return nil
}

// Build turns the source nodes of a bound graph into neutral ones: each is lowered, its results are inferred, and what
// depends on constants alone is computed. Every node that cannot run is collected in one *UnsupportedError.
func Build(g *Graph) error {
	src := g.Nodes
	g.Nodes = nil
	return lowerNodes(g, src, g.nest().build, map[ValueID]bool{})
}

// lowerNodes appends what source nodes become to the graph. Unknown are values of nodes that are refused already.
func lowerNodes(g *Graph, src []Node, fold *folder, unknown map[ValueID]bool) error {
	var refused UnsupportedError
	for i := range src {
		n := &src[i]
		if n.Op != "" { // neutral already: an early pass has put it there
			if err := InferNode(g, n); err != nil {
				return fmt.Errorf("graph: node %d %s: %w: %w", i, n.Op, ErrDamaged, err)
			}
			g.Nodes = append(g.Nodes, *n)
			continue
		}
		form, why := findForm(g.Format, &n.Src)
		blind := slices.ContainsFunc(n.In, func(v ValueID) bool { return v != None && unknown[v] })
		if form != nil && !blind {
			l := &Lower{NodeCtx: NodeCtx{g, n}, fold: fold, unknown: unknown}
			err := form.Lower(l)
			if err == nil {
				err = l.err
			}
			if err == nil {
				g.Nodes = append(g.Nodes, l.emitted...)
				continue
			}
			if errors.Is(err, ErrDamaged) {
				return fmt.Errorf("graph: node %d %s %q: %w", i, n.Src.Op, n.Name, err)
			}
			var inner *UnsupportedError
			if errors.As(err, &inner) { // nodes of a subgraph
				refused.Nodes = append(refused.Nodes, inner.Nodes...)
				blind = true
			}
			for _, b := range n.Src.Branches { // they may read what is not in the node's inputs
				blind = blind || slices.ContainsFunc(b.Outputs, func(v ValueID) bool { return unknown[v] })
			}
			why = err.Error()
		}
		for _, v := range n.Out {
			if v != None {
				unknown[v] = true
			}
		}
		if form == nil || !blind {
			refused.Nodes = append(refused.Nodes, describe(g, n, why))
		}
	}
	if len(refused.Nodes) > 0 {
		return &refused
	}
	return nil
}

func describe(g *Graph, n *Node, why string) Unsupported {
	c := NodeCtx{g, n}
	dt := tensor.Invalid
	for i := range n.In {
		if v := c.In(i); v != nil && v.DType != tensor.Invalid {
			dt = v.DType
			break
		}
	}
	u := Unsupported{Node: n.Name, Op: n.Src.Op, Domain: n.Src.Domain, Version: n.Src.Version, Reason: why}
	if dt != tensor.Invalid {
		u.DType = dt.String()
	}
	return u
}

// noType says why a value has no dtype.
func (v *Value) noType() string {
	if v.Unread != "" {
		return "is of type " + v.Unread + ", which is not supported"
	}
	return "has no type"
}

// InferNode checks a neutral node and sets dtype and shape of its outputs. Passes call it on the nodes they make.
func InferNode(g *Graph, n *Node) error {
	op, ok := opsByName[n.Op]
	if !ok {
		return fmt.Errorf("graph: no neutral operator %q", n.Op)
	}
	if wanted := func(v ValueID) bool { return v != None }; !op.Impure && !slices.ContainsFunc(n.Out, wanted) {
		return errors.New("the node has no output")
	}
	for _, v := range n.In {
		if v == None {
			continue
		}
		if g.Values[v].DType == tensor.Invalid {
			return fmt.Errorf("input %q %s", g.Values[v].Name, g.Values[v].noType())
		}
		if _, err := g.Values[v].Shape.Elems(); err != nil {
			return fmt.Errorf("input %q: %w", g.Values[v].Name, err)
		}
	}
	return op.Infer(&InferCtx{NodeCtx{g, n}})
}

// Fold computes every node whose inputs are constants, those with LateFold too, and removes it.
func Fold(g *Graph) error {
	f := g.nest().late
	kept := g.Nodes[:0]
	for i := range g.Nodes {
		n := g.Nodes[i]
		done, err := f.node(g, &n, true)
		if err != nil {
			return fmt.Errorf("graph: folding %s %q: %w", n.Op, n.Name, err)
		}
		if !done {
			kept = append(kept, n)
		}
	}
	g.Nodes = kept
	return nil
}

// foldWork bounds the multiply-accumulates and other operations of constant folding: what is left over stays a step of the plan. A chain of large constant products in
// a file of some bytes would otherwise keep the loader busy for minutes; real models fold next to none.
const foldWork = 1 << 27

// folder computes constants within its budgets.
type folder struct {
	left int64 // bytes
	work int64 // multiply-accumulates and other operations
	read int64 // bytes that kernels read, because many nodes may share one large constant
}

// newFolder bounds what constant folding may make of a model with that many bytes of constants, so that a small file cannot ask for
// gigabytes at load: some multiple of them (float16 weights double), and a little for tables that are computed from shapes.
func newFolder(own int64) *folder {
	const times, slack = 8, 16 << 20
	return &folder{left: times*own + slack, work: foldWork, read: 4 * (times*own + slack)}
}

// node folds one inferred node if it may; late also folds operators with LateFold.
func (f *folder) node(g *Graph, n *Node, late bool) (bool, error) {
	op := opsByName[n.Op]
	if op.Impure || op.LateFold && !late {
		return false, nil
	}
	need, all := int64(0), true
	for _, id := range n.Out {
		if id == None {
			continue
		}
		v := &g.Values[id]
		all = all && v.Const != nil
		e, err := v.Shape.Elems()
		if err != nil {
			return false, err
		}
		need += int64(v.DType.Bytes(e))
	}
	if all {
		return true, nil // Infer has set the bytes
	}
	read := int64(0)
	for _, id := range n.In {
		if id == None {
			continue
		}
		if g.Values[id].Const == nil {
			return false, nil
		}
		read += int64(len(g.Values[id].Const))
	}
	if need > f.left || read > f.read {
		return false, nil // stays a step: its memory is then part of the plan, which has its own limit
	}
	cc := &CompileCtx{NodeCtx{g, n}, make([]bool, len(n.In))}
	k, err := op.Compile(cc)
	if err != nil {
		return false, err
	}
	if k.MACs+k.Work > f.work || int64(k.Scratch) > f.left {
		return false, nil
	}
	f.left -= need
	f.work -= k.MACs + k.Work
	f.read -= read
	a := &Args{Scratch: tensor.Aligned(k.Scratch)}
	for i := range n.In {
		var t *tensor.Tensor
		if !cc.taken[i] {
			t, _ = cc.Const(i)
		}
		a.In = append(a.In, t)
	}
	for _, id := range n.Out {
		if id == None {
			a.Out = append(a.Out, nil)
			continue
		}
		v := &g.Values[id]
		t, err := tensor.New(v.DType, v.Shape)
		if err != nil {
			return false, err
		}
		t.Quant = v.Quant
		a.Out = append(a.Out, t)
	}
	run := k.Run
	if k.Bind != nil {
		if run, err = k.Bind(a); err != nil {
			return false, err
		}
	}
	if err := run(a); err != nil {
		return false, err
	}
	for i, id := range n.Out {
		if id != None {
			g.Values[id].Const = a.Out[i].Data
		}
	}
	return true, nil
}
