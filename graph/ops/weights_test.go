package ops

import (
	"math"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

// quantOf is a quantization of one scale, or of several along an axis, with one zero point.
func quantOf(zero int32, axis int, scales ...float32) *tensor.Quant {
	return &tensor.Quant{Scale: scales, Zero: slices.Repeat([]int32{zero}, len(scales)), Axis: axis}
}

// layerValue is a value for TestLayersRefuse; constants are zeros.
func layerValue(d tensor.DType, konst bool, q *tensor.Quant, shape ...int) *graph.Value {
	v := &graph.Value{Name: "v", DType: d, Shape: shape, Quant: q}
	if konst {
		v.Const = make([]byte, d.Bytes(product(shape)))
	}
	return v
}

// TestLayersRefuse states what operators with weights do not take, and that they say it.
func TestLayersRefuse(t *testing.T) {
	one := quantOf(0, 0, 0.5)
	conv := Conv2DAttr{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	dw := DepthwiseAttr{conv, 1}
	tc := TransposeConvAttr{Out: [2]int{2, 2}, Stride: [2]int{1, 1}}
	x8, x16, xf := layerValue(tensor.S8, false, one, 1, 2, 2, 2), layerValue(tensor.S16, false, one, 1, 2, 2, 2), layerValue(tensor.F32, false, nil, 1, 2, 2, 2)
	w8, wf := layerValue(tensor.S8, true, one, 3, 1, 1, 2), layerValue(tensor.F32, true, nil, 3, 1, 1, 2)
	d8, d16, df := layerValue(tensor.S8, false, one, 2, 4), layerValue(tensor.S16, false, one, 2, 4), layerValue(tensor.F32, false, nil, 2, 4)
	dense8, dense4 := layerValue(tensor.S8, true, one, 3, 4), layerValue(tensor.S4, true, one, 3, 4)
	shifted := func(v *graph.Value) *graph.Value { s := *v; s.Shifted = true; return &s }
	o8, o16 := layerValue(tensor.S8, false, one), layerValue(tensor.S16, false, one)
	plain := layerValue(tensor.F32, false, nil)
	for _, c := range []struct {
		name, op string
		attr     any
		out      *graph.Value
		in       []*graph.Value
		says     string
	}{
		{"no weights", "Conv2D", conv, o8, []*graph.Value{x8, nil}, "rank 4"},
		{"rank", "Conv2D", conv, o8, []*graph.Value{d8, w8}, "rank 4"},
		{"groups", "Conv2D", conv, o8, []*graph.Value{x8, layerValue(tensor.S8, true, one, 3, 1, 1, 3)}, "groups"},
		{"bias count", "Conv2D", conv, o8, []*graph.Value{x8, w8, layerValue(tensor.S32, true, nil, 4)}, "constant of 3 values"},
		{"bias computed", "Conv2D", conv, o8, []*graph.Value{x8, w8, layerValue(tensor.S32, false, nil, 3)}, "constant of 3 values"},
		{"bias type", "Conv2D", conv, o8, []*graph.Value{x8, w8, layerValue(tensor.S64, true, nil, 3)}, "int64 bias"},
		{"wide bias type", "Conv2D", conv, o16, []*graph.Value{x16, w8, layerValue(tensor.F32, true, nil, 3)}, "float32 bias"},
		{"weights zero point", "Conv2D", conv, o8, []*graph.Value{x8, layerValue(tensor.S8, true, quantOf(3, 0, 0.5), 3, 1, 1, 2)}, "zero point 3"},
		{"scales", "Conv2D", conv, o8, []*graph.Value{x8, layerValue(tensor.S8, true, quantOf(0, 0, 1, 1), 3, 1, 1, 2)}, "each of 3"},
		{"no scale", "Conv2D", conv, o8, []*graph.Value{x8, layerValue(tensor.S8, true, nil, 3, 1, 1, 2)}, "one scale"},
		{"no output scale", "Conv2D", conv, layerValue(tensor.S8, false, nil), []*graph.Value{x8, w8}, "need a scale"},
		{"mixed signs", "Conv2D", conv, o8, []*graph.Value{shifted(x8), w8}, "do not mix"},
		{"uint8 per channel", "Conv2D", conv, shifted(o8), []*graph.Value{shifted(x8), shifted(layerValue(tensor.S8, true, quantOf(0, 0, 1, 1, 1), 3, 1, 1, 2))}, "one scale for the whole"},
		{"hybrid uint8", "Conv2D", conv, plain, []*graph.Value{xf, shifted(w8)}, "uint8 weights"},
		{"hybrid computed", "Conv2D", conv, plain, []*graph.Value{xf, layerValue(tensor.S8, false, one, 3, 1, 1, 2)}, "computed at run time"},
		{"int4 computed", "Conv2D", conv, o8, []*graph.Value{x8, layerValue(tensor.S4, false, one, 3, 1, 1, 2)}, "computed at run time"},
		{"int32 activations", "Conv2D", conv, plain, []*graph.Value{layerValue(tensor.S32, false, nil, 1, 2, 2, 2), w8}, "int32 activations"},
		{"int16 weights", "Conv2D", conv, o16, []*graph.Value{x16, layerValue(tensor.S16, true, one, 3, 1, 1, 2)}, "int16 weights"},
		{"int16 factor", "Conv2D", conv, layerValue(tensor.S16, false, quantOf(0, 0, 1e-6)), []*graph.Value{x16, w8}, "below 128"},
		{"int16 zero point", "Conv2D", conv, layerValue(tensor.S16, false, quantOf(4, 0, 1)), []*graph.Value{x16, w8}, "int16 needs 0"},
		{"activation", "Conv2D", Conv2DAttr{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1, Act: graph.ActTanh}, plain, []*graph.Value{xf, wf}, "does not fit"},
		{"depthwise computed", "DepthwiseConv2D", dw, shifted(o8), []*graph.Value{shifted(x8), shifted(layerValue(tensor.S8, false, one, 1, 1, 1, 2))}, "computed at run time"},
		{"depthwise int16 bias", "DepthwiseConv2D", dw, o16, []*graph.Value{x16, layerValue(tensor.S8, true, one, 1, 1, 1, 2), layerValue(tensor.S32, true, nil, 2)}, "int32 bias"},
		{"depthwise int16 int4", "DepthwiseConv2D", dw, o16, []*graph.Value{x16, layerValue(tensor.S4, true, one, 1, 1, 1, 2)}, "int4 weights"},
		{"transposed int4", "TransposeConv", tc, o8, []*graph.Value{x8, layerValue(tensor.S4, true, one, 3, 1, 1, 2)}, "int4 weights"},
		{"transposed channels", "TransposeConv", tc, plain, []*graph.Value{xf, layerValue(tensor.F32, true, nil, 3, 1, 1, 4)}, "do not fit"},
		{"transposed stride", "TransposeConv", TransposeConvAttr{Out: [2]int{2, 2}}, plain, []*graph.Value{xf, wf}, "stride"},
		{"volume type", "Conv3D", Conv3DAttr{}, o8, []*graph.Value{layerValue(tensor.S8, false, one, 1, 2, 2, 2, 1), layerValue(tensor.S8, true, one, 1, 1, 1, 1, 2)}, "float32 is"},
		{"volume window", "Conv3D", Conv3DAttr{Pad: Valid, Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1}}, plain,
			[]*graph.Value{layerValue(tensor.F32, false, nil, 1, 2, 2, 2, 1), layerValue(tensor.F32, true, nil, 3, 1, 1, 1, 2)}, "does not fit the input"},
		{"dense inner", "FullyConnected", FullyConnectedAttr{}, o8, []*graph.Value{layerValue(tensor.S8, false, one, 2, 5), dense8}, "does not fit weights"},
		{"dense keep", "FullyConnected", FullyConnectedAttr{KeepDims: true}, o8, []*graph.Value{layerValue(tensor.S8, false, one, 4, 2), dense8}, "keeping axes"},
		{"dense int4 zero point", "FullyConnected", FullyConnectedAttr{}, o8, []*graph.Value{d8, layerValue(tensor.S4, true, quantOf(1, 0, 1), 3, 4)}, "zero point 1"},
		{"dense hybrid type", "FullyConnected", FullyConnectedAttr{}, plain, []*graph.Value{df, layerValue(tensor.S16, true, one, 3, 4)}, "int16 weights"},
		{"dense channels", "FullyConnected", FullyConnectedAttr{}, o8, []*graph.Value{d8, layerValue(tensor.S8, false, one, 1<<24+1, 4)}, "output channels"},
		{"product types", "MatMul", MatMulAttr{}, o8, []*graph.Value{d8, layerValue(tensor.S16, false, one, 4, 3)}, "int8 times int16"},
		{"product of uint8", "MatMul", MatMulAttr{}, o8, []*graph.Value{shifted(d8), shifted(layerValue(tensor.S8, false, one, 4, 3))}, "uint8"},
		{"product per channel computed", "MatMul", MatMulAttr{}, o8, []*graph.Value{d8, layerValue(tensor.S8, false, quantOf(0, 1, 1, 1, 1), 4, 3)}, "one scale"},
		{"product int16 zero point", "MatMul", MatMulAttr{}, o16, []*graph.Value{d16, layerValue(tensor.S8, false, quantOf(1, 0, 1), 4, 3)}, "must be 0"},
		{"product shapes", "MatMul", MatMulAttr{}, plain, []*graph.Value{df, layerValue(tensor.F32, false, nil, 3, 4)}, "inner extents"},
		{"embedding indices", "EmbeddingLookup", nil, plain, []*graph.Value{layerValue(tensor.S64, false, nil, 2), layerValue(tensor.F32, true, nil, 3, 4)}, "int32 indices"},
		{"embedding int4", "EmbeddingLookup", nil, plain, []*graph.Value{layerValue(tensor.S32, false, nil, 2), layerValue(tensor.S4, true, one, 3, 3)}, "end on a byte"},
		{"embedding zero point", "EmbeddingLookup", nil, plain, []*graph.Value{layerValue(tensor.S32, false, nil, 2), layerValue(tensor.S8, true, quantOf(2, 0, 1), 3, 4)}, "zero points"},
		{"embedding types", "EmbeddingLookup", nil, layerValue(tensor.S16, false, one), []*graph.Value{layerValue(tensor.S32, false, nil, 2), dense4}, "int4 table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &graph.Graph{Format: graph.TFLite}
			n := graph.Node{Op: c.op, Attr: c.attr}
			for _, v := range c.in {
				id := graph.None
				if v != nil {
					id = g.NewValue(*v)
				}
				n.In = append(n.In, id)
			}
			n.Out = []graph.ValueID{g.NewValue(*c.out)}
			err := graph.InferNode(g, &n)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal with %q", err, c.says)
			}
		})
	}
}

// TestStoredWeights runs a convolution with weights in 16 bits, which arrive through Dequantize, against the same in float32: what loses nothing in 16 bits
// is packed so, however the file has it.
func TestStoredWeights(t *testing.T) {
	run := func(w []float32, d tensor.DType) (out []float32, kernel string, bytes map[string]int) {
		g := &graph.Graph{Format: graph.TFLite}
		stored := &tensor.Tensor{DType: d, Shape: tensor.Shape{3, 1, 1, 2}, Data: tensor.Aligned(d.Bytes(len(w)))}
		for i, f := range w {
			switch d {
			case tensor.BF16:
				stored.BF16()[i] = tensor.BF16FromF32(f)
			case tensor.F16:
				stored.F16()[i] = tensor.F32ToF16(f)
			default:
				stored.F32()[i] = f
			}
		}
		x := g.NewValue(graph.Value{Name: "x", DType: tensor.F32, Shape: tensor.Shape{1, 2, 2, 2}})
		c := g.NewValue(graph.Value{Name: "w", DType: d, Shape: stored.Shape, Const: stored.Data})
		y := g.NewValue(graph.Value{Name: "y", DType: tensor.F32})
		if d != tensor.F32 {
			f := g.NewValue(graph.Value{Name: "f", DType: tensor.F32})
			g.Nodes = append(g.Nodes, graph.Node{Op: "Dequantize", In: ids(c), Out: ids(f)})
			c = f
		}
		g.Nodes = append(g.Nodes, graph.Node{Op: "Conv2D", In: ids(x, c, graph.None), Out: ids(y), Attr: Conv2DAttr{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}})
		g.Inputs, g.Outputs = ids(x), ids(y)
		if err := graph.Build(g); err != nil {
			t.Fatal(err)
		}
		if err := graph.Fold(g); err != nil {
			t.Fatal(err)
		}
		p, err := graph.NewPlan(g, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := p.NewSession()
		for i := range s.Input(0).F32() {
			s.Input(0).F32()[i] = float32(i) - 3.5
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Output(0).F32()), p.Steps()[0].Kernel, p.WeightBytesByDType()
	}
	for _, c := range []struct {
		stored tensor.DType
		w      []float32
	}{{tensor.BF16, []float32{1, -0.5, 0.25, 3, -2, 0x1p-40}}, {tensor.F16, []float32{1, -0.5, 0.25, 3, -2, 1 + 0x1p-10}}} {
		a, kernel, bytes := run(c.w, tensor.F32)
		b, storedKernel, _ := run(c.w, c.stored)
		if !slices.Equal(a, b) || math.Abs(float64(a[0])) == 0 || kernel != storedKernel {
			t.Errorf("%s gives %v, %s %v in float32", storedKernel, b, kernel, a)
		}
		if c.stored == tensor.F16 && strings.HasSuffix(kernel, "/generic") { // keeps those in float32
			continue
		}
		if types := map[tensor.DType]string{tensor.BF16: "/f32bf16/", tensor.F16: "/f32f16/"}[c.stored]; !strings.Contains(kernel, types) || bytes[c.stored.String()] == 0 {
			t.Errorf("%s weights run on %s and take %v bytes", c.stored, kernel, bytes)
		}
	}
	if _, kernel, bytes := run([]float32{1, -0.5, 0.25, 3, -2, 0.1}, tensor.F32); !strings.Contains(kernel, "/f32/") || len(bytes) != 1 {
		t.Errorf("weights that need float32 run on %s and take %v bytes", kernel, bytes)
	}
}

// TestLayersWithoutOutput builds source nodes that no output names: a changed byte is enough for that.
func TestLayersWithoutOutput(t *testing.T) {
	for _, op := range []string{"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D", "BATCH_MATMUL", "EMBEDDING_LOOKUP", "CUSTOM:Convolution2DTransposeBias"} {
		g := &graph.Graph{Format: graph.TFLite}
		x := g.NewValue(*layerValue(tensor.F32, false, nil, 1, 2, 2, 2))
		w := g.NewValue(*layerValue(tensor.F32, true, nil, 3, 1, 1, 2))
		b := g.NewValue(*layerValue(tensor.F32, false, nil, 3))
		g.Inputs = ids(x, b)
		g.Nodes = []graph.Node{{In: ids(x, w, b), Src: graph.Source{Op: op, Version: 1, Attrs: rawOptions("")}}}
		if err := graph.Build(g); err == nil {
			t.Errorf("%s without an output is accepted", op)
		}
	}
}
