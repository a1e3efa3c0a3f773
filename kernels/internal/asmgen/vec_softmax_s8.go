package main

// softmaxS8AVX2 writes the two passes over rows of int8, several in one call so that they do not wait for each other. Exponentials stand in a buffer between the passes: looking them up one by one is faster than the processor's gathering. The argument is a vec.softmaxS8.
func softmaxS8AVX2() []byte {
	s := simd{newAsm("Softmax of int8 in fixed point, on AVX2."), false}
	const half, nudge, sum, top = 15, 13, 12, 11
	// eights runs body for eight elements at a time, and tail for each of those that remain of CX; both move on by themselves.
	eights := func(body, tail func()) {
		again, rest, one, done := s.label("eights"), s.label("rest"), s.label("one"), s.label("done")
		s.op("SUBQ $8, CX")
		s.op("JLT %s", rest)
		s.at(again)
		body()
		s.op("SUBQ $8, CX")
		s.op("JGE %s", again)
		s.at(rest)
		s.op("ADDQ $8, CX")
		s.op("JEQ %s", done)
		s.at(one)
		tail()
		s.op("DECQ CX")
		s.op("JNE %s", one)
		s.at(done)
	}
	begin := func(name, comment string) {
		s.text(name, "$0-8", "func "+name+"(t *softmaxS8): "+comment)
		s.op("MOVQ t+0(FP), R13")
		s.op("MOVQ 32(R13), R8")  // room for exponentials
		s.op("MOVQ 40(R13), R11") // what each row has
		s.op("MOVQ 48(R13), R12") // rows
	}

	begin("softmaxSumS8AVX2", "the exponentials, and their sum, each rounded to 19 bits behind the point")
	s.op("MOVQ 8(R13), R15")
	s.op("MOVQ 16(R13), BX") // table
	s.op("MOVL $2048, AX")
	s.op("VMOVD AX, X%d", half)
	s.op("VPBROADCASTD X%d, Y%d", half, half)
	// The largest values of all rows come first, so that no row waits for its own; they stand where its sum will.
	s.at("top")
	s.op("MOVQ R15, SI")
	s.op("MOVQ 24(R13), CX")
	s.op("VPCMPEQB X0, X0, X0")
	s.op("VPSLLW $15, X0, X0")
	s.op("VPACKSSWB X0, X0, X%d", top) // −128 everywhere
	s.op("MOVL $-128, R9")
	eights(func() {
		s.op("VMOVQ (SI), X0")
		s.op("VPMAXSB X0, X%d, X%d", top, top)
		s.op("ADDQ $8, SI")
	}, func() {
		s.op("MOVBLSX (SI), AX")
		s.op("CMPL AX, R9")
		s.op("CMOVLGT AX, R9")
		s.op("INCQ SI")
	})
	for _, bytes := range []int{4, 2, 1} {
		s.op("VPSRLDQ $%d, X%d, X0", bytes, top)
		s.op("VPMAXSB X0, X%d, X%d", top, top)
	}
	s.op("VPEXTRB $0, X%d, AX", top)
	s.op("MOVBLSX AX, AX")
	s.op("CMPL AX, R9")
	s.op("CMOVLGT AX, R9")
	s.op("MOVL R9, (R11)")
	s.op("ADDQ $16, R11")
	s.op("ADDQ 24(R13), R15")
	s.op("DECQ R12")
	s.op("JNE top")
	s.op("MOVQ 8(R13), R15")
	s.op("MOVQ 40(R13), R11")
	s.op("MOVQ 48(R13), R12")
	s.at("row")
	s.op("MOVL (R11), R9")
	s.op("VPBROADCASTB (R11), X%d", top)
	s.op("VPXOR Y%d, Y%d, Y%d", sum, sum, sum)
	s.op("XORL R10, R10")
	s.op("MOVQ R15, SI")
	s.op("MOVQ 24(R13), CX")
	eights(func() {
		s.op("VMOVQ (SI), X0")
		s.op("VPSUBB X0, X%d, X0", top)
		s.op("VMOVQ X0, AX")
		for i := 0; i < 8; i += 2 {
			s.op("MOVBLZX AX, DX")
			s.op("MOVBLZX AH, DI")
			if i < 6 {
				s.op("SHRQ $16, AX")
			}
			s.op("MOVL (BX)(DX*4), DX")
			s.op("MOVL (BX)(DI*4), DI")
			s.op("MOVL DX, %d(R8)", 4*i)
			s.op("MOVL DI, %d(R8)", 4*i+4)
		}
		s.op("ADDQ $8, SI")
		s.op("ADDQ $32, R8")
	}, func() {
		s.op("MOVL R9, DX")
		s.op("MOVBLSX (SI), AX")
		s.op("SUBL AX, DX")
		s.op("MOVL (BX)(DX*4), AX")
		s.op("MOVL AX, (R8)")
		s.op("ADDL $2048, AX")
		s.op("SHRL $12, AX")
		s.op("ADDL AX, R10")
		s.op("INCQ SI")
		s.op("ADDQ $4, R8")
	})
	s.op("MOVQ 24(R13), CX")
	s.op("LEAQ (CX*4), AX")
	s.op("MOVQ R8, DX")
	s.op("SUBQ AX, DX") // where the row's exponentials begin
	s.op("SHRQ $3, CX") // at least one
	s.at("add")
	s.op("VPADDD (DX), Y%d, Y2", half)
	s.op("VPSRLD $12, Y2, Y2")
	s.op("VPADDD Y2, Y%d, Y%d", sum, sum)
	s.op("ADDQ $32, DX")
	s.op("DECQ CX")
	s.op("JNE add")
	s.op("VEXTRACTI128 $1, Y%d, X0", sum)
	s.op("VPADDD X0, X%d, X%d", sum, sum)
	for _, order := range []int{0x4E, 0xB1} {
		s.op("VPSHUFD $%d, X%d, X0", order, sum)
		s.op("VPADDD X0, X%d, X%d", sum, sum)
	}
	s.op("VMOVD X%d, AX", sum)
	s.op("ADDL R10, AX")
	s.op("MOVL AX, (R11)")
	s.op("ADDQ $16, R11")
	s.op("ADDQ 24(R13), R15")
	s.op("DECQ R12")
	s.op("JNE row")
	s.ret()

	begin("softmaxShareS8AVX2", "the exponentials times scale, divided by 2^shift, less 128")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVL $0x40000000, AX")
	s.op("VMOVD AX, X%d", nudge)
	s.op("VPBROADCASTQ X%d, Y%d", nudge, nudge)
	s.op("MOVL $128, AX")
	s.op("VMOVD AX, X8")
	s.op("VPBROADCASTD X8, Y8")
	share := func() { // of the exponentials in Y2, as bytes in X2
		s.op("VPSRLQ $32, Y2, Y3")
		s.op("VPMULUDQ Y10, Y2, Y2")
		s.op("VPMULUDQ Y10, Y3, Y3")
		s.op("VPADDQ Y%d, Y2, Y2", nudge)
		s.op("VPADDQ Y%d, Y3, Y3", nudge)
		s.op("VPSRLQ $31, Y2, Y2")
		s.op("VPADDQ Y3, Y3, Y3") // its high half is the product less 31 bits
		s.op("VPBLENDD $0xAA, Y3, Y2, Y2")
		s.op("VPADDD Y%d, Y2, Y2", half)
		s.op("VPSRLD X9, Y2, Y2")
		s.op("VPSUBD Y8, Y2, Y2")
		s.op("VEXTRACTI128 $1, Y2, X3")
		s.op("VPACKSSDW X3, X2, X2")
		s.op("VPACKSSWB X2, X2, X2")
	}
	s.at("row")
	s.op("VPBROADCASTD 4(R11), Y10") // scale
	s.op("VMOVD 8(R11), X9")         // shift
	s.op("VPBROADCASTD 12(R11), Y%d", half)
	s.op("MOVQ 24(R13), CX")
	eights(func() {
		s.op("VMOVDQU (R8), Y2")
		share()
		s.op("VMOVQ X2, (DI)")
		s.op("ADDQ $32, R8")
		s.op("ADDQ $8, DI")
	}, func() {
		s.op("VMOVD (R8), X2")
		share()
		s.op("VPEXTRB $0, X2, (DI)")
		s.op("ADDQ $4, R8")
		s.op("INCQ DI")
	})
	s.op("ADDQ $16, R11")
	s.op("DECQ R12")
	s.op("JNE row")
	s.ret()
	s.inverses()
	return s.Bytes()
}

// inverses writes requant's 1/(1+x) in Q0.31 for 16 numbers at once: Newton's method on Q2.29 numbers, where nothing saturates but the last doubling.
func (s simd) inverses() {
	s.text("inversesAVX2", "$0-8", "func inversesAVX2(x *[16]int32)")
	const first, factor, one, nudge = 12, 13, 14, 15
	s.op("MOVQ x+0(FP), DI")
	for _, c := range []struct{ reg, value int }{{first, 1515870810}, {factor, -1010580540}, {one, 1 << 29}} { // 48/17, −32/17
		s.op("MOVL $%d, AX", c.value)
		s.op("VMOVD AX, X%d", c.reg)
		s.op("VPBROADCASTD X%d, Y%d", c.reg, c.reg)
	}
	s.op("MOVL $0x40000000, AX")
	s.op("VMOVD AX, X%d", nudge)
	s.op("VPBROADCASTQ X%d, Y%d", nudge, nudge)
	s.op("VPBROADCASTD X%d, Y11", nudge)
	// highMul puts requant.HighMul of a and b to the register to; t is room.
	highMul := func(a, b, to, t int) {
		s.op("VPSRLQ $32, Y%d, Y%d", a, t)
		s.op("VPSRLQ $32, Y%d, Y10", b)
		s.op("VPMULDQ Y%d, Y%d, Y%d", a, b, to)
		s.op("VPMULDQ Y10, Y%d, Y%d", t, t)
		s.op("VPADDQ Y%d, Y%d, Y%d", nudge, to, to)
		s.op("VPADDQ Y%d, Y%d, Y%d", nudge, t, t)
		s.op("VPSRLQ $31, Y%d, Y%d", to, to)
		s.op("VPADDQ Y%d, Y%d, Y%d", t, t, t) // its high half is the product less 31 bits
		s.op("VPBLENDD $0xAA, Y%d, Y%d, Y%d", t, to, to)
	}
	const half, x, product, room = 0, 2, 4, 6 // two registers each
	both := func(f func(k int)) { f(0); f(1) }
	both(func(k int) {
		s.op("VMOVDQU %d(DI), Y%d", 32*k, half+k)
		s.op("VPSRLD $1, Y%d, Y%d", half+k, half+k)
		s.op("VPADDD Y11, Y%d, Y%d", half+k, half+k)
	})
	both(func(k int) { highMul(half+k, factor, x+k, room+k) })
	both(func(k int) { s.op("VPADDD Y%d, Y%d, Y%d", first, x+k, x+k) })
	for range 3 {
		both(func(k int) { highMul(half+k, x+k, product+k, room+k) })
		both(func(k int) { s.op("VPSUBD Y%d, Y%d, Y%d", product+k, one, product+k) })
		both(func(k int) { highMul(product+k, x+k, product+k, room+k) })
		both(func(k int) {
			s.op("VPSLLD $2, Y%d, Y%d", product+k, product+k)
			s.op("VPADDD Y%d, Y%d, Y%d", product+k, x+k, x+k)
		})
	}
	s.op("VPCMPEQD Y10, Y10, Y10")
	s.op("VPSRLD $1, Y10, Y10")
	both(func(k int) {
		s.op("VPADDD Y%d, Y%d, Y%d", x+k, x+k, x+k)
		s.op("VPMINUD Y10, Y%d, Y%d", x+k, x+k)
		s.op("VMOVDQU Y%d, %d(DI)", x+k, 32*k)
	})
	s.ret()
}
