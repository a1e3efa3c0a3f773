package feed

import (
	"fmt"
	"math"

	"wayside/graph/tensor"
)

// Rounding says how a real value becomes an integer. It is a property of the model's format.
type Rounding uint8

const (
	// HalfAway rounds halves away from zero, as TensorFlow Lite quantizes.
	HalfAway Rounding = iota
	// HalfEven rounds halves to the even neighbour, as ONNX QuantizeLinear does.
	HalfEven
)

// Quantize writes the real values src into dst: float32 as they are, integers as round(v/scale) + zero point, clamped to
// the dtype. The division is in float32, as the formats define it. dst needs as many elements as src and, for integers, one
// scale. NaN cannot be stored in an integer and is an error; nothing before it is undone.
func Quantize(dst *tensor.Tensor, src []float32, r Rounding) error {
	if dst.Elems() != len(src) {
		return fmt.Errorf("feed: quantize: %d values for a tensor of shape %v", len(src), dst.Shape)
	}
	if dst.DType == tensor.F32 {
		copy(dst.F32(), src)
		return nil
	}
	lo, hi, ok := intRange(dst.DType)
	if !ok {
		return fmt.Errorf("feed: quantize: dtype %v is not a quantized type", dst.DType)
	}
	if !dst.Quant.PerTensor() {
		return fmt.Errorf("feed: quantize: the tensor has no scale that holds for all its elements")
	}
	scale, zero := dst.Quant.Scale[0], 0.0
	if len(dst.Quant.Zero) > 0 {
		zero = float64(dst.Quant.Zero[0])
	}
	if !(scale > 0) || math.IsInf(float64(scale), 0) {
		return fmt.Errorf("feed: quantize: the scale %v is not a positive number", scale)
	}
	put := putter(dst)
	for i, v := range src {
		x := float64(v / scale)
		if x != x {
			return fmt.Errorf("feed: quantize: value %d is NaN, which %v cannot hold", i, dst.DType)
		}
		if r == HalfEven {
			x = math.RoundToEven(x)
		} else {
			x = math.Round(x)
		}
		put(i, int64(min(max(x+zero, lo), hi)))
	}
	return nil
}

func intRange(d tensor.DType) (lo, hi float64, ok bool) {
	switch d {
	case tensor.S8:
		return -128, 127, true
	case tensor.U8:
		return 0, 255, true
	case tensor.S16:
		return -32768, 32767, true
	case tensor.S32:
		return math.MinInt32, math.MaxInt32, true
	}
	return 0, 0, false
}

// putter returns the store of one element of an integer tensor.
func putter(t *tensor.Tensor) func(i int, v int64) {
	switch t.DType {
	case tensor.S8:
		s := t.S8()
		return func(i int, v int64) { s[i] = int8(v) }
	case tensor.U8:
		s := t.U8()
		return func(i int, v int64) { s[i] = uint8(v) }
	case tensor.S16:
		s := t.S16()
		return func(i int, v int64) { s[i] = int16(v) }
	case tensor.S32:
		s := t.S32()
		return func(i int, v int64) { s[i] = int32(v) }
	case tensor.S64:
		s := t.S64()
		return func(i int, v int64) { s[i] = v }
	case tensor.U32:
		s := t.U32()
		return func(i int, v int64) { s[i] = uint32(v) }
	case tensor.U64:
		s := t.U64()
		return func(i int, v int64) { s[i] = uint64(v) }
	case tensor.Bool:
		s := t.Bool()
		return func(i int, v int64) { s[i] = uint8(v) }
	}
	panic("feed: putter of " + t.DType.String())
}

// Dequantize writes the real values of t into dst, which needs one element for each of t. Integers with a scale become
// scale × (q − zero point), integers without one keep their value, booleans become 0 and 1.
func Dequantize(dst []float32, t *tensor.Tensor) error {
	n := t.Elems()
	if len(dst) != n {
		return fmt.Errorf("feed: dequantize: %d places for a tensor of shape %v", len(dst), t.Shape)
	}
	switch t.DType {
	case tensor.F32:
		copy(dst, t.F32())
		return nil
	case tensor.BF16:
		for i, v := range t.BF16() {
			dst[i] = tensor.BF16ToF32(v)
		}
		return nil
	case tensor.F16:
		for i, v := range t.F16() {
			dst[i] = tensor.F16ToF32(v)
		}
		return nil
	case tensor.U64: // never quantized, and above the range of the integers below
		for i, v := range t.U64() {
			dst[i] = float32(v)
		}
		return nil
	}
	get, ok := getter(t)
	if !ok {
		return fmt.Errorf("feed: dequantize: dtype %v", t.DType)
	}
	q := t.Quant
	if q == nil || len(q.Scale) == 0 {
		for i := range dst {
			dst[i] = float32(get(i))
		}
		return nil
	}
	// inner is how many consecutive elements share one index of the quantized axis.
	inner, chans := n, 1
	if len(q.Scale) > 1 {
		if q.Axis < 0 || q.Axis >= len(t.Shape) || t.Shape[q.Axis] != len(q.Scale) {
			return fmt.Errorf("feed: dequantize: %d scales do not fit axis %d of shape %v", len(q.Scale), q.Axis, t.Shape)
		}
		chans, inner = len(q.Scale), 1
		for _, d := range t.Shape[q.Axis+1:] {
			inner *= d
		}
	}
	for i := range dst {
		c := i / max(inner, 1) % chans
		z := int64(0)
		if len(q.Zero) > 0 {
			z = int64(q.Zero[c%len(q.Zero)])
		}
		dst[i] = q.Scale[c] * float32(get(i)-z)
	}
	return nil
}

// getter returns the load of one element of an integer tensor.
func getter(t *tensor.Tensor) (func(i int) int64, bool) {
	switch t.DType {
	case tensor.S8:
		s := t.S8()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.U8:
		s := t.U8()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.Bool:
		s := t.Bool()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.S16:
		s := t.S16()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.S32:
		s := t.S32()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.S64:
		s := t.S64()
		return func(i int) int64 { return s[i] }, true
	case tensor.U32:
		s := t.U32()
		return func(i int) int64 { return int64(s[i]) }, true
	case tensor.S4:
		return func(i int) int64 { return int64(int8(t.Data[i/2]>>(4*(i&1))<<4) >> 4) }, true
	}
	return nil, false
}
