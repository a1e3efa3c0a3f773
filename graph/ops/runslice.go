package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// runAxis says what a slice takes of one axis: positions from the begin and end vectors, or all of it.
type runAxis struct {
	from      int // index in begin and end; -1 takes all
	step      int // not 0
	extent    int // of the input
	openBegin bool
	openEnd   bool
	drop      bool // takes the one element at begin
}

// resolve clamps as the reference does and returns the first element and the count. With offset, end counts from the start.
func (x *runAxis) resolve(begin, end int64, offset bool) (start, n int) {
	d, step := int64(x.extent), int64(x.step)
	if x.from < 0 {
		return 0, x.extent
	}
	lo, hi := int64(0), d // where a position may lie
	if step < 0 {
		lo, hi = -1, d-1
	}
	place := func(p int64) int64 {
		if p < 0 {
			p += d
		}
		return min(max(p, lo), hi)
	}
	first := place(begin)
	if x.openBegin {
		if first = lo; step < 0 {
			first = hi
		}
	}
	if x.drop {
		if first < 0 || first >= d {
			return 0, 0
		}
		return int(first), 1
	}
	if offset {
		end += first
	}
	last := place(end)
	if x.openEnd {
		if last = hi; step < 0 {
			last = lo
		}
	}
	var count int64
	if step > 0 && last > first {
		count = (last-first-1)/step + 1
	} else if step < 0 && last < first {
		count = (first-last-1)/-step + 1
	}
	if count == 0 {
		return 0, 0
	}
	return int(first), int(count)
}

// RunSliceAttr takes Size[i] elements of axis i from a start that the run computes. Inputs are the data, begin, and for strided slices
// end; without end the positions must lie inside. The run fails when the data asks for another size.
type RunSliceAttr struct {
	Axes   []runAxis
	Size   []int
	Offset bool
}

func init() {
	graph.Register(graph.Op{Name: "RunSlice", Infer: inferRunSlice, Compile: compileRunSlice})
}

func inferRunSlice(c *graph.InferCtx) error {
	x, begin, end := c.In(0), c.In(1), c.In(2)
	a := c.N.Attr.(RunSliceAttr)
	if x == nil || begin == nil || len(a.Axes) != len(x.Shape) || len(a.Size) != len(x.Shape) || len(x.Shape) > maxRank {
		return c.Refuse("needs data and positions for each axis, at most %d", maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	if !indexType(begin.DType) || end != nil && !indexType(end.DType) {
		return c.Refuse("begin and end must be int16, int32 or int64")
	}
	for i, n := range a.Size {
		if k := a.Axes[i].from; k < 0 && n != x.Shape[i] || n < 0 || n > x.Shape[i] || k >= product(begin.Shape) || end != nil && k >= product(end.Shape) {
			return c.Refuse("%d elements of axis %d, which has %d, or a position that is missing", n, i, x.Shape[i])
		}
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, tensor.Shape(a.Size))
}

func compileRunSlice(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	attr := c.N.Attr.(RunSliceAttr)
	in := contiguous(x.Shape)
	size := x.DType.Bytes(1)
	return &graph.Kernel{ID: "move.runslice/any/generic", Run: func(a *graph.Args) error {
		var stride [maxRank]int
		base := 0
		for i := range attr.Axes {
			x := &attr.Axes[i]
			var begin, end int64
			if x.from >= 0 {
				begin = indexAt(a.In[1], x.from)
			}
			start, n := 0, 0
			if len(a.In) > 2 && a.In[2] != nil {
				if x.from >= 0 {
					end = indexAt(a.In[2], x.from)
				}
				start, n = x.resolve(begin, end, attr.Offset)
			} else if n = attr.Size[i]; begin >= 0 && begin <= int64(x.extent-n) {
				start = int(begin)
			} else {
				n = -1
			}
			if n != attr.Size[i] {
				return fmt.Errorf("ops: slice: positions %d and %d on axis %d of extent %d do not give the %d elements that the model states", begin, end, i, x.extent, attr.Size[i])
			}
			base += start * in[i]
			stride[i] = in[i] * x.step
		}
		s := newStrided(attr.Size, stride[:len(attr.Size)], base, size)
		s.copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

// indexAt returns element i of a tensor of indices.
func indexAt(t *tensor.Tensor, i int) int64 {
	switch t.DType {
	case tensor.S16:
		return int64(t.S16()[i])
	case tensor.S32:
		return int64(t.S32()[i])
	}
	return t.S64()[i]
}
