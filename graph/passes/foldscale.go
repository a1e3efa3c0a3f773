package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// FoldScale moves constant multiplications and additions per channel into the convolution or dense layer before them:
// batch normalizations, and biases that exporters leave as nodes of their own. It changes the order of float roundings, so
// only models whose format asks for no exact bits (ONNX float32) are touched.
func FoldScale(g *graph.Graph) error {
	if g.Format != graph.ONNX {
		return nil
	}
	producer, users := g.Producers(), g.Users()
	dead := map[int]bool{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "Mul" && n.Op != "Add" || len(n.In) != 2 || hasActivation(n.Attr) {
			continue
		}
		x, c := n.In[0], n.In[1]
		if g.Values[x].Const != nil {
			x, c = c, x
		}
		p := producer[x]
		if g.Values[c].Const == nil || p < 0 || !readOnce(g, users, x) {
			continue
		}
		layer := &g.Nodes[p]
		if !foldInto(g, layer, n.Op == "Mul", x, c, n.Out[0]) {
			continue
		}
		layer.Out = []graph.ValueID{n.Out[0]}
		producer[n.Out[0]] = p
		dead[i] = true
	}
	kept := g.Nodes[:0]
	for i, n := range g.Nodes {
		if !dead[i] {
			kept = append(kept, n)
		}
	}
	g.Nodes = kept
	return nil
}

// hasActivation reports whether a node applies an activation already, or cannot say.
func hasActivation(attr any) bool {
	f, ok := attr.(graph.ActFuser)
	if !ok {
		return true
	}
	_, free := f.FuseAct(graph.ActRelu)
	return !free
}

// foldInto multiplies or adds constant c, applied to the layer's output x, into its weights and bias.
func foldInto(g *graph.Graph, layer *graph.Node, mul bool, x, c, out graph.ValueID) bool {
	last := layer.Op == "DepthwiseConv2D" // the output channel is the last axis of the weights, otherwise the first
	if !last && layer.Op != "Conv2D" && layer.Op != "FullyConnected" || len(layer.In) < 2 || hasActivation(layer.Attr) {
		return false
	}
	shape := g.Values[x].Shape
	if len(shape) == 0 || !g.Values[out].Shape.Equal(shape) {
		return false
	}
	channels := shape[len(shape)-1]
	factor, ok := perChannel(&g.Values[c], channels)
	if !ok {
		return false
	}
	bias := make([]float32, channels)
	if len(layer.In) > 2 && layer.In[2] != graph.None {
		b, ok := perChannel(&g.Values[layer.In[2]], channels)
		if !ok {
			return false
		}
		copy(bias, b)
	}
	w := &g.Values[layer.In[1]]
	if w.Const == nil || mul && w.DType != tensor.F32 {
		return false
	}
	for len(layer.In) < 3 {
		layer.In = append(layer.In, graph.None)
	}
	layer.In = slices.Clone(layer.In)
	if !mul {
		for i := range bias {
			bias[i] += factor[i]
		}
		layer.In[2] = floatConst(g, w.Name+"/bias", tensor.Shape{channels}, bias)
		return true
	}
	t, ok := w.Tensor()
	if !ok || channels == 0 {
		return false
	}
	scaled := slices.Clone(t.F32())
	per := len(scaled) / channels
	for i := range scaled {
		if last {
			scaled[i] *= factor[i%channels]
		} else {
			scaled[i] *= factor[i/per]
		}
	}
	name, ws := w.Name, w.Shape
	layer.In[1] = floatConst(g, name+"/scaled", ws, scaled)
	if layer.In[2] != graph.None {
		for i := range bias {
			bias[i] *= factor[i]
		}
		layer.In[2] = floatConst(g, name+"/bias", tensor.Shape{channels}, bias)
	}
	return true
}

// perChannel returns one value per channel of a float32 constant that varies along its last axis only, or not at all.
func perChannel(v *graph.Value, channels int) ([]float32, bool) {
	if v.Const == nil || v.DType != tensor.F32 {
		return nil, false
	}
	n, err := v.Shape.Elems()
	if err != nil || n != 1 && (n != channels || len(v.Shape) == 0 || v.Shape[len(v.Shape)-1] != channels) {
		return nil, false
	}
	t, ok := v.Tensor()
	if !ok {
		return nil, false
	}
	if n == 1 {
		return slices.Repeat(t.F32(), channels), true
	}
	return t.F32(), true
}

func floatConst(g *graph.Graph, name string, s tensor.Shape, v []float32) graph.ValueID {
	t := &tensor.Tensor{DType: tensor.F32, Shape: s, Data: tensor.Aligned(4 * len(v))}
	copy(t.F32(), v)
	return g.NewValue(graph.Value{Name: name, DType: t.DType, Shape: s, Const: t.Data})
}
