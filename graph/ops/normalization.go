package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

func init() {
	graph.Register(graph.Op{Name: graph.LayerNormOp, Infer: inferLayerNorm, Compile: compileLayerNorm},
		onnxForm("LayerNormalization", 17, lowerLayerNorm, "float32"))
	graph.RegisterForm(onnxForm("BatchNormalization", 7, lowerBatchNorm, "float32").As("Mul", "Add"))
}

func lowerLayerNorm(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs X and Scale")
	}
	axis, err := axisOf(l, l.Attrs().Int(-1, "axis", -1), len(x.Shape))
	if err != nil {
		return err
	}
	outs := l.Outs()
	for _, o := range outs[1:] {
		if o != graph.None {
			return l.Refuse("outputs Mean and InvStdDev are for training and are not supported")
		}
	}
	l.Emit(graph.LayerNormOp, graph.LayerNormAttr{Axis: axis, Epsilon: l.Attrs().Float(-1, "epsilon", 1e-5)}, widenedIns(l), outs[:1])
	return nil
}

func inferLayerNorm(c *graph.InferCtx) error {
	x := c.In(0)
	a := c.N.Attr.(graph.LayerNormAttr)
	if x == nil || x.DType != tensor.F32 || a.Axis < 0 || a.Axis >= len(x.Shape) || c.In(1) == nil {
		return c.Refuse("needs float32 X and Scale")
	}
	n := product(x.Shape[a.Axis:])
	if n == 0 {
		return c.Refuse("nothing to normalize in %v", x.Shape)
	}
	for i := 1; i < len(c.N.In); i++ {
		if v := c.In(i); v != nil && (v.DType != tensor.F32 || !trailing(v.Shape, x.Shape[a.Axis:])) {
			return c.Refuse("input %d must be float32 of shape %v", i, x.Shape[a.Axis:])
		}
	}
	return c.Set(0, tensor.F32, x.Shape)
}

// trailing reports whether s equals want after dropping leading axes of extent 1.
func trailing(s, want tensor.Shape) bool {
	for len(s) > len(want) && s[0] == 1 {
		s = s[1:]
	}
	return s.Equal(want)
}

func compileLayerNorm(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(graph.LayerNormAttr)
	n := product(c.In(0).Shape[a.Axis:])
	zeros := make([]float32, n)
	return &graph.Kernel{ID: "vec.layer_norm/f32/" + vec.LayerNormISA(), InPlace: []int{0}, Run: func(args *graph.Args) error {
		shift := zeros
		if t := input(args, 2); t != nil {
			shift = t.F32()
		}
		vec.LayerNormF32(args.Out[0].F32(), args.In[0].F32(), args.In[1].F32(), shift, n, a.Epsilon)
		return nil
	}}, nil
}

// lowerBatchNorm becomes one multiplication and one addition per channel, which passes fold into a convolution before it.
func lowerBatchNorm(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || len(x.Shape) < 2 || x.DType != tensor.F32 {
		return l.Refuse("needs float32 X with a channel axis")
	}
	if l.Attrs().Int(-1, "training_mode", 0) != 0 {
		return l.Refuse("training_mode is not supported; export the model for inference")
	}
	if l.Version() < 9 && l.Attrs().Int(-1, "spatial", 1) == 0 {
		return l.Refuse("spatial = 0 is not supported")
	}
	for i := 1; i < len(l.N.Out); i++ {
		if l.N.Out[i] != graph.None {
			return l.Refuse("outputs of the training mode are not supported; export the model for inference")
		}
	}
	channels := x.Shape[1]
	shape := tensor.Shape{channels}
	for range x.Shape[2:] {
		shape = append(shape, 1)
	}
	var p [4][]float32 // scale, bias, mean, variance
	for i := range p {
		v, ok := l.ConstF32(i + 1)
		if !ok || len(v) != channels {
			return l.Refuse("input %d must be a constant with one value per channel", i+1)
		}
		p[i] = v
	}
	eps := float64(l.Attrs().Float(-1, "epsilon", 1e-5))
	mul, add := make([]float32, channels), make([]float32, channels)
	for i := range mul {
		m := float64(p[0][i]) / math.Sqrt(float64(p[3][i])+eps)
		mul[i] = float32(m)
		add[i] = float32(float64(p[1][i]) - float64(float64(p[2][i])*m))
	}
	t := l.Temp("scaled", nil)
	l.Emit("Mul", BinaryAttr{}, ids(l.N.In[0], floats(l, "scale", shape, mul...)), ids(t))
	l.Emit("Add", BinaryAttr{}, ids(t, floats(l, "shift", shape, add...)), l.Outs()[:1])
	return nil
}
