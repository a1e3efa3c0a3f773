package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// Forms of ONNX convolutions and pools. ONNX keeps channels second, the neutral operators keep them last: each node becomes
// transpose, operator, transpose, and the layout pass removes the pairs between them. One spatial axis gets a second of
// extent 1.
func init() {
	graph.RegisterForm(onnxForm("Conv", 1, lowerConvONNX, "float32, bfloat16 weights").As("Conv2D", "DepthwiseConv2D", "Add"))
	graph.RegisterForm(onnxForm("MaxPool", 1, lowerPoolONNX, "float32").As("MaxPool2D"))
	graph.RegisterForm(onnxForm("AveragePool", 1, lowerPoolONNX, "float32").As("AveragePool2D"))
	graph.RegisterForm(onnxForm("GlobalAveragePool", 1, lowerGlobalPool, "float32").As("Mean"))
	graph.RegisterForm(onnxForm("GlobalMaxPool", 1, lowerGlobalPool, "float32").As("MaxPool2D"))
}

var (
	toNHWC = []int{0, 2, 3, 1}
	toNCHW = []int{0, 3, 1, 2}
)

// window is what convolutions and pools have in common, for two spatial axes.
type window struct {
	kernel, stride, dilation [2]int
	pads                     [4]int // top, left, bottom, right
	over                     [2]int // rows and columns that ceil_mode adds behind the padding
	flat                     bool   // one spatial axis, the second of the two here
}

// pairOf reads one value per spatial axis.
func pairOf(l *graph.Lower, name string, spatial int, def int) ([2]int, error) {
	p := [2]int{1, 1}
	if name != "kernel_shape" {
		p = [2]int{def, def}
	}
	v := l.Attrs().Ints(-1, name)
	if v == nil {
		return p, nil
	}
	if len(v) != spatial {
		return p, l.Refuse("%s has %d values for %d spatial axes", name, len(v), spatial)
	}
	for i, x := range v {
		if x < 1 || x > 1<<20 {
			return p, l.Refuse("%s %v is not supported", name, v)
		}
		p[2-spatial+i] = int(x)
	}
	if spatial == 1 {
		p[0] = 1
	}
	return p, nil
}

// windowOf decodes kernel, strides, dilations and padding for an input of shape [n, c, spatial...].
func windowOf(l *graph.Lower, x tensor.Shape, kernel []int) (window, error) {
	var w window
	spatial := len(x) - 2
	if spatial != 1 && spatial != 2 {
		return w, l.Refuse("%d spatial axes; one and two are supported", spatial)
	}
	w.flat = spatial == 1
	var err error
	if w.kernel, err = pairOf(l, "kernel_shape", spatial, 1); err != nil {
		return w, err
	}
	if kernel != nil { // the weights decide; the attribute may be missing
		if k := [2]int{1, kernel[0]}; spatial == 1 && l.Attrs().Has(-1, "kernel_shape") && w.kernel != k ||
			spatial == 2 && l.Attrs().Has(-1, "kernel_shape") && w.kernel != [2]int(kernel) {
			return w, l.Refuse("kernel_shape %v differs from the weights %v", w.kernel, kernel)
		}
		copy(w.kernel[2-spatial:], kernel)
	} else if !l.Attrs().Has(-1, "kernel_shape") {
		return w, l.Refuse("needs kernel_shape")
	}
	if w.stride, err = pairOf(l, "strides", spatial, 1); err != nil {
		return w, err
	}
	if w.dilation, err = pairOf(l, "dilations", spatial, 1); err != nil {
		return w, err
	}
	in := [2]int{1, x[2]}
	if spatial == 2 {
		in = [2]int{x[2], x[3]}
	}
	pads := l.Attrs().Ints(-1, "pads")
	auto := l.Attrs().String(-1, "auto_pad", "NOTSET")
	for i := range 2 {
		reach := (w.kernel[i]-1)*w.dilation[i] + 1
		switch auto {
		case "NOTSET", "":
			k := i - (2 - spatial)
			if pads == nil || k < 0 {
				break
			}
			if len(pads) != 2*spatial {
				return w, l.Refuse("pads has %d values for %d spatial axes", len(pads), spatial)
			}
			lo, hi := pads[k], pads[spatial+k]
			if lo < 0 || hi < 0 || lo > 1<<20 || hi > 1<<20 {
				return w, l.Refuse("pads %v are not supported; use Slice to crop", pads)
			}
			w.pads[i], w.pads[i+2] = int(lo), int(hi)
		case "VALID":
		case "SAME_UPPER", "SAME_LOWER":
			out := (in[i] + w.stride[i] - 1) / w.stride[i]
			total := max(0, (out-1)*w.stride[i]+reach-in[i])
			w.pads[i], w.pads[i+2] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.pads[i], w.pads[i+2] = total-total/2, total/2
			}
		default:
			return w, l.Refuse("auto_pad %q is unknown", auto)
		}
		room := in[i] + w.pads[i] + w.pads[i+2] - reach
		if room < 0 {
			return w, l.Refuse("the kernel %v is larger than the padded input %v", w.kernel, x)
		}
		if l.Attrs().Int(-1, "ceil_mode", 0) != 0 && (auto == "NOTSET" || auto == "") {
			out := (room+w.stride[i]-1)/w.stride[i] + 1
			if (out-1)*w.stride[i] >= in[i]+w.pads[i] { // a window that starts in the padding behind is dropped
				out--
			}
			w.over[i] = max(0, (out-1)*w.stride[i]-room)
			if (out-1)*w.stride[i] < room-w.stride[i]+1 { // fewer windows than fit: padding behind is not reached
				w.pads[i+2] -= room - (out-1)*w.stride[i]
			}
		}
	}
	return w, nil
}

// channelsLast emits what brings [n, c, spatial...] to [n, h, w, c] and returns the new value.
func channelsLast(l *graph.Lower, v graph.ValueID, flat bool) graph.ValueID {
	t := l.Temp("nhwc", nil)
	if !flat {
		l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: toNHWC}, ids(v), ids(t))
		return t
	}
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{0, 2, 1}}, ids(v), ids(t))
	s := l.G.Values[t].Shape
	if len(s) != 3 {
		return t
	}
	r := l.Temp("rows", nil)
	l.Emit("Reshape", ReshapeAttr{Shape: []int{s[0], 1, s[1], s[2]}}, ids(t), ids(r))
	return r
}

// channelsSecond emits the way back to out.
func channelsSecond(l *graph.Lower, v, out graph.ValueID, flat bool) {
	if !flat {
		l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: toNCHW}, ids(v), ids(out))
		return
	}
	s := l.G.Values[v].Shape
	if len(s) != 4 {
		return
	}
	r := l.Temp("line", nil)
	l.Emit("Reshape", ReshapeAttr{Shape: []int{s[0], s[2], s[3]}}, ids(v), ids(r))
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{0, 2, 1}}, ids(r), ids(out))
}

func lowerConvONNX(l *graph.Lower) error {
	x, w := l.In(0), l.In(1)
	if x == nil || w == nil || x.DType != tensor.F32 {
		return l.Refuse("needs float32 X and W")
	}
	if len(w.Shape) != len(x.Shape) || len(x.Shape) < 3 {
		return l.Refuse("X %v and W %v must have one rank", x.Shape, w.Shape)
	}
	ws := w.Shape
	win, err := windowOf(l, x.Shape, ws[2:])
	if err != nil {
		return err
	}
	groups := int(l.Attrs().Int(-1, "group", 1))
	out, in := ws[0], x.Shape[1]
	if groups < 1 || in%groups != 0 || out%groups != 0 || ws[1] != in/groups {
		return l.Refuse("group %d does not fit X %v and W %v", groups, x.Shape, ws)
	}
	if product(ws) == 0 || product(x.Shape) == 0 {
		return l.Refuse("X %v or W %v is empty", x.Shape, ws)
	}
	bias, later := graph.None, graph.None // a bias that is computed is added in a step of its own
	if v := l.In(2); v != nil && v.Const == nil {
		later = l.N.In[2]
	} else if v != nil {
		bias = widened(l, l.N.In[2])
	}
	weights := l.N.In[1]
	if win.flat {
		t := l.Temp("weights", nil)
		emitReshape(l, weights, t, tensor.Shape{ws[0], ws[1], 1, ws[2]})
		weights = t
	}
	data := channelsLast(l, l.N.In[0], win.flat)
	packed, res := l.Temp("ohwi", nil), l.Temp("conv", nil)
	attr := Conv2DAttr{Pad: Explicit, Pads: win.pads, Stride: win.stride, Dilation: win.dilation, Groups: groups}
	if groups > 1 && groups == in {
		l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{1, 2, 3, 0}}, ids(weights), ids(packed))
		l.Emit("DepthwiseConv2D", depthwise(attr, out/in), ids(data, packed, bias), ids(res))
	} else {
		l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: toNHWC}, ids(weights), ids(packed))
		l.Emit("Conv2D", attr, ids(data, packed, bias), ids(res))
	}
	if later != graph.None {
		sum := l.Temp("sum", nil)
		l.Emit("Add", BinaryAttr{}, ids(res, later), ids(sum))
		res = sum
	}
	channelsSecond(l, res, l.N.Out[0], win.flat)
	return nil
}

func lowerPoolONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 is supported")
	}
	if len(l.N.Out) > 1 && l.N.Out[1] != graph.None {
		return l.Refuse("the Indices output is not supported; use one output")
	}
	if len(x.Shape) < 3 || product(x.Shape) == 0 {
		return l.Refuse("X %v must have spatial axes and elements", x.Shape)
	}
	w, err := windowOf(l, x.Shape, nil)
	if err != nil {
		return err
	}
	op := "MaxPool2D"
	a := Pool2DAttr{Pad: Explicit, Pads: w.pads, Stride: w.stride, Filter: w.kernel}
	if l.N.Src.Op == "AveragePool" {
		op = "AveragePool2D"
		a.CountPad = l.Attrs().Int(-1, "count_include_pad", 0) != 0
	}
	if w.dilation != [2]int{1, 1} {
		return l.Refuse("dilations %v are not supported for pools", w.dilation)
	}
	if w.over != [2]int{} && a.CountPad {
		return l.Refuse("count_include_pad with a ceil_mode that adds columns is not supported; use ceil_mode = 0")
	}
	a.Pads[2] += w.over[0]
	a.Pads[3] += w.over[1]
	data, res := channelsLast(l, l.N.In[0], w.flat), l.Temp("pool", nil)
	l.Emit(op, a, ids(data), ids(res))
	channelsSecond(l, res, l.N.Out[0], w.flat)
	return nil
}

func lowerGlobalPool(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || x.DType != tensor.F32 || len(x.Shape) < 3 || product(x.Shape) == 0 {
		return l.Refuse("needs float32 with spatial axes")
	}
	if l.N.Src.Op == "GlobalAveragePool" {
		axes := []int{}
		for i := 2; i < len(x.Shape); i++ {
			axes = append(axes, i)
		}
		l.Emit("Mean", ReduceAttr{Axes: axes, Keep: true}, l.Ins(), l.Outs())
		return nil
	}
	if len(x.Shape) > 4 {
		return l.Refuse("%d spatial axes; one and two are supported", len(x.Shape)-2)
	}
	flat := len(x.Shape) == 3
	size := [2]int{1, x.Shape[2]}
	if !flat {
		size = [2]int{x.Shape[2], x.Shape[3]}
	}
	data, res := channelsLast(l, l.N.In[0], flat), l.Temp("pool", nil)
	l.Emit("MaxPool2D", Pool2DAttr{Pad: Explicit, Stride: [2]int{1, 1}, Filter: size}, ids(data), ids(res))
	channelsSecond(l, res, l.N.Out[0], flat)
	return nil
}
