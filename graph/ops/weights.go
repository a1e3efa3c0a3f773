package ops

import (
	"maps"
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// layer is what operators with weights have in common: which values they read, and how the outputs are counted.
type layer struct {
	x, w, b, o *graph.Value
	outC       int            // output channels
	s16        []tensor.DType // bias dtypes for int16 activations
	wide       bool           // weights may be int16 too
}

// hybrid reports whether float32 activations meet integer weights.
func (l *layer) hybrid() bool {
	return l.x.DType == tensor.F32 && (l.w.DType == tensor.S8 || l.w.DType == tensor.S4)
}

// check refuses what the kernels cannot do: dtypes, quantization, weights and bias that are computed at run time.
func (l *layer) check(c *graph.InferCtx) error {
	if l.outC > 1<<24 { // scratch of 8 bytes each must not overflow on 32-bit machines
		return c.Refuse("%d output channels are not supported; up to %d are", l.outC, 1<<24)
	}
	if l.w.Const == nil && (l.w.DType == tensor.S4 || l.hybrid()) {
		return c.Refuse("%s weights that are computed at run time are not supported for %s activations; constants are", l.w.DType, l.x.DType)
	}
	if l.b != nil && (l.b.Const == nil || product(l.b.Shape) != l.outC) {
		return c.Refuse("the bias must be a constant of %d values, it is %v", l.outC, l.b.Shape)
	}
	switch l.x.DType {
	case tensor.F32:
		return l.checkF32(c)
	case tensor.S8, tensor.S16:
	default:
		return c.Refuse("%s activations are not supported; float32, int8, uint8 and int16 are", l.x.DType)
	}
	if l.x.Shifted != l.w.Shifted || l.o != nil && l.o.DType == tensor.S8 && l.o.Shifted != l.x.Shifted {
		return c.Refuse("uint8 and int8 do not mix: input, weights and output must be of one kind")
	}
	switch {
	case l.w.DType == tensor.S8, l.w.DType == tensor.S4:
	case l.w.DType == tensor.S16 && l.x.DType == tensor.S16 && l.wide:
	default:
		return c.Refuse("%s activations with %s weights are not supported; int8 and int4 weights are", l.x.DType, l.w.DType)
	}
	if l.b != nil && l.x.DType == tensor.S8 && l.b.DType != tensor.S32 {
		return c.Refuse("int8 activations with a %s bias are not supported; int32 is", l.b.DType)
	}
	if l.b != nil && l.x.DType == tensor.S16 && !slices.Contains(l.s16, l.b.DType) {
		return c.Refuse("int16 activations with a %s bias are not supported; these are: %v", l.b.DType, l.s16)
	}
	if l.o == nil || l.o.Quant == nil || l.x.Quant == nil {
		return c.Refuse("input and output need a scale")
	}
	if err := checkQuant(l.x, l.o); err != nil {
		return err
	}
	return l.checkScales(c)
}

func (l *layer) checkF32(c *graph.InferCtx) error {
	isFloat := func(d tensor.DType) bool { return d == tensor.F32 || d == tensor.F16 || d == tensor.BF16 }
	if l.b != nil && !isFloat(l.b.DType) {
		return c.Refuse("a %s bias does not fit float32 activations", l.b.DType)
	}
	if !l.hybrid() {
		if !isFloat(l.w.DType) || l.w.Const == nil && l.w.DType != tensor.F32 {
			return c.Refuse("float32 activations with %s weights are not supported; float32, float16, bfloat16, int8 and int4 are", l.w.DType)
		}
		return nil
	}
	if l.w.Shifted {
		return c.Refuse("float32 activations with uint8 weights are not supported; int8 and int4 weights are")
	}
	return l.checkScales(c)
}

// checkScales checks the quantization of integer weights. Which axis the scales belong to is not asked, as in the references: files
// state odd ones.
func (l *layer) checkScales(c *graph.InferCtx) error {
	q := l.w.Quant
	if q == nil || len(q.Scale) != 1 && len(q.Scale) != l.outC {
		return c.Refuse("the weights need one scale, or one for each of %d output channels", l.outC)
	}
	if l.w.Shifted && len(q.Scale) != 1 {
		return c.Refuse("uint8 weights need one scale for the whole tensor")
	}
	for _, z := range q.Zero {
		if c.G.Format == graph.ONNX && len(q.Scale) == 1 && l.w.DType == tensor.S8 && !l.hybrid() {
			continue
		}
		// Only the reference of FULLY_CONNECTED, and those for uint8, subtract a zero point of the weights.
		if z != 0 && !l.w.Shifted && (len(q.Scale) > 1 || c.N.Op != "FullyConnected" || l.w.DType != tensor.S8 || l.hybrid()) {
			return c.Refuse("%s weights with zero point %d are not supported here; 0 is", l.w.DType, z)
		}
	}
	for _, z := range q.Zero {
		if z < math.MinInt8 || z > math.MaxInt8 {
			return c.Refuse("the weights have the zero point %d, outside of int8", z)
		}
	}
	return l.checkFactors(c)
}

// checkFactors bounds what scales 64-bit sums to what their arithmetic can hold.
func (l *layer) checkFactors(c *graph.InferCtx) error {
	if l.x.DType != tensor.S16 {
		return nil
	}
	for i := range l.w.Quant.Scale {
		if m, shift := requant.Quantize(max(l.real(i), l.realF32())); m != 0 && shift > 7 {
			return c.Refuse("int16 sums are scaled by %v; factors below 128 are supported", l.real(i))
		}
	}
	return nil
}

// real returns the factor from sums to outputs of channel i. With one scale in all, or uint8, the references multiply the
// scales of input and weights in float32; with one per channel in float64.
func (l *layer) real(i int) float64 {
	in, w, out := l.x.Quant.Scale[0], l.w.Quant.Scale[i], l.o.Quant.Scale[0]
	return float64(in) * float64(w) / float64(out)
}

func (l *layer) realF32() float64 {
	return float64(float32(l.x.Quant.Scale[0]*l.w.Quant.Scale[0])) / float64(l.o.Quant.Scale[0])
}

// params returns how sums are stored, with the given rule and activation. inF32 says that a single factor is the product in
// float32.
func (l *layer) params(rule requant.Rule, act graph.Activation, inF32 bool) requant.Params {
	lo, hi := actRange(l.o.DType, act, l.o.Quant.Scale[0], l.o.Quant.Zero[0])
	p := requant.Params{Rule: rule, Zero: l.o.Quant.Zero[0], Min: lo, Max: hi}
	for i := range l.w.Quant.Scale {
		r := l.real(i)
		if rule == requant.Float || rule == requant.FloatWide {
			p.Real = append(p.Real, r)
			continue
		}
		if len(l.w.Quant.Scale) == 1 && (inF32 || l.x.Shifted) {
			r = l.realF32()
		}
		m, s := requant.Quantize(r)
		p.Mult, p.Shift = append(p.Mult, m), append(p.Shift, s)
	}
	return p
}

// quants splits params and bias into one Quant per group.
func (l *layer) quants(p requant.Params, bias []int64, groups int) []gemm.Quant {
	out := make([]gemm.Quant, groups)
	n := l.outC / groups
	for i := range out {
		q := gemm.Quant{Params: p, XZero: l.x.Quant.Zero[0], WZero: l.w.Quant.Zero[0], Bias: part(bias, i*n, n)}
		if len(p.Mult) > 1 {
			q.Mult, q.Shift = p.Mult[i*n:(i+1)*n], p.Shift[i*n:(i+1)*n]
		}
		if len(p.Real) > 1 {
			q.Real = p.Real[i*n : (i+1)*n]
		}
		out[i] = q
	}
	return out
}

// hybrids is quants for float32 activations with integer weights.
func (l *layer) hybrids(act graph.Activation, bias []float32, groups int) []gemm.Hybrid {
	out := make([]gemm.Hybrid, groups)
	n := l.outC / groups
	lo, hi := actRangeF32(act)
	for i := range out {
		s := l.w.Quant.Scale
		if len(s) > 1 {
			s = s[i*n : (i+1)*n]
		}
		out[i] = gemm.Hybrid{Scale: s, Bias: part(bias, i*n, n), Min: lo, Max: hi}
	}
	return out
}

// types names activations and weights in a kernel id: s8, s8pc (one scale per channel), s16s8pc, f32s4 and so on.
func (l *layer) types() string { return l.typesOf(l.w.DType) }

// typesOf is types for weights that are packed as d.
func (l *layer) typesOf(d tensor.DType) string {
	short := map[tensor.DType]string{tensor.F32: "f32", tensor.S8: "s8", tensor.S16: "s16", tensor.S4: "s4"}
	x, w := short[l.x.DType], short[d]
	if x == w {
		w = ""
	}
	if l.w.Quant != nil && len(l.w.Quant.Scale) > 1 {
		w += "pc"
	}
	return x + w
}

// part returns n elements of s from at, nil when s is nil.
func part[T any](s []T, at, n int) []T {
	if s == nil {
		return nil
	}
	return s[at : at+n]
}

// takeBias returns the constants of bias input i in the type that its kernel adds, nil when there is none, and their bytes.
func takeBias(c *graph.CompileCtx, i int) (ints []int64, floats []float32) {
	if c.In(i) == nil {
		return nil, nil
	}
	t, _ := c.Take(i)
	if f, ok := t.Floats(); ok {
		return nil, slices.Clone(f)
	}
	ints, _ = t.Ints()
	return ints, nil
}

// takeS8 returns constant int8 weights, or int4 weights one to a byte; nil when input i is computed at run time. They may lie in the model file: what is not
// packed is kept as a copy.
func takeS8(c *graph.CompileCtx, i int) []int8 {
	t, ok := c.Take(i)
	if !ok {
		return nil
	}
	if t.DType == tensor.S8 {
		return t.S8()
	}
	out := make([]int8, t.Elems())
	vec.UnpackS4(out, t.Data)
	return out
}

// packedAs returns the type that int8 weights are packed as.
func packedAs(w *gemm.S8Weights) tensor.DType {
	if w.FourBits() {
		return tensor.S4
	}
	return tensor.S8
}

// narrow32 returns a bias of int32 range as int32.
func narrow32(bias []int64) []int32 {
	if bias == nil {
		return nil
	}
	out := make([]int32, len(bias))
	for i, v := range bias {
		out[i] = int32(v)
	}
	return out
}

// weightBytes counts what a kernel keeps: weights of one dtype, and what its store needs.
func weightBytes(d tensor.DType, weights int, p requant.Params, ints []int64, floats []float32) map[tensor.DType]int {
	m := map[tensor.DType]int{d: weights}
	m[tensor.S32] += 8 * len(p.Mult)
	m[tensor.S64] += 8 * len(ints)
	m[tensor.F32] += 4*len(floats) + 8*len(p.Real)
	maps.DeleteFunc(m, func(_ tensor.DType, n int) bool { return n == 0 })
	return m
}

// floatBytes counts what a float32 kernel keeps.
func floatBytes(b gemm.FormBytes) map[tensor.DType]int {
	m := map[tensor.DType]int{tensor.F32: b.F32, tensor.BF16: b.BF16, tensor.F16: b.F16}
	maps.DeleteFunc(m, func(_ tensor.DType, n int) bool { return n == 0 })
	return m
}

// floatBias splits off the bias of a float32 layer that is computed at run time: the layer runs without bias and activation, and
// an Add with the activation follows, which is the same arithmetic. It returns the layer's output and the bias input.
func floatBias(l *graph.Lower, bias int, act *graph.Activation) (out, b graph.ValueID, add func()) {
	last, live := graph.None, l.First(bias + 1)[bias]
	if len(l.N.Out) > 0 {
		last = l.N.Out[0]
	}
	x := l.In(0)
	if l.N.Src.Op == "TRANSPOSE_CONV" {
		x = l.In(2)
	}
	if live == graph.None || l.G.Values[live].Const != nil || x == nil || x.DType != tensor.F32 {
		return last, live, func() {}
	}
	fused := *act
	*act = graph.ActNone
	sum := l.Temp("product", nil)
	return sum, graph.None, func() { l.Emit("Add", BinaryAttr{Act: fused}, ids(sum, live), ids(last)) }
}
