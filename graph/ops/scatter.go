package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// ScatterNDAttr is the shape of the result.
type ScatterNDAttr struct{ Shape tensor.Shape }

func init() {
	graph.Register(graph.Op{Name: "ScatterND", Infer: inferScatterND, Compile: compileScatterND},
		moveForm("SCATTER_ND", 1, lowerScatterND, "float32, int8, uint8, int32, int64, bool; updates of one point add up; indices int32, int64"))
	graph.Register(graph.Op{Name: "SparseToDense", Infer: inferSparseToDense, Compile: compileSparseToDense},
		moveForm("SPARSE_TO_DENSE", 3, lowerSparseToDense, anyWhole+"; indices int32, int64"))
	graph.Register(graph.Op{Name: "UpdateSlice", Infer: inferUpdateSlice, Compile: compileUpdateSlice},
		moveForm("DYNAMIC_UPDATE_SLICE", 6, func(l *graph.Lower) error {
			l.Emit("UpdateSlice", nil, l.Ins(), l.Outs())
			return nil
		}, anyWhole+"; start indices int32, int64"))
}

func lowerScatterND(l *graph.Lower) error {
	s, err := constShape(l, 2, "shape")
	if err != nil {
		return err
	}
	in := l.First(2)
	in[1] = asInFile(l, in[1])
	emitInFile(l, "ScatterND", ScatterNDAttr{s}, in)
	return nil
}

func inferScatterND(c *graph.InferCtx) error {
	idx, v, shape := c.In(0), c.In(1), c.N.Attr.(ScatterNDAttr).Shape
	if idx == nil || v == nil || len(idx.Shape) == 0 || !indexType(idx.DType) {
		return c.Refuse("needs int32 or int64 indices with at least one axis, and updates")
	}
	switch v.DType {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S32, tensor.S64, tensor.Bool:
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int32, int64 and bool are", v.DType)
	}
	outer := len(idx.Shape) - 1
	d := idx.Shape[outer]
	if d > len(shape) || !v.Shape.Equal(append(append(tensor.Shape{}, idx.Shape[:outer]...), shape[min(d, len(shape)):]...)) {
		return c.Refuse("indices %v and updates %v do not fit the shape %v", idx.Shape, v.Shape, shape)
	}
	keepQuant(v, c.Out(0))
	return c.Set(0, v.DType, shape)
}

func compileScatterND(c *graph.CompileCtx) (*graph.Kernel, error) {
	p := newPoints(c.N.Attr.(ScatterNDAttr).Shape, c.In(0).Shape, 1)
	return &graph.Kernel{ID: "move.scatternd/any/generic", Run: func(a *graph.Args) error {
		idx, up, out, bad := a.In[0], a.In[1], a.Out[0], -1
		clear(out.Data)
		switch out.DType {
		case tensor.F32:
			bad = scatter(out.F32(), up.F32(), idx, p)
		case tensor.S32:
			bad = scatter(out.S32(), up.S32(), idx, p)
		case tensor.S64:
			bad = scatter(out.S64(), up.S64(), idx, p)
		case tensor.Bool:
			switch idx.DType {
			case tensor.S16:
				bad = move.OrPoints(out.Data, up.Data, idx.S16(), p)
			case tensor.S32:
				bad = move.OrPoints(out.Data, up.Data, idx.S32(), p)
			default:
				bad = move.OrPoints(out.Data, up.Data, idx.S64(), p)
			}
		default: // one byte: sums are the same with and without a sign
			bad = scatter(out.Data, up.Data, idx, p)
		}
		if bad >= 0 {
			return fmt.Errorf("ops: scatter: the indices of point %d are outside of %v", bad, p.Dims)
		}
		return nil
	}}, nil
}

func scatter[T move.Number](dst, updates []T, idx *tensor.Tensor, p *move.Points) int {
	if len(updates) == 0 {
		return -1
	}
	switch idx.DType {
	case tensor.S16:
		return move.ScatterPoints(dst, updates, idx.S16(), p)
	case tensor.S32:
		return move.ScatterPoints(dst, updates, idx.S32(), p)
	}
	return move.ScatterPoints(dst, updates, idx.S64(), p)
}

// SparseToDenseAttr is the shape of the result. Inputs are indices (one, a vector of them or one row of them per value), values and
// what the other elements are.
type SparseToDenseAttr struct{ Shape tensor.Shape }

func lowerSparseToDense(l *graph.Lower) error {
	s, err := constShape(l, 1, "output shape")
	if err != nil {
		return err
	}
	in := l.First(4)
	l.Emit("SparseToDense", SparseToDenseAttr{s}, ids(in[0], in[2], in[3]), l.Outs())
	return nil
}

// rowsOf gives indices as one row for each value.
func rowsOf(s tensor.Shape) tensor.Shape {
	if len(s) == 2 {
		return s
	}
	return tensor.Shape{product(s), 1}
}

func inferSparseToDense(c *graph.InferCtx) error {
	idx, v, other, shape := c.In(0), c.In(1), c.In(2), c.N.Attr.(SparseToDenseAttr).Shape
	if idx == nil || v == nil || other == nil || v.DType != other.DType || product(other.Shape) != 1 || len(idx.Shape) > 2 || !indexType(idx.DType) {
		return c.Refuse("needs int32 or int64 indices with up to two axes, values, and one default value of their type")
	}
	rows := rowsOf(idx.Shape)
	if rows[1] != len(shape) || len(v.Shape) > 1 || len(v.Shape) == 1 && v.Shape[0] != rows[0] {
		return c.Refuse("indices %v and values %v do not fit the shape %v", idx.Shape, v.Shape, shape)
	}
	if err := checkWhole(c, v); err != nil {
		return err
	}
	keepQuant(v, c.Out(0))
	return c.Set(0, v.DType, shape)
}

func compileSparseToDense(c *graph.CompileCtx) (*graph.Kernel, error) {
	v := c.In(1)
	size, step := v.DType.Bytes(1), 0
	if len(v.Shape) == 1 {
		step = size
	}
	p := newPoints(c.N.Attr.(SparseToDenseAttr).Shape, rowsOf(c.In(0).Shape), size)
	return &graph.Kernel{ID: "move.sparsetodense/any/generic", Run: func(a *graph.Args) error {
		idx, values, dst, bad := a.In[0], a.In[1].Data, a.Out[0].Data, -1
		fillBytes(dst, a.In[2].Data)
		switch idx.DType {
		case tensor.S16:
			bad = move.PutPoints(dst, values, idx.S16(), p, step)
		case tensor.S32:
			bad = move.PutPoints(dst, values, idx.S32(), p, step)
		case tensor.S64:
			bad = move.PutPoints(dst, values, idx.S64(), p, step)
		}
		if bad >= 0 {
			return fmt.Errorf("ops: sparse to dense: the indices of value %d are outside of %v", bad, p.Dims)
		}
		return nil
	}}, nil
}

func inferUpdateSlice(c *graph.InferCtx) error {
	x, u, start := c.In(0), c.In(1), c.In(2)
	if x == nil || u == nil || start == nil || u.DType != x.DType || len(u.Shape) != len(x.Shape) || len(x.Shape) > maxRank {
		return c.Refuse("needs data and an update of one type and rank, at most %d, and start indices", maxRank)
	}
	if !indexType(start.DType) || len(start.Shape) != 1 || start.Shape[0] != len(x.Shape) {
		return c.Refuse("start indices %s%v do not fit data of rank %d; a vector of int32 or int64 does", start.DType, start.Shape, len(x.Shape))
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	for i, d := range u.Shape {
		if d > x.Shape[i] {
			return c.Refuse("the update %v is larger than the data %v", u.Shape, x.Shape)
		}
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, x.Shape)
}

func compileUpdateSlice(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, u := c.In(0), c.In(1)
	st := contiguous(x.Shape)
	s := newStrided(u.Shape, st, 0, x.DType.Bytes(1))
	room := make([]int64, len(st))
	for i := range room {
		room[i] = int64(x.Shape[i] - u.Shape[i])
	}
	return &graph.Kernel{ID: "move.updateslice/any/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		at := s
		for i := range room {
			at.Base += st[i] * int(min(max(indexAt(a.In[2], i), 0), room[i]))
		}
		copy(a.Out[0].Data, a.In[0].Data)
		at.place(a.Out[0].Data, a.In[1].Data)
		return nil
	}}, nil
}
