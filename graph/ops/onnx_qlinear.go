package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// The older quantized form of ONNX has integer operators with all scales as inputs. Each is read as what it stands for: float32 operators between
// DequantizeLinear and QuantizeLinear, of which a pass makes an integer operator again.
func init() {
	const types = "int8, uint8; weights also per channel"
	graph.RegisterForm(onnxForm("QLinearConv", 10, lowerQLinearConv, types).As("Conv2D", "DepthwiseConv2D"))
	graph.RegisterForm(onnxForm("QLinearMatMul", 10, lowerQLinearMatMul, types).As("FullyConnected", "MatMul"))
	contrib := func(op string, lower func(*graph.Lower) error, as string) {
		graph.RegisterForm(graph.Form{Format: graph.ONNX, Domain: "com.microsoft", Op: op, Min: 1, DTypes: "int8, uint8", Lower: lower}.As(as))
	}
	for _, op := range []string{"Add", "Mul"} {
		contrib("QLinear"+op, func(l *graph.Lower) error {
			return asLinear(l, []int{0, 3}, 6, func(in []graph.ValueID, out graph.ValueID) error {
				l.Emit(op, BinaryAttr{}, in, ids(out))
				return nil
			})
		}, op)
	}
	contrib("QLinearSigmoid", func(l *graph.Lower) error { return unaryLinear(l, "Logistic", nil) }, "Table")
	contrib("QLinearLeakyRelu", func(l *graph.Lower) error {
		return unaryLinear(l, "LeakyRelu", LeakyReluAttr{l.Attrs().Float(-1, "alpha", 0.01)})
	}, "Table")
	contrib("QLinearGlobalAveragePool", func(l *graph.Lower) error {
		if l.Attrs().Int(-1, "channels_last", 0) != 0 {
			return l.Refuse("channels_last = 1 is not supported; 0 is")
		}
		return asLinear(l, []int{0}, 3, func(in []graph.ValueID, out graph.ValueID) error {
			axes := []int{}
			for i := 2; i < len(l.G.Values[in[0]].Shape); i++ {
				axes = append(axes, i)
			}
			l.Emit("Mean", ReduceAttr{Axes: axes, Keep: true}, in, ids(out))
			return nil
		})
	}, "Mean")
	contrib("QGemm", lowerQGemm, "FullyConnected")
	contrib("QLinearAveragePool", func(l *graph.Lower) error {
		if l.Attrs().Int(-1, "channels_last", 0) != 0 {
			return l.Refuse("channels_last = 1 is not supported; 0 is")
		}
		return asLinear(l, []int{0}, 3, func(in []graph.ValueID, out graph.ValueID) error {
			return lowerAs(l, "AveragePool", 13, l.Attrs(), in, out, lowerPoolONNX)
		})
	}, "AveragePool2D")
	contrib("QLinearSoftmax", func(l *graph.Lower) error {
		version := int(l.Attrs().Int(-1, "opset", 13))
		return asLinear(l, []int{0}, 3, func(in []graph.ValueID, out graph.ValueID) error {
			return lowerAs(l, "Softmax", version, l.Attrs(), in, out, lowerSoftmaxONNX)
		})
	}, "Softmax")
	contrib("QLinearConcat", func(l *graph.Lower) error {
		inputs := []int{}
		for i := 2; i+2 < len(l.N.In); i += 3 {
			inputs = append(inputs, i)
		}
		return asLinear(l, inputs, 0, func(in []graph.ValueID, out graph.ValueID) error {
			return lowerAs(l, "Concat", 13, l.Attrs(), in, out, lowerConcatONNX)
		})
	}, "Concat")
}

// linearAttrs are the attributes of the nodes that stand between float32 and integers: the axis of the scales.
type linearAttrs struct {
	graph.Attrs
	axis int64
}

// Int implements graph.Attrs.
func (a linearAttrs) Int(_ int, name string, def int64) int64 {
	if name == "axis" {
		return a.axis
	}
	return def
}

// lowerAs runs the lowering of another source node as a part of this one.
func lowerAs(l *graph.Lower, op string, version int, attrs graph.Attrs, in []graph.ValueID, out graph.ValueID, lower func(*graph.Lower) error) error {
	n := graph.Node{Name: l.N.Name, In: in, Out: ids(out), Src: graph.Source{Op: op, Version: version, Index: l.N.Src.Index, Attrs: attrs}}
	mine := l.N
	l.N = &n
	err := lower(l)
	l.N = mine
	return err
}

// dequantized returns input i as float32: it, its scale and its zero point follow each other.
func dequantized(l *graph.Lower, i int, axis int64) (graph.ValueID, error) {
	t := l.Temp("real", nil)
	return t, lowerAs(l, "DequantizeLinear", 13, linearAttrs{l.Attrs(), axis}, l.First(i + 3)[i:], t, lowerDequantizeLinear)
}

// quantizedOut quantizes a float32 value as the node's output, with the scale in input i and the zero point behind it.
func quantizedOut(l *graph.Lower, v graph.ValueID, i int) error {
	return lowerAs(l, "QuantizeLinear", 13, linearAttrs{l.Attrs(), 1}, append(ids(v), l.First(i + 2)[i:]...), l.N.Out[0], lowerQuantizeLinear)
}

// asLinear emits a float32 operator on the given inputs; the scale of the output is input out.
func asLinear(l *graph.Lower, inputs []int, out int, emit func(in []graph.ValueID, out graph.ValueID) error) error {
	var in []graph.ValueID
	for _, i := range inputs {
		v, err := dequantized(l, i, 1)
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	t := l.Temp("result", nil)
	if err := emit(in, t); err != nil {
		return err
	}
	return quantizedOut(l, t, out)
}

func unaryLinear(l *graph.Lower, op string, attr any) error {
	return asLinear(l, []int{0}, 3, func(in []graph.ValueID, out graph.ValueID) error {
		l.Emit(op, attr, in, ids(out))
		return nil
	})
}

// linearBias returns the int32 bias in input i as float32; its scale is the product of those in inputs x and w.
func linearBias(l *graph.Lower, i, x, w int) (graph.ValueID, error) {
	b := l.In(i)
	if b == nil {
		return graph.None, nil
	}
	xs, ok := l.ConstF32(x)
	ws, ok2 := l.ConstF32(w)
	if !ok || !ok2 || len(xs) != 1 || len(b.Shape) != 1 || b.DType != tensor.S32 || len(ws) != 1 && len(ws) != b.Shape[0] {
		return graph.None, l.Refuse("needs constant scales that fit a bias in int32")
	}
	t, scaled := l.Temp("float", nil), l.Temp("bias", nil)
	l.Emit("Cast", CastAttr{To: tensor.F32}, ids(l.N.In[i]), ids(t))
	s := l.Temp("scale", nil)
	l.Emit("Mul", BinaryAttr{}, ids(l.N.In[x], l.N.In[w]), ids(s))
	l.Emit("Mul", BinaryAttr{}, ids(t, s), ids(scaled))
	return scaled, nil
}

func lowerQLinearConv(l *graph.Lower) error {
	x, err := dequantized(l, 0, 1)
	if err != nil {
		return err
	}
	w, err := dequantized(l, 3, 0)
	if err != nil {
		return err
	}
	b, err := linearBias(l, 8, 1, 4)
	if err != nil {
		return err
	}
	y := l.Temp("result", nil)
	if err := lowerAs(l, "Conv", 13, l.Attrs(), ids(x, w, b), y, lowerConvONNX); err != nil {
		return err
	}
	return quantizedOut(l, y, 6)
}

func lowerQLinearMatMul(l *graph.Lower) error {
	a, err := dequantized(l, 0, -2)
	if err != nil {
		return err
	}
	b, err := dequantized(l, 3, -1)
	if err != nil {
		return err
	}
	y := l.Temp("result", nil)
	if err := lowerAs(l, "MatMul", 13, l.Attrs(), ids(a, b), y, lowerMatMulONNX); err != nil {
		return err
	}
	return quantizedOut(l, y, 6)
}

// lowerQGemm reads A, B, C and the output's scale; the bias has the scale of the products with alpha.
func lowerQGemm(l *graph.Lower) error {
	axis := int64(1)
	if l.Attrs().Int(-1, "transB", 0) != 0 {
		axis = 0
	}
	if l.Attrs().Float(-1, "alpha", 1) != 1 || l.In(7) == nil {
		return l.Refuse("alpha other than 1, or an output in float32, is not supported")
	}
	a, err := dequantized(l, 0, 1)
	if err != nil {
		return err
	}
	b, err := dequantized(l, 3, axis)
	if err != nil {
		return err
	}
	c, err := linearBias(l, 6, 1, 4)
	if err != nil {
		return err
	}
	y := l.Temp("result", nil)
	if err := lowerAs(l, "Gemm", 13, l.Attrs(), ids(a, b, c), y, lowerGemmONNX); err != nil {
		return err
	}
	return quantizedOut(l, y, 7)
}
