package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Forms of ONNX operators that reduce, normalize or pad along axes and become operators of other files.
func init() {
	graph.RegisterForm(onnxForm("ReduceMean", 1, lowerReduceMean, "float32").As("Mean"))
	graph.RegisterForm(onnxForm("Softmax", 1, lowerSoftmaxONNX, "float32").As("Softmax"))
	graph.RegisterForm(onnxForm("Pad", 2, lowerPadONNX, "float32").As("Pad"))
}

// MoveAxes implements graph.AxisMover for a reduction that keeps its axes.
func (a ReduceAttr) MoveAxes(perm []int) (any, bool) {
	if !a.Keep {
		return nil, false
	}
	b := a
	b.Axes = make([]int, len(a.Axes))
	for i, x := range a.Axes {
		b.Axes[i] = perm[x]
	}
	return b, true
}

// MoveAxes implements graph.AxisMover.
func (a ConcatAttr) MoveAxes(perm []int) (any, bool) {
	if a.Axis < 0 || a.Axis >= len(perm) {
		return nil, false
	}
	a.Axis = perm[a.Axis]
	return a, true
}

// MoveAxes implements graph.AxisMover.
func (a PadAttr) MoveAxes(perm []int) (any, bool) {
	if len(a.Before) != len(perm) || len(a.After) != len(perm) {
		return nil, false
	}
	a.Before, a.After = inverseAxes(a.Before, perm), inverseAxes(a.After, perm)
	if a.Inner != nil {
		a.Inner = inverseAxes(a.Inner, perm)
	}
	return a, true
}

func lowerReduceMean(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	list, ok, err := attrOrInput(l, "axes", 1)
	if err != nil {
		return err
	}
	axes, err := axesOf(l, list, len(x.Shape))
	if err != nil {
		return err
	}
	if !ok || len(axes) == 0 {
		if l.Attrs().Int(-1, "noop_with_empty_axes", 0) != 0 {
			emitReshape(l, l.N.In[0], l.N.Out[0], x.Shape)
			return nil
		}
		for i := range x.Shape {
			axes = append(axes, i)
		}
	}
	emitReduce(l, "Mean", axes, l.N.In[0])
	return nil
}

// emitReduce reduces along axes. Axes that are dropped are kept first, so that passes may move a transpose through the reduction.
func emitReduce(l *graph.Lower, op string, axes []int, in graph.ValueID) {
	if l.Attrs().Int(-1, "keepdims", 1) != 0 {
		l.Emit(op, ReduceAttr{Axes: axes, Keep: true}, ids(in), l.Outs())
		return
	}
	t := l.Temp("reduced", nil)
	l.Emit(op, ReduceAttr{Axes: axes, Keep: true}, ids(in), ids(t))
	shape := tensor.Shape{}
	for i, d := range l.G.Values[in].Shape {
		if !slices.Contains(axes, i) {
			shape = append(shape, d)
		}
	}
	emitReshape(l, t, l.N.Out[0], shape)
}

func lowerSoftmaxONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 || len(x.Shape) == 0 {
		return l.Refuse("only float32 with at least one axis is supported")
	}
	shape := x.Shape
	if l.Version() >= 13 {
		axis, err := axisOf(l, l.Attrs().Int(-1, "axis", -1), len(shape))
		if err != nil {
			return err
		}
		return emitSoftmax(l, shape, axis)
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 1), len(shape)) // all axes from here on are one
	if err != nil {
		return err
	}
	if axis == len(shape)-1 {
		return emitSoftmax(l, shape, axis)
	}
	a, b := l.Temp("matrix", nil), l.Temp("softmax", nil)
	l.Emit("Reshape", ReshapeAttr{Shape: []int{product(shape[:axis]), product(shape[axis:])}}, ids(l.N.In[0]), ids(a))
	l.Emit("Softmax", SoftmaxAttr{Axis: 1, Beta: 1}, ids(a), ids(b))
	l.Emit("Reshape", ReshapeAttr{Shape: shape}, ids(b), l.Outs())
	return nil
}

// emitSoftmax works along one axis; others than the last are moved there and back.
func emitSoftmax(l *graph.Lower, shape tensor.Shape, axis int) error {
	last := len(shape) - 1
	if axis == last {
		l.Emit("Softmax", SoftmaxAttr{Axis: last, Beta: 1}, ids(l.N.In[0]), l.Outs())
		return nil
	}
	perm := make([]int, len(shape)) // swaps two axes, so it is its own inverse
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[last] = last, axis
	a, b := l.Temp("moved", nil), l.Temp("softmax", nil)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(l.N.In[0]), ids(a))
	l.Emit("Softmax", SoftmaxAttr{Axis: last, Beta: 1}, ids(a), ids(b))
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(b), l.Outs())
	return nil
}

func lowerPadONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	if m := l.Attrs().String(-1, "mode", "constant"); m != "constant" {
		return l.Refuse("mode %q is not supported; constant is", m)
	}
	rank := len(x.Shape)
	pads, ok, err := attrOrInput(l, "pads", 1)
	if err != nil {
		return err
	}
	axes := make([]int, rank)
	for i := range axes {
		axes[i] = i
	}
	if l.In(3) != nil {
		list, ok := l.ConstInts(3)
		if !ok {
			return l.Refuse("axes are computed at run time; only constant axes are supported")
		}
		if axes, err = axesOf(l, list, rank); err != nil {
			return err
		}
	}
	if !ok || len(pads) != 2*len(axes) {
		return l.Refuse("pads has %d values for %d axes", len(pads), len(axes))
	}
	a := PadAttr{Before: make([]int, rank), After: make([]int, rank)}
	for i, ax := range axes {
		lo, hi := pads[i], pads[len(axes)+i]
		if lo < 0 || hi < 0 || lo > tensor.MaxElems || hi > tensor.MaxElems {
			return l.Refuse("pads %v are not supported; use Slice to crop", pads)
		}
		a.Before[ax], a.After[ax] = int(lo), int(hi)
	}
	value := graph.None
	if l.Version() < 11 {
		if v := l.Attrs().Float(-1, "value", 0); v != 0 {
			value = floats(l, "value", nil, v)
		}
	} else if l.In(2) != nil {
		if v, ok := l.ConstF32(2); !ok || len(v) != 1 {
			return l.Refuse("the padding value must be a constant float scalar")
		}
		value = widened(l, l.N.In[2])
	}
	l.Emit("Pad", a, ids(l.N.In[0], value), l.Outs())
	return nil
}
