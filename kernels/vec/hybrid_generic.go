package vec

import "math"

// QuantizeSymmetric writes src as int8 with zero point 0 and returns the scale, the largest magnitude / 127. It is what
// TensorFlow Lite does with the float32 inputs of layers that have integer weights. Values that are not finite give
// some result.
func QuantizeSymmetric(dst []int8, src []float32) (scale float32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	lo, hi := extremes(src)
	reach := max(-lo, hi)
	if reach == 0 {
		clear(dst)
		return 1
	}
	inv := 127 / reach
	for i, v := range src {
		dst[i] = int8(min(max(roundF32(float32(v*inv)), -127), 127))
	}
	return reach / 127
}

// QuantizeAsymmetric writes src as int8 and returns scale and zero point: the range from the least to the largest value,
// widened to include 0, takes all 256 steps.
func QuantizeAsymmetric(dst []int8, src []float32) (scale float32, zero int32) {
	if len(dst) != len(src) {
		panic("vec: slice length mismatch")
	}
	lo, hi := extremes(src)
	if lo == hi {
		clear(dst)
		return 1, 0
	}
	step := float64(hi-lo) / 255 // the difference is rounded to float32 first, as the reference does
	scale = float32(step)
	below, above := float64(lo)/step, float64(hi)/step
	// The zero point follows from the end of the range that is nearer to 0, where rounding costs less.
	z := 127 - above
	if 128-below < 127+above {
		z = -128 - below
	}
	zero = -128
	if z > -128 { // not for NaN
		zero = int32(math.Round(min(z, 127)))
	}
	inv := 1 / scale
	for i, v := range src {
		dst[i] = int8(min(max(roundF32(float32(v*inv))+zero, -128), 127))
	}
	return scale, zero
}

// extremes returns the least and the largest of the values and 0.
func extremes(s []float32) (lo, hi float32) {
	for _, v := range s {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

// roundF32 rounds half away from zero and stays within what converts to int32; NaN gives the lower limit.
func roundF32(f float32) int32 {
	if !(f > -1<<20) {
		return -1 << 20
	}
	return int32(math.Round(float64(min(f, 1<<20))))
}
