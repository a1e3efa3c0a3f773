package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// StackAttr is the new axis along which Stack puts its inputs, all of one shape, beside each other.
type StackAttr struct{ Axis int }

// Forms of TFLite operators that only name, reshape or join. A chain of them that starts at the shape of a bound input folds away at load.
func init() {
	for _, f := range []graph.Form{
		moveForm("RESHAPE", 1, lowerReshapeTFLite, "any").As("Reshape"),
		moveForm("SQUEEZE", 2, lowerSqueezeTFLite, "any").As("Reshape"),
		moveForm("EXPAND_DIMS", 1, lowerExpandDims, "any").As("Reshape"),
		moveForm("SHAPE", 1, lowerShapeTFLite, "any; result int32, int64").As(),
		moveForm("RANK", 1, lowerRank, "any; result int32").As(),
		moveForm("CONCATENATION", 7, lowerConcatTFLite, anyWhole+"; uint8 inputs with scales of their own; int8 with one scale and zero point").As("Concat"),
		moveForm("UNPACK", 6, lowerUnpack, anyWhole).As("Slice", "Reshape"),
	} {
		graph.RegisterForm(f)
	}
	graph.Register(graph.Op{Name: "Stack", Infer: inferStack, Compile: func(c *graph.CompileCtx) (*graph.Kernel, error) {
		return concatKernel(c, c.N.Attr.(StackAttr).Axis, false)
	}}, moveForm("PACK", 5, lowerPack, anyWhole))
	graph.Register(graph.Op{Name: "Bitcast", Infer: inferBitcast, Compile: compileReshape},
		moveForm("BITCAST", 1, lowerBitcast, anyWhole))
}

func lowerReshapeTFLite(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	var shape []int
	if v := l.In(1); v != nil && (len(v.Shape) == 1 || !l.Attrs().Has(0, "")) {
		var err error
		if shape, err = constVec(l.NodeCtx, 1, "shape"); err != nil {
			return err
		}
	} else if shape = ints(l.Attrs().Ints(0, "")); len(shape) == 1 && shape[0] == 0 {
		shape = nil // how old files write a scalar
	}
	if len(shape) > maxRank {
		return l.Refuse("%d axes are not supported, up to %d are", len(shape), maxRank)
	}
	// The open axis takes what the others leave; of data and shapes with empty axes only the others count.
	open, known, whole := -1, 1, 1
	for i, d := range shape {
		if d == -1 && open < 0 {
			open = i
			continue
		}
		if d < 0 || d > tensor.MaxElems || d > 0 && known > tensor.MaxElems/d {
			return l.Refuse("%v cannot take the shape %v", x.Shape, shape)
		}
		whole *= d
		known *= max(d, 1)
	}
	if open >= 0 {
		n := 1
		for _, d := range x.Shape {
			n *= max(d, 1)
		}
		if shape[open] = n / known; product(x.Shape) == 0 && whole != 0 {
			shape[open] = 0
		}
	}
	l.Emit("Reshape", ReshapeAttr{shape}, l.First(1), l.Outs())
	return nil
}

func lowerSqueezeTFLite(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	drop := make([]bool, len(x.Shape))
	list := l.Attrs().Ints(0, "")
	for _, v := range list {
		a, err := axisOf(l, v, len(x.Shape))
		if err != nil {
			return err
		}
		if x.Shape[a] != 1 {
			return l.Refuse("axis %d of %v is not 1", a, x.Shape)
		}
		drop[a] = true
	}
	shape := []int{}
	for i, d := range x.Shape {
		if !drop[i] && (len(list) > 0 || d != 1) {
			shape = append(shape, d)
		}
	}
	l.Emit("Reshape", ReshapeAttr{shape}, l.First(1), l.Outs())
	return nil
}

func lowerExpandDims(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	v, err := constOne(l.NodeCtx, 1, "axis")
	if err != nil {
		return err
	}
	axis, err := axisOf(l, int64(v), len(x.Shape)+1)
	if err != nil {
		return err
	}
	if len(x.Shape) >= maxRank {
		return l.Refuse("more than %d axes are not supported", maxRank)
	}
	l.Emit("Reshape", ReshapeAttr{slices.Insert(slices.Clone([]int(x.Shape)), axis, 1)}, l.First(1), l.Outs())
	return nil
}

// setShapeData makes the node's output a constant of integers, in the type that the file gives it.
func setShapeData(l *graph.Lower, shape tensor.Shape, v ...int) error {
	o := &l.G.Values[l.N.Out[0]]
	if o.DType != tensor.S32 && o.DType != tensor.S64 {
		return l.Refuse("a result of %s is not supported; int32 and int64 are", o.DType)
	}
	t, err := tensor.New(o.DType, shape)
	if err != nil {
		return err
	}
	for i, x := range v {
		if o.DType == tensor.S32 {
			t.S32()[i] = int32(x)
		} else {
			t.S64()[i] = int64(x)
		}
	}
	return setConstant(l, l.N.Out[0], t)
}

func lowerShapeTFLite(l *graph.Lower) error {
	if l.In(0) == nil || l.Out(0) == nil {
		return l.Refuse("needs one input and one output")
	}
	s := l.In(0).Shape
	return setShapeData(l, tensor.Shape{len(s)}, s...)
}

func lowerRank(l *graph.Lower) error {
	if l.In(0) == nil || l.Out(0) == nil {
		return l.Refuse("needs one input and one output")
	}
	return setShapeData(l, tensor.Shape{}, len(l.In(0).Shape))
}

func lowerConcatTFLite(l *graph.Lower) error {
	if act, err := fusedAct(l, 1); err != nil || act != graph.ActNone {
		return l.Refuse("a fused activation is not supported")
	}
	x, o := l.In(0), l.Out(0)
	if x == nil || o == nil {
		return l.Refuse("needs at least one input, and one output")
	}
	axis := int(l.Attrs().Int(0, "", 0))
	if axis < 0 {
		axis += len(x.Shape)
	}
	in, rescale := l.Ins(), o.Shifted
	if len(x.Shape) == 0 && axis == 0 {
		// Constant scalars become a vector.
		for i, v := range in {
			s := l.In(i)
			if s == nil || s.Const == nil || len(s.Shape) != 0 {
				return l.Refuse("input %d of a concatenation of scalars is not a constant scalar; PACK joins computed ones", i)
			}
			in[i] = l.Temp("vector", s.Quant)
			l.Emit("Reshape", ReshapeAttr{[]int{1}}, ids(v), ids(in[i]))
		}
	}
	l.Emit("Concat", ConcatAttr{axis, rescale}, in, l.Outs())
	return nil
}

func lowerPack(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs at least one input")
	}
	if n := l.Attrs().Int(0, "", 0); n != int64(len(l.N.In)) {
		return l.Refuse("values_count is %d, the node has %d inputs", n, len(l.N.In))
	}
	axis, err := axisOf(l, l.Attrs().Int(1, "", 0), len(x.Shape)+1)
	if err != nil {
		return err
	}
	l.Emit("Stack", StackAttr{axis}, l.Ins(), l.Outs())
	return nil
}

func inferStack(c *graph.InferCtx) error {
	axis, x := c.N.Attr.(StackAttr).Axis, c.In(0)
	if x == nil || axis < 0 || axis > len(x.Shape) || len(x.Shape) >= maxRank {
		return c.Refuse("axis %d does not fit the inputs; up to %d axes are supported", axis, maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	for i := range c.N.In {
		if v := c.In(i); v == nil || v.DType != x.DType || !v.Shape.Equal(x.Shape) {
			return c.Refuse("input %d differs in type or shape from input 0", i)
		}
	}
	keepQuant(x, c.Out(0)) // otherwise the file's, as it is: the reference copies the bytes
	return c.Set(0, x.DType, slices.Insert(slices.Clone(x.Shape), axis, len(c.N.In)))
}

func lowerUnpack(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || len(x.Shape) == 0 {
		return l.Refuse("needs data with at least one axis")
	}
	shape := x.Shape
	axis, err := axisOf(l, l.Attrs().Int(1, "", 0), len(shape))
	if err != nil {
		return err
	}
	outs := l.Outs()
	if n := l.Attrs().Int(0, "", 0); n != int64(len(outs)) || len(outs) != shape[axis] {
		return l.Refuse("num is %d, the node has %d outputs and axis %d the extent %d", n, len(outs), axis, shape[axis])
	}
	rest := slices.Delete(slices.Clone([]int(shape)), axis, axis+1)
	q := x.Quant
	for i, o := range outs {
		t := l.Temp("slice", q)
		l.Emit("Slice", partOf(shape, axis, i, 1), ids(l.N.In[0]), ids(t))
		l.Emit("Reshape", ReshapeAttr{rest}, ids(t), ids(o))
	}
	return nil
}

func lowerBitcast(l *graph.Lower) error {
	if l.In(0) == nil || l.Out(0) == nil {
		return l.Refuse("needs one input and one output")
	}
	emitInFile(l, "Bitcast", nil, ids(asInFile(l, l.N.In[0])))
	return nil
}

func inferBitcast(c *graph.InferCtx) error {
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || o.DType == tensor.Invalid {
		return c.Refuse("needs one input, and one output of a supported type")
	}
	if err := checkWhole(c, x, o); err != nil {
		return err
	}
	from, to := x.DType.Bytes(1), o.DType.Bytes(1)
	shape := slices.Clone(x.Shape)
	last := len(shape) - 1
	switch {
	case from > to:
		if last+1 >= maxRank {
			return c.Refuse("more than %d axes are not supported", maxRank)
		}
		shape = append(shape, from/to)
	case from < to:
		if last < 0 || shape[last] != to/from {
			return c.Refuse("the innermost axis of %s%v does not make one %s", x.DType, x.Shape, o.DType)
		}
		shape = shape[:last]
	}
	return c.Set(0, o.DType, shape)
}
