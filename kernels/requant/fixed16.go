package requant

import "math"

// The functions of this file work on fixed-point numbers with 16 bits, Qi.f with i + f = 15, and wrap like int16. They follow gemmlowp as LiteRT's int8
// LSTM uses it; constants are those of the 32-bit functions, rounded to 16 bits.

// HighMul16 is HighMul with 16 bits: floor((a×b + 2^14) / 2^15). It saturates for a = b = −2^15.
func HighMul16(a, b int16) int16 {
	if a == b && a == math.MinInt16 {
		return math.MaxInt16
	}
	return int16((int32(a)*int32(b) + 1<<14) >> 15)
}

func shiftLeftSat16(x int16, e uint) int16 {
	return int16(min(max(int32(x)<<e, math.MinInt16), math.MaxInt16))
}

func addSat16(a, b int16) int16 {
	return int16(min(max(int32(a)+int32(b), math.MinInt16), math.MaxInt16))
}

// expQuarter16 is exp(a) for a in Q0.15 in [−1/4, 0).
func expQuarter16(a int16) int16 {
	const (
		expEighth = 28918
		third     = 10923
	)
	x := a + 1<<12
	x2 := HighMul16(x, x)
	x3 := HighMul16(x2, x)
	x4 := HighMul16(x2, x2)
	quarter := int16(DivPow2(int32(x4), 2))
	rest := int16(DivPow2(int32(HighMul16(quarter+x3, third)+x2), 1))
	return addSat16(expEighth, HighMul16(expEighth, x+rest))
}

// expSteps16 are exp(−2^k) in Q0.15 for k = −2..4.
var expSteps16 = [...]int16{25520, 19875, 12055, 4435, 600, 11, 0}

// expNegative16 is exp(a) in Q0.15 for a ≤ 0 with the given integer bits.
func expNegative16(a int16, integerBits uint) int16 {
	if a == 0 {
		return math.MaxInt16
	}
	frac := 15 - integerBits
	quarter := int16(1) << frac >> 2
	mod := a&(quarter-1) - quarter
	r := expQuarter16(shiftLeftSat16(mod, integerBits))
	rest := mod - a
	for k, m := range expSteps16 {
		if int(integerBits) <= k-2 {
			break
		}
		if rest&int16(1<<(int(frac)+k-2)) != 0 {
			r = HighMul16(r, m)
		}
	}
	if integerBits > 5 && a < -int16(1)<<(20-integerBits) { // below −32
		return 0
	}
	return r
}

// newton16 approximates 2/(1+a) in Q2.13 for a in Q0.15 in (0, 1).
func newton16(a int16) int16 {
	sum := int32(a) + math.MaxInt16
	half := int16((sum + 1) / 2)
	if sum < 0 {
		half = int16((sum - 1) / 2)
	}
	x := 23130 + HighMul16(half, -15420)
	for range 3 {
		x += shiftLeftSat16(HighMul16(x, 1<<13-HighMul16(half, x)), 2)
	}
	return x
}

// LogisticFixed16 is 1/(1+exp(−a)) in Q0.15 for a in Q3.12.
func LogisticFixed16(a int16) int16 {
	if a == 0 {
		return 1 << 14
	}
	neg := a
	if a > 0 {
		neg = -a
	}
	r := shiftLeftSat16(newton16(expNegative16(neg, 3)), 1)
	if a > 0 {
		return r
	}
	return math.MaxInt16 - r
}

// TanhFixed16 is tanh(a) in Q0.15 for a with the given integer bits, 0 to 6.
func TanhFixed16(a int16, integerBits uint) int16 {
	if a == 0 {
		return 0
	}
	neg := a
	if a > 0 {
		neg = -a
	}
	t := shiftLeftSat16(newton16(expNegative16(neg, integerBits+1))-1<<13, 2)
	if a < 0 {
		return -t
	}
	return t
}
