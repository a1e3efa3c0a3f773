package ops

import (
	"errors"
	"math"
	"slices"
	"strings"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// ClipAttr bounds values to [Lo, Hi].
type ClipAttr struct{ Lo, Hi float32 }

// GeluAttr chooses the approximation by a hyperbolic tangent.
type GeluAttr struct{ Tanh bool }

// FakeQuantAttr is the range and the step that FakeQuant rounds to.
type FakeQuantAttr struct{ Scale, Lo, Hi float32 }

// unaryOp describes an operator that computes each element from one: its float function, and the types beside float32 that it has.
type unaryOp struct {
	name, tflite string
	max          int // highest version in TFLite
	f            vec.Function
	others       []tensor.DType // int8 and int16 with scales through tables or in fixed point, other integers as they are, 16-bit floats through float32
	unsigned     bool           // uint8 too
}

var unaryOps = []unaryOp{
	{"Abs", "ABS", 5, vec.FnAbs, also(tensor.S8, tensor.S16, tensor.S32), false},
	{"Neg", "NEG", 1, vec.FnNeg, also(tensor.S8, tensor.S16, tensor.S32, tensor.S64, tensor.F16, tensor.BF16), false},
	{"Sign", "SIGN", 2, vec.Plain(vec.Sign), also(tensor.S32), false},
	{"Exp", "EXP", 2, vec.FnExp, also(tensor.S8, tensor.S16), false},
	{"Log", "LOG", 2, vec.Plain(vec.Log), also(tensor.S8, tensor.S16), false},
	{"Sqrt", "SQRT", 2, vec.FnSqrt, nil, false},
	{"Rsqrt", "RSQRT", 3, vec.FnRsqrt, also(tensor.S8, tensor.S16), false},
	{"Square", "SQUARE", 1, vec.FnSquare, nil, false},
	{"Sin", "SIN", 2, vec.Plain(vec.Sin), also(tensor.F16), false},
	{"Cos", "COS", 2, vec.Plain(vec.Cos), also(tensor.F16), false},
	{"Floor", "FLOOR", 1, vec.FnFloor, also(tensor.F16, tensor.BF16), false},
	{"Ceil", "CEIL", 1, vec.FnCeil, nil, false},
	{"Round", "ROUND", 1, vec.FnRoundEven, also(tensor.F16, tensor.BF16), false},
	{"Elu", "ELU", 1, vec.Plain(vec.Elu), also(tensor.S8), false},
	{"Gelu", "GELU", 3, vec.FnGelu, also(tensor.S8, tensor.S16, tensor.F16), true},
}

func also(d ...tensor.DType) []tensor.DType { return d }

var unaryByName = map[string]*unaryOp{}

func init() {
	for i := range unaryOps {
		u := &unaryOps[i]
		unaryByName[u.name] = u
		graph.Register(graph.Op{Name: u.name, Infer: inferUnary, Compile: compileUnary, Elementwise: true},
			graph.Form{Format: graph.TFLite, Op: u.tflite, Min: 1, Max: u.max, DTypes: u.dtypes(), Lower: u.lower})
	}
	graph.RegisterForm(onnxForm("Sqrt", 6, lowerUnaryTo("Sqrt", nil), "float32").As("Sqrt"))
	graph.Register(graph.Op{Name: "Clip", Infer: inferF32, Compile: compileClip, Elementwise: true},
		onnxForm("Clip", 6, lowerClipONNX, "float32, int32, int64").As("Clip", "Activate", "Maximum", "Minimum"))
	graph.Register(graph.Op{Name: "FakeQuant", Infer: inferF32, Compile: compileFakeQuant, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "FAKE_QUANT", Min: 1, Max: 2, DTypes: "float32", Lower: lowerFakeQuant})
	graph.Register(graph.Op{Name: "LogicalNot", Infer: inferNot, Compile: compileNot, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "LOGICAL_NOT", Min: 1, Max: 1, DTypes: "bool"})
}

func (u *unaryOp) dtypes() string {
	types := append([]tensor.DType{tensor.F32}, u.others...)
	if u.unsigned {
		types = append(types, tensor.U8)
	}
	return typeList(types)
}

func (u *unaryOp) lower(l *graph.Lower) error {
	var attr any
	if u.name == "Gelu" {
		attr = GeluAttr{l.Attrs().Int(0, "", 0) != 0}
	}
	emitWide(l, u.name, attr, u.others...)
	return nil
}

// emitWide emits an operator with one input. For 16-bit floats, where they are among the given types, the input is widened to float32 and the
// result narrowed: their kernels in LiteRT round in between, so results may differ in the last bit.
func emitWide(l *graph.Lower, op string, attr any, halves ...tensor.DType) {
	x := l.In(0)
	if len(l.N.In) != 1 || x == nil || x.DType != tensor.F16 && x.DType != tensor.BF16 || !slices.Contains(halves, x.DType) {
		l.Emit(op, attr, l.Ins(), l.Outs())
		return
	}
	d := x.DType
	wide, result := ids(l.Temp("wide", nil)), ids(l.Temp("result", nil))
	l.Emit("Cast", CastAttr{To: tensor.F32}, l.Ins(), wide)
	l.Emit(op, attr, wide, result)
	l.Emit("Cast", CastAttr{To: d}, result, l.Outs())
}

// lowerUnaryTo emits a neutral operator of one float32 input.
func lowerUnaryTo(op string, attr any) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		x := l.In(0)
		if x == nil || x.DType != tensor.F32 && (x.DType != tensor.BF16 || x.Const == nil) {
			return l.Refuse("only float32 is supported")
		}
		l.Emit(op, attr, widenedIns(l), l.Outs())
		return nil
	}
}

func inferUnary(c *graph.InferCtx) error {
	u := unaryByName[c.N.Op]
	x, o, err := oneToOne(c)
	if err != nil {
		return err
	}
	if x.Shifted && !u.unsigned {
		return c.Refuse("uint8 is not supported, only %s", u.dtypes())
	}
	allowed := []tensor.DType{tensor.F32}
	for _, d := range u.others {
		if d != tensor.F16 && d != tensor.BF16 {
			allowed = append(allowed, d)
		}
	}
	plain := u.name == "Neg" || u.name == "Sign" || u.name == "Abs" && (x.DType == tensor.S32 || x.DType == tensor.S16 && x.Quant == nil)
	if plain && slices.Contains(allowed, x.DType) {
		return c.Set(0, x.DType, x.Shape)
	}
	if err := inferMap(c, allowed...); err != nil {
		return err
	}
	if u.name == "Rsqrt" && x.DType != tensor.F32 {
		if m, _ := rsqrtScale(x, o); m == 0 {
			return c.Refuse("the output scale %v is out of range for the input scale %v", o.Quant.Scale[0], x.Quant.Scale[0])
		}
	}
	return nil
}

func compileUnary(c *graph.CompileCtx) (*graph.Kernel, error) {
	u := unaryByName[c.N.Op]
	x, o := c.In(0), c.Out(0)
	id, fn := "vec."+strings.ToLower(u.name), u.f
	if a, ok := c.N.Attr.(GeluAttr); ok && a.Tanh {
		id, fn = "vec.gelu_tanh", vec.FnGeluTanh
	}
	if x.DType == tensor.F32 {
		return mapF32(o, id, fn), nil
	}
	f := fn.At
	switch u.name {
	case "Neg":
		return compileNeg(x.DType), nil
	case "Sign":
		return &graph.Kernel{ID: "vec.sign/s32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.SignS32(a.Out[0].S32(), a.In[0].S32())
			return nil
		}}, nil
	case "Abs":
		return compileAbs(x, o), nil
	case "Rsqrt":
		return compileRsqrt(x, o), nil
	case "Log":
		f = logAbove(o)
	case "Elu":
		f = func(x float32) float32 { // the table's entries do not use expm1
			if x < 0 {
				return vec.Exp(x) - 1
			}
			return x
		}
	}
	if x.DType == tensor.S8 {
		return lookup(o, id, lutS8(x, o, f)), nil
	}
	t := lutS16(x.Quant.Scale[0], x.Quant.Zero[0], o.Quant.Scale[0], o.Quant.Zero[0], f)
	return &graph.Kernel{ID: id + "/s16/generic", InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S16: 2 * len(t)}, Run: func(a *graph.Args) error {
		vec.InterpolateS16(a.Out[0].S16(), a.In[0].S16(), t)
		return nil
	}}, nil
}

// logAbove is the logarithm, and the least value that the output can hold where there is none.
func logAbove(o *graph.Value) func(float32) float32 {
	low := int32(math.MinInt8)
	if o.DType == tensor.S16 {
		low = math.MinInt16
	}
	least := float32(low-o.Quant.Zero[0]) * o.Quant.Scale[0]
	return func(x float32) float32 {
		if x <= 0 {
			return least
		}
		return vec.Log(x)
	}
}

// compileNeg negates the stored integers: TensorFlow Lite's operator knows no scales.
func compileNeg(d tensor.DType) *graph.Kernel {
	k := &graph.Kernel{InPlace: []int{0}}
	switch d {
	case tensor.S8:
		k.ID = "vec.neg/s8/generic"
		k.Run = func(a *graph.Args) error { vec.Neg(a.Out[0].S8(), a.In[0].S8()); return nil }
	case tensor.S16:
		k.ID = "vec.neg/s16/generic"
		k.Run = func(a *graph.Args) error { vec.Neg(a.Out[0].S16(), a.In[0].S16()); return nil }
	case tensor.S32:
		k.ID = "vec.neg/s32/generic"
		k.Run = func(a *graph.Args) error { vec.Neg(a.Out[0].S32(), a.In[0].S32()); return nil }
	default:
		k.ID = "vec.neg/s64/generic"
		k.Run = func(a *graph.Args) error { vec.Neg(a.Out[0].S64(), a.In[0].S64()); return nil }
	}
	return k
}

func compileAbs(x, o *graph.Value) *graph.Kernel {
	k := &graph.Kernel{ID: "vec.abs/s32/generic", InPlace: []int{0}}
	switch {
	case x.DType == tensor.S32:
		k.Run = func(a *graph.Args) error { vec.Abs(a.Out[0].S32(), a.In[0].S32()); return nil }
		return k
	case x.Quant == nil:
		k.ID = "vec.abs/s16/generic"
		k.Run = func(a *graph.Args) error { vec.Abs(a.Out[0].S16(), a.In[0].S16()); return nil }
		return k
	}
	p := rescale(x, o, float64(x.Quant.Scale[0])/float64(o.Quant.Scale[0]))
	p.ZeroIn = 0
	if x.DType == tensor.S16 {
		k.ID = "vec.abs/s16/generic"
		k.Run = func(a *graph.Args) error { vec.AbsS16(a.Out[0].S16(), a.In[0].S16(), p); return nil }
		return k
	}
	zero := x.Quant.Zero[0]
	return lookup(o, "vec.abs", table(func(v int32) int32 {
		if v -= zero; v < 0 {
			v = -v
		}
		return p.At(v)
	}))
}

var errNegativeRoot = errors.New("ops: rsqrt: a negative value")

func rsqrtScale(x, o *graph.Value) (m, shift int32) {
	return requant.Quantize(1 / (math.Sqrt(float64(x.Quant.Scale[0])) * float64(o.Quant.Scale[0])))
}

// rsqrtFixed computes the quantized 1/√x of a difference to the zero point that is not negative: the inverse root with 20 bits
// more, then the scales. Zero gives the largest value.
func rsqrtFixed(x, o *graph.Value) func(d int32) int32 {
	const bits = 20
	m, shift := rsqrtScale(x, o)
	zero, lo, hi := o.Quant.Zero[0], int32(math.MinInt8), int32(math.MaxInt8)
	if o.DType == tensor.S16 {
		lo, hi = math.MinInt16, math.MaxInt16
	}
	return func(d int32) int32 {
		if d == 0 {
			return hi
		}
		rm, rs := requant.InvSqrt(d)
		r := requant.Mul(requant.Mul(1, rm, rs+bits), m, shift-bits) + zero
		return min(max(r, lo), hi)
	}
}

// compileRsqrt fails a run that has a negative value, as both reference implementations do.
func compileRsqrt(x, o *graph.Value) *graph.Kernel {
	f, zero := rsqrtFixed(x, o), x.Quant.Zero[0]
	if x.DType == tensor.S8 {
		t := table(func(v int32) int32 {
			if v < zero {
				return 0
			}
			return f(v - zero)
		})
		k := lookup(o, "vec.rsqrt", t)
		shareElems(k, o, elemsPerNano, func(a *graph.Args) error {
			for _, v := range a.In[0].S8() {
				if int32(v) < zero {
					return errNegativeRoot
				}
			}
			vec.LookupS8(a.Out[0].S8(), a.In[0].S8(), t)
			return nil
		})
		return k
	}
	return &graph.Kernel{ID: "vec.rsqrt/s16/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		src, dst := a.In[0].S16(), a.Out[0].S16()
		for _, v := range src {
			if v < 0 {
				return errNegativeRoot
			}
		}
		for i, v := range src {
			dst[i] = int16(f(int32(v)))
		}
		return nil
	}}
}

func lowerClipONNX(l *graph.Lower) error {
	x := l.In(0)
	if x != nil && (x.DType == tensor.S32 || x.DType == tensor.S64) && l.Version() >= 12 {
		return lowerClipInts(l)
	}
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32, int32 and int64 are supported")
	}
	a := ClipAttr{float32(math.Inf(-1)), float32(math.Inf(1))}
	if l.Version() < 11 {
		a.Lo, a.Hi = l.Attrs().Float(-1, "min", a.Lo), l.Attrs().Float(-1, "max", a.Hi)
	}
	for i, p := range []*float32{&a.Lo, &a.Hi} {
		if l.In(i+1) == nil {
			continue
		}
		v, ok := l.ConstF32(i + 1)
		if !ok || len(v) != 1 {
			return l.Refuse("bounds must be constant float scalars")
		}
		*p = v[0]
	}
	in := ids(l.N.In[0])
	switch inf := float32(math.Inf(1)); a {
	case ClipAttr{0, inf}, ClipAttr{0, math.MaxFloat32}:
		l.Emit("Activate", ActivateAttr{Act: graph.ActRelu}, in, l.Outs())
	case ClipAttr{0, 6}:
		l.Emit("Activate", ActivateAttr{Act: graph.ActRelu6}, in, l.Outs())
	default:
		l.Emit("Clip", a, in, l.Outs())
	}
	return nil
}

// lowerClipInts limits integers, such as extents that a model computes.
func lowerClipInts(l *graph.Lower) error {
	in, bounds := l.N.In[0], l.First(3)[1:]
	for i, op := range []string{"Maximum", "Minimum"} {
		if bounds[i] == graph.None {
			continue
		}
		t := l.Temp("clipped", nil)
		l.Emit(op, nil, ids(in, bounds[i]), ids(t))
		in = t
	}
	emitReshape(l, in, l.N.Out[0], l.G.Values[in].Shape)
	return nil
}

func inferF32(c *graph.InferCtx) error { return inferMap(c, tensor.F32) }

func compileClip(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(ClipAttr)
	return mapF32(c.Out(0), "vec.clip", vec.Plain(func(x float32) float32 {
		if x < a.Lo {
			x = a.Lo
		}
		if x > a.Hi { // a lower bound above the upper one yields the upper; NaN stays
			x = a.Hi
		}
		return x
	})), nil
}

// lowerFakeQuant moves the range so that zero is one of its steps.
func lowerFakeQuant(l *graph.Lower) error {
	lo, hi := l.Attrs().Float(0, "", 0), l.Attrs().Float(1, "", 0)
	bits := l.Attrs().Int(2, "", 0)
	if bits < 2 || bits > 16 || !(lo < hi) || math.IsInf(float64(hi-lo), 0) {
		return l.Refuse("%d bits for the range %v to %v are not supported; 2 to 16 bits and a finite range that is not empty are", bits, lo, hi)
	}
	if l.Attrs().Int(3, "", 0) != 0 {
		return l.Refuse("narrow_range is for weights and is not supported; the full range is")
	}
	last := float32(int32(1)<<bits - 1)
	scale := (hi - lo) / last
	zero := roundF32(min(max(-lo/scale, 0), last))
	l.Emit("FakeQuant", FakeQuantAttr{scale, -zero * scale, (last - zero) * scale}, l.Ins(), l.Outs())
	return nil
}

func compileFakeQuant(c *graph.CompileCtx) (*graph.Kernel, error) {
	q := c.N.Attr.(FakeQuantAttr)
	return &graph.Kernel{ID: "vec.fake_quant/f32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		vec.FakeQuantF32(a.Out[0].F32(), a.In[0].F32(), q.Scale, q.Lo, q.Hi)
		return nil
	}}, nil
}

func inferNot(c *graph.InferCtx) error { return inferMap(c, tensor.Bool) }

func compileNot(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "vec.not/bool/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		vec.Not(a.Out[0].Bool(), a.In[0].Bool())
		return nil
	}}, nil
}
