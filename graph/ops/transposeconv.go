package ops

import (
	"encoding/binary"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
	"wayside/kernels/requant"
)

// TransposeConvAttr is the attribute of TransposeConv: x[N,H,W,C], w[O,KH,KW,C], bias[O] or none. The input pixel at y, x reaches the
// outputs from y×Stride − Pad on.
type TransposeConvAttr struct {
	Out       [2]int // height and width of the output
	Pad       [2]int // top, left
	Stride    [2]int
	Act       graph.Activation
	BiasFirst bool // float32 sums start with the bias
}

// FuseAct implements graph.ActFuser.
func (a TransposeConvAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

// customSlot is where the reader puts the raw options of a custom operator.
const customSlot = 1000

func init() {
	graph.Register(graph.Op{Name: "TransposeConv", Infer: inferTransposeConv, Compile: compileTransposeConv},
		graph.Form{Format: graph.TFLite, Op: "TRANSPOSE_CONV", Min: 1, Max: 5, Lower: lowerTransposeConv,
			DTypes: "float32 with float or int8 weights; int8 and int16 with int8 weights; uint8"},
		graph.Form{Format: graph.TFLite, Op: "CUSTOM:Convolution2DTransposeBias", Min: 1, DTypes: "float32", Lower: lowerTransposeConvBias})
}

// lowerTransposeConv takes the output's extents from a constant input 0, otherwise from what the file declares for the output.
func lowerTransposeConv(l *graph.Lower) error {
	at := l.Attrs()
	a := TransposeConvAttr{Stride: [2]int{int(at.Int(2, "", 0)), int(at.Int(1, "", 0))}}
	pad, err := tflitePadding(l, 0)
	if err != nil {
		return err
	}
	if a.Act, err = fusedAct(l, 3); err != nil {
		return err
	}
	w, o := l.In(1), l.Out(0)
	if w == nil || o == nil || l.In(2) == nil || len(w.Shape) != 4 {
		return l.Refuse("needs the output's shape, weights of rank 4, an input and one output")
	}
	x, shape := l.In(2), slices.Clone(o.Shape)
	if s, ok := l.ConstInts(0); ok {
		shape = make(tensor.Shape, len(s))
		for i, v := range s {
			if v < 1 || v > tensor.MaxElems {
				return l.Refuse("the output's shape %v is not supported", s)
			}
			shape[i] = int(v)
		}
	} else if len(shape) == 4 && len(x.Shape) == 4 {
		shape[0] = x.Shape[0] // the batch may be bound
	}
	if len(shape) != 4 || slices.Min(shape) < 1 {
		return l.Refuse("the output's shape is computed at run time; a constant or a declared shape of 4 axes is supported")
	}
	if len(x.Shape) != 4 || x.Shape[0] != shape[0] || w.Shape[0] != shape[3] {
		return l.Refuse("input %v and weights %v do not give the output's shape %v", x.Shape, w.Shape, shape)
	}
	for i := range 2 {
		// The convolution that would turn the output back into the input has this padding.
		_, first, ok := span(shape[i+1], w.Shape[i+1], a.Stride[i], 1, pad, 0, 0)
		if !ok && pad == Same {
			return l.Refuse("weights %v with stride %v do not fit the output %v", w.Shape, a.Stride, shape)
		}
		a.Out[i], a.Pad[i] = shape[i+1], first
	}
	out, bias, add := floatBias(l, 3, &a.Act)
	l.Emit("TransposeConv", a, ids(l.N.In[2], l.N.In[1], bias), ids(out))
	add()
	return nil
}

// lowerTransposeConvBias reads MediaPipe's operator: inputs, weights and bias, and the options of TensorFlow Lite's transposed
// convolution as the C struct lies in memory: padding (1 same, 2 valid), width and height of the stride.
func lowerTransposeConvBias(l *graph.Lower) error {
	raw := []byte(l.Attrs().String(customSlot, "", ""))
	x, w := l.In(0), l.In(1)
	if len(raw) < 12 {
		return l.Refuse("options of %d bytes; padding and strides take 12", len(raw))
	}
	if x == nil || w == nil || l.In(2) == nil || x.DType != tensor.F32 || len(x.Shape) != 4 || len(w.Shape) != 4 {
		return l.Refuse("needs a float32 input, weights of rank 4 and a bias")
	}
	word := func(i int) int { return int(int32(binary.LittleEndian.Uint32(raw[4*i:]))) }
	pad := word(0)
	a := TransposeConvAttr{Stride: [2]int{word(2), word(1)}, BiasFirst: true}
	if pad != 1 && pad != 2 {
		return l.Refuse("padding %d is not known; same (1) and valid (2) are", pad)
	}
	for i := range 2 {
		in, k, s := x.Shape[i+1], w.Shape[i+1], a.Stride[i]
		if in < 1 || in > 1<<15 || k < 1 || k > 1<<15 || s < 1 || s > 1<<15 {
			return l.Refuse("weights %v with stride %v do not fit the input %v", w.Shape, a.Stride, x.Shape)
		}
		total := 0
		if pad == 1 {
			total = max(0, k-(in-1)%s-1)
		}
		a.Out[i], a.Pad[i] = s*(in-1)+k-total, total/2
	}
	if len(l.N.In) != 3 || l.G.Values[l.N.In[2]].Const == nil {
		return l.Refuse("the bias must be a constant")
	}
	l.Emit("TransposeConv", a, l.Ins(), l.Outs())
	return nil
}

func transposeLayer(c graph.NodeCtx) layer {
	return layer{x: c.In(0), w: c.In(1), b: c.In(2), o: c.Out(0), outC: c.In(1).Shape[0], s16: []tensor.DType{tensor.S64, tensor.S32, tensor.S16}}
}

func transposeGeometry(x, w tensor.Shape, a *TransposeConvAttr) *conv.Geometry {
	return &conv.Geometry{
		Batch: x[0], H: x[1], W: x[2], C: x[3], OutC: w[0], KH: w[1], KW: w[2], OutH: a.Out[0], OutW: a.Out[1],
		StrideH: a.Stride[0], StrideW: a.Stride[1], PadTop: a.Pad[0], PadLeft: a.Pad[1], DilH: 1, DilW: 1, Groups: 1,
	}
}

func inferTransposeConv(c *graph.InferCtx) error {
	a := c.N.Attr.(TransposeConvAttr)
	x, w := c.In(0), c.In(1)
	if x == nil || w == nil || len(x.Shape) != 4 || len(w.Shape) != 4 {
		return c.Refuse("needs an input and weights of rank 4")
	}
	if product(x.Shape) == 0 || product(w.Shape) == 0 || x.Shape[3] != w.Shape[3] {
		return c.Refuse("weights %v do not fit the input %v", w.Shape, x.Shape)
	}
	if min(a.Stride[0], a.Stride[1]) < 1 || max(a.Stride[0], a.Stride[1], w.Shape[1], w.Shape[2]) > 1<<15 || !clamps(a.Act) {
		return c.Refuse("weights %v with stride %v are not supported", w.Shape, a.Stride)
	}
	if w.DType == tensor.S4 {
		return c.Refuse("int4 weights are not supported; int8 weights are")
	}
	l := transposeLayer(c.NodeCtx)
	if err := l.check(c); err != nil {
		return err
	}
	return c.Set(0, x.DType, tensor.Shape{x.Shape[0], a.Out[0], a.Out[1], w.Shape[0]})
}

func compileTransposeConv(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(TransposeConvAttr)
	l := transposeLayer(c.NodeCtx)
	g := transposeGeometry(l.x.Shape, l.w.Shape, &at)
	g.Store = c.G.Panels
	k := &graph.Kernel{
		ID: "conv.transpose/" + l.types() + "/generic", Scratch: 8 * g.OutC,
		MACs: int64(g.Batch) * int64(g.H) * int64(g.W) * int64(product(l.w.Shape)),
	}
	bias, floats := takeBias(c, 2)
	if l.x.DType == tensor.F32 && !l.hybrid() {
		var data []float32
		if t, ok := c.Take(1); ok {
			f, _ := t.Floats()
			data = slices.Clone(f)
		}
		lo, hi := actRangeF32(at.Act)
		if data != nil {
			if fast, ok := conv.NewTransposedF32(data, g, floats, lo, hi); ok {
				k.ID, k.Scratch, k.Weights = "conv.transpose/"+l.types()+"/"+fast.ID(), 4*fast.Scratch(), floatBytes(fast.Bytes())
				k.Bind = bindF32(fast)
				return k, nil
			}
		}
		k.Weights = weightBytes(tensor.F32, 4*len(data), requant.Params{}, nil, floats)
		k.Run = func(a *graph.Args) error {
			w := data
			if w == nil {
				w = a.In[1].F32()
			}
			conv.TransposeF32(a.Out[0].F32(), a.In[0].F32(), g, w, floats, at.BiasFirst, lo, hi, tensor.As[float32](a.Scratch, 4))
			return nil
		}
		return k, nil
	}
	data := slices.Clone(takeS8(c, 1))
	if l.hybrid() {
		h := &l.hybrids(at.Act, floats, 1)[0]
		one, size, outSize := *g, g.H*g.W*g.C, g.OutH*g.OutW*g.OutC
		one.Batch = 1
		k.Weights = weightBytes(tensor.S8, len(data), requant.Params{}, nil, floats)
		k.Scratch += size
		k.Run = func(a *graph.Args) error {
			dst, src := a.Out[0].F32(), a.In[0].F32()
			acc, q := tensor.As[float32](a.Scratch[:8*g.OutC], 4), tensor.As[int8](a.Scratch[8*g.OutC:], 1)[:size]
			for b := range g.Batch {
				scale, zero := quantizeDynamic(q, src[b*size:(b+1)*size], true)
				conv.TransposeHybrid(dst[b*outSize:(b+1)*outSize], q, &one, data, h, scale, zero, acc)
			}
			return nil
		}
		return k, nil
	}
	rule := requant.Fixed
	if l.x.DType == tensor.S16 && (l.b == nil || l.b.DType != tensor.S32) {
		rule = requant.Wide
	}
	p := l.params(rule, at.Act, false)
	q := &l.quants(p, bias, 1)[0]
	k.Weights = weightBytes(tensor.S8, len(data), p, bias, nil)
	s16 := l.x.DType == tensor.S16
	if l.x.DType == tensor.S8 && data != nil {
		if fast, ok := conv.NewTransposedS8(data, g, narrow32(q.Bias), q); ok {
			s8, s32 := fast.Bytes()
			k.ID, k.Scratch, k.Weights = "conv.transpose/"+l.types()+"/"+fast.ID(), fast.Scratch(), map[tensor.DType]int{tensor.S8: s8, tensor.S32: s32}
			k.Bind = bindS8(fast)
			return k, nil
		}
	}
	k.Run = func(a *graph.Args) error {
		w, acc := data, tensor.As[int64](a.Scratch, 8)
		if w == nil {
			w = a.In[1].S8()
		}
		if s16 {
			conv.Transpose(a.Out[0].S16(), a.In[0].S16(), g, w, q, acc)
		} else {
			conv.Transpose(a.Out[0].S8(), a.In[0].S8(), g, w, q, acc)
		}
		return nil
	}
	return k, nil
}
