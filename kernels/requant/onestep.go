package requant

import "math/bits"

// Terms are those of the one-step form of Mul for sums of one channel: with X = sum + Bias,
//
//	Mul(sum, m, shift) + zero = (hi32(X × Mult) + Add + [X ≥ Limit]) >> Shift
//
// all unsigned. Bias holds the channel's bias too.
type Terms struct {
	Bias, Mult, Add, Shift, Limit int32
	// Carry says that [X ≥ Limit] counts. It does not where outputs below the zero point are clamped to it: there alone it matters, and Add
	// holds the 1.
	Carry bool
}

// Below returns the terms for kernels that take the carry back below Limit instead of adding it from there on.
func (t Terms) Below() Terms {
	if t.Carry && t.Limit >= 0 {
		t.Add++
	}
	return t
}

// OneStep returns the terms for a channel whose sums without bias are at most largest in size; false where the form is not exact: then a sum may
// be too large, or the multiplier moves it to the left. lo is the least output.
//
// Why it is exact: with v trailing zeros of m, and a = 2^30 − 2^(30−v) (2^30 for odd m), a × m − 2^30 is a multiple of 2^31, so that the first
// rounding of Mul becomes a plain shift of (sum + a) × m. The second one, half away from zero, differs from half up for negative sums only,
// which the carry tells.
func OneStep(bias, largest int64, m, shift, zero, lo int32) (Terms, bool) {
	r := -shift
	if max(bias, -bias)+largest >= 1<<29 || r < 0 || r > 22 {
		return Terms{}, false
	}
	t := Terms{Carry: lo < zero}
	a := int32(1 << 30)
	if m == 0 { // every sum gives zero
		t.Bias, t.Mult, t.Add, t.Limit = int32(bias)+a, 0, zero, -1
		t.Carry = false
		return t, true
	}
	if v := bits.TrailingZeros32(uint32(m)); v > 0 {
		a -= 1 << (30 - v)
	}
	over := int32((int64(a)*int64(m) - 1<<30) >> 31)
	t.Bias, t.Mult, t.Shift = int32(bias)+a, m<<1, r
	if r == 0 {
		t.Add, t.Limit = zero-over, -1
		return t, true
	}
	t.Add, t.Limit = 1<<(r-1)-1-over+zero<<r, a
	if !t.Carry {
		t.Add++
	}
	return t, true
}
