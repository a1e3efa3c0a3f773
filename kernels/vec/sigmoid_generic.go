package vec

import "wayside/kernels/requant"

// LogisticS16 computes 1/(1+e^−x) in Q0.15 for x = src[i] × mult / 2^shift / 12288. dst may be src.
func LogisticS16(dst, src []int16, mult, shift int32) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = requant.Logistic16(v, mult, shift)
	}
}

// TanhS16 computes the hyperbolic tangent in Q0.15 for x = src[i] × mult / 2^shift / 12288. dst may be src.
func TanhS16(dst, src []int16, mult, shift int32) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = requant.Tanh16(v, mult, shift)
	}
}
