package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// SliceAttr takes Size[i] elements of axis i from Start[i] on, Step[i] apart. Steps may be negative.
type SliceAttr struct{ Start, Step, Size []int }

// MoveAxes implements graph.AxisMover.
func (a SliceAttr) MoveAxes(perm []int) (any, bool) {
	return SliceAttr{inverseAxes(a.Start, perm), inverseAxes(a.Step, perm), inverseAxes(a.Size, perm)}, true
}

// inverseAxes reorders one value per axis from the order after a transpose to that before it.
func inverseAxes(v, perm []int) []int {
	out := make([]int, len(v))
	for i, p := range perm {
		out[p] = v[i]
	}
	return out
}

func init() {
	graph.Register(graph.Op{Name: "Slice", Infer: inferSlice, Compile: compileSlice},
		onnxForm("Slice", 1, lowerSliceONNX, "any"))
	graph.RegisterForm(onnxForm("Split", 2, lowerSplitONNX, "any").As("Slice"))
}

func lowerSliceONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	shape := x.Shape
	starts, ok1, err := attrOrInput(l, "starts", 1)
	if err != nil {
		return err
	}
	ends, ok2, err := attrOrInput(l, "ends", 2)
	if err != nil {
		return err
	}
	axes, _, err := attrOrInput(l, "axes", 3)
	if err != nil {
		return err
	}
	steps, _, err := attrOrInput(l, "steps", 4)
	if err != nil {
		return err
	}
	if !ok1 || !ok2 || len(starts) != len(ends) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return l.Refuse("starts, ends, axes and steps must be given and have one length")
	}
	a := SliceAttr{make([]int, len(shape)), make([]int, len(shape)), make([]int, len(shape))}
	for i, d := range shape {
		a.Step[i], a.Size[i] = 1, d
	}
	for i := range starts {
		ax, step := int64(i), int64(1)
		if axes != nil {
			ax = axes[i]
		}
		if steps != nil {
			step = steps[i]
		}
		k, err := axisOf(l, ax, len(shape))
		if err != nil {
			return err
		}
		if step == 0 || step < math.MinInt32 || step > math.MaxInt32 {
			return l.Refuse("step %d is not supported", step)
		}
		a.Start[k], a.Size[k] = sliceRange(starts[i], ends[i], step, shape[k])
		a.Step[k] = int(step)
	}
	l.Emit("Slice", a, ids(l.N.In[0]), l.Outs())
	return nil
}

// sliceRange clamps as ONNX operator Slice does and returns the first index and the number of elements.
func sliceRange(start, end, step int64, dim int) (int, int) {
	d := int64(dim)
	if start < 0 {
		start = max(start, math.MinInt64+d) + d
	}
	if end < 0 {
		end = max(end, math.MinInt64+d) + d
	}
	n := int64(0)
	if step > 0 {
		start, end = min(max(start, 0), d), min(max(end, 0), d)
		if end > start {
			n = (end - start + step - 1) / step
		}
	} else {
		// Unlike Python, ONNX moves a start before the first element onto it.
		start, end = min(max(start, 0), d-1), min(max(end, -1), d-1)
		if start > end {
			n = (start - end - step - 1) / -step
		}
	}
	if n == 0 {
		start = 0
	}
	return int(start), int(n)
}

func lowerSplitONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	shape := x.Shape
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 0), len(shape))
	if err != nil {
		return err
	}
	sizes, given, err := attrOrInput(l, "split", 1)
	if err != nil {
		return err
	}
	outs := l.Outs()
	if !given {
		n := len(outs)
		if k := l.Attrs().Int(-1, "num_outputs", int64(n)); k != int64(n) {
			return l.Refuse("num_outputs is %d, the node has %d outputs", k, n)
		}
		each := (shape[axis] + n - 1) / n
		for i := range n {
			sizes = append(sizes, int64(min(each, max(0, shape[axis]-i*each))))
		}
	}
	if len(sizes) != len(outs) {
		return l.Refuse("split has %d entries for %d outputs", len(sizes), len(outs))
	}
	at := 0
	for i, o := range outs {
		if sizes[i] < 0 || sizes[i] > int64(shape[axis]-at) {
			return l.Refuse("split %v exceeds axis %d of extent %d", sizes, axis, shape[axis])
		}
		a := SliceAttr{make([]int, len(shape)), make([]int, len(shape)), make([]int, len(shape))}
		for k, d := range shape {
			a.Step[k], a.Size[k] = 1, d
		}
		a.Start[axis], a.Size[axis] = at, int(sizes[i])
		at += int(sizes[i])
		if o != graph.None {
			l.Emit("Slice", a, ids(l.N.In[0]), ids(o))
		}
	}
	if at != shape[axis] {
		return l.Refuse("split %v does not add up to %d", sizes, shape[axis])
	}
	return nil
}

func inferSlice(c *graph.InferCtx) error {
	x := c.In(0)
	a := c.N.Attr.(SliceAttr)
	if x == nil || len(x.Shape) > maxRank || len(a.Start) != len(x.Shape) || len(a.Step) != len(x.Shape) || len(a.Size) != len(x.Shape) {
		return c.Refuse("needs a start, step and size for each axis, at most %d", maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	for i, d := range x.Shape {
		if n := a.Size[i]; n > 0 {
			lo, hi := a.Start[i], a.Start[i]+(n-1)*a.Step[i]
			if min(lo, hi) < 0 || max(lo, hi) >= d {
				return c.Refuse("elements %d to %d are outside of axis %d with extent %d", lo, hi, i, d)
			}
		}
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, tensor.Shape(a.Size))
}

func compileSlice(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	a := c.N.Attr.(SliceAttr)
	in := contiguous(x.Shape)
	base := 0
	st := make([]int, len(in))
	for i := range in {
		base += a.Start[i] * in[i]
		st[i] = a.Step[i] * in[i]
	}
	s := newStrided(a.Size, st, base, x.DType.Bytes(1))
	whole := s.straight() && base == 0 && product(a.Size) == product(x.Shape)
	return &graph.Kernel{ID: "move.slice/any/" + move.ISA(), View: whole, Run: func(a *graph.Args) error {
		s.copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}
