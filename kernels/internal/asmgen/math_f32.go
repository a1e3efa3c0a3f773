package main

import "math"

// floatConsts are the constants of the float32 functions. e0 to e5 are the coefficients of e^r from r^7 downward for |r| ≤ ln2/2 (those of Cephes);
// t1 to t6 are those of the series of the hyperbolic tangent. f0 to f6 are those of N. Juffa's polynomial for log(1 − erf(t)) + t above erfEnd, n0 to n5 those for
// erf(t)/t − 1 below it. g1 and g3 are those of the exponent in the approximation of GELU.
var floatConsts = []struct {
	name string
	bits uint32
}{
	{"one", bits(1)}, {"three", bits(3)}, {"six", bits(6)},
	{"sign", 1 << 31}, {"abs", 1<<31 - 1}, {"-inf", bits(math.Inf(-1))}, {"bias", 127},
	{"half", bits(0.5)}, {"2^20", bits(1 << 20)}, {"-2^20", bits(-1 << 20)}, {"lowest", bits(-math.MaxFloat32)},
	{"most", bits(89)}, {"least", bits(-126 * math.Ln2)}, {"-40", bits(-40)},
	{"log2e", bits(math.Log2E)}, {"ln2hi", bits(math.Ln2)}, {"ln2lo", bits(math.Ln2 - float64(float32(math.Ln2)))},
	{"e0", bits(1.9875691500e-4)}, {"e1", bits(1.3981999507e-3)}, {"e2", bits(8.3334519073e-3)},
	{"e3", bits(4.1665795894e-2)}, {"e4", bits(1.6666665459e-1)}, {"e5", bits(5.0000001201e-1)},
	{"near", bits(0.35)}, {"-two", bits(-2)},
	{"t1", bits(-1.0 / 3)}, {"t2", bits(2.0 / 15)}, {"t3", bits(-17.0 / 315)},
	{"t4", bits(62.0 / 2835)}, {"t5", bits(-1382.0 / 155925)}, {"t6", bits(21844.0 / 6081075)},
	// For AVX2, least in their largest relative errors: e^r = 1 + r + r²(p2 + … + p6 r⁴) within 2^-28, tanh x = x + x³(q1 + … + q4 x⁶) within 2^-30 for |x| ≤ 0.352.
	{"p2", bits(4.9999993432e-1)}, {"p3", bits(1.6666520397e-1)}, {"p4", bits(4.1668390831e-2)}, {"p5", bits(8.3687453201e-3)}, {"p6", bits(1.3814537894e-3)},
	{"q1", bits(-3.3333320440e-1)}, {"q2", bits(1.3332316025e-1)}, {"q3", bits(-5.3717262454e-2)}, {"q4", bits(1.9395039381e-2)},
	{"round", bits(3 << 22)}, // a float so large that adding it leaves whole numbers, in its low bits
	{"root", bits(math.Sqrt2 / 2)}, {"erfEnd", bits(0.927734375)}, {"erfMost", bits(10.5)},
	{"f0", bits(-1.72853470e-5)}, {"f1", bits(3.83197126e-4)}, {"f2", bits(-3.88396438e-3)}, {"f3", bits(2.42546219e-2)},
	{"f4", bits(-1.06777877e-1)}, {"f5", bits(-6.34846687e-1)}, {"f6", bits(-1.28717512e-1)},
	{"n0", bits(-5.96761703e-4)}, {"n1", bits(4.99119423e-3)}, {"n2", bits(-2.67681349e-2)},
	{"n3", bits(1.12819925e-1)}, {"n4", bits(-3.76125336e-1)}, {"n5", bits(1.28379166e-1)},
	{"g1", bits(-2 * math.Sqrt2 / math.SqrtPi)}, {"g3", bits(-2 * 0.044715 * math.Sqrt2 / math.SqrtPi)}, {"-88", bits(-88)}, {"88", bits(88)}, {"sixth", bits(1.0 / 6)},
}

func bits(f float64) uint32 { return math.Float32bits(float32(f)) }

func constIndex(name string) int {
	for i, c := range floatConsts {
		if c.name == name {
			return i
		}
	}
	panic("asmgen: no constant " + name)
}

// Registers that the exponential wants to be loaded before the loop.
const expMost, expLeast = 14, 13

// expSetup loads what exp needs.
func (s simd) expSetup() {
	s.broadcast("most", expMost)
	s.broadcast("least", expLeast)
}

// exp replaces register x by e^x, within 2 units in the last place, with n, p and, on AVX2, register 8 as room. NaN stays. What lies below the float in
// expLeast, 2^-126 or more, becomes 0: processors take a hundred times as long for smaller floats.
func (s simd) exp(x, n, p int) {
	X, N, P := s.r(x), s.r(n), s.r(p)
	s.compare(nlt, x, expLeast, 8)
	s.op("VMINPS %s, %s, %s", X, s.r(expMost), X) // of a NaN the second source, which is the first operand here, remains
	s.op("VMAXPS %s, %s, %s", X, s.r(expLeast), X)
	s.konst("VMULPS", "log2e", "%s, %s", X, N)
	if s.wide {
		s.op("VRNDSCALEPS $8, %s, %s", N, N)
	} else {
		s.op("VROUNDPS $8, %s, %s", N, N)
	}
	s.konst("VFNMADD231PS", "ln2hi", "%s, %s", N, X)
	s.konst("VFNMADD231PS", "ln2lo", "%s, %s", N, X)
	s.broadcast("e0", p)
	for _, c := range []string{"e1", "e2", "e3", "e4", "e5", "one", "one"} {
		s.konst("VFMADD213PS", c, "%s, %s", X, P)
	}
	if s.wide {
		s.op("VSCALEFPS.Z %s, %s, K2, %s", N, P, X)
		return
	}
	// 2^n in two factors, since n may lie outside of what one exponent holds.
	s.op("VCVTPS2DQ %s, %s", N, N)
	s.op("VPSRAD $1, %s, %s", N, X)
	s.op("VPSUBD %s, %s, %s", X, N, N)
	for _, r := range []string{X, N} {
		s.konst("VPADDD", "bias", "%s, %s", r, r)
		s.op("VPSLLD $23, %s, %s", r, r)
		s.op("VMULPS %s, %s, %s", r, P, P)
	}
	s.op("VANDPS %s, %s, %s", s.r(8), P, X)
}

// downSetup loads what expDown needs.
func (s simd) downSetup() {
	if s.wide {
		s.broadcast("least", expLeast)
	} else {
		s.broadcast("-88", expLeast)
	}
}

// expDown is exp for x that is not above 0, or NaN: the power of two is one factor, and the polynomial's parts wait less for each other. n, p, t and u are
// room. The instructions for several registers x alternate. Results that are not normal become 0, save some just below 2^-126 on AVX2: there the factor
// of all x below −87.7 is 0.
func (s simd) expDown(sets ...[5]int) {
	if s.wide && len(sets) > 1 { // there is one mask
		for _, set := range sets {
			s.expDown(set)
		}
		return
	}
	each := func(f func(x, n, p, t, u string)) {
		for _, set := range sets {
			f(s.r(set[0]), s.r(set[1]), s.r(set[2]), s.r(set[3]), s.r(set[4]))
		}
	}
	if s.wide {
		s.compare(nlt, sets[0][0], expLeast, 8)
	}
	each(func(x, _, _, _, _ string) { s.op("VMAXPS %s, %s, %s", x, s.r(expLeast), x) }) // of a NaN the second source, which is the first operand here, remains
	if s.wide {
		each(func(x, n, _, _, _ string) { s.konst("VMULPS", "log2e", "%s, %s", x, n) })
		each(func(_, n, _, _, _ string) { s.op("VRNDSCALEPS $8, %s, %s", n, n) })
		each(func(_, n, p, _, _ string) { s.op("VMOVAPS %s, %s", n, p) })
	} else {
		each(func(_, n, _, _, _ string) { s.konst("VBROADCASTSS", "round", "%s", n) })
		each(func(x, n, _, _, _ string) { s.konst("VFMADD231PS", "log2e", "%s, %s", x, n) })
		each(func(_, n, p, _, _ string) { s.konst("VSUBPS", "round", "%s, %s", n, p) })
		each(func(_, n, _, _, _ string) { s.op("VPSLLD $23, %s, %s", n, n) })
		each(func(_, n, _, _, _ string) { s.konst("VPADDD", "one", "%s, %s", n, n) }) // the exponent's offset
	}
	each(func(x, _, p, _, _ string) { s.konst("VFNMADD231PS", "ln2hi", "%s, %s", p, x) })
	each(func(x, _, p, _, _ string) { s.konst("VFNMADD231PS", "ln2lo", "%s, %s", p, x) })
	each(func(x, _, _, t, _ string) { s.op("VMULPS %s, %s, %s", x, x, t) })
	each(func(_, _, p, _, _ string) { s.konst("VBROADCASTSS", "p6", "%s", p) })
	each(func(_, _, _, _, u string) { s.konst("VBROADCASTSS", "p5", "%s", u) })
	each(func(x, _, _, _, u string) { s.konst("VFMADD213PS", "p4", "%s, %s", x, u) })
	each(func(_, _, p, t, u string) { s.op("VFMADD213PS %s, %s, %s", u, t, p) })
	each(func(_, _, _, _, u string) { s.konst("VBROADCASTSS", "p3", "%s", u) })
	each(func(x, _, _, _, u string) { s.konst("VFMADD213PS", "p2", "%s, %s", x, u) })
	each(func(_, _, p, t, u string) { s.op("VFMADD213PS %s, %s, %s", u, t, p) })
	each(func(x, _, _, _, _ string) { s.konst("VADDPS", "one", "%s, %s", x, x) })
	each(func(x, _, p, t, _ string) { s.op("VFMADD213PS %s, %s, %s", x, t, p) })
	if s.wide {
		each(func(x, n, p, _, _ string) { s.op("VSCALEFPS.Z %s, %s, K2, %s", n, p, x) })
		return
	}
	each(func(x, n, p, _, _ string) { s.op("VMULPS %s, %s, %s", n, p, x) })
}

// expNegative is exp for x ≤ 0, with register room to spare: 2^n is one float there, and its product with the polynomial starts sooner.
func (s simd) expNegative(x, n, p, room int) {
	if s.wide {
		s.exp(x, n, p)
		return
	}
	X, N, P, R := s.r(x), s.r(n), s.r(p), s.r(room)
	s.compare(nlt, x, expLeast, 8)
	s.op("VMAXPS %s, %s, %s", X, s.r(expLeast), X) // of a NaN the second source, which is the first operand here, remains
	s.broadcast("round", n)
	s.konst("VFMADD231PS", "log2e", "%s, %s", X, N)
	s.konst("VSUBPS", "round", "%s, %s", N, P)
	s.konst("VFNMADD231PS", "ln2hi", "%s, %s", P, X)
	s.konst("VFNMADD231PS", "ln2lo", "%s, %s", P, X)
	s.op("VPSLLD $23, %s, %s", N, N)
	s.konst("VPADDD", "one", "%s, %s", N, N) // the exponent's offset
	s.broadcast("p6", p)
	s.op("VMULPS %s, %s, %s", X, X, R)
	for _, c := range []string{"p5", "p4", "p3", "p2"} {
		s.konst("VFMADD213PS", c, "%s, %s", X, P)
	}
	s.konst("VADDPS", "one", "%s, %s", X, X)
	s.op("VFMADD213PS %s, %s, %s", X, R, P)
	s.op("VMULPS %s, %s, %s", N, P, P)
	s.op("VANDPS %s, %s, %s", s.r(8), P, X)
}

// compare sets mask register K2 on AVX512, or register m, where x and y are in a relation (the processor's number).
func (s simd) compare(relation, x, y, m int) {
	if s.wide {
		s.op("VCMPPS $%d, %s, %s, K2", relation, s.r(y), s.r(x))
	} else {
		s.op("VCMPPS $%d, %s, %s, %s", relation, s.r(y), s.r(x), s.r(m))
	}
}

// choose replaces the floats of to by those of from where compare was true.
func (s simd) choose(from, to, m int) {
	if s.wide {
		s.op("VMOVAPS %s, K2, %s", s.r(from), s.r(to))
	} else {
		s.op("VBLENDVPS %s, %s, %s, %s", s.r(m), s.r(from), s.r(to), s.r(to))
	}
}

// Relations of VCMPPS: less than; not less, not greater or equal, not greater than, all three true for a NaN.
const lt, nlt, nge, ngt = 1, 5, 9, 10

// logistic replaces register 0 by its logistic function. With cut, the denominator is 1 below the float in register 12. Register 11 holds 1.
func (s simd) logistic(cut bool) {
	s.konst("VORPS", "sign", "%s, %s", s.r(0), s.r(1))
	s.expNegative(1, 2, 3, 4)
	s.op("VADDPS %s, %s, %s", s.r(1), s.r(11), s.r(3))
	if cut || s.wide {
		s.compare(lt, 0, 12, 4)
		s.choose(11, 3, 4)
	}
	// The numerator is 1 for positive and e^x for negative inputs.
	if s.wide {
		s.op("VXORPS %s, %s, %s", s.r(5), s.r(5), s.r(5))
		s.compare(lt, 0, 5, 4)
		s.op("VMOVAPS %s, %s", s.r(11), s.r(2))
		s.choose(1, 2, 4)
	} else {
		s.op("VBLENDVPS %s, %s, %s, %s", s.r(0), s.r(1), s.r(11), s.r(2)) // by the sign
	}
	s.op("VDIVPS %s, %s, %s", s.r(3), s.r(2), s.r(0))
}

// tanh replaces register 0 by its hyperbolic tangent: (1 − e^−2|x|) / (1 + e^−2|x|) with the sign of x, near zero an odd polynomial. Register 11
// holds 1, register 12 the end of what is near.
func (s simd) tanh() {
	s.konst("VANDPS", "abs", "%s, %s", s.r(0), s.r(1))
	s.konst("VMULPS", "-two", "%s, %s", s.r(1), s.r(5))
	s.expNegative(5, 2, 3, 4)
	s.op("VSUBPS %s, %s, %s", s.r(5), s.r(11), s.r(2))
	s.op("VADDPS %s, %s, %s", s.r(5), s.r(11), s.r(3))
	s.op("VDIVPS %s, %s, %s", s.r(3), s.r(2), s.r(2))
	s.konst("VANDPS", "sign", "%s, %s", s.r(0), s.r(3))
	s.op("VORPS %s, %s, %s", s.r(3), s.r(2), s.r(2))
	s.op("VMULPS %s, %s, %s", s.r(0), s.r(0), s.r(3))
	series := []string{"q4", "q3", "q2", "q1"}
	if s.wide {
		series = []string{"t6", "t5", "t4", "t3", "t2", "t1"}
	}
	s.broadcast(series[0], 5)
	for _, c := range series[1:] {
		s.konst("VFMADD213PS", c, "%s, %s", s.r(3), s.r(5))
	}
	s.op("VMULPS %s, %s, %s", s.r(3), s.r(0), s.r(3))
	s.op("VFMADD213PS %s, %s, %s", s.r(0), s.r(3), s.r(5)) // x + x³ × polynomial
	s.compare(lt, 1, 12, 4)
	s.choose(5, 2, 4)
	s.op("VMOVAPS %s, %s", s.r(2), s.r(0))
}

// gelu replaces register 0 by x × Φ(x), with Φ(x) = (1 + erf(x/√2)) / 2. Far from zero Φ(−t) comes as half an exponential, so that large negative
// inputs keep their digits. Register 11 holds 1, register 12 the end of what is near, register 10 a half.
func (s simd) gelu() {
	const x, z, t, square, far, n, p, near, u, half, one, end = 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12
	s.konst("VMULPS", "root", "%s, %s", s.r(x), s.r(z))
	s.konst("VANDPS", "abs", "%s, %s", s.r(z), s.r(t))
	s.broadcast("erfMost", n)
	s.op("VMINPS %s, %s, %s", s.r(t), s.r(n), s.r(t))
	s.op("VMULPS %s, %s, %s", s.r(t), s.r(t), s.r(square))
	s.broadcast("f0", far)
	s.konst("VFMADD213PS", "f1", "%s, %s", s.r(t), s.r(far))
	s.broadcast("f2", n)
	s.konst("VFMADD213PS", "f3", "%s, %s", s.r(t), s.r(n))
	s.op("VFMADD213PS %s, %s, %s", s.r(n), s.r(square), s.r(far))
	for _, c := range []string{"f4", "f5", "f6"} {
		s.konst("VFMADD213PS", c, "%s, %s", s.r(t), s.r(far))
	}
	s.op("VFMSUB213PS %s, %s, %s", s.r(t), s.r(t), s.r(far))
	s.broadcast("n0", near)
	for _, c := range []string{"n1", "n2", "n3", "n4", "n5"} {
		s.konst("VFMADD213PS", c, "%s, %s", s.r(square), s.r(near))
	}
	s.op("VFMADD213PS %s, %s, %s", s.r(z), s.r(z), s.r(near))
	s.op("VFMADD213PS %s, %s, %s", s.r(half), s.r(half), s.r(near))
	s.expDown([5]int{far, n, p, square, u})
	s.op("VMULPS %s, %s, %s", s.r(half), s.r(far), s.r(far))
	s.op("VSUBPS %s, %s, %s", s.r(far), s.r(one), s.r(n))
	s.op("VXORPS %s, %s, %s", s.r(p), s.r(p), s.r(p))
	s.compare(lt, x, p, z)
	s.choose(far, n, z)
	s.compare(lt, t, end, z)
	s.choose(near, n, z)
	s.op("VMULPS %s, %s, %s", s.r(n), s.r(x), s.r(x))
}

// geluTanh replaces register 0 by x / (1 + e^−2u) with u = √(2/π) × (x + 0.044715 × x³), which is x × (1 + tanh u) / 2; for negative x in the form
// x × e^2u / (1 + e^2u). Register 11 holds 1.
func (s simd) geluTanh() {
	s.op("VMULPS %s, %s, %s", s.r(0), s.r(0), s.r(1))
	s.broadcast("g3", 4)
	s.konst("VFMADD213PS", "g1", "%s, %s", s.r(4), s.r(1))
	s.op("VMULPS %s, %s, %s", s.r(0), s.r(1), s.r(1))
	s.konst("VORPS", "sign", "%s, %s", s.r(1), s.r(1))
	s.expDown([5]int{1, 2, 3, 4, 5})
	s.op("VADDPS %s, %s, %s", s.r(1), s.r(11), s.r(2))
	s.op("VXORPS %s, %s, %s", s.r(3), s.r(3), s.r(3))
	s.op("VMULPS %s, %s, %s", s.r(0), s.r(1), s.r(1))
	s.compare(lt, 0, 3, 4)
	s.choose(1, 0, 4)
	s.op("VDIVPS %s, %s, %s", s.r(2), s.r(0), s.r(0))
}
