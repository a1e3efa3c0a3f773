package main

import "slices"

// Registers of the constants of the functions of rows, and of what belongs to a row.
const (
	rowsTop   = 20 // largest value, or mean
	rowsBeta  = 21
	rowsSum   = 22
	rowsConst = 24 // those of expDown, to V31
)

// rowF32 writes a walk along the R6 floats at the given registers, which move on: several vectors at a time, then one by one, then what is left of a row, 1 to 3
// values, counted in R7.
func (a arm64) rowF32(vectors int, at []string, full func(n int), rest func()) {
	many, some, one, tail, done := a.label("many"), a.label("some"), a.label("one"), a.label("tail"), a.label("done")
	moved := func(n int) {
		for _, r := range at {
			a.op("ADD $%d, %s", 16*n, r)
		}
	}
	a.op("SUBS $%d, R6, R7", 4*vectors)
	a.op("BLT %s", some)
	a.at(many)
	full(vectors)
	moved(vectors)
	a.op("SUBS $%d, R7", 4*vectors)
	a.op("BGE %s", many)
	a.at(some)
	a.op("ADDS $%d, R7", 4*vectors-4)
	a.op("BLT %s", tail)
	a.at(one)
	full(1)
	moved(1)
	a.op("SUBS $4, R7")
	a.op("BGE %s", one)
	a.at(tail)
	a.op("ADDS $4, R7")
	a.op("BEQ %s", done)
	rest()
	a.at(done)
}

// someLanes writes an instruction for each of the R7 values, 1 to 3, that are left of a row.
func (a arm64) someLanes(format string, v int, at string) {
	done := a.label("lanes")
	a.op(format, 0, v, at)
	for i := 1; i < 3; i++ {
		a.op("CMP $%d, R7", i+1)
		a.op("BLT %s", done)
		a.op(format, i, v, at)
	}
	a.at(done)
}

const loadLane, storeLane = "VLD1.P 4(%[3]s), V%[2]d.S[%[1]d]", "VST1.P V%[2]d.S[%[1]d], 4(%[3]s)"

// total adds up registers 0 to 3 into all places of register 0.
func (a arm64) total() {
	a.fadd(0, 0, 1)
	a.fadd(2, 2, 3)
	a.fadd(0, 0, 2)
	a.faddp(0, 0, 0)
	a.faddp(0, 0, 0)
}

// rowsF32Arm64 writes softmax, the scaling of rows, and layer normalization. All hold a row's count of values in R6 and their count of rows in R5.
func rowsF32Arm64() []byte {
	a := arm64{newAsm("Functions of rows of float32, on ARMv8. Comments beside words have ARM's order of operands.")}
	t := a.constTable(slices.Concat(expDownRegs, expDownLoads, []string{"-inf"})...)
	a.softmaxF32(t)
	a.scaleRowsF32()
	a.layerNormF32(t)
	return a.Bytes()
}

// softmaxF32 writes exponentials of rows less their largest value. The argument is a vec.armSoftmax.
func (a arm64) softmaxF32(t floatTable) {
	a.text("softmaxF32Neon", "$0-8", "func softmaxF32Neon(t *armSoftmax)")
	a.op("MOVD t+0(FP), R0")
	for i := range 5 { // R1 dst, R2 src, R4 one float for each row, or nil, R5 rows, R6 depth
		a.op("MOVD %d(R0), R%d", 8*i, []int{1, 2, 4, 5, 6}[i])
	}
	a.op("ADD $40, R0, R7")
	a.op("VLD1R (R7), [V%d.S4]", rowsBeta)
	a.op("MOVD $float<>(SB), R9")
	for i, name := range expDownRegs {
		a.load(rowsConst+i, t.at(name), "R9")
	}
	reg := func(name string) int { return rowsConst + slices.Index(expDownRegs, name) }
	a.at("row")
	a.op("MOVD R2, R8")
	for i := range 4 {
		a.load(i, t.at("-inf"), "R9")
	}
	a.rowF32(4, []string{"R8"}, func(n int) {
		for i := range n {
			a.load(4+i, 16*i, "R8")
		}
		for i := range n {
			a.fmax(i, i, 4+i)
		}
	}, func() {
		a.load(4, t.at("-inf"), "R9")
		a.someLanes(loadLane, 4, "R8")
		a.fmax(0, 0, 4)
	})
	a.fmax(0, 0, 1)
	a.fmax(2, 2, 3)
	a.fmax(0, 0, 2)
	a.fmaxv(0, 0)
	a.op("VDUP V0.S[0], V%d.S4", rowsTop)
	a.op("MOVD R1, R8")
	a.zero(rowsSum)
	exps := func(n int) { // of registers 0 to n-1, added up
		var sets []expSet
		for i := range n {
			sets = append(sets, expSet{i, 4 + i, 8 + i, 12 + i, 16 + i})
		}
		for _, s := range sets {
			a.fsub(s.x, s.x, rowsTop)
		}
		for _, s := range sets {
			a.fmul(s.x, s.x, rowsBeta)
		}
		a.expDown(t, reg, sets...)
	}
	a.rowF32(4, []string{"R2", "R8"}, func(n int) {
		for i := range n {
			a.load(i, 16*i, "R2")
		}
		exps(n)
		for i := range n {
			a.store(i, 16*i, "R8")
		}
		for step := n / 2; step > 0; step /= 2 {
			for i := range step {
				a.fadd(i, i, i+step)
			}
		}
		a.fadd(rowsSum, rowsSum, 0)
	}, func() {
		a.load(0, t.at("-inf"), "R9")
		a.someLanes(loadLane, 0, "R2")
		exps(1)
		a.someLanes(storeLane, 0, "R8")
		a.fadd(rowsSum, rowsSum, 0) // 0 of what lies behind the row
	})
	a.faddp(rowsSum, rowsSum, rowsSum)
	a.faddp(rowsSum, rowsSum, rowsSum)
	a.fdiv(rowsSum, reg("one"), rowsSum)
	whole, next := a.label("whole"), a.label("next")
	a.op("CBZ R4, %s", whole)
	a.op("FMOVS.P F%d, 4(R4)", rowsSum)
	a.op("MOVD R8, R1")
	a.op("B %s", next)
	a.at(whole)
	a.scaled("R1", rowsSum)
	a.at(next)
	a.op("SUBS $1, R5")
	a.op("BNE row")
	a.op("RET")
}

// scaled multiplies the row at a register, which moves on, with V(factor).
func (a arm64) scaled(at string, factor int) {
	a.rowF32(4, []string{at}, func(n int) {
		for i := range n {
			a.load(i, 16*i, at)
		}
		for i := range n {
			a.fmul(i, i, factor)
		}
		for i := range n {
			a.store(i, 16*i, at)
		}
	}, func() {
		a.op("MOVD %s, R8", at)
		a.someLanes(loadLane, 0, "R8")
		a.fmul(0, 0, factor)
		a.someLanes(storeLane, 0, at)
	})
}

// scaleRowsF32 multiplies each row with a factor. The argument is a vec.armScale.
func (a arm64) scaleRowsF32() {
	a.text("scaleRowsF32Neon", "$0-8", "func scaleRowsF32Neon(t *armScale)")
	a.op("MOVD t+0(FP), R0")
	for i := range 5 { // R10 rows, R11 their distance in bytes, R4 factors, R5 count of rows, R6 depth
		a.op("MOVD %d(R0), R%d", 8*i, []int{10, 11, 4, 5, 6}[i])
	}
	a.at("row")
	a.op("VLD1R.P 4(R4), [V%d.S4]", rowsSum)
	a.op("MOVD R10, R1")
	a.scaled("R1", rowsSum)
	a.op("ADD R11, R10")
	a.op("SUBS $1, R5")
	a.op("BNE row")
	a.op("RET")
}

// layerNormF32 writes the normalization of whole rows: their mean, the mean of the squared distances from it, then a scale and a shift for each column. The
// argument is a vec.armLayerNorm.
func (a arm64) layerNormF32(t floatTable) {
	const mean, inverse, count, epsilon, one = rowsTop, 21, 22, 23, 24
	a.text("layerNormF32Neon", "$0-8", "func layerNormF32Neon(t *armLayerNorm)")
	a.op("MOVD t+0(FP), R0")
	for i := range 6 { // R1 dst, R2 src, R3 scale, R4 shift, R5 rows, R6 depth
		a.op("MOVD %d(R0), R%d", 8*i, i+1)
	}
	a.op("ADD $48, R0, R7")
	a.op("VLD1R.P 4(R7), [V%d.S4]", count)
	a.op("VLD1R (R7), [V%d.S4]", epsilon)
	a.op("MOVD $float<>(SB), R9")
	a.load(one, t.at("one"), "R9")
	// along walks over the row with sums in registers 0 to 3, and values in 4 to 7. Single values come with zeros.
	along := func(f func(n, mean int)) {
		for i := range 4 {
			a.zero(i)
		}
		a.op("MOVD R2, R8")
		a.rowF32(4, []string{"R8"}, func(n int) {
			for i := range n {
				a.load(4+i, 16*i, "R8")
			}
			f(n, mean)
		}, func() {
			single := a.label("single")
			a.op("FMOVS F%d, F%d", mean, 8)
			a.at(single)
			a.op("FMOVS.P 4(R8), F4")
			f(1, 8)
			a.op("SUBS $1, R7")
			a.op("BNE %s", single)
		})
		a.total()
		a.fdiv(0, 0, count)
	}
	a.at("row")
	along(func(n, _ int) {
		for i := range n {
			a.fadd(i, i, 4+i)
		}
	})
	a.mov(mean, 0)
	along(func(n, mean int) {
		for i := range n {
			a.fsub(4+i, 4+i, mean)
		}
		for i := range n {
			a.fmla(i, 4+i, 4+i)
		}
	})
	a.fadd(0, 0, epsilon)
	a.fsqrt(0, 0)
	a.fdiv(inverse, one, 0)
	a.op("MOVD R3, R10")
	a.op("MOVD R4, R11")
	normal := func(n int) { // values in 0 to 3, scales in 4 to 7, shifts in 8 to 11, which become the results
		for i := range n {
			a.fsub(i, i, mean)
		}
		for i := range n {
			a.fmul(i, i, inverse)
		}
		for i := range n {
			a.fmla(8+i, i, 4+i)
		}
	}
	a.rowF32(4, []string{"R1", "R2", "R10", "R11"}, func(n int) {
		for i := range n {
			a.load(i, 16*i, "R2")
		}
		for i := range n {
			a.load(4+i, 16*i, "R10")
		}
		for i := range n {
			a.load(8+i, 16*i, "R11")
		}
		normal(n)
		for i := range n {
			a.store(8+i, 16*i, "R1")
		}
	}, func() {
		single := a.label("single")
		a.at(single)
		a.op("FMOVS.P 4(R2), F0")
		a.op("FMOVS.P 4(R10), F4")
		a.op("FMOVS.P 4(R11), F8")
		normal(1)
		a.op("FMOVS.P F8, 4(R1)")
		a.op("SUBS $1, R7")
		a.op("BNE %s", single)
	})
	a.op("SUBS $1, R5")
	a.op("BNE row")
	a.op("RET")
}
