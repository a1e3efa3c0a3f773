package vec

import "math"

// The float32 functions of two inputs with assembly kernels: numbers of the tables in the assembly.
type pairFunction uint8

const (
	pairAdd pairFunction = iota
	pairSub
	pairMul
	pairDiv
	pairMax
	pairMin
	pairSquaredDifference
	pairPrelu
	pairFunctions
)

// The float32 functions below give the same numbers with every kernel, save that a limit of 0 may leave −0.

// AddF32 is Add for float32.
func AddF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairAdd, dst, a, sa, b, sb, lo, hi) {
		Add(dst, a, sa, b, sb, lo, hi)
	}
}

// SubF32 is Sub for float32.
func SubF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairSub, dst, a, sa, b, sb, lo, hi) {
		Sub(dst, a, sa, b, sb, lo, hi)
	}
}

// MulF32 is Mul for float32.
func MulF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairMul, dst, a, sa, b, sb, lo, hi) {
		Mul(dst, a, sa, b, sb, lo, hi)
	}
}

// DivF32 computes a / b, limited to lo..hi.
func DivF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairDiv, dst, a, sa, b, sb, lo, hi) {
		divF32(dst, a, sa, b, sb, lo, hi)
	}
}

// MaxF32 is Max for float32.
func MaxF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairMax, dst, a, sa, b, sb, 0, 0) {
		Max(dst, a, sa, b, sb)
	}
}

// MinF32 is Min for float32.
func MinF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairMin, dst, a, sa, b, sb, 0, 0) {
		Min(dst, a, sa, b, sb)
	}
}

// SquaredDifferenceF32 is SquaredDifference for float32.
func SquaredDifferenceF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairSquaredDifference, dst, a, sa, b, sb, 0, 0) {
		SquaredDifference(dst, a, sa, b, sb)
	}
}

// PreluF32 computes a where a ≥ 0, else a × b.
func PreluF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	if !pairF32Asm(pairPrelu, dst, a, sa, b, sb, 0, 0) {
		preluF32(dst, a, sa, b, sb)
	}
}

// The float32 functions of one input with assembly kernels: numbers of the tables in the assembly. noMap has none.
type mapFunction int8

const (
	mapClamp mapFunction = iota
	mapLeakyRelu
	mapExp
	mapLogistic
	mapTanh
	mapHardSwish
	mapAbs
	mapNeg
	mapSquare
	mapSqrt
	mapRsqrt
	mapRoundEven
	mapFloor
	mapCeil
	mapFunctions

	noMap mapFunction = -1
)

// Function is a float32 function of one input. Its kernels differ from At by at most 2 units in the last place for the exponential, 3 for the logistic
// function, 2^-22 for the hyperbolic tangent (4 units within ±0.35), and by nothing for the others.
type Function struct {
	At     func(float32) float32
	kernel mapFunction
	p      float32 // parameter of the kernel
}

// The functions with kernels of their own.
var (
	FnExp         = Function{Exp, mapExp, 0}
	FnLogistic    = Function{Logistic, mapLogistic, float32(math.Inf(-1))}
	FnLogisticCut = Function{LogisticCut, mapLogistic, -9}
	FnTanh        = Function{Tanh, mapTanh, 0}
	FnHardSwish   = Function{HardSwish, mapHardSwish, 0}
	FnAbs         = Function{Abs32, mapAbs, 0}
	FnNeg         = Function{Neg32, mapNeg, 0}
	FnSquare      = Function{Square, mapSquare, 0}
	FnSqrt        = Function{Sqrt, mapSqrt, 0}
	FnRsqrt       = Function{Rsqrt, mapRsqrt, 0}
	FnRoundEven   = Function{RoundEven, mapRoundEven, 0}
	FnFloor       = Function{Floor, mapFloor, 0}
	FnCeil        = Function{Ceil, mapCeil, 0}
)

// Plain is a function without kernels.
func Plain(at func(float32) float32) Function { return Function{at, noMap, 0} }

// ISA names the instructions that Map uses, as in kernel ids.
func (f *Function) ISA() string {
	if f.kernel == noMap {
		return "generic"
	}
	return ISA()
}

// Map computes dst[i] = f(src[i]). dst may be src.
func (f *Function) Map(dst, src []float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(f.kernel, dst, src, f.p, 0) {
		return
	}
	for i, v := range src {
		dst[i] = f.At(v)
	}
}

// ClampF32 computes dst[i] = src[i] limited to lo..hi. dst may be src.
func ClampF32(dst, src []float32, lo, hi float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(mapClamp, dst, src, lo, hi) {
		return
	}
	for i, v := range src {
		dst[i] = min(max(v, lo), hi)
	}
}

// LeakyReluF32 computes dst[i] = src[i], times alpha where it is not positive. dst may be src.
func LeakyReluF32(dst, src []float32, alpha float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(mapLeakyRelu, dst, src, alpha, 0) {
		return
	}
	for i, v := range src {
		if !(v > 0) {
			v *= alpha
		}
		dst[i] = v
	}
}

// SoftmaxF32 normalizes every row of depth values: exp((x − max) × beta) / sum. dst may be src. Kernels add in another order.
func SoftmaxF32(dst, src []float32, depth int, beta float32) {
	checkRows(len(dst), len(src), depth)
	if len(src) > 0 && !softmaxF32Asm(dst, src, depth, beta) {
		softmaxF32Generic(dst, src, depth, beta)
	}
}
