package passes

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Attention puts one node in place of softmax(q × kᵀ × scale + mask) × v in float32:
//
//	MatMul → [Mul or Div by a constant] → [Add of a mask] → Softmax → MatMul
//
// with reshapes anywhere between that leave rows as they are. Reshapes and transposes before q, k and v and behind the result become strides where rows
// stay in one piece, so that heads are read and written where they lie.
func Attention(g *graph.Graph) error {
	w := &attentionWalk{g: g, producer: g.Producers(), users: g.Users()}
	dead := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		if n, gone, ok := w.match(i); ok {
			g.Nodes[i] = n
			for _, d := range gone {
				dead[d] = true
			}
			w.producer[n.Out[0]] = int32(i)
		}
	}
	keep(g, dead)
	return Dead(g) // the transposes that nobody reads any more
}

type attentionWalk struct {
	g        *graph.Graph
	producer []int32
	users    [][]int32
}

// maxHeads bounds the lists of an attention node.
const maxHeads = 1 << 12

// match returns the attention node that node i ends, and the nodes that it swallows beside.
func (w *attentionWalk) match(i int) (out graph.Node, gone []int32, ok bool) {
	g := w.g
	last := &g.Nodes[i]
	if _, product := last.Attr.(graph.MatrixProduct); !product || last.Op != "MatMul" || !w.floats(last) {
		return
	}
	if a, _ := last.Attr.(graph.MatrixProduct).Transposed(); a {
		return
	}
	probabilities := last.In[0]
	n := w.inner(probabilities, &gone)
	if n == nil || n.Op != "Softmax" {
		return
	}
	factor, along := float32(0), false
	if s, ok := n.Attr.(graph.RowSoftmax); ok {
		factor, along = s.AlongLast(len(g.Values[n.In[0]].Shape))
	}
	if !along {
		return
	}
	scale, mask, masked := factor, graph.None, graph.None
	x := n.In[0]
	n = w.inner(x, &gone)
	if n != nil && n.Op == "Add" && len(n.In) == 2 && factor == 1 && !hasActivation(n.Attr) {
		// The scores are the side that a product makes; the other one is the mask.
		for side := range 2 {
			if w.scores(n.In[side]) && !w.scores(n.In[1-side]) {
				x, mask, masked = n.In[side], n.In[1-side], n.Out[0]
			}
		}
		if mask == graph.None {
			return
		}
		n = w.inner(x, &gone)
	}
	if n != nil && (n.Op == "Mul" || n.Op == "Div") && len(n.In) == 2 && !hasActivation(n.Attr) {
		c, other := w.scalar(n.In[1]), n.In[0]
		if c == nil && n.Op == "Mul" {
			c, other = w.scalar(n.In[0]), n.In[1]
		}
		if c == nil || n.Op == "Div" && *c == 0 {
			return
		}
		if n.Op == "Div" {
			scale /= *c
		} else {
			scale *= *c
		}
		x = other
		n = w.inner(x, &gone)
	}
	if n == nil || n.Op != "MatMul" || !w.floats(n) || math.IsInf(float64(scale), 0) || scale != scale {
		return
	}
	attr, in, to, ok := w.describe(n, last, mask, masked)
	if !ok {
		return
	}
	attr.Scale = scale
	gone = append(gone, w.behind(last.Out[0], to)...)
	return graph.Node{Op: graph.AttentionOp, Name: last.Name, In: in, Out: []graph.ValueID{to}, Attr: attr, Src: last.Src}, gone, true
}

// inner returns the node that makes v, behind reshapes that leave the last two axes as they are, and adds to gone what is passed over. It returns nil where
// somebody else reads what comes between.
func (w *attentionWalk) inner(v graph.ValueID, gone *[]int32) *graph.Node {
	for {
		p := w.producer[v]
		if p < 0 || len(w.users[v]) != 1 || w.g.IsOutput(v) || len(w.g.Nodes[p].Out) != 1 {
			return nil
		}
		n := &w.g.Nodes[p]
		*gone = append(*gone, p)
		if n.Op != "Reshape" {
			return n
		}
		if !sameRows(w.g.Values[n.In[0]].Shape, w.g.Values[v].Shape) {
			return nil
		}
		v = n.In[0]
	}
}

// scores reports whether v comes from a product of matrices, perhaps by way of a scale.
func (w *attentionWalk) scores(v graph.ValueID) bool {
	var passed []int32
	n := w.inner(v, &passed)
	if n != nil && (n.Op == "Mul" || n.Op == "Div") && len(n.In) == 2 {
		x := n.In[0]
		if n.Op == "Mul" && w.scalar(x) != nil {
			x = n.In[1]
		}
		n = w.inner(x, &passed)
	}
	return n != nil && n.Op == "MatMul"
}

func sameRows(a, b tensor.Shape) bool {
	return len(a) >= 2 && len(b) >= 2 && slices.Equal(a[len(a)-2:], b[len(b)-2:])
}

// scalar returns the only element of a float32 constant, else nil.
func (w *attentionWalk) scalar(v graph.ValueID) *float32 {
	if v == graph.None || w.g.Values[v].Const == nil {
		return nil
	}
	if c, ok := perChannel(&w.g.Values[v], 1); ok {
		return &c[0]
	}
	return nil
}

// floats reports whether a node has two computed inputs of float32 with two axes or more.
func (w *attentionWalk) floats(n *graph.Node) bool {
	for _, v := range n.In {
		if v == graph.None {
			return false
		}
		if x := &w.g.Values[v]; x.DType != tensor.F32 || x.Const != nil || len(x.Shape) < 2 {
			return false
		}
	}
	return len(n.In) == 2
}

// describe fills in where all matrices lie. first makes the scores, last reads the shares; masked is the sum of scores and mask.
func (w *attentionWalk) describe(first, last *graph.Node, mask, masked graph.ValueID) (attr graph.AttentionAttr, in []graph.ValueID, to graph.ValueID, ok bool) {
	g := w.g
	batch := leading(g.Values[first.Out[0]].Shape)
	result := g.Values[last.Out[0]].Shape
	count := elements(batch)
	if count == 0 || count > maxHeads || elements(leading(result)) != count || elements(leading(g.Values[last.In[0]].Shape)) != count {
		return
	}
	turnA, turnB := first.Attr.(graph.MatrixProduct).Transposed()
	q := w.matrices(first.In[0], batch, turnA).trace(w, func(m *matrices) bool { return m.column.step == 1 })
	k := w.matrices(first.In[1], batch, !turnB).trace(w, func(m *matrices) bool { return m.column.step == 1 || m.row.step == 1 })
	_, turnV := last.Attr.(graph.MatrixProduct).Transposed()
	v := w.matrices(last.In[1], leading(result), turnV).trace(w, func(m *matrices) bool { return m.column.step == 1 })
	o := w.matrices(last.Out[0], leading(result), false)
	o.follow(w)
	if q == nil || k == nil || v == nil || k.row.n == 0 {
		return
	}
	attr = graph.AttentionAttr{Queries: q.row.n, Keys: k.row.n, Depth: q.column.n, Values: v.column.n, Q: q.heads(), V: v.heads(), Out: o.heads(), Shape: g.Values[o.of].Shape}
	if k.column.step != 1 || k.row.step == 1 && k.column.n > 1 {
		attr.Turned = true
		k.row, k.column = k.column, k.row
	}
	attr.K = k.heads()
	in = []graph.ValueID{q.of, k.of, v.of}
	if mask != graph.None {
		added := g.Values[masked].Shape
		if elements(leading(added)) != count || !sameRows(added, g.Values[first.Out[0]].Shape) || g.Values[mask].DType != tensor.F32 || len(g.Values[mask].Shape) == 0 {
			return
		}
		m := w.matrices(mask, leading(added), false)
		if m.column.n != attr.Keys {
			return
		}
		if m.row.n != attr.Queries {
			m.row.step = 0 // one row for all
		}
		attr.Mask = m.heads()
		in = append(in, mask)
	}
	return attr, in, o.of, true
}

// behind returns the nodes that lead from one value to another, which replaces it.
func (w *attentionWalk) behind(from, to graph.ValueID) (nodes []int32) {
	for from != to {
		n := w.users[from][0]
		nodes = append(nodes, n)
		from = w.g.Nodes[n].Out[0]
	}
	return nodes
}

func leading(s tensor.Shape) tensor.Shape { return s[:max(len(s)-2, 0)] }

func elements(s tensor.Shape) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// axis is n steps through the elements of a value.
type axis struct{ n, step int }

// matrices are equally spaced matrices in a value: those of all heads, by the axes of the batch.
type matrices struct {
	of          graph.ValueID
	batch       []axis
	row, column axis
}

// matrices describes a value whose leading axes are broadcast to batch; with turned its last two axes are column and row.
func (w *attentionWalk) matrices(v graph.ValueID, batch tensor.Shape, turned bool) *matrices {
	s := w.g.Values[v].Shape
	m := &matrices{of: v, batch: make([]axis, len(batch)), row: axis{1, 0}}
	step := 1
	for i := len(s) - 1; i >= 0; i-- {
		switch back := len(s) - 1 - i; back {
		case 0:
			m.column = axis{s[i], step}
		case 1:
			m.row = axis{s[i], step}
		default:
			if j := len(batch) + 1 - back; j >= 0 {
				m.batch[j] = axis{batch[j], step}
				if s[i] == 1 {
					m.batch[j].step = 0
				}
			}
		}
		step *= s[i]
	}
	for j := range m.batch {
		m.batch[j].n = batch[j]
	}
	if turned {
		m.row, m.column = m.column, m.row
	}
	return m
}

// trace looks for the same elements in the values that m's comes from by reshapes and transposes, and returns the farthest for which good says yes.
func (m *matrices) trace(w *attentionWalk, good func(*matrices) bool) (best *matrices) {
	for {
		if good(m) {
			best = m
		}
		p := w.producer[m.of]
		if p < 0 {
			return best
		}
		n := &w.g.Nodes[p]
		next := *m
		switch {
		case n.Op == "Reshape":
		case n.Op == graph.TransposeOp:
			perm, _ := permOf(n)
			from, to := contiguous(w.g.Values[n.In[0]].Shape), contiguous(w.g.Values[m.of].Shape)
			steps := make([]int, len(to))
			for i := range to {
				steps[i] = from[perm[i]].step
			}
			if !next.move(to, steps) {
				return best
			}
		default:
			return best
		}
		next.of = n.In[0]
		m = &next
	}
}

// follow lets m, which is a whole value, be written to the values that come from it by reshapes and transposes, as long as rows stay in one piece and
// nobody reads what comes between.
func (m *matrices) follow(w *attentionWalk) {
	at := *m
	for {
		if len(w.users[at.of]) != 1 || w.g.IsOutput(at.of) {
			return
		}
		n := &w.g.Nodes[w.users[at.of][0]]
		switch {
		case n.Op == "Reshape":
		case n.Op == graph.TransposeOp:
			perm, _ := permOf(n)
			axes, to := contiguous(w.g.Values[at.of].Shape), contiguous(w.g.Values[n.Out[0]].Shape)
			steps := make([]int, len(axes))
			for i, p := range perm {
				steps[p] = to[i].step
			}
			if !at.move(axes, steps) {
				return
			}
		default:
			return
		}
		at.of = n.Out[0]
		if at.column.step == 1 {
			*m = at
		}
	}
}

// contiguous returns the axes of a value of shape s.
func contiguous(s tensor.Shape) []axis {
	axes, step := make([]axis, len(s)), 1
	for i := len(s) - 1; i >= 0; i-- {
		axes[i] = axis{s[i], step}
		step *= s[i]
	}
	return axes
}

// move replaces steps through a value with the given axes by steps through another one, where each axis has the step given. Axes of the batch may fall
// into several; false where something does not fit.
func (m *matrices) move(axes []axis, steps []int) bool {
	used := make([]int, len(axes)) // the last place on each axis that is reached
	var place func(a axis) []axis
	place = func(a axis) []axis {
		if a.n == 1 || a.step == 0 {
			return []axis{{a.n, 0}}
		}
		for i, x := range axes {
			if x.n == 1 || x.step > a.step || a.step%x.step != 0 || a.step >= x.step*x.n {
				continue
			}
			by := a.step / x.step
			if a.n*by <= x.n {
				used[i] += (a.n - 1) * by
				return []axis{{a.n, by * steps[i]}}
			}
			inner := x.n / by
			if x.n%by != 0 || a.n%inner != 0 {
				return nil
			}
			outer := place(axis{a.n / inner, x.n * x.step})
			if outer == nil {
				return nil
			}
			used[i] += (inner - 1) * by
			return append(outer, axis{inner, by * steps[i]})
		}
		return nil
	}
	var batch []axis
	for _, a := range m.batch {
		p := place(a)
		if p == nil {
			return false
		}
		batch = append(batch, p...)
	}
	row, column := place(m.row), place(m.column)
	if len(row) != 1 || len(column) != 1 {
		return false
	}
	for i, last := range used {
		if last >= max(axes[i].n, 1) {
			return false
		}
	}
	m.batch, m.row, m.column = batch, row[0], column[0]
	if m.column.n == 1 {
		m.column.step = 1
	}
	return true
}

// heads lists where the matrix of each head begins.
func (m *matrices) heads() graph.Heads {
	at := []int{0}
	for _, a := range m.batch {
		next := make([]int, 0, len(at)*a.n)
		for _, x := range at {
			for i := range a.n {
				next = append(next, x+i*a.step)
			}
		}
		at = next
	}
	return graph.Heads{At: at, Step: m.row.step}
}
