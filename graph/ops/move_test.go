package ops

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

// slotInts are options of a TFLite operator by slot.
type slotInts map[int][]int64

func (o slotInts) Int(slot int, _ string, def int64) int64 {
	if v, ok := o[slot]; ok && len(v) > 0 {
		return v[0]
	}
	return def
}
func (o slotInts) Float(_ int, _ string, def float32) float32 { return def }
func (o slotInts) String(_ int, _ string, def string) string  { return def }
func (o slotInts) Ints(slot int, _ string) []int64            { return o[slot] }
func (o slotInts) Floats(int, string) []float32               { return nil }
func (o slotInts) Tensor(string) *graph.Value                 { return nil }
func (o slotInts) Has(slot int, _ string) bool                { _, ok := o[slot]; return ok }
func live(d tensor.DType, s ...int) graph.Value               { return graph.Value{DType: d, Shape: s} }
func scaled(d tensor.DType, z int32, s ...int) graph.Value {
	return graph.Value{DType: d, Shape: s, Quant: &tensor.Quant{Scale: []float32{0.5}, Zero: []int32{z}}}
}
func constants(v ...int32) graph.Value { return constantOf(tensor.Shape{len(v)}, v...) }
func constantOf(s tensor.Shape, v ...int32) graph.Value {
	b := []byte{}
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return graph.Value{DType: tensor.S32, Shape: s, Const: b}
}

// build makes a plan of one TFLite operator. Inputs without bytes are the model's.
func build(op string, o slotInts, ins, outs []graph.Value) (*graph.Plan, error) {
	return buildWith(op, o, ins, outs)
}

func buildWith(op string, o graph.Attrs, ins, outs []graph.Value) (*graph.Plan, error) {
	g := &graph.Graph{Format: graph.TFLite}
	n := graph.Node{Name: "n", Src: graph.Source{Op: op, Version: 1, Attrs: o}}
	for _, f := range graph.Forms() {
		if f.Format == g.Format && f.Op == op {
			n.Src.Version = f.Min
		}
	}
	for i, v := range ins {
		v.Name = fmt.Sprint("in", i)
		id := g.NewValue(v)
		if v.Const == nil {
			g.Inputs = append(g.Inputs, id)
		}
		n.In = append(n.In, id)
	}
	for i, v := range outs {
		v.Name = fmt.Sprint("out", i)
		id := g.NewValue(v)
		g.Outputs = append(g.Outputs, id)
		n.Out = append(n.Out, id)
	}
	g.Nodes = []graph.Node{n}
	if err := graph.Build(g); err != nil {
		return nil, err
	}
	return graph.NewPlan(g, 1<<24)
}

// TestMoversRefuse holds what movers must not accept, and what they say.
func TestMoversRefuse(t *testing.T) {
	f := func(s ...int) graph.Value { return live(tensor.F32, s...) }
	i := func(s ...int) graph.Value { return live(tensor.S32, s...) }
	s4 := live(tensor.S4, 2, 2)
	huge := int32(1 << 30)
	one := []graph.Value{{}}
	for _, c := range []struct {
		op   string
		o    slotInts
		ins  []graph.Value
		outs []graph.Value
		says string
	}{
		{"PAD", nil, []graph.Value{f(2, 2), i(2, 2)}, one, "make input 1 a constant"},
		{"PAD", nil, []graph.Value{f(2, 2), constants(1, 1)}, one, "do not fit an input of rank 2"},
		{"PAD", nil, []graph.Value{f(2), constants(-1, 1)}, one, "must be 0 or more"},
		{"PAD", nil, []graph.Value{f(2), constants(huge, 1)}, one, "must be 0 or more"},
		{"PAD", nil, []graph.Value{f(2)}, one, "needs paddings"},
		{"PAD", nil, []graph.Value{f(2), f(1, 2)}, one, "make input 1 a constant"},
		{"PAD", nil, []graph.Value{s4, constants(0, 0, 1, 1)}, one, "int4"},
		{"PADV2", nil, []graph.Value{f(2), constants(0, 1), i()}, one, "padding value"},
		{"PADV2", nil, []graph.Value{scaled(tensor.S8, 3, 2), constants(0, 1), scaled(tensor.S8, 4)}, []graph.Value{scaled(tensor.S8, 3, 3)}, "padding value and the output differ"},
		{"MIRROR_PAD", slotInts{0: {2}}, []graph.Value{f(2), constants(0, 1)}, one, "mode 2"},
		{"MIRROR_PAD", nil, []graph.Value{f(2), constants(2, 0)}, one, "allows 0 to 1"},
		{"MIRROR_PAD", slotInts{0: {1}}, []graph.Value{f(2), constants(3, 0)}, one, "allows 0 to 2"},
		{"MIRROR_PAD", nil, []graph.Value{scaled(tensor.S8, 1, 2), constants(1, 0)}, []graph.Value{scaled(tensor.S8, 2, 3)}, "differ in scale or zero point"},
		{"DILATE", nil, []graph.Value{f(2), constants(0), f()}, one, "1 and more"},
		{"DILATE", nil, []graph.Value{f(1 << 20), constants(huge), f()}, one, "paddings"},
		{"CONCATENATION", slotInts{0: {2}}, []graph.Value{f(2, 2), f(2, 2)}, one, "axis 2"},
		{"CONCATENATION", slotInts{1: {1}}, []graph.Value{f(2), f(2)}, one, "fused activation"},
		{"CONCATENATION", nil, []graph.Value{f(2, 2), f(2, 3)}, one, "input 1 has the shape"},
		{"CONCATENATION", nil, []graph.Value{f(2), i(2)}, one, "differs in type"},
		{"CONCATENATION", nil, []graph.Value{scaled(tensor.S8, 0, 2), scaled(tensor.S8, 1, 2)}, []graph.Value{scaled(tensor.S8, 0, 4)}, "equal ones are supported"},
		{"CONCATENATION", nil, []graph.Value{f(), f()}, one, "PACK joins"},
		{"RESHAPE", nil, []graph.Value{f(4), i(2)}, one, "make input 1 a constant"},
		{"RESHAPE", nil, []graph.Value{f(4), constants(-1, -1)}, one, "cannot take the shape"},
		{"RESHAPE", nil, []graph.Value{f(4), constants(3, -1)}, one, "cannot give"},
		{"RESHAPE", nil, []graph.Value{f(4), constants(1, 1, 1, 1, 1, 1, 1, 1, 4)}, one, "9 axes"},
		{"SQUEEZE", slotInts{0: {1}}, []graph.Value{f(1, 2)}, one, "is not 1"},
		{"SQUEEZE", slotInts{0: {5}}, []graph.Value{f(1, 2)}, one, "axis 5"},
		{"EXPAND_DIMS", nil, []graph.Value{f(2), constants(3)}, one, "axis 3"},
		{"EXPAND_DIMS", nil, []graph.Value{f(2), constants(0, 1)}, one, "2 elements"},
		{"SHAPE", nil, []graph.Value{f(2)}, []graph.Value{f(1)}, "int32 and int64"},
		{"PACK", slotInts{0: {3}}, []graph.Value{f(2), f(2)}, one, "values_count"},
		{"PACK", slotInts{0: {2}, 1: {2}}, []graph.Value{f(2), f(2)}, one, "axis 2"},
		{"UNPACK", slotInts{0: {2}}, []graph.Value{f(3)}, []graph.Value{{}, {}}, "extent 3"},
		{"BITCAST", nil, []graph.Value{live(tensor.U8, 3)}, []graph.Value{f(1)}, "innermost axis"},
		{"TRANSPOSE", nil, []graph.Value{f(2, 3), constants(0, 0)}, one, "every axis once"},
		{"TRANSPOSE", nil, []graph.Value{f(2, 3), constants(0, -3)}, one, "every axis once"},
		{"TRANSPOSE", nil, []graph.Value{f(2, 3), i(2)}, one, "make input 1 a constant"},
		{"TRANSPOSE", nil, []graph.Value{s4, constants(1, 0)}, one, "int4"},
		{"SLICE", nil, []graph.Value{f(4), constants(3), constants(2)}, one, "leave the input's shape"},
		{"SLICE", nil, []graph.Value{f(4), constants(-1), constants(2)}, one, "leave the input's shape"},
		{"SLICE", nil, []graph.Value{f(4), i(1), constants(-1)}, []graph.Value{f(-1)}, "make the size a constant without -1"},
		{"SLICE", nil, []graph.Value{f(4), i(1), constants(5)}, one, "leaves the input's shape"},
		{"SLICE", nil, []graph.Value{f(4), f(1), constants(2)}, []graph.Value{f(2)}, "must be int16"},
		{"STRIDED_SLICE", nil, []graph.Value{f(4), constants(0), constants(4), i(1)}, one, "make input 3 a constant"},
		{"STRIDED_SLICE", nil, []graph.Value{f(4), i(1), constants(4), constants(1)}, []graph.Value{f(-1)}, "make them constants"},
		{"STRIDED_SLICE", nil, []graph.Value{f(4), i(1), constants(4), constants(1)}, []graph.Value{f(5)}, "5 elements of axis 0"},
		{"STRIDED_SLICE", nil, []graph.Value{f(4), constants(0), constants(4), constants(0)}, one, "stride 0"},
		{"STRIDED_SLICE", nil, []graph.Value{f(4), constants(0, 0), constants(4, 4), constants(1, 1)}, one, "2 positions"},
		{"STRIDED_SLICE", slotInts{2: {3}}, []graph.Value{f(4), constants(0, 0), constants(4, 4), constants(1, 1)}, one, "more than one ellipsis"},
		{"STRIDED_SLICE", slotInts{2: {1}}, []graph.Value{f(4), constants(0, 0), constants(4, 4), constants(1, 1)}, one, "stands for no axis"},
		{"STRIDED_SLICE", slotInts{4: {1}}, []graph.Value{f(4), constants(4), constants(5), constants(1)}, one, "takes element 4"},
		{"STRIDED_SLICE", slotInts{4: {1}}, []graph.Value{f(4), constants(1), constants(0), constants(-1)}, one, "strides above 0"},
		{"SPLIT", slotInts{0: {2}}, []graph.Value{constants(0), f(3)}, []graph.Value{{}, {}}, "num_splits is 2"},
		{"SPLIT", slotInts{0: {2}}, []graph.Value{i(), f(4)}, []graph.Value{{}, {}}, "make input 0 a constant"},
		{"SPLIT_V", nil, []graph.Value{f(4), constants(1, 2), constants(0)}, []graph.Value{{}, {}}, "do not add up"},
		{"SPLIT_V", nil, []graph.Value{f(4), constants(-1, -1), constants(0)}, []graph.Value{{}, {}}, "do not fit"},
		{"REVERSE_V2", nil, []graph.Value{f(4), constants(0, -1)}, one, "listed twice"},
		{"GATHER", nil, []graph.Value{f(4), constants(0, 4)}, one, "index 4"},
		{"GATHER", nil, []graph.Value{f(4), constants(-1)}, one, "index -1"},
		{"GATHER", slotInts{1: {1}}, []graph.Value{f(2, 4), i(2, 2)}, one, "batch_dims 1 with axis 0"},
		{"GATHER", slotInts{0: {1}, 1: {1}}, []graph.Value{f(2, 4), i(3, 2)}, one, "batch axis 0"},
		{"GATHER", nil, []graph.Value{f(4), f(1)}, one, "indices are float32"},
		{"GATHER_ND", nil, []graph.Value{f(4), i(3, 2)}, one, "2 indices"},
		{"SCATTER_ND", nil, []graph.Value{i(2, 1), f(2), i(1)}, one, "make input 2 a constant"},
		{"SCATTER_ND", nil, []graph.Value{i(2, 1), f(3), constants(4)}, one, "do not fit the shape"},
		{"SCATTER_ND", nil, []graph.Value{i(2, 1), live(tensor.S16, 2), constants(4)}, one, "int16 is not supported"},
		{"SCATTER_ND", nil, []graph.Value{i(2, 1), f(2), constants(-4)}, one, "not valid"},
		{"SPARSE_TO_DENSE", nil, []graph.Value{i(2), i(1), f(2), f()}, one, "make input 1 a constant"},
		{"SPARSE_TO_DENSE", nil, []graph.Value{i(2), constants(3, 3), f(2), f()}, one, "do not fit the shape"},
		{"SPARSE_TO_DENSE", nil, []graph.Value{i(2), constants(3), f(3), f()}, one, "do not fit the shape"},
		{"STABLEHLO_PAD", slotInts{0: {0}, 1: {0}}, []graph.Value{f(3), f()}, one, "do not fit an input of rank 1"},
		{"STABLEHLO_PAD", slotInts{0: {-2}, 1: {-2}, 2: {0}}, []graph.Value{f(3), f()}, one, "more than there is"},
		{"STABLEHLO_PAD", slotInts{0: {1 << 40}, 1: {0}, 2: {0}}, []graph.Value{f(3), f()}, one, "a padding of"},
		{"STABLEHLO_PAD", slotInts{0: {0}, 1: {0}, 2: {-1}}, []graph.Value{f(3), f()}, one, "elements between"},
		{"TILE", nil, []graph.Value{f(4), constants(-1)}, one, "0 or more"},
		{"TILE", nil, []graph.Value{f(4), constants(huge)}, one, "0 or more"},
		{"BROADCAST_TO", nil, []graph.Value{f(3), constants(4)}, one, "does not broadcast"},
		{"BROADCAST_TO", nil, []graph.Value{f(3), constants(huge, huge, 3)}, one, "not valid"},
		{"BROADCAST_ARGS", nil, []graph.Value{f(3), f(3)}, one, "two shapes"},
		{"FILL", nil, []graph.Value{i(2), f()}, one, "make input 0 a constant"},
		{"FILL", nil, []graph.Value{constants(2), f(2)}, one, "scalar"},
		{"RANGE", nil, []graph.Value{constantOf(nil, 0), i(), constantOf(nil, 1)}, one, "input 1 depends on data"},
		{"RANGE", nil, []graph.Value{constantOf(nil, 0), constantOf(nil, 5), constantOf(nil, 0)}, one, "never ends"},
		{"RANGE", nil, []graph.Value{constantOf(nil, 0), constantOf(nil, huge), constantOf(nil, 1)}, one, "elements"},
		{"SPACE_TO_DEPTH", slotInts{0: {3}}, []graph.Value{f(1, 4, 4, 1)}, one, "does not divide"},
		{"SPACE_TO_DEPTH", slotInts{0: {0}}, []graph.Value{f(1, 4, 4, 1)}, one, "block size 0"},
		{"DEPTH_TO_SPACE", slotInts{0: {2}}, []graph.Value{f(1, 4, 4, 3)}, one, "3 channels"},
		{"DEPTH_TO_SPACE", slotInts{0: {2}}, []graph.Value{f(4, 4, 3)}, one, "rank 4"},
		{"SPACE_TO_BATCH_ND", nil, []graph.Value{f(1, 3, 1), constants(2), constants(0, 0)}, one, "does not divide"},
		{"SPACE_TO_BATCH_ND", nil, []graph.Value{f(1, 3, 1), constants(0), constants(0, 0)}, one, "not valid"},
		{"SPACE_TO_BATCH_ND", nil, []graph.Value{f(1, 3, 1), i(1), constants(0, 0)}, one, "make input 1 a constant"},
		{"BATCH_TO_SPACE_ND", nil, []graph.Value{f(3, 3, 1), constants(2), constants(0, 0)}, one, "does not divide"},
		{"BATCH_TO_SPACE_ND", nil, []graph.Value{f(2, 3, 1), constants(2), constants(5, 5)}, one, "leave nothing"},
		{"ONE_HOT", nil, []graph.Value{i(2), i(), f(), f()}, one, "make input 1 a constant"},
		{"ONE_HOT", slotInts{0: {-1}}, []graph.Value{i(2), constants(-3), f(), f()}, one, "depth -3"},
		{"ONE_HOT", slotInts{0: {-1}}, []graph.Value{i(2), constants(3), f(), i()}, one, "two values of one type"},
		{"REVERSE_SEQUENCE", slotInts{0: {0}}, []graph.Value{f(2, 3), i(2)}, one, "two different axes"},
		{"REVERSE_SEQUENCE", slotInts{0: {1}}, []graph.Value{f(2, 3), i(3)}, one, "do not fit batch axis"},
		{"DYNAMIC_UPDATE_SLICE", nil, []graph.Value{f(2, 3), f(2, 4), i(2)}, one, "larger than the data"},
		{"DYNAMIC_UPDATE_SLICE", nil, []graph.Value{f(2, 3), f(1, 1), i(3)}, one, "do not fit data of rank 2"},
		{"MATRIX_DIAG", nil, []graph.Value{live(tensor.F16, 3)}, one, "float16 is not supported"},
		{"MATRIX_SET_DIAG", nil, []graph.Value{f(2, 3), f(3)}, one, "do not fit matrices"},
	} {
		_, err := build(c.op, c.o, c.ins, c.outs)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.op, err, c.says)
		}
	}
}

// TestMoversMissingInputs gives every mover too few inputs.
func TestMoversMissingInputs(t *testing.T) {
	for _, f := range graph.Forms() {
		if f.Format != graph.TFLite || f.Op == "CONCATENATION" {
			continue
		}
		ins := []graph.Value{}
		for n := range 3 {
			// Any outcome but a panic is right; without inputs it must be an error.
			_, err := build(f.Op, slotInts{0: {1}, 1: {1}}, ins, []graph.Value{{}})
			if n == 0 && err == nil {
				t.Errorf("%s without inputs is accepted", f.Op)
			}
			ins = append(ins, live(tensor.F32, 2, 2))
		}
	}
}

// TestComputedSliceChecks lets computed positions ask for another size than the file states: an error, not another shape.
func TestComputedSliceChecks(t *testing.T) {
	p, err := build("STRIDED_SLICE", nil, []graph.Value{live(tensor.F32, 6), live(tensor.S32, 1), live(tensor.S32, 1), constants(2)}, []graph.Value{live(tensor.F32, 2)})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	for _, c := range []struct {
		begin, end int32
		ok         bool
	}{{0, 4, true}, {1, 5, true}, {-3, 100, true}, {0, 6, false}, {4, 0, false}, {-1 << 31, 1<<31 - 1, false}, {2, 6, true}} {
		s.Input(1).S32()[0], s.Input(2).S32()[0] = c.begin, c.end
		if err := s.Run(); (err == nil) != c.ok {
			t.Errorf("[%d:%d:2]: %v", c.begin, c.end, err)
		}
	}
}
