package main

// sumsArm64 writes sums of rows. The argument is a vec.armSum: acc, src, rows, blocks of 16 values of a row, bytes from one row to the next.
func sumsArm64() []byte {
	a := arm64{newAsm("Sums of rows. Comments beside words have ARM's order of operands.")}
	begin := func(name, comment string) {
		a.text(name, "$0-8", "func "+name+"(t *armSum) "+comment)
		a.op("MOVD t+0(FP), R0")
		for i := range 5 { // R1 acc, R2 src, R3 rows, R4 blocks, R5 stride
			a.op("MOVD %d(R0), R%d", 8*i, i+1)
		}
	}
	// along adds up each row in V0 to V3, then into one number.
	along := func(load func(), bytes int, join, fold func()) {
		row, loop := a.label("row"), a.label("loop")
		a.at(row)
		a.op("MOVD R2, R6")
		a.op("MOVD R4, R7")
		for v := range 4 {
			a.zero(v)
		}
		a.at(loop)
		load()
		a.op("ADD $%d, R6", bytes)
		a.op("SUB $1, R7")
		join()
		a.op("CBNZ R7, %s", loop)
		a.op("ADD R5, R2")
		a.op("FMOVS (R1), F4")
		fold()
		a.op("FMOVS.P F0, 4(R1)")
		a.op("SUBS $1, R3")
		a.op("BNE %s", row)
		a.op("RET")
	}
	floats := func() {
		for v := range 4 {
			a.load(4+v, 16*v, "R6")
		}
	}
	begin("sumAlongF32Neon", "adds to each element of acc its row.")
	along(floats, 64, func() {
		for v := range 4 {
			a.fadd(v, v, 4+v)
		}
	}, func() {
		a.fadd(0, 0, 1)
		a.fadd(2, 2, 3)
		a.fadd(0, 0, 2)
		a.faddp(0, 0, 0)
		a.faddp(0, 0, 0)
		a.fadd(0, 0, 4)
	})

	begin("sumAlongS8Neon", "adds to each element of acc its row.")
	along(func() { a.load(4, 0, "R6") }, 16, func() {
		a.saddlp(4, 4)
		a.sadalp(0, 4)
	}, func() {
		a.addp4s(0, 0, 0)
		a.addp4s(0, 0, 0)
		a.add4s(0, 0, 4)
	})

	// across keeps 16 sums and walks down the rows.
	across := func(load func(), bytes int, join func()) {
		block, loop := a.label("block"), a.label("loop")
		a.at(block)
		a.op("MOVD R2, R6")
		a.op("MOVD R3, R7")
		for v := range 4 {
			a.load(v, 16*v, "R1")
		}
		a.at(loop)
		load()
		a.op("ADD R5, R6")
		a.op("SUB $1, R7")
		join()
		a.op("CBNZ R7, %s", loop)
		for v := range 4 {
			a.store(v, 16*v, "R1")
		}
		a.op("ADD $64, R1")
		a.op("ADD $%d, R2", bytes)
		a.op("SUBS $1, R4")
		a.op("BNE %s", block)
		a.op("RET")
	}
	begin("sumAcrossF32Neon", "adds all rows to acc.")
	across(floats, 64, func() {
		for v := range 4 {
			a.fadd(v, v, 4+v)
		}
	})
	begin("sumAcrossS8Neon", "adds all rows to acc.")
	across(func() { a.load(4, 0, "R6") }, 16, func() {
		a.sxtl28h(5, 4)
		a.sxtl8h(4, 4)
		a.saddw(0, 0, 4)
		a.saddw2(1, 1, 4)
		a.saddw(2, 2, 5)
		a.saddw2(3, 3, 5)
	})
	return a.Bytes()
}
