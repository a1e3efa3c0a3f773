package ops

import (
	"math"
	"strings"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// checkBinaryQ checks scales and zero points of a quantized Add, Sub, Mul or Div.
func checkBinaryQ(c *graph.InferCtx) error {
	a, b, o := c.In(0), c.In(1), c.Out(0)
	if o.Quant == nil {
		return c.Refuse("the output has no scale")
	}
	if c.N.Op == "Mul" || c.N.Op == "Div" {
		return checkQuant(a, b, o)
	}
	if err := checkQuantZero16(a, b, o); err != nil {
		return err
	}
	if _, _, _, ok := addScales(a, b, o); !ok {
		return c.Refuse("the output scale %v is too small for inputs with scales %v and %v; make it larger", o.Quant.Scale[0], a.Quant.Scale[0], b.Quant.Scale[0])
	}
	return nil
}

// How many bits the reference moves int8 and int16 inputs to the left before it rescales them.
const addShift, addShift16 = 20, 15

// addScales returns how Add and Sub rescale both inputs and their sum; false where the last multiplier is not below one, which
// the reference aborts on.
func addScales(a, b, o *graph.Value) (ra, rb vec.Rescale, q vec.Store, ok bool) {
	left := int32(addShift)
	if o.DType == tensor.S16 {
		left = addShift16
	}
	sa, sb, so := a.Quant.Scale[0], b.Quant.Scale[0], o.Quant.Scale[0]
	twice := 2 * float64(max(sa, sb))
	ma, mb, mo := float64(sa)/twice, float64(sb)/twice, twice/(float64(int32(1)<<left)*float64(so))
	ra = vec.Rescale{Zero: a.Quant.Zero[0], Left: left}
	rb = vec.Rescale{Zero: b.Quant.Zero[0], Left: left}
	ra.Mult, ra.Shift = requant.Quantize(ma)
	rb.Mult, rb.Shift = requant.Quantize(mb)
	q.Zero = o.Quant.Zero[0]
	q.Mult, q.Shift = requant.Quantize(mo)
	return ra, rb, q, mo > 0 && mo < 1 && q.Shift <= 0
}

// productScale returns the multiplier of a quantized Mul or Div. The references compute it in float64 for int8 and, but for a
// division, for int16, in float32 otherwise.
func productScale(op string, a, b, o *graph.Value) float64 {
	sa, sb, so := a.Quant.Scale[0], b.Quant.Scale[0], o.Quant.Scale[0]
	switch div := op == "Div"; {
	case div && (o.Shifted || o.DType == tensor.S16):
		return float64(sa / float32(sb*so))
	case div:
		return float64(sa) / (float64(sb) * float64(so))
	case o.Shifted:
		return float64(float32(sa*sb) / so)
	}
	return float64(sa) * float64(sb) / float64(so)
}

func compileBinaryQ(c *graph.CompileCtx) (*graph.Kernel, error) {
	a, b, o := c.In(0), c.In(1), c.Out(0)
	lo, hi := actRange(o.DType, c.N.Attr.(BinaryAttr).Act, o.Quant.Scale[0], o.Quant.Zero[0])
	s := pairSpread(c)
	if c.N.Op == "Mul" || c.N.Op == "Div" {
		q := &vec.Store{Zero: o.Quant.Zero[0], Lo: lo, Hi: hi}
		q.Mult, q.Shift = requant.Quantize(productScale(c.N.Op, a, b, o))
		if a.DType == tensor.S8 && c.N.Op == "Mul" {
			return pairS8Kernel(c, vec.NewProductS8(a.Quant.Zero[0], b.Quant.Zero[0], q), 0), nil
		}
		if a.DType == tensor.S8 {
			return binaryKernel(c, "s8", productRun[int8](c, s, q)), nil
		}
		return binaryKernel(c, "s16", productRun[int16](c, s, q)), nil
	}
	if a.DType == tensor.S16 {
		ra, rb, q, _ := addScales(a, b, o)
		q.Lo, q.Hi = lo, hi
		sign := int32(1)
		if c.N.Op == "Sub" {
			sign = -1
		}
		return binaryKernel(c, "s16", pairRun(s, func(dst, a []int16, sa int, b []int16, sb int) {
			vec.AddS16(dst, a, sa, b, sb, &ra, &rb, sign, &q)
		})), nil
	}
	p, values := sumS8(c.NodeCtx)
	return pairS8Kernel(c, p, values), nil
}

// sumS8 prepares an int8 Add or Sub, which keeps so many int32 values.
func sumS8(c graph.NodeCtx) (p *vec.PairS8, values int) {
	o := c.Out(0)
	ra, rb, q, _ := addScales(c.In(0), c.In(1), o)
	q.Lo, q.Hi = actRange(o.DType, c.N.Attr.(BinaryAttr).Act, o.Quant.Scale[0], o.Quant.Zero[0])
	return vec.NewSumS8(&ra, &rb, c.N.Op == "Sub", &q), 2 * 256
}

// pairS8Kernel runs an int8 operator with two inputs that keeps so many int32 values.
func pairS8Kernel(c *graph.CompileCtx, p *vec.PairS8, values int) *graph.Kernel {
	p.Prepare(product(c.Out(0).Shape))
	k := binaryKernel(c, "s8", nil)
	shareRuns(k, pairSpread(c), p.Run)
	k.ID = strings.TrimSuffix(k.ID, "generic") + p.ISA()
	k.Weights = map[tensor.DType]int{tensor.S8: p.Bytes(), tensor.S32: 4 * values}
	return k
}

// productRun returns the Run of a quantized Mul or Div.
func productRun[T int8 | int16](c *graph.CompileCtx, s *spread, q *vec.Store) func(*graph.Args) error {
	za, zb := c.In(0).Quant.Zero[0], c.In(1).Quant.Zero[0]
	if c.N.Op == "Div" {
		return tryRun(s, errDivideByZero, func(dst, a []T, sa int, b []T, sb int) bool {
			return vec.DivQ(dst, a, sa, b, sb, za, zb, q)
		})
	}
	return pairRun(s, func(dst, a []T, sa int, b []T, sb int) { vec.MulQ(dst, a, sa, b, sb, za, zb, q) })
}

// SquaredDifference is (a − b)² with broadcasting.
func init() {
	graph.Register(graph.Op{Name: "SquaredDifference", Infer: inferSquaredDifference, Compile: compileSquaredDifference, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "SQUARED_DIFFERENCE", Min: 1, Max: 2, DTypes: "float32, int8, int16, int32"})
}

func inferSquaredDifference(c *graph.InferCtx) error {
	a, b, s, err := inferPair(c)
	if err != nil {
		return err
	}
	o := c.Out(0)
	switch a.DType {
	case tensor.F32, tensor.S32:
	case tensor.S8, tensor.S16:
		if o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if o.Shifted {
			return c.Refuse("uint8 is not supported; int8 is")
		}
		if err := checkQuant(a, b, o); err != nil {
			return err
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, int16 and int32 are", a.DType)
	}
	return c.Set(0, a.DType, s)
}

func compileSquaredDifference(c *graph.CompileCtx) (*graph.Kernel, error) {
	a, b, o := c.In(0), c.In(1), c.Out(0)
	s := pairSpread(c)
	k := &graph.Kernel{InPlace: inPlace(c)}
	switch a.DType {
	case tensor.F32:
		k.ID = "vec.squared_difference/f32/" + vec.ISA()
		shareRuns(k, s, vec.SquaredDifferenceF32.Run)
		return k, nil
	case tensor.S32:
		k.ID, k.Run = "vec.squared_difference/s32/generic", pairRun(s, vec.SquaredDifference[int32])
		return k, nil
	}
	left := int32(0)
	q := &vec.Store{Zero: o.Quant.Zero[0], Lo: math.MinInt16, Hi: math.MaxInt16}
	if a.DType == tensor.S8 {
		left, q.Lo, q.Hi = 7, math.MinInt8, math.MaxInt8
	}
	sa, sb := float64(a.Quant.Scale[0]), float64(b.Quant.Scale[0])
	twice := 2 * max(sa, sb)
	ra := vec.Rescale{Zero: a.Quant.Zero[0], Left: left}
	rb := vec.Rescale{Zero: b.Quant.Zero[0], Left: left}
	ra.Mult, ra.Shift = requant.Quantize(sa / twice)
	rb.Mult, rb.Shift = requant.Quantize(sb / twice)
	q.Mult, q.Shift = requant.Quantize(twice * twice / float64(float32(int32(1)<<(2*left))*o.Quant.Scale[0]))
	if a.DType == tensor.S16 {
		k.ID, k.Run = "vec.squared_difference/s16/generic", pairRun(s, func(dst, a []int16, sa int, b []int16, sb int) {
			vec.SquaredDifferenceS16(dst, a, sa, b, sb, &ra, &rb, q)
		})
		return k, nil
	}
	return pairS8Kernel(c, vec.NewSquaredDifferenceS8(&ra, &rb, q), 2*256), nil
}
