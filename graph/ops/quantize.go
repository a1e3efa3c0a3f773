package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

func init() {
	graph.Register(graph.Op{Name: "Quantize", Infer: inferQuantize, Compile: compileQuantize},
		graph.Form{Format: graph.TFLite, Op: "QUANTIZE", Min: 1, Max: 6,
			DTypes: "float32 to int8, uint8, int16, also per channel, and to int4; int8 and uint8 to int8, uint8, int16; int8 to int32; int16 to int8, int16, int32; int32 to int8, int16"})
	graph.Register(graph.Op{Name: "Dequantize", Infer: inferDequantize, Compile: compileDequantize},
		graph.Form{Format: graph.TFLite, Op: "DEQUANTIZE", Min: 1, Max: 9,
			DTypes: "int8, uint8, int4, also per channel; int16; float16, bfloat16"})
	graph.Register(graph.Op{Name: graph.ShiftSignOp, Elementwise: true, Compile: compileShiftSign, Infer: func(c *graph.InferCtx) error {
		x, o := c.In(0), c.Out(0)
		if x == nil || o == nil || x.DType != tensor.U8 && x.DType != tensor.S8 {
			return c.Refuse("shifts between uint8 and int8 only")
		}
		to := tensor.U8
		if x.DType == tensor.U8 {
			to = tensor.S8
		}
		return c.Set(0, to, x.Shape)
	}})
}

// checkAffine makes sure that a value has positive scales with zero points within its type: one for all elements or one per
// index of an axis. Other than checkQuant it lets int16 have zero points.
func checkAffine(c graph.NodeCtx, v *graph.Value, what string) error {
	q := v.Quant
	if q == nil || len(q.Scale) == 0 || len(q.Zero) != len(q.Scale) {
		return c.Refuse("the %s is %s without a scale", what, v.DType)
	}
	if len(q.Scale) > 1 && (q.Axis < 0 || q.Axis >= len(v.Shape) || v.Shape[q.Axis] != len(q.Scale)) {
		return c.Refuse("the %s has %d scales on axis %d of %v", what, len(q.Scale), q.Axis, v.Shape)
	}
	lo, hi := int32(math.MinInt32), int32(math.MaxInt32)
	switch v.DType {
	case tensor.S8:
		lo, hi = math.MinInt8, math.MaxInt8
	case tensor.S16:
		lo, hi = math.MinInt16, math.MaxInt16
	case tensor.S4:
		lo, hi = -8, 7
	}
	for i, s := range q.Scale {
		if !(s > 0) {
			return c.Refuse("the %s has the scale %v", what, s)
		}
		if z := q.Zero[i]; z < lo || z > hi {
			return c.Refuse("the %s has the zero point %d, outside of %s", what, z, v.DType)
		}
	}
	return nil
}

// channels describes a value with one scale per index of an axis; nil when one scale holds for all.
func channels(v *graph.Value) *vec.Channels {
	if v.Quant.PerTensor() {
		return nil
	}
	return &vec.Channels{Scale: v.Quant.Scale, Zero: v.Quant.Zero, Inner: product(v.Shape[v.Quant.Axis+1:])}
}

// requantizes lists the pairs of integer types that QUANTIZE converts, int8 for uint8 too.
var requantizes = map[[2]tensor.DType]bool{
	{tensor.S8, tensor.S8}: true, {tensor.S8, tensor.S16}: true, {tensor.S8, tensor.S32}: true,
	{tensor.S16, tensor.S8}: true, {tensor.S16, tensor.S16}: true, {tensor.S16, tensor.S32}: true,
	{tensor.S32, tensor.S8}: true, {tensor.S32, tensor.S16}: true,
}

func inferQuantize(c *graph.InferCtx) error {
	x, o, err := oneToOne(c)
	if err != nil {
		return err
	}
	if x.DType == tensor.F32 {
		if o.DType != tensor.S8 && o.DType != tensor.S16 && o.DType != tensor.S4 {
			return c.Refuse("float32 to %s is not supported; to int8, uint8, int16 and int4 is", o.DType)
		}
	} else {
		pair := [2]tensor.DType{x.DType, o.DType}
		if !requantizes[pair] || x.Shifted && o.DType == tensor.S32 || o.Shifted && x.DType != tensor.S8 {
			return c.Refuse("%s to %s is not supported; int8 and uint8 to int8, uint8 and int16, int8 to int32, int16 to int8, int16 and int32, int32 to int8 and int16 are",
				fileType(x), fileType(o))
		}
		if err := checkAffine(c.NodeCtx, x, "input"); err != nil {
			return err
		}
		if !x.Quant.PerTensor() {
			return c.Refuse("one scale per channel is not supported between integers; one scale is")
		}
	}
	// The declared output has no shape of its own to check channels against: it gets the input's.
	if err := c.Set(0, o.DType, x.Shape); err != nil {
		return err
	}
	if err := checkAffine(c.NodeCtx, o, "output"); err != nil {
		return err
	}
	if (x.DType != tensor.F32 || o.DType == tensor.S4) && !o.Quant.PerTensor() {
		return c.Refuse("one scale per channel is supported from float32 to int8, uint8 and int16 only; one scale is")
	}
	return nil
}

// fileType names the dtype that a value has in the file.
func fileType(v *graph.Value) string {
	if v.Shifted {
		return tensor.U8.String()
	}
	return v.DType.String()
}

func compileQuantize(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	if x.DType == tensor.F32 {
		return compileQuantizeF32(o), nil
	}
	if x.DType == o.DType && sameQuant(x, o) {
		return &graph.Kernel{ID: "copy/any/generic", View: true, Run: func(a *graph.Args) error {
			copy(a.Out[0].Data, a.In[0].Data)
			return nil
		}}, nil
	}
	p := rescale(x, o, float64(x.Quant.Scale[0])/float64(o.Quant.Scale[0]))
	k := &graph.Kernel{ID: "vec.requantize/" + types(x) + types(o) + "/generic"}
	switch {
	case x.DType == tensor.S8 && o.DType == tensor.S8:
		return lookup(o, "vec.requantize", table(p.At)), nil
	case x.DType == tensor.S8 && o.DType == tensor.S16:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S16(), a.In[0].S8(), p); return nil }
	case x.DType == tensor.S8:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S32(), a.In[0].S8(), p); return nil }
	case x.DType == tensor.S16 && o.DType == tensor.S8:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S8(), a.In[0].S16(), p); return nil }
	case x.DType == tensor.S16 && o.DType == tensor.S16:
		k.InPlace = []int{0}
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S16(), a.In[0].S16(), p); return nil }
	case x.DType == tensor.S16:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S32(), a.In[0].S16(), p); return nil }
	case o.DType == tensor.S8:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S8(), a.In[0].S32(), p); return nil }
	default:
		k.Run = func(a *graph.Args) error { vec.Requantize(a.Out[0].S16(), a.In[0].S32(), p); return nil }
	}
	return k, nil
}

// types is a dtype as it stands in kernel ids.
func types(v *graph.Value) string {
	return map[tensor.DType]string{tensor.F32: "f32", tensor.S8: "s8", tensor.S16: "s16", tensor.S32: "s32", tensor.S64: "s64"}[v.DType]
}

// rescale is the multiplication by a real factor from the quantization of x to that of o, limited to the type of o.
func rescale(x, o *graph.Value, factor float64) *vec.Affine {
	p := &vec.Affine{ZeroIn: x.Quant.Zero[0], Store: vec.Store{Zero: o.Quant.Zero[0], Lo: math.MinInt32, Hi: math.MaxInt32}}
	if o.DType != tensor.S32 {
		p.Lo, p.Hi = actRange(o.DType, graph.ActNone, o.Quant.Scale[0], p.Zero)
	}
	p.Mult, p.Shift = requant.Quantize(factor)
	return p
}

func compileQuantizeF32(o *graph.Value) *graph.Kernel {
	k := &graph.Kernel{ID: "vec.quantize/f32" + types(o) + "/" + vec.ISA8()}
	scale, zero, ch := o.Quant.Scale[0], o.Quant.Zero[0], channels(o)
	switch {
	case o.DType == tensor.S4:
		k.ID, k.Scratch = "vec.quantize/f32s4/"+vec.ISA8(), product(o.Shape)
		k.Run = func(a *graph.Args) error {
			bytes := tensor.As[int8](a.Scratch, 1)[:a.In[0].Elems()]
			vec.QuantizeF32(bytes, a.In[0].F32(), scale, zero)
			vec.PackS4(a.Out[0].Data, bytes)
			return nil
		}
	case ch != nil && o.DType == tensor.S8:
		k.Run = func(a *graph.Args) error { vec.QuantizeChannels(a.Out[0].S8(), a.In[0].F32(), ch); return nil }
	case ch != nil:
		k.Run = func(a *graph.Args) error { vec.QuantizeChannels(a.Out[0].S16(), a.In[0].F32(), ch); return nil }
	case o.DType == tensor.S8:
		k.Run = func(a *graph.Args) error { vec.QuantizeF32(a.Out[0].S8(), a.In[0].F32(), scale, zero); return nil }
	default:
		k.Run = func(a *graph.Args) error { vec.QuantizeF32(a.Out[0].S16(), a.In[0].F32(), scale, zero); return nil }
	}
	return k
}

func inferDequantize(c *graph.InferCtx) error {
	x, _, err := oneToOne(c)
	if err != nil {
		return err
	}
	switch x.DType {
	case tensor.F16, tensor.BF16:
	case tensor.S8, tensor.S16, tensor.S4:
		if err := checkAffine(c.NodeCtx, x, "input"); err != nil {
			return err
		}
		if x.DType == tensor.S16 && !x.Quant.PerTensor() {
			return c.Refuse("int16 with one scale per channel is not supported; one scale is, and int8, uint8 and int4 per channel")
		}
	default:
		return c.Refuse("%s is not supported; int8, uint8, int16, int4, float16 and bfloat16 are", x.DType)
	}
	return c.Set(0, tensor.F32, x.Shape)
}

func compileDequantize(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	k := &graph.Kernel{}
	if x.DType == tensor.F16 || x.DType == tensor.BF16 {
		k.ID = map[tensor.DType]string{tensor.F16: "vec.widen/f16f32/generic", tensor.BF16: "vec.widen/bf16f32/generic"}[x.DType]
		k.Run = func(a *graph.Args) error { widenHalves(a.Out[0].F32(), a.In[0]); return nil }
		return k, nil
	}
	ch := channels(x)
	if ch == nil {
		ch = &vec.Channels{Scale: x.Quant.Scale, Zero: x.Quant.Zero, Inner: product(x.Shape)}
	}
	switch x.DType {
	case tensor.S8:
		k.ID = "vec.dequantize/s8f32/" + vec.ISA8()
		k.Run = func(a *graph.Args) error { vec.DequantizeChannels(a.Out[0].F32(), a.In[0].S8(), ch); return nil }
	case tensor.S16:
		k.ID = "vec.dequantize/s16f32/" + vec.ISA8()
		k.Run = func(a *graph.Args) error { vec.DequantizeChannels(a.Out[0].F32(), a.In[0].S16(), ch); return nil }
	case tensor.S4:
		k.ID = "vec.dequantize/s4f32/" + vec.ISA8()
		k.Scratch = product(x.Shape)
		k.Run = func(a *graph.Args) error {
			bytes := tensor.As[int8](a.Scratch, 1)[:a.Out[0].Elems()]
			vec.UnpackS4(bytes, a.In[0].Data)
			vec.DequantizeChannels(a.Out[0].F32(), bytes, ch)
			return nil
		}
	}
	return k, nil
}

func compileShiftSign(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "vec.shiftsign/u8s8/" + vec.ISA8(), InPlace: []int{0}, Run: func(a *graph.Args) error {
		vec.ShiftSign(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}
