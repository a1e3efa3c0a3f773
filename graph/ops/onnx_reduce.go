package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Forms of ONNX operators that reduce, normalize or pad along axes and become operators of other files.
func init() {
	for _, f := range []struct {
		op, neutral   string
		before, after string // operators of one input around the reduction
		types         string
	}{
		{op: "ReduceMean", neutral: "Mean", types: "float32"},
		{op: "ReduceSum", neutral: "Sum", types: "float32, int32, int64"},
		{op: "ReduceProd", neutral: "ReduceProd", types: "float32, int32, int64"},
		{op: "ReduceMax", neutral: "ReduceMax", types: "float32, int32, int64"},
		{op: "ReduceMin", neutral: "ReduceMin", types: "float32, int32, int64"},
		{op: "ReduceL1", neutral: "Sum", before: "Abs", types: "float32"},
		{op: "ReduceL2", neutral: "Sum", before: "Square", after: "Sqrt", types: "float32"},
		{op: "ReduceSumSquare", neutral: "Sum", before: "Square", types: "float32"},
		{op: "ReduceLogSum", neutral: "Sum", after: "Log", types: "float32"},
	} {
		as := []string{}
		for _, name := range []string{f.before, f.neutral, f.after} {
			if name != "" {
				as = append(as, name)
			}
		}
		graph.RegisterForm(onnxForm(f.op, 1, func(l *graph.Lower) error { return lowerReduceONNX(l, f.before, f.neutral, f.after, f.types) }, f.types).As(as...))
	}
	graph.RegisterForm(onnxForm("ReduceLogSumExp", 1, lowerLogSumExp, "float32").As("ReduceMax", "Sub", "Exp", "Sum", "Log", "Add"))
	for _, op := range []string{"ArgMax", "ArgMin"} {
		graph.RegisterForm(onnxForm(op, 1, lowerArgExtremeONNX, "float32, int8, uint8, int32").As(op))
	}
	graph.RegisterForm(onnxForm("CumSum", 11, lowerCumSumONNX, "float32, int32, int64").As("CumSum"))
	graph.RegisterForm(onnxForm("TopK", 10, lowerTopKONNX, "float32; int8 to int64 and uint8 for the largest").As("TopK", "Neg", "Cast"))
	graph.RegisterForm(onnxForm("LogSoftmax", 1, lowerSoftmaxONNX, "float32").As("LogSoftmax"))
	graph.RegisterForm(onnxForm("InstanceNormalization", 6, lowerInstanceNorm, "float32").As("Mean", "Sub", "Square", "Add", "Rsqrt", "Mul"))
	graph.RegisterForm(onnxForm("GroupNormalization", 21, lowerInstanceNorm, "float32").As("Mean", "Sub", "Square", "Add", "Rsqrt", "Mul", "Reshape"))
	graph.RegisterForm(onnxForm("Softmax", 1, lowerSoftmaxONNX, "float32").As("Softmax"))
	graph.RegisterForm(onnxForm("Pad", 2, lowerPadONNX, anyWhole).As("Pad", "MirrorPad", "Gather", "Slice"))
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

// reduceAxes returns the axes of an ONNX reduction; none when it does nothing.
func reduceAxes(l *graph.Lower) ([]int, error) {
	x := l.In(0)
	list, ok, err := attrOrInput(l, "axes", 1)
	if err != nil {
		return nil, err
	}
	axes, err := axesOf(l, list, len(x.Shape))
	if err != nil || ok && len(axes) > 0 || l.Attrs().Int(-1, "noop_with_empty_axes", 0) != 0 {
		return axes, err
	}
	for i := range x.Shape {
		axes = append(axes, i)
	}
	return axes, nil
}

// lowerReduceONNX reduces along axes, between two operators of one input that may be missing.
func lowerReduceONNX(l *graph.Lower, before, op, after, types string) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 && (types == "float32" || x.DType != tensor.S32 && x.DType != tensor.S64) {
		return l.Refuse("only %s is supported", types)
	}
	axes, err := reduceAxes(l)
	if err != nil {
		return err
	}
	in, out := l.N.In[0], l.N.Out[0]
	if before != "" {
		t := l.Temp("before", nil)
		l.Emit(before, nil, ids(in), ids(t))
		in = t
	}
	if after != "" {
		out = l.Temp("reduced", nil)
	}
	if len(axes) == 0 {
		emitReshape(l, in, out, l.In(0).Shape)
	} else {
		emitReduce(l, op, axes, in, out)
	}
	if after != "" {
		l.Emit(after, nil, ids(out), l.Outs())
	}
	return nil
}

// lowerLogSumExp takes the largest value out of the exponents.
func lowerLogSumExp(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	axes, err := reduceAxes(l)
	if err != nil {
		return err
	}
	in := l.N.In[0]
	a := ReduceAttr{Axes: axes, Keep: true}
	most := step(l, "ReduceMax", a, in)
	exp := step(l, "Exp", nil, step(l, "Sub", BinaryAttr{}, in, most))
	kept := step(l, "Add", BinaryAttr{}, step(l, "Log", nil, step(l, "Sum", a, exp)), most)
	emitReshape(l, kept, l.N.Out[0], reducedShape(l, axes, in))
	return nil
}

func lowerArgExtremeONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs an input")
	}
	if l.Attrs().Int(-1, "select_last_index", 0) != 0 {
		return l.Refuse("select_last_index = 1 is not supported; 0 is")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 0), len(x.Shape))
	if err != nil {
		return err
	}
	t := l.Temp("places", nil)
	l.Emit(l.N.Src.Op, ArgExtremeAttr{Axis: axis, Type: tensor.S64}, ids(l.N.In[0]), ids(t))
	emitReshape(l, t, l.N.Out[0], reducedShape(l, []int{axis}, l.N.In[0]))
	return nil
}

func lowerCumSumONNX(l *graph.Lower) error {
	axis, err := constAxis(l)
	if err != nil {
		return err
	}
	at := l.Attrs()
	l.Emit("CumSum", CumSumAttr{axis, at.Int(-1, "exclusive", 0) != 0, at.Int(-1, "reverse", 0) != 0}, l.First(1), l.Outs())
	return nil
}

// lowerTopKONNX moves the axis to the end and back; the smallest are the largest of the negated.
func lowerTopKONNX(l *graph.Lower) error {
	k, err := constOne(l.NodeCtx, 1, "number of values")
	if err != nil {
		return err
	}
	x := l.In(0)
	if x == nil || len(l.N.Out) > 2 {
		return l.Refuse("needs an input and at most two outputs")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", -1), len(x.Shape))
	if err != nil {
		return err
	}
	if k < 0 || k > x.Shape[axis] {
		return l.Refuse("%d values of axis %d with extent %d", k, axis, x.Shape[axis])
	}
	least := l.Attrs().Int(-1, "largest", 1) == 0
	if least && x.DType != tensor.F32 {
		return l.Refuse("the smallest of %s are not supported; of float32 they are", x.DType)
	}
	perm := swapped(axis, len(x.Shape)-1, len(x.Shape))
	in := step(l, graph.TransposeOp, graph.TransposeAttr{Perm: perm}, l.N.In[0])
	if least {
		in = step(l, "Neg", nil, in)
	}
	values, places := l.Temp("values", nil), l.Temp("places", nil)
	l.Emit("TopK", TopKAttr{k}, ids(in), ids(values, places))
	if least {
		values = step(l, "Neg", nil, values)
	}
	places = step(l, "Cast", CastAttr{To: tensor.S64}, places)
	for i, v := range []graph.ValueID{values, places} {
		if i < len(l.N.Out) && l.N.Out[i] != graph.None {
			l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(v), ids(l.N.Out[i]))
		}
	}
	return nil
}

// swapped is the order of axes with two of them swapped, which is its own inverse.
func swapped(a, b, rank int) []int {
	perm := make([]int, rank)
	for i := range perm {
		perm[i] = i
	}
	perm[a], perm[b] = b, a
	return perm
}

// lowerInstanceNorm normalizes every channel, or every group of channels, of every sample.
func lowerInstanceNorm(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 || len(x.Shape) < 3 || len(x.Shape) > maxRank-1 || product(x.Shape) == 0 {
		return l.Refuse("needs float32 with a batch, channels and at least one more axis")
	}
	in, whole, channels := l.N.In[0], x.Shape, x.Shape[1]
	axes := []int{}
	for i := 2; i < len(whole); i++ {
		axes = append(axes, i)
	}
	if l.N.Src.Op == "GroupNormalization" {
		groups := int(l.Attrs().Int(-1, "num_groups", 0))
		if groups < 1 || channels%groups != 0 {
			return l.Refuse("num_groups %d does not divide the %d channels", groups, channels)
		}
		shape := append([]int{whole[0], groups, channels / groups}, whole[2:]...)
		t := l.Temp("groups", nil)
		emitReshape(l, in, t, shape)
		in, axes = t, append(axes, len(whole))
	}
	mean := ReduceAttr{Axes: axes, Keep: true}
	d := step(l, "Sub", BinaryAttr{}, in, step(l, "Mean", mean, in))
	eps := floats(l, "epsilon", nil, l.Attrs().Float(-1, "epsilon", 1e-5))
	r := step(l, "Rsqrt", nil, step(l, "Add", BinaryAttr{}, step(l, "Mean", mean, step(l, "Square", nil, d)), eps))
	y := step(l, "Mul", BinaryAttr{}, d, r)
	if len(axes) > len(whole)-2 {
		t := l.Temp("whole", nil)
		emitReshape(l, y, t, whole)
		y = t
	}
	shape := tensor.Shape{channels}
	for range whole[2:] {
		shape = append(shape, 1)
	}
	p := [2]graph.ValueID{}
	for i := range p {
		v := l.In(i + 1)
		if v == nil || product(v.Shape) != channels {
			return l.Refuse("input %d must have one value per channel", i+1)
		}
		p[i] = l.Temp("parameter", nil)
		emitReshape(l, widened(l, l.N.In[i+1]), p[i], shape)
	}
	l.Emit("Add", BinaryAttr{}, ids(step(l, "Mul", BinaryAttr{}, y, p[0]), p[1]), l.Outs())
	return nil
}

// emitReduce reduces along axes. Axes that are dropped are kept first, so that passes may move a transpose through the reduction.
func emitReduce(l *graph.Lower, op string, axes []int, in, out graph.ValueID) {
	if l.Attrs().Int(-1, "keepdims", 1) != 0 {
		l.Emit(op, ReduceAttr{Axes: axes, Keep: true}, ids(in), ids(out))
		return
	}
	t := l.Temp("reduced", nil)
	l.Emit(op, ReduceAttr{Axes: axes, Keep: true}, ids(in), ids(t))
	emitReshape(l, t, out, reducedShape(l, axes, in))
}

// reducedShape is that of the result of a reduction, which may keep its axes.
func reducedShape(l *graph.Lower, axes []int, in graph.ValueID) tensor.Shape {
	keep := l.Attrs().Int(-1, "keepdims", 1) != 0
	shape := tensor.Shape{}
	for i, d := range l.G.Values[in].Shape {
		switch {
		case !slices.Contains(axes, i):
			shape = append(shape, d)
		case keep:
			shape = append(shape, 1)
		}
	}
	return shape
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
	l.Emit(l.N.Src.Op, softmaxAttr(l, 1), ids(a), ids(b))
	l.Emit("Reshape", ReshapeAttr{Shape: shape}, ids(b), l.Outs())
	return nil
}

// softmaxAttr is the attribute of Softmax along an axis; LogSoftmax has none.
func softmaxAttr(l *graph.Lower, axis int) any {
	if l.N.Src.Op == "LogSoftmax" {
		return nil
	}
	return SoftmaxAttr{Axis: axis, Beta: 1}
}

// emitSoftmax works along one axis; others than the last are moved there and back.
func emitSoftmax(l *graph.Lower, shape tensor.Shape, axis int) error {
	last := len(shape) - 1
	if axis == last {
		l.Emit(l.N.Src.Op, softmaxAttr(l, last), ids(l.N.In[0]), l.Outs())
		return nil
	}
	perm := swapped(axis, last, len(shape))
	a, b := l.Temp("moved", nil), l.Temp("softmax", nil)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(l.N.In[0]), ids(a))
	l.Emit(l.N.Src.Op, softmaxAttr(l, last), ids(a), ids(b))
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(b), l.Outs())
	return nil
}

func lowerPadONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	mode := l.Attrs().String(-1, "mode", "constant")
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
	cut := wholeSlice(x.Shape)
	for i, ax := range axes {
		lo, hi := pads[i], pads[len(axes)+i]
		if max(lo, hi, -lo, -hi) > tensor.MaxElems || int64(x.Shape[ax])+min(lo, 0)+min(hi, 0) < 0 {
			return l.Refuse("pads %v are not supported for %v", pads, x.Shape)
		}
		a.Before[ax], a.After[ax] = int(max(lo, 0)), int(max(hi, 0))
		cut.Start[ax] = int(-min(lo, 0))
		cut.Size[ax] += int(min(lo, 0) + min(hi, 0))
	}
	in := l.N.In[0]
	if slices.ContainsFunc(pads, func(p int64) bool { return p < 0 }) {
		in = l.Temp("cut", nil)
		l.Emit("Slice", cut, ids(l.N.In[0]), ids(in))
	}
	switch mode {
	case "constant":
	case "reflect":
		l.Emit("MirrorPad", MirrorPadAttr{Before: a.Before, After: a.After, Skip: 1}, ids(in), l.Outs())
		return nil
	case "edge", "wrap":
		return emitPlaces(l, in, &a, mode == "wrap")
	default:
		return l.Refuse("mode %q is not known; constant, reflect, edge and wrap are", mode)
	}
	value := graph.None
	if l.Version() < 11 {
		if v := l.Attrs().Float(-1, "value", 0); v != 0 {
			value = floats(l, "value", nil, v)
		}
	} else if v := l.In(2); v != nil {
		value = widened(l, l.N.In[2])
	}
	l.Emit("Pad", a, ids(in, value), l.Outs())
	return nil
}

// emitPlaces pads with elements of the data: the outermost, or with wrap those of the other end.
func emitPlaces(l *graph.Lower, in graph.ValueID, a *PadAttr, wrap bool) error {
	const most = 1 << 12 // other than a border, a list of places takes memory at load
	for ax, d := range l.G.Values[in].Shape {
		n := a.Before[ax] + d + a.After[ax]
		if n == d {
			continue
		}
		if d == 0 || n > most {
			return l.Refuse("axis %d of %d elements becomes %d; up to %d are supported, none of an empty axis", ax, d, n, most)
		}
		t, err := tensor.New(tensor.S32, tensor.Shape{n})
		if err != nil {
			return err
		}
		for i := range n {
			at := min(max(i-a.Before[ax], 0), d-1)
			if wrap {
				at = ((i-a.Before[ax])%d + d) % d
			}
			t.S32()[i] = int32(at)
		}
		next := l.Temp("padded", nil)
		l.Emit("Gather", GatherAttr{Axis: ax}, ids(in, l.Constant("places", t)), ids(next))
		in = next
	}
	emitReshape(l, in, l.N.Out[0], l.G.Values[in].Shape)
	return nil
}
