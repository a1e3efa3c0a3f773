package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// GatherAttr is the axis of the data that the indices select from. The first Batch axes of data and indices run along. Wrap lets
// negative indices count from the end.
type GatherAttr struct {
	Axis, Batch int
	Wrap        bool
}

func init() {
	const positions = ", indices int16, int32, int64"
	graph.Register(graph.Op{Name: "Gather", Infer: inferGather, Compile: compileGather},
		moveForm("GATHER", 8, lowerGatherTFLite, anyWhole+positions),
		onnxForm("Gather", 1, lowerGatherONNX, "any, indices int32 or int64"))
	graph.Register(graph.Op{Name: "GatherND", Infer: inferGatherND, Compile: compileGatherND}, moveForm("GATHER_ND", 6, func(l *graph.Lower) error {
		l.Emit("GatherND", nil, l.Ins(), l.Outs())
		return nil
	}, anyWhole+positions))
}

func lowerGatherONNX(l *graph.Lower) error {
	if l.In(0) == nil || l.In(1) == nil {
		return l.Refuse("needs data and indices")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 0), len(l.In(0).Shape))
	if err != nil {
		return err
	}
	l.Emit("Gather", GatherAttr{Axis: axis, Wrap: true}, widenedIns(l), l.Outs())
	return nil
}

func lowerGatherTFLite(l *graph.Lower) error {
	x, idx := l.In(0), l.In(1)
	if x == nil || idx == nil {
		return l.Refuse("needs data and indices")
	}
	axis, err := axisOf(l, l.Attrs().Int(0, "", 0), len(x.Shape))
	if err != nil {
		return err
	}
	batch := l.Attrs().Int(1, "", 0)
	if batch < 0 {
		batch += int64(len(idx.Shape))
	}
	if batch < 0 || batch > int64(axis) {
		return l.Refuse("batch_dims %d with axis %d; 0 up to the axis are supported", batch, axis)
	}
	l.Emit("Gather", GatherAttr{Axis: axis, Batch: int(batch)}, l.Ins(), l.Outs())
	return nil
}

func inferGather(c *graph.InferCtx) error {
	x, idx := c.In(0), c.In(1)
	a := c.N.Attr.(GatherAttr)
	axis := a.Axis
	if x == nil || idx == nil || axis < 0 || axis >= len(x.Shape) || a.Batch < 0 || a.Batch > axis || a.Batch > len(idx.Shape) {
		return c.Refuse("needs data, indices and an axis of the data")
	}
	if !indexType(idx.DType) {
		return c.Refuse("indices are %s; int32 and int64 are supported", idx.DType)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	for i, d := range idx.Shape[:a.Batch] {
		if d != x.Shape[i] {
			return c.Refuse("batch axis %d is %d in the data and %d in the indices", i, x.Shape[i], d)
		}
	}
	if list, ok := c.ConstInts(1); ok {
		least := int64(0)
		if a.Wrap {
			least = -int64(x.Shape[axis])
		}
		for _, i := range list {
			if i < least || i >= int64(x.Shape[axis]) {
				return c.Refuse("index %d is outside of axis %d with extent %d", i, axis, x.Shape[axis])
			}
		}
	}
	out := append(tensor.Shape{}, x.Shape[:axis]...)
	out = append(out, idx.Shape[a.Batch:]...)
	out = append(out, x.Shape[axis+1:]...)
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, out)
}

func compileGather(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, idx := c.In(0), c.In(1)
	a := c.N.Attr.(GatherAttr)
	r := &move.Rows{
		Batch: product(x.Shape[:a.Batch]), Outer: product(x.Shape[a.Batch:a.Axis]), Extent: x.Shape[a.Axis],
		Block: x.DType.Bytes(product(x.Shape[a.Axis+1:])), N: product(idx.Shape[a.Batch:]),
	}
	return &graph.Kernel{ID: "move.gather/any/generic", Run: func(args *graph.Args) error {
		src, idx, dst, bad := args.In[0].Data, args.In[1], args.Out[0].Data, -1
		if len(dst) == 0 {
			return nil
		}
		switch idx.DType {
		case tensor.S16:
			bad = move.Gather(dst, src, idx.S16(), r, a.Wrap)
		case tensor.S32:
			bad = move.Gather(dst, src, idx.S32(), r, a.Wrap)
		case tensor.S64:
			bad = move.Gather(dst, src, idx.S64(), r, a.Wrap)
		}
		if bad >= 0 {
			return fmt.Errorf("ops: gather: index %d is %d, outside of an axis with extent %d", bad, indexAt(idx, bad), r.Extent)
		}
		return nil
	}}, nil
}

// newPoints describes tuples of indices on data of some shape; unit is the bytes or elements that one element counts.
func newPoints(shape, idx tensor.Shape, unit int) *move.Points {
	d := idx[len(idx)-1]
	p := &move.Points{Dims: shape[:d], Block: product(shape[d:]) * unit, N: product(idx[:len(idx)-1])}
	for _, s := range contiguous(shape)[:d] {
		p.Stride = append(p.Stride, s*unit)
	}
	return p
}

func inferGatherND(c *graph.InferCtx) error {
	x, idx := c.In(0), c.In(1)
	if x == nil || idx == nil || len(x.Shape) == 0 || len(idx.Shape) == 0 {
		return c.Refuse("needs data and indices with at least one axis each")
	}
	d := idx.Shape[len(idx.Shape)-1]
	if d > len(x.Shape) || !indexType(idx.DType) {
		return c.Refuse("%d indices of %s for each point of %v; int32 and int64, up to one per axis, are supported", d, idx.DType, x.Shape)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	out := append(tensor.Shape{}, idx.Shape[:len(idx.Shape)-1]...)
	out = append(out, x.Shape[d:]...)
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, out)
}

func compileGatherND(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	p := newPoints(x.Shape, c.In(1).Shape, x.DType.Bytes(1))
	return &graph.Kernel{ID: "move.gathernd/any/generic", Run: func(a *graph.Args) error {
		src, idx, dst, bad := a.In[0].Data, a.In[1], a.Out[0].Data, -1
		if len(dst) == 0 {
			return nil
		}
		switch idx.DType {
		case tensor.S16:
			bad = move.GatherPoints(dst, src, idx.S16(), p)
		case tensor.S32:
			bad = move.GatherPoints(dst, src, idx.S32(), p)
		case tensor.S64:
			bad = move.GatherPoints(dst, src, idx.S64(), p)
		}
		if bad >= 0 {
			return fmt.Errorf("ops: gather: the indices of point %d are outside of %v", bad, p.Dims)
		}
		return nil
	}}, nil
}
