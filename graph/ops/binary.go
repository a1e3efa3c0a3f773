package ops

import (
	"errors"
	"math"
	"strings"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// BinaryAttr is the attribute of Add, Sub, Mul and Div: two inputs that broadcast against each other.
type BinaryAttr struct {
	Act graph.Activation
	// Finite limits float results to finite values even without an activation, as TensorFlow Lite does.
	Finite bool
}

// FuseAct implements graph.ActFuser.
func (a BinaryAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	a.Act = act
	return a, true
}

// Fused implements graph.Fused.
func (a BinaryAttr) Fused() graph.Activation { return a.Act }

func init() {
	for _, o := range []struct {
		name, tflite, types string
		max                 int
	}{
		{"Add", "ADD", "float32, int8, uint8, int16, int32, int64", 6},
		{"Sub", "SUB", "float32, int8, uint8, int16, int32, int64", 5},
		{"Mul", "MUL", "float32, int8, uint8, int16, int32, int64, uint32", 8},
		{"Div", "DIV", "float32, int8, uint8, int16, int32, int64", 2},
	} {
		graph.Register(graph.Op{Name: o.name, Infer: inferBinary, Compile: compileBinary, Elementwise: true},
			graph.Form{Format: graph.TFLite, Op: o.tflite, Min: 1, Max: o.max, DTypes: o.types, Lower: func(l *graph.Lower) error {
				act, err := fusedAct(l, 0)
				if err != nil {
					return err
				}
				l.Emit(o.name, BinaryAttr{Act: act, Finite: true}, l.Ins(), l.Outs())
				return nil
			}},
			onnxForm(o.name, 7, func(l *graph.Lower) error {
				l.Emit(o.name, BinaryAttr{}, widenedIns(l), l.Outs())
				return nil
			}, "float32, int32, int64"))
	}
}

var errDivideByZero = errors.New("ops: integer division by zero")

// quantized reports whether an int8 or int16 operator computes on real values behind scales. Without any scale int16 is plain
// integers.
func quantized(c graph.NodeCtx) bool {
	if d := c.In(0).DType; d != tensor.S16 {
		return d == tensor.S8
	}
	for i := range c.N.In {
		if v := c.In(i); v != nil && v.Quant != nil {
			return true
		}
	}
	return c.Out(0).Quant != nil
}

func inferBinary(c *graph.InferCtx) error {
	a, b, s, err := inferPair(c)
	if err != nil {
		return err
	}
	act := c.N.Attr.(BinaryAttr).Act
	if !clamps(act) {
		return c.Refuse("activation %v cannot be fused", act)
	}
	switch a.DType {
	case tensor.F32, tensor.S32, tensor.S64:
	case tensor.S8, tensor.S16:
		if quantized(c.NodeCtx) {
			if err := checkBinaryQ(c); err != nil {
				return err
			}
		} else if c.N.Op == "Sub" || c.N.Op == "Div" {
			return c.Refuse("int16 without scales is not supported; int32 is")
		}
	case tensor.U32:
		if c.N.Op != "Mul" {
			return c.Refuse("uint32 is not supported; int32 is")
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int16, int32 and int64 are", a.DType)
	}
	if c.N.Op == "Div" && a.DType != tensor.F32 {
		if err := checkDivisor(c, b); err != nil {
			return err
		}
	}
	return c.Set(0, a.DType, s)
}

// checkDivisor refuses a constant integer divisor that contains a zero; others are found at run time.
func checkDivisor(c *graph.InferCtx, b *graph.Value) error {
	zero := int64(0)
	if b.Quant != nil && len(b.Quant.Zero) > 0 && (b.DType == tensor.S8 || b.DType == tensor.S16) {
		zero = int64(b.Quant.Zero[0])
	}
	v, _ := c.ConstInts(1)
	for _, x := range v {
		if x == zero {
			return c.Refuse("the divisor is a constant that contains 0")
		}
	}
	return nil
}

func compileBinary(c *graph.CompileCtx) (*graph.Kernel, error) {
	attr := c.N.Attr.(BinaryAttr)
	act := attr.Act
	if quantized(c.NodeCtx) {
		return compileBinaryQ(c)
	}
	switch c.In(0).DType {
	case tensor.F32:
		lo, hi := actRangeF32(act)
		if attr.Finite {
			lo, hi = max(lo, -math.MaxFloat32), min(hi, math.MaxFloat32)
		}
		k := binaryKernel(c, "f32", nil)
		shareRuns(k, pairSpread(c), vec.NewArithF32(c.N.Op, lo, hi).Run)
		k.ID = strings.TrimSuffix(k.ID, "generic") + vec.ISA()
		return k, nil
	case tensor.S16:
		lo, hi := actRangeInt[int16](act, math.MinInt16, math.MaxInt16)
		return binaryKernel(c, "s16", arith(c, lo, hi)), nil
	case tensor.S32:
		lo, hi := actRangeInt[int32](act, math.MinInt32, math.MaxInt32)
		return binaryKernel(c, "s32", intArith(c, lo, hi)), nil
	case tensor.U32:
		lo, hi := actRangeInt[uint32](act, 0, math.MaxUint32)
		return binaryKernel(c, "u32", arith(c, lo, hi)), nil
	}
	lo, hi := actRangeInt[int64](act, math.MinInt64, math.MaxInt64)
	return binaryKernel(c, "s64", intArith(c, lo, hi)), nil
}

// binaryKernel names a kernel after its node's operator.
func binaryKernel(c *graph.CompileCtx, types string, run func(*graph.Args) error) *graph.Kernel {
	id := map[string]string{"Add": "vec.add", "Sub": "vec.sub", "Mul": "vec.mul", "Div": "vec.div", "SquaredDifference": "vec.squared_difference"}[c.N.Op]
	return &graph.Kernel{ID: id + "/" + types + "/generic", InPlace: inPlace(c), Run: run}
}

// arith returns the Run of Add, Sub and Mul.
func arith[T vec.Number](c *graph.CompileCtx, lo, hi T) func(*graph.Args) error {
	f := vec.Add[T]
	switch c.N.Op {
	case "Sub":
		f = vec.Sub[T]
	case "Mul":
		f = vec.Mul[T]
	}
	return pairRun(pairSpread(c), func(dst, a []T, sa int, b []T, sb int) { f(dst, a, sa, b, sb, lo, hi) })
}

// intArith is arith with Div.
func intArith[T int32 | int64](c *graph.CompileCtx, lo, hi T) func(*graph.Args) error {
	if c.N.Op != "Div" {
		return arith(c, lo, hi)
	}
	return tryRun(pairSpread(c), errDivideByZero, func(dst, a []T, sa int, b []T, sb int) bool {
		return vec.DivInt(dst, a, sa, b, sb, lo, hi)
	})
}

// actRangeInt returns the range of plain integers that an activation leaves.
func actRangeInt[T vec.Integer](act graph.Activation, lo, hi T) (T, T) {
	switch act {
	case graph.ActRelu:
		return 0, hi
	case graph.ActRelu6:
		return 0, 6
	case graph.ActReluN1To1:
		if lo == 0 { // unsigned
			return 0, 1
		}
		one := T(1)
		return -one, one
	}
	return lo, hi
}
