package passes

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// ShiftSign turns every quantized uint8 value of a TFLite graph into int8: the zero point goes down by 128 and one bit of every
// byte flips, which is exact. The model's own inputs and outputs stay uint8, behind a node that flips the bit; those of subgraphs
// are shifted like the values that they stand for. It runs before Build, on source nodes.
func ShiftSign(g *graph.Graph) error {
	if g.Format != graph.TFLite {
		return nil
	}
	for _, sub := range g.Subgraphs {
		if sub != nil {
			shiftValues(sub)
		}
	}
	shifted := shiftValues(g)
	edge := func(id graph.ValueID) graph.ValueID {
		v := g.Values[id]
		v.DType, v.Const, v.Shifted = tensor.U8, nil, false
		q := *v.Quant
		q.Zero = slices.Clone(q.Zero)
		for k := range q.Zero {
			q.Zero[k] += 128
		}
		v.Quant = &q
		return g.NewValue(v)
	}
	var head []graph.Node
	for i, id := range g.Inputs {
		if shifted[id] {
			g.Inputs[i] = edge(id)
			head = append(head, graph.Node{Op: graph.ShiftSignOp, Name: g.Values[id].Name, In: []graph.ValueID{g.Inputs[i]}, Out: []graph.ValueID{id}})
		}
	}
	g.Nodes = append(head, g.Nodes...)
	for i, id := range g.Outputs {
		if int(id) < len(shifted) && shifted[id] {
			g.Outputs[i] = edge(id)
			g.Nodes = append(g.Nodes, graph.Node{Op: graph.ShiftSignOp, Name: g.Values[id].Name, In: []graph.ValueID{id}, Out: []graph.ValueID{g.Outputs[i]}})
		}
	}
	return nil
}

// shiftValues shifts every quantized uint8 value and says which they are.
func shiftValues(g *graph.Graph) []bool {
	shifted := make([]bool, len(g.Values))
	for i := range g.Values {
		v := &g.Values[i]
		if v.DType != tensor.U8 || v.Quant == nil {
			continue
		}
		shifted[i] = true
		v.DType, v.Shifted = tensor.S8, true
		v.Fill ^= 0x80
		q := *v.Quant
		q.Zero = slices.Clone(q.Zero)
		for k := range q.Zero {
			q.Zero[k] -= 128
		}
		v.Quant = &q
		if v.Const != nil {
			c := make([]byte, len(v.Const))
			for k, b := range v.Const {
				c[k] = b ^ 0x80
			}
			v.Const = c
		}
	}
	return shifted
}
