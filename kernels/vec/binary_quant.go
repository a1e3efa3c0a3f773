package vec

import (
	"math"
	"math/bits"

	"wayside/kernels/requant"
)

// Rescale moves an input to a common fine scale: (x − Zero) × 2^Left, times a multiplier.
type Rescale struct{ Zero, Left, Mult, Shift int32 }

// At rescales one value.
func (r *Rescale) At(x int32) int32 { return requant.Mul((x-r.Zero)<<r.Left, r.Mult, r.Shift) }

// Table returns the rescaled values of all int8 by their bits.
func (r *Rescale) Table() *[256]int32 {
	t := &[256]int32{}
	for x := int32(math.MinInt8); x <= math.MaxInt8; x++ {
		t[uint8(x)] = r.At(x)
	}
	return t
}

// Store is the last step of a quantized operator: rescale, add the zero point, limit.
type Store struct {
	Mult, Shift, Zero int32
	Lo, Hi            int32
}

func (s *Store) at(x int32) int32 {
	return min(max(requant.Mul(x, s.Mult, s.Shift)+s.Zero, s.Lo), s.Hi)
}

// stepped is a Store in the one-step form of requant.Terms, which has no branches.
type stepped struct {
	bias, mult, limit uint32
	add, shift        int32
	lo, hi            int32
}

// steps returns the one-step form for values that are at most largest in size; false where it is not exact.
func (s *Store) steps(largest int64) (*stepped, bool) {
	t, ok := requant.OneStep(0, largest, s.Mult, s.Shift, s.Zero, s.Lo)
	p := &stepped{bias: uint32(t.Bias), mult: uint32(t.Mult), limit: uint32(t.Limit), add: t.Add, shift: t.Shift, lo: s.Lo, hi: s.Hi}
	if !t.Carry {
		p.limit = math.MaxUint32
	}
	return p, ok
}

func (p *stepped) at(v int32) int32 {
	x := uint32(v) + p.bias
	carry := (uint64(p.limit) - 1 - uint64(x)) >> 63 // x ≥ limit
	y := int32(uint64(x)*uint64(p.mult)>>32+carry) + p.add
	return min(max(y>>(p.shift&31), p.lo), p.hi)
}

// sumS8 returns AddS8 with the given tables, in the one-step form where that is exact.
func sumS8(ta, tb *[256]int32, q *Store) func(dst, a []int8, sa int, b []int8, sb int) {
	p, ok := q.steps(farthest(ta) + farthest(tb))
	if !ok {
		return func(dst, a []int8, sa int, b []int8, sb int) { AddS8(dst, a, sa, b, sb, ta, tb, q) }
	}
	return func(dst, a []int8, sa int, b []int8, sb int) {
		checkPair(len(dst), len(a), sa, len(b), sb)
		for i := range dst {
			dst[i] = int8(p.at(ta[uint8(a[i*sa])] + tb[uint8(b[i*sb])]))
		}
	}
}

// farthest is the largest size of a table's values.
func farthest(t *[256]int32) int64 {
	far := int64(0)
	for _, v := range t {
		far = max(far, int64(v), -int64(v))
	}
	return far
}

// productS8 returns MulQ with the given zero points, in the one-step form where that is exact.
func productS8(za, zb int32, q *Store) func(dst, a []int8, sa int, b []int8, sb int) {
	p, ok := q.steps(255 * 255)
	if !ok {
		return func(dst, a []int8, sa int, b []int8, sb int) { MulQ(dst, a, sa, b, sb, za, zb, q) }
	}
	return func(dst, a []int8, sa int, b []int8, sb int) {
		checkPair(len(dst), len(a), sa, len(b), sb)
		for i := range dst {
			dst[i] = int8(p.at((int32(a[i*sa]) - za) * (int32(b[i*sb]) - zb)))
		}
	}
}

// AddS8 computes dst[i] = q(ta[a[i×sa]] + tb[b[i×sb]]) with the tables of both inputs' rescaled values, tb negated for a subtraction.
func AddS8(dst, a []int8, sa int, b []int8, sb int, ta, tb *[256]int32, q *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = int8(q.at(ta[uint8(a[i*sa])] + tb[uint8(b[i*sb])]))
	}
}

// AddS16 computes dst[i] = q(ra(a[i×sa]) + sign × rb(b[i×sb])).
func AddS16(dst, a []int16, sa int, b []int16, sb int, ra, rb *Rescale, sign int32, q *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = int16(q.at(ra.At(int32(a[i*sa])) + sign*rb.At(int32(b[i*sb]))))
	}
}

// SquaredDifferenceS8 computes dst[i] = q((ta[a[i×sa]] − tb[b[i×sb]])²).
func SquaredDifferenceS8(dst, a []int8, sa int, b []int8, sb int, ta, tb *[256]int32, q *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		d := ta[uint8(a[i*sa])] - tb[uint8(b[i*sb])]
		dst[i] = int8(q.at(d * d))
	}
}

// SquaredDifferenceS16 computes dst[i] = q((ra(a[i×sa]) − rb(b[i×sb]))²).
func SquaredDifferenceS16(dst, a []int16, sa int, b []int16, sb int, ra, rb *Rescale, q *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		d := ra.At(int32(a[i*sa])) - rb.At(int32(b[i*sb]))
		dst[i] = int16(q.at(d * d))
	}
}

// MulQ computes dst[i] = q((a[i×sa] − za) × (b[i×sb] − zb)).
func MulQ[T int8 | int16](dst, a []T, sa int, b []T, sb int, za, zb int32, q *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = T(q.at((int32(a[i*sa]) - za) * (int32(b[i*sb]) - zb)))
	}
}

// DivQ computes dst[i] = q((a[i×sa] − za) / (b[i×sb] − zb)) with a fixed-point reciprocal. It stops and returns false when
// the divisor is 0.
func DivQ[T int8 | int16](dst, a []T, sa int, b []T, sb int, za, zb int32, q *Store) bool {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x, y := int32(a[i*sa])-za, int32(b[i*sb])-zb
		if y == 0 {
			return false
		}
		if y < 0 {
			x, y = -x, -y
		}
		inverse, over := requant.Reciprocal(y, 31)
		room := int32(bits.LeadingZeros32(uint32(x^x>>31))) - 1
		v := requant.HighMul(requant.HighMul(x<<room, inverse), q.Mult)
		dst[i] = T(min(max(int64(shiftDown(v, over+room-q.Shift))+int64(q.Zero), int64(q.Lo)), int64(q.Hi)))
	}
	return true
}

// shiftDown divides by 2^e with rounding half away from zero. The reference keeps to exponents of 0 to 31 nowhere: a small
// dividend goes beyond, and then its mask for the remainder is all ones and its shift counts modulo 32, as processors
// do it. That decides results of ordinary models, so it is repeated here.
func shiftDown(x, e int32) int32 {
	mask := int32(uint64(1)<<(e&63) - 1)
	half := mask >> 1
	if x < 0 {
		half++
	}
	r := x >> (e & 31)
	if x&mask > half {
		r++
	}
	return r
}

// PreluQ computes dst[i] from x = a[i×sa] − za: p(x) where x ≥ 0, else n(x × (b[i×sb] − zb)).
func PreluQ[T int8 | int16](dst, a []T, sa int, b []int8, sb int, za, zb int32, p, n *Store) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		x := int32(a[i*sa]) - za
		if x >= 0 {
			dst[i] = T(p.at(x))
		} else {
			dst[i] = T(n.at(x * (int32(b[i*sb]) - zb)))
		}
	}
}

// CompareS8 compares the rescaled values of both inputs like Compare.
func CompareS8(dst []uint8, a []int8, sa int, b []int8, sb int, ta, tb *[256]int32, r Relation) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = holds(r, ta[uint8(a[i*sa])], tb[uint8(b[i*sb])])
	}
}

// CompareS16 compares the rescaled values of both inputs like Compare.
func CompareS16(dst []uint8, a []int16, sa int, b []int16, sb int, ra, rb *Rescale, r Relation) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = holds(r, ra.At(int32(a[i*sa])), rb.At(int32(b[i*sb])))
	}
}

// GatherS8 adds t[src[i]] to sum[i].
func GatherS8(sum []int32, src []int8, t *[256]int32) {
	if len(sum) != len(src) {
		panic("vec: slice length mismatch")
	}
	for i, v := range src {
		sum[i] += t[uint8(v)]
	}
}

// StoreS8 computes dst[i] = q(sum[i]).
func StoreS8(dst []int8, sum []int32, q *Store) {
	if len(dst) != len(sum) {
		panic("vec: slice length mismatch")
	}
	for i, v := range sum {
		dst[i] = int8(q.at(v))
	}
}

// ShiftRightFlipped shifts uint8 values whose sign bit is flipped, as they are held inside a graph: the bits of a and b are
// flipped back before, and those of the result after.
func ShiftRightFlipped(dst, a []int8, sa int, b []int8, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = int8((uint8(a[i*sa])^0x80)>>min(uint8(b[i*sb])^0x80, 7) ^ 0x80)
	}
}

// XorFlipped is Xor for uint8 values whose sign bit is flipped.
func XorFlipped(dst, a []int8, sa int, b []int8, sb int) {
	checkPair(len(dst), len(a), sa, len(b), sb)
	for i := range dst {
		dst[i] = a[i*sa] ^ b[i*sb] ^ -128
	}
}
