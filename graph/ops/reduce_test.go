package ops

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

// slots are the options of a node by slot.
type slots map[int]any

func (s slots) Int(slot int, _ string, def int64) int64 {
	if v, ok := s[slot].(int); ok {
		return int64(v)
	}
	return def
}

func (s slots) String(slot int, _ string, def string) string {
	if v, ok := s[slot].(string); ok {
		return v
	}
	return def
}
func (s slots) Float(_ int, _ string, def float32) float32 { return def }
func (s slots) Ints(int, string) []int64                   { return nil }
func (s slots) Floats(int, string) []float32               { return nil }
func (s slots) Tensor(string) *graph.Value                 { return nil }
func (s slots) Has(slot int, _ string) bool                { return s[slot] != nil }

// val makes a value; scale 0 stands for none.
func val(d tensor.DType, shape tensor.Shape, scale float32, zero int32) graph.Value {
	v := graph.Value{DType: d, Shape: shape}
	if scale != 0 {
		v.Quant = &tensor.Quant{Scale: []float32{scale}, Zero: []int32{zero}}
	}
	return v
}

// list makes an int32 constant of one axis.
func list(n ...int32) graph.Value {
	v := graph.Value{DType: tensor.S32, Shape: tensor.Shape{len(n)}, Const: []byte{}}
	for _, x := range n {
		v.Const = binary.LittleEndian.AppendUint32(v.Const, uint32(x))
	}
	return v
}

// buildOne builds a graph of one TFLite node.
func buildOne(op string, attrs slots, ins, outs []graph.Value) error {
	g := &graph.Graph{Format: graph.TFLite, Values: append(append([]graph.Value{}, ins...), outs...)}
	n := graph.Node{Name: "n", Src: graph.Source{Op: op, Version: 1, Attrs: attrs}}
	for i := range g.Values {
		if id := graph.ValueID(i); i < len(ins) {
			n.In = append(n.In, id)
			if g.Values[i].Const == nil {
				g.Inputs = append(g.Inputs, id)
			}
		} else {
			n.Out = append(n.Out, id)
		}
	}
	g.Nodes, g.Outputs = []graph.Node{n}, n.Out
	if err := graph.Build(g); err != nil {
		return err
	}
	_, err := graph.NewPlan(g, 1<<20)
	return err
}

// TestRefuseReductions holds what reductions, pools, resizing and detection refuse against the reason they give.
func TestRefuseReductions(t *testing.T) {
	f := func(shape ...int) graph.Value { return val(tensor.F32, shape, 0, 0) }
	s8 := func(scale float32, zero int32, shape ...int) graph.Value { return val(tensor.S8, shape, scale, zero) }
	none := graph.Value{}
	open := val(tensor.S32, tensor.Shape{1}, 0, 0)
	pool := slots{1: 1, 2: 1, 3: 2, 4: 2}
	boxes := []graph.Value{f(1, 3, 4), f(1, 3, 2), f(3, 4)}
	four := []graph.Value{none, none, none, none}
	type vs = []graph.Value
	for _, c := range []struct {
		op        string
		attrs     slots
		ins, outs vs
		says      string
	}{
		{"MEAN", nil, vs{f(2, 3), open}, vs{none}, "axes (input 1) depend on data"},
		{"MEAN", nil, vs{f(2, 3), list(2)}, vs{none}, "axis 2 is outside of rank 2"},
		{"MEAN", nil, vs{f(2, 3), list(-3)}, vs{none}, "axis -3 is outside of rank 2"},
		{"MEAN", nil, vs{f(2, 3)}, vs{none}, "needs axes"},
		{"MEAN", nil, vs{f(2, 0), list(0)}, vs{none}, "with elements"},
		{"MEAN", nil, vs{s8(.1, 0, 2, 3), list(0)}, vs{val(tensor.S8, nil, 0, 0)}, "the output has no scale"},
		{"MEAN", nil, vs{s8(0, 0, 2, 3), list(0)}, vs{s8(.1, 0)}, "without a scale"},
		{"MEAN", nil, vs{s8(.1, 300, 2, 3), list(0)}, vs{s8(.1, 0)}, "zero point 300"},
		{"MEAN", nil, vs{val(tensor.S16, tensor.Shape{2, 3}, .1, 4), list(0)}, vs{val(tensor.S16, nil, .1, 0)}, "int16 needs 0"},
		{"MEAN", nil, vs{val(tensor.U8, tensor.Shape{2, 3}, 0, 0), list(0)}, vs{none}, "uint8 without a scale"},
		{"MEAN", nil, vs{val(tensor.Bool, tensor.Shape{2, 3}, 0, 0), list(0)}, vs{none}, "bool input is not supported"},
		{"SUM", nil, vs{val(tensor.F16, tensor.Shape{2, 3}, 0, 0), list(0)}, vs{none}, "float16 is not supported"},
		{"REDUCE_MAX", nil, vs{s8(.1, 0, 2, 3), list(0)}, vs{s8(.2, 0)}, "extremes need equal ones"},
		{"REDUCE_ANY", nil, vs{f(2, 3), list(0)}, vs{none}, "float32 input is not supported"},
		{"REDUCE_PROD", nil, vs{s8(1e3, 0, 2, 3), list(0)}, vs{s8(1e-3, 0)}, "too far apart"},
		{"SUM", nil, vs{f(2, 3), list(0)}, vs{val(tensor.S32, nil, 0, 0)}, "declared int32"},
		{"ARG_MAX", slots{0: 2}, vs{f(2, 3), open}, vs{none}, "axis (input 1) depend on data"},
		{"ARG_MAX", slots{0: 2}, vs{f(2, 3), list(0, 1)}, vs{none}, "2 elements instead of one"},
		{"ARG_MAX", slots{0: 2}, vs{f(2, 3), list(2)}, vs{none}, "axis 2 is outside"},
		{"ARG_MAX", slots{0: 0}, vs{f(2, 3), list(1)}, vs{none}, "type number 0"},
		{"ARG_MIN", slots{0: 2}, vs{val(tensor.S16, tensor.Shape{2, 3}, 0, 0), list(1)}, vs{none}, "int16 is not supported"},
		{"CUMSUM", nil, vs{val(tensor.S16, tensor.Shape{2, 3}, 0, 0), list(1)}, vs{none}, "int16 is not supported"},
		{"CUMSUM", nil, vs{s8(1e9, 0, 2, 3), list(1)}, vs{s8(1, 0)}, "too far apart"},
		{"TOPK_V2", nil, vs{f(2, 3), open}, vs{none, none}, "number of values (input 1) depend on data"},
		{"TOPK_V2", nil, vs{f(2, 3), list(4)}, vs{none, none}, "last axis has 4 elements"},
		{"TOPK_V2", nil, vs{f(2, 3), list(-1)}, vs{none, none}, "last axis has -1 elements"},
		{"TOPK_V2", nil, vs{f(2, 3), list(1)}, vs{none}, "two outputs"},
		{"MAX_POOL_2D", pool, vs{f(1, 2, 2)}, vs{none}, "rank 4"},
		{"MAX_POOL_2D", slots{0: 2}, vs{f(1, 2, 2, 1)}, vs{none}, "padding 2 is not known"},
		{"MAX_POOL_2D", slots{1: 1, 2: 0, 3: 1, 4: 1}, vs{f(1, 2, 2, 1)}, vs{none}, "does not fit"},
		{"MAX_POOL_2D", slots{0: 1, 1: 1, 2: 1, 3: 3, 4: 1}, vs{f(1, 2, 2, 1)}, vs{none}, "does not fit"},
		{"MAX_POOL_2D", slots{1: 1, 2: 1, 3: 1, 4: 1, 5: 4}, vs{f(1, 2, 2, 1)}, vs{none}, "fused activation 4"},
		{"MAX_POOL_2D", pool, vs{s8(.1, 0, 1, 2, 2, 1)}, vs{s8(.2, 0)}, "pooling needs equal ones"},
		{"MAX_POOL_2D", slots{1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, vs{val(tensor.U8, tensor.Shape{1, 2, 2, 1}, 0, 0)}, vs{none}, "has no activation"},
		{"L2_POOL_2D", pool, vs{s8(.1, 0, 1, 2, 2, 1)}, vs{s8(.1, 0)}, "int8 is not supported; float32 is"},
		{"RESIZE_BILINEAR", nil, vs{f(1, 2, 2, 1), open}, vs{none}, "size (input 1) depend on data"},
		{"RESIZE_BILINEAR", nil, vs{f(1, 2, 2, 1), list(3, 0)}, vs{none}, "size [3 0] is not supported"},
		{"RESIZE_BILINEAR", nil, vs{f(1, 2, 2, 1), list(3)}, vs{none}, "size [3] is not supported"},
		{"RESIZE_BILINEAR", slots{2: 1, 3: 1}, vs{f(1, 2, 2, 1), list(3, 3)}, vs{none}, "use one of them"},
		{"RESIZE_BILINEAR", nil, vs{f(2, 2, 1), list(3, 3)}, vs{none}, "rank 4"},
		{"RESIZE_BILINEAR", nil, vs{val(tensor.S32, tensor.Shape{1, 2, 2, 1}, 0, 0), list(3, 3)}, vs{none}, "int32 is not supported"},
		{"RESIZE_BILINEAR", nil, vs{f(1, 2, 2, 1<<15), list(1<<15, 1<<15)}, vs{none}, "more than"},
		{"RESIZE_NEAREST_NEIGHBOR", nil, vs{s8(.1, 0, 1, 2, 2, 1), list(3, 3)}, vs{s8(.1, 1)}, "resizing needs equal ones"},
		{"NON_MAX_SUPPRESSION_V4", nil, vs{f(3, 4), f(3), open, f(), f()}, vs{none, none}, "number of boxes (input 2) depend on data"},
		{"NON_MAX_SUPPRESSION_V4", nil, vs{f(3, 4), f(4), list(2), f(), f()}, vs{none, none}, "do not fit"},
		{"NON_MAX_SUPPRESSION_V4", nil, vs{f(3, 4), f(3), list(2), f()}, vs{none, none}, "needs 5 inputs"},
		{"NON_MAX_SUPPRESSION_V5", nil, vs{s8(.1, 0, 3, 4), f(3), list(2), f(), f(), f()}, vs{none, none, none}, "needs float32"},
		{"SEGMENT_SUM", nil, vs{f(3, 4), open}, vs{none}, "computed at run time"},
		{"SEGMENT_SUM", nil, vs{f(3, 4), list(0, 2, 2)}, vs{none}, "segment 2 follows segment 0"},
		{"SEGMENT_SUM", nil, vs{f(3, 4), list(0, 1)}, vs{none}, "one int32 segment for each"},
		{"UNSORTED_SEGMENT_MAX", nil, vs{f(3, 4), list(0, 5, 1), list(5)}, vs{none}, "segment 5 of 5"},
		{"UNSORTED_SEGMENT_MAX", nil, vs{f(3, 4), list(0, 4, 1), list(0)}, vs{none}, "0 segments"},
		{"WHERE", nil, vs{f(3, 4)}, vs{none}, "depends on the data"},
		{"UNIQUE", nil, vs{f(3)}, vs{none, none}, "depends on the data"},
		{"CUSTOM:TFLite_Detection_PostProcess", nil, boxes, four, "option max_detections is 0"},
		{"CUSTOM:TFLite_Detection_PostProcess", slots{1000: "xyz"}, boxes, four, "custom options are"},
	} {
		err := buildOne(c.op, c.attrs, c.ins, c.outs)
		var u *graph.UnsupportedError
		if !errors.As(err, &u) || len(u.Nodes) != 1 || !strings.Contains(u.Nodes[0].Reason, c.says) {
			t.Errorf("%s of %v: got %v, want a refusal that says %q", c.op, c.ins[0], err, c.says)
		}
	}
}

// TestAcceptReductions makes sure that the nodes of TestRefuseReductions are refused for the reasons given, not for their form.
func TestAcceptReductions(t *testing.T) {
	f := func(shape ...int) graph.Value { return val(tensor.F32, shape, 0, 0) }
	type vs = []graph.Value
	for _, c := range []struct {
		op        string
		attrs     slots
		ins, outs vs
	}{
		{"MEAN", nil, vs{f(2, 3), list(-1, 1)}, vs{{}}},
		{"ARG_MAX", slots{0: 4}, vs{f(2, 3), list(1)}, vs{{}}},
		{"TOPK_V2", nil, vs{f(2, 3), list(0)}, vs{{}, {}}},
		{"MAX_POOL_2D", slots{1: 1, 2: 1, 3: 2, 4: 2}, vs{f(1, 2, 2, 1)}, vs{{}}},
		{"RESIZE_BILINEAR", nil, vs{f(1, 2, 2, 1), list(3, 3)}, vs{{}}},
		{"NON_MAX_SUPPRESSION_V5", nil, vs{f(3, 4), f(3), list(2), f(), f(), f()}, vs{{}, {}, {}}},
		{"UNSORTED_SEGMENT_MIN", nil, vs{f(3, 4), list(0, -5, 1), list(5)}, vs{{}}},
	} {
		if err := buildOne(c.op, c.attrs, c.ins, c.outs); err != nil {
			t.Errorf("%s: %v", c.op, err)
		}
	}
}
