package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// ExpandAttr is the shape to broadcast to.
type ExpandAttr struct{ Shape tensor.Shape }

// TileAttr is how often each axis is repeated.
type TileAttr struct{ Times []int }

func init() {
	graph.Register(graph.Op{Name: "Expand", Infer: inferExpand, Compile: compileExpand},
		graph.Form{Format: graph.TFLite, Op: "BROADCAST_TO", Min: 2, Max: 4, DTypes: anyWhole, Lower: lowerBroadcastTo},
		moveForm("FILL", 5, lowerFill, anyWhole+"; the value may be computed"),
		moveForm("ZEROS_LIKE", 1, lowerZerosLike, anyWhole))
	graph.Register(graph.Op{Name: "Tile", Infer: inferTile, Compile: compileTile}, moveForm("TILE", 3, lowerTile, anyWhole))
	graph.Register(graph.Op{Name: "BroadcastArgs", Infer: inferBroadcastArgs, Compile: compileBroadcastArgs},
		graph.Form{Format: graph.TFLite, Op: "BROADCAST_ARGS", Min: 1, Max: 1, DTypes: "int32, int64"})
}

// constShape reads a shape from constant input i.
func constShape(l *graph.Lower, i int, what string) (tensor.Shape, error) {
	v, err := constVec(l.NodeCtx, i, what)
	if err != nil {
		return nil, err
	}
	s := tensor.Shape(v)
	if _, err := s.Elems(); err != nil || len(s) > maxRank {
		return nil, l.Refuse("%s %v is not valid; up to %d axes and %d elements are supported", what, v, maxRank, tensor.MaxElems)
	}
	return s, nil
}

func lowerBroadcastTo(l *graph.Lower) error {
	s, err := constShape(l, 1, "shape")
	if err != nil {
		return err
	}
	l.Emit("Expand", ExpandAttr{s}, l.First(1), l.Outs())
	return nil
}

func lowerFill(l *graph.Lower) error {
	s, err := constShape(l, 0, "dims")
	if err != nil {
		return err
	}
	v := l.In(1)
	if v == nil || product(v.Shape) != 1 || len(v.Shape) > 0 {
		return l.Refuse("the value must be a scalar")
	}
	l.Emit("Expand", ExpandAttr{s}, ids(l.N.In[1]), l.Outs())
	return nil
}

func lowerZerosLike(l *graph.Lower) error {
	x, o := l.In(0), l.Out(0)
	if x == nil || o == nil || x.DType == tensor.S4 {
		return l.Refuse("needs one input of whole bytes and one output")
	}
	t, err := tensor.New(x.DType, tensor.Shape{})
	if err != nil {
		return err
	}
	if o.Shifted {
		t.Data[0] = 0x80 // zero in the file's uint8
	}
	s := x.Shape
	l.Emit("Expand", ExpandAttr{s}, ids(l.Constant("zero", t)), l.Outs())
	return nil
}

func inferExpand(c *graph.InferCtx) error {
	x, to := c.In(0), c.N.Attr.(ExpandAttr).Shape
	if x == nil || len(to) > maxRank {
		return c.Refuse("needs an input, and at most %d axes", maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	if s, ok := broadcastShape(x.Shape, to); !ok || !s.Equal(to) {
		return c.Refuse("%v does not broadcast to %v", x.Shape, to)
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, to)
}

func compileExpand(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, to := c.In(0), c.N.Attr.(ExpandAttr).Shape
	size := x.DType.Bytes(1)
	if product(x.Shape) == 1 {
		return &graph.Kernel{ID: "move.fill/any/generic", Run: func(a *graph.Args) error {
			fillBytes(a.Out[0].Data, a.In[0].Data)
			return nil
		}}, nil
	}
	s := newStrided(to, broadcastStrides(x.Shape, to), 0, size)
	return &graph.Kernel{ID: "move.expand/any/generic", View: s.straight(), Run: func(a *graph.Args) error {
		s.copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

func lowerTile(l *graph.Lower) error {
	t, err := constVec(l.NodeCtx, 1, "multiples")
	if err != nil {
		return err
	}
	l.Emit("Tile", TileAttr{t}, l.First(1), l.Outs())
	return nil
}

func inferTile(c *graph.InferCtx) error {
	x, times := c.In(0), c.N.Attr.(TileAttr).Times
	if x == nil || len(times) != len(x.Shape) || len(times) > maxRank {
		return c.Refuse("multiples %v do not fit the input; up to %d axes are supported", times, maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	shape := make(tensor.Shape, len(times))
	for i, n := range times {
		if n < 0 || x.Shape[i] > 0 && n > tensor.MaxElems/x.Shape[i] {
			return c.Refuse("multiples %v of %v; each must be 0 or more and the result have at most %d elements", times, x.Shape, tensor.MaxElems)
		}
		shape[i] = n * x.Shape[i]
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, shape)
}

func compileTile(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, times := c.In(0), c.N.Attr.(TileAttr).Times
	var dims, st []int
	for i, s := range contiguous(x.Shape) {
		dims, st = append(dims, times[i], x.Shape[i]), append(st, 0, s)
	}
	s := newStrided(dims, st, 0, x.DType.Bytes(1))
	return &graph.Kernel{ID: "move.tile/any/generic", View: s.straight(), Run: func(a *graph.Args) error {
		s.copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

func inferBroadcastArgs(c *graph.InferCtx) error {
	a, b := c.In(0), c.In(1)
	if a == nil || b == nil || a.DType != b.DType || a.DType != tensor.S32 && a.DType != tensor.S64 || len(a.Shape) != 1 || len(b.Shape) != 1 {
		return c.Refuse("needs two shapes as vectors of int32 or of int64")
	}
	return c.Set(0, a.DType, tensor.Shape{max(a.Shape[0], b.Shape[0])})
}

func compileBroadcastArgs(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "move.broadcastargs/int/generic", Run: func(a *graph.Args) error {
		x, y, o := a.In[0], a.In[1], a.Out[0]
		n := o.Shape[0]
		for i := range n {
			dx, dy := int64(1), int64(1)
			if k := i - n + x.Shape[0]; k >= 0 {
				dx = indexAt(x, k)
			}
			if k := i - n + y.Shape[0]; k >= 0 {
				dy = indexAt(y, k)
			}
			switch {
			case dx == 1:
				dx = dy
			case dy != 1 && dx != dy:
				return fmt.Errorf("ops: broadcast args: axis %d is %d in one shape and %d in the other", i, dx, dy)
			}
			if o.DType == tensor.S32 {
				o.S32()[i] = int32(dx)
			} else {
				o.S64()[i] = dx
			}
		}
		return nil
	}}, nil
}
