package ops

import (
	"math"
	"math/bits"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// ReduceAttr is the attribute of Mean, Sum, ReduceProd, ReduceMax, ReduceMin, ReduceAny and ReduceAll: the axes to reduce, not
// negative and without repetition.
type ReduceAttr struct {
	Axes []int
	Keep bool // reduced axes stay with extent 1
}

// ReducesLast makes ReduceAttr a graph.LastReducer.
func (a ReduceAttr) ReducesLast(s tensor.Shape) bool {
	for _, axis := range a.Axes {
		if axis < len(s)-1 && s[axis] != 1 {
			return false
		}
	}
	return slices.Contains(a.Axes, len(s)-1)
}

// The operators by their TFLite names. A sum or maximum of truth values is any of them, a product or minimum is all of them.
func init() {
	const plain = "float32, int8, uint8, int16, int32, int64"
	for _, o := range []struct {
		name, tflite string
		max          int
		dtypes, bool string // the operator for bool input
	}{
		{"Mean", "MEAN", 3, plain, ""},
		{"Sum", "SUM", 2, plain + ", bool", "ReduceAny"},
		{"ReduceMax", "REDUCE_MAX", 3, plain + ", bool", "ReduceAny"},
		{"ReduceMin", "REDUCE_MIN", 3, plain + ", bool", "ReduceAll"},
		{"ReduceProd", "REDUCE_PROD", 2, plain + ", bool; uint8 without a scale only", "ReduceAll"},
		{"ReduceAny", "REDUCE_ANY", 1, "bool", "ReduceAny"},
		{"ReduceAll", "REDUCE_ALL", 1, "bool", "ReduceAll"},
	} {
		graph.Register(graph.Op{Name: o.name, Infer: inferReduce, Compile: compileReduce},
			graph.Form{Format: graph.TFLite, Op: o.tflite, Min: 1, Max: o.max, DTypes: o.dtypes, Lower: func(l *graph.Lower) error {
				name := o.name
				if x := l.In(0); x != nil && x.DType == tensor.Bool && o.bool != "" {
					name = o.bool
				}
				return lowerReduceTFLite(l, name)
			}})
	}
}

// lowerReduceTFLite reads the axes, which may be negative or listed twice. A scalar has no axes, whatever the list says.
func lowerReduceTFLite(l *graph.Lower, op string) error {
	x := l.In(0)
	axes, err := constVec(l.NodeCtx, 1, "axes")
	if err != nil {
		return err
	}
	if x == nil {
		return l.Refuse("needs an input")
	}
	a := ReduceAttr{Keep: l.Attrs().Int(0, "", 0) != 0}
	for _, v := range axes {
		if len(x.Shape) == 0 {
			break
		}
		ax, err := axisOf(l, int64(v), len(x.Shape))
		if err != nil {
			return err
		}
		if !slices.Contains(a.Axes, ax) {
			a.Axes = append(a.Axes, ax)
		}
	}
	l.Emit(op, a, l.First(1), l.Outs())
	return nil
}

func inferReduce(c *graph.InferCtx) error {
	a := c.N.Attr.(ReduceAttr)
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || len(x.Shape) > maxRank || product(x.Shape) == 0 {
		return c.Refuse("needs one input with elements and at most %d axes", maxRank)
	}
	logical := c.N.Op == "ReduceAny" || c.N.Op == "ReduceAll"
	if logical != (x.DType == tensor.Bool) {
		return c.Refuse("%s input is not supported", x.DType)
	}
	switch x.DType {
	case tensor.F32, tensor.S32, tensor.S64, tensor.Bool:
	case tensor.S8, tensor.S16, tensor.U8:
		if err := inferReduceSmall(c, x, o); err != nil {
			return err
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int16, int32 and int64 are", x.DType)
	}
	shape := tensor.Shape{}
	for i, d := range x.Shape {
		switch {
		case !slices.Contains(a.Axes, i):
			shape = append(shape, d)
		case a.Keep:
			shape = append(shape, 1)
		}
	}
	for _, ax := range a.Axes {
		if ax < 0 || ax >= len(x.Shape) {
			return c.Refuse("axis %d does not fit the input %v", ax, x.Shape)
		}
	}
	return c.Set(0, x.DType, shape)
}

// inferReduceSmall checks the quantization of types that are quantized as a rule. Extremes need none, and a product can do without.
func inferReduceSmall(c *graph.InferCtx, x, o *graph.Value) error {
	plain := x.Quant == nil && o.Quant == nil
	switch c.N.Op {
	case "ReduceMax", "ReduceMin":
		if !plain && !sameQuant(x, o) {
			return c.Refuse("input and output differ in scale or zero point; extremes need equal ones")
		}
		return nil
	case "ReduceProd":
		if plain {
			return nil
		}
		if x.Shifted {
			return c.Refuse("quantized uint8 is not supported; quantized int8 and int16 are")
		}
	}
	if x.DType == tensor.U8 {
		return c.Refuse("uint8 without a scale is not supported; quantized uint8 is")
	}
	if o.Quant == nil {
		return c.Refuse("the output has no scale")
	}
	if err := checkQuant(x, o); err != nil {
		return err
	}
	if c.N.Op == "ReduceProd" {
		if _, shift := prodScale(x, o, product(x.Shape), c.N.Attr.(ReduceAttr).outs(x.Shape)); shift > 7 {
			return c.Refuse("scales %v and %v are too far apart", x.Quant.Scale[0], o.Quant.Scale[0])
		}
	}
	return nil
}

// outs returns the number of elements of the result.
func (a ReduceAttr) outs(x tensor.Shape) int {
	n := 1
	for i, d := range x {
		if !slices.Contains(a.Axes, i) {
			n *= d
		}
	}
	return n
}

// prodScale returns the multiplier of every step of a quantized product. Its n-th power, for n factors, is what the real scales
// ask for.
func prodScale(x, o *graph.Value, ins, outs int) (m, shift int32) {
	root := math.Pow(float64(o.Quant.Scale[0]), 1/float64(ins/max(outs, 1)))
	return requant.Quantize(float64(x.Quant.Scale[0]) / root)
}

func compileReduce(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	r := vec.NewReduction(x.Shape, c.N.Attr.(ReduceAttr).Axes)
	if x.Quant != nil && o.Quant != nil && (x.DType == tensor.S8 || x.DType == tensor.S16) {
		switch c.N.Op {
		case "Mean", "Sum":
			if x.DType == tensor.S8 {
				return reduceSumQ[int8](c, "s8", r), nil
			}
			return reduceSumQ[int16](c, "s16", r), nil
		case "ReduceProd":
			if x.DType == tensor.S8 {
				return reduceProdQ[int8](c, "s8", r), nil
			}
			return reduceProdQ[int16](c, "s16", r), nil
		}
	}
	switch x.DType {
	case tensor.S8:
		return reducePlain[int8](c, "s8", r, math.MinInt8, math.MaxInt8), nil
	case tensor.U8, tensor.Bool:
		return reducePlain[uint8](c, "u8", r, 0, math.MaxUint8), nil
	case tensor.S16:
		return reducePlain[int16](c, "s16", r, math.MinInt16, math.MaxInt16), nil
	case tensor.S32:
		if c.N.Op == "Mean" {
			return meanS32(r), nil
		}
		return reducePlain[int32](c, "s32", r, math.MinInt32, math.MaxInt32), nil
	case tensor.S64:
		return reducePlain[int64](c, "s64", r, math.MinInt64, math.MaxInt64), nil
	}
	if c.N.Op == "Mean" || c.N.Op == "Sum" {
		return reduceSumF32(c, r), nil
	}
	return reducePlain[float32](c, "f32", r, -math.MaxFloat32, math.MaxFloat32), nil
}

// reduceSumF32 computes Mean and Sum of float32.
func reduceSumF32(c *graph.CompileCtx, r *vec.Reduction) *graph.Kernel {
	mean := c.N.Op == "Mean"
	return &graph.Kernel{ID: reduceID(c, "f32", vec.SumISA(false)), Run: func(a *graph.Args) error {
		dst := a.Out[0].F32()
		clear(dst)
		vec.SumF32(dst, a.In[0].F32(), r)
		if mean {
			for i := range dst {
				dst[i] /= float32(r.N)
			}
		}
		return nil
	}}
}

// reduceID names a kernel after its operator.
func reduceID(c *graph.CompileCtx, types, isa string) string {
	names := map[string]string{
		"Mean": "mean", "Sum": "sum", "ReduceProd": "prod", "ReduceMax": "max", "ReduceMin": "min", "ReduceAny": "any", "ReduceAll": "all",
	}
	return "vec.reduce_" + names[c.N.Op] + "/" + types + "/" + isa
}

// reducePlain works in the type of the elements, which integers may overflow. least and most bound the type.
func reducePlain[T vec.Number](c *graph.CompileCtx, types string, r *vec.Reduction, least, most T) *graph.Kernel {
	op, start := vec.ReduceSum, T(0)
	switch c.N.Op {
	case "ReduceProd":
		op, start = vec.ReduceProd, 1
	case "ReduceMax", "ReduceAny":
		op, start = vec.ReduceMax, least
	case "ReduceMin":
		op, start = vec.ReduceMin, most
	case "ReduceAll":
		op, start = vec.ReduceMin, 1
	}
	mean := c.N.Op == "Mean"
	size := c.In(0).DType.Bytes(1)
	return &graph.Kernel{ID: reduceID(c, types, "generic"), Run: func(a *graph.Args) error {
		dst := tensor.As[T](a.Out[0].Data, size)
		for i := range dst {
			dst[i] = start
		}
		vec.Reduce(dst, tensor.As[T](a.In[0].Data, size), r, op)
		if mean {
			for i := range dst {
				dst[i] /= T(r.N)
			}
		}
		return nil
	}}
}

// meanS32 sums in int64 and cuts the fraction off.
func meanS32(r *vec.Reduction) *graph.Kernel {
	return &graph.Kernel{ID: "vec.reduce_mean/s32/generic", Scratch: 8 * r.Outs, Run: func(a *graph.Args) error {
		acc := tensor.As[int64](a.Scratch, 8)
		clear(acc)
		vec.Reduce(acc, a.In[0].S32(), r, vec.ReduceSum)
		for i, s := range acc {
			a.Out[0].S32()[i] = int32(s / int64(r.N))
		}
		return nil
	}}
}

// reduceSumQ sums in int32 and rescales once.
func reduceSumQ[T int8 | int16](c *graph.CompileCtx, types string, r *vec.Reduction) *graph.Kernel {
	x, o := c.In(0), c.Out(0)
	m, shift := requant.Quantize(float64(x.Quant.Scale[0]) / float64(o.Quant.Scale[0]))
	if c.N.Op == "Mean" {
		// The reference puts 1/n into the multiplier, with as many bits as fit.
		e := min(int32(63-bits.LeadingZeros64(uint64(r.N))), 32, 31+shift)
		m = int32((int64(m) << e) / int64(r.N))
		shift -= e
	}
	zi, zo := x.Quant.Zero[0]*int32(r.N), o.Quant.Zero[0]
	lo, hi := actRange(x.DType, graph.ActNone, o.Quant.Scale[0], zo)
	size := x.DType.Bytes(1)
	isa := "generic"
	if size == 1 {
		isa = vec.SumISA(true)
	}
	return &graph.Kernel{ID: reduceID(c, types, isa), Scratch: 4 * r.Outs, Run: func(a *graph.Args) error {
		acc := tensor.As[int32](a.Scratch, 4)
		clear(acc)
		if size == 1 {
			vec.SumS8(acc, a.In[0].S8(), r)
		} else {
			vec.Reduce(acc, tensor.As[T](a.In[0].Data, size), r, vec.ReduceSum)
		}
		dst := tensor.As[T](a.Out[0].Data, size)
		for i, s := range acc {
			dst[i] = T(min(max(requant.Mul(s-zi, m, shift)+zo, lo), hi))
		}
		return nil
	}}
}

// reduceProdQ rescales after every factor, so that the product does not grow out of int32.
func reduceProdQ[T int8 | int16](c *graph.CompileCtx, types string, r *vec.Reduction) *graph.Kernel {
	x, o := c.In(0), c.Out(0)
	m, shift := prodScale(x, o, r.Ins, r.Outs)
	zi, zo := x.Quant.Zero[0], o.Quant.Zero[0]
	lo, hi := actRange(x.DType, graph.ActNone, o.Quant.Scale[0], zo)
	size := x.DType.Bytes(1)
	return &graph.Kernel{ID: reduceID(c, types, "generic"), Scratch: 4 * r.Outs, Run: func(a *graph.Args) error {
		acc := tensor.As[int32](a.Scratch, 4)
		vec.ReduceProdQ(acc, tensor.As[T](a.In[0].Data, size), r, zi, m, shift)
		dst := tensor.As[T](a.Out[0].Data, size)
		for i, p := range acc {
			dst[i] = T(min(max(requant.Mul64(int64(p), m, shift)+zo, lo), hi))
		}
		return nil
	}}
}
