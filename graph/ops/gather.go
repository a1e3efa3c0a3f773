package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// GatherAttr is the axis of the data that the indices select from.
type GatherAttr struct{ Axis int }

func init() {
	graph.Register(graph.Op{Name: "Gather", Infer: inferGather, Compile: compileGather},
		onnxForm("Gather", 1, lowerGatherONNX, "any, indices int32 or int64"))
}

func lowerGatherONNX(l *graph.Lower) error {
	if l.In(0) == nil || l.In(1) == nil {
		return l.Refuse("needs data and indices")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 0), len(l.In(0).Shape))
	if err != nil {
		return err
	}
	l.Emit("Gather", GatherAttr{Axis: axis}, widenedIns(l), l.Outs())
	return nil
}

func inferGather(c *graph.InferCtx) error {
	x, idx := c.In(0), c.In(1)
	axis := c.N.Attr.(GatherAttr).Axis
	if x == nil || idx == nil || axis < 0 || axis >= len(x.Shape) {
		return c.Refuse("needs data, indices and an axis of the data")
	}
	if idx.DType != tensor.S32 && idx.DType != tensor.S64 {
		return c.Refuse("indices are %s; int32 and int64 are supported", idx.DType)
	}
	if x.DType == tensor.S4 {
		return c.Refuse("int4 is not supported; store int8")
	}
	if list, ok := c.ConstInts(1); ok {
		for _, i := range list {
			if i < -int64(x.Shape[axis]) || i >= int64(x.Shape[axis]) {
				return c.Refuse("index %d is outside of axis %d with extent %d", i, axis, x.Shape[axis])
			}
		}
	}
	out := append(tensor.Shape{}, x.Shape[:axis]...)
	out = append(out, idx.Shape...)
	out = append(out, x.Shape[axis+1:]...)
	if o := c.Out(0); o != nil && o.Quant == nil && x.Quant.PerTensor() {
		o.Quant = x.Quant
	}
	return c.Set(0, x.DType, out)
}

func compileGather(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	axis := c.N.Attr.(GatherAttr).Axis
	outer, dim := product(x.Shape[:axis]), x.Shape[axis]
	block := x.DType.Bytes(product(x.Shape[axis+1:]))
	return &graph.Kernel{ID: "vec.gather/any/generic", Run: func(a *graph.Args) error {
		src, dst := a.In[0].Data, a.Out[0].Data
		n := a.In[1].Elems()
		for o := range outer {
			for i := range n {
				k := 0
				if a.In[1].DType == tensor.S64 {
					k = int(min(max(a.In[1].S64()[i], -1<<31), 1<<31-1))
				} else {
					k = int(a.In[1].S32()[i])
				}
				if k < 0 {
					k += dim
				}
				if k < 0 || k >= dim {
					return fmt.Errorf("ops: gather: index %d of the input is outside of an axis with extent %d", i, dim)
				}
				copy(dst[(o*n+i)*block:(o*n+i+1)*block], src[(o*dim+k)*block:(o*dim+k+1)*block])
			}
		}
		return nil
	}}, nil
}
