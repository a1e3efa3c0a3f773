package main

// expRows writes softmax without its division: first the largest values of all rows, then exponentials and the inverse of their sum. Rows do not wait for
// each other as they do where each is finished before the next. The argument is a vec.expRowsF32.
func (s simd) expRows(isa string) {
	const top, infinite, sum0, sum1 = 12, 10, 9, 11
	s.text("expRowsF32"+isa, "$0-8", "func expRowsF32"+isa+"(t *expRowsF32)")
	s.op("MOVQ t+0(FP), R13")
	s.downSetup()
	s.broadcast("-inf", infinite)
	begin := func(row string) {
		s.op("MOVQ 0(R13), SI")
		s.op("MOVQ 8(R13), R11") // one float for each row
		s.op("MOVQ 16(R13), BX") // rows
		s.op("MOVQ 24(R13), R8") // depth
		s.at(row)
		s.op("MOVQ R8, CX")
	}
	end := func(row string) {
		s.lastAhead("SI")
		s.op("ADDQ $4, R11")
		s.op("DECQ BX")
		s.op("JNE %s", row)
	}
	begin("largest")
	s.largest("SI", infinite)
	s.op("VMOVSS X0, (R11)")
	end("largest")

	begin("exponentials")
	s.op("VBROADCASTSS (R11), %s", s.r(top))
	s.op("VXORPS %s, %s, %s", s.r(sum0), s.r(sum0), s.r(sum0))
	s.op("VXORPS %s, %s, %s", s.r(sum1), s.r(sum1), s.r(sum1))
	s.blocks(2, s.lanes(), s.floats("SI"), func(n int, last bool) {
		sets := [][5]int{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 14}}[:n]
		for k, set := range sets {
			s.load(at("SI", k*s.size()), set[0], last)
		}
		for _, set := range sets {
			s.op("VSUBPS %s, %s, %s", s.r(top), s.r(set[0]), s.r(set[0]))
		}
		s.expDown(sets...)
		for k, set := range sets {
			x, sum := set[0], []int{sum0, sum1}[k]
			switch {
			case !last:
				s.op("VADDPS %s, %s, %s", s.r(x), s.r(sum), s.r(sum))
			case s.wide:
				s.op("VADDPS %s, %s, K1, %s", s.r(x), s.r(sum), s.r(sum))
			default:
				s.op("VANDPS %s, %s, %s", s.r(tailMask), s.r(x), s.r(1))
				s.op("VADDPS %s, %s, %s", s.r(1), s.r(sum), s.r(sum))
			}
			s.store(x, at("SI", k*s.size()), last)
		}
	})
	s.op("VADDPS %s, %s, %s", s.r(sum1), s.r(sum0), s.r(sum0))
	s.fold("VADDPS", sum0, 1)
	s.op("VMOVSS float<>+%d(SB), X1", 32*constIndex("one"))
	s.op("VDIVSS X%d, X1, X1", sum0)
	s.op("VMOVSS X1, (R11)")
	end("exponentials")
	s.ret()

	s.text("scaleRowsF32"+isa, "$0-8", "func scaleRowsF32"+isa+"(t *expRowsF32)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 32(R13), R10") // bytes from row to row
	s.op("MOVQ 0(R13), R12")
	s.op("MOVQ 8(R13), R11")
	s.op("MOVQ 16(R13), BX")
	s.op("MOVQ 24(R13), R8")
	s.at("row")
	s.op("MOVQ R12, SI")
	s.op("MOVQ R8, CX")
	s.op("VBROADCASTSS (R11), %s", s.r(top))
	s.loop(2, s.lanes(), s.floats("SI"), func(k int, last bool) {
		at := at("SI", k*s.size())
		s.load(at, k, last)
		s.op("VMULPS %s, %s, %s", s.r(top), s.r(k), s.r(k))
		s.store(k, at, last)
	})
	s.op("ADDQ R10, R12")
	s.op("ADDQ $4, R11")
	s.op("DECQ BX")
	s.op("JNE row")
	s.ret()
}
