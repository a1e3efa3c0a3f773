package ops

import (
	"fmt"
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// scaleOf returns the per-tensor quantization of an int8 or int16 value, or an error that names it.
func scaleOf(v *graph.Value, what string) (scale float32, zero int32, err error) {
	scale, zero, err = scaleOfAny(v, what)
	if err == nil && v.DType == tensor.S16 && zero != 0 {
		return 0, 0, fmt.Errorf("%s has the zero point %d; int16 needs 0", what, zero)
	}
	return scale, zero, err
}

// scaleOfAny is scaleOf for operators whose int16 values may have a zero point.
func scaleOfAny(v *graph.Value, what string) (scale float32, zero int32, err error) {
	if v.Quant == nil || len(v.Quant.Scale) == 0 {
		return 0, 0, fmt.Errorf("%s is %s without a scale", what, v.DType)
	}
	if !v.Quant.PerTensor() {
		return 0, 0, fmt.Errorf("%s has %d scales; one scale for the whole tensor is supported", what, len(v.Quant.Scale))
	}
	if v.Quant.Scale[0] <= 0 {
		return 0, 0, fmt.Errorf("%s has the scale %v", what, v.Quant.Scale[0])
	}
	z := v.Quant.Zero[0]
	if v.DType == tensor.S8 && (z < math.MinInt8 || z > math.MaxInt8) {
		return 0, 0, fmt.Errorf("%s has the zero point %d, outside of int8", what, z)
	}
	if v.DType == tensor.S16 && (z < math.MinInt16 || z > math.MaxInt16) {
		return 0, 0, fmt.Errorf("%s has the zero point %d, outside of int16", what, z)
	}
	return v.Quant.Scale[0], z, nil
}

// checkQuant makes sure that all given int8 and int16 values have a usable per-tensor quantization.
func checkQuant(vs ...*graph.Value) error { return checkScales(scaleOf, vs) }

// checkQuantZero16 is checkQuant for operators whose int16 values may have a zero point.
func checkQuantZero16(vs ...*graph.Value) error { return checkScales(scaleOfAny, vs) }

// checkScales also asks for the scale of a value whose type is not known yet, an output with a type in the file that the runtime lacks, as
// soon as another value is int8 or int16.
func checkScales(scale func(*graph.Value, string) (float32, int32, error), vs []*graph.Value) error {
	small := func(v *graph.Value) bool { return v != nil && (v.DType == tensor.S8 || v.DType == tensor.S16) }
	some := slices.ContainsFunc(vs, small)
	for i, v := range vs {
		if !small(v) && !(some && v != nil && v.DType == tensor.Invalid) {
			continue
		}
		if _, _, err := scale(v, fmt.Sprintf("%q (%d)", v.Name, i)); err != nil {
			return err
		}
	}
	return nil
}

func sameQuant(a, b *graph.Value) bool {
	return a.Quant != nil && b.Quant != nil && a.Quant.PerTensor() && b.Quant.PerTensor() &&
		a.Quant.Scale[0] == b.Quant.Scale[0] && a.Quant.Zero[0] == b.Quant.Zero[0]
}

// actRange returns the range of an int8 or int16 type that an activation leaves, in the output's quantization: the bounds are
// rounded half away from zero, as TensorFlow Lite does.
func actRange(d tensor.DType, act graph.Activation, scale float32, zero int32) (lo, hi int32) {
	q := func(f float32) int32 {
		r := math.Round(float64(f / scale))
		return zero + int32(min(max(r, -1<<24), 1<<24))
	}
	lo, hi = math.MinInt8, math.MaxInt8
	if d == tensor.S16 {
		lo, hi = math.MinInt16, math.MaxInt16
	}
	switch act {
	case graph.ActRelu:
		lo = max(lo, q(0))
	case graph.ActRelu6:
		lo, hi = max(lo, q(0)), min(hi, q(6))
	case graph.ActReluN1To1:
		lo, hi = max(lo, q(-1)), min(hi, q(1))
	case graph.ActRelu0To1:
		lo, hi = max(lo, q(0)), min(hi, q(1))
	}
	return lo, hi
}

// actRangeF32 returns the range that an activation leaves.
func actRangeF32(act graph.Activation) (lo, hi float32) {
	switch act {
	case graph.ActRelu:
		return 0, float32(math.Inf(1))
	case graph.ActRelu6:
		return 0, 6
	case graph.ActReluN1To1:
		return -1, 1
	case graph.ActRelu0To1:
		return 0, 1
	}
	return float32(math.Inf(-1)), float32(math.Inf(1))
}

// clamps reports whether an activation is a plain limit of the range.
func clamps(act graph.Activation) bool {
	return act <= graph.ActReluN1To1 || act == graph.ActRelu0To1
}

// fusedAct decodes TFLite's activation enum.
func fusedAct(l *graph.Lower, slot int) (graph.Activation, error) {
	v := l.Attrs().Int(slot, "", 0)
	acts := map[int64]graph.Activation{0: graph.ActNone, 1: graph.ActRelu, 2: graph.ActReluN1To1, 3: graph.ActRelu6}
	a, ok := acts[v]
	if !ok {
		return 0, l.Refuse("fused activation %d is not supported; none, relu, relu6 and relu_n1_to_1 are", v)
	}
	return a, nil
}

// table builds the 256 results of a function of one int8 value.
func table(f func(x int32) int32) *[256]int8 {
	t := &[256]int8{}
	for x := math.MinInt8; x <= math.MaxInt8; x++ {
		t[uint8(int8(x))] = int8(min(max(f(int32(x)), math.MinInt8), math.MaxInt8))
	}
	return t
}
