package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// FusePad lets a convolution put the zeros around its input that a node before it puts there for it alone, also where a Reshape between them adds an axis of one
// element.
func FusePad(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	dead := make([]bool, len(g.Nodes))
	alone := func(v graph.ValueID) int32 { // what computes it for one reader
		if !readOnce(g, users, v) {
			return -1
		}
		return producer[v]
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		f, ok := n.Attr.(graph.PadFuser)
		if !ok || len(n.In) < 2 || !padsAreZero(g, n) {
			continue
		}
		p, reshape := alone(n.In[0]), int32(-1)
		if p >= 0 && g.Nodes[p].Op == "Reshape" {
			p, reshape = alone(g.Nodes[p].In[0]), p
		}
		if p < 0 {
			continue
		}
		pad := &g.Nodes[p]
		a, ok := pad.Attr.(graph.Padder)
		if !ok || !zeroPad(g, pad) {
			continue
		}
		before, after, ok := a.Padding()
		before, after = slices.Clone(before), slices.Clone(after)
		shape := slices.Clone(g.Values[pad.In[0]].Shape)
		if ok && reshape >= 0 {
			padded, to := g.Values[pad.Out[0]].Shape, g.Values[n.In[0]].Shape
			axis := 1
			if len(to) == 4 && to[1] != 1 {
				axis = 2
			}
			if ok = len(padded) == 3 && slices.Insert(slices.Clone(padded), axis, 1).Equal(to); ok {
				before, after, shape = slices.Insert(before, axis, 0), slices.Insert(after, axis, 0), slices.Insert(shape, axis, 1)
			}
		}
		if !ok || len(shape) != 4 || before[0]|after[0]|before[3]|after[3] != 0 {
			continue
		}
		attr, ok := f.FusePad([2]int(before[1:3]), [2]int(after[1:3]))
		if !ok {
			continue
		}
		n.Attr, n.In = attr, slices.Clone(n.In)
		n.In[0] = pad.In[0]
		if reshape >= 0 {
			r, v := &g.Nodes[reshape], g.Values[n.In[0]]
			v.Shape = shape
			n.In[0] = g.NewValue(v)
			r.Attr, r.In, r.Out = r.Attr.(graph.Reshaper).With(shape), []graph.ValueID{pad.In[0]}, []graph.ValueID{n.In[0]}
			producer, users = append(producer, reshape), append(users, []int32{int32(i)})
		}
		dead[p] = true
	}
	keep(g, dead)
	return nil
}

// padsAreZero reports whether a layer has windows, and what lies outside of its input counts as zero: not so where float32 is quantized at run time.
func padsAreZero(g *graph.Graph, n *graph.Node) bool {
	x, w := &g.Values[n.In[0]], &g.Values[n.In[1]]
	if len(w.Shape) != 4 || w.Shape[1]*w.Shape[2] <= 1 {
		return false
	}
	return x.DType == tensor.S8 || x.DType == tensor.F32 && (w.DType == tensor.F32 || w.DType == tensor.F16)
}

// zeroPad reports whether a node pads with zeros, and its input has the output's scale.
func zeroPad(g *graph.Graph, n *graph.Node) bool {
	x, y := &g.Values[n.In[0]], &g.Values[n.Out[0]]
	zero := byte(0)
	if x.DType == tensor.S8 {
		if x.Quant == nil || y.Quant == nil || !x.Quant.PerTensor() || !y.Quant.PerTensor() || x.Quant.Scale[0] != y.Quant.Scale[0] || x.Quant.Zero[0] != y.Quant.Zero[0] {
			return false
		}
		zero = byte(x.Quant.Zero[0])
	}
	if len(n.In) < 2 || n.In[1] == graph.None {
		return true
	}
	c := g.Values[n.In[1]].Const
	return c != nil && !slices.ContainsFunc(c, func(b byte) bool { return b != zero })
}
