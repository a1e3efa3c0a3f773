package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// OneHotAttr puts Depth elements for each index on Axis. Inputs are indices, and the values of the named and of the other elements.
type OneHotAttr struct{ Axis, Depth int }

func init() {
	graph.Register(graph.Op{Name: "OneHot", Infer: inferOneHot, Compile: compileOneHot},
		moveForm("ONE_HOT", 1, lowerOneHot, anyWhole+", indices int32, int64"))
}

func lowerOneHot(l *graph.Lower) error {
	idx := l.In(0)
	if idx == nil || l.In(2) == nil || l.In(3) == nil {
		return l.Refuse("needs indices, depth, on and off values")
	}
	depth, err := constOne(l.NodeCtx, 1, "depth")
	if err != nil {
		return err
	}
	axis, err := axisOf(l, l.Attrs().Int(0, "", 0), len(idx.Shape)+1)
	if err != nil {
		return err
	}
	l.Emit("OneHot", OneHotAttr{axis, depth}, ids(l.N.In[0], l.N.In[2], l.N.In[3]), l.Outs())
	return nil
}

func inferOneHot(c *graph.InferCtx) error {
	idx, on, off := c.In(0), c.In(1), c.In(2)
	a := c.N.Attr.(OneHotAttr)
	if idx == nil || on == nil || off == nil || on.DType != off.DType || product(on.Shape) != 1 || product(off.Shape) != 1 {
		return c.Refuse("needs indices, and two values of one type with one element each")
	}
	if idx.DType != tensor.S32 && idx.DType != tensor.S64 {
		return c.Refuse("indices of %s are not supported; int32 and int64 are", idx.DType)
	}
	if err := checkWhole(c, on); err != nil {
		return err
	}
	if a.Depth < 0 || a.Depth > tensor.MaxElems || a.Axis < 0 || a.Axis > len(idx.Shape) || len(idx.Shape) >= maxRank {
		return c.Refuse("depth %d on axis %d is not supported for indices %v", a.Depth, a.Axis, idx.Shape)
	}
	keepQuant(on, c.Out(0))
	return c.Set(0, on.DType, slices.Insert(slices.Clone(idx.Shape), a.Axis, a.Depth))
}

func compileOneHot(c *graph.CompileCtx) (*graph.Kernel, error) {
	idx := c.In(0)
	attr := c.N.Attr.(OneHotAttr)
	outer, inner := product(idx.Shape[:attr.Axis]), product(idx.Shape[attr.Axis:])
	size := c.In(1).DType.Bytes(1)
	return &graph.Kernel{ID: "move.onehot/any/generic", Run: func(a *graph.Args) error {
		dst, on, off := a.Out[0].Data, a.In[1].Data, a.In[2].Data
		switch size {
		case 1:
			oneHot(dst, on, off, a.In[0], outer, attr.Depth, inner)
		case 2:
			oneHot(tensor.As[uint16](dst, 2), tensor.As[uint16](on, 2), tensor.As[uint16](off, 2), a.In[0], outer, attr.Depth, inner)
		case 4:
			oneHot(tensor.As[uint32](dst, 4), tensor.As[uint32](on, 4), tensor.As[uint32](off, 4), a.In[0], outer, attr.Depth, inner)
		case 8:
			oneHot(tensor.As[uint64](dst, 8), tensor.As[uint64](on, 8), tensor.As[uint64](off, 8), a.In[0], outer, attr.Depth, inner)
		}
		return nil
	}}, nil
}

func oneHot[T any](dst, on, off []T, idx *tensor.Tensor, outer, depth, inner int) {
	if len(dst) == 0 {
		return
	}
	if idx.DType == tensor.S64 {
		move.OneHot(dst, idx.S64(), outer, depth, inner, on[0], off[0])
		return
	}
	move.OneHot(dst, idx.S32(), outer, depth, inner, on[0], off[0])
}
