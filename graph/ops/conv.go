package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
)

// Padding says where a window's padding comes from.
type Padding uint8

// The paddings. Same and Valid are TensorFlow's; Explicit takes Pads.
const (
	Same Padding = iota
	Valid
	Explicit
)

// Conv2DAttr is the attribute of Conv2D: x[N,H,W,C], w[O,KH,KW,C/Groups], bias[O] or none.
type Conv2DAttr struct {
	Pad      Padding
	Pads     [4]int // top, left, bottom, right
	Stride   [2]int // height, width
	Dilation [2]int
	Groups   int
	Act      graph.Activation
}

// FuseAct implements graph.ActFuser.
func (a Conv2DAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

// DepthwiseAttr is the attribute of DepthwiseConv2D: x[N,H,W,C], w[1,KH,KW,C×Multiplier], bias or none.
type DepthwiseAttr struct {
	Conv2DAttr
	Multiplier int
}

// FuseAct implements graph.ActFuser.
func (a DepthwiseAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

func depthwise(a Conv2DAttr, multiplier int) DepthwiseAttr { return DepthwiseAttr{a, multiplier} }

func init() {
	graph.Register(graph.Op{Name: "Conv2D", Infer: inferConv, Compile: compileConv},
		graph.Form{Format: graph.TFLite, Op: "CONV_2D", Min: 1, Max: 8, DTypes: "float32, int8, uint8", Lower: lowerConvTFLite})
	graph.Register(graph.Op{Name: "DepthwiseConv2D", Infer: inferDepthwise, Compile: compileDepthwise},
		graph.Form{Format: graph.TFLite, Op: "DEPTHWISE_CONV_2D", Min: 1, Max: 7, DTypes: "float32, int8, uint8", Lower: lowerDepthwiseTFLite})
}

func tflitePadding(l *graph.Lower, slot int) (Padding, error) {
	switch p := l.Attrs().Int(slot, "", 0); p {
	case 0:
		return Same, nil
	case 1:
		return Valid, nil
	default:
		return 0, l.Refuse("padding %d is not known; same (0) and valid (1) are", p)
	}
}

func lowerConvTFLite(l *graph.Lower) error {
	at := l.Attrs()
	a := Conv2DAttr{
		Stride:   [2]int{int(at.Int(2, "", 0)), int(at.Int(1, "", 0))},
		Dilation: [2]int{int(at.Int(5, "", 1)), int(at.Int(4, "", 1))},
		Groups:   1,
	}
	var err error
	if a.Pad, err = tflitePadding(l, 0); err != nil {
		return err
	}
	if a.Act, err = fusedAct(l, 3); err != nil {
		return err
	}
	x, w := l.In(0), l.In(1)
	// Groups are not stated: the weights have fewer input channels than the input.
	if x != nil && w != nil && len(x.Shape) == 4 && len(w.Shape) == 4 && w.Shape[3] > 0 && x.Shape[3]%w.Shape[3] == 0 {
		a.Groups = x.Shape[3] / w.Shape[3]
	}
	l.Emit("Conv2D", a, l.Ins(), l.Outs())
	return nil
}

func lowerDepthwiseTFLite(l *graph.Lower) error {
	at := l.Attrs()
	a := DepthwiseAttr{Conv2DAttr: Conv2DAttr{
		Stride:   [2]int{int(at.Int(2, "", 0)), int(at.Int(1, "", 0))},
		Dilation: [2]int{int(at.Int(6, "", 1)), int(at.Int(5, "", 1))},
		Groups:   1,
	}, Multiplier: int(at.Int(3, "", 0))}
	var err error
	if a.Pad, err = tflitePadding(l, 0); err != nil {
		return err
	}
	if a.Act, err = fusedAct(l, 4); err != nil {
		return err
	}
	// Files may state a wrong multiplier; the shapes decide, as in the reference.
	if x, w := l.In(0), l.In(1); x != nil && w != nil && len(x.Shape) == 4 && len(w.Shape) == 4 && x.Shape[3] > 0 && w.Shape[3]%x.Shape[3] == 0 {
		a.Multiplier = w.Shape[3] / x.Shape[3]
	}
	l.Emit("DepthwiseConv2D", a, l.Ins(), l.Outs())
	return nil
}

// span returns the output extent of one axis and the padding before it, or ok false when the window does not fit.
func span(in, k, stride, dil int, pad Padding, before, after int) (out, first int, ok bool) {
	const limit = 1 << 15 // products of two stay far from the largest int
	if in < 1 || in > 1<<28 || k < 1 || stride < 1 || dil < 1 || before < 0 || after < 0 || max(k, stride, dil, before, after) > limit {
		return 0, 0, false
	}
	eff := (k-1)*dil + 1
	switch pad {
	case Same:
		out = (in + stride - 1) / stride
		return out, max((out-1)*stride+eff-in, 0) / 2, true
	case Valid:
		before, after = 0, 0
	}
	room := in + before + after - eff
	if room < 0 {
		return 0, 0, false
	}
	return room/stride + 1, before, true
}

// convGeometry computes the geometry from NHWC input extents.
func convGeometry(x tensor.Shape, kh, kw, outC int, a *Conv2DAttr) (*conv.Geometry, bool) {
	g := &conv.Geometry{
		Batch: x[0], H: x[1], W: x[2], C: x[3], OutC: outC, KH: kh, KW: kw,
		StrideH: a.Stride[0], StrideW: a.Stride[1], DilH: a.Dilation[0], DilW: a.Dilation[1], Groups: a.Groups,
	}
	var okH, okW bool
	g.OutH, g.PadTop, okH = span(g.H, kh, g.StrideH, g.DilH, a.Pad, a.Pads[0], a.Pads[2])
	g.OutW, g.PadLeft, okW = span(g.W, kw, g.StrideW, g.DilW, a.Pad, a.Pads[1], a.Pads[3])
	return g, okH && okW
}

func inferConv(c *graph.InferCtx) error {
	a := c.N.Attr.(Conv2DAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(x.Shape) != 4 || len(w.Shape) != 4 {
		return c.Refuse("needs an input and weights of rank 4")
	}
	outC := w.Shape[0]
	if product(x.Shape) == 0 || product(w.Shape) == 0 {
		return c.Refuse("input %v or weights %v are empty", x.Shape, w.Shape)
	}
	if a.Groups < 1 || outC%a.Groups != 0 || w.Shape[3]*a.Groups != x.Shape[3] {
		return c.Refuse("%d groups do not fit input %v and weights %v", a.Groups, x.Shape, w.Shape)
	}
	if product(w.Shape[1:]) > 1<<20 {
		return c.Refuse("filters of %v values are not supported; up to %d are", w.Shape[1:], 1<<20)
	}
	if err := checkWeights(c, x, w, outC, 0); err != nil {
		return err
	}
	g, ok := convGeometry(x.Shape, w.Shape[1], w.Shape[2], outC, &a)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v and dilation %v does not fit the input %v", w.Shape[1:3], a.Stride, a.Dilation, x.Shape)
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.OutH, g.OutW, outC})
}

func compileConv(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(Conv2DAttr)
	x, w, o := *c.In(0), *c.In(1), *c.Out(0)
	g, _ := convGeometry(x.Shape, w.Shape[1], w.Shape[2], w.Shape[0], &a)
	n, k := g.OutC/g.Groups, g.KH*g.KW*(g.C/g.Groups)
	wt, _ := c.Take(1)
	bias, fbias := takeBias(c)
	if x.DType == tensor.F32 {
		data, _ := wt.Floats()
		lo, hi := actRangeF32(a.Act)
		packed, bytes := make([]*gemm.F32Weights, g.Groups), 0
		for i := range packed {
			packed[i] = gemm.PackF32(data[i*n*k:], n, k, part(fbias, i*n, n), lo, hi)
			bytes += packed[i].Bytes()
		}
		return &graph.Kernel{
			ID: "conv/f32/generic", MACs: g.MACs(), Scratch: 4 * g.PatchElems(), Weights: map[tensor.DType]int{tensor.F32: bytes},
			Run: func(a *graph.Args) error {
				conv.F32(a.Out[0].F32(), a.In[0].F32(), g, packed, tensor.As[float32](a.Scratch, 4))
				return nil
			},
		}, nil
	}
	data := wt.S8()
	lo, hi := actRange(tensor.S8, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	mult, shift := convScales(x.Quant.Scale[0], o.Quant.Scale[0], w.Quant, g.OutC)
	packed, s8, s32 := make([]*gemm.S8Weights, g.Groups), 0, 0
	for i := range packed {
		q := requant.Params{Mult: mult[i*n : (i+1)*n], Shift: shift[i*n : (i+1)*n], Zero: o.Quant.Zero[0], Min: lo, Max: hi}
		packed[i] = gemm.PackS8(data[i*n*k:], n, k, part(bias, i*n, n), x.Quant.Zero[0], w.Quant.Zero[0], q)
		b8, b32 := packed[i].Bytes()
		s8, s32 = s8+b8, s32+b32
	}
	zero := int8(x.Quant.Zero[0])
	return &graph.Kernel{
		ID: "conv/" + typesS8(&w) + "/generic", MACs: g.MACs(), Scratch: g.PatchElems(),
		Weights: map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32},
		Run: func(a *graph.Args) error {
			conv.S8(a.Out[0].S8(), a.In[0].S8(), g, packed, zero, tensor.As[int8](a.Scratch, 1))
			return nil
		},
	}, nil
}

// part returns n elements of s from at, nil when s is nil.
func part[T any](s []T, at, n int) []T {
	if s == nil {
		return nil
	}
	return s[at : at+n]
}

func inferDepthwise(c *graph.InferCtx) error {
	a := c.N.Attr.(DepthwiseAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(x.Shape) != 4 || len(w.Shape) != 4 {
		return c.Refuse("needs an input and weights of rank 4")
	}
	outC := w.Shape[3]
	if product(x.Shape) == 0 || product(w.Shape) == 0 {
		return c.Refuse("input %v or weights %v are empty", x.Shape, w.Shape)
	}
	if w.Shape[0] != 1 || a.Multiplier < 1 || outC != x.Shape[3]*a.Multiplier {
		return c.Refuse("multiplier %d does not fit input %v and weights %v", a.Multiplier, x.Shape, w.Shape)
	}
	if err := checkWeights(c, x, w, outC, 3); err != nil {
		return err
	}
	g, ok := convGeometry(x.Shape, w.Shape[1], w.Shape[2], outC, &a.Conv2DAttr)
	if !ok || !clamps(a.Act) {
		return c.Refuse("window %v with stride %v and dilation %v does not fit the input %v", w.Shape[1:3], a.Stride, a.Dilation, x.Shape)
	}
	return c.Set(0, x.DType, tensor.Shape{g.Batch, g.OutH, g.OutW, outC})
}

func compileDepthwise(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(DepthwiseAttr)
	x, w, o := *c.In(0), *c.In(1), *c.Out(0)
	g, _ := convGeometry(x.Shape, w.Shape[1], w.Shape[2], w.Shape[3], &a.Conv2DAttr)
	macs := int64(g.Batch) * int64(g.OutH) * int64(g.OutW) * int64(g.OutC) * int64(g.KH*g.KW)
	wt, _ := c.Take(1)
	bias, fbias := takeBias(c)
	if x.DType == tensor.F32 {
		data, _ := wt.Floats()
		lo, hi := actRangeF32(a.Act)
		packed := conv.PackDepthwiseF32(data, g.KH*g.KW, g.OutC, fbias, lo, hi)
		return &graph.Kernel{
			ID: "conv.depthwise/f32/generic", MACs: macs, Scratch: 4 * g.OutC, Weights: map[tensor.DType]int{tensor.F32: packed.Bytes()},
			Run: func(a *graph.Args) error {
				conv.DepthwiseF32(a.Out[0].F32(), a.In[0].F32(), g, packed, tensor.As[float32](a.Scratch, 4))
				return nil
			},
		}, nil
	}
	lo, hi := actRange(tensor.S8, a.Act, o.Quant.Scale[0], o.Quant.Zero[0])
	mult, shift := convScales(x.Quant.Scale[0], o.Quant.Scale[0], w.Quant, g.OutC)
	q := requant.Params{Mult: mult, Shift: shift, Zero: o.Quant.Zero[0], Min: lo, Max: hi}
	packed := conv.PackDepthwiseS8(wt.S8(), g.KH*g.KW, g.OutC, bias, x.Quant.Zero[0], w.Quant.Zero[0], q)
	s16, s32 := packed.Bytes()
	return &graph.Kernel{
		ID: "conv.depthwise/" + typesS8(&w) + "/generic", MACs: macs, Scratch: 4 * g.OutC,
		Weights: map[tensor.DType]int{tensor.S16: s16, tensor.S32: s32},
		Run: func(a *graph.Args) error {
			conv.DepthwiseS8(a.Out[0].S8(), a.In[0].S8(), g, packed, tensor.As[int32](a.Scratch, 4))
			return nil
		},
	}, nil
}
