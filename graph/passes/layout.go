package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Layout removes transposes: it moves them down through elementwise operators and operators that only name axes, and joins
// neighbours. The lowering of ONNX puts a pair around every convolution and pool; afterwards a network of them has at most
// one at each end. One walk in topological order does it all, so that the time grows with the number of nodes alone.
func Layout(g *graph.Graph) error {
	w := &layoutWalk{g: g, made: map[graph.ValueID]transposed{}, same: map[graph.ValueID]graph.ValueID{}, output: map[graph.ValueID]bool{}, byInput: map[graph.ValueID][]graph.ValueID{}, late: map[graph.ValueID]graph.Node{}}
	for _, v := range g.Outputs {
		w.output[v] = true
	}
	nodes := g.Nodes
	w.nodes = make([]graph.Node, 0, len(nodes))
	for i := range nodes {
		n := nodes[i]
		w.resolve(&n)
		perm, attr, ok := w.sinkable(&n)
		switch {
		case n.Op == graph.TransposeOp:
			if err := w.transpose(n); err != nil {
				return err
			}
		case ok:
			if err := w.sink(n, perm, attr); err != nil {
				return err
			}
		case w.throughUnits(n):
		default:
			if n.Op == graph.DequantizeLinearOp && g.Values[n.Out[0]].Late {
				w.late[n.Out[0]] = n
			}
			w.nodes = append(w.nodes, n)
		}
	}
	g.Nodes = w.nodes
	return Dead(g) // transposes that nobody reads any more
}

// transposed says that a value is another one with its axes reordered.
type transposed struct {
	perm []int
	of   graph.ValueID
}

// layoutWalk is the state of Layout between two nodes.
type layoutWalk struct {
	g       *graph.Graph
	nodes   []graph.Node
	made    map[graph.ValueID]transposed      // what transposes so far compute
	byInput map[graph.ValueID][]graph.ValueID // their results by their input
	same    map[graph.ValueID]graph.ValueID   // values whose transpose is gone, and what to read instead
	output  map[graph.ValueID]bool
	late    map[graph.ValueID]graph.Node // how constants that are not computed yet come from others
}

// resolve lets a node read what stands for its inputs now.
func (w *layoutWalk) resolve(n *graph.Node) {
	n.In = slices.Clone(n.In)
	for k, v := range n.In {
		if r, ok := w.same[v]; ok {
			n.In[k] = r
		}
	}
}

// transpose joins a transpose with the one before it, and drops it when it does nothing or repeats another. The value of a
// graph output stays; without movement the plan makes it a view.
func (w *layoutWalk) transpose(n graph.Node) error {
	perm, ok := permOf(&n)
	if !ok {
		w.nodes = append(w.nodes, n)
		return nil
	}
	out := n.Out[0]
	if before, ok := w.made[n.In[0]]; ok {
		joined := make([]int, len(perm))
		for k, a := range perm {
			joined[k] = before.perm[a]
		}
		perm = joined
		n.In, n.Attr = []graph.ValueID{before.of}, graph.TransposeAttr{Perm: joined}
	}
	if !w.output[out] {
		if isIdentity(perm) {
			w.same[out] = n.In[0]
			return nil
		}
		for _, other := range w.byInput[n.In[0]] {
			if slices.Equal(w.made[other].perm, perm) {
				w.same[out] = other
				return nil
			}
		}
	}
	w.made[out] = transposed{perm, n.In[0]}
	w.byInput[n.In[0]] = append(w.byInput[n.In[0]], out)
	w.nodes = append(w.nodes, n)
	return nil
}

// sink runs a node on what its inputs are transposes of, and transposes its output instead.
func (w *layoutWalk) sink(n graph.Node, perm []int, attr any) error {
	g := w.g
	in := make([]graph.ValueID, len(n.In))
	for k, v := range n.In {
		switch {
		case v == graph.None:
			in[k] = v
		case g.Values[v].Const != nil:
			in[k] = transposedConst(g, v, inverse(perm))
		case g.Values[v].Late:
			in[k] = w.transposedLate(v, inverse(perm))
		default:
			in[k] = w.made[v].of
		}
	}
	after := &g.Values[n.Out[0]]
	before := g.NewValue(graph.Value{Name: n.Name + "/untransposed", DType: after.DType, Quant: after.Quant, Shifted: after.Shifted})
	moved := n
	moved.In, moved.Out, moved.Attr = in, []graph.ValueID{before}, attr
	back := graph.Node{Op: graph.TransposeOp, Name: n.Name, In: []graph.ValueID{before}, Out: n.Out, Attr: graph.TransposeAttr{Perm: perm}, Src: n.Src}
	// Before the transpose a value may be described in a way that the operator does not take: then the node stays where it is.
	if graph.InferNode(g, &moved) != nil || graph.InferNode(g, &back) != nil {
		w.nodes = append(w.nodes, n)
		return nil
	}
	w.nodes = append(w.nodes, moved)
	return w.transpose(back)
}

// sinkable reports whether all computed inputs of a node are transposes by one permutation, and what the node's attributes
// become when it works on what they are transposes of.
func (w *layoutWalk) sinkable(n *graph.Node) (perm []int, attr any, ok bool) {
	g := w.g
	op, known := graph.FindOp(n.Op)
	mover, moves := n.Attr.(graph.AxisMover)
	if !known || op.Impure || !op.Elementwise && !moves || len(n.Out) != 1 || n.Out[0] == graph.None {
		return nil, nil, false
	}
	for _, v := range n.In {
		if v == graph.None {
			continue
		}
		if c := &g.Values[v]; c.Const != nil {
			if c.DType == tensor.S4 || c.Quant != nil && !c.Quant.PerTensor() {
				return nil, nil, false
			}
			continue
		}
		if n, ok := w.late[v]; ok && n.Attr.(graph.LinearAttr).Quant.PerTensor() {
			continue
		}
		t, ok := w.made[v]
		if !ok || perm != nil && !slices.Equal(t.perm, perm) {
			return nil, nil, false
		}
		perm = t.perm
	}
	if perm == nil || len(g.Values[n.Out[0]].Shape) != len(perm) {
		return nil, nil, false
	}
	for _, v := range n.In {
		if v != graph.None && len(g.Values[v].Shape) > len(perm) {
			return nil, nil, false
		}
	}
	if op.Elementwise {
		return perm, n.Attr, true
	}
	attr, ok = mover.MoveAxes(perm)
	return perm, attr, ok
}

// throughUnits moves a transpose down through a reshape that only adds and drops axes of one element; false where there is none.
func (w *layoutWalk) throughUnits(n graph.Node) bool {
	g := w.g
	attr, ok := n.Attr.(graph.Reshaper)
	if !ok || len(n.In) != 1 || len(n.Out) != 1 || n.Out[0] == graph.None {
		return false
	}
	t, ok := w.made[n.In[0]]
	to := g.Values[n.Out[0]].Shape
	wide, out := wideAxes(g.Values[n.In[0]].Shape), wideAxes(to)
	if !ok || len(wide) != len(out) {
		return false
	}
	for i, a := range wide {
		if g.Values[n.In[0]].Shape[a] != to[out[i]] {
			return false
		}
	}
	// Before the transpose the axes of one element come first, the others in the order that they have there.
	from := g.Values[t.of].Shape
	units := len(to) - len(out)
	shape, place := slices.Repeat(tensor.Shape{1}, units), map[int]int{}
	for _, a := range wideAxes(from) {
		place[a] = len(shape)
		shape = append(shape, from[a])
	}
	perm := make([]int, len(to))
	for j, unit := 0, 0; j < len(to); j++ {
		if i := slices.Index(out, j); i >= 0 {
			perm[j] = place[t.perm[wide[i]]]
		} else {
			perm[j] = unit
			unit++
		}
	}
	x := g.Values[n.Out[0]]
	before := g.NewValue(graph.Value{Name: n.Name + "/untransposed", DType: x.DType, Quant: x.Quant, Shifted: x.Shifted})
	moved := n
	moved.In, moved.Out, moved.Attr = []graph.ValueID{t.of}, []graph.ValueID{before}, attr.With(shape)
	back := graph.Node{Op: graph.TransposeOp, Name: n.Name, In: []graph.ValueID{before}, Out: n.Out, Attr: graph.TransposeAttr{Perm: perm}, Src: n.Src}
	if graph.InferNode(g, &moved) != nil || graph.InferNode(g, &back) != nil {
		return false
	}
	w.nodes = append(w.nodes, moved)
	return w.transpose(back) == nil
}

// wideAxes are the axes that do not have one element.
func wideAxes(s tensor.Shape) []int {
	var axes []int
	for i, d := range s {
		if d != 1 {
			axes = append(axes, i)
		}
	}
	return axes
}

// transposedLate is transposedConst for a constant that is not computed yet.
func (w *layoutWalk) transposedLate(v graph.ValueID, perm []int) graph.ValueID {
	n := w.late[v]
	c := transposedConst(w.g, n.In[0], perm)
	if c == n.In[0] {
		return v
	}
	x := w.g.Values[v]
	x.Shape = w.g.Values[c].Shape
	n.In, n.Out = []graph.ValueID{c}, []graph.ValueID{w.g.NewValue(x)}
	w.nodes = append(w.nodes, n)
	return n.Out[0]
}

// permOf returns the permutation of a transpose node.
func permOf(n *graph.Node) ([]int, bool) {
	if n.Op != graph.TransposeOp {
		return nil, false
	}
	a, ok := n.Attr.(graph.TransposeAttr)
	return a.Perm, ok
}

func isIdentity(perm []int) bool {
	for i, p := range perm {
		if i != p {
			return false
		}
	}
	return true
}

func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return inv
}

// transposedConst returns a constant with its axes, counted from the last as broadcasting does, reordered by perm.
func transposedConst(g *graph.Graph, v graph.ValueID, perm []int) graph.ValueID {
	c := g.Values[v]
	size := c.DType.Bytes(1)
	if len(c.Const) == size { // one element looks the same from everywhere
		return v
	}
	shape := append(slices.Repeat(tensor.Shape{1}, len(perm)-len(c.Shape)), c.Shape...)
	stride := make([]int, len(perm))
	for i, n := len(shape)-1, size; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	to := make(tensor.Shape, len(perm))
	for i, p := range perm {
		to[i] = shape[p]
	}
	data := tensor.Aligned(len(c.Const))
	at := make([]int, len(perm))
	for o := 0; o < len(data); o += size {
		src := 0
		for i, p := range perm {
			src += at[i] * stride[p]
		}
		copy(data[o:o+size], c.Const[src:src+size])
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < to[i] {
				break
			}
			at[i] = 0
		}
	}
	return g.NewValue(graph.Value{Name: c.Name, DType: c.DType, Shape: to, Quant: c.Quant, Shifted: c.Shifted, Const: data})
}
