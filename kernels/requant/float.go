package requant

// FloatTerms are those of the float32 form of Mul for sums of one channel: with x = float32(sum + Bias), rounding down everywhere,
//
//	Mul(sum, m, shift) + zero = floor(fma(High, x, fma(Low, x, Add)))
//
// after both are clamped to the least and the greatest output.
type FloatTerms struct {
	Bias           int32
	High, Low, Add float32
}

// FloatStep returns the terms for a channel whose sums without bias are at most largest in size; false where it is not proved that the form is exact. lo and hi
// are the least and the greatest output; lo must not be below the zero point.
//
// Why it is exact: let S = m/2^(31−shift). For sums that are not negative, Mul rounds to floor(S × sum + c), where c = 1/2 + 2^(shift−1), or 1/2 without a shift;
// for the others that is at most zero too, which the clamp makes equal. High and Low hold S to 48 bits, Bias makes Add small, so that the sum before the last
// rounding is wrong by at most e; that rounding does not change the floor. Add is greater by e, so that no sum that reaches an output misses it. One that does not
// reach it must be short of it by more than 2e, which is looked at for the greatest such sum below each output.
func FloatStep(bias, largest int64, m, shift, zero, lo, hi int32) (FloatTerms, bool) {
	r := -shift
	if m < 1<<30 || r < 0 || r > 22 || lo < zero {
		return FloatTerms{}, false
	}
	unit := int64(1) << (31 + r) // 1 in multiples of S/m
	half := unit/2 + int64(zero)*unit
	if r > 0 {
		half += 1 << 30
	}
	a := floorDiv(half, int64(m))
	sum := max(bias+a, -bias-a) + largest
	s := float64(m) / float64(unit)
	if sum >= 1<<24 || float64(sum)*s >= 1<<30 {
		return FloatTerms{}, false
	}
	high := float32(s)
	low := float32(s - float64(high))
	add := float64(half-a*int64(m)) / float64(unit) // from 0 to s
	// What Low and Add lack, and the first rounding.
	e := float64(sum)*s/(1<<48) + add/(1<<25) + (float64(sum)*s/(1<<24)+add+s)/(1<<23)
	// The sums from which on the outputs are k, in multiples of S/m: distance is from k to the first of them, less than m.
	k := int64(lo) + 1
	distance := floorMod(half-k*unit, int64(m))
	short, step := int64(2*e*float64(unit))+1, unit%int64(m)
	for ; k <= int64(hi); k++ {
		if int64(m)-distance <= short {
			return FloatTerms{}, false
		}
		if distance -= step; distance < 0 {
			distance += int64(m)
		}
	}
	return FloatTerms{int32(bias + a), high, low, float32(add + e)}, true
}

func floorDiv(a, b int64) int64 { return (a - floorMod(a, b)) / b }

func floorMod(a, b int64) int64 {
	if a %= b; a < 0 {
		a += b
	}
	return a
}
