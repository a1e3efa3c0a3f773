package vec

import (
	"math"
	"unsafe"

	"wayside/kernels/internal/flip"
)

// LookupS8 computes dst[i] = table[bits of src[i]]. dst may be src.
func LookupS8(dst, src []int8, table *[256]int8) {
	checkSame(len(dst), len(src))
	if !lookupS8Asm(dst, src, table) {
		lookupS8Generic(dst, src, table)
	}
}

// ShiftSign computes dst[i] = src[i] with 128 added, which turns int8 into uint8 and back. dst may be src.
func ShiftSign(dst, src []uint8) {
	checkSame(len(dst), len(src))
	if len(src) > 0 {
		flip.Copy(dst, unsafe.Slice((*int8)(unsafe.Pointer(&src[0])), len(src)))
	}
}

// pairKind is a kind of int8 arithmetic with an assembly kernel.
type pairKind uint8

const (
	kindSum     pairKind = iota // a × f0 + b × f1 + f2
	kindProduct                 // (a − f0) × (b − f1) × f2 + f3, or + f4 where the product is negative
	kindSquare                  // (a × f0 + f2 − (b × f1 + f3))² × f4 + add, where both terms of the difference are rounded; lo and hi do not count
)

// pairParams are the numbers of a kernel: floats of the formula, and the limits. The value is rounded down before it is limited.
type pairParams struct {
	f      [5]float32
	lo, hi int32
	add    float32
	whole  wholeSum
}

// wholeSum is a sum of whole numbers with sumShift bits behind the point: a × m0 + b × m1 + bias, for kernels of kindSum that want it.
type wholeSum struct {
	upper, lower uint32 // bits from the eighth on of m0 and m1, 16 each, and the lower ones, in the second and the fourth byte
	bias         int32
}

// sumShift is a number that the assembly knows.
const sumShift = 21

// PairS8 is an operator with two int8 inputs. Its results are those of the reference's integer arithmetic, bit by bit: it is that arithmetic
// until Prepare finds something faster.
type PairS8 struct {
	kind     pairKind
	fast     bool
	params   pairParams
	values   func(b int8, v *[256]float64) // the values without their addend, by the bits of a; nil where no kernel computes them
	integers func(dst, a []int8, sa int, b []int8, sb int)
	table    *[256][256]int8 // results by the bits of b, then of a; nil without
}

// NewSumS8 prepares q(ra(a) + rb(b)), or with sub q(ra(a) − rb(b)).
func NewSumS8(ra, rb *Rescale, sub bool, q *Store) *PairS8 {
	ta, tb := ra.Table(), rb.Table()
	sign := 1.0
	if sub {
		sign = -1
		for i := range tb {
			tb[i] = -tb[i]
		}
	}
	p := &PairS8{kind: kindSum, params: pairParams{lo: q.Lo, hi: q.Hi}, integers: sumS8(ta, tb, q)}
	p.params.f[0], p.params.f[1] = float32(ra.real()*q.real()), float32(sign*rb.real()*q.real())
	p.values = func(b int8, v *[256]float64) {
		for i, a := range bitOrder {
			v[i] = float64(b)*float64(p.params.f[1]) + float64(float64(p.params.f[0])*float64(a))
		}
	}
	return p
}

// NewProductS8 prepares q((a − za) × (b − zb)).
func NewProductS8(za, zb int32, q *Store) *PairS8 {
	p := &PairS8{kind: kindProduct, params: pairParams{lo: q.Lo, hi: q.Hi}, integers: productS8(za, zb, q)}
	p.params.f[0], p.params.f[1], p.params.f[2] = float32(za), float32(zb), float32(q.real())
	p.values = func(b int8, v *[256]float64) {
		slope := float64(int32(b)-zb) * float64(p.params.f[2])
		for i, a := range bitOrder {
			v[i] = slope * float64(int32(a)-za)
		}
	}
	return p
}

// NewSquaredDifferenceS8 prepares q((ra(a) − rb(b))²).
func NewSquaredDifferenceS8(ra, rb *Rescale, q *Store) *PairS8 {
	ta, tb := ra.Table(), rb.Table()
	p := &PairS8{kind: kindSquare, params: pairParams{lo: q.Lo, hi: q.Hi}}
	p.integers = func(dst, a []int8, sa int, b []int8, sb int) { SquaredDifferenceS8(dst, a, sa, b, sb, ta, tb, q) }
	if q.Lo != math.MinInt8 || q.Hi != math.MaxInt8 {
		return p
	}
	fa, fb := ra.slope(ta), rb.slope(tb)
	p.params.f = [5]float32{float32(fa), float32(fb), float32(-fa * float64(ra.Zero)), float32(-fb * float64(rb.Zero)), float32(q.real())}
	p.values = func(b int8, v *[256]float64) {
		for i, a := range ta {
			d := float64(a - tb[uint8(b)])
			v[i] = d * d * q.real()
		}
	}
	return p
}

// slope is the factor in the middle of those with which one rounding gives a table of the rescaling, which rounds twice.
func (r *Rescale) slope(t *[256]int32) float64 {
	least, most := 0.0, math.Inf(1)
	for i, x := range bitOrder {
		if d, y := math.Abs(float64(int32(x)-r.Zero)), math.Abs(float64(t[i])); d > 0 {
			least, most = max(least, (y-0.5)/d), min(most, (y+0.5)/d)
		}
	}
	return (least + most) / 2
}

// real is the factor that a rescaling stands for.
func (r *Rescale) real() float64 { return math.Ldexp(float64(r.Mult), int(r.Left+r.Shift-31)) }

func (s *Store) real() float64 { return math.Ldexp(float64(s.Mult), int(s.Shift-31)) }

// Prepare readies the operator for runs of so many elements: with a kernel of this machine that computes in floats, if it gives the results of the
// integers for all 65,536 pairs of inputs, else with a table of those pairs, of 64 KiB.
func (p *PairS8) Prepare(elems int) {
	const short, long = 512, 2048 // which are not worth the trial, and which are worth the memory
	kernels := p.values != nil && ISA8() != "generic"
	if elems < short || !kernels && elems < long {
		return
	}
	table := &[256][256]int8{}
	for b := range table {
		p.integers(table[b][:], bitOrder[:], 1, bitOrder[b:b+1], 0)
	}
	if kernels {
		p.fast = p.search(table)
	}
	if !p.fast && elems >= long {
		p.table = table
	}
}

// Bytes returns the memory of the table.
func (p *PairS8) Bytes() int {
	if p.table == nil {
		return 0
	}
	return len(p.table) * len(p.table[0])
}

// search tries the kernel of this machine. The factors of a sum may also be the next floats: the reference rounds both inputs, so that the nearest
// do not always fit best.
func (p *PairS8) search(want *[256][256]int8) bool {
	if p.kind != kindSum {
		return p.check(want)
	}
	if wholeSums() && p.searchWhole(want) {
		return true
	}
	p.params.whole = wholeSum{}
	f0, f1 := p.params.f[0], p.params.f[1]
	for _, d := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {-1, 0}, {0, -1}, {-1, -1}, {1, -1}, {-1, 1}} {
		p.params.f[0], p.params.f[1] = nextFloat(f0, d[0]), nextFloat(f1, d[1])
		if p.check(want) {
			return true
		}
	}
	return false
}

// searchWhole looks for whole numbers with which the kernel gives the results in want. The nearest do not always fit best, as for floats.
func (p *PairS8) searchWhole(want *[256][256]int8) bool {
	const one, most = 1 << sumShift, 1 << 30
	m0, m1 := math.Round(float64(p.params.f[0])*one), math.Round(float64(p.params.f[1])*one)
	if max(math.Abs(m0), math.Abs(m1)) >= most>>8 {
		return false
	}
	for _, d := range [][2]int64{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {-1, 0}, {0, -1}, {-1, -1}, {1, -1}, {-1, 1}} {
		m0, m1 := int64(m0)+d[0], int64(m1)+d[1]
		least, end := int64(-most), int64(most)
		for i, b := range bitOrder {
			for j, a := range bitOrder {
				y, v := int64(want[i][j]), int64(a)*m0+int64(b)*m1
				if y > int64(p.params.lo) {
					least = max(least, y*one-v)
				}
				if y < int64(p.params.hi) {
					end = min(end, (y+1)*one-v)
				}
			}
		}
		if least >= end {
			continue
		}
		p.params.whole = wholeSum{upper: uint32(uint16(m0>>8)) | uint32(m1>>8)<<16, lower: uint32(uint8(m0))<<8 | uint32(uint8(m1))<<24, bias: int32(least + (end-least)/2)}
		return p.right(want)
	}
	return false
}

// right tries the kernel of this machine on all pairs.
func (p *PairS8) right(want *[256][256]int8) bool {
	var got [256]int8
	for b := range want {
		if !pairS8Asm(p.kind, got[:], bitOrder[:], bitOrder[b:b+1], &Rows{N: 256, SA: 1, Count: 1}, &p.params) || got != want[b] {
			return false
		}
	}
	return true
}

// nextFloat is f, or the float after it in the direction of d.
func nextFloat(f float32, d int) float32 {
	if d == 0 {
		return f
	}
	return math.Nextafter32(f, float32(math.Inf(d)))
}

// check looks for the addends with which the kernel of this machine gives the results in want, and tries it on all pairs.
func (p *PairS8) check(want *[256][256]int8) bool {
	inf := math.Inf(1)
	least, most := [2]float64{-inf, -inf}, [2]float64{inf, inf} // for values that are not negative, and negative ones
	var values [256]float64
	for i, b := range bitOrder {
		p.values(b, &values)
		for j, v := range values {
			y, side := int32(want[i][j]), 0
			if p.kind == kindProduct && v < 0 {
				side = 1
			}
			if e := float64(y) - v; y > p.params.lo && e > least[side] {
				least[side] = e
			}
			if e := float64(y) + 1 - v; y < p.params.hi && e < most[side] {
				most[side] = e
			}
		}
	}
	for side := range least {
		at := p.addend(side)
		if at == nil {
			continue
		}
		if math.IsInf(least[side], -1) { // nothing is above the lower limit
			least[side] = max(min(most[side]-1, 0), -1<<20)
		}
		most[side] = min(most[side], least[side]+1)
		if !(least[side] < most[side]) {
			return false
		}
		*at = float32((least[side] + most[side]) / 2)
	}
	return p.right(want)
}

// bitOrder are all int8 in the order of their bits as uint8.
var bitOrder = func() (all [256]int8) {
	for i := range all {
		all[i] = int8(i)
	}
	return all
}()

// addend is where the addend for a side stands; nil where there is none.
func (p *PairS8) addend(side int) *float32 {
	switch {
	case p.kind == kindProduct:
		return &p.params.f[3+side]
	case side == 1:
		return nil
	case p.kind == kindSquare:
		return &p.params.add
	}
	return &p.params.f[2]
}

// ISA names what Run uses, as in kernel ids: instructions, or a table.
func (p *PairS8) ISA() string {
	switch {
	case p.fast:
		return pairISA(p.kind, &p.params)
	case p.table != nil:
		return "table"
	}
	return "generic"
}

// Run computes all runs. dst may be an input whose runs follow each other.
func (p *PairS8) Run(dst, a, b []int8, r *Rows) {
	r.check(len(dst), len(a), len(b))
	if p.fast && r.short() {
		p.runShort(dst, a, b, r)
		return
	}
	p.runs(dst, a, b, r)
}

// runShort is Run for short runs. Its frame is large.
func (p *PairS8) runShort(dst, a, b []int8, r *Rows) {
	var side [joinElems]int8
	joined, rest := r.join()
	n := joined.N * joined.Count
	x, y := sides(side[:joined.N], a, b, r)
	if pairS8Asm(p.kind, dst[:n], x, y, &joined, &p.params) {
		dst, a, b, r = dst[n:], a[joined.Count*joined.StepA:], b[joined.Count*joined.StepB:], &rest
	}
	p.runs(dst, a, b, r)
}

// runs computes all runs as they are.
func (p *PairS8) runs(dst, a, b []int8, r *Rows) {
	switch {
	case len(dst) == 0 || p.fast && pairS8Asm(p.kind, dst, a, b, r, &p.params):
	case p.table != nil:
		for i := range r.Count {
			p.look(dst[i*r.N:(i+1)*r.N], a[i*r.StepA:], r.SA, b[i*r.StepB:], r.SB)
		}
	default:
		eachRow(dst, a, b, r, p.integers)
	}
}

// look computes a run with the table.
func (p *PairS8) look(dst, a []int8, sa int, b []int8, sb int) {
	if sa == 1 && sb == 0 {
		LookupS8(dst, a[:len(dst)], &p.table[uint8(b[0])])
		return
	}
	for i := range dst {
		dst[i] = p.table[uint8(b[i*sb])][uint8(a[i*sa])]
	}
}
