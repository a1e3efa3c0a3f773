package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
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
	After    graph.Activation // what else float32 results go through
	Then     *graph.Node      // or a node that changes int8 results: see graph.ThenFuser
}

// FuseAfter implements graph.AfterFuser.
func (a Conv2DAttr) FuseAfter(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || a.After != graph.ActNone || a.Then != nil {
		return nil, false
	}
	a.After = act
	return a, true
}

// FusePad implements graph.PadFuser.
func (a Conv2DAttr) FusePad(before, after [2]int) (any, bool) {
	switch a.Pad {
	case Same: // the window's place depends on the extents
		return nil, false
	case Valid:
		a.Pad, a.Pads = Explicit, [4]int{}
	}
	for i := range 2 {
		a.Pads[i] += before[i]
		a.Pads[2+i] += after[i]
	}
	return a, true
}

// FuseThen implements graph.ThenFuser.
func (a Conv2DAttr) FuseThen(n *graph.Node) (any, bool) {
	if a.After != graph.ActNone || a.Then != nil {
		return nil, false
	}
	node := *n
	a.Then = &node
	return a, true
}

// after returns the function for float32 results, nil for none, and what it adds to the family of a kernel's id.
func (a *Conv2DAttr) after(format graph.Format) (f func(x, beside []float32), id string) {
	switch a.After {
	case graph.ActSwish:
		logistic := &vec.FnLogistic
		if format == graph.TFLite {
			logistic = &vec.FnLogisticCut
		}
		return func(x, _ []float32) { vec.SwishF32(x, logistic) }, "+swish"
	case graph.ActHardSwish:
		return func(x, _ []float32) { vec.FnHardSwish.Map(x, x) }, "+hard_swish"
	}
	return nil, ""
}

// FuseAct implements graph.ActFuser.
func (a Conv2DAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || a.After != graph.ActNone || a.Then != nil || !clamps(act) {
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
	return a.with(a.Conv2DAttr.FuseAct(act))
}

// FuseAfter implements graph.AfterFuser.
func (a DepthwiseAttr) FuseAfter(act graph.Activation) (any, bool) {
	return a.with(a.Conv2DAttr.FuseAfter(act))
}

// FusePad implements graph.PadFuser.
func (a DepthwiseAttr) FusePad(before, after [2]int) (any, bool) {
	return a.with(a.Conv2DAttr.FusePad(before, after))
}

// FuseThen implements graph.ThenFuser.
func (a DepthwiseAttr) FuseThen(n *graph.Node) (any, bool) {
	if n.Op != graph.TableOp {
		return nil, false
	}
	return a.with(a.Conv2DAttr.FuseThen(n))
}

// with returns a with another Conv2DAttr.
func (a DepthwiseAttr) with(attr any, ok bool) (any, bool) {
	if !ok {
		return nil, false
	}
	a.Conv2DAttr = attr.(Conv2DAttr)
	return a, true
}

// convTypes is what CONV_2D runs with, for the documentation.
const convTypes = "float32 with float, int8 or int4 weights; int8 and int16 with int8 or int4 weights; uint8"

func depthwise(a Conv2DAttr, multiplier int) DepthwiseAttr { return DepthwiseAttr{a, multiplier} }

func init() {
	graph.Register(graph.Op{Name: "Conv2D", Infer: inferConv, Compile: compileConv},
		graph.Form{Format: graph.TFLite, Op: "CONV_2D", Min: 1, Max: 8, DTypes: convTypes, Lower: lowerConvTFLite})
	graph.Register(graph.Op{Name: "DepthwiseConv2D", Infer: inferDepthwise, Compile: compileDepthwise},
		graph.Form{Format: graph.TFLite, Op: "DEPTHWISE_CONV_2D", Min: 1, Max: 7, DTypes: "float32 with float or int8 weights; int8 with int8 or int4 weights; int16 with int8 weights; uint8", Lower: lowerDepthwiseTFLite})
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
	out, bias, add := floatBias(l, 2, &a.Act)
	l.Emit("Conv2D", a, append(l.First(2), bias), ids(out))
	add()
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
	out, bias, add := floatBias(l, 2, &a.Act)
	l.Emit("DepthwiseConv2D", a, append(l.First(2), bias), ids(out))
	add()
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

// convLayer describes the weights of a Conv2D node.
func convLayer(c graph.NodeCtx) layer {
	return layer{x: c.In(0), w: c.In(1), b: c.In(2), o: ownResult(c, c.N.Attr.(Conv2DAttr).Then), outC: c.In(1).Shape[0], s16: []tensor.DType{tensor.S64, tensor.S32}}
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
	l := convLayer(c.NodeCtx)
	if err := l.check(c); err != nil {
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
	l := convLayer(c.NodeCtx)
	g, _ := convGeometry(l.x.Shape, l.w.Shape[1], l.w.Shape[2], l.outC, &a)
	k := &graph.Kernel{ID: "conv/" + l.types() + "/generic", MACs: g.MACs()}
	g.Store = c.G.Panels
	bias, floats := takeBias(c, 2)
	switch {
	case l.hybrid():
		compileConvHybrid(c, k, &l, g, a.Act, floats)
	case l.x.DType == tensor.F32:
		compileConvF32(c, k, &l, g, &a, floats)
	case l.x.DType == tensor.S8 && l.w.Const != nil:
		compileConvS8(c, k, &l, g, &a, bias)
	default:
		compileConvRows(c, k, &l, g, a.Act, bias)
	}
	return k, nil
}

// bindF32 gives each session a copy of its own of a float32 layer, which keeps the arguments of a run.
func bindF32[L any, P interface {
	*L
	Run(dst, src, scratch []float32)
}](planned P) func(*graph.Args) (func(*graph.Args) error, error) {
	return func(*graph.Args) (func(*graph.Args) error, error) {
		layer := *planned
		return func(a *graph.Args) error {
			P(&layer).Run(a.Out[0].F32(), a.In[0].F32(), tensor.As[float32](a.Scratch, 4))
			return nil
		}, nil
	}
}

// bindS8 is bindF32 for int8.
func bindS8[L any, P interface {
	*L
	Run(dst, src []int8, scratch []byte)
}](planned P) func(*graph.Args) (func(*graph.Args) error, error) {
	return func(*graph.Args) (func(*graph.Args) error, error) {
		layer := *planned
		adder, adds := any(&layer).(interface{ Beside([]int8) })
		return func(a *graph.Args) error {
			if adds {
				adder.Beside(beside(a))
			}
			P(&layer).Run(a.Out[0].S8(), a.In[0].S8(), a.Scratch)
			return nil
		}, nil
	}
}

func compileConvF32(c *graph.CompileCtx, k *graph.Kernel, l *layer, g *conv.Geometry, attr *Conv2DAttr, bias []float32) {
	lo, hi := actRangeF32(attr.Act)
	then, id := attr.after(c.G.Format)
	k.Scratch = 4 * g.PatchElems()
	if l.w.Const == nil {
		k.Weights = weightBytes(tensor.F32, 0, requant.Params{}, nil, bias)
		k.Run = func(a *graph.Args) error {
			conv.RowsF32(a.Out[0].F32(), a.In[0].F32(), g, a.In[1].F32(), bias, lo, hi, tensor.As[float32](a.Scratch, 4))
			return nil
		}
		return
	}
	wt, _ := c.Take(1)
	data, _ := wt.Floats()
	if winograd, ok := conv.NewWinograd(data, g, bias, lo, hi); ok {
		winograd.Then(then)
		k.ID = "conv.winograd" + id + "/" + l.types() + "/" + winograd.ID()
		k.Scratch, k.Weights = 4*winograd.Scratch(), floatBytes(winograd.Bytes())
		k.Bind = bindF32(winograd)
		return
	}
	if direct, ok := conv.NewDirectF32(data, g, bias, lo, hi); ok {
		direct.Then(then)
		k.ID = "conv.direct" + id + "/" + direct.Types() + "/" + direct.ID()
		k.Scratch, k.Weights = 4*direct.Scratch(), floatBytes(direct.Bytes())
		k.Bind = bindF32(direct)
		return
	}
	n, elems := g.OutC/g.Groups, g.KH*g.KW*(g.C/g.Groups)
	packed, bytes := make([]*gemm.F32Weights, g.Groups), gemm.FormBytes{}
	for i := range packed {
		packed[i] = gemm.PackF32In(g.Store, g.Batch*g.OutH*g.OutW, data[i*n*elems:], n, elems, part(bias, i*n, n), lo, hi)
		bytes = bytes.Plus(packed[i].Bytes())
	}
	k.ID = "conv" + id + "/" + packed[0].Types() + "/" + packed[0].ID()
	k.Weights = floatBytes(bytes)
	planned := conv.NewF32(g, packed)
	planned.Then(then)
	k.Scratch = 4 * planned.Scratch()
	k.Bind = bindF32(planned)
}

func compileConvS8(c *graph.CompileCtx, k *graph.Kernel, l *layer, g *conv.Geometry, attr *Conv2DAttr, bias []int64) {
	then := thenS8(c, attr.Then)
	defer then.count(k)
	data := takeS8(c, 1)
	n, elems := g.OutC/g.Groups, g.KH*g.KW*(g.C/g.Groups)
	quants := l.quants(l.params(requant.Fixed, attr.Act, false), bias, g.Groups)
	if compileWinogradS8(k, l, g, data, &quants[0], then) || compileDirectS8(k, l, g, data, &quants[0], then) {
		return
	}
	packed := make([]*gemm.S8Weights, g.Groups)
	k.Weights = map[tensor.DType]int{}
	for i, q := range quants {
		packed[i] = gemm.PackS8In(g.Store, g.Batch*g.OutH*g.OutW, data[i*n*elems:], n, elems, narrow32(q.Bias), q.XZero, q.WZero, q.Params)
		s8, s32 := packed[i].Bytes()
		k.Weights[packedAs(packed[i])] += s8
		k.Weights[tensor.S32] += s32
	}
	zero := int8(l.x.Quant.Zero[0])
	k.ID = "conv" + then.id + "/" + l.typesOf(packedAs(packed[0])) + "/" + packed[0].ID()
	planned := conv.NewS8(g, packed, zero)
	planned.Then(then.run)
	k.Scratch = planned.Scratch()
	k.Bind = bindS8(planned)
}

// compileWinogradS8 runs a convolution in Winograd's form; false where another is better.
func compileWinogradS8(k *graph.Kernel, l *layer, g *conv.Geometry, data []int8, q *gemm.Quant, then stepS8) bool {
	winograd, ok := conv.NewWinogradS8(data, g, q)
	if !ok {
		return false
	}
	s16, s32 := winograd.Bytes()
	winograd.Then(then.run)
	k.ID = "conv.winograd" + then.id + "/" + l.types() + "/" + winograd.ID()
	k.Scratch, k.Weights = winograd.Scratch(), map[tensor.DType]int{tensor.S16: s16, tensor.S32: s32}
	k.Bind = bindS8(winograd)
	return true
}

// compileDirectS8 runs a convolution that reads windows of a bordered picture; false where this machine or the geometry has none.
func compileDirectS8(k *graph.Kernel, l *layer, g *conv.Geometry, data []int8, q *gemm.Quant, then stepS8) bool {
	direct, ok := conv.NewDirectS8(data, g, q)
	if !ok {
		return false
	}
	s8, s32 := direct.Bytes()
	direct.Then(then.run)
	k.ID = "conv.direct" + then.id + "/" + l.types() + "/" + direct.ID()
	k.Scratch, k.Weights = direct.Scratch(), map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32}
	k.Bind = bindS8(direct)
	return true
}

// compileConvRows runs int16 activations, and int8 ones with weights that are computed. With a 32-bit bias the reference sums in 32
// bits and rounds as for int8.
func compileConvRows(c *graph.CompileCtx, k *graph.Kernel, l *layer, g *conv.Geometry, act graph.Activation, bias []int64) {
	rule := requant.Fixed
	if l.x.DType == tensor.S16 && (l.b == nil || l.b.DType == tensor.S64) {
		rule = requant.Wide
	}
	p := l.params(rule, act, false)
	q, data := l.quants(p, bias, g.Groups), slices.Clone(takeS8(c, 1))
	k.Weights = weightBytes(tensor.S8, len(data), p, bias, nil)
	if l.x.DType == tensor.S8 {
		k.Scratch = g.PatchElems()
		k.Run = func(a *graph.Args) error {
			conv.Rows(a.Out[0].S8(), a.In[0].S8(), g, a.In[1].S8(), q, tensor.As[int8](a.Scratch, 1))
			return nil
		}
		return
	}
	k.Scratch = 2 * g.PatchElems()
	k.Run = func(a *graph.Args) error {
		w := data
		if w == nil {
			w = a.In[1].S8()
		}
		conv.Rows(a.Out[0].S16(), a.In[0].S16(), g, w, q, tensor.As[int16](a.Scratch, 2))
		return nil
	}
}

// compileConvHybrid quantizes each image of the batch at run time: with one zero point for it when the weights have
// different scales or groups, symmetrically otherwise, as the reference does.
func compileConvHybrid(c *graph.CompileCtx, k *graph.Kernel, l *layer, g *conv.Geometry, act graph.Activation, bias []float32) {
	asym := g.Groups > 1
	for _, s := range l.w.Quant.Scale {
		asym = asym || s != l.w.Quant.Scale[0]
	}
	h, data := l.hybrids(act, bias, g.Groups), slices.Clone(takeS8(c, 1))
	for i := range h {
		h[i].ByTurns = asym
	}
	one, size, outSize := *g, g.H*g.W*g.C, g.OutH*g.OutW*g.OutC
	one.Batch = 1
	k.Weights = weightBytes(tensor.S8, len(data), requant.Params{}, nil, bias)
	k.Scratch = size + one.PatchElems()
	k.Run = func(a *graph.Args) error {
		dst, src, s := a.Out[0].F32(), a.In[0].F32(), tensor.As[int8](a.Scratch, 1)
		q, patch := s[:size], s[size:]
		for b := range g.Batch {
			scale, zero := quantizeDynamic(q, src[b*size:(b+1)*size], asym)
			conv.Hybrid(dst[b*outSize:(b+1)*outSize], q, &one, data, h, scale, zero, patch)
		}
		return nil
	}
}
