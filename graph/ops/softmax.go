package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// SoftmaxAttr is the attribute of Softmax; Axis must be the last one.
type SoftmaxAttr struct {
	Axis int
	Beta float32
}

func init() {
	graph.Register(graph.Op{Name: "Softmax", Infer: inferSoftmax, Compile: compileSoftmax},
		graph.Form{Format: graph.TFLite, Op: "SOFTMAX", Min: 1, Max: 4, DTypes: "float32, float16; int8 and uint8, the output also int16; int16", Lower: func(l *graph.Lower) error {
			emitWide(l, "Softmax", SoftmaxAttr{-1, l.Attrs().Float(0, "", 0)}, tensor.F16)
			return nil
		}})
	graph.Register(graph.Op{Name: "LogSoftmax", Infer: inferLogSoftmax, Compile: compileLogSoftmax},
		graph.Form{Format: graph.TFLite, Op: "LOG_SOFTMAX", Min: 1, Max: 2, DTypes: "float32, int8, uint8"})
}

// rowLength is the extent of the last axis; false when there is none or it is empty.
func rowLength(x *graph.Value) (int, bool) {
	if len(x.Shape) == 0 || x.Shape[len(x.Shape)-1] == 0 {
		return 0, false
	}
	return x.Shape[len(x.Shape)-1], true
}

func inferSoftmax(c *graph.InferCtx) error {
	a := c.N.Attr.(SoftmaxAttr)
	x, o, err := oneToOne(c)
	if err != nil {
		return err
	}
	if x.DType != tensor.F32 && x.DType != tensor.S8 && x.DType != tensor.S16 {
		return c.Refuse("%s is not supported; float32, int8, uint8 and int16 are", x.DType)
	}
	if _, ok := rowLength(x); !ok || a.Axis != -1 && a.Axis != len(x.Shape)-1 {
		return c.Refuse("needs at least one axis with elements, and works along the last one")
	}
	out := x.DType
	if x.DType == tensor.S8 && o.DType == tensor.S16 {
		out = tensor.S16
	}
	if err := c.Set(0, out, x.Shape); err != nil || x.DType == tensor.F32 {
		return err
	}
	if _, _, err := scaleOf(x, "the input"); err != nil {
		return err
	}
	if err := checkAffine(c.NodeCtx, o, "output"); err != nil {
		return err
	}
	scale, zero := float32(1.0/256), int32(-128)
	switch {
	case x.DType == tensor.S16:
		scale, zero = 1.0/32768, 0
	case out == tensor.S16:
		scale, zero = 1.0/65536, math.MinInt16
	}
	if s, z := o.Quant.Scale[0], o.Quant.Zero[0]; !o.Quant.PerTensor() || math.Abs(float64(s/scale)-1) > 0.001 || z != zero {
		return c.Refuse("the %s output must have scale %v and zero point %d, it has %v and %d", out, scale, zero, s, z)
	}
	// The fixed-point form needs a multiplier above one.
	if r := float64(a.Beta) * float64(x.Quant.Scale[0]) * (1 << 26); !(r > 1) || math.IsInf(r, 0) {
		return c.Refuse("beta %v with the input scale %v is out of range", a.Beta, x.Quant.Scale[0])
	}
	return nil
}

func compileSoftmax(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SoftmaxAttr)
	x, o := c.In(0), c.Out(0)
	depth, _ := rowLength(x)
	switch x.DType {
	case tensor.F32:
		beta := a.Beta
		k := &graph.Kernel{ID: "vec.softmax/f32/" + vec.ISA(), InPlace: []int{0}}
		shareSoftmax(k, o, depth, 0, func(a *graph.Args) error {
			vec.SoftmaxF32(a.Out[0].F32(), a.In[0].F32(), depth, beta)
			return nil
		})
		return k, nil
	case tensor.S16:
		const step = 1.0 / math.MaxUint16
		t := &vec.SoftmaxS16Tables{
			Exp:        lutS16(10*step, math.MaxInt16, 2*step, 0, vec.Exp),
			Reciprocal: lutS16(step, math.MinInt16, 2*step, 0, func(x float32) float32 { return 1 / (1 + x) }),
		}
		m, shift := requant.Quantize(float64(x.Quant.Scale[0]) * float64(a.Beta) / (10.0 / 65535))
		return &graph.Kernel{ID: "vec.softmax/s16/generic", InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S16: 2 * 2 * 513}, Run: func(a *graph.Args) error {
			vec.SoftmaxS16(a.Out[0].S16(), a.In[0].S16(), depth, m, shift, t)
			return nil
		}}, nil
	}
	t := vec.NewSoftmaxS8Table(float64(a.Beta), float64(x.Quant.Scale[0]))
	k := &graph.Kernel{ID: "vec.softmax/s8/" + vec.SoftmaxS8ISA(), InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S32: 4 * 256}}
	if o.DType == tensor.S16 {
		k.ID, k.InPlace = "vec.softmax/s8s16/generic", nil
		k.Run = func(a *graph.Args) error { vec.SoftmaxS8S16(a.Out[0].S16(), a.In[0].S8(), depth, t); return nil }
		return k, nil
	}
	shareSoftmax(k, o, depth, 4*vec.SoftmaxS8Scratch(depth), func(a *graph.Args) error {
		vec.SoftmaxS8(a.Out[0].S8(), a.In[0].S8(), depth, t, tensor.As[int32](a.Scratch, 4))
		return nil
	})
	return k, nil
}

// shareSoftmax makes run the kernel, which needs so many bytes of scratch memory, shared among threads by rows.
func shareSoftmax(k *graph.Kernel, o *graph.Value, depth, scratch int, run func(*graph.Args) error) {
	const perNano = 2
	n := product(o.Shape)
	step := rowStep{rows: n / depth, tile: 1, work: int64(n / perNano), kernel: func(int) (func(*graph.Args) error, int) { return run, scratch }}
	step.set(k)
}

func inferLogSoftmax(c *graph.InferCtx) error {
	if err := inferMap(c, tensor.F32, tensor.S8); err != nil {
		return err
	}
	x, o := c.In(0), c.Out(0)
	if _, ok := rowLength(x); !ok {
		return c.Refuse("needs at least one axis with elements, and works along the last one")
	}
	if x.DType != tensor.S8 {
		return nil
	}
	if o.Quant.Scale[0] != 1.0/16 || o.Quant.Zero[0] != 127 {
		return c.Refuse("the int8 output must have scale 1/16 and zero point 127, it has %v and %d", o.Quant.Scale[0], o.Quant.Zero[0])
	}
	if _, ok := vec.NewLogSoftmaxS8(float64(x.Quant.Scale[0])); !ok {
		return c.Refuse("the input scale %v is out of range", x.Quant.Scale[0])
	}
	return nil
}

func compileLogSoftmax(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	depth, _ := rowLength(x)
	if x.DType == tensor.F32 {
		return &graph.Kernel{ID: "vec.log_softmax/f32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.LogSoftmaxF32(a.Out[0].F32(), a.In[0].F32(), depth)
			return nil
		}}, nil
	}
	p, _ := vec.NewLogSoftmaxS8(float64(x.Quant.Scale[0]))
	return &graph.Kernel{ID: "vec.log_softmax/s8/generic", InPlace: []int{0}, Weights: map[tensor.DType]int{tensor.S32: 2 * 4 * 256}, Run: func(a *graph.Args) error {
		p.Run(a.Out[0].S8(), a.In[0].S8(), depth)
		return nil
	}}, nil
}
