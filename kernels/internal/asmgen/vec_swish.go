package main

// swish writes x × logistic(x) = x / (1 + e^−x), the 1 left out below the float in p, for an argument that is an elemF32. On AVX2 what lies below −88 counts
// as −88, and e^−88 for e^−x where x is above 88.
func (s simd) swish(isa string) {
	const cut, one, round, least, most = 12, 11, 10, expLeast, expMost
	s.text("swishF32"+isa, "$0-8", "func swishF32"+isa+"(t *elemF32)")
	s.begin("SI")
	s.op("VBROADCASTSS 32(R13), %s", s.r(cut))
	s.broadcast("one", one)
	vectors := 1
	if s.wide {
		s.expSetup()
	} else {
		vectors = 2
		s.broadcast("round", round)
		s.broadcast("-88", least)
		s.broadcast("88", most)
	}
	s.blocks(vectors, s.lanes(), s.floats("DI", "SI"), func(n int, last bool) {
		if s.wide {
			s.load("(SI)", 0, last)
			s.konst("VXORPS", "sign", "%s, %s", s.r(0), s.r(1))
			s.exp(1, 2, 3)
			s.compare(nlt, 0, cut, 0)
			s.op("VADDPS %s, %s, K2, %s", s.r(1), s.r(one), s.r(1))
			s.op("VDIVPS %s, %s, %s", s.r(1), s.r(0), s.r(0))
			s.store(0, "(DI)", last)
			return
		}
		each := func(f func(v, x, t, n, p, square int)) {
			for v := range n {
				f(v, 5*v, 5*v+1, 5*v+2, 5*v+3, 5*v+4)
			}
		}
		each(func(v, x, _, _, _, _ int) { s.load(at("SI", 32*v), x, last) })
		each(func(_, x, _, _, _, _ int) { s.op("VMAXPS %s, %s, %s", s.r(x), s.r(least), s.r(x)) }) // NaN stays: it is the second source
		each(func(_, x, t, _, _, _ int) { s.op("VMINPS %s, %s, %s", s.r(x), s.r(most), s.r(t)) })
		// −x = n ln2 + t
		each(func(_, _, _, n, _, _ int) { s.op("VMOVAPS %s, %s", s.r(round), s.r(n)) })
		each(func(_, _, t, n, _, _ int) { s.konst("VFNMADD231PS", "log2e", "%s, %s", s.r(t), s.r(n)) })
		each(func(_, _, _, n, p, _ int) { s.op("VSUBPS %s, %s, %s", s.r(round), s.r(n), s.r(p)) })
		each(func(_, _, t, _, p, _ int) { s.konst("VFNMSUB231PS", "ln2hi", "%s, %s", s.r(p), s.r(t)) })
		each(func(_, _, t, _, p, _ int) { s.konst("VFNMADD231PS", "ln2lo", "%s, %s", s.r(p), s.r(t)) })
		each(func(_, _, _, n, _, _ int) { s.op("VPSLLD $23, %s, %s", s.r(n), s.r(n)) })
		each(func(_, _, _, n, _, _ int) { s.op("VPADDD %s, %s, %s", s.r(one), s.r(n), s.r(n)) }) // 2^n
		each(func(_, _, t, _, _, square int) { s.op("VMULPS %s, %s, %s", s.r(t), s.r(t), s.r(square)) })
		each(func(_, _, _, _, p, _ int) { s.broadcast("p6", p) })
		for _, c := range []string{"p5", "p4", "p3", "p2"} {
			each(func(_, _, t, _, p, _ int) { s.konst("VFMADD213PS", c, "%s, %s", s.r(t), s.r(p)) })
		}
		each(func(_, _, t, _, _, _ int) { s.op("VADDPS %s, %s, %s", s.r(one), s.r(t), s.r(t)) })
		each(func(_, _, t, _, p, square int) { s.op("VFMADD213PS %s, %s, %s", s.r(t), s.r(square), s.r(p)) })
		each(func(_, x, t, _, _, _ int) { s.compare(nlt, x, cut, t) })
		each(func(_, _, t, _, _, _ int) { s.op("VANDPS %s, %s, %s", s.r(one), s.r(t), s.r(t)) })
		each(func(_, _, t, n, p, _ int) { s.op("VFMADD213PS %s, %s, %s", s.r(t), s.r(n), s.r(p)) }) // 2^n p + 1
		each(func(_, x, _, _, p, _ int) { s.op("VDIVPS %s, %s, %s", s.r(p), s.r(x), s.r(x)) })
		each(func(v, x, _, _, _, _ int) { s.store(x, at("DI", 32*v), last) })
	})
	s.ret()
}
