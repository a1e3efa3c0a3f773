package vec

import "math"

// Integer is a Number that is no float.
type Integer interface {
	~int8 | ~uint8 | ~int16 | ~int32 | ~int64 | ~uint32
}

// Functions of two inputs compute dst[i] from a[i×sa] and b[i×sb]; the strides are 0 (one value for all) or 1. dst may be
// an input with stride 1. Integers wrap around.

// Add computes the sum, limited to lo..hi.
func Add[T Number](dst, a []T, sa int, b []T, sb int, lo, hi T) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]+b[i*sb], lo), hi)
	}
}

// Sub computes a − b, limited to lo..hi.
func Sub[T Number](dst, a []T, sa int, b []T, sb int, lo, hi T) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]-b[i*sb], lo), hi)
	}
}

// Mul computes the product, limited to lo..hi.
func Mul[T Number](dst, a []T, sa int, b []T, sb int, lo, hi T) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = min(max(a[i*sa]*b[i*sb], lo), hi)
	}
}

func divF32(dst, a []float32, sa int, b []float32, sb int, lo, hi float32) {
	for i := range dst {
		dst[i] = min(max(a[i*sa]/b[i*sb], lo), hi)
	}
}

// DivInt computes a / b, truncated and limited to lo..hi. It stops and returns false when it meets b = 0.
func DivInt[T Integer](dst, a []T, sa int, b []T, sb int, lo, hi T) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		y := b[i*sb]
		if y == 0 {
			return false
		}
		dst[i] = min(max(a[i*sa]/y, lo), hi)
	}
	return true
}

// Max computes a where a > b and b elsewhere, so that a NaN in a gives b.
func Max[T Number](dst, a []T, sa int, b []T, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x, y := a[i*sa], b[i*sb]
		if x > y {
			y = x
		}
		dst[i] = y
	}
}

// Min computes a where a < b and b elsewhere, so that a NaN in a gives b.
func Min[T Number](dst, a []T, sa int, b []T, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x, y := a[i*sa], b[i*sb]
		if x < y {
			y = x
		}
		dst[i] = y
	}
}

// SquaredDifference computes (a − b)².
func SquaredDifference[T Number](dst, a []T, sa int, b []T, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		d := a[i*sa] - b[i*sb]
		dst[i] = d * d
	}
}

// FloorDivF32 computes floor(a / b) in float64. It stops and returns false when it meets b = 0, as the reference does.
func FloorDivF32(dst, a []float32, sa int, b []float32, sb int) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		y := b[i*sb]
		if y == 0 {
			return false
		}
		dst[i] = float32(math.Floor(float64(a[i*sa]) / float64(y)))
	}
	return true
}

// FloorDivInt computes floor(a / b). It stops and returns false when it meets b = 0.
func FloorDivInt[T Integer](dst, a []T, sa int, b []T, sb int) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x, y := a[i*sa], b[i*sb]
		if y == 0 {
			return false
		}
		q := x / y
		if r := x % y; r != 0 && (r < 0) != (y < 0) {
			q--
		}
		dst[i] = q
	}
	return true
}

// FloorModF32 computes the remainder of a / b that has the sign of b; it is NaN for b = 0.
func FloorModF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		y := b[i*sb]
		r := float32(math.Mod(float64(a[i*sa]), float64(y)))
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		dst[i] = r
	}
}

// FloorModInt computes the remainder of a / b that has the sign of b. It stops and returns false when it meets b = 0.
func FloorModInt[T Integer](dst, a []T, sa int, b []T, sb int) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x, y := a[i*sa], b[i*sb]
		if y == 0 {
			return false
		}
		r := x % y
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		dst[i] = r
	}
	return true
}

// PowF32 computes a to the power of b in float64, rounded once.
func PowF32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = float32(math.Pow(float64(a[i*sa]), float64(b[i*sb])))
	}
}

// PowS32 computes a to the power of b; what does not fit gives −2^31. It stops and returns false when it meets b < 0.
func PowS32(dst, a []int32, sa int, b []int32, sb int) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		y := b[i*sb]
		if y < 0 {
			return false
		}
		dst[i] = powInt(a[i*sa], y)
	}
	return true
}

// powInt multiplies in 64 bits: a factor of more than 32 bits with exponents left means that the result does not fit.
func powInt(x, e int32) int32 {
	r, f := int64(1), int64(x)
	for {
		if e&1 != 0 {
			r *= f
			if r != int64(int32(r)) {
				return math.MinInt32
			}
		}
		e >>= 1
		if e == 0 {
			return int32(r)
		}
		f *= f
		if f != int64(int32(f)) {
			return math.MinInt32
		}
	}
}

// PowWrapS32 computes a to the power of b by multiplications that wrap around. It stops and returns false when it meets b < 0.
func PowWrapS32(dst, a []int32, sa int, b []int32, sb int) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		e := b[i*sb]
		if e < 0 {
			return false
		}
		r := int32(1)
		for f := a[i*sa]; e > 0; e >>= 1 {
			if e&1 != 0 {
				r *= f
			}
			f *= f
		}
		dst[i] = r
	}
	return true
}

// Atan2F32 computes the angle of the point (b, a) in float64, rounded once.
func Atan2F32(dst, a []float32, sa int, b []float32, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = float32(math.Atan2(float64(a[i*sa]), float64(b[i*sb])))
	}
}

// Xor computes the exclusive or of the bits.
func Xor[T Integer](dst, a []T, sa int, b []T, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = a[i*sa] ^ b[i*sb]
	}
}

// ShiftRight shifts a right by b bits, with the sign of signed types. b is limited to 0..bits−1.
func ShiftRight[T Integer](dst, a []T, sa int, b []T, sb int, bits T) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = a[i*sa] >> min(max(b[i*sb], 0), bits-1)
	}
}

// And computes whether both are true: 0 is false, everything else true.
func And(dst, a []uint8, sa int, b []uint8, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		r := uint8(0) // dst may be a or b
		if a[i*sa] != 0 && b[i*sb] != 0 {
			r = 1
		}
		dst[i] = r
	}
}

// Or computes whether one of both is true: 0 is false, everything else true.
func Or(dst, a []uint8, sa int, b []uint8, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		r := uint8(0)
		if a[i*sa]|b[i*sb] != 0 {
			r = 1
		}
		dst[i] = r
	}
}

// Relation is a set of outcomes of a comparison, one bit each: less, equal, greater, and neither (a NaN is involved).
type Relation uint8

// The relations that operators ask for.
const (
	Less         Relation = 1
	Equal        Relation = 2
	LessEqual    Relation = 3
	Greater      Relation = 4
	GreaterEqual Relation = 6
	NotEqual     Relation = 13
)

// holds is 1 when x and y are in the relation, else 0.
func holds[T Number](r Relation, x, y T) uint8 {
	switch {
	case x < y:
		return uint8(r) & 1
	case x == y:
		return uint8(r) >> 1 & 1
	case x > y:
		return uint8(r) >> 2 & 1
	}
	return uint8(r) >> 3
}

// Compare sets dst[i] to 1 where a[i×sa] and b[i×sb] are in the relation, else to 0.
func Compare[T Number](dst []uint8, a []T, sa int, b []T, sb int, r Relation) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = holds(r, a[i*sa], b[i*sb])
	}
}

// Where sets dst[i] to x[i×sx] where c[i×sc] is not 0, else to y[i×sy].
func Where[T any](dst []T, c []uint8, sc int, x []T, sx int, y []T, sy int) {
	checkPair(len(dst), len(x), sx, len(y), sy)
	checkPair(len(dst), len(c), sc, len(c), sc)
	for i := range dst {
		if c[i*sc] != 0 {
			dst[i] = x[i*sx]
		} else {
			dst[i] = y[i*sy]
		}
	}
}

func preluF32(dst, a []float32, sa int, b []float32, sb int) {
	for i := range dst {
		x := a[i*sa]
		if !(x >= 0) {
			x *= b[i*sb]
		}
		dst[i] = x
	}
}

func checkPair(n, a, sa, b, sb int) {
	if n > 0 && (a <= (n-1)*sa || b <= (n-1)*sb) {
		panic("vec: slice length mismatch")
	}
}
