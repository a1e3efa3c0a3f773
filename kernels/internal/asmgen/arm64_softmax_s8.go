package main

// softmaxS8Arm64 writes the two passes of softmax over rows of int8, and the reciprocals between them. The argument is a vec.softmaxS8.
func softmaxS8Arm64() []byte {
	a := arm64{newAsm("Softmax of int8 in fixed point, on ARMv8. Comments beside words have ARM's order of operands.")}
	begin := func(name, comment string) {
		a.text(name, "$0-8", "func "+name+"(t *softmaxS8): "+comment)
		a.op("MOVD t+0(FP), R0")
		for i := range 7 { // R1 dst, R2 src, R3 table, R4 values of a row, R5 exponentials, R6 what each row has, R7 rows
			a.op("MOVD %d(R0), R%d", 8*i, i+1)
		}
	}
	// along runs body for size values at a time, and tail for each of those that remain; both move on by themselves.
	along := func(size int, body, tail func()) {
		again, rest, one, done := a.label("again"), a.label("rest"), a.label("one"), a.label("done")
		a.op("SUBS $%d, R4, R8", size)
		a.op("BLT %s", rest)
		a.at(again)
		body()
		a.op("SUBS $%d, R8", size)
		a.op("BGE %s", again)
		a.at(rest)
		a.op("ADDS $%d, R8", size)
		a.op("BEQ %s", done)
		a.at(one)
		tail()
		a.op("SUBS $1, R8")
		a.op("BNE %s", one)
		a.at(done)
	}

	begin("softmaxSumS8Neon", "the exponentials, and their sum, each rounded to 19 bits behind the point")
	a.at("row")
	a.op("MOVD R2, R9")
	a.op("MOVD $-128, R10")
	a.op("VMOVI $0x80, V0.B16")
	along(16, func() {
		a.op("FMOVQ.P 16(R9), F1")
		a.smax(0, 0, 1)
	}, func() {
		a.op("MOVB.P 1(R9), R11")
		a.op("CMP R10, R11")
		a.op("CSEL GT, R11, R10, R10")
	})
	a.smaxv(0, 0)
	a.op("VMOV V0.B[0], R11")
	a.op("MOVB R11, R11")
	a.op("CMP R10, R11")
	a.op("CSEL GT, R11, R10, R10") // the largest value
	a.op("VDUP R10, V2.B16")
	a.zero(0)
	a.zero(1)
	a.op("MOVD $0, R19")
	along(8, func() {
		a.op("FMOVD.P 8(R2), F3")
		a.op("VSUB V3.B8, V2.B8, V3.B8")
		a.op("VMOV V3.D[0], R11")
		regs := []int{12, 13, 14, 15, 16, 17, 25, 11}
		for i, r := range regs { // distances, then their exponentials
			a.op("UBFX $%d, R11, $8, R%d", 8*i, r)
		}
		for _, r := range regs {
			a.op("MOVWU (R3)(R%d<<2), R%d", r, r)
		}
		for i := 0; i < 8; i += 2 {
			a.op("STPW (R%d, R%d), %d(R5)", regs[i], regs[i+1], 4*i)
		}
		a.op("ADD $32, R5")
	}, func() {
		a.op("MOVB.P 1(R2), R11")
		a.op("SUB R11, R10, R11")
		a.op("MOVWU (R3)(R11<<2), R11")
		a.op("MOVWU.P R11, 4(R5)")
		a.op("ADD $2048, R11")
		a.op("ADD R11>>12, R19")
	})
	a.op("SUB R4<<2, R5, R9") // where the row's exponentials begin
	a.op("LSR $3, R4, R8")    // at least one
	a.at("add")
	a.load(3, 0, "R9")
	a.load(4, 16, "R9")
	a.op("ADD $32, R9")
	a.op("SUBS $1, R8")
	a.ursra12(0, 3)
	a.ursra12(1, 4)
	a.op("BNE add")
	a.add4s(0, 0, 1)
	a.addp4s(0, 0, 0)
	a.addp4s(0, 0, 0)
	a.op("VMOV V0.S[0], R11")
	a.op("ADDW R19, R11")
	a.op("MOVW R11, (R6)")
	a.op("ADD $16, R6")
	a.op("SUBS $1, R7")
	a.op("BNE row")
	a.op("RET")

	begin("softmaxShareS8Neon", "the exponentials times scale, divided by 2^shift, less 128")
	a.op("MOVD $128, R9")
	a.op("VDUP R9, V18.H8")
	// share makes bytes in V4 of the exponentials in V0 to V(n-1).
	share := func(n int) {
		for i := range n {
			a.sqrdmulh(i, i, 16)
		}
		for i := range n {
			a.srshl(i, i, 17)
		}
		for i := range n {
			if i%2 == 0 {
				a.sqxtn4h(4+i/2, i)
			} else {
				a.sqxtn8h(4+i/2, i)
			}
		}
		for i := range (n + 1) / 2 {
			a.op("VSUB V18.H8, V%d.H8, V%d.H8", 4+i, 4+i)
		}
		a.sqxtn8b(4, 4)
		if n > 2 {
			a.sqxtn16b(4, 5)
		}
	}
	a.at("row")
	a.op("ADD $4, R6, R9")
	a.op("VLD1R.P 4(R9), [V16.S4]") // scale
	a.op("MOVW (R9), R9")
	a.op("NEG R9, R9")
	a.op("VDUP R9, V17.S4") // shift, as SRSHL wants it
	along(16, func() {
		for i := range 4 {
			a.load(i, 16*i, "R5")
		}
		a.op("ADD $64, R5")
		share(4)
		a.op("FMOVQ.P F4, 16(R1)")
	}, func() {
		a.op("FMOVS.P 4(R5), F0")
		share(1)
		a.op("VST1.P V4.B[0], 1(R1)")
	})
	a.op("ADD $16, R6")
	a.op("SUBS $1, R7")
	a.op("BNE row")
	a.op("RET")
	a.inverses()
	return a.Bytes()
}

// inverses writes requant's 1/(1+x) in Q0.31 for 16 numbers at once: Newton's method on Q2.29 numbers, where nothing saturates but the last doubling.
func (a arm64) inverses() {
	a.text("inversesNeon", "$0-8", "func inversesNeon(x *[16]int32)")
	const first, factor, one, bit = 16, 17, 18, 19
	a.op("MOVD x+0(FP), R0")
	for _, c := range []struct{ reg, value int }{{first, 1515870810}, {factor, -1010580540}, {one, 1 << 29}, {bit, 1 << 30}} { // 48/17, −32/17
		a.op("MOVD $%d, R1", c.value)
		a.op("VDUP R1, V%d.S4", c.reg)
	}
	const half, x, product = 0, 4, 8 // four registers each
	all := func(f func(k int)) {
		for k := range 4 {
			f(k)
		}
	}
	all(func(k int) { a.load(half+k, 16*k, "R0") })
	all(func(k int) { a.op("VUSHR $1, V%d.S4, V%d.S4", half+k, half+k) })
	all(func(k int) { a.add4s(half+k, half+k, bit) })
	all(func(k int) { a.sqrdmulh(x+k, half+k, factor) })
	all(func(k int) { a.add4s(x+k, x+k, first) })
	for range 3 {
		all(func(k int) { a.sqrdmulh(product+k, half+k, x+k) })
		all(func(k int) { a.op("VSUB V%d.S4, V%d.S4, V%d.S4", product+k, one, product+k) })
		all(func(k int) { a.sqrdmulh(product+k, product+k, x+k) })
		all(func(k int) { a.op("VSHL $2, V%d.S4, V%d.S4", product+k, product+k) })
		all(func(k int) { a.add4s(x+k, x+k, product+k) })
	}
	all(func(k int) { a.sqadd4s(x+k, x+k, x+k) })
	all(func(k int) { a.store(x+k, 16*k, "R0") })
	a.op("RET")
}
