package ops

import (
	"math"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

func affine(d tensor.DType, scale float32, zero int32, s ...int) graph.Value {
	return graph.Value{DType: d, Shape: s, Quant: &tensor.Quant{Scale: []float32{scale}, Zero: []int32{zero}}}
}

// floatOptions are float options of a TFLite operator by slot, all integers zero but those given.
type floatOptions struct {
	slotInts
	f map[int]float32
}

func (o floatOptions) Float(slot int, _ string, def float32) float32 {
	if v, ok := o.f[slot]; ok {
		return v
	}
	return def
}

// TestUnaryRefuse holds what operators with one input must not accept, and what they say.
func TestUnaryRefuse(t *testing.T) {
	q := affine
	f := func(s ...int) graph.Value { return live(tensor.F32, s...) }
	u8 := func(scale float32, zero int32) graph.Value { // as ShiftSign leaves it
		v := q(tensor.S8, scale, zero-128, 4)
		v.Shifted = true
		return v
	}
	perChannel := func(d tensor.DType, axis int, zero ...int32) graph.Value {
		v := graph.Value{DType: d, Shape: tensor.Shape{2, 3}, Quant: &tensor.Quant{Axis: axis, Zero: zero}}
		for range zero {
			v.Quant.Scale = append(v.Quant.Scale, 0.5)
		}
		return v
	}
	none := []graph.Value{{}}
	beta := map[int]float32{0: 1}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		op        string
		f         map[int]float32
		i         slotInts
		ins, outs []graph.Value
		says      string
	}{
		{"RELU", nil, nil, []graph.Value{f(2), f(2)}, none, "one input and one output"},
		{"RELU", nil, nil, []graph.Value{f(2)}, []graph.Value{{}, {}}, "one input and one output"},
		{"RELU", nil, nil, nil, none, "one input and one output"},
		{"RELU", nil, nil, []graph.Value{live(tensor.S32, 2)}, none, "int32 is not supported"},
		{"RELU", nil, nil, []graph.Value{live(tensor.S8, 2)}, none, "without a scale"},
		{"RELU", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, none, "without a scale"},
		{"RELU", nil, nil, []graph.Value{q(tensor.S8, 1, 200, 2)}, []graph.Value{q(tensor.S8, 1, 0, 2)}, "outside of int8"},
		{"RELU6", nil, nil, []graph.Value{q(tensor.S16, 1, 5, 2)}, []graph.Value{q(tensor.S16, 1, 0, 2)}, "int16 needs 0"},
		{"RELU_N1_TO_1", nil, nil, []graph.Value{q(tensor.S16, 1, 0, 2)}, []graph.Value{q(tensor.S16, 1, 0, 2)}, "int16 is not supported"},
		{"RELU", nil, nil, []graph.Value{f(2)}, []graph.Value{live(tensor.S8, 2)}, "declared int8"},
		{"LEAKY_RELU", map[int]float32{0: inf}, nil, []graph.Value{f(2)}, none, "alpha is"},
		{"HARD_SWISH", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1e-5, 0, 2)}, "too far apart"},
		{"LOGISTIC", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1, 0, 2)}, "scale 0.00390625 and zero point -128"},
		{"TANH", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1.0/128, 1, 2)}, "zero point 0"},
		{"TANH", nil, nil, []graph.Value{q(tensor.S16, 1, 0, 2)}, []graph.Value{q(tensor.S16, 1.0/4096, 0, 2)}, "scale 1/32768"},
		{"LOGISTIC", nil, nil, []graph.Value{q(tensor.S16, 3, 0, 2)}, []graph.Value{q(tensor.S16, 1.0/32768, 0, 2)}, "up to 2.66"},
		{"EXP", nil, nil, []graph.Value{u8(1, 0)}, []graph.Value{u8(1, 0)}, "uint8 is not supported"},
		{"RSQRT", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1e30, 0, 2)}, "out of range"},
		{"SQRT", nil, nil, []graph.Value{live(tensor.F16, 2)}, none, "float16 is not supported"},
		{"LOGICAL_NOT", nil, nil, []graph.Value{f(2)}, none, "bool"},
		{"FAKE_QUANT", map[int]float32{0: 1, 1: 1}, slotInts{2: {8}}, []graph.Value{f(2)}, none, "a finite range"},
		{"FAKE_QUANT", map[int]float32{0: 0, 1: 1}, slotInts{2: {17}}, []graph.Value{f(2)}, none, "2 to 16 bits"},
		{"FAKE_QUANT", map[int]float32{0: 0, 1: 1}, slotInts{2: {8}, 3: {1}}, []graph.Value{f(2)}, none, "narrow_range"},
		{"SOFTMAX", beta, nil, []graph.Value{f()}, none, "at least one axis"},
		{"SOFTMAX", beta, nil, []graph.Value{f(2, 0)}, none, "at least one axis"},
		{"SOFTMAX", beta, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1, 0, 2)}, "scale 0.00390625"},
		{"SOFTMAX", beta, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S16, 1.0/65536, 0, 2)}, "zero point -32768"},
		{"SOFTMAX", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1.0/256, -128, 2)}, "beta 0"},
		{"LOG_SOFTMAX", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1, 0, 2)}, "scale 1/16"},
		{"LOG_SOFTMAX", nil, nil, []graph.Value{q(tensor.S8, 1e-9, 0, 2)}, []graph.Value{q(tensor.S8, 1.0/16, 127, 2)}, "out of range"},
		{"L2_NORMALIZATION", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2)}, []graph.Value{q(tensor.S8, 1, 0, 2)}, "scale 1/128"},
		{"L2_NORMALIZATION", nil, slotInts{0: {1}}, []graph.Value{f(2)}, none, "fused activation"},
		{"LOCAL_RESPONSE_NORMALIZATION", nil, slotInts{0: {-1}}, []graph.Value{f(1, 1, 1, 2)}, none, "radius of -1"},
		{"LOCAL_RESPONSE_NORMALIZATION", nil, slotInts{0: {1}}, []graph.Value{f(1, 2)}, none, "four axes"},
		{"QUANTIZE", nil, nil, []graph.Value{f(2)}, []graph.Value{live(tensor.S8, 2)}, "without a scale"},
		{"QUANTIZE", nil, nil, []graph.Value{f(2)}, []graph.Value{q(tensor.S32, 1, 0, 2)}, "float32 to int32"},
		{"QUANTIZE", nil, nil, []graph.Value{q(tensor.S32, 1, 0, 2)}, []graph.Value{q(tensor.S32, 1, 0, 2)}, "int32 to int32"},
		{"QUANTIZE", nil, nil, []graph.Value{q(tensor.S16, 1, 0, 4)}, []graph.Value{u8(1, 0)}, "int16 to uint8"},
		{"QUANTIZE", nil, nil, []graph.Value{u8(1, 0)}, []graph.Value{q(tensor.S32, 1, 0, 4)}, "uint8 to int32"},
		{"QUANTIZE", nil, nil, []graph.Value{f(2, 3)}, []graph.Value{perChannel(tensor.S8, 0, 0, 0, 0)}, "3 scales on axis 0"},
		{"QUANTIZE", nil, nil, []graph.Value{f(2, 3)}, []graph.Value{perChannel(tensor.S8, 7, 0, 0, 0)}, "3 scales on axis 7"},
		{"QUANTIZE", nil, nil, []graph.Value{f(2, 3)}, []graph.Value{perChannel(tensor.S8, 1, 0, 999, 0)}, "zero point 999"},
		{"QUANTIZE", nil, nil, []graph.Value{q(tensor.S8, 1, 0, 2, 3)}, []graph.Value{perChannel(tensor.S8, 1, 0, 0, 0)}, "per channel"},
		{"DEQUANTIZE", nil, nil, []graph.Value{q(tensor.S32, 1, 0, 2)}, none, "int32 is not supported"},
		{"DEQUANTIZE", nil, nil, []graph.Value{perChannel(tensor.S16, 1, 0, 0, 0)}, none, "int16 with one scale per channel"},
		{"DEQUANTIZE", nil, nil, []graph.Value{perChannel(tensor.S8, -1, 0, 0, 0)}, none, "on axis -1"},
		{"CAST", nil, nil, []graph.Value{f(2), f(2)}, []graph.Value{f(2)}, "one input and one output"},
		{"CAST", nil, nil, []graph.Value{live(tensor.S32, 2)}, []graph.Value{live(tensor.S4, 2)}, "from float32 to int4"},
	} {
		_, err := buildWith(c.op, floatOptions{c.i, c.f}, c.ins, c.outs)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a refusal with %q", c.op, err, c.says)
		}
	}
}

// TestNegativeRoot fails a run on what RSQRT is not defined for, and leaves the session usable.
func TestNegativeRoot(t *testing.T) {
	for _, d := range []tensor.DType{tensor.S8, tensor.S16} {
		p, err := build("RSQRT", nil, []graph.Value{affine(d, 1, 0, 2)}, []graph.Value{affine(d, 1.0/64, 0, 2)})
		if err != nil {
			t.Fatal(err)
		}
		s := p.NewSession()
		for i := range s.Input(0).Data {
			s.Input(0).Data[i] = 0xff
		}
		if err := s.Run(); err == nil {
			t.Errorf("%s: −1 has a root", d)
		}
		clear(s.Input(0).Data)
		s.Input(0).Data[0] = 4
		if err := s.Run(); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		if got, _ := s.Output(0).Ints(); got[0] != 32 || got[1] < 127 {
			t.Errorf("%s: 1/√4 and 1/√0 with scale 1/64 give %d", d, got)
		}
	}
}

// TestCastWideIntegers covers uint64, for which the reference implementations have no kernel: integers lose their upper bits.
func TestCastWideIntegers(t *testing.T) {
	x, _ := tensor.New(tensor.U64, tensor.Shape{4})
	copy(x.U64(), []uint64{math.MaxUint64, 1 << 63, 1<<32 + 5, 200})
	for _, c := range []struct {
		to   tensor.DType
		want []int64
	}{
		{tensor.U32, []int64{math.MaxUint32, 0, 5, 200}},
		{tensor.S64, []int64{-1, math.MinInt64, 1<<32 + 5, 200}},
		{tensor.S8, []int64{-1, 0, 5, -56}},
		{tensor.Bool, []int64{1, 1, 1, 1}},
	} {
		y, err := runOp(t, "Cast", CastAttr{To: c.to}, x)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := y.Ints(); !slices.Equal(got, c.want) {
			t.Errorf("to %s: %v, want %v", c.to, got, c.want)
		}
	}
	f, _ := tensor.New(tensor.F32, tensor.Shape{4})
	nan := float32(math.NaN())
	copy(f.F32(), []float32{-1, 1e19, 1e30, nan})
	for most, want := range map[bool]uint64{false: 0, true: math.MaxUint64} {
		y, err := runOp(t, "Cast", CastAttr{tensor.U64, most}, f)
		if err != nil {
			t.Fatal(err)
		}
		if got := y.U64(); !slices.Equal(got, []uint64{0, 9999999980506447872, math.MaxUint64, want}) {
			t.Errorf("float32 to uint64: %v", got)
		}
	}
}
