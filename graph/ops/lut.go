package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

func init() {
	graph.Register(graph.Op{Name: graph.TableOp, Elementwise: true, Infer: inferTable, Compile: compileTable})
}

func inferTable(c *graph.InferCtx) error {
	x, _, err := oneToOne(c)
	if err != nil {
		return err
	}
	if x.DType != tensor.S8 {
		return c.Refuse("%s is not supported; int8 is", x.DType)
	}
	return c.Set(0, tensor.S8, x.Shape)
}

func compileTable(c *graph.CompileCtx) (*graph.Kernel, error) {
	return lookup(c.Out(0), "vec.table", tableOf(c.N.Attr.(graph.TableAttr))), nil
}

func tableOf(a graph.TableAttr) *[256]int8 {
	t := &[256]int8{}
	for i, v := range a.Results {
		t[i] = int8(v)
	}
	return t
}

// lutS8 tabulates a float function for int8: the input is dequantized, the result multiplied by the inverse output scale and rounded half
// away from zero, all in float32, as TensorFlow Lite fills its tables.
func lutS8(x, o *graph.Value, f func(float32) float32) *[256]int8 {
	inverse := 1 / o.Quant.Scale[0]
	return table(func(v int32) int32 {
		r := f(x.Quant.Scale[0] * float32(v-x.Quant.Zero[0]))
		return toInt32(roundF32(float32(r*inverse)) + float32(o.Quant.Zero[0]))
	})
}

// lutS16 tabulates a float function for int16 at 513 points; an entry is moved by half of the error that interpolation has in the
// middle of its step.
func lutS16(scaleIn float32, zeroIn int32, scaleOut float32, zeroOut int32, f func(float32) float32) *vec.S16Table {
	const steps = 512
	// Conversions after products forbid fusing them with a sum.
	lo, hi := float32(scaleIn*float32(math.MinInt16-zeroIn)), float32(scaleIn*float32(math.MaxInt16-zeroIn))
	outLo, outHi := float32(scaleOut*float32(math.MinInt16-zeroOut)), float32(scaleOut*float32(math.MaxInt16-zeroOut))
	step := (hi - lo) / steps
	half := float32(step / 2)
	inverse := float32(1<<16) / (outHi - outLo)
	t := &vec.S16Table{}
	clamp := func(v float32) int16 { return int16(toInt32(min(max(v, math.MinInt16), math.MaxInt16))) }
	for i := range steps {
		at := lo + float32(float32(i)*step)
		val, mid, next := f(at), f(at+half), f(lo+float32(float32(i+1)*step))
		sample := roundF32(float32(val * inverse))
		interpolated := roundF32((float32(next*inverse) + sample) / 2)
		bias := roundF32((interpolated - roundF32(float32(mid*inverse))) / 2)
		t[i] = clamp(sample - bias)
	}
	t[steps] = clamp(roundF32(float32(f(hi) * inverse)))
	return t
}

// roundF32 rounds half away from zero.
func roundF32(x float32) float32 { return float32(math.Round(float64(x))) }

// toInt32 truncates, limited to the range; NaN becomes the least value.
func toInt32(x float32) int32 {
	if !(x > math.MinInt32) {
		return math.MinInt32
	}
	if x >= 1<<31 {
		return math.MaxInt32
	}
	return int32(x)
}
