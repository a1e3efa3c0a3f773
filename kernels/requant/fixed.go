package requant

import (
	"math"
	"math/bits"
)

// The functions of this file work on fixed-point numbers with 32 bits: Qi.f has i integer bits and f = 31−i fraction bits
// next to the sign. They follow the fixed-point arithmetic of gemmlowp, which is what defines int8 softmax, logistic
// and tanh in TensorFlow Lite Micro.

// shiftLeftSat is x × 2^e, saturating.
func shiftLeftSat(x int32, e uint) int32 {
	y := int64(x) << e
	return int32(min(max(y, math.MinInt32), math.MaxInt32))
}

// halfSum is (a + b) / 2, rounded half away from zero.
func halfSum(a, b int32) int32 {
	s := int64(a) + int64(b)
	if s >= 0 {
		return int32((s + 1) / 2)
	}
	return int32((s - 1) / 2)
}

// expQuarter is exp(a) in Q0.31 for a in Q0.31 in [−1/4, 0): a Taylor expansion around −1/8.
func expQuarter(a int32) int32 {
	const (
		expEighth = 1895147668 // exp(−1/8)
		third     = 715827883  // 1/3
	)
	x := a + 1<<28
	x2 := HighMul(x, x)
	x3 := HighMul(x2, x)
	x4 := HighMul(x2, x2)
	rest := DivPow2(HighMul(DivPow2(x4, 2)+x3, third)+x2, 1)
	return expEighth + HighMul(expEighth, x+rest)
}

// expSteps are exp(−2^k) in Q0.31 for k = −2..4.
var expSteps = [...]int32{1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242}

// ExpNegative is exp(a) in Q0.31 for a ≤ 0 with the given integer bits (4 or 5).
func ExpNegative(a int32, integerBits uint) int32 {
	if a == 0 {
		return math.MaxInt32
	}
	frac := 31 - integerBits
	quarter := int32(1) << (frac - 2)
	mod := a&(quarter-1) - quarter
	r := expQuarter(shiftLeftSat(mod, integerBits))
	rest := mod - a
	for k, m := range expSteps {
		if int(integerBits) <= k-2 {
			break
		}
		if rest&(1<<(frac+uint(k)-2)) != 0 {
			r = HighMul(r, m)
		}
	}
	return r
}

// newton approximates 2/(1+a) in Q2.29 for a in Q0.31 in (0, 1).
func newton(a int32) int32 {
	half := halfSum(a, math.MaxInt32)
	x := 1515870810 + HighMul(half, -1010580540) // 48/17 − 32/17 × half
	for range 3 {
		x += shiftLeftSat(HighMul(x, 1<<29-HighMul(half, x)), 2)
	}
	return x
}

// oneOverOnePlus is 1/(1+a) in Q0.31 for a in Q0.31 in (0, 1).
func oneOverOnePlus(a int32) int32 { return shiftLeftSat(newton(a), 1) }

// Logistic is 1/(1+exp(−a)) in Q0.31 for a in Q4.27.
func Logistic(a int32) int32 {
	if a == 0 {
		return 1 << 30
	}
	neg := a
	if a > 0 {
		neg = -a
	}
	r := oneOverOnePlus(ExpNegative(neg, 4))
	if a > 0 {
		return r
	}
	return math.MaxInt32 - r
}

// Tanh is tanh(a) in Q0.31 for a in Q4.27.
func Tanh(a int32) int32 {
	if a == 0 {
		return 0
	}
	neg := a
	if a > 0 {
		neg = -a
	}
	// (1−x)/(1+x) = 2/(1+x) − 1 with x = exp(2a): twice a is the same bits read as Q5.26.
	t := shiftLeftSat(newton(ExpNegative(neg, 5))-1<<29, 2)
	if a < 0 {
		return -t
	}
	return t
}

// Reciprocal gives 1/x for x > 0 in fixed point with the given integer bits: the result's mantissa in Q0.31, in (1/2, 1], and
// how many bits x lies above one.
func Reciprocal(x int32, integerBits int32) (mantissa, bitsOverUnit int32) {
	lead := int32(bits.LeadingZeros32(uint32(x)))
	rest := int32(uint32(x)<<lead - 1<<31)
	return oneOverOnePlus(rest), integerBits - lead
}
