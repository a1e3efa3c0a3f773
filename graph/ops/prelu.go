package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// Prelu multiplies negative elements of its first input by those of the second, which broadcasts to the first.
func init() {
	graph.Register(graph.Op{Name: "Prelu", Infer: inferPrelu, Compile: compilePrelu, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "PRELU", Min: 1, Max: 1, DTypes: "float32, int8, uint8, int16 with slopes in int8"})
}

func inferPrelu(c *graph.InferCtx) error {
	x, a, o := c.In(0), c.In(1), c.Out(0)
	if len(c.N.In) != 2 || x == nil || a == nil || len(c.N.Out) != 1 || o == nil {
		return c.Refuse("needs two inputs and one output")
	}
	switch x.DType {
	case tensor.F32, tensor.S8, tensor.S16:
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8 and int16 are", x.DType)
	}
	slopes := x.DType
	if slopes == tensor.S16 {
		slopes = tensor.S8
	}
	if a.DType != slopes || a.Shifted != x.Shifted {
		return c.Refuse("slopes in %s do not fit %s; %s do", a.DType, x.DType, slopes)
	}
	if s, ok := broadcastShape(x.Shape, a.Shape); !ok || len(s) > maxRank || !s.Equal(x.Shape) {
		return c.Refuse("the slopes %v do not broadcast to the input %v", a.Shape, x.Shape)
	}
	if x.DType != tensor.F32 {
		if o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(x, a, o); err != nil {
			return err
		}
	}
	return c.Set(0, x.DType, x.Shape)
}

func compilePrelu(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, a, o := c.In(0), c.In(1), c.Out(0)
	s := pairSpread(c)
	k := &graph.Kernel{ID: "vec.prelu/" + shortType(x.DType) + "/generic"}
	if x.Shape.Equal(o.Shape) {
		k.InPlace = []int{0}
	}
	if x.DType == tensor.F32 {
		k.ID, k.Run = "vec.prelu/f32/"+vec.ISA(), rowsRun(s, vec.PreluF32.Run)
		return k, nil
	}
	sx, sa, so := x.Quant.Scale[0], a.Quant.Scale[0], o.Quant.Scale[0]
	pos, neg := float64(sx)/float64(so), float64(sx)*float64(sa)/float64(so)
	if o.Shifted { // the reference for uint8 computes its multipliers in float32
		pos, neg = float64(sx/so), float64(float32(sx*sa)/so)
	}
	p := &vec.Store{Zero: o.Quant.Zero[0], Lo: math.MinInt16, Hi: math.MaxInt16}
	if x.DType == tensor.S8 {
		p.Lo, p.Hi = math.MinInt8, math.MaxInt8
	}
	n := *p
	p.Mult, p.Shift = requant.Quantize(pos)
	n.Mult, n.Shift = requant.Quantize(neg)
	if x.DType == tensor.S8 {
		k.Run = preluRun[int8](c, s, p, &n)
	} else {
		k.ID, k.Run = "vec.prelu/s16s8/generic", preluRun[int16](c, s, p, &n)
	}
	return k, nil
}

func preluRun[T int8 | int16](c *graph.CompileCtx, s *spread, p, n *vec.Store) func(*graph.Args) error {
	za, zb := c.In(0).Quant.Zero[0], c.In(1).Quant.Zero[0]
	return func(a *graph.Args) error {
		x, y, d := elems[T](a.In[0]), a.In[1].S8(), elems[T](a.Out[0])
		s.each(func(o int, at [3]int) {
			vec.PreluQ(d[o:o+s.n], x[at[0]:], s.in[0], y[at[1]:], s.in[1], za, zb, p, n)
		})
		return nil
	}
}
