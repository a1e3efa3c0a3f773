package main

// What the tiles of the matrix products make of their sums: see arm64_gemm.go for the registers.

// rescale turns sums of x, whose columns' multipliers and shifts lie in the vectors mult(x) and shift(x), into outputs without the zero point:
// exactly requant.Mul for right shifts of at least 1. Where outputs below the zero point are clamped away, the sign does not count.
// An addend of its row comes to each sum first, if there are any; V7 is room for it.
func (a arm64) rescale(x []int, rows int, mult, shift func(i int) int) {
	plain := a.label("plain")
	a.op("CBZ R25, %s", plain)
	for i, r := range x {
		if i%(len(x)/rows) == 0 {
			a.op("VLD1R.P 4(R25), [V7.S4]")
		}
		a.add4s(r, r, 7)
	}
	a.at(plain)
	exact, narrow := a.label("exact"), a.label("narrow")
	a.op("MOVBU %d(R0), R22", argExact)
	a.op("CBNZ R22, %s", exact)
	for _, signed := range []bool{false, true} {
		if signed {
			a.op("B %s", narrow)
			a.at(exact)
		}
		for i, r := range x {
			a.sqrdmulh(r, r, mult(i))
		}
		if signed {
			for _, r := range x {
				a.ssra31(r, r)
			}
		}
		for i, r := range x {
			a.srshl(r, r, shift(i))
		}
	}
	a.at(narrow)
}

// storeS8x8 rescales and stores rows of eight columns. Parameters are bias, multiplier, negative shift of eight columns each, then zero point
// (halfwords), lower and upper bound (bytes) for a whole vector.
func storeS8x8(a arm64, rows int, acc func(r, v int) int) {
	for i := range 7 {
		a.load(i, 32+16*i, "R14") // V0, V1 multipliers, V2, V3 shifts, V4 zero point, V5, V6 bounds
	}
	var x []int
	for r := range rows {
		x = append(x, acc(r, 0), acc(r, 1))
	}
	a.rescale(x, rows, func(i int) int { return i % 2 }, func(i int) int { return 2 + i%2 })
	for r := range rows {
		a.sqxtn4h(acc(r, 0), acc(r, 0))
	}
	for r := range rows {
		a.sqxtn8h(acc(r, 0), acc(r, 1))
	}
	for r := range rows {
		a.sqadd8h(acc(r, 0), acc(r, 0), 4)
	}
	for r := 0; r < rows; r += 2 {
		a.sqxtn8b(acc(r, 0), acc(r, 0))
	}
	for r := 0; r+1 < rows; r += 2 {
		a.sqxtn16b(acc(r, 0), acc(r+1, 0))
	}
	for r := 0; r < rows; r += 2 {
		a.smax(acc(r, 0), acc(r, 0), 5)
	}
	for r := 0; r < rows; r += 2 {
		a.smin(acc(r, 0), acc(r, 0), 6)
	}
	part, done := a.label("part"), a.label("stored")
	a.op("MOVD %d(R0), R22", argCols)
	a.op("CMP $8, R22")
	a.op("BNE %s", part)
	for r := range rows {
		if r%2 == 0 {
			a.op("FMOVD F%d, (R12)", acc(r, 0))
		} else {
			a.op("VST1 V%d.D[1], (R12)", acc(r-1, 0))
		}
		a.op("ADD R13, R12")
	}
	a.op("B %s", done)
	a.at(part)
	for r := range rows {
		x, half := acc(r&^1, 0), r%2
		two, one, row := a.label("two"), a.label("one"), a.label("row")
		a.op("MOVD R12, R23")
		a.op("VMOV V%d.D[%d], V7.D[0]", x, half)
		a.op("TBZ $2, R22, %s", two)
		a.op("VST1.P V7.S[0], 4(R23)")
		a.op("VUSHR $32, V7.D2, V7.D2")
		a.at(two)
		a.op("TBZ $1, R22, %s", one)
		a.op("VST1.P V7.H[0], 2(R23)")
		a.op("VUSHR $16, V7.D2, V7.D2")
		a.at(one)
		a.op("TBZ $0, R22, %s", row)
		a.op("VST1 V7.B[0], (R23)")
		a.at(row)
		a.op("ADD R13, R12")
	}
	a.at(done)
}

// storeF32 adds the bias, clamps and stores rows of eight columns. Parameters are eight biases, then the bounds for a whole vector. FMAX and
// FMIN return NaN for NaN, as Go's max and min do.
func storeF32(a arm64, rows int) {
	for i := range 4 {
		a.load(i, 16*i, "R14") // V0, V1 bias, V2, V3 bounds
	}
	for i := range 2 * rows {
		a.fadd(16+i, 16+i, i%2)
	}
	for i := range 2 * rows {
		a.fmax(16+i, 16+i, 2)
	}
	for i := range 2 * rows {
		a.fmin(16+i, 16+i, 3)
	}
	storeWords(a, rows, 2)
}

// storeWords stores rows of one or two vectors, or as many words of them as there are columns. They begin at V16.
func storeWords(a arm64, rows, vectors int) {
	part, done := a.label("part"), a.label("stored")
	a.op("MOVD %d(R0), R22", argCols)
	a.op("CMP $%d, R22", 4*vectors)
	a.op("BNE %s", part)
	for r := range rows {
		for v := range vectors {
			a.store(16+vectors*r+v, 16*v, "R12")
		}
		a.op("ADD R13, R12")
	}
	a.op("B %s", done)
	a.at(part)
	for r := range rows {
		x := 16 + vectors*r
		two, one, row := a.label("two"), a.label("one"), a.label("row")
		a.op("MOVD R12, R23")
		if vectors == 2 {
			a.op("TBZ $2, R22, %s", two)
			a.op("FMOVQ.P F%d, 16(R23)", x)
			a.mov(x, x+1)
			a.at(two)
		}
		a.op("TBZ $1, R22, %s", one)
		a.op("FMOVD.P F%d, 8(R23)", x)
		a.op("VMOV V%d.D[1], V%d.D[0]", x, x)
		a.at(one)
		a.op("TBZ $0, R22, %s", row)
		a.op("FMOVS F%d, (R23)", x)
		a.at(row)
		a.op("ADD R13, R12")
	}
	a.at(done)
}

// addUp adds up the four sums of each output of tileNeon and the bias, and returns the registers of the rows.
func (a arm64) addUp(rows int) (x []int) {
	a.load(0, 0, "R14")
	for r := range rows {
		s := 16 + 4*r
		a.addp4s(s, s, s+1)
		a.addp4s(s+2, s+2, s+3)
		x = append(x, s)
	}
	for _, s := range x {
		a.addp4s(s, s, s+2)
	}
	for _, s := range x {
		a.add4s(s, s, 0)
	}
	return x
}

// storeS8x4 rescales and stores rows of four columns. Parameters are as in storeS8x8, of four columns each.
func storeS8x4(a arm64, rows int, x []int) {
	for i := 1; i < 6; i++ {
		a.load(i, 16*i, "R14") // V1 multipliers, V2 shifts, V3 zero point, V4, V5 bounds
	}
	a.rescale(x, rows, func(int) int { return 1 }, func(int) int { return 2 })
	// V6 and V7 become rows 0 and 1, and 2 and 3; then V6 all of them, four bytes each.
	for r, s := range x {
		if r%2 == 0 {
			a.sqxtn4h(6+r/2, s)
		} else {
			a.sqxtn8h(6+r/2, s)
		}
	}
	for r := 0; r < rows; r += 2 {
		a.sqadd8h(6+r/2, 6+r/2, 3)
	}
	a.sqxtn8b(6, 6)
	if rows > 2 {
		a.sqxtn16b(6, 7)
	}
	a.smax(6, 6, 4)
	a.smin(6, 6, 5)
	part, done := a.label("part"), a.label("stored")
	a.op("MOVD %d(R0), R22", argCols)
	a.op("CMP $4, R22")
	a.op("BNE %s", part)
	for r := range rows {
		a.op("VST1 V6.S[%d], (R12)", r)
		a.op("ADD R13, R12")
	}
	a.op("B %s", done)
	a.at(part)
	for r := range rows {
		one, row := a.label("one"), a.label("row")
		a.op("MOVD R12, R23")
		a.op("VMOV V6.S[%d], V7.S[0]", r)
		a.op("TBZ $1, R22, %s", one)
		a.op("VST1.P V7.H[0], 2(R23)")
		a.op("VUSHR $16, V7.D2, V7.D2")
		a.at(one)
		a.op("TBZ $0, R22, %s", row)
		a.op("VST1 V7.B[0], (R23)")
		a.at(row)
		a.op("ADD R13, R12")
	}
	a.at(done)
}
