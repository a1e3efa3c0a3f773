package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// LRNAttr is the attribute of LocalResponseNorm.
type LRNAttr struct {
	Radius            int
	Bias, Alpha, Beta float32
}

func init() {
	graph.Register(graph.Op{Name: "L2Norm", Infer: inferL2Norm, Compile: compileL2Norm},
		graph.Form{Format: graph.TFLite, Op: "L2_NORMALIZATION", Min: 1, Max: 2, DTypes: "float32, int8, uint8", Lower: func(l *graph.Lower) error {
			if l.Attrs().Int(0, "", 0) != 0 {
				return l.Refuse("a fused activation is not supported; none is")
			}
			l.Emit("L2Norm", nil, l.Ins(), l.Outs())
			return nil
		}})
	graph.Register(graph.Op{Name: "LocalResponseNorm", Infer: inferLRN, Compile: compileLRN},
		graph.Form{Format: graph.TFLite, Op: "LOCAL_RESPONSE_NORMALIZATION", Min: 1, Max: 1, DTypes: "float32", Lower: func(l *graph.Lower) error {
			r := l.Attrs().Int(0, "", 0)
			if r < 0 || r > math.MaxInt16 {
				return l.Refuse("a radius of %d is not supported; up to %d is", r, math.MaxInt16)
			}
			l.Emit("LocalResponseNorm", LRNAttr{int(r), l.Attrs().Float(1, "", 0), l.Attrs().Float(2, "", 0), l.Attrs().Float(3, "", 0)}, l.Ins(), l.Outs())
			return nil
		}})
}

func inferL2Norm(c *graph.InferCtx) error {
	if err := inferMap(c, tensor.F32, tensor.S8); err != nil {
		return err
	}
	x, o := c.In(0), c.Out(0)
	if _, ok := rowLength(x); !ok {
		return c.Refuse("needs at least one axis with elements, and works along the last one")
	}
	if x.DType == tensor.S8 && (o.Quant.Scale[0] != 1.0/128 || o.Quant.Zero[0] != 0) {
		return c.Refuse("the int8 output must have scale 1/128 and zero point 0, it has %v and %d", o.Quant.Scale[0], o.Quant.Zero[0])
	}
	return nil
}

func compileL2Norm(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	depth, _ := rowLength(x)
	if x.DType == tensor.F32 {
		return &graph.Kernel{ID: "vec.l2norm/f32/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
			vec.L2NormF32(a.Out[0].F32(), a.In[0].F32(), depth)
			return nil
		}}, nil
	}
	zero, up := x.Quant.Zero[0], x.Shifted
	return &graph.Kernel{ID: "vec.l2norm/s8/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		vec.L2NormS8(a.Out[0].S8(), a.In[0].S8(), depth, zero, up)
		return nil
	}}, nil
}

func inferLRN(c *graph.InferCtx) error {
	if err := inferF32(c); err != nil {
		return err
	}
	if x := c.In(0); len(x.Shape) != 4 || x.Shape[3] == 0 {
		return c.Refuse("needs four axes, the last one not empty; it has %v", x.Shape)
	}
	return nil
}

func compileLRN(c *graph.CompileCtx) (*graph.Kernel, error) {
	p := c.N.Attr.(LRNAttr)
	x := c.In(0)
	depth, _ := rowLength(x)
	span := min(2*p.Radius, depth)
	return &graph.Kernel{ID: "vec.lrn/f32/generic", MACs: int64(product(x.Shape)) * int64(span), Run: func(a *graph.Args) error {
		vec.LocalResponseNorm(a.Out[0].F32(), a.In[0].F32(), depth, p.Radius, p.Bias, p.Alpha, p.Beta)
		return nil
	}}, nil
}
