package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Forms of ONNX operators that make pictures larger or smaller.
func init() {
	graph.RegisterForm(onnxForm("Resize", 10, lowerResizeONNX, "float32 nearest and linear; int8, uint8, int16, int32 nearest").As("ResizeNearest", "ResizeBilinear"))
	graph.RegisterForm(graph.Form{Format: graph.ONNX, Op: "Upsample", Min: 7, Max: 9, DTypes: "float32", Lower: lowerResizeONNX}.As("ResizeNearest", "ResizeBilinear"))
	graph.RegisterForm(onnxForm("ConvTranspose", 1, lowerConvTransposeONNX, "float32").As("TransposeConv", "Add"))
	graph.RegisterForm(onnxForm("DepthToSpace", 1, lowerDepthToSpaceONNX, anyWhole).As("Reshape", "Transpose"))
	graph.RegisterForm(onnxForm("SpaceToDepth", 1, lowerSpaceToDepthONNX, anyWhole).As("Reshape", "Transpose"))
}

// resizeScales returns the scale and the extent of every axis.
func resizeScales(l *graph.Lower) (scales []float32, sizes []int, err error) {
	x, at := l.In(0), l.Attrs()
	rank := len(x.Shape)
	place, named := 2, []int64(nil)
	switch {
	case l.N.Src.Op == "Upsample" || l.Version() == 10:
		place = 1
	case l.Version() >= 18:
		named = at.Ints(-1, "axes")
	}
	axes := make([]int, rank)
	scales, sizes = make([]float32, rank), make([]int, rank)
	for i, d := range x.Shape {
		axes[i], scales[i], sizes[i] = i, 1, d
	}
	if named != nil {
		if axes, err = axesOf(l, named, rank); err != nil {
			return nil, nil, err
		}
	}
	if v := l.In(3); v != nil {
		list, err := constVec(l.NodeCtx, 3, "sizes")
		if err != nil {
			return nil, nil, err
		}
		if p := at.String(-1, "keep_aspect_ratio_policy", "stretch"); p != "stretch" {
			return nil, nil, l.Refuse("keep_aspect_ratio_policy %q is not supported; stretch is", p)
		}
		if len(list) != len(axes) {
			return nil, nil, l.Refuse("%d sizes for %d axes", len(list), len(axes))
		}
		for i, a := range axes {
			scales[a], sizes[a] = float32(list[i])/float32(x.Shape[a]), list[i]
		}
		return scales, sizes, nil
	}
	list := at.Floats(-1, "scales")
	if l.In(place) != nil {
		var ok bool
		if list, ok = l.ConstF32(place); !ok {
			return nil, nil, l.Refuse("scales (input %d) are computed at run time; only constants are supported", place)
		}
	}
	if len(list) != len(axes) {
		return nil, nil, l.Refuse("%d scales for %d axes", len(list), len(axes))
	}
	for i, a := range axes {
		n := math.Floor(float64(float32(x.Shape[a]) * list[i]))
		if !(list[i] > 0 && n <= tensor.MaxElems) {
			return nil, nil, l.Refuse("scales %v are not supported", list)
		}
		scales[a], sizes[a] = list[i], int(n)
	}
	return scales, sizes, nil
}

func lowerResizeONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || len(x.Shape) != 3 && len(x.Shape) != 4 || product(x.Shape) == 0 {
		return l.Refuse("needs an input with one or two spatial axes and elements")
	}
	scales, sizes, err := resizeScales(l)
	if err != nil {
		return err
	}
	const limit = 1 << 15
	for i, n := range sizes {
		if n < 1 || n > limit || i < 2 && n != x.Shape[i] {
			return l.Refuse("%v becomes %v; spatial axes of 1 to %d elements are supported", x.Shape, sizes, limit)
		}
	}
	at := l.Attrs()
	to := &ResizeAt{Transform: "asymmetric", Nearest: "floor"}
	if l.N.Src.Op == "Resize" && l.Version() > 10 {
		to.Transform = at.String(-1, "coordinate_transformation_mode", "half_pixel")
		to.Nearest = at.String(-1, "nearest_mode", "round_prefer_floor")
	}
	if transforms[to.Transform] == nil || nearests[to.Nearest] == nil {
		return l.Refuse("coordinates %q with rounding %q are not supported", to.Transform, to.Nearest)
	}
	op := "ResizeNearest"
	switch mode := at.String(-1, "mode", "nearest"); mode {
	case "nearest":
	case "linear", "bilinear":
		op = "ResizeBilinear"
	default:
		return l.Refuse("mode %q is not supported; nearest and linear are", mode)
	}
	if at.Int(-1, "antialias", 0) != 0 {
		return l.Refuse("antialias = 1 is not supported; 0 is")
	}
	flat := len(sizes) == 3
	a := ResizeAttr{Size: [2]int{1, sizes[2]}, At: to}
	to.Scale = [2]float32{1, scales[2]}
	if !flat {
		a.Size, to.Scale = [2]int(sizes[2:]), [2]float32(scales[2:])
	}
	data, res := channelsLast(l, l.N.In[0], flat), l.Temp("resized", nil)
	l.Emit(op, a, ids(data), ids(res))
	channelsSecond(l, res, l.N.Out[0], flat)
	return nil
}

func lowerConvTransposeONNX(l *graph.Lower) error {
	x, w := l.In(0), l.In(1)
	if x == nil || w == nil || x.DType != tensor.F32 {
		return l.Refuse("needs float32 X and W")
	}
	spatial := len(x.Shape) - 2
	if len(w.Shape) != len(x.Shape) || spatial != 1 && spatial != 2 || product(w.Shape) == 0 || product(x.Shape) == 0 || w.Shape[0] != x.Shape[1] {
		return l.Refuse("X %v and W %v; one and two spatial axes with elements are supported", x.Shape, w.Shape)
	}
	if g := l.Attrs().Int(-1, "group", 1); g != 1 {
		return l.Refuse("group %d is not supported; 1 is", g)
	}
	flat, ws := spatial == 1, w.Shape
	a, dilation, err := transposeWindow(l, x.Shape, ws)
	if err != nil {
		return err
	}
	bias, later := graph.None, graph.None
	if v := l.In(2); v != nil && v.Const == nil {
		later = l.N.In[2]
	} else if v != nil {
		bias = widened(l, l.N.In[2])
	}
	weights := widened(l, l.N.In[1])
	if flat {
		t := l.Temp("weights", nil)
		emitReshape(l, weights, t, tensor.Shape{ws[0], ws[1], 1, ws[2]})
		weights = t
	}
	if dilation != [2]int{1, 1} { // zeros between the taps
		t := l.Temp("dilated", nil)
		l.Emit("Pad", PadAttr{make([]int, 4), make([]int, 4), []int{0, 0, dilation[0] - 1, dilation[1] - 1}}, ids(weights, graph.None), ids(t))
		weights = t
	}
	data, packed, res := channelsLast(l, l.N.In[0], flat), l.Temp("ohwi", nil), l.Temp("conv", nil)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{1, 2, 3, 0}}, ids(weights), ids(packed))
	l.Emit("TransposeConv", a, ids(data, packed, bias), ids(res))
	if later != graph.None {
		sum := l.Temp("sum", nil)
		l.Emit("Add", BinaryAttr{}, ids(res, later), ids(sum))
		res = sum
	}
	channelsSecond(l, res, l.N.Out[0], flat)
	return nil
}

// transposeWindow reads extents, strides, padding and dilations of a ConvTranspose.
func transposeWindow(l *graph.Lower, x, w tensor.Shape) (a TransposeConvAttr, dilation [2]int, err error) {
	spatial := len(x) - 2
	if a.Stride, err = pairOf(l, "strides", spatial, 1); err != nil {
		return a, dilation, err
	}
	if dilation, err = pairOf(l, "dilations", spatial, 1); err != nil {
		return a, dilation, err
	}
	at := l.Attrs()
	pads, extra, shape := at.Ints(-1, "pads"), at.Ints(-1, "output_padding"), at.Ints(-1, "output_shape")
	auto := at.String(-1, "auto_pad", "NOTSET")
	if len(pads) != 0 && len(pads) != 2*spatial || len(extra) != 0 && len(extra) != spatial || len(shape) != 0 && len(shape) != spatial {
		return a, dilation, l.Refuse("pads %v, output_padding %v and output_shape %v do not fit %d spatial axes", pads, extra, shape, spatial)
	}
	a.Out = [2]int{1, 1}
	for k := range spatial {
		i := 2 - spatial + k
		whole := a.Stride[i]*(x[2+k]-1) + (w[2+k]-1)*dilation[i] + 1
		if len(extra) > 0 {
			if extra[k] < 0 || extra[k] > 1<<15 {
				return a, dilation, l.Refuse("output_padding %v is not supported", extra)
			}
			whole += int(extra[k])
		}
		lo, hi := int64(0), int64(0)
		switch {
		case len(shape) > 0 || auto == "SAME_UPPER" || auto == "SAME_LOWER":
			want := int64(x[2+k] * a.Stride[i])
			if len(shape) > 0 {
				want = shape[k]
			}
			total := max(int64(whole)-want, 0)
			lo, hi = total/2, total-total/2
			if auto == "SAME_LOWER" {
				lo, hi = hi, lo
			}
			if want > int64(whole) { // the rest shows the bias alone
				lo, hi = 0, int64(whole)-want
			}
		case auto == "VALID":
		case auto == "NOTSET" || auto == "":
			if len(pads) > 0 {
				lo, hi = pads[k], pads[spatial+k]
			}
			if hi < 0 {
				return a, dilation, l.Refuse("pads %v are not supported; 0 and more are", pads)
			}
		default:
			return a, dilation, l.Refuse("auto_pad %q is unknown", auto)
		}
		if lo < 0 || hi < -1<<15 || lo > 1<<15 || hi > 1<<15 || int64(whole)-lo-hi < 1 {
			return a, dilation, l.Refuse("pads %d and %d of %d are not supported", lo, hi, whole)
		}
		a.Out[i], a.Pad[i] = whole-int(lo+hi), int(lo)
	}
	return a, dilation, nil
}

func lowerDepthToSpaceONNX(l *graph.Lower) error {
	b, s, err := blockSizeONNX(l)
	if err != nil {
		return err
	}
	c := s[1] / (b * b)
	if c*b*b != s[1] {
		return l.Refuse("blocksize %d does not divide the %d channels", b, s[1])
	}
	split, perm := []int{s[0], b, b, c, s[2], s[3]}, []int{0, 3, 4, 1, 5, 2}
	switch mode := l.Attrs().String(-1, "mode", "DCR"); mode {
	case "DCR":
	case "CRD":
		split, perm = []int{s[0], c, b, b, s[2], s[3]}, []int{0, 1, 4, 2, 5, 3}
	default:
		return l.Refuse("mode %q is not known; DCR and CRD are", mode)
	}
	emitRegroup(l, l.N.In[0], l.N.Out[0], nil, split, perm, []int{s[0], c, s[2] * b, s[3] * b})
	return nil
}

func lowerSpaceToDepthONNX(l *graph.Lower) error {
	b, s, err := blockSizeONNX(l)
	if err != nil {
		return err
	}
	h, w := s[2]/b, s[3]/b
	if h*b != s[2] || w*b != s[3] || s[1] > tensor.MaxElems/(b*b) {
		return l.Refuse("blocksize %d does not divide %v", b, s)
	}
	emitRegroup(l, l.N.In[0], l.N.Out[0], nil, []int{s[0], s[1], h, b, w, b}, []int{0, 3, 5, 1, 2, 4}, []int{s[0], b * b * s[1], h, w})
	return nil
}

func blockSizeONNX(l *graph.Lower) (int, tensor.Shape, error) {
	x := l.In(0)
	if x == nil || len(x.Shape) != 4 {
		return 0, nil, l.Refuse("needs an input of rank 4")
	}
	b := l.Attrs().Int(-1, "blocksize", 0)
	if b < 1 || b > 1<<14 {
		return 0, nil, l.Refuse("blocksize %d is not supported; 1 to %d are", b, 1<<14)
	}
	return int(b), x.Shape, nil
}
