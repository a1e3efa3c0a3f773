package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Range counts from input 0 up or down to before input 1 in steps of input 2, three constant scalars of one type.
func init() {
	graph.Register(graph.Op{Name: "Range", Infer: inferRange, Compile: compileRange},
		graph.Form{Format: graph.TFLite, Op: "RANGE", Min: 1, Max: 2, DTypes: "constants in float32, int32, int64"})
}

func inferRange(c *graph.InferCtx) error {
	start := c.In(0)
	for i := range 3 {
		v := c.In(i)
		if v == nil || v.DType != start.DType || product(v.Shape) != 1 {
			return c.Refuse("needs start, limit and delta as scalars of one type")
		}
		if v.Const == nil {
			return c.Refuse("input %d depends on data of the run and decides the output's length; make it a constant", i)
		}
	}
	n := 0.0
	switch start.DType {
	case tensor.S32, tensor.S64:
		from, _ := c.ConstInts(0)
		to, _ := c.ConstInts(1)
		step, _ := c.ConstInts(2)
		f, t, d := from[0], to[0], step[0]
		if d == 0 || f > t && d > 0 || f < t && d < 0 || min(f, t, d) < -1<<60 || max(f, t, d) > 1<<60 {
			return c.Refuse("from %d to %d in steps of %d never ends, or counts beyond 60 bits", f, t, d)
		}
		if d < 0 {
			f, t, d = t, f, -d
		}
		n = float64((t - f + d - 1) / d)
	case tensor.F32:
		from, _ := c.ConstF32(0)
		to, _ := c.ConstF32(1)
		step, _ := c.ConstF32(2)
		f, t, d := from[0], to[0], step[0]
		if !(f <= t && d > 0 || f >= t && d < 0) {
			return c.Refuse("from %v to %v in steps of %v never ends", f, t, d)
		}
		n = math.Ceil(math.Abs(float64((t - f) / d)))
	default:
		return c.Refuse("%s is not supported; float32, int32 and int64 are", start.DType)
	}
	if !(n <= tensor.MaxElems) {
		return c.Refuse("%v elements; up to %d are supported", n, tensor.MaxElems)
	}
	return c.Set(0, start.DType, tensor.Shape{int(n)})
}

func compileRange(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "move.range/any/generic", Run: func(a *graph.Args) error {
		switch o := a.Out[0]; o.DType {
		case tensor.F32:
			count(o.F32(), a.In[0].F32()[0], a.In[2].F32()[0])
		case tensor.S32:
			count(o.S32(), a.In[0].S32()[0], a.In[2].S32()[0])
		case tensor.S64:
			count(o.S64(), a.In[0].S64()[0], a.In[2].S64()[0])
		}
		return nil
	}}, nil
}

// count adds up, as the reference does: with floats that is not the same as start + i × step.
func count[T int32 | int64 | float32](dst []T, v, step T) {
	for i := range dst {
		dst[i] = v
		v += step
	}
}
