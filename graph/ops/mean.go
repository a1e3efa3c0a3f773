package ops

import (
	"math"
	"math/bits"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
)

// MeanAttr is the attribute of Mean: the axes to average over, not negative and without repetition.
type MeanAttr struct {
	Axes []int
	Keep bool // averaged axes stay with extent 1
}

func init() {
	graph.Register(graph.Op{Name: "Mean", Infer: inferMean, Compile: compileMean},
		graph.Form{Format: graph.TFLite, Op: "MEAN", Min: 1, Max: 3, DTypes: "float32, int8, uint8", Lower: func(l *graph.Lower) error {
			x := l.In(0)
			raw, ok := l.ConstInts(1)
			if x == nil || !ok {
				return l.Refuse("the axes are computed at run time; only constant axes are supported")
			}
			a := MeanAttr{Keep: l.Attrs().Int(0, "", 0) != 0}
			for _, v := range raw {
				if v < 0 {
					v += int64(len(x.Shape))
				}
				if v < 0 || v >= int64(len(x.Shape)) {
					return l.Refuse("axis %d does not fit the input %v", v, x.Shape)
				}
				if !slices.Contains(a.Axes, int(v)) {
					a.Axes = append(a.Axes, int(v))
				}
			}
			l.Emit("Mean", a, l.First(1), l.Outs())
			return nil
		}})
}

func inferMean(c *graph.InferCtx) error {
	a := c.N.Attr.(MeanAttr)
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || len(x.Shape) > maxRank || product(x.Shape) == 0 {
		return c.Refuse("needs one input with elements")
	}
	if x.DType != tensor.F32 && x.DType != tensor.S8 {
		return c.Refuse("%s is not supported; float32 and int8 are", x.DType)
	}
	if x.DType == tensor.S8 {
		if o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(x, o); err != nil {
			return err
		}
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

// reduction walks the input in order and says for each element which output it belongs to.
type reduction struct {
	dims, stride []int // stride of the output along each input axis, 0 on averaged axes
}

func newReduction(x tensor.Shape, axes []int) *reduction {
	r := &reduction{dims: x, stride: make([]int, len(x))}
	n := 1
	for i := len(x) - 1; i >= 0; i-- {
		if !slices.Contains(axes, i) {
			r.stride[i] = n
			n *= x[i]
		}
	}
	return r
}

func sumInto[T int8 | float32, S int32 | float32](acc []S, src []T, r *reduction) {
	var at [maxRank]int
	o := 0
	for _, v := range src {
		acc[o] += S(v)
		for k := len(r.dims) - 1; k >= 0; k-- {
			at[k]++
			o += r.stride[k]
			if at[k] < r.dims[k] {
				break
			}
			o -= r.stride[k] * r.dims[k]
			at[k] = 0
		}
	}
}

func compileMean(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(MeanAttr)
	x, o := c.In(0), c.Out(0)
	r := newReduction(x.Shape, a.Axes)
	outs := product(o.Shape)
	n := product(x.Shape) / max(outs, 1)
	if x.DType == tensor.F32 {
		return &graph.Kernel{ID: "vec.mean/f32/generic", Run: func(a *graph.Args) error {
			dst := a.Out[0].F32()
			clear(dst)
			sumInto(dst, a.In[0].F32(), r)
			for i := range dst {
				dst[i] /= float32(n)
			}
			return nil
		}}, nil
	}
	m, shift := requant.Quantize(float64(x.Quant.Scale[0]) / float64(o.Quant.Scale[0]))
	// The reference puts 1/n into the multiplier, with as many bits as fit.
	e := min(int32(63-bits.LeadingZeros64(uint64(n))), 32, 31+shift)
	m = int32((int64(m) << e) / int64(n))
	shift -= e
	zi, zo := x.Quant.Zero[0]*int32(n), o.Quant.Zero[0]
	return &graph.Kernel{ID: "vec.mean/s8/generic", Scratch: 4 * outs, Run: func(a *graph.Args) error {
		acc := tensor.As[int32](a.Scratch, 4)
		clear(acc)
		sumInto(acc, a.In[0].S8(), r)
		dst := a.Out[0].S8()
		for i, s := range acc {
			dst[i] = int8(min(max(requant.Mul(s-zi, m, shift)+zo, math.MinInt8), math.MaxInt8))
		}
		return nil
	}}, nil
}
