package main

import "math"

// vecS8Arm64 writes the lookup of bytes in a table, sums and products of two int8 inputs in floats, and what is between float32 and integers.
func vecS8Arm64() []byte {
	a := arm64{newAsm("Functions of int8, element by element, on ARMv8. Comments beside words have ARM's order of operands.")}
	a.pairS8("sumS8", "a × f0 + b × f1 + f2, rounded down and limited.", 3, func(x, y, v int) {
		for i := range 4 {
			a.mov(v+i, 26)
			a.fmla(v+i, x+i, 24)
		}
		for i := range 4 {
			a.fmla(v+i, y+i, 25)
		}
	})
	a.pairS8("productS8", "(a − f0) × (b − f1) × f2 + f3, or + f4 where the product is negative, rounded down and limited.", 5, func(x, y, v int) {
		for i := range 4 {
			a.fsub(x+i, x+i, 24)
			a.fsub(y+i, y+i, 25)
		}
		for i := range 4 {
			a.fmul(x+i, x+i, y+i)
		}
		for i := range 4 {
			a.fcmltZero(v+i, x+i)
			a.op("VBSL V27.B16, V28.B16, V%d.B16", v+i)
		}
		for i := range 4 {
			a.fmla(v+i, x+i, 26)
		}
	})
	for _, small := range []bool{true, false} {
		a.quantize(small, false)
		a.dequantize(small)
	}
	a.lookup()
	a.quantize(true, true)
	a.table("vecS8Neon", []string{"sumS8", "productS8", "quantizeS8", "dequantizeS8", "quantizeS16", "dequantizeS16", "lookupS8", "quantizeEvenS8"})
	return a.Bytes()
}

// lookup writes the table of 256 bytes: V16 to V31 hold it, and each index runs through four lookups, out of range in three of them.
func (a arm64) lookup() {
	a.fn("lookupS8", "b[bits of a].")
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %d(R0), R1", elemDst)
	a.op("MOVD %d(R0), R2", elemA)
	a.op("MOVD %d(R0), R3", elemB)
	a.op("MOVD %d(R0), R4", elemBlocks)
	for i := range 4 {
		a.op("VLD1.P 64(R3), [V%d.B16, V%d.B16, V%d.B16, V%d.B16]", 16+4*i, 17+4*i, 18+4*i, 19+4*i)
	}
	a.op("VMOVI $64, V4.B16")
	// Four blocks at a time, whose lookups do not wait for each other, then one.
	for _, n := range []int{4, 1} {
		loop, done := a.label("loop"), a.label("done")
		a.op("SUBS $%d, R4", n)
		a.op("BLT %s", done)
		a.at(loop)
		for i := range n {
			a.op("VLD1.P 16(R2), [V%d.B16]", i)
		}
		for t := range 4 {
			for i := range n {
				op := "VTBX"
				if t == 0 {
					op = "VTBL"
				}
				a.op("%s V%d.B16, [V%d.B16, V%d.B16, V%d.B16, V%d.B16], V%d.B16", op, i, 16+4*t, 17+4*t, 18+4*t, 19+4*t, 5+i)
			}
			for i := range n {
				if t < 3 {
					a.op("VSUB V4.B16, V%d.B16, V%d.B16", i, i)
				}
			}
		}
		for i := range n {
			a.op("VST1.P [V%d.B16], 16(R1)", 5+i)
		}
		a.op("SUBS $%d, R4", n)
		a.op("BGE %s", loop)
		a.at(done)
		if n > 1 {
			a.op("ADD $%d, R4", n)
		}
	}
	a.op("RET")
}

// pairS8 writes a function of two int8 inputs: formula computes floats in four registers from v on from those from x and y on.
func (a arm64) pairS8(name, comment string, floats int, formula func(x, y, v int)) {
	a.blocks(name, comment, 16, func() {
		a.floats(24, floats)
		a.op("ADD $%d, R0, R7", elemLo)
		a.op("VLD1R.P 1(R7), [V30.B16]")
		a.op("VLD1R (R7), [V31.B16]")
	}, func() {
		a.load(16, 0, "R2")
		a.load(20, 0, "R3")
		// V0 to V3 and V4 to V7 become the floats of both.
		for i, from := range []int{16, 20} {
			a.sxtl8h(from+1, from)
			a.sxtl28h(from+2, from)
			a.sxtl4s(4*i, from+1)
			a.sxtl24s(4*i+1, from+1)
			a.sxtl4s(4*i+2, from+2)
			a.sxtl24s(4*i+3, from+2)
		}
		for i := range 8 {
			a.scvtf(i, i)
		}
		formula(0, 4, 16)
		for i := range 4 {
			a.fcvtms(16+i, 16+i)
		}
		a.sqxtn4h(16, 16)
		a.sqxtn4h(18, 18)
		a.sqxtn8h(16, 17)
		a.sqxtn8h(18, 19)
		a.sqxtn8b(16, 16)
		a.sqxtn16b(16, 18)
		a.smax(16, 16, 30)
		a.smin(16, 16, 31)
		a.store(16, 0, "R1")
	})
}

// scale loads the scale and the zero point for quantize and dequantize.
func (a arm64) scale() {
	a.floats(24, 1)
	a.op("ADD $%d, R0, R7", elemZero)
	a.op("VLD1R (R7), [V25.S4]")
}

// quantize writes the division by a scale, rounded half away from zero or to the even integer. Far outside of the integers, and for NaN, which becomes the least, the
// quotient is limited before.
func (a arm64) quantize(small, even bool) {
	name, size := "quantizeS16", 32
	switch {
	case even:
		name, size = "quantizeEvenS8", 16
	case small:
		name, size = "quantizeS8", 16
	}
	a.blocks(name, "a / scale + zero point.", size, func() {
		a.scale()
		for i, limit := range []float32{-1 << 20, 1 << 20} {
			a.op("MOVD $%d, R8", math.Float32bits(limit))
			a.op("VDUP R8, V%d.S4", 26+i)
		}
	}, func() {
		for i := range 4 {
			a.load(i, 16*i, "R2")
		}
		for i := range 4 {
			a.fdiv(i, i, 24)
		}
		for i := range 4 {
			a.fmaxnm(i, i, 26)
		}
		for i := range 4 {
			a.fminnm(i, i, 27)
		}
		for i := range 4 {
			if even {
				a.fcvtns(i, i)
			} else {
				a.fcvtas(i, i)
			}
		}
		for i := range 4 {
			a.add4s(i, i, 25)
		}
		a.sqxtn4h(0, 0)
		a.sqxtn4h(2, 2)
		a.sqxtn8h(0, 1)
		a.sqxtn8h(2, 3)
		if small {
			a.sqxtn8b(0, 0)
			a.sqxtn16b(0, 2)
			a.store(0, 0, "R1")
			return
		}
		a.store(0, 0, "R1")
		a.store(2, 16, "R1")
	})
}

// dequantize writes the way back.
func (a arm64) dequantize(small bool) {
	name := "dequantizeS16"
	if small {
		name = "dequantizeS8"
	}
	a.blocks(name, "(a − zero point) × scale.", 64, a.scale, func() {
		a.load(4, 0, "R2")
		if small {
			a.sxtl28h(5, 4)
			a.sxtl8h(4, 4)
		} else {
			a.load(5, 16, "R2")
		}
		for i := range 2 {
			a.sxtl4s(2*i, 4+i)
			a.sxtl24s(2*i+1, 4+i)
		}
		for i := range 4 {
			a.op("VSUB V25.S4, V%d.S4, V%d.S4", i, i)
		}
		for i := range 4 {
			a.scvtf(i, i)
		}
		for i := range 4 {
			a.fmul(i, i, 24)
		}
		for i := range 4 {
			a.store(i, 16*i, "R1")
		}
	})
}
