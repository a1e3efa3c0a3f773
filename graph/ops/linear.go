package ops

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// QuantizeLinear and DequantizeLinear keep their scales in the attribute, because one integer value of an ONNX file may be read with several. uint8 is int8
// with a zero point 128 lower, and one bit of each byte flipped.
func init() {
	const types = "int8, uint8, also per channel"
	graph.Register(graph.Op{Name: graph.QuantizeLinearOp, Infer: inferLinear, Compile: compileQuantizeLinear},
		onnxForm("QuantizeLinear", 10, lowerQuantizeLinear, "float32 to "+types).As(graph.QuantizeLinearOp, graph.ShiftSignOp))
	graph.Register(graph.Op{Name: graph.DequantizeLinearOp, Infer: inferLinear, Compile: compileDequantizeLinear, LateFold: true},
		onnxForm("DequantizeLinear", 10, lowerDequantizeLinear, types+"; int32 with zero point 0").As(graph.DequantizeLinearOp, graph.ShiftSignOp, "Cast", "Mul"))
}

func lowerQuantizeLinear(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	d := tensor.U8
	if z := l.In(2); z != nil {
		d = z.DType
	} else if t := l.Attrs().Int(-1, "output_dtype", 0); t != 0 {
		d = onnxTypes[t]
	}
	a, unsigned, err := linearAttr(l, d, x.Shape)
	if err != nil {
		return err
	}
	if !unsigned {
		l.Emit(graph.QuantizeLinearOp, a, ids(l.N.In[0]), l.Outs())
		return nil
	}
	t := l.Temp("int8", nil)
	l.Emit(graph.QuantizeLinearOp, a, ids(l.N.In[0]), ids(t))
	l.Emit(graph.ShiftSignOp, nil, ids(t), l.Outs())
	return nil
}

func lowerDequantizeLinear(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs an input")
	}
	if z := l.In(2); z != nil && z.DType != x.DType {
		return l.Refuse("%s with a zero point of %s; both must be of one type", x.DType, z.DType)
	}
	a, unsigned, err := linearAttr(l, x.DType, x.Shape)
	if err != nil {
		return err
	}
	in := l.N.In[0]
	if x.DType == tensor.S32 {
		return emitScaled(l, in, a.Quant, 0)
	}
	out, late := l.N.Out[0], x.Const != nil
	if late && product(x.Shape) == 1 { // a number: operators that read it have one input then
		zero := a.Quant.Zero[0]
		if unsigned {
			zero += 128
		}
		return emitScaled(l, in, a.Quant, zero)
	}
	if unsigned {
		in = l.Temp("int8", nil)
		l.Emit(graph.ShiftSignOp, nil, ids(l.N.In[0]), ids(in))
	}
	l.Emit(graph.DequantizeLinearOp, a, ids(in), ids(out))
	l.G.Values[out].Late = late
	return nil
}

// emitScaled multiplies integers, biases and numbers as a rule, less a zero point with their scale.
func emitScaled(l *graph.Lower, in graph.ValueID, q *tensor.Quant, zero int32) error {
	shape := tensor.Shape{len(q.Scale)}
	for range l.G.Values[in].Shape[min(q.Axis+1, len(l.G.Values[in].Shape)):] {
		shape = append(shape, 1)
	}
	if q.PerTensor() {
		shape = tensor.Shape{}
	}
	t, scale := l.Temp("float", nil), l.Temp("scale", nil)
	l.Emit("Cast", CastAttr{To: tensor.F32}, ids(in), ids(t))
	if zero != 0 {
		d := l.Temp("difference", nil)
		l.Emit("Sub", BinaryAttr{}, ids(t, floats(l, "zero", nil, float32(zero))), ids(d))
		t = d
	}
	emitReshape(l, l.N.In[1], scale, shape)
	l.Emit("Mul", BinaryAttr{}, ids(t, scale), l.Outs())
	return nil
}

// linearAttr reads the scales (input 1) and zero points (input 2) of values of type d and the given shape. Unsigned says that they are uint8: the attribute is
// that of the int8 values with the top bit flipped.
func linearAttr(l *graph.Lower, d tensor.DType, shape tensor.Shape) (a graph.LinearAttr, unsigned bool, err error) {
	if d != tensor.S8 && d != tensor.U8 && (d != tensor.S32 || l.N.Src.Op == "QuantizeLinear") {
		name := d.String()
		for i := range l.N.In {
			if v := l.In(i); v != nil && v.Unread != "" {
				name = v.Unread
			}
		}
		return a, false, l.Refuse("%s with a scale is not supported; int8 and uint8 are: quantize with 8 bits", name)
	}
	if b := l.Attrs().Int(-1, "block_size", 0); b != 0 {
		return a, false, l.Refuse("blocks of %d with a scale each are not supported; one scale per tensor or channel is", b)
	}
	if l.In(1) == nil || l.In(1).DType != tensor.F32 {
		return a, false, l.Refuse("needs a float32 scale")
	}
	scale, zero, err := linearLists(l, d)
	if err != nil {
		return a, false, err
	}
	q := &tensor.Quant{Scale: scale, Zero: zero}
	if len(scale) != 1 {
		if q.Axis, err = axisOf(l, l.Attrs().Int(-1, "axis", 1), len(shape)); err != nil {
			return a, false, err
		}
	}
	for i, s := range scale {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			return a, false, l.Refuse("the scale %v is not supported; positive ones are", s)
		}
		if d == tensor.S32 && zero[i] != 0 {
			return a, false, l.Refuse("int32 with the zero point %d is not supported; 0 is", zero[i])
		}
	}
	a = graph.LinearAttr{Quant: q, DType: d}
	if d == tensor.U8 {
		a.DType = tensor.S8
	}
	return a, d == tensor.U8, nil
}

// linearLists returns the scales and the zero points of int8 values. Nodes with the same inputs share them: a small file with many nodes must not make
// many copies.
func linearLists(l *graph.Lower, d tensor.DType) (scale []float32, zero []int32, err error) {
	type key struct {
		what string
		of   graph.ValueID
	}
	scale = graph.Once(l, key{"scale", l.N.In[1]}, func() []float32 {
		s, _ := l.ConstF32(1)
		return slices.Clone(s)
	})
	if len(scale) == 0 {
		return nil, nil, l.Refuse("the scale is computed at run time; only constants are supported")
	}
	middle := int32(0)
	if d == tensor.U8 {
		middle = 128
	}
	if l.In(2) == nil {
		zero = graph.Once(l, key{"none of " + d.String(), l.N.In[1]}, func() []int32 { return slices.Repeat([]int32{-middle}, len(scale)) })
		return scale, zero, nil
	}
	zero = graph.Once(l, key{"zero", l.N.In[2]}, func() []int32 {
		list, _ := l.ConstInts(2)
		z := make([]int32, len(list))
		for i, v := range list {
			z[i] = int32(v) - middle
		}
		return z
	})
	if len(zero) != len(scale) {
		return nil, nil, l.Refuse("the zero point must be a constant with as many values as the scale has")
	}
	return scale, zero, nil
}

func inferLinear(c *graph.InferCtx) error {
	a := c.N.Attr.(graph.LinearAttr)
	x, _, err := oneToOne(c)
	if err != nil {
		return err
	}
	from, to := tensor.F32, tensor.S8
	if c.N.Op == graph.DequantizeLinearOp {
		from, to = to, from
	}
	if x.DType != from || a.DType != tensor.S8 {
		return c.Refuse("%s is not supported; %s is", x.DType, from)
	}
	if q := a.Quant; !q.PerTensor() && (q.Axis >= len(x.Shape) || x.Shape[q.Axis] != len(q.Scale)) {
		return c.Refuse("%d scales on axis %d of %v", len(q.Scale), q.Axis, x.Shape)
	}
	return c.Set(0, to, x.Shape)
}

// linearChannels describes the scales of values of the given shape.
func linearChannels(q *tensor.Quant, shape tensor.Shape) *vec.Channels {
	if q.PerTensor() {
		return &vec.Channels{Scale: q.Scale, Zero: q.Zero, Inner: product(shape)}
	}
	return &vec.Channels{Scale: q.Scale, Zero: q.Zero, Inner: product(shape[q.Axis+1:])}
}

func compileQuantizeLinear(c *graph.CompileCtx) (*graph.Kernel, error) {
	ch := linearChannels(c.N.Attr.(graph.LinearAttr).Quant, c.In(0).Shape)
	return &graph.Kernel{ID: "vec.quantize_even/f32s8/" + vec.ISA8(), Run: func(a *graph.Args) error {
		vec.QuantizeEvenChannels(a.Out[0].S8(), a.In[0].F32(), ch)
		return nil
	}}, nil
}

func compileDequantizeLinear(c *graph.CompileCtx) (*graph.Kernel, error) {
	ch := linearChannels(c.N.Attr.(graph.LinearAttr).Quant, c.In(0).Shape)
	return &graph.Kernel{ID: "vec.dequantize/s8f32/" + vec.ISA8(), Run: func(a *graph.Args) error {
		vec.DequantizeChannels(a.Out[0].F32(), a.In[0].S8(), ch)
		return nil
	}}, nil
}
