package passes

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Integers makes integer operators of an ONNX graph in its quantized form, where every float32 operator stands between DequantizeLinear and
// QuantizeLinear: the operators that TFLite models have, on integers with scales. What has no integer operator stays float32 between the two, as a table of
// 256 results where it reads one value. docs/adr/0011 says what this does to the last digit.
func Integers(g *graph.Graph) error {
	linear := func(n graph.Node) bool { return n.Op == graph.DequantizeLinearOp || n.Op == graph.QuantizeLinearOp }
	if !slices.ContainsFunc(g.Nodes, linear) {
		return nil
	}
	hoistQuantize(g)
	w := &integerWalk{g: g, real: map[graph.ValueID]integers{}, same: map[graph.ValueID]graph.ValueID{}, output: map[graph.ValueID]bool{}, known: map[linearKey]graph.ValueID{}, flipped: map[graph.ValueID]graph.ValueID{}}
	for _, v := range g.Outputs {
		w.output[v] = true
	}
	w.sink()
	if err := Tables(g); err != nil { // before anything is rounded in another way
		return err
	}
	if err := Dead(g); err != nil {
		return err
	}
	w.replace()
	return Dead(g)
}

// movesOne are operators of one input that pass its elements on, or the largest of some: they give the same whether numbers are quantized before or after.
var movesOne = map[string]bool{graph.TransposeOp: true, "Reshape": true, "Slice": true, "Expand": true, "Tile": true, "MirrorPad": true, "MaxPool2D": true, "ResizeNearest": true}

// hoistQuantize moves QuantizeLinear up to the operator that computes the value.
func hoistQuantize(g *graph.Graph) {
	producer, users := g.Producers(), g.Users()
	for i := range g.Nodes {
		for q := int32(i); g.Nodes[q].Op == graph.QuantizeLinearOp && perTensor(&g.Nodes[q]); {
			x := g.Nodes[q].In[0]
			p := producer[x]
			if p < 0 || !readOnce(g, users, x) || !movesOne[g.Nodes[p].Op] || len(g.Nodes[p].In) != 1 || !plain(&g.Nodes[p]) {
				break
			}
			// The two nodes take each other's place: only the one reads what the other computes.
			quantize, move := g.Nodes[q], g.Nodes[p]
			small := g.NewValue(graph.Value{Name: quantize.Name, DType: tensor.S8, Shape: g.Values[move.In[0]].Shape})
			quantize.In, move.In = move.In, []graph.ValueID{small}
			quantize.Out, move.Out = []graph.ValueID{small}, quantize.Out
			g.Nodes[p], g.Nodes[q] = quantize, move
			producer, users = append(producer, p), append(users, []int32{q})
			producer[move.Out[0]] = q
			q = p
		}
	}
}

// perTensor reports whether a node between float32 and integers has one scale.
func perTensor(n *graph.Node) bool { return n.Attr.(graph.LinearAttr).Quant.PerTensor() }

// plain reports whether a node applies no activation to what it passes on.
func plain(n *graph.Node) bool {
	_, fuses := n.Attr.(graph.ActFuser)
	return !fuses || !hasActivation(n.Attr)
}

// integers says that a float32 value is what the integers of another one stand for.
type integers struct {
	of   graph.ValueID
	attr graph.LinearAttr
}

// linearKey tells nodes with one scale apart by what they compute.
type linearKey struct {
	op    string
	in    graph.ValueID
	scale float32
	zero  int32
}

// integerWalk is the state of Integers between two nodes.
type integerWalk struct {
	g      *graph.Graph
	nodes  []graph.Node
	real   map[graph.ValueID]integers
	same   map[graph.ValueID]graph.ValueID // values whose node is gone, and what to read instead
	output map[graph.ValueID]bool
	known  map[linearKey]graph.ValueID
	// flipped are uint8 values that nodes make of int8 ones, or the other way round, by flipping the top bit: from what.
	flipped map[graph.ValueID]graph.ValueID
}

// sink moves DequantizeLinear down through operators that pass numbers on, and drops what quantizes numbers that are quantized like that already.
func (w *integerWalk) sink() {
	users, done := w.g.Users(), make([]bool, len(w.g.Nodes))
	for i := range w.g.Nodes {
		if done[i] {
			continue
		}
		n := w.g.Nodes[i]
		n.In = slices.Clone(n.In)
		for k, v := range n.In {
			if r, ok := w.same[v]; ok {
				n.In[k] = r
			}
		}
		switch {
		case n.Op == graph.DequantizeLinearOp || n.Op == graph.QuantizeLinearOp:
			w.linear(n)
		case n.Op == graph.ShiftSignOp:
			w.flip(n)
		case w.moveFlipped(n) || w.move(n):
		case n.Op == "Concat" && len(users[n.Out[0]]) == 1 && !w.output[n.Out[0]] && w.join(n, &w.g.Nodes[users[n.Out[0]][0]]):
			done[users[n.Out[0]][0]] = true
		default:
			w.nodes = append(w.nodes, n)
		}
	}
	w.g.Nodes = w.nodes
}

// linear adds a node between float32 and integers unless it is superfluous.
func (w *integerWalk) linear(n graph.Node) {
	a, in, out := n.Attr.(graph.LinearAttr), n.In[0], n.Out[0]
	if a.Quant.PerTensor() && !w.output[out] {
		if r, ok := w.real[in]; ok && n.Op == graph.QuantizeLinearOp && r.attr.Same(a) {
			w.same[out] = r.of
			return
		}
		key := linearKey{n.Op, in, a.Quant.Scale[0], a.Quant.Zero[0]}
		if v, ok := w.known[key]; ok {
			w.same[out] = v
			return
		}
		w.known[key] = out
	}
	if n.Op == graph.DequantizeLinearOp {
		w.real[out] = integers{in, a}
	}
	w.nodes = append(w.nodes, n)
}

// flip adds a node that flips the top bit unless it takes another one back.
func (w *integerWalk) flip(n graph.Node) {
	in, out := n.In[0], n.Out[0]
	if back, ok := w.flipped[in]; ok && !w.output[out] {
		w.same[out] = back
		return
	}
	w.flipped[out] = in
	w.nodes = append(w.nodes, n)
}

// moveFlipped lets an operator that passes elements on work on what the top bit is flipped of, and flips its result; false where it cannot.
func (w *integerWalk) moveFlipped(n graph.Node) bool {
	if len(n.In) == 0 || len(n.Out) != 1 || n.Out[0] == graph.None || n.Op == "MaxPool2D" || !movesOne[n.Op] && n.Op != "Gather" && n.Op != "Pad" {
		return false
	}
	from, ok := w.flipped[n.In[0]]
	if !ok {
		return false
	}
	m := n
	m.In = slices.Clone(n.In)
	m.In[0] = from
	if n.Op == "Pad" { // with no value it pads with 0
		value := graph.Value{Name: n.Name, DType: w.g.Values[from].DType, Shape: tensor.Shape{}, Const: []byte{0x80}}
		if len(n.In) > 1 && n.In[1] != graph.None {
			c := w.g.Values[n.In[1]].Const
			if len(c) != 1 {
				return false
			}
			value.Const = []byte{c[0] ^ 0x80}
		}
		m.In = []graph.ValueID{from, w.g.NewValue(value)}
	}
	m.Out = []graph.ValueID{w.g.NewValue(graph.Value{Name: w.g.Values[n.Out[0]].Name})}
	if graph.InferNode(w.g, &m) != nil {
		return false
	}
	w.nodes = append(w.nodes, m)
	w.flip(graph.Node{Op: graph.ShiftSignOp, Name: n.Name, In: m.Out, Out: n.Out, Src: n.Src})
	return true
}

// move lets an operator that passes elements on work on integers, and dequantizes its result; false where it cannot.
func (w *integerWalk) move(n graph.Node) bool {
	if len(n.Out) != 1 || n.Out[0] == graph.None || !plain(&n) {
		return false
	}
	data, value := n.In, graph.None
	switch {
	case movesOne[n.Op] || n.Op == "Gather":
		data = n.In[:1]
	case n.Op == "Pad":
		data = n.In[:1]
		if len(n.In) > 1 && n.In[1] != graph.None {
			var ok bool
			if value, ok = w.number(n.In[1], w.real[n.In[0]]); !ok {
				return false
			}
		}
	case n.Op != "Concat":
		return false
	}
	in := slices.Clone(n.In)
	for k, v := range data {
		r, ok := w.real[v]
		if !ok || !r.attr.Same(w.real[data[0]].attr) {
			return false
		}
		if in[k], ok = w.integer(v); !ok {
			return false
		}
	}
	if value != graph.None {
		in[1] = value
	}
	attr := w.real[data[0]].attr
	moved, ok := movedQuant(w.g, &n, attr.Quant)
	if !ok {
		return false
	}
	attr.Quant = moved
	x := w.g.Values[n.Out[0]]
	small := w.g.NewValue(graph.Value{Name: x.Name, Quant: moved})
	m := n
	m.In, m.Out = in, []graph.ValueID{small}
	if graph.InferNode(w.g, &m) != nil || !w.g.Values[small].Shape.Equal(x.Shape) {
		return false
	}
	w.nodes = append(w.nodes, m)
	w.linear(graph.Node{Op: graph.DequantizeLinearOp, Name: n.Name, In: []graph.ValueID{small}, Out: n.Out, Attr: attr, Src: n.Src})
	return true
}

// number returns a constant as the integer that stands for exactly it among those of r.
func (w *integerWalk) number(v graph.ValueID, r integers) (graph.ValueID, bool) {
	t, ok := w.g.Values[v].Tensor()
	if !ok || t.DType != tensor.F32 || t.Elems() != 1 || !r.attr.Quant.PerTensor() {
		return graph.None, false
	}
	x, scale, zero := t.F32()[0], r.attr.Quant.Scale[0], r.attr.Quant.Zero[0]
	q := math.RoundToEven(float64(x / scale))
	if !(math.Abs(q) <= 255) || float32(q)*scale != x || int32(q)+zero < math.MinInt8 || int32(q)+zero > math.MaxInt8 {
		return graph.None, false
	}
	return w.g.NewValue(graph.Value{Name: w.g.Values[v].Name, DType: tensor.S8, Shape: tensor.Shape{}, Const: []byte{byte(int32(q) + zero)}}), true
}

// join quantizes what is concatenated instead of the whole, which q does; false where it cannot.
func (w *integerWalk) join(n graph.Node, q *graph.Node) bool {
	if q.Op != graph.QuantizeLinearOp || !perTensor(q) || w.g.Values[n.Out[0]].DType != tensor.F32 {
		return false
	}
	attr := q.Attr.(graph.LinearAttr)
	for k, v := range n.In {
		x := w.g.Values[v]
		small := w.g.NewValue(graph.Value{Name: x.Name, DType: tensor.S8, Shape: x.Shape, Quant: attr.Quant})
		w.linear(graph.Node{Op: graph.QuantizeLinearOp, Name: n.Name, In: []graph.ValueID{v}, Out: []graph.ValueID{small}, Attr: attr, Src: q.Src})
		if r, ok := w.same[small]; ok {
			small = r
			if x := &w.g.Values[r]; x.Quant == nil {
				x.Quant = attr.Quant
			}
		}
		n.In[k] = small
	}
	w.g.Values[q.Out[0]].Quant = attr.Quant
	n.Out = q.Out
	w.nodes = append(w.nodes, n)
	return true
}

// movedQuant returns the quantization of what a node makes of elements with quantization q.
func movedQuant(g *graph.Graph, n *graph.Node, q *tensor.Quant) (*tensor.Quant, bool) {
	if q.PerTensor() {
		return q, true
	}
	axis := -1
	from, to := g.Values[n.In[0]].Shape, g.Values[n.Out[0]].Shape
	switch {
	case n.Op == graph.TransposeOp:
		axis = slices.Index(n.Attr.(graph.TransposeAttr).Perm, q.Axis)
	case n.Op == "Reshape":
		outer, at := elems(from[:q.Axis]), 1
		for i, d := range to {
			if at == outer && d == from[q.Axis] {
				axis = i
				break
			}
			at *= d
		}
	}
	return &tensor.Quant{Scale: q.Scale, Zero: q.Zero, Axis: axis}, axis >= 0
}

// elems multiplies the extents of a static shape.
func elems(s tensor.Shape) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// integer returns the integers that float32 value v stands for, with their scale; false where they have none, or another one for others.
func (w *integerWalk) integer(v graph.ValueID) (graph.ValueID, bool) {
	r, ok := w.real[v]
	if !ok {
		return graph.None, false
	}
	x := &w.g.Values[r.of]
	if x.Quant == nil {
		x.Quant = r.attr.Quant
	}
	return r.of, graph.LinearAttr{Quant: x.Quant, DType: x.DType}.Same(r.attr)
}

// layers are operators with weights and a bias, and others have what they work on as inputs alone.
var (
	layers = map[string]bool{"Conv2D": true, "DepthwiseConv2D": true, "FullyConnected": true}
	others = map[string]bool{"MatMul": true, "Add": true, "Sub": true, "Mul": true, "SquaredDifference": true, "Mean": true, "AveragePool2D": true, "Softmax": true, "ResizeBilinear": true}
)

// replace makes integer operators of those between DequantizeLinear and one QuantizeLinear.
func (w *integerWalk) replace() {
	g := w.g
	users, dead := g.Users(), make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if !layers[n.Op] && !others[n.Op] || len(n.Out) != 1 {
			continue
		}
		y := n.Out[0]
		if w.output[y] || len(users[y]) != 1 {
			continue
		}
		q := &g.Nodes[users[y][0]]
		if q.Op != graph.QuantizeLinearOp || !perTensor(q) {
			continue
		}
		if m, ok := w.onIntegers(n, q); ok {
			g.Nodes[i] = m
			dead[users[y][0]] = true
		}
	}
	keep(g, dead)
}

// onIntegers returns the node that computes, from integers, what n computes and q quantizes.
func (w *integerWalk) onIntegers(n, q *graph.Node) (graph.Node, bool) {
	g := w.g
	m := *n
	m.In, m.Out = slices.Clone(n.In), q.Out
	for k, v := range n.In {
		if v == graph.None || k == 2 && layers[n.Op] {
			continue
		}
		var ok bool
		if m.In[k], ok = w.integer(v); !ok {
			return m, false
		}
	}
	if layers[n.Op] && len(n.In) > 2 && n.In[2] != graph.None {
		var ok bool
		if m.In[2], ok = w.bias(n.In[2], m.In[0], m.In[1]); !ok {
			return m, false
		}
	}
	g.Values[q.Out[0]].Quant = q.Attr.(graph.LinearAttr).Quant
	return m, graph.InferNode(g, &m) == nil
}

// bias returns a float32 constant as int32 with the scale of the products of x and weights. Quantized files hold it like that, and the way there and
// back is exact for what is below 2^22.
func (w *integerWalk) bias(b, x, weights graph.ValueID) (graph.ValueID, bool) {
	g := w.g
	t, ok := g.Values[b].Tensor()
	if !ok || t.DType != tensor.F32 {
		return graph.None, false
	}
	in, scales := g.Values[x].Quant, g.Values[weights].Quant.Scale
	if !in.PerTensor() || len(scales) != 1 && len(scales) != t.Elems() {
		return graph.None, false
	}
	out := &tensor.Tensor{DType: tensor.S32, Shape: t.Shape, Data: tensor.Aligned(4 * t.Elems())}
	for i, v := range t.F32() {
		s := float64(in.Scale[0]) * float64(scales[min(i, len(scales)-1)])
		r := math.RoundToEven(float64(v) / s)
		if !(math.Abs(r) <= math.MaxInt32) {
			return graph.None, false
		}
		out.S32()[i] = int32(r)
	}
	return g.NewValue(graph.Value{Name: g.Values[b].Name, DType: tensor.S32, Shape: t.Shape, Const: out.Data}), true
}
