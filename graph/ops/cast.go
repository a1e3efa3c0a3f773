package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// CastAttr is the dtype that a Cast converts to. NaN becomes 0 in integers, or with NaNMost their largest value.
type CastAttr struct {
	To      tensor.DType
	NaNMost bool
}

// Cast converts between floats, integers and bool. Floats are truncated toward zero and clamped to the integer's range
// (ONNX leaves what is outside undefined); integers lose their upper bits; everything but zero is true, NaN too.
func init() {
	graph.Register(graph.Op{Name: "Cast", Infer: inferCast, Compile: compileCast, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "CAST", Min: 1, Max: 9, Lower: lowerCastTFLite,
			DTypes: "between float32, float16, bfloat16, int8, uint8, int16, int32, uint32, int64, uint64 and bool; int4 from and to float32, from it to all of them"},
		onnxForm("Cast", 6, lowerCastONNX, "float32, int8 to int64, uint8, bool; constants in float16, bfloat16"))
}

// lowerCastTFLite takes the types from the values, not from the options, as both reference implementations do. tflite-micro makes NaN 0; where it
// has no kernel, LiteRT decides, which makes it the largest value.
func lowerCastTFLite(l *graph.Lower) error {
	x, o := l.In(0), l.Out(0)
	if len(l.N.In) != 1 || x == nil || len(l.N.Out) != 1 || o == nil {
		return l.Refuse("needs one input and one output")
	}
	micro := x.DType == tensor.F32 && o.DType != tensor.U8 && o.DType != tensor.S64 && o.DType != tensor.U64
	in, out, to := l.Ins(), l.Outs(), o.DType
	shiftedIn, shiftedOut := x.Shifted, o.Shifted
	if shiftedIn { // the cast is one of the file's own bytes
		bytes := ids(l.G.NewValue(graph.Value{Name: l.N.Name + "/bytes", DType: tensor.U8}))
		l.Emit(graph.ShiftSignOp, nil, in[:1], bytes)
		in = bytes
	}
	if !shiftedOut {
		l.Emit("Cast", CastAttr{to, !micro}, in, out)
		return nil
	}
	bytes := ids(l.G.NewValue(graph.Value{Name: l.N.Name + "/cast", DType: tensor.U8}))
	l.Emit("Cast", CastAttr{tensor.U8, true}, in, bytes)
	l.Emit(graph.ShiftSignOp, nil, bytes, out)
	return nil
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
	l.Emit("Cast", CastAttr{To: to}, ids(l.N.In[0]), l.Outs())
	return nil
}

func castable(d tensor.DType) bool {
	switch d {
	case tensor.F32, tensor.F16, tensor.BF16, tensor.U8, tensor.S8, tensor.S16, tensor.S32, tensor.U32, tensor.S64, tensor.U64, tensor.Bool:
		return true
	}
	return false
}

func inferCast(c *graph.InferCtx) error {
	x, _, err := oneToOne(c)
	if err != nil {
		return err
	}
	to := c.N.Attr.(CastAttr).To
	toS4 := to == tensor.S4 && x.DType == tensor.F32
	if !castable(to) && !toS4 || !castable(x.DType) && x.DType != tensor.S4 {
		return c.Refuse("casts only between float32, float16, bfloat16, int8 to int64, uint8, uint32, uint64 and bool, from int4, and from float32 to int4")
	}
	return c.Set(0, to, x.Shape)
}

func compileCast(c *graph.CompileCtx) (*graph.Kernel, error) {
	from, attr := c.In(0).DType, c.N.Attr.(CastAttr)
	k := &graph.Kernel{ID: "vec.cast/any/generic", View: from == attr.To}
	switch n := product(c.In(0).Shape); {
	case from == tensor.S4 || attr.To == tensor.S4:
		k.Scratch = n
	case (from == tensor.F16 || from == tensor.BF16) && attr.To != tensor.F32 && from != attr.To:
		k.Scratch = 4 * n
	}
	nanMost := attr.NaNMost
	k.Run = func(a *graph.Args) error {
		src, dst := a.In[0], a.Out[0]
		if src.DType == dst.DType {
			copy(dst.Data, src.Data)
			return nil
		}
		if dst.DType == tensor.S4 {
			bytes := tensor.As[int8](a.Scratch, 1)[:src.Elems()]
			vec.Truncate(bytes, src.F32(), math.MaxInt8)
			vec.PackS4(dst.Data, bytes)
			return nil
		}
		switch src.DType {
		case tensor.F32:
			castFloat(dst, src.F32(), nanMost)
		case tensor.F16, tensor.BF16:
			if dst.DType == tensor.F32 {
				widenHalves(dst.F32(), src)
				return nil
			}
			wide := tensor.As[float32](a.Scratch, 4)[:src.Elems()]
			widenHalves(wide, src)
			castFloat(dst, wide, nanMost)
		case tensor.U8:
			castInt(dst, src.U8())
		case tensor.S8:
			castInt(dst, src.S8())
		case tensor.S16:
			castInt(dst, src.S16())
		case tensor.S32:
			castInt(dst, src.S32())
		case tensor.U32:
			castInt(dst, src.U32())
		case tensor.S64:
			castInt(dst, src.S64())
		case tensor.U64:
			castInt(dst, src.U64())
		case tensor.Bool:
			castInt(dst, src.Bool())
		case tensor.S4:
			bytes := tensor.As[int8](a.Scratch, 1)[:dst.Elems()]
			vec.UnpackS4(bytes, src.Data)
			castInt(dst, bytes)
		}
		return nil
	}
	return k, nil
}

func castInt[T vec.Number](dst *tensor.Tensor, src []T) {
	switch dst.DType {
	case tensor.F32:
		vec.Convert(dst.F32(), src)
	case tensor.F16, tensor.BF16:
		narrow(dst, src)
	case tensor.U8:
		vec.Convert(dst.U8(), src)
	case tensor.S8:
		vec.Convert(dst.S8(), src)
	case tensor.S16:
		vec.Convert(dst.S16(), src)
	case tensor.S32:
		vec.Convert(dst.S32(), src)
	case tensor.U32:
		vec.Convert(dst.U32(), src)
	case tensor.S64:
		vec.Convert(dst.S64(), src)
	case tensor.U64:
		vec.Convert(dst.U64(), src)
	case tensor.Bool:
		vec.Truth(dst.Bool(), src)
	}
}

// narrow rounds to float32 and then to 16 bits.
func narrow[T vec.Number](dst *tensor.Tensor, src []T) {
	if dst.DType == tensor.F16 {
		out := dst.F16()
		for i, v := range src {
			out[i] = tensor.F32ToF16(float32(v))
		}
		return
	}
	out := dst.BF16()
	for i, v := range src {
		out[i] = tensor.BF16FromF32(float32(v))
	}
}

// widenHalves converts 16-bit floats exactly.
func widenHalves(dst []float32, src *tensor.Tensor) {
	if src.DType == tensor.F16 {
		for i, v := range src.F16() {
			dst[i] = tensor.F16ToF32(v)
		}
		return
	}
	for i, v := range src.BF16() {
		dst[i] = tensor.BF16ToF32(v)
	}
}

func castFloat(dst *tensor.Tensor, src []float32, nanMost bool) {
	switch dst.DType {
	case tensor.F32:
		copy(dst.F32(), src)
	case tensor.F16, tensor.BF16:
		narrow(dst, src)
	case tensor.U8:
		vec.Truncate(dst.U8(), src, nan[uint8](nanMost, math.MaxUint8))
	case tensor.S8:
		vec.Truncate(dst.S8(), src, nan[int8](nanMost, math.MaxInt8))
	case tensor.S16:
		vec.Truncate(dst.S16(), src, nan[int16](nanMost, math.MaxInt16))
	case tensor.S32:
		vec.Truncate(dst.S32(), src, nan[int32](nanMost, math.MaxInt32))
	case tensor.U32:
		vec.Truncate(dst.U32(), src, nan[uint32](nanMost, math.MaxUint32))
	case tensor.S64:
		vec.Truncate(dst.S64(), src, nan[int64](nanMost, math.MaxInt64))
	case tensor.U64:
		vec.Truncate(dst.U64(), src, nan[uint64](nanMost, math.MaxUint64))
	case tensor.Bool:
		vec.Truth(dst.Bool(), src)
	}
}

func nan[T any](most bool, largest T) T {
	var zero T
	if most {
		return largest
	}
	return zero
}
