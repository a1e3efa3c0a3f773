package feed

import (
	"math"
	"slices"
	"testing"

	"wayside/graph/tensor"
)

func TestQuantizeDequantize(t *testing.T) {
	for _, c := range []struct {
		dtype tensor.DType
		scale float32
		zero  int32
		in    []float32
		want  []float32 // after the way there and back
	}{
		{tensor.S8, 0.5, 0, []float32{0, 0.24, 0.25, -0.25, 63.5, 100, -100}, []float32{0, 0, 0.5, -0.5, 63.5, 63.5, -64}},
		{tensor.U8, 1, 128, []float32{-128, 127, 200, 0.5, -0.5}, []float32{-128, 127, 127, 1, -1}},
		{tensor.S16, 0.0009765625, 0, []float32{1.0004, 40}, []float32{1, 32767.0 / 1024}},
		{tensor.S32, 1, 0, []float32{3e9, -3e9}, []float32{math.MaxInt32, math.MinInt32}},
		{tensor.F32, 0, 0, []float32{1.25}, []float32{1.25}},
	} {
		x, _ := tensor.New(c.dtype, tensor.Shape{len(c.in)})
		if c.scale > 0 {
			x.Quant = &tensor.Quant{Scale: []float32{c.scale}, Zero: []int32{c.zero}}
		}
		if err := Quantize(x, c.in, HalfAway); err != nil {
			t.Errorf("%v: %v", c.dtype, err)
			continue
		}
		got := make([]float32, len(c.in))
		if err := Dequantize(got, x); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v %v, want %v", c.dtype, got, err, c.want)
		}
	}
}

func TestDequantizeOthers(t *testing.T) {
	for _, c := range []struct {
		x    *tensor.Tensor
		want []float32
	}{
		{&tensor.Tensor{DType: tensor.S8, Shape: tensor.Shape{2, 2}, Data: []byte{1, 2, 3, 4}, Quant: &tensor.Quant{Scale: []float32{1, 10}, Zero: []int32{0, 1}, Axis: 1}}, []float32{1, 10, 3, 30}},
		{&tensor.Tensor{DType: tensor.S8, Shape: tensor.Shape{2, 2}, Data: []byte{1, 2, 3, 4}, Quant: &tensor.Quant{Scale: []float32{1, 10}, Zero: []int32{0, 0}, Axis: 0}}, []float32{1, 2, 30, 40}},
		{&tensor.Tensor{DType: tensor.U8, Shape: tensor.Shape{1}, Data: []byte{200}}, []float32{200}},
		{&tensor.Tensor{DType: tensor.Bool, Shape: tensor.Shape{2}, Data: []byte{0, 1}}, []float32{0, 1}},
		{&tensor.Tensor{DType: tensor.U32, Shape: tensor.Shape{1}, Data: []byte{0, 0, 0, 0x80}}, []float32{1 << 31}},
		{&tensor.Tensor{DType: tensor.U64, Shape: tensor.Shape{1}, Data: []byte{0, 0, 0, 0, 0, 0, 0, 0x80}}, []float32{1 << 63}},
		{&tensor.Tensor{DType: tensor.S4, Shape: tensor.Shape{3}, Data: []byte{0x8f, 0x07}}, []float32{-1, -8, 7}},
		{&tensor.Tensor{DType: tensor.BF16, Shape: tensor.Shape{1}, Data: []byte{0x20, 0xc1}}, []float32{-10}},
		{&tensor.Tensor{DType: tensor.F16, Shape: tensor.Shape{1}, Data: []byte{0x00, 0xc5}}, []float32{-5}},
	} {
		aligned := tensor.Aligned(len(c.x.Data))
		copy(aligned, c.x.Data)
		c.x.Data = aligned
		got := make([]float32, len(c.want))
		if err := Dequantize(got, c.x); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v %v: %v %v, want %v", c.x.DType, c.x.Shape, got, err, c.want)
		}
	}
}

func TestQuantizeRefuses(t *testing.T) {
	q := func(s ...float32) *tensor.Quant { return &tensor.Quant{Scale: s, Zero: make([]int32, len(s))} }
	for name, c := range map[string]struct {
		dtype tensor.DType
		quant *tensor.Quant
		in    []float32
	}{
		"length":     {tensor.S8, q(1), []float32{1, 2}},
		"no scale":   {tensor.S8, nil, []float32{1}},
		"two scales": {tensor.S8, q(1, 2), []float32{1}},
		"zero scale": {tensor.S8, q(0), []float32{1}},
		"nan scale":  {tensor.S8, q(float32(math.NaN())), []float32{1}},
		"nan":        {tensor.S8, q(1), []float32{float32(math.NaN())}},
		"int64":      {tensor.S64, q(1), []float32{1}},
	} {
		x, _ := tensor.New(c.dtype, tensor.Shape{1})
		x.Quant = c.quant
		if Quantize(x, c.in, HalfAway) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	bad := &tensor.Tensor{DType: tensor.S8, Shape: tensor.Shape{3}, Data: make([]byte, 3), Quant: &tensor.Quant{Scale: []float32{1, 2}, Axis: 0}}
	if Dequantize(make([]float32, 3), bad) == nil {
		t.Error("scales that do not fit their axis: no error")
	}
	if Dequantize(make([]float32, 2), bad) == nil {
		t.Error("wrong length: no error")
	}
}
