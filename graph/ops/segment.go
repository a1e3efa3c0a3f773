package ops

import (
	"errors"
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// SegmentAttr is the attribute of Segment, which joins the rows of data by the segment that ids name for each. Rows is the
// number of segments; rows without a segment, which have negative ids, are left out.
type SegmentAttr struct {
	Op   vec.ReduceOp
	Rows int
}

// maxSegments bounds the rows of a segmentation.
const maxSegments = 1 << 16

func init() {
	graph.Register(graph.Op{Name: "Segment", Infer: inferSegment, Compile: compileSegment},
		graph.Form{Format: graph.TFLite, Op: "SEGMENT_SUM", Min: 1, Max: 1, DTypes: "float32, int32", Lower: lowerSegmentSum})
	for name, op := range map[string]vec.ReduceOp{"SUM": vec.ReduceSum, "PROD": vec.ReduceProd, "MAX": vec.ReduceMax, "MIN": vec.ReduceMin} {
		graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "UNSORTED_SEGMENT_" + name, Min: 1, Max: 1, DTypes: "float32, int32", Lower: func(l *graph.Lower) error {
			n, err := constOne(l.NodeCtx, 2, "number of segments")
			if err != nil {
				return err
			}
			if n < 1 || n > maxSegments {
				return l.Refuse("%d segments are not supported; 1 to %d are", n, maxSegments)
			}
			l.Emit("Segment", SegmentAttr{op, n}, l.First(2), l.Outs())
			return nil
		}}.As("Segment"))
	}
}

// lowerSegmentSum needs constant ids, because they say how many rows the result has: they begin with 0 and grow by 0 or 1.
func lowerSegmentSum(l *graph.Lower) error {
	if v := l.In(1); v == nil || v.Const == nil || product(v.Shape) > maxSegments {
		return l.Refuse("the segments are computed at run time or more than %d; only constant segments are supported, they decide the shape of the result", maxSegments)
	}
	ids, ok := l.ConstInts(1)
	if !ok || len(ids) == 0 || ids[0] != 0 {
		return l.Refuse("the segments must be integers that begin with 0")
	}
	for i, id := range ids[1:] {
		if d := id - ids[i]; d != 0 && d != 1 {
			return l.Refuse("segment %d follows segment %d; each must be the one before or the next", id, ids[i])
		}
	}
	l.Emit("Segment", SegmentAttr{vec.ReduceSum, int(ids[len(ids)-1]) + 1}, l.First(2), l.Outs())
	return nil
}

func inferSegment(c *graph.InferCtx) error {
	a := c.N.Attr.(SegmentAttr)
	x, ids := c.In(0), c.In(1)
	if x == nil || ids == nil || len(x.Shape) == 0 || x.Shape[0] > maxSegments || product(x.Shape) == 0 || ids.DType != tensor.S32 || !ids.Shape.Equal(x.Shape[:1]) {
		return c.Refuse("needs data with elements and one int32 segment for each of its rows, up to %d", maxSegments)
	}
	if x.DType != tensor.F32 && x.DType != tensor.S32 {
		return c.Refuse("%s is not supported; float32 and int32 are", x.DType)
	}
	list, _ := c.ConstInts(1)
	for _, id := range list {
		if id >= int64(a.Rows) {
			return c.Refuse("segment %d of %d", id, a.Rows)
		}
	}
	return c.Set(0, x.DType, append(tensor.Shape{a.Rows}, x.Shape[1:]...))
}

var errSegment = errors.New("ops: segment: a row belongs to a segment that the result does not have")

func compileSegment(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SegmentAttr)
	if c.In(0).DType == tensor.S32 {
		return segment[int32]("s32", a, math.MinInt32, math.MaxInt32), nil
	}
	return segment[float32]("f32", a, -math.MaxFloat32, math.MaxFloat32), nil
}

func segment[T int32 | float32](types string, at SegmentAttr, least, most T) *graph.Kernel {
	start := map[vec.ReduceOp]T{vec.ReduceProd: 1, vec.ReduceMax: least, vec.ReduceMin: most}[at.Op]
	return &graph.Kernel{ID: "vec.segment/" + types + "/generic", Run: func(a *graph.Args) error {
		dst := tensor.As[T](a.Out[0].Data, 4)
		for i := range dst {
			dst[i] = start
		}
		if !vec.Segments(dst, tensor.As[T](a.In[0].Data, 4), a.In[1].S32(), at.Rows, at.Op) {
			return errSegment
		}
		return nil
	}}
}
