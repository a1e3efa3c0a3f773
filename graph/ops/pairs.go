package ops

import (
	"errors"
	"slices"
	"strings"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// pairOp is an operator with two broadcast inputs that looks at the stored numbers, whatever their scales.
type pairOp struct {
	name, tflite string
	max          int
	run          map[tensor.DType]func(*spread) func(*graph.Args) error
	same         bool // the inputs must have one shape
	bytes        bool // uint8 is part of the operator, even behind a scale
}

// run makes a pairOp's entry for one dtype.
func run[T, D any](f pairFunc[T, D]) func(*spread) func(*graph.Args) error {
	return func(s *spread) func(*graph.Args) error { return pairRun(s, f) }
}

// runsOf is run for float32 functions that take many runs at once.
func runsOf(p *vec.PairF32) func(*spread) func(*graph.Args) error {
	return func(s *spread) func(*graph.Args) error { return rowsRun(s, p.Run) }
}

// try is run for a function that can fail.
func try[T any](bad error, f tryFunc[T]) func(*spread) func(*graph.Args) error {
	return func(s *spread) func(*graph.Args) error { return tryRun(s, bad, f) }
}

// shiftRight fixes the limit of the shift for a type of that many bits.
func shiftRight[T vec.Integer](bits T) func(*spread) func(*graph.Args) error {
	return run(func(dst, a []T, sa int, b []T, sb int) { vec.ShiftRight(dst, a, sa, b, sb, bits) })
}

var (
	errFloatDivideByZero = errors.New("ops: floor division by zero")
	errNegativePower     = errors.New("ops: integer to a negative power")
)

type runs = map[tensor.DType]func(*spread) func(*graph.Args) error

var pairOps = []pairOp{
	{name: "Maximum", tflite: "MAXIMUM", max: 4, bytes: true, run: runs{
		tensor.F32: runsOf(vec.MaxF32), tensor.S8: run(vec.Max[int8]), tensor.U8: run(vec.Max[uint8]),
		tensor.S16: run(vec.Max[int16]), tensor.S32: run(vec.Max[int32]), tensor.S64: run(vec.Max[int64])}},
	{name: "Minimum", tflite: "MINIMUM", max: 4, bytes: true, run: runs{
		tensor.F32: runsOf(vec.MinF32), tensor.S8: run(vec.Min[int8]), tensor.U8: run(vec.Min[uint8]),
		tensor.S16: run(vec.Min[int16]), tensor.S32: run(vec.Min[int32]), tensor.S64: run(vec.Min[int64])}},
	{name: "FloorDiv", tflite: "FLOOR_DIV", max: 3, run: runs{
		tensor.F32: try(errFloatDivideByZero, vec.FloorDivF32), tensor.S8: try(errDivideByZero, vec.FloorDivInt[int8]),
		tensor.S16: try(errDivideByZero, vec.FloorDivInt[int16]), tensor.S32: try(errDivideByZero, vec.FloorDivInt[int32])}},
	{name: "FloorMod", tflite: "FLOOR_MOD", max: 2, run: runs{
		tensor.F32: run(vec.FloorModF32), tensor.S8: try(errDivideByZero, vec.FloorModInt[int8]),
		tensor.S16: try(errDivideByZero, vec.FloorModInt[int16]), tensor.S32: try(errDivideByZero, vec.FloorModInt[int32]),
		tensor.S64: try(errDivideByZero, vec.FloorModInt[int64])}},
	{name: "Pow", tflite: "POW", max: 1, run: runs{
		tensor.F32: run(vec.PowF32), tensor.S32: try(errNegativePower, vec.PowS32)}},
	{name: "Atan2", tflite: "ATAN2", max: 1, same: true, run: runs{tensor.F32: run(vec.Atan2F32)}},
	{name: "BitwiseXor", tflite: "BITWISE_XOR", max: 1, bytes: true, run: runs{
		tensor.S8: run(vec.Xor[int8]), tensor.U8: run(vec.Xor[uint8]), tensor.S16: run(vec.Xor[int16]),
		tensor.S32: run(vec.Xor[int32]), tensor.U32: run(vec.Xor[uint32])}},
	{name: "RightShift", tflite: "RIGHT_SHIFT", max: 1, bytes: true, run: runs{
		tensor.S8: shiftRight[int8](8), tensor.U8: shiftRight[uint8](8), tensor.S16: shiftRight[int16](16),
		tensor.S32: shiftRight[int32](32), tensor.U32: shiftRight[uint32](32)}},
	{name: "LogicalAnd", tflite: "LOGICAL_AND", max: 1, run: runs{tensor.Bool: run(vec.And)}},
	{name: "LogicalOr", tflite: "LOGICAL_OR", max: 1, run: runs{tensor.Bool: run(vec.Or)}},
}

// onFlipped are the operators on bits for uint8 values that the graph holds as int8.
var onFlipped = map[string]func(*spread) func(*graph.Args) error{
	"BitwiseXor": run(vec.XorFlipped), "RightShift": run(vec.ShiftRightFlipped),
}

func init() {
	for _, p := range pairOps {
		graph.Register(graph.Op{Name: p.name, Infer: p.infer, Compile: p.compile, Elementwise: true},
			graph.Form{Format: graph.TFLite, Op: p.tflite, Min: 1, Max: p.max, DTypes: p.types()})
	}
}

// types lists the dtypes for the documentation and for messages.
func (p *pairOp) types() string {
	var all []tensor.DType
	for _, d := range []tensor.DType{tensor.F32, tensor.S8, tensor.U8, tensor.S16, tensor.S32, tensor.S64, tensor.U32, tensor.Bool} {
		if p.run[d] != nil {
			all = append(all, d)
		}
	}
	return typeList(all)
}

// typeList writes dtypes as a list.
func typeList(types []tensor.DType) string {
	names := make([]string, len(types))
	for i, d := range types {
		names[i] = d.String()
	}
	return strings.Join(names, ", ")
}

func (p *pairOp) infer(c *graph.InferCtx) error {
	a, b, s, err := inferPair(c)
	if err != nil {
		return err
	}
	if p.run[a.DType] == nil {
		return c.Refuse("%s is not supported; %s are", a.DType, p.types())
	}
	if o := c.Out(0); a.Shifted != b.Shifted || a.Shifted != o.Shifted || a.Shifted && !p.bytes {
		return c.Refuse("uint8 behind a scale is not supported here; %s are", p.types())
	}
	if p.same && !a.Shape.Equal(b.Shape) {
		return c.Refuse("shapes %v and %v must be equal", a.Shape, b.Shape)
	}
	if d := a.DType; (p.name == "FloorDiv" || p.name == "FloorMod") && d != tensor.F32 {
		if v, _ := c.ConstInts(1); slices.Contains(v, 0) {
			return c.Refuse("the divisor is a constant that contains 0")
		}
	}
	return c.Set(0, a.DType, s)
}

func (p *pairOp) compile(c *graph.CompileCtx) (*graph.Kernel, error) {
	a, b := c.In(0), c.In(1)
	f := p.run[a.DType]
	switch {
	case a.Shifted && onFlipped[p.name] != nil:
		f = onFlipped[p.name]
	case p.name == "Pow" && a.DType == tensor.S32 && product(b.Shape) == 1 && !a.Shape.Equal(b.Shape):
		// With one exponent for all the reference multiplies integers; otherwise it takes the power in float64.
		f = try(errNegativePower, vec.PowWrapS32)
	}
	isa := "generic"
	if a.DType == tensor.F32 && (p.name == "Maximum" || p.name == "Minimum") {
		isa = vec.ISA()
	}
	id := "vec." + strings.ToLower(p.tflite) + "/" + shortType(a.DType) + "/" + isa
	return &graph.Kernel{ID: id, InPlace: inPlace(c), Run: f(pairSpread(c))}, nil
}

// shortType is how kernel ids name a dtype.
func shortType(d tensor.DType) string {
	switch d {
	case tensor.F32:
		return "f32"
	case tensor.S8:
		return "s8"
	case tensor.U8:
		return "u8"
	case tensor.S16:
		return "s16"
	case tensor.S32:
		return "s32"
	case tensor.U32:
		return "u32"
	case tensor.S64:
		return "s64"
	}
	return d.String()
}
