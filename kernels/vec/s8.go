package vec

import (
	"math"
	"slices"
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
)

// pairParams are the numbers of a kernel: floats of the formula, and the limits. The value is rounded down before it is limited.
type pairParams struct {
	f      [5]float32
	lo, hi int32
}

// PairS8 is an operator with two int8 inputs. Its results are those of the reference's integer arithmetic, bit by bit: a float kernel is used
// only after it has given the same for all 65,536 pairs of inputs.
type PairS8 struct {
	kind     pairKind
	fast     bool
	params   pairParams
	integers func(dst, a []int8, sa int, b []int8, sb int)
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
	p := &PairS8{kind: kindSum, params: pairParams{lo: q.Lo, hi: q.Hi}, integers: func(dst, a []int8, sa int, b []int8, sb int) {
		AddS8(dst, a, sa, b, sb, ta, tb, q)
	}}
	p.params.f[0], p.params.f[1] = float32(ra.real()*q.real()), float32(sign*rb.real()*q.real())
	p.check(func(a, b int) float64 {
		return float64(float64(a)*float64(p.params.f[0])) + float64(float64(b)*float64(p.params.f[1]))
	})
	return p
}

// NewProductS8 prepares q((a − za) × (b − zb)).
func NewProductS8(za, zb int32, q *Store) *PairS8 {
	p := &PairS8{kind: kindProduct, params: pairParams{lo: q.Lo, hi: q.Hi}, integers: func(dst, a []int8, sa int, b []int8, sb int) {
		MulQ(dst, a, sa, b, sb, za, zb, q)
	}}
	p.params.f[0], p.params.f[1], p.params.f[2] = float32(za), float32(zb), float32(q.real())
	p.check(func(a, b int) float64 { return float64((a-int(za))*(b-int(zb))) * float64(p.params.f[2]) })
	return p
}

// real is the factor that a rescaling stands for.
func (r *Rescale) real() float64 { return math.Ldexp(float64(r.Mult), int(r.Left+r.Shift-31)) }

func (s *Store) real() float64 { return math.Ldexp(float64(s.Mult), int(s.Shift-31)) }

// check looks for the addends with which the kernel of this machine gives the results of the integers, and tries it on all pairs. value is
// the formula without its addend, for which every pair leaves a range.
func (p *PairS8) check(value func(a, b int) float64) {
	if ISA8() == "generic" {
		return
	}
	var all, got [256]int8
	want := make([]int8, 256*256)
	for i := range all {
		all[i] = int8(i - 128)
	}
	inf := math.Inf(1)
	least, most := [2]float64{-inf, -inf}, [2]float64{inf, inf} // for values that are not negative, and negative ones
	for i := range all {
		row := want[256*i : 256*i+256]
		p.integers(row, all[i:i+1], 0, all[:], 1)
		for k, y := range row {
			v := value(i-128, k-128)
			side := 0
			if p.kind == kindProduct && v < 0 {
				side = 1
			}
			if int32(y) > p.params.lo {
				least[side] = max(least[side], float64(y)-v)
			}
			if int32(y) < p.params.hi {
				most[side] = min(most[side], float64(y)+1-v)
			}
		}
	}
	for side := range least {
		at := p.place(side)
		if at < 0 {
			continue
		}
		least[side], most[side] = max(least[side], most[side]-1, -1<<20), min(most[side], max(least[side], -1<<20)+1)
		if !(least[side] < most[side]) {
			return
		}
		p.params.f[at] = float32((least[side] + most[side]) / 2)
	}
	for i := range all {
		if !pairS8Asm(p.kind, got[:], all[i:i+1], all[:], &Rows{N: 256, SB: 1, Count: 1}, &p.params) || !slices.Equal(got[:], want[256*i:256*i+256]) {
			return
		}
	}
	p.fast = true
}

// place is where the addend for a side stands.
func (p *PairS8) place(side int) int {
	switch {
	case p.kind == kindProduct:
		return 3 + side
	case side == 0:
		return 2
	}
	return -1
}

// ISA names the instructions that Run uses, as in kernel ids.
func (p *PairS8) ISA() string {
	if p.fast {
		return ISA8()
	}
	return "generic"
}

// Run computes all runs. dst may be an input whose runs follow each other.
func (p *PairS8) Run(dst, a, b []int8, r *Rows) {
	r.check(len(dst), len(a), len(b))
	if len(dst) > 0 && (!p.fast || !pairS8Asm(p.kind, dst, a, b, r, &p.params)) {
		eachRow(dst, a, b, r, p.integers)
	}
}
