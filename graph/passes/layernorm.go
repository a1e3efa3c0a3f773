package passes

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// LayerNorm puts one node in place of the chain that TensorFlow and others write for the normalization of rows in float32:
//
//	m = Mean(x)    v = Mean(SquaredDifference(x, m))    r = Rsqrt(v + ε)    y = x × r × scale + (shift − m × r × scale)
//
// The chain comes in many orders, so that the pass follows values as sums of products: of x, m and r with constants per column. A sum of x × r × scale and
// −m × r × scale, with whatever constants come after, is a normalized row.
func LayerNorm(g *graph.Graph) error {
	w := &normWalk{g: g, sums: map[graph.ValueID]*normSum{}}
	users := g.Users()
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if v := result(n); v != graph.None && len(n.In) > 0 && g.Values[v].DType == tensor.F32 {
			if s := w.follow(n); s != nil {
				w.sums[v] = s
			}
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		s := w.normalized(result(n))
		if s == nil {
			continue
		}
		inside := len(users[n.Out[0]]) > 0 && !g.IsOutput(n.Out[0]) // a sum that goes on
		for _, u := range users[n.Out[0]] {
			inside = inside && w.normalized(result(&g.Nodes[u])) != nil
		}
		if inside {
			continue
		}
		depth := w.depth(s.of)
		scale := floatConst(g, n.Name+"/scale", tensor.Shape{depth}, s.terms[meanRoot].spread(depth, -1))
		shift := floatConst(g, n.Name+"/shift", tensor.Shape{depth}, s.terms[one].spread(depth, 1))
		axis := len(g.Values[s.of].Shape) - 1
		g.Nodes[i] = graph.Node{Op: graph.LayerNormOp, Name: n.Name, In: []graph.ValueID{s.of, scale, shift}, Out: n.Out, Attr: graph.LayerNormAttr{Axis: axis, Epsilon: s.epsilon}, Src: n.Src}
	}
	return Dead(g)
}

// result returns the only output of a node, None where there are several or none.
func result(n *graph.Node) graph.ValueID {
	if len(n.Out) != 1 {
		return graph.None
	}
	return n.Out[0]
}

// What a constant of a sum is multiplied with: x, its mean, the squares of their difference, the mean of these, that with ε, its inverse root, and products.
const (
	one = iota
	rows
	mean
	squares
	variance
	raised
	root
	rowRoot
	meanRoot
	monomials
)

// factor is a constant of a normSum: nil for none, one for all columns, or one for each.
type factor []float32

// spread returns a value for each column, times sign.
func (f factor) spread(n int, sign float32) []float32 {
	all := make([]float32, n)
	for i := range all {
		switch len(f) {
		case 0:
		case 1:
			all[i] = sign * f[0]
		default:
			all[i] = sign * f[i]
		}
	}
	return all
}

// with joins two factors element by element; nil counts as zero.
func (f factor) with(g factor, op func(a, b float32) float32) factor {
	if f == nil && g == nil {
		return nil
	}
	n := max(len(f), len(g))
	a, b := f.spread(n, 1), g.spread(n, 1)
	for i := range a {
		a[i] = op(a[i], b[i])
	}
	return a
}

// normSum is a value as a sum of products, about the rows of one value.
type normSum struct {
	of      graph.ValueID
	terms   [monomials]factor
	epsilon float32 // of raised and root
	narrow  bool    // one element for each row, not for each column too
}

// only returns the factor of m when the sum has no other term.
func (s *normSum) only(m int) factor {
	for i, f := range s.terms {
		if i != m && f != nil {
			return nil
		}
	}
	return s.terms[m]
}

type normWalk struct {
	g    *graph.Graph
	sums map[graph.ValueID]*normSum
}

func (w *normWalk) depth(v graph.ValueID) int {
	s := w.g.Values[v].Shape
	return s[len(s)-1]
}

// normalized returns the sum that v is if it is a normalized row: x × r × scale − m × r × scale + shift.
func (w *normWalk) normalized(v graph.ValueID) *normSum {
	s := w.sums[v]
	if s == nil || s.narrow || s.terms[rowRoot] == nil || s.terms[meanRoot] == nil || !w.g.Values[v].Shape.Equal(w.g.Values[s.of].Shape) {
		return nil
	}
	n := w.depth(s.of)
	scale := s.terms[rowRoot].spread(n, 1)
	for i, f := range s.terms[meanRoot].spread(n, -1) {
		if f != scale[i] {
			return nil
		}
	}
	for m, f := range s.terms {
		if m != one && m != rowRoot && m != meanRoot && f != nil {
			return nil
		}
	}
	return s
}

// sum returns what is known of a value: a constant, a sum that has been followed, or rows of which nothing is known yet.
func (w *normWalk) sum(v graph.ValueID, of graph.ValueID) *normSum {
	if v == graph.None {
		return nil
	}
	if s := w.sums[v]; s != nil {
		return s
	}
	x := &w.g.Values[v]
	if x.Const != nil {
		if of == graph.None {
			return nil
		}
		if c, ok := perChannel(x, 1); ok {
			return &normSum{of: of, terms: [monomials]factor{one: c[:1]}, narrow: true}
		}
		if c, ok := perChannel(x, w.depth(of)); ok {
			return &normSum{of: of, terms: [monomials]factor{one: c}}
		}
		return nil
	}
	if v == of {
		return &normSum{of: of, terms: [monomials]factor{rows: {1}}}
	}
	return nil
}

// activates reports whether a node applies an activation to its result.
func activates(attr any) bool {
	_, can := attr.(graph.ActFuser)
	return can && hasActivation(attr)
}

// follow returns what a node computes, nil where it is none of what sums are made of.
func (w *normWalk) follow(n *graph.Node) *normSum {
	g := w.g
	if activates(n.Attr) {
		return nil
	}
	a := w.sums[n.In[0]]
	out := g.Values[n.Out[0]].Shape
	switch n.Op {
	case "Mean":
		x := n.In[0]
		if r, ok := n.Attr.(graph.LastReducer); !ok || !r.ReducesLast(g.Values[x].Shape) || w.depth(x) < 2 {
			return nil
		}
		if a != nil && equalsOne(a.only(squares)) {
			return &normSum{of: a.of, terms: [monomials]factor{variance: {1}}, narrow: true}
		}
		return &normSum{of: x, terms: [monomials]factor{mean: {1}}, narrow: true}
	case "Reshape":
		if a == nil || !a.narrow || elements(out) != elements(g.Values[n.In[0]].Shape) {
			return nil
		}
		return a
	case "Neg":
		return a.times(-1)
	case "Square":
		return w.square(a)
	case "Rsqrt":
		if a != nil && equalsOne(a.only(raised)) {
			return &normSum{of: a.of, terms: [monomials]factor{root: {1}}, epsilon: a.epsilon, narrow: true}
		}
		return nil
	case "SquaredDifference", "Add", "Sub", "Mul":
	default:
		return nil
	}
	if len(n.In) != 2 {
		return nil
	}
	of := graph.None
	for _, v := range n.In {
		if s := w.sums[v]; s != nil && (of == graph.None || of == s.of) {
			of = s.of
		}
	}
	if of == graph.None {
		return nil
	}
	a, b := w.sum(n.In[0], of), w.sum(n.In[1], of)
	if a == nil || b == nil || a.of != of || b.of != of || !w.broadcast(n, a, b, of) {
		return nil
	}
	switch n.Op {
	case "Mul":
		return product(a, b)
	case "Sub":
		return add(a, b.times(-1))
	case "SquaredDifference":
		return w.square(add(a, b.times(-1)))
	}
	if e := b.only(one); len(e) == 1 && equalsOne(a.only(variance)) && e[0] >= 0 {
		return &normSum{of: of, terms: [monomials]factor{raised: {1}}, epsilon: e[0], narrow: true}
	}
	if e := a.only(one); len(e) == 1 && equalsOne(b.only(variance)) && e[0] >= 0 {
		return &normSum{of: of, terms: [monomials]factor{raised: {1}}, epsilon: e[0], narrow: true}
	}
	return add(a, b)
}

// broadcast reports whether a node with two inputs pairs elements of one row and column, as sums mean it: all elements have their places in rows like those
// of the value that they are about, or one place for each row. Two narrow values may lack the last axis both.
func (w *normWalk) broadcast(n *graph.Node, a, b *normSum, of graph.ValueID) bool {
	full, out := w.g.Values[of].Shape, w.g.Values[n.Out[0]].Shape
	column := append(append(tensor.Shape{}, full[:len(full)-1]...), 1)
	if a.narrow && b.narrow {
		return elements(out) == elements(column) && (a.only(one) != nil || b.only(one) != nil || w.g.Values[n.In[0]].Shape.Equal(w.g.Values[n.In[1]].Shape))
	}
	for i, s := range []*normSum{a, b} {
		shape := trimmed(w.g.Values[n.In[i]].Shape)
		switch {
		case s.only(one) != nil && w.g.Values[n.In[i]].Const != nil: // one for all, or along the last axis
		case s.narrow && !shape.Equal(trimmed(column)), !s.narrow && !shape.Equal(trimmed(full)):
			return false
		}
	}
	return out.Equal(full)
}

// trimmed drops leading axes of extent 1.
func trimmed(s tensor.Shape) tensor.Shape {
	for len(s) > 0 && s[0] == 1 {
		s = s[1:]
	}
	return s
}

func (w *normWalk) square(d *normSum) *normSum {
	if d == nil || d.terms[rows] == nil || d.terms[mean] == nil {
		return nil
	}
	for m, f := range d.terms {
		if f != nil && m != rows && m != mean {
			return nil
		}
	}
	x, y := d.terms[rows], d.terms[mean]
	if len(x) != 1 || len(y) != 1 || x[0] != -y[0] || x[0]*x[0] != 1 {
		return nil
	}
	return &normSum{of: d.of, terms: [monomials]factor{squares: {1}}}
}

func equalsOne(f factor) bool { return len(f) == 1 && f[0] == 1 }

func (s *normSum) times(x float32) *normSum {
	if s == nil {
		return nil
	}
	t := *s
	for m, f := range s.terms {
		if f != nil {
			t.terms[m] = f.spread(len(f), x)
		}
	}
	return &t
}

func add(a, b *normSum) *normSum {
	if a == nil || b == nil || !sameRoot(a, b) {
		return nil
	}
	s := &normSum{of: a.of, epsilon: max(a.epsilon, b.epsilon), narrow: a.narrow && b.narrow}
	for m := range s.terms {
		s.terms[m] = a.terms[m].with(b.terms[m], func(x, y float32) float32 { return x + y })
	}
	return s
}

// sameRoot reports whether two sums mean the same inverse root, if both have one.
func sameRoot(a, b *normSum) bool {
	has := func(s *normSum) bool {
		return s.terms[raised] != nil || s.terms[root] != nil || s.terms[rowRoot] != nil || s.terms[meanRoot] != nil
	}
	return !has(a) || !has(b) || a.epsilon == b.epsilon
}

// product multiplies a sum with constants or with the inverse root times constants.
func product(a, b *normSum) *normSum {
	if a.only(root) == nil && a.only(one) == nil {
		a, b = b, a
	}
	s := &normSum{of: a.of, epsilon: max(a.epsilon, b.epsilon), narrow: a.narrow && b.narrow}
	times := func(x, y float32) float32 { return x * y }
	if c := a.only(one); c != nil {
		for m, f := range b.terms {
			if f != nil {
				s.terms[m] = f.with(c, times)
			}
		}
		return s
	}
	r := a.only(root)
	if r == nil {
		return nil
	}
	for m, f := range b.terms {
		to, ok := map[int]int{one: root, rows: rowRoot, mean: meanRoot}[m]
		switch {
		case f == nil:
		case !ok:
			return nil
		default:
			s.terms[to] = f.with(r, times)
		}
	}
	return s
}
