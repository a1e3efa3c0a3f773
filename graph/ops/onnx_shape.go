package ops

import (
	"encoding/binary"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// Forms of ONNX operators that only rename, reshape or make constants. With static inputs the whole chain of Shape, Gather,
// Concat and Reshape that exporters write folds away at load.
func init() {
	for _, f := range []struct {
		op    string
		lower func(*graph.Lower) error
		as    []string // none: the result is known at load
	}{
		{"Reshape", lowerReshapeONNX, []string{"Reshape"}},
		{"Flatten", lowerFlatten, []string{"Reshape"}},
		{"Squeeze", lowerSqueeze, []string{"Reshape"}},
		{"Unsqueeze", lowerUnsqueeze, []string{"Reshape"}},
		{"Shape", lowerShape, nil},
		{"Size", lowerSize, nil},
		{"ConstantOfShape", lowerConstantOfShape, []string{"Expand"}},
		{"Expand", lowerExpand, []string{"Expand"}},
		{"Concat", lowerConcatONNX, []string{"Concat"}},
		{"Identity", lowerSame, []string{"Reshape"}},
		{"Dropout", lowerSame, []string{"Reshape"}},
		{"Tile", lowerTileONNX, []string{"Tile"}},
	} {
		graph.RegisterForm(onnxForm(f.op, 1, f.lower, "any").As(f.as...))
	}
}

// Operators that do not take any type.
func init() {
	graph.RegisterForm(onnxForm("Range", 11, lowerPlain("Range", nil), "constants in float32, int32, int64").As("Range"))
	graph.RegisterForm(onnxForm("OneHot", 9, lowerOneHotONNX, anyWhole+", indices int32, int64").As("OneHot", "Slice", "Compare", "Add", "Where"))
	graph.RegisterForm(onnxForm("GatherND", 11, func(l *graph.Lower) error {
		if b := l.Attrs().Int(-1, "batch_dims", 0); b != 0 {
			return l.Refuse("batch_dims %d is not supported; 0 is", b)
		}
		return lowerPlain("GatherND", nil)(l)
	}, anyWhole+", indices int32, int64").As("GatherND"))
}

func lowerTileONNX(l *graph.Lower) error {
	if l.Version() < 6 {
		return l.Refuse("opset %d is not supported; 6 and later are", l.Version())
	}
	return lowerTile(l)
}

// lowerOneHotONNX counts negative indices from the end.
func lowerOneHotONNX(l *graph.Lower) error {
	idx, values := l.In(0), l.In(2)
	if idx == nil || values == nil || !values.Shape.Equal(tensor.Shape{2}) {
		return l.Refuse("needs indices, a depth and two values")
	}
	in, d := l.N.In[0], idx.DType
	if d == tensor.F32 {
		d = tensor.S64
	}
	depth, err := constOne(l.NodeCtx, 1, "depth")
	if f, ok := l.ConstF32(1); ok && len(f) == 1 && f[0] >= 0 && f[0] <= tensor.MaxElems {
		depth, err = int(f[0]), nil
	}
	if err != nil {
		return err
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", -1), len(idx.Shape)+1)
	if err != nil {
		return err
	}
	number := func(name string, v int) graph.ValueID {
		t := &tensor.Tensor{DType: d, Shape: tensor.Shape{}, Data: tensor.Aligned(8)[:d.Bytes(1)]}
		binary.LittleEndian.PutUint32(t.Data, uint32(v)) // above are zeros
		return l.Constant(name, t)
	}
	if d != tensor.S32 && d != tensor.S64 {
		return l.Refuse("indices of %s are not supported; int32, int64 and float32 are", d)
	}
	zero, end := number("zero", 0), number("end", depth)
	if l.In(0).DType == tensor.F32 {
		in = step(l, "Cast", CastAttr{To: d}, in)
	}
	from := step(l, "Where", nil, step(l, "Compare", CompareAttr{vec.Less}, in, zero), step(l, "Add", BinaryAttr{}, in, end), in)
	off := step(l, "Slice", SliceAttr{Start: []int{0}, Step: []int{1}, Size: []int{1}}, widened(l, l.N.In[2]))
	on := step(l, "Slice", SliceAttr{Start: []int{1}, Step: []int{1}, Size: []int{1}}, widened(l, l.N.In[2]))
	l.Emit("OneHot", OneHotAttr{axis, depth}, ids(from, on, off), l.Outs())
	return nil
}

// emitReshape gives input 0 a shape whose element count is the same. Constants change their shape in place.
func emitReshape(l *graph.Lower, in, out graph.ValueID, shape tensor.Shape) {
	if v := l.G.Values[in]; v.Const != nil && !l.G.IsOutput(out) {
		o := &l.G.Values[out]
		o.DType, o.Shape, o.Const = v.DType, shape, v.Const
		return
	}
	l.Emit("Reshape", ReshapeAttr{Shape: shape}, ids(in), ids(out))
}

func lowerReshapeONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	want, ok, err := attrOrInput(l, "shape", 1)
	if err != nil {
		return err
	}
	if !ok || len(want) > maxRank {
		return l.Refuse("needs a shape of at most %d axes", maxRank)
	}
	total := product(x.Shape)
	shape := make(tensor.Shape, len(want))
	rest, known := -1, 1
	for i, d := range want {
		switch {
		case d == 0 && l.Attrs().Int(-1, "allowzero", 0) == 0:
			if i >= len(x.Shape) {
				return l.Refuse("shape %v copies an axis that %v lacks", want, x.Shape)
			}
			shape[i] = x.Shape[i]
		case d == -1 && rest < 0:
			rest = i
			continue
		case d < 0 || d > tensor.MaxElems:
			return l.Refuse("shape %v is not valid", want)
		default:
			shape[i] = int(d)
		}
		if shape[i] != 0 && known > tensor.MaxElems/shape[i] {
			return l.Refuse("shape %v is too large", want)
		}
		known *= shape[i]
	}
	if rest >= 0 {
		if known == 0 || total%known != 0 {
			return l.Refuse("%v cannot take the shape %v", x.Shape, want)
		}
		shape[rest] = total / known
		known *= shape[rest]
	}
	if known != total {
		return l.Refuse("%v cannot take the shape %v", x.Shape, want)
	}
	emitReshape(l, l.N.In[0], l.N.Out[0], shape)
	return nil
}

func lowerFlatten(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs one input")
	}
	axis := l.Attrs().Int(-1, "axis", 1)
	if axis < 0 {
		axis += int64(len(x.Shape))
	}
	if axis < 0 || axis > int64(len(x.Shape)) {
		return l.Refuse("axis %d is outside of %v", axis, x.Shape)
	}
	emitReshape(l, l.N.In[0], l.N.Out[0], tensor.Shape{product(x.Shape[:axis]), product(x.Shape[axis:])})
	return nil
}

func lowerSqueeze(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	list, ok, err := attrOrInput(l, "axes", 1)
	if err != nil {
		return err
	}
	axes, err := axesOf(l, list, len(x.Shape))
	if err != nil {
		return err
	}
	drop := map[int]bool{}
	for _, a := range axes {
		if x.Shape[a] != 1 {
			return l.Refuse("axis %d has the extent %d, not 1", a, x.Shape[a])
		}
		drop[a] = true
	}
	shape := tensor.Shape{}
	for i, d := range x.Shape {
		if !drop[i] && (ok || d != 1) {
			shape = append(shape, d)
		}
	}
	emitReshape(l, l.N.In[0], l.N.Out[0], shape)
	return nil
}

func lowerUnsqueeze(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	list, ok, err := attrOrInput(l, "axes", 1)
	if err != nil {
		return err
	}
	rank := len(x.Shape) + len(list)
	if !ok || rank > maxRank {
		return l.Refuse("needs axes, for at most %d in all", maxRank)
	}
	axes, err := axesOf(l, list, rank)
	if err != nil {
		return err
	}
	shape := make(tensor.Shape, rank)
	rest := x.Shape
	for i := range shape {
		if slices.Contains(axes, i) {
			shape[i] = 1
		} else {
			shape[i], rest = rest[0], rest[1:]
		}
	}
	emitReshape(l, l.N.In[0], l.N.Out[0], shape)
	return nil
}

// setInts makes an output an int64 constant.
func setInts(l *graph.Lower, out graph.ValueID, shape tensor.Shape, v ...int64) error {
	t, err := tensor.New(tensor.S64, shape)
	if err != nil {
		return err
	}
	copy(t.S64(), v)
	return setConstant(l, out, t)
}

func setConstant(l *graph.Lower, out graph.ValueID, t *tensor.Tensor) error {
	o := &l.G.Values[out]
	o.DType, o.Shape, o.Const = t.DType, t.Shape, t.Data
	return nil
}

func lowerShape(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	r := int64(len(x.Shape))
	start, end := l.Attrs().Int(-1, "start", 0), l.Attrs().Int(-1, "end", r)
	if start < 0 {
		start += r
	}
	if end < 0 {
		end += r
	}
	start = min(max(start, 0), r)
	end = min(max(end, start), r)
	v := []int64{}
	for _, d := range x.Shape[start:end] {
		v = append(v, int64(d))
	}
	return setInts(l, l.N.Out[0], tensor.Shape{len(v)}, v...)
}

func lowerSize(l *graph.Lower) error {
	if l.In(0) == nil {
		return l.Refuse("needs data")
	}
	return setInts(l, l.N.Out[0], tensor.Shape{}, int64(product(l.In(0).Shape)))
}

func lowerConstantOfShape(l *graph.Lower) error {
	want, ok := l.ConstInts(0)
	if !ok || len(want) > maxRank {
		return l.Refuse("needs a constant shape of at most %d axes", maxRank)
	}
	shape := make(tensor.Shape, len(want))
	for i, d := range want {
		if d < 0 || d > tensor.MaxElems {
			return l.Refuse("shape %v is not valid", want)
		}
		shape[i] = int(d)
	}
	d, fill := tensor.F32, make([]byte, 4)
	if v := l.Attrs().Tensor("value"); v != nil {
		if v.DType == tensor.Invalid || v.DType == tensor.S4 || len(v.Const) != v.DType.Bytes(1) {
			return l.Refuse("value must be one element of a supported type")
		}
		d, fill = v.DType, v.Const
	}
	t, err := tensor.New(d, tensor.Shape{})
	if err != nil {
		return err
	}
	copy(t.Data, fill)
	l.Emit("Expand", ExpandAttr{shape}, ids(l.Constant("fill", t)), l.Outs())
	return nil
}

func lowerExpand(l *graph.Lower) error {
	x := l.In(0)
	want, ok := l.ConstInts(1)
	if x == nil || !ok || len(want) > maxRank {
		return l.Refuse("needs data and a constant shape of at most %d axes", maxRank)
	}
	to := make(tensor.Shape, len(want))
	for i, d := range want {
		if d < 0 || d > tensor.MaxElems {
			return l.Refuse("shape %v is not valid", want)
		}
		to[i] = int(d)
	}
	shape, ok := broadcastShape(x.Shape, to)
	if !ok {
		return l.Refuse("%v does not broadcast to %v", x.Shape, to)
	}
	if shape.Equal(x.Shape) {
		emitReshape(l, l.N.In[0], l.N.Out[0], shape)
		return nil
	}
	l.Emit("Expand", ExpandAttr{shape}, ids(widened(l, l.N.In[0])), l.Outs())
	return nil
}

func lowerConcatONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs at least one input")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", 1), len(x.Shape))
	if err != nil {
		return err
	}
	l.Emit("Concat", ConcatAttr{Axis: axis}, widenedIns(l), l.Outs())
	return nil
}

// lowerSame passes input 0 on: Identity, and Dropout outside of training.
func lowerSame(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs one input")
	}
	if l.In(2) != nil { // Dropout's training_mode since opset 12
		if v, ok := l.ConstInts(2); !ok || len(v) != 1 || v[0] != 0 {
			return l.Refuse("training_mode is not supported; export the model for inference")
		}
	}
	if len(l.N.Out) > 1 && l.N.Out[1] != graph.None {
		return l.Refuse("the mask output is not supported; export the model for inference")
	}
	in := l.N.In[0]
	if l.G.IsOutput(l.N.Out[0]) {
		in = widened(l, in)
	}
	emitReshape(l, in, l.N.Out[0], l.G.Values[in].Shape)
	return nil
}
