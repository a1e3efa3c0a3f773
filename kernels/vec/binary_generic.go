package vec

import "wayside/kernels/requant"

// AddS8Params is an int8 addition or subtraction: both inputs are rescaled to a common fine scale by a table of
// their 256 values, added, and rescaled to the output.
type AddS8Params struct {
	A, B   [256]int32 // by the input's bits
	Mult   int32
	Shift  int32
	Zero   int32
	Lo, Hi int32
}

// AddS8 computes dst[i] = q(A[a[i×sa]] + B[b[i×sb]]); the strides are 0 (one value for all) or 1.
func AddS8(dst, a []int8, sa int, b []int8, sb int, p *AddS8Params) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		s := p.A[uint8(a[i*sa])] + p.B[uint8(b[i*sb])]
		dst[i] = int8(min(max(requant.Mul(s, p.Mult, p.Shift)+p.Zero, p.Lo), p.Hi))
	}
}

// MulS8Params is an int8 product.
type MulS8Params struct {
	ZeroA, ZeroB int32
	Mult, Shift  int32
	Zero         int32
	Lo, Hi       int32
}

// MulS8 computes dst[i] = q((a[i×sa] − ZeroA) × (b[i×sb] − ZeroB)); the strides are 0 or 1.
func MulS8(dst, a []int8, sa int, b []int8, sb int, p *MulS8Params) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		s := (int32(a[i*sa]) - p.ZeroA) * (int32(b[i*sb]) - p.ZeroB)
		dst[i] = int8(min(max(requant.Mul(s, p.Mult, p.Shift)+p.Zero, p.Lo), p.Hi))
	}
}

// AddF32 computes dst[i] = clamp(a[i×sa] + b[i×sb]); the strides are 0 or 1.
func AddF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]+b[i*sb], lo), hi)
	}
}

// SubF32 computes dst[i] = clamp(a[i×sa] − b[i×sb]); the strides are 0 or 1.
func SubF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]-b[i*sb], lo), hi)
	}
}

// MulF32 computes dst[i] = clamp(a[i×sa] × b[i×sb]); the strides are 0 or 1.
func MulF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]*b[i*sb], lo), hi)
	}
}

func checkPair(n, a, sa, b, sb int) {
	if n > 0 && (a <= (n-1)*sa || b <= (n-1)*sb) {
		panic("vec: slice length mismatch")
	}
}
