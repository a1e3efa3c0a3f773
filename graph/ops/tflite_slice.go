package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Forms of TFLite operators that take parts: with constant positions they become Slice, else RunSlice.
func init() {
	const computed = anyWhole + "; begin and end may be computed where the file states the output's shape"
	for _, f := range []graph.Form{
		moveForm("SLICE", 8, lowerSliceTFLite, computed).As("Slice", "RunSlice"),
		moveForm("STRIDED_SLICE", 8, lowerStridedSlice, computed).As("Slice", "RunSlice", "Reshape"),
		moveForm("SPLIT", 5, lowerSplitTFLite, anyWhole).As("Slice"),
		moveForm("SPLIT_V", 3, lowerSplitV, anyWhole).As("Slice"),
		moveForm("REVERSE_V2", 4, lowerReverse, anyWhole).As("Slice"),
	} {
		graph.RegisterForm(f)
	}
}

// wholeSlice takes all of a shape.
func wholeSlice(shape tensor.Shape) SliceAttr {
	a := SliceAttr{make([]int, len(shape)), make([]int, len(shape)), slices.Clone([]int(shape))}
	for i := range a.Step {
		a.Step[i] = 1
	}
	return a
}

// partOf takes n elements of one axis and all of the others.
func partOf(shape tensor.Shape, axis, start, n int) SliceAttr {
	a := wholeSlice(shape)
	a.Start[axis], a.Size[axis] = start, n
	return a
}

func lowerSliceTFLite(l *graph.Lower) error {
	x, begin, size := l.In(0), l.In(1), l.In(2)
	if x == nil || begin == nil || size == nil {
		return l.Refuse("needs data, begin and size")
	}
	rank := len(x.Shape)
	if product(begin.Shape) != rank || product(size.Shape) != rank {
		return l.Refuse("begin %v and size %v do not fit an input of rank %d", begin.Shape, size.Shape, rank)
	}
	if begin.Const == nil || size.Const == nil {
		return lowerComputedSlice(l)
	}
	start, err := constVec(l.NodeCtx, 1, "begin")
	if err != nil {
		return err
	}
	n, err := constVec(l.NodeCtx, 2, "size")
	if err != nil {
		return err
	}
	a := wholeSlice(x.Shape)
	for i, d := range x.Shape {
		if start[i] < 0 || start[i] > d || n[i] < -1 || n[i] > d-start[i] {
			return l.Refuse("begin %v and size %v leave the input's shape %v", start, n, x.Shape)
		}
		if n[i] == -1 {
			n[i] = d - start[i]
		}
		a.Start[i], a.Size[i] = start[i], n[i]
	}
	l.Emit("Slice", a, ids(l.N.In[0]), l.Outs())
	return nil
}

// lowerComputedSlice is SLICE with a begin or size that the run computes: the output's shape comes from a constant size, or from the file.
func lowerComputedSlice(l *graph.Lower) error {
	shape := l.In(0).Shape
	rank := len(shape)
	if rank > maxRank {
		return l.Refuse("more than %d axes are not supported", maxRank)
	}
	want, known := declared(l.NodeCtx, rank)
	want = slices.Clone(want)
	if n, ok := l.ConstInts(2); ok {
		if !known {
			want, known = make(tensor.Shape, rank), true
		}
		for i, v := range n {
			if v < -1 || v > int64(shape[i]) {
				return l.Refuse("size %v leaves the input's shape %v", n, shape)
			}
			known = known && (v >= 0 || want[i] > 0)
			if v >= 0 {
				want[i] = int(v)
			}
		}
	}
	if !known {
		return l.Refuse("begin (input 1) and size (input 2) depend on data of the run and decide the output's shape; make the size a constant without -1")
	}
	a := RunSliceAttr{Size: want}
	for i := range rank {
		a.Axes = append(a.Axes, runAxis{from: i, step: 1, extent: shape[i]})
	}
	l.Emit("RunSlice", a, l.First(2), l.Outs())
	return nil
}

// stridedSpec is the reading of STRIDED_SLICE's masks: one entry per axis of the input with its new axes.
type stridedSpec struct {
	axes   []runAxis
	step   []int
	extend []int // the input's shape with new axes of 1
	result []int // which axes stay in the result, in order
}

// newStridedSpec applies the ellipsis and the masks for n positions on an input. An ellipsis stands for as many axes as the positions
// leave; positions that are missing at the end take all.
func newStridedSpec(l *graph.Lower, shape tensor.Shape, step []int) (*stridedSpec, error) {
	const slotBegin, slotEnd, slotEllipsis, slotNew, slotShrink = 0, 1, 2, 3, 4
	mask := func(slot, i int) bool { return l.Attrs().Int(slot, "", 0)>>i&1 != 0 }
	n := len(step)
	added, ellipsis := 0, -1
	for i := range n {
		switch {
		case mask(slotEllipsis, i) && ellipsis >= 0:
			return nil, l.Refuse("more than one ellipsis is not supported")
		case mask(slotEllipsis, i):
			ellipsis = i
		case mask(slotNew, i):
			added++
		}
	}
	named := n - added // axes of the input with a position
	if ellipsis >= 0 {
		named--
	}
	if ellipsis >= 0 && named == len(shape) {
		return nil, l.Refuse("an ellipsis that stands for no axis is not supported; leave it out")
	}
	if named > len(shape) || len(shape)+added > maxRank {
		return nil, l.Refuse("%d positions for an input of rank %d; up to %d axes are supported", n, len(shape), maxRank)
	}
	s := &stridedSpec{}
	all := func(d int) {
		s.result = append(s.result, len(s.axes))
		s.axes, s.step, s.extend = append(s.axes, runAxis{from: -1, step: 1, extent: d}), append(s.step, 1), append(s.extend, d)
	}
	at := 0
	for i := range n {
		switch {
		case i == ellipsis:
			for range len(shape) - named {
				all(shape[at])
				at++
			}
		case mask(slotNew, i):
			all(1)
		default:
			if step[i] == 0 {
				return nil, l.Refuse("stride 0 of position %d", i)
			}
			if !mask(slotShrink, i) {
				s.result = append(s.result, len(s.axes))
			} else if step[i] < 0 {
				return nil, l.Refuse("position %d drops its axis and has the stride %d; strides above 0 are supported there", i, step[i])
			}
			s.axes = append(s.axes, runAxis{from: i, step: step[i], extent: shape[at], openBegin: mask(slotBegin, i), openEnd: mask(slotEnd, i), drop: mask(slotShrink, i)})
			s.step, s.extend = append(s.step, step[i]), append(s.extend, shape[at])
			at++
		}
	}
	for ; at < len(shape); at++ {
		all(shape[at])
	}
	return s, nil
}

func lowerStridedSlice(l *graph.Lower) error {
	x, begin, end, strides := l.In(0), l.In(1), l.In(2), l.In(3)
	if x == nil || begin == nil || end == nil || strides == nil {
		return l.Refuse("needs data, begin, end and strides")
	}
	step, err := constVec(l.NodeCtx, 3, "strides")
	if err != nil {
		return err
	}
	if n := len(step); n > 31 || product(begin.Shape) != n || product(end.Shape) != n {
		return l.Refuse("begin %v, end %v and strides %v differ in length", begin.Shape, end.Shape, strides.Shape)
	}
	s, err := newStridedSpec(l, x.Shape, step)
	if err != nil {
		return err
	}
	offset := l.Attrs().Int(5, "", 0) != 0
	in, q := l.N.In[0], x.Quant
	final := make([]int, len(s.result))
	if begin.Const == nil || end.Const == nil {
		want, ok := declared(l.NodeCtx, len(s.result))
		if !ok {
			return l.Refuse("begin (input 1) and end (input 2) depend on data of the run and decide the output's shape, which the file leaves open; make them constants")
		}
		size := slices.Repeat([]int{1}, len(s.axes))
		for k, i := range s.result {
			size[i], final[k] = want[k], want[k]
		}
		if len(s.extend) != len(x.Shape) {
			in = reshaped(l, "axes", in, q, s.extend)
		}
		out := l.Temp("slice", q)
		l.Emit("RunSlice", RunSliceAttr{Axes: s.axes, Size: size, Offset: offset}, ids(in, l.N.In[1], l.N.In[2]), ids(out))
		l.Emit("Reshape", ReshapeAttr{final}, ids(out), l.Outs())
		return nil
	}
	from, err := constVec(l.NodeCtx, 1, "begin")
	if err != nil {
		return err
	}
	to, err := constVec(l.NodeCtx, 2, "end")
	if err != nil {
		return err
	}
	a := SliceAttr{Step: s.step}
	for _, x := range s.axes {
		b, e := int64(0), int64(0)
		if x.from >= 0 {
			b, e = int64(from[x.from]), int64(to[x.from])
		}
		start, n := x.resolve(b, e, offset)
		if x.drop && n != 1 {
			return l.Refuse("position %d takes element %d of an axis with extent %d", x.from, b, x.extent)
		}
		a.Start, a.Size = append(a.Start, start), append(a.Size, n)
	}
	for k, i := range s.result {
		final[k] = a.Size[i]
	}
	if len(s.extend) != len(x.Shape) {
		in = reshaped(l, "axes", in, q, s.extend)
	}
	out := l.N.Out[0]
	if len(final) != len(a.Size) {
		out = l.Temp("slice", q)
	}
	l.Emit("Slice", a, ids(in), ids(out))
	if len(final) != len(a.Size) {
		l.Emit("Reshape", ReshapeAttr{final}, ids(out), l.Outs())
	}
	return nil
}

// reshaped emits a Reshape and returns its result.
func reshaped(l *graph.Lower, name string, in graph.ValueID, q *tensor.Quant, shape []int) graph.ValueID {
	t := l.Temp(name, q)
	l.Emit("Reshape", ReshapeAttr{shape}, ids(in), ids(t))
	return t
}

func lowerSplitTFLite(l *graph.Lower) error {
	x := l.In(1)
	if x == nil {
		return l.Refuse("needs an axis and data")
	}
	v, err := constOne(l.NodeCtx, 0, "axis")
	if err != nil {
		return err
	}
	axis, err := axisOf(l, int64(v), len(x.Shape))
	if err != nil {
		return err
	}
	n := len(l.N.Out)
	if k := l.Attrs().Int(0, "", 0); k != int64(n) || n == 0 || x.Shape[axis]%n != 0 {
		return l.Refuse("num_splits is %d, the node has %d outputs, axis %d has the extent %d", k, n, axis, x.Shape[axis])
	}
	return emitSplit(l, 1, axis, slices.Repeat([]int{x.Shape[axis] / n}, n))
}

func lowerSplitV(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	sizes, err := constVec(l.NodeCtx, 1, "size_splits")
	if err != nil {
		return err
	}
	v, err := constOne(l.NodeCtx, 2, "axis")
	if err != nil {
		return err
	}
	axis, err := axisOf(l, int64(v), len(x.Shape))
	if err != nil {
		return err
	}
	if len(sizes) != len(l.N.Out) {
		return l.Refuse("size_splits has %d entries for %d outputs", len(sizes), len(l.N.Out))
	}
	open, sum := -1, 0
	for i, n := range sizes {
		switch {
		case n == -1 && open < 0:
			open = i
		case n < 0 || n > x.Shape[axis]-sum:
			return l.Refuse("size_splits %v do not fit an axis of %d", sizes, x.Shape[axis])
		default:
			sum += n
		}
	}
	if open >= 0 {
		sizes[open] = x.Shape[axis] - sum
	} else if sum != x.Shape[axis] {
		return l.Refuse("size_splits %v do not add up to %d", sizes, x.Shape[axis])
	}
	return emitSplit(l, 0, axis, sizes)
}

// emitSplit cuts input i along an axis into the node's outputs.
func emitSplit(l *graph.Lower, i, axis int, sizes []int) error {
	shape, at := l.In(i).Shape, 0
	for k, n := range sizes {
		l.Emit("Slice", partOf(shape, axis, at, n), ids(l.N.In[i]), ids(l.N.Out[k]))
		at += n
	}
	return nil
}

func lowerReverse(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	list, err := constVec(l.NodeCtx, 1, "axes")
	if err != nil {
		return err
	}
	a := wholeSlice(x.Shape)
	for _, v := range list {
		axis, err := axisOf(l, int64(v), len(x.Shape))
		if err != nil {
			return err
		}
		if a.Step[axis] < 0 {
			return l.Refuse("axis %d is listed twice", v)
		}
		if x.Shape[axis] > 0 {
			a.Start[axis], a.Step[axis] = x.Shape[axis]-1, -1
		}
	}
	l.Emit("Slice", a, l.First(1), l.Outs())
	return nil
}
