package passes_test

import (
	"encoding/binary"
	"testing"

	"wayside/graph"
	"wayside/graph/passes"
	"wayside/graph/tensor"
)

// zeroAttrs has every integer attribute as 0.
type zeroAttrs struct{ graph.Attrs }

func (zeroAttrs) Int(int, string, int64) int64 { return 0 }

// TestListWrites: the pattern is taken as one update; with any part of it different it stays as it is.
func TestListWrites(t *testing.T) {
	for name, c := range map[string]struct {
		step, from, rest int32 // of the second part's start, the first part's start, the first part's size
		item             tensor.Shape
		read             bool // the first part is an output too
		want             string
	}{
		"a write":            {1, 0, -1, tensor.Shape{1, 3}, false, "DYNAMIC_UPDATE_SLICE"},
		"two are left out":   {2, 0, -1, tensor.Shape{1, 3}, false, "CONCATENATION"},
		"not from the start": {1, 1, -1, tensor.Shape{1, 3}, false, "CONCATENATION"},
		"not all of an axis": {1, 0, 2, tensor.Shape{1, 3}, false, "CONCATENATION"},
		"two items":          {1, 0, -1, tensor.Shape{2, 3}, false, "CONCATENATION"},
		"the part is read":   {1, 0, -1, tensor.Shape{1, 3}, true, "DYNAMIC_UPDATE_SLICE"},
	} {
		g := &graph.Graph{Format: graph.TFLite}
		value := func(s ...int) graph.ValueID {
			return g.NewValue(graph.Value{DType: tensor.S32, Shape: s})
		}
		ints := func(v ...int32) graph.ValueID {
			var b []byte
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, uint32(x))
			}
			return g.NewValue(graph.Value{DType: tensor.S32, Shape: tensor.Shape{len(v)}, Const: b})
		}
		node := func(op string, out graph.ValueID, in ...graph.ValueID) graph.ValueID {
			g.Nodes = append(g.Nodes, graph.Node{Src: graph.Source{Op: op, Attrs: zeroAttrs{}}, In: in, Out: []graph.ValueID{out}})
			return out
		}
		list, item, place := value(5, 3), value(c.item...), value()
		next := node("ADD", value(), place, ints(c.step))
		size := node("CONCATENATION", value(2), node("RESHAPE", value(1), place, ints(1)), ints(c.rest))
		first := node("SLICE", value(1, 3), list, ints(c.from, c.from), size)
		begin := node("CONCATENATION", value(2), node("RESHAPE", value(1), next, ints(1)), ints(0))
		last := node("SLICE", value(1, 3), list, begin, ints(-1, -1))
		out := node("CONCATENATION", value(5, 3), first, item, last)
		g.Inputs, g.Outputs = []graph.ValueID{list, item, place}, []graph.ValueID{out}
		if c.read {
			g.Outputs = append(g.Outputs, first)
		}
		if err := passes.ListWrites(g); err != nil {
			t.Fatal(err)
		}
		end := g.Nodes[len(g.Nodes)-1]
		slices := 0
		for _, n := range g.Nodes {
			if n.Src.Op == "SLICE" {
				slices++
			}
		}
		wantSlices := map[bool]int{false: 2, true: 0}[c.want == "DYNAMIC_UPDATE_SLICE"]
		if c.read {
			wantSlices = 1
		}
		if end.Src.Op != c.want || slices != wantSlices {
			t.Errorf("%s: the last node is %s after %d slices, want %s after %d", name, end.Src.Op, slices, c.want, wantSlices)
		}
		if c.want == "DYNAMIC_UPDATE_SLICE" && (len(end.In) != 3 || end.In[0] != list || end.In[1] != item || end.In[2] != size) {
			t.Errorf("%s: inputs %v", name, end.In)
		}
	}
}
