package ops

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// ActivateAttr is the attribute of Activate: a plain activation as a node.
type ActivateAttr struct{ Act graph.Activation }

// Activation implements graph.Activator.
func (a ActivateAttr) Activation() graph.Activation { return a.Act }

// LeakyReluAttr scales negative values by Alpha.
type LeakyReluAttr struct{ Alpha float32 }

func init() {
	lower := func(act graph.Activation) func(*graph.Lower) error {
		return func(l *graph.Lower) error {
			l.Emit("Activate", ActivateAttr{act}, l.Ins(), l.Outs())
			return nil
		}
	}
	const types = "float32, int8, uint8"
	graph.Register(graph.Op{Name: "Activate", Infer: inferActivate, Compile: compileActivate, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "RELU", Min: 1, Max: 3, DTypes: types + ", int16", Lower: lower(graph.ActRelu)},
		graph.Form{Format: graph.TFLite, Op: "RELU6", Min: 1, Max: 3, DTypes: types + ", int16", Lower: lower(graph.ActRelu6)},
		graph.Form{Format: graph.TFLite, Op: "RELU_N1_TO_1", Min: 1, Max: 1, DTypes: types, Lower: lower(graph.ActReluN1To1)},
		graph.Form{Format: graph.TFLite, Op: "RELU_0_TO_1", Min: 1, Max: 1, DTypes: types, Lower: lower(graph.ActRelu0To1)})
	graph.RegisterForm(onnxForm("Relu", 6, lowerUnaryTo("Activate", ActivateAttr{Act: graph.ActRelu}), "float32").As("Activate"))
	graph.Register(graph.Op{Name: "LeakyRelu", Infer: inferLeakyRelu, Compile: compileLeakyRelu, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "LEAKY_RELU", Min: 1, Max: 2, DTypes: types + ", int16", Lower: func(l *graph.Lower) error {
			l.Emit("LeakyRelu", LeakyReluAttr{l.Attrs().Float(0, "", 0)}, l.Ins(), l.Outs())
			return nil
		}},
		onnxForm("LeakyRelu", 6, func(l *graph.Lower) error {
			return lowerUnaryTo("LeakyRelu", LeakyReluAttr{l.Attrs().Float(-1, "alpha", 0.01)})(l)
		}, "float32"))
	graph.Register(graph.Op{Name: "HardSwish", Infer: inferHardSwish, Compile: compileHardSwish, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "HARD_SWISH", Min: 1, Max: 1, DTypes: types})
}

// oneToOne returns the only input and the only output of a node.
func oneToOne(c *graph.InferCtx) (x, o *graph.Value, err error) {
	x, o = c.In(0), c.Out(0)
	if len(c.N.In) != 1 || x == nil || len(c.N.Out) != 1 || o == nil {
		return nil, nil, c.Refuse("needs one input and one output")
	}
	return x, o, nil
}

// inferMap checks an operator with one input and one output of its shape and type, which is one of the given; int8 and int16 need a scale on
// both sides.
func inferMap(c *graph.InferCtx, allowed ...tensor.DType) error {
	x, o, err := oneToOne(c)
	if err != nil {
		return err
	}
	if !slices.Contains(allowed, x.DType) {
		return c.Refuse("%s is not supported, only %s", x.DType, typeList(allowed))
	}
	if err := c.Set(0, x.DType, x.Shape); err != nil {
		return err
	}
	return checkQuant(x, o) // after the output has its type
}

// lookup is the kernel that looks the elements of o up.
func lookup(o *graph.Value, id string, t *[256]int8) *graph.Kernel {
	k := &graph.Kernel{ID: id + "/s8/" + vec.ISA8(), InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S8: 256}}
	shareElems(k, o, elemsPerNano, func(a *graph.Args) error {
		vec.LookupS8(a.Out[0].S8(), a.In[0].S8(), t)
		return nil
	})
	return k
}

// mapF32 is the kernel that computes the elements of o.
func mapF32(o *graph.Value, id string, f vec.Function) *graph.Kernel {
	k := &graph.Kernel{ID: id + "/f32/" + f.ISA(), InPlace: []int{0}}
	const perNano = 2
	shareElems(k, o, perNano, func(a *graph.Args) error {
		f.Map(a.Out[0].F32(), a.In[0].F32())
		return nil
	})
	return k
}

func inferActivate(c *graph.InferCtx) error {
	act := c.N.Attr.(ActivateAttr).Act
	if !clamps(act) {
		return c.Refuse("activation %v is not supported", act)
	}
	if act == graph.ActRelu || act == graph.ActRelu6 {
		return inferMap(c, tensor.F32, tensor.S8, tensor.S16)
	}
	return inferMap(c, tensor.F32, tensor.S8)
}

func compileActivate(c *graph.CompileCtx) (*graph.Kernel, error) {
	act := c.N.Attr.(ActivateAttr).Act
	x, o := c.In(0), c.Out(0)
	if x.DType == tensor.F32 {
		lo, hi := actRangeF32(act)
		k := &graph.Kernel{ID: "vec.clamp/f32/" + vec.ISA(), InPlace: []int{0}}
		shareElems(k, o, elemsPerNano, func(a *graph.Args) error {
			vec.ClampF32(a.Out[0].F32(), a.In[0].F32(), lo, hi)
			return nil
		})
		return k, nil
	}
	// tflite-micro divides the scales in float64. Its RELU6 takes it for granted that they are equal and it has no more kernels
	// of this kind: elsewhere LiteRT decides, which divides in float32.
	factor := float64(x.Quant.Scale[0] / o.Quant.Scale[0])
	if act == graph.ActRelu && !x.Shifted {
		factor = float64(x.Quant.Scale[0]) / float64(o.Quant.Scale[0])
	}
	p := rescale(x, o, factor)
	p.Lo, p.Hi = actRange(x.DType, act, o.Quant.Scale[0], p.Zero)
	if x.DType == tensor.S16 {
		return &graph.Kernel{ID: "vec.activate/s16/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.Requantize(a.Out[0].S16(), a.In[0].S16(), p)
			return nil
		}}, nil
	}
	return lookup(o, "vec.activate", table(p.At)), nil
}

func inferLeakyRelu(c *graph.InferCtx) error {
	if err := inferMap(c, tensor.F32, tensor.S8, tensor.S16); err != nil {
		return err
	}
	if a := float64(c.N.Attr.(LeakyReluAttr).Alpha); math.IsNaN(a) || math.IsInf(a, 0) {
		return c.Refuse("alpha is %v", a)
	}
	return nil
}

func compileLeakyRelu(c *graph.CompileCtx) (*graph.Kernel, error) {
	alpha := c.N.Attr.(LeakyReluAttr).Alpha
	x, o := c.In(0), c.Out(0)
	if x.DType == tensor.F32 {
		return &graph.Kernel{ID: "vec.leaky_relu/f32/" + vec.ISA(), InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.LeakyReluF32(a.Out[0].F32(), a.In[0].F32(), alpha)
			return nil
		}}, nil
	}
	in, out := x.Quant.Scale[0], o.Quant.Scale[0]
	pos, neg := rescale(x, o, float64(in/out)), rescale(x, o, float64(float32(in*alpha)/out))
	if x.DType == tensor.S16 {
		return &graph.Kernel{ID: "vec.leaky_relu/s16/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.LeakyReluS16(a.Out[0].S16(), a.In[0].S16(), pos, neg)
			return nil
		}}, nil
	}
	return lookup(o, "vec.leaky_relu", table(func(v int32) int32 {
		if v < pos.ZeroIn {
			return neg.At(v)
		}
		return pos.At(v)
	})), nil
}

// hardSwish holds the fixed-point numbers of an int8 hard swish: multipliers in Q0.15 with their exponents.
type hardSwish struct {
	out, relu       int32
	outExp, reluExp int32
	zeroIn, zeroOut int32
}

func newHardSwish(x, o *graph.Value) (*hardSwish, bool) {
	fine := float32(x.Quant.Scale[0] * (1.0 / 128))
	h := &hardSwish{zeroIn: x.Quant.Zero[0], zeroOut: o.Quant.Zero[0]}
	h.out, h.outExp = quantize16(float64(fine / o.Quant.Scale[0]))
	h.relu, h.reluExp = quantize16(float64(fine / float32(3.0/32768)))
	return h, h.outExp <= 0
}

// quantize16 is requant.Quantize with a multiplier of 16 bits.
func quantize16(real float64) (m, shift int32) {
	m, shift = requant.Quantize(real)
	if m >= math.MaxInt32-1<<15 {
		return math.MaxInt16, shift
	}
	return (m + 1<<15) >> 16, shift
}

// at computes one value in 16-bit steps: x on a finer scale, the multiplier of the middle section from it, and their product, which is cut
// off rather than rounded.
func (h *hardSwish) at(v int32) int32 {
	sat := func(x int32) int32 { return min(max(x, math.MinInt16), math.MaxInt16) }
	high := func(a, b int32) int32 { return sat((a*b + 1<<14) >> 15) }
	fine := (v - h.zeroIn) << 7
	value := high(fine, h.out)
	r := fine
	if h.reluExp > 0 {
		r = sat(r << min(h.reluExp-1, 15))
	}
	r = high(r, h.relu)
	if h.reluExp > 0 {
		r = sat(2 * r)
	}
	if h.reluExp < 0 {
		r = divPow2S16(r, -h.reluExp)
	}
	r = (r + 1<<15) >> 1
	return divPow2S16(r*value/(1<<15), -h.outExp) + h.zeroOut
}

// divPow2S16 divides a 16-bit number by 2^e, rounding half away from zero. From 2^16 on the reference's mask of the lost bits overflows,
// which leaves the sign: −1 or 1.
func divPow2S16(x, e int32) int32 {
	switch {
	case e < 16:
		return requant.DivPow2(x, e)
	case x < 0:
		return -1
	}
	return 1
}

func inferHardSwish(c *graph.InferCtx) error {
	if err := inferMap(c, tensor.F32, tensor.S8); err != nil {
		return err
	}
	if x, o := c.In(0), c.Out(0); x.DType == tensor.S8 {
		if _, ok := newHardSwish(x, o); !ok {
			return c.Refuse("the input scale %v and the output scale %v are too far apart: up to 128 output steps per input step are supported", x.Quant.Scale[0], o.Quant.Scale[0])
		}
	}
	return nil
}

func compileHardSwish(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, o := c.In(0), c.Out(0)
	if x.DType == tensor.F32 {
		return mapF32(o, "vec.hard_swish", vec.FnHardSwish), nil
	}
	h, _ := newHardSwish(x, o)
	return lookup(o, "vec.hard_swish", table(h.at)), nil
}
