package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// CastAttr is the dtype that a Cast converts to.
type CastAttr struct{ To tensor.DType }

// Cast converts between float32, the integers and bool, and from float16 and bfloat16. Floats are truncated toward zero and clamped to the integer's
// range (ONNX leaves what is outside undefined); everything but zero is true. NaN becomes 0, or true.
func init() {
	graph.Register(graph.Op{Name: "Cast", Infer: inferCast, Compile: compileCast, Elementwise: true},
		onnxForm("Cast", 6, lowerCastONNX, "float32, int8 to int64, uint8, bool; constants in float16, bfloat16"))
}

// onnxTypes maps TensorProto.DataType to dtypes that a Cast can give.
var onnxTypes = map[int64]tensor.DType{1: tensor.F32, 2: tensor.U8, 3: tensor.S8, 5: tensor.S16, 6: tensor.S32, 7: tensor.S64, 9: tensor.Bool}

func lowerCastONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs one input")
	}
	n := l.Attrs().Int(-1, "to", 0)
	to, ok := onnxTypes[n]
	if !ok {
		return l.Refuse("casting to type number %d is not supported; float32, int8 to int64, uint8 and bool are", n)
	}
	if out := l.N.Out[0]; to == tensor.F32 && x.Const != nil && x.DType == tensor.BF16 && !l.G.IsOutput(out) {
		// The weights stay two bytes wide; consumers widen them in the kernel, or through widened.
		v := *x
		o := &l.G.Values[out]
		o.DType, o.Shape, o.Const = v.DType, v.Shape, v.Const
		return nil
	}
	l.Emit("Cast", CastAttr{to}, ids(l.N.In[0]), l.Outs())
	return nil
}

func castable(d tensor.DType) bool {
	switch d {
	case tensor.F32, tensor.U8, tensor.S8, tensor.S16, tensor.S32, tensor.S64, tensor.Bool:
		return true
	}
	return false
}

func inferCast(c *graph.InferCtx) error {
	x, to := c.In(0), c.N.Attr.(CastAttr).To
	if x == nil || !castable(to) || !castable(x.DType) && x.DType != tensor.F16 && x.DType != tensor.BF16 {
		return c.Refuse("casts only between float32, int8 to int64, uint8 and bool, and from float16 and bfloat16")
	}
	return c.Set(0, to, x.Shape)
}

func compileCast(c *graph.CompileCtx) (*graph.Kernel, error) {
	from, to := c.In(0).DType, c.N.Attr.(CastAttr).To
	return &graph.Kernel{ID: "vec.cast/any/generic", View: from == to, Run: func(a *graph.Args) error {
		src, dst := a.In[0], a.Out[0]
		if src.DType == dst.DType {
			copy(dst.Data, src.Data)
			return nil
		}
		switch src.DType {
		case tensor.F32:
			castFloat(dst, src.F32())
		case tensor.F16:
			castHalf(dst, src.F16(), tensor.F16ToF32)
		case tensor.BF16:
			castHalf(dst, src.BF16(), tensor.BF16ToF32)
		case tensor.U8:
			castInt(dst, src.U8())
		case tensor.S8:
			castInt(dst, src.S8())
		case tensor.S16:
			castInt(dst, src.S16())
		case tensor.S32:
			castInt(dst, src.S32())
		case tensor.S64:
			castInt(dst, src.S64())
		case tensor.Bool:
			castInt(dst, src.Bool())
		}
		return nil
	}}, nil
}

func castInt[T int8 | uint8 | int16 | int32 | int64](dst *tensor.Tensor, src []T) {
	switch dst.DType {
	case tensor.F32:
		convert(dst.F32(), src)
	case tensor.U8:
		convert(dst.U8(), src)
	case tensor.S8:
		convert(dst.S8(), src)
	case tensor.S16:
		convert(dst.S16(), src)
	case tensor.S32:
		convert(dst.S32(), src)
	case tensor.S64:
		convert(dst.S64(), src)
	case tensor.Bool:
		truth(dst.Bool(), src)
	}
}

// castHalf widens 16-bit floats in small blocks, so that no target needs a buffer of its own.
func castHalf[T any](dst *tensor.Tensor, src []T, widen func(T) float32) {
	var block [64]float32
	size := dst.DType.Bytes(1)
	for i := 0; i < len(src); i += len(block) {
		part := src[i:min(i+len(block), len(src))]
		for k, v := range part {
			block[k] = widen(v)
		}
		castFloat(&tensor.Tensor{DType: dst.DType, Data: dst.Data[i*size : (i+len(part))*size]}, block[:len(part)])
	}
}

func convert[D, T int8 | uint8 | int16 | int32 | int64 | float32](dst []D, src []T) {
	for i, v := range src {
		dst[i] = D(v)
	}
}

func truth[T int8 | uint8 | int16 | int32 | int64 | float32](dst []uint8, src []T) {
	for i, v := range src {
		dst[i] = 0
		if v != 0 {
			dst[i] = 1
		}
	}
}

func castFloat(dst *tensor.Tensor, src []float32) {
	switch dst.DType {
	case tensor.F32:
		copy(dst.F32(), src)
	case tensor.U8:
		truncate(dst.U8(), src, 0, math.MaxUint8)
	case tensor.S8:
		truncate(dst.S8(), src, math.MinInt8, math.MaxInt8)
	case tensor.S16:
		truncate(dst.S16(), src, math.MinInt16, math.MaxInt16)
	case tensor.S32:
		truncate(dst.S32(), src, math.MinInt32, math.MaxInt32)
	case tensor.S64:
		truncate(dst.S64(), src, math.MinInt64, math.MaxInt64-1023) // the largest float64 below 2^63
	case tensor.Bool:
		truth(dst.Bool(), src)
	}
}

// truncate clamps before it converts: Go leaves the conversion of a float outside of the range to the CPU.
func truncate[D int8 | uint8 | int16 | int32 | int64](dst []D, src []float32, lo, hi float64) {
	for i, v := range src {
		f := float64(v)
		if f != f {
			f = 0
		}
		dst[i] = D(min(max(f, lo), hi))
	}
}
