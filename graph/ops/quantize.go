package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

func init() {
	graph.Register(graph.Op{Name: "Quantize", Infer: inferQuantize, Compile: compileQuantize},
		graph.Form{Format: graph.TFLite, Op: "QUANTIZE", Min: 1, Max: 3, DTypes: "float32 to int8, int8 and uint8 to each other"})
	graph.Register(graph.Op{Name: "Dequantize", Infer: inferDequantize, Compile: compileDequantize},
		graph.Form{Format: graph.TFLite, Op: "DEQUANTIZE", Min: 1, Max: 6, DTypes: "int8, uint8; constants in float16"})
	graph.Register(graph.Op{Name: graph.ShiftSignOp, Elementwise: true, Compile: compileShiftSign, Infer: func(c *graph.InferCtx) error {
		x, o := c.In(0), c.Out(0)
		if x == nil || o == nil || (x.DType != tensor.U8 || o.DType != tensor.S8) && (x.DType != tensor.S8 || o.DType != tensor.U8) {
			return c.Refuse("shifts between uint8 and int8 only")
		}
		return c.Set(0, o.DType, x.Shape)
	}})
}

func inferQuantize(c *graph.InferCtx) error {
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || o.Quant == nil {
		return c.Refuse("needs one input, and an output with a scale")
	}
	if o.DType != tensor.S8 || x.DType != tensor.F32 && x.DType != tensor.S8 {
		return c.Refuse("%s to %s is not supported; float32 to int8 and int8 to int8 are", x.DType, o.DType)
	}
	if x.DType == tensor.S8 && x.Quant == nil {
		return c.Refuse("the input has no scale")
	}
	if err := checkQuant(x, o); err != nil {
		return err
	}
	return c.Set(0, o.DType, x.Shape)
}

func compileQuantize(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	scale, zero := o.Quant.Scale[0], o.Quant.Zero[0]
	if x.DType == tensor.F32 {
		return &graph.Kernel{ID: "vec.quantize/f32s8/generic", Run: func(a *graph.Args) error {
			vec.QuantizeF32(a.Out[0].S8(), a.In[0].F32(), scale, zero)
			return nil
		}}, nil
	}
	if sameQuant(x, o) {
		return &graph.Kernel{ID: "copy/any/generic", View: true, Run: func(a *graph.Args) error {
			copy(a.Out[0].Data, a.In[0].Data)
			return nil
		}}, nil
	}
	m, shift := requant.Quantize(float64(x.Quant.Scale[0]) / float64(scale))
	zi := x.Quant.Zero[0]
	return lookup("vec.requantize", table(func(v int32) int32 { return requant.Mul(v-zi, m, shift) + zero })), nil
}

func inferDequantize(c *graph.InferCtx) error {
	x := c.In(0)
	if x == nil || c.Out(0) == nil {
		return c.Refuse("needs one input and one output")
	}
	switch x.DType {
	case tensor.F16, tensor.BF16:
	case tensor.S8:
		if x.Quant == nil {
			return c.Refuse("the input has no scale")
		}
		if !x.Quant.PerTensor() && x.Const != nil {
			return c.Refuse("constants with one scale per channel are not supported; one scale is")
		}
		if err := checkQuant(x); err != nil {
			return err
		}
	default:
		return c.Refuse("%s is not supported; int8, uint8 and float16 are", x.DType)
	}
	return c.Set(0, tensor.F32, x.Shape)
}

func compileDequantize(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	if x.DType == tensor.S8 {
		scale, zero := x.Quant.Scale[0], x.Quant.Zero[0]
		return &graph.Kernel{ID: "vec.dequantize/s8f32/generic", Run: func(a *graph.Args) error {
			vec.DequantizeS8(a.Out[0].F32(), a.In[0].S8(), scale, zero)
			return nil
		}}, nil
	}
	id := "vec.widen/f16f32/generic"
	if x.DType == tensor.BF16 {
		id = "vec.widen/bf16f32/generic"
	}
	return &graph.Kernel{ID: id, Run: func(a *graph.Args) error {
		dst, src := a.Out[0].F32(), a.In[0]
		if src.DType == tensor.BF16 {
			for i, v := range src.BF16() {
				dst[i] = tensor.BF16ToF32(v)
			}
			return nil
		}
		for i, v := range src.F16() {
			dst[i] = tensor.F16ToF32(v)
		}
		return nil
	}}, nil
}

func compileShiftSign(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "vec.shiftsign/u8s8/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		dst := a.Out[0].Data
		for i, v := range a.In[0].Data {
			dst[i] = v ^ 0x80
		}
		return nil
	}}, nil
}
