package main

// layerNorm writes the normalization of whole rows: their mean, the mean of the squared distances from it, then a scale and a shift for each column. The
// argument is a vec.layerNormF32.
func (s simd) layerNorm(isa string) {
	const mean, scale = 12, 11
	s.text("layerNormF32"+isa, "$0-8", "func layerNormF32"+isa+"(t *layerNormF32)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 32(R13), BX") // rows
	s.op("MOVQ 40(R13), R8") // depth
	s.at("row")
	clear := func() {
		for i := range 4 {
			s.op("VXORPS %s, %s, %s", s.r(i), s.r(i), s.r(i))
		}
		s.op("MOVQ SI, R9")
		s.op("MOVQ R8, CX")
	}
	total := func() { // of registers 0 to 3, divided by the depth
		s.op("VADDPS %s, %s, %s", s.r(1), s.r(0), s.r(0))
		s.op("VADDPS %s, %s, %s", s.r(3), s.r(2), s.r(2))
		s.op("VADDPS %s, %s, %s", s.r(2), s.r(0), s.r(0))
		s.fold("VADDPS", 0, 1)
		s.op("VDIVSS 48(R13), X0, X0")
	}
	clear()
	s.loop(4, s.lanes(), s.floats("R9"), func(k int, last bool) {
		s.load(at("R9", k*s.size()), 4+k, last)
		s.op("VADDPS %s, %s, %s", s.r(4+k), s.r(k), s.r(k))
	})
	total()
	s.op("VBROADCASTSS X0, %s", s.r(mean))
	clear()
	s.loop(4, s.lanes(), s.floats("R9"), func(k int, last bool) {
		s.load(at("R9", k*s.size()), 4+k, last)
		s.op("VSUBPS %s, %s, %s", s.r(mean), s.r(4+k), s.r(4+k))
		switch {
		case last && s.wide: // what lies behind the row does not count
			s.op("VFMADD231PS %s, %s, K1, %s", s.r(4+k), s.r(4+k), s.r(k))
			return
		case last:
			s.op("VANDPS %s, %s, %s", s.r(tailMask), s.r(4+k), s.r(4+k))
		}
		s.op("VFMADD231PS %s, %s, %s", s.r(4+k), s.r(4+k), s.r(k))
	})
	total()
	s.op("VADDSS 52(R13), X0, X0")
	s.op("VSQRTSS X0, X0, X0")
	s.op("VMOVSS float<>+%d(SB), X1", 32*constIndex("one"))
	s.op("VDIVSS X0, X1, X1")
	s.op("VBROADCASTSS X1, %s", s.r(scale))
	s.op("MOVQ 16(R13), R10")
	s.op("MOVQ 24(R13), R11")
	s.op("MOVQ R8, CX")
	s.loop(2, s.lanes(), s.floats("DI", "SI", "R10", "R11"), func(k int, last bool) {
		x, y, z := 3*k, 3*k+1, 3*k+2
		s.load(at("SI", k*s.size()), x, last)
		s.load(at("R10", k*s.size()), y, last)
		s.load(at("R11", k*s.size()), z, last)
		s.op("VSUBPS %s, %s, %s", s.r(mean), s.r(x), s.r(x))
		s.op("VMULPS %s, %s, %s", s.r(scale), s.r(x), s.r(x))
		s.op("VFMADD213PS %s, %s, %s", s.r(z), s.r(y), s.r(x))
		s.store(x, at("DI", k*s.size()), last)
	})
	s.lastAhead("SI")
	s.lastAhead("DI")
	s.op("DECQ BX")
	s.op("JNE row")
	s.ret()
}
