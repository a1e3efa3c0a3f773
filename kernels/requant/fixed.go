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

// InvSqrt gives 1/√x as a multiplier and a shift for Mul, for x ≥ 0; 0 counts as 1. It is TensorFlow Lite's
// GetInvSqrtQuantizedMultiplierExp: five Newton steps on Q3.28 numbers.
func InvSqrt(x int32) (m, shift int32) {
	if x <= 1 {
		return math.MaxInt32, 0
	}
	down := int32(11)
	for x >= 1<<29 {
		x /= 4
		down++
	}
	pairs := (int32(bits.LeadingZeros32(uint32(x)))-1)/2 - 1
	down -= pairs
	x <<= 2 * pairs
	const threeHalves = 1<<28 + 1<<27
	in := x >> 1
	half := DivPow2(in, 1)
	y := int32(1 << 28)
	for range 5 {
		cube := shiftLeftSat(HighMul(HighMul(y, y), y), 6)
		y = shiftLeftSat(HighMul(threeHalves, y)-HighMul(half, cube), 3)
	}
	const halfSqrt2 = 1518500250
	y = HighMul(y, halfSqrt2)
	if down < 0 {
		y, down = y<<-down, 0
	}
	return y, -down
}

// LogAboveOne is the natural logarithm of x in Q12.19, in Q5.26; x is at least one, or not far below. It is TensorFlow Lite's
// log_x_for_x_greater_than_or_equal_to_1: a power of two is split off so that the rest lies near √½, where a
// rational function gives its logarithm.
func LogAboveOne(x int32) int32 {
	const (
		inputBits   = 12
		accumBits   = 6
		outputBits  = 5
		log2        = 1488522236
		sqrtSqrt    = 1805811301 // √√½
		sqrtHalf    = 1518500250
		quarter     = 1 << (31 - accumBits - 2)
		alphaN      = 117049297 // 11/240 × √√2
		alphaD      = 127690142 // 1/20 × √√2
		alphaI      = 1057819769
		alphaF      = 638450708 // 1/4 × √√2
		accumShift  = 31 - accumBits
		fromAccumTo = accumBits - outputBits
	)
	// Two candidates for the power of two, a half apart; the remainder of one of them lies in range.
	leadA := int32(bits.LeadingZeros32(uint32(x)))
	restA := shiftLeftSat(HighMul(shiftLeftSat(x, uint(leadA-1)), sqrtHalf), 1)
	powA := addSat(shiftLeftSat(inputBits-leadA, accumShift), quarter)
	headB := int32(bits.LeadingZeros32(uint32(HighMul(x, sqrtHalf)))) - 1
	restB := shiftLeftSat(x, uint(headB))
	powB := addSat(shiftLeftSat(inputBits-headB, accumShift), -quarter)
	r, pow := min(restA, restB), max(powA, powB)

	p := halfSum(r, sqrtSqrt)
	q := 2 * (r - sqrtSqrt)
	sq := HighMul(q, q)
	num := HighMul(q, r) + HighMul(HighMul(q, sq), alphaN)
	den := HighMul(p, alphaI+q+HighMul(alphaD, sq)) + HighMul(alphaF, q)
	recip := oneOverOnePlus(den)
	sum := HighMul(pow, log2) + HighMul(DivPow2(num, accumBits), recip)
	return shiftLeftSat(sum, fromAccumTo)
}

// addSat is a + b, saturating.
func addSat(a, b int32) int32 {
	return int32(min(max(int64(a)+int64(b), math.MinInt32), math.MaxInt32))
}
