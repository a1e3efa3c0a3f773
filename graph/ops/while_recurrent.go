package ops

import (
	"encoding/binary"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
	"wayside/kernels/vec"
)

// TensorFlow's converter makes a loop of a recurrent layer: counters, a list of inputs that a counter selects from, states, and a list of results.
// Rewrite finds the loops that are a GRU or an LSTM by what they compute, and runs them as one operator. Whatever is not exactly that stays a loop. The results differ
// by the order of sums and by the kernels of activations, and where the loop would keep sums beyond the range of float32 finite.

// Rewrite implements graph.Rewriter.
func (a WhileAttr) Rewrite(g *graph.Graph, n *graph.Node) ([]graph.Node, bool) {
	if a.Vars != len(n.In) || len(a.Cond.Inputs) != a.Vars || len(a.Body.Inputs) != a.Vars { // it has states of the model
		return nil, false
	}
	l := &loop{outer: g, node: n, attr: a, g: a.Body, producer: a.Body.Producers(), counters: map[graph.ValueID]int{}, h: graph.None, c: graph.None, x: graph.None}
	if !l.pure() || !l.countRounds() {
		return nil, false
	}
	r := recurrentAttr{directions: 1, acts: []rnn.Activation{rnn.Sigmoid, rnn.Tanh}}
	var gates []gate
	var ok bool
	if gates, ok = l.gru(&r); !ok {
		if gates, ok = l.lstm(&r); !ok {
			return nil, false
		}
	}
	w, ok := l.weights(&r, gates)
	if !ok {
		return nil, false
	}
	return l.emit(r, w)
}

// loop is a While node under examination.
type loop struct {
	outer    *graph.Graph
	node     *graph.Node
	attr     WhileAttr
	g        *graph.Graph // the body
	producer []int32
	rounds   int
	counters map[graph.ValueID]int // inputs of the body that grow by one: their first values
	h, c, x  graph.ValueID         // inputs of the body: the states, and the list of inputs
	newH     graph.ValueID
	newC     graph.ValueID
	batch    int
	steps    int
}

// step counts the steps of the examination: a file may add a sum to itself again and again, and no layer needs so many.
func (l *loop) step() bool {
	l.steps++
	return l.steps < 1000
}

// dense is rows [lo, lo+units) of a product with constant weights.
type dense struct {
	w  graph.ValueID
	lo int
}

// gate is what an activation sees: products with the input and with the state, and biases.
type gate struct {
	x, h   []dense
	bias   []float32
	reset  *gate // GRU: the gate that scales the state, or its product with hb beside it
	before bool  // it scales the state
	hb     []float32
}

// pure reports whether nothing in the loop touches a state of the model or draws numbers.
func (l *loop) pure() bool {
	for _, g := range l.attr.Graphs() {
		for i := range g.Nodes {
			if op, ok := graph.FindOp(g.Nodes[i].Op); !ok || op.Impure {
				return false
			}
		}
	}
	return true
}

// constInt returns the one integer of a value of g.
func constInt(g *graph.Graph, v graph.ValueID) (int, bool) {
	c := &g.Values[v]
	if c.DType != tensor.S32 || len(c.Const) != 4 {
		return 0, false
	}
	return int(int32(binary.LittleEndian.Uint32(c.Const))), true
}

// countRounds finds the counters, and how often the loop runs: as long as all of some counters lie below their limits.
func (l *loop) countRounds() bool {
	first := map[graph.ValueID]int{} // by the input of the condition
	for i := range l.attr.Vars {
		in, out := l.g.Inputs[i], l.g.Outputs[i]
		add := l.made(out, "Add")
		if add == nil || l.g.Values[in].DType != tensor.S32 || len(l.g.Values[in].Shape) != 0 {
			continue
		}
		a, b := l.root(add.In[0]), add.In[1]
		if a != in {
			a, b = l.root(add.In[1]), add.In[0]
		}
		start, ok := constInt(l.outer, l.node.In[i])
		one, isConst := constInt(l.g, b)
		if a == in && ok && isConst && one == 1 && start >= 0 {
			l.counters[in], first[l.attr.Cond.Inputs[i]] = start, start
		}
	}
	cond := l.attr.Cond
	producer := cond.Producers()
	var limit func(v graph.ValueID) bool
	limit = func(v graph.ValueID) bool {
		if producer[v] < 0 || !l.step() {
			return false
		}
		n := &cond.Nodes[producer[v]]
		switch {
		case n.Op == graph.CopyOp:
			return limit(n.In[0])
		case n.Op == "LogicalAnd":
			return limit(n.In[0]) && limit(n.In[1])
		case n.Op == "Compare" && n.Attr.(CompareAttr).Relation == vec.Less:
			start, counts := first[n.In[0]]
			end, ok := constInt(cond, n.In[1])
			if !counts || !ok || end <= start {
				return false
			}
			if l.rounds == 0 || end-start < l.rounds {
				l.rounds = end - start
			}
			return true
		}
		return false
	}
	return limit(cond.Outputs[0]) && l.rounds < whileLimit
}

// made returns the node that makes v, looking through copies and reshapes that keep the last axis, if it is the given operator without an activation.
func (l *loop) made(v graph.ValueID, op string) *graph.Node {
	v = l.root(v)
	if l.producer[v] < 0 {
		return nil
	}
	n := &l.g.Nodes[l.producer[v]]
	if n.Op != op {
		return nil
	}
	switch a := n.Attr.(type) {
	case BinaryAttr:
		if a.Act != graph.ActNone {
			return nil
		}
	case FullyConnectedAttr:
		if a.Act != graph.ActNone {
			return nil
		}
	}
	return n
}

// root returns the value behind copies and reshapes that keep the last axis.
func (l *loop) root(v graph.ValueID) graph.ValueID {
	for l.producer[v] >= 0 {
		n := &l.g.Nodes[l.producer[v]]
		if n.Op != graph.CopyOp && n.Op != "Reshape" {
			break
		}
		a, b := l.g.Values[v].Shape, l.g.Values[n.In[0]].Shape
		if len(a) > 0 && (len(b) == 0 || a[len(a)-1] != b[len(b)-1]) {
			break
		}
		v = n.In[0]
	}
	return v
}

// pair returns the operands of a node with two of them, if both have the shape of a state.
func (l *loop) pair(v graph.ValueID, op string) (a, b graph.ValueID, ok bool) {
	n := l.made(v, op)
	if n == nil || len(n.In) != 2 || !l.isRow(n.In[0]) || !l.isRow(n.In[1]) {
		return graph.None, graph.None, false
	}
	return l.root(n.In[0]), l.root(n.In[1]), true
}

// units returns the width of the state.
func (l *loop) units() int {
	s := l.g.Values[l.h].Shape
	return s[len(s)-1]
}

// isRow reports whether v has a row of float32 units for each entry of the batch.
func (l *loop) isRow(v graph.ValueID) bool {
	x := &l.g.Values[v]
	n := len(x.Shape)
	return x.DType == tensor.F32 && n > 0 && x.Shape[n-1] == l.units() && product(x.Shape) == l.batch*l.units()
}

// unary returns the argument of an activation.
func (l *loop) unary(v graph.ValueID, op string) (graph.ValueID, bool) {
	if n := l.made(v, op); n != nil {
		return n.In[0], true
	}
	return graph.None, false
}

// both tries f on a pair in both orders.
func both[T any](a, b graph.ValueID, f func(a, b graph.ValueID) (T, bool)) (T, bool) {
	if r, ok := f(a, b); ok {
		return r, true
	}
	return f(b, a)
}

// states returns the inputs of the body that are float32 rows and change from round to round.
func (l *loop) states() (at []int) {
	for i, in := range l.g.Inputs {
		if v := &l.g.Values[in]; !l.attr.Same[i] && v.DType == tensor.F32 && len(v.Shape) == 2 && product(v.Shape) > 0 {
			at = append(at, i)
		}
	}
	return at
}

// gru returns the gates update, reset and hidden of h = z*h + (1-z)*candidate.
func (l *loop) gru(r *recurrentAttr) ([]gate, bool) {
	at := l.states()
	if len(at) != 1 {
		return nil, false
	}
	l.h, l.newH = l.g.Inputs[at[0]], l.g.Outputs[at[0]]
	l.batch = l.g.Values[l.h].Shape[0]
	p, q, ok := l.pair(l.newH, "Add")
	if !ok {
		return nil, false
	}
	return both(p, q, func(keep, take graph.ValueID) ([]gate, bool) {
		z, ok := l.scaled(keep, l.h)
		if !ok {
			return nil, false
		}
		a, b, ok := l.pair(take, "Mul")
		if !ok {
			return nil, false
		}
		if !l.oneMinus(a, z) {
			a, b = b, a
		}
		if !l.oneMinus(a, z) {
			return nil, false
		}
		update, ok1 := l.activated(z, "Logistic", false)
		candidate, ok2 := l.activated(b, "Tanh", true)
		if !ok1 || !ok2 || candidate.reset == nil {
			return nil, false
		}
		r.lbr = !candidate.before
		return []gate{update, *candidate.reset, candidate}, true
	})
}

// scaled returns what v multiplies x with.
func (l *loop) scaled(v, x graph.ValueID) (graph.ValueID, bool) {
	a, b, ok := l.pair(v, "Mul")
	switch {
	case ok && a == x:
		return b, true
	case ok && b == x:
		return a, true
	}
	return graph.None, false
}

// oneMinus reports whether v is 1 - z.
func (l *loop) oneMinus(v, z graph.ValueID) bool {
	n := l.made(v, "Sub")
	if n == nil || !l.isRow(n.In[1]) || l.root(n.In[1]) != z {
		return false
	}
	one, ok := l.constant(n.In[0], 0, l.units())
	return ok && !slices.ContainsFunc(one, func(x float32) bool { return x != 1 })
}

// lstm returns the gates input, output, forget and cell of c = f*c + i*g, h = o*tanh(c).
func (l *loop) lstm(r *recurrentAttr) ([]gate, bool) {
	at := l.states()
	if len(at) != 2 {
		return nil, false
	}
	r.lstm, r.acts = true, []rnn.Activation{rnn.Sigmoid, rnn.Tanh, rnn.Tanh}
	for range 2 {
		l.h, l.newH = l.g.Inputs[at[0]], l.g.Outputs[at[0]]
		l.c, l.newC = l.g.Inputs[at[1]], l.g.Outputs[at[1]]
		l.batch = l.g.Values[l.h].Shape[0]
		if gates, ok := l.lstmGates(); ok {
			return gates, true
		}
		at[0], at[1] = at[1], at[0]
	}
	return nil, false
}

func (l *loop) lstmGates() ([]gate, bool) {
	if !l.isRow(l.c) {
		return nil, false
	}
	p, q, ok := l.pair(l.newH, "Mul")
	if !ok {
		return nil, false
	}
	output, ok := both(p, q, func(o, t graph.ValueID) (gate, bool) {
		if c, ok := l.unary(t, "Tanh"); !ok || l.root(c) != l.root(l.newC) {
			return gate{}, false
		}
		return l.activated(o, "Logistic", false)
	})
	if !ok {
		return nil, false
	}
	if p, q, ok = l.pair(l.newC, "Add"); !ok {
		return nil, false
	}
	return both(p, q, func(keep, take graph.ValueID) ([]gate, bool) {
		f, ok := l.scaled(keep, l.c)
		if !ok {
			return nil, false
		}
		forget, ok := l.activated(f, "Logistic", false)
		if !ok {
			return nil, false
		}
		a, b, ok := l.pair(take, "Mul")
		if !ok {
			return nil, false
		}
		return both(a, b, func(i, c graph.ValueID) ([]gate, bool) {
			input, ok1 := l.activated(i, "Logistic", false)
			cell, ok2 := l.activated(c, "Tanh", false)
			return []gate{input, output, forget, cell}, ok1 && ok2
		})
	})
}

// activated takes the activation of a gate apart. candidate allows a reset gate in it.
func (l *loop) activated(v graph.ValueID, op string, candidate bool) (gate, bool) {
	x, ok := l.unary(v, op)
	if !ok || !l.isRow(x) {
		return gate{}, false
	}
	g := gate{bias: make([]float32, l.units())}
	if !l.sum(&g, x, 0, candidate) {
		return gate{}, false
	}
	return g, len(g.x) == 1 && len(g.h) == 1
}

// constant returns elements [lo, lo+n) of the last axis of a float32 constant that has no other, or of a single number.
func (l *loop) constant(v graph.ValueID, lo, n int) ([]float32, bool) {
	c := &l.g.Values[v]
	if c.Const == nil || c.DType != tensor.F32 {
		return nil, false
	}
	t, ok := c.Tensor()
	if !ok {
		return nil, false
	}
	x := t.F32()
	switch {
	case len(x) == 1:
		return slices.Repeat(x, n), true
	case len(c.Shape) == 0 || len(x) != c.Shape[len(c.Shape)-1] || lo+n > len(x):
		return nil, false
	}
	return x[lo : lo+n], true
}

// sum adds units columns of v, from lo on, to what g collects: products, constants, and sums of such.
func (l *loop) sum(g *gate, v graph.ValueID, lo int, candidate bool) bool {
	if !l.step() {
		return false
	}
	n := l.units()
	x := &l.g.Values[v]
	if x.Const != nil {
		c, ok := l.constant(v, lo, n)
		for i := range c {
			g.bias[i] += c[i]
		}
		return ok
	}
	v = l.root(v)
	if l.producer[v] < 0 || x.DType != tensor.F32 || len(x.Shape) == 0 {
		return false
	}
	width := x.Shape[len(x.Shape)-1]
	if product(x.Shape) != l.batch*width || lo+n > width {
		return false
	}
	node := &l.g.Nodes[l.producer[v]]
	switch node.Op {
	case "Add":
		return l.made(v, "Add") != nil && l.sum(g, node.In[0], lo, candidate) && l.sum(g, node.In[1], lo, candidate)
	case "Slice":
		a, from := node.Attr.(SliceAttr), l.g.Values[node.In[0]].Shape
		last := len(from) - 1
		for i := range last {
			if a.Start[i] != 0 || a.Step[i] != 1 || a.Size[i] != from[i] {
				return false
			}
		}
		return last >= 0 && a.Step[last] == 1 && l.sum(g, node.In[0], lo+a.Start[last], candidate)
	case "FullyConnected":
		return l.made(v, "FullyConnected") != nil && l.product(g, node, lo)
	case "Mul":
		return candidate && lo == 0 && l.resetAfter(g, v)
	}
	return false
}

// product takes one product with the input, with the state, or with what the reset gate leaves of the state.
func (l *loop) product(g *gate, node *graph.Node, lo int) bool {
	n := l.units()
	w := &l.g.Values[node.In[1]]
	if w.Const == nil || w.DType != tensor.F32 || len(w.Shape) != 2 || lo+n > w.Shape[0] {
		return false
	}
	if len(node.In) > 2 && node.In[2] != graph.None {
		b, ok := l.constant(node.In[2], lo, n)
		if !ok || len(l.g.Values[node.In[2]].Const) != 4*w.Shape[0] {
			return false
		}
		for i := range b {
			g.bias[i] += b[i]
		}
	}
	d := dense{node.In[1], lo}
	src := l.root(node.In[0])
	switch {
	case src == l.h && w.Shape[1] == n:
		g.h = append(g.h, d)
		return true
	case l.item(src, w.Shape[1]):
		g.x = append(g.x, d)
		return true
	}
	gateOf, ok := l.scaled(src, l.h)
	if !ok || w.Shape[1] != n || g.reset != nil {
		return false
	}
	reset, ok := l.activated(gateOf, "Logistic", false)
	if !ok {
		return false
	}
	g.reset, g.before = &reset, true
	g.h = append(g.h, d)
	return true
}

// resetAfter takes the product of the reset gate and the state's product with its bias.
func (l *loop) resetAfter(g *gate, v graph.ValueID) bool {
	a, b, ok := l.pair(v, "Mul")
	if !ok || g.reset != nil || len(g.h) > 0 {
		return false
	}
	_, ok = both(a, b, func(r, s graph.ValueID) (bool, bool) {
		reset, ok := l.activated(r, "Logistic", false)
		if !ok {
			return false, false
		}
		inner := gate{bias: make([]float32, l.units())}
		if !l.sum(&inner, s, 0, false) || len(inner.x) != 0 || len(inner.h) != 1 {
			return false, false
		}
		g.reset, g.h, g.hb = &reset, inner.h, inner.bias
		return true, true
	})
	return ok
}

// item reports whether v is the row of the round in a list of inputs, [rounds][batch][width], which the loop does not change.
func (l *loop) item(v graph.ValueID, width int) bool {
	n := l.made(v, "Gather")
	if n == nil || n.Attr.(GatherAttr) != (GatherAttr{}) {
		return false
	}
	list := n.In[0]
	if at := slices.Index(l.g.Inputs, list); at < 0 || !l.attr.Same[at] {
		return false
	}
	if !l.g.Values[list].Shape.Equal(tensor.Shape{l.rounds, l.batch, width}) || !l.counted(n.In[1]) || l.x != graph.None && l.x != list {
		return false
	}
	l.x = list
	return true
}

// counted reports whether v is the number of the round, from 0 on.
func (l *loop) counted(v graph.ValueID) bool {
	for l.producer[v] >= 0 {
		n := &l.g.Nodes[l.producer[v]]
		if n.Op != graph.CopyOp && n.Op != "Reshape" {
			return false
		}
		v = n.In[0]
	}
	start, ok := l.counters[v]
	return ok && start == 0
}

// list reports whether variable i is a list that gets the new hidden state of each round at its place, or one of a single place.
func (l *loop) list(i int) (all, ok bool) {
	in, out := l.g.Inputs[i], l.g.Outputs[i]
	v := &l.g.Values[in]
	if l.root(out) == l.root(l.newH) && v.Shape.Equal(tensor.Shape{1, l.batch, l.units()}) {
		return false, true
	}
	n := l.made(out, "UpdateSlice")
	if n == nil || n.In[0] != in || l.root(n.In[1]) != l.root(l.newH) || !v.Shape.Equal(tensor.Shape{l.rounds, l.batch, l.units()}) || !l.isRow(n.In[1]) {
		return false, false
	}
	start := l.made(n.In[2], "Concat")
	if start == nil || len(start.In) != 2 || !l.counted(start.In[0]) {
		return false, false
	}
	rest := &l.g.Values[start.In[1]]
	t, known := rest.Tensor()
	if !known || rest.DType != tensor.S32 {
		return false, false
	}
	for _, x := range t.S32() { // a start below 0 is one of 0
		if x > 0 {
			return false, false
		}
	}
	return true, true
}

// weights makes W, R and B as ONNX has them.
func (l *loop) weights(r *recurrentAttr, gates []gate) (w [3]graph.ValueID, ok bool) {
	n := l.units()
	r.hidden = n
	width := l.g.Values[l.x].Shape[2]
	var taken []dense
	var wx, wr, wb, rb []float32
	rows := func(d dense, k int) []float32 {
		t, ok := l.g.Values[d.w].Tensor()
		overlaps := func(e dense) bool { return e.w == d.w && max(e.lo-d.lo, d.lo-e.lo) < n }
		if !ok || slices.ContainsFunc(taken, overlaps) { // each row once: the layer is never larger than its constants
			return nil
		}
		taken = append(taken, d)
		return t.F32()[d.lo*k : (d.lo+n)*k]
	}
	for i := range gates {
		g := &gates[i]
		x, h := rows(g.x[0], width), rows(g.h[0], n)
		if x == nil || h == nil {
			return w, false
		}
		wx, wr, wb = append(wx, x...), append(wr, h...), append(wb, g.bias...)
		if g.hb == nil {
			g.hb = make([]float32, n)
		}
		rb = append(rb, g.hb...)
	}
	k := len(gates) * n
	for i, c := range []struct {
		name string
		s    tensor.Shape
		v    []float32
	}{{"W", tensor.Shape{1, k, width}, wx}, {"R", tensor.Shape{1, k, n}, wr}, {"B", tensor.Shape{1, 2 * k}, append(wb, rb...)}} {
		t, err := tensor.New(tensor.F32, c.s)
		if err != nil {
			return w, false
		}
		copy(t.F32(), c.v)
		w[i] = l.outer.NewValue(graph.Value{Name: l.node.Name + "/" + c.name, DType: tensor.F32, Shape: c.s, Const: t.Data})
	}
	return w, true
}

// emit returns the nodes that take the loop's place.
func (l *loop) emit(r recurrentAttr, w [3]graph.ValueID) ([]graph.Node, bool) {
	g, n := l.outer, l.node
	lists, at := make([]bool, l.attr.Vars), map[graph.ValueID]int{}
	for i, in := range l.g.Inputs {
		at[in] = i
		_, counts := l.counters[in]
		if l.attr.Same[i] || counts || in == l.h || in == l.c {
			continue
		}
		var ok bool
		if lists[i], ok = l.list(i); !ok {
			return nil, false
		}
	}
	var nodes []graph.Node
	valid := true
	add := func(op string, attr any, in, out []graph.ValueID) {
		nodes = append(nodes, graph.Node{Op: op, Name: n.Name, In: in, Out: out, Attr: attr, Src: n.Src})
		valid = valid && graph.InferNode(g, &nodes[len(nodes)-1]) == nil
	}
	state := tensor.Shape{1, l.batch, r.hidden}
	temp := func(s string) graph.ValueID { return g.NewValue(graph.Value{Name: n.Name + "/" + s}) }
	// begin is the initial state; zeros are left out.
	begin := func(v graph.ValueID) graph.ValueID {
		v = n.In[at[v]]
		if c := g.Values[v].Const; c != nil && !slices.ContainsFunc(c, func(b byte) bool { return b != 0 }) {
			return graph.None
		}
		t := temp("initial")
		add("Reshape", ReshapeAttr{state}, ids(v), ids(t))
		return t
	}
	read := func(v graph.ValueID) bool {
		return g.IsOutput(v) || slices.ContainsFunc(g.Nodes, func(n graph.Node) bool { return slices.Contains(n.In, v) })
	}
	in := []graph.ValueID{n.In[at[l.x]], w[0], w[1], w[2], graph.None, begin(l.h)}
	y, yh, yc := graph.None, temp("Y_h"), graph.None
	if r.lstm {
		in = append(in, begin(l.c))
		yc = temp("Y_c")
	}
	for i := range lists {
		if lists[i] && y == graph.None && read(n.Out[i]) {
			y = temp("Y")
		}
	}
	op := "GRU"
	out := ids(y, yh)
	if r.lstm {
		op, out = "LSTM", append(out, yc)
	}
	add(op, r, in, out)
	for i, in := range l.g.Inputs {
		o := n.Out[i]
		shape := slices.Clone(g.Values[o].Shape)
		_, counts := l.counters[in]
		switch {
		case l.attr.Same[i]:
			add(graph.CopyOp, nil, ids(n.In[i]), ids(o))
		case counts:
		case in == l.c:
			add("Reshape", ReshapeAttr{shape}, ids(yc), ids(o))
		case lists[i] && y != graph.None:
			add("Reshape", ReshapeAttr{shape}, ids(y), ids(o))
		case !lists[i]: // the state, or a list of the last one
			add("Reshape", ReshapeAttr{shape}, ids(yh), ids(o))
		}
	}
	if valid {
		for in, start := range l.counters {
			g.Values[n.Out[at[in]]].Const = binary.LittleEndian.AppendUint32(nil, uint32(start+l.rounds))
		}
	}
	return nodes, valid
}
