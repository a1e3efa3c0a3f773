package main

// The argument of the functions below is a vec.sumTile: acc, src, rows, n.

// sums writes the sums of float32 along rows and across them.
func (s simd) sums(isa string) {
	s.text("sumAlongF32"+isa, "$0-8", "func sumAlongF32"+isa+"(t *sumTile)")
	s.sumBegin()
	s.at("row")
	s.op("MOVQ R8, CX")
	for i := range 4 {
		s.op("VXORPS %s, %s, %s", s.r(i), s.r(i), s.r(i))
	}
	s.loop(4, s.lanes(), s.floats("SI"), func(k int, last bool) {
		s.load(at("SI", k*s.size()), 4+k, last)
		s.op("VADDPS %s, %s, %s", s.r(4+k), s.r(k), s.r(k))
	})
	s.lastAhead("SI")
	s.op("VADDPS %s, %s, %s", s.r(1), s.r(0), s.r(0))
	s.op("VADDPS %s, %s, %s", s.r(3), s.r(2), s.r(2))
	s.op("VADDPS %s, %s, %s", s.r(2), s.r(0), s.r(0))
	s.fold("VADDPS", 0, 1)
	s.op("VADDSS (DI), X0, X0")
	s.op("VMOVSS X0, (DI)")
	s.op("ADDQ $4, DI")
	s.op("DECQ R9")
	s.op("JNE row")
	s.ret()

	s.text("sumAcrossF32"+isa, "$0-8", "func sumAcrossF32"+isa+"(t *sumTile)")
	s.sumBegin()
	s.op("LEAQ (R8*4), R12")
	s.across(s.size(), s.load, s.load, "VADDPS", s.store)
	s.ret()
}

// sumAcrossS8 writes the sum of int8 across rows, into int32.
func (s simd) sumAcrossS8() {
	s.text("sumAcrossS8AVX512", "$0-8", "func sumAcrossS8AVX512(t *sumTile)")
	s.sumBegin()
	s.op("MOVQ R8, R12")
	s.across(16, s.load, func(from string, to int, last bool) {
		if last {
			s.lastS8(from, to)
		} else {
			s.op("VPMOVSXBD %s, %s", from, s.r(to))
		}
	}, "VPADDD", s.store)
	s.ret()
}

// lastS8 loads the int8 values that K1 has and widens them to int32. VPMOVSXBD could do both, but Bochs 2.7 then reads what the mask leaves out, which may
// be outside of all memory.
func (s simd) lastS8(from string, to int) {
	s.op("VMOVDQU8.Z %s, K1, X%d", from, to)
	s.op("VPMOVSXBD X%d, Z%d", to, to)
}

// lastS16 is lastS8 for int16 values.
func (s simd) lastS16(from string, to int) {
	s.op("VMOVDQU16.Z %s, K1, Y%d", from, to)
	s.op("VPMOVSXWD Y%d, Z%d", to, to)
}

func (s simd) sumBegin() {
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), R9")
	s.op("MOVQ 24(R13), R8")
}

// across adds R9 rows of R8 elements, R12 bytes apart, to one of 32-bit elements; a vector of src has so many bytes.
func (s simd) across(bytes int, loadAcc, load func(from string, to int, last bool), add string, store func(i int, to string, last bool)) {
	s.op("MOVQ R8, CX")
	s.blocks(4, s.lanes(), []pointer{{"DI", s.size()}, {"SI", bytes}}, func(n int, last bool) {
		for k := range n {
			loadAcc(at("DI", k*s.size()), k, last)
		}
		next := s.label("next")
		s.op("MOVQ SI, R11")
		s.op("MOVQ R9, DX")
		s.at(next)
		for k := range n {
			load(at("R11", k*bytes), 4+k, last)
			s.op("%s %s, %s, %s", add, s.r(4+k), s.r(k), s.r(k))
		}
		s.op("ADDQ R12, R11")
		s.op("DECQ DX")
		s.op("JNE %s", next)
		for k := range n {
			store(k, at("DI", k*s.size()), last)
		}
	})
}
