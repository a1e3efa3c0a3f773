package vec

import (
	"math"

	"wayside/kernels/requant"
)

// LayerNormF32 takes from every row of depth values its mean, divides by the square root of its variance plus epsilon, and multiplies with scale and adds
// shift, which have depth values. Sums of the generic kernel are float64. dst may be src.
func LayerNormF32(dst, src, scale, shift []float32, depth int, epsilon float32) {
	checkRows(len(dst), len(src), depth)
	if len(scale) < depth || len(shift) < depth {
		panic("vec: slice length mismatch")
	}
	if len(src) == 0 || layerNormF32Asm(dst, src, scale, shift, depth, epsilon) {
		return
	}
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		layerNormRow(dst[:depth], src[:depth], scale, shift, float64(epsilon))
	}
}

// layerNormRow takes the mean first and the variance of the deviations after: one pass over sums of squares loses digits.
func layerNormRow(y, x, scale, shift []float32, epsilon float64) {
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	sum = 0
	for _, v := range x {
		d := float64(v) - mean
		sum += float64(d * d)
	}
	inverse := 1 / math.Sqrt(sum/float64(len(x))+epsilon)
	for i, v := range x {
		y[i] = float32(float32((float64(v)-mean)*inverse)*scale[i]) + shift[i]
	}
}

// L2NormF32 divides every row of depth values by the square root of its sum of squares, at least 1e-6. dst may be src.
func L2NormF32(dst, src []float32, depth int) {
	checkRows(len(dst), len(src), depth)
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		sum := float32(0)
		for _, v := range src[:depth] {
			sum += float32(v * v)
		}
		norm := max(Sqrt(sum), 1e-6)
		for i, v := range src[:depth] {
			dst[i] = v / norm
		}
	}
}

// L2NormS8 is L2NormF32 on int8 with the given zero point; the output has scale 1/128 and zero point 0. With up the values are moved left by
// seven bits before the product instead of by what the multiplier leaves over: that is how uint8 models round. dst may be src.
func L2NormS8(dst, src []int8, depth int, zero int32, up bool) {
	checkRows(len(dst), len(src), depth)
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		sum := int32(0)
		for _, v := range src[:depth] {
			d := int32(v) - zero
			sum += d * d
		}
		m, shift := requant.InvSqrt(sum)
		for i, v := range src[:depth] {
			d := int32(v) - zero
			if up {
				d = requant.Mul(d<<7, m, shift)
			} else {
				d = requant.Mul(d, m, shift+7)
			}
			dst[i] = int8(min(max(d, math.MinInt8), math.MaxInt8))
		}
	}
}

// LocalResponseNorm divides every element by (bias + alpha × sum)^beta, where the sum goes over the squares of radius elements before it
// in its row, itself, and radius − 1 after it. dst must not be src.
func LocalResponseNorm(dst, src []float32, depth, radius int, bias, alpha, beta float32) {
	checkRows(len(dst), len(src), depth)
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		row := src[:depth]
		for i, v := range row {
			sum := float32(0)
			for _, u := range row[max(0, i-radius):min(depth, i+radius)] {
				sum += float32(u * u)
			}
			dst[i] = v * float32(math.Pow(float64(float32(alpha*sum)+bias), -float64(beta)))
		}
	}
}
