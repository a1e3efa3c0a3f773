package main

import (
	"fmt"
	"math"
)

// The element-wise functions on ARMv7. Their argument is vec.armElem: see arm64_vec.go.
const (
	elem7Dst    = 0
	elem7A      = 4
	elem7B      = 8
	elem7Blocks = 12
	elem7StepA  = 16
	elem7StepB  = 20
	elem7F      = 24 // five floats
	elem7Lo     = 44 // lower and upper bound, bytes
	elem7Zero   = 48 // zero point
)

// blocks writes a function that runs setup and then body for each block: R1 output, which body moves on, R2 and R3 inputs, R7 and R8 free.
func (a armv7) blocks(name, comment string, setup, body func()) {
	a.fn7(name, comment)
	a.op("MOVW t+0(FP), R0")
	a.op("MOVW %d(R0), R1", elem7Dst)
	a.op("MOVW %d(R0), R2", elem7A)
	a.op("MOVW %d(R0), R3", elem7B)
	a.op("MOVW %d(R0), R4", elem7Blocks)
	a.op("MOVW %d(R0), R5", elem7StepA)
	a.op("MOVW %d(R0), R6", elem7StepB)
	setup()
	loop := a.label("loop")
	a.at(loop)
	body()
	a.op("ADD R5, R2")
	a.op("ADD R6, R3")
	a.op("SUB.S $1, R4")
	a.op("BNE %s", loop)
	a.op("RET")
}

// floats loads n of the argument's floats into q(first) and the following, each into all places.
func (a armv7) floats(first, n int) { a.everywhere(elem7F, first, n) }

// everywhere loads n numbers of 32 bits at an offset in the argument into q(first) and the following, each into all places.
func (a armv7) everywhere(offset, first, n int) {
	a.op("ADD $%d, R0, R12", offset)
	for i := range n {
		a.loadAll(2*(first+i), 12, moved)
	}
}

// constant sets all places of a register.
func (a armv7) constant(q int, bits uint32) {
	a.op("MOVW $%d, R12", bits)
	a.vdup(q, 12)
}

// divide is the quotient of the vectors q(d) and q(m), all below q8, word by word: NEON has no division.
func (a armv7) divide(d, n, m int) {
	for i := range 4 {
		a.single(0xEE800A00, "vdiv.f32", 4*d+i, 4*n+i, 4*m+i)
	}
}

// single writes an instruction of the floating-point unit on s0 to s31.
func (a armv7) single(base uint32, name string, d, n, m int) {
	for _, r := range []int{d, n, m} {
		if r < 0 || r > 31 {
			panic(fmt.Sprintf("asmgen: no register s%d", r))
		}
	}
	a.word(base|uint32(d>>1)<<12|uint32(d&1)<<22|uint32(n>>1)<<16|uint32(n&1)<<7|uint32(m>>1)|uint32(m&1)<<5, "%s s%d, s%d, s%d", name, d, n, m)
}

// vecS8Armv7 writes sums and products of two int8 inputs in floats, what is between float32 and integers, and the lookup of bytes in a table.
func vecS8Armv7() []byte {
	a := armv7{newAsm("Functions of int8, element by element, on ARMv7. Comments beside words have ARM's syntax.")}
	a.pairS8("sumS8", "a × f0 + b × f1 + f2, rounded down and limited.", 3, 1, func() int {
		for i := range 4 {
			a.fmul(i, i, 9)
		}
		for i := range 4 {
			a.fmla(i, 4+i, 10)
		}
		for i := range 4 {
			a.fadd(i, i, 11)
		}
		return 0
	})
	a.pairS8("productS8", "(a − f0) × (b − f1) × f2 + f3, or + f4 where the product is negative, rounded down and limited.", 5, 2, func() int {
		for i := range 4 {
			a.fsub(i, i, 9)
			a.fsub(4+i, 4+i, 10)
		}
		for i := range 4 {
			a.fmul(i, i, 4+i)
		}
		for i := range 4 {
			a.fcltZero(4+i, i)
		}
		for i := range 4 {
			a.vbsl(4+i, 13, 12)
		}
		for i := range 4 {
			a.fmla(4+i, i, 11)
		}
		return 4
	})
	for _, small := range []bool{true, false} {
		a.quantize(small, false)
		a.dequantize(small)
	}
	a.lookup()
	a.quantize(true, true)
	a.table7("vecS8Neon", []string{"sumS8", "productS8", "quantizeS8", "dequantizeS8", "quantizeS16", "dequantizeS16", "lookupS8", "quantizeEvenS8"})
	return a.Bytes()
}

// pairS8 writes a function of two int8 inputs: formula computes floats from those in q0 to q3 and q4 to q7 and returns their first register. The last addends of its
// numbers are lowered by a half: rounded down is then rounded to the nearest, which adding 1.5 × 2^23 does. Ties do not matter, as the addends keep away
// from them: vec.PairS8 tries all inputs before it uses the function.
func (a armv7) pairS8(name, comment string, floats, addends int, formula func() int) {
	const round = 8
	a.blocks(name, comment, func() {
		a.floats(9, floats)
		a.constant(round, math.Float32bits(0.5))
		for i := range addends {
			a.fsub(9+floats-1-i, 9+floats-1-i, round)
		}
		a.constant(round, math.Float32bits(3<<22))
		a.op("ADD $%d, R0, R12", elem7Lo)
		a.loadAllB(28, 12, moved)
		a.loadAllB(30, 12, stay)
	}, func() {
		a.loadB(0, 2, 2, stay)
		a.loadB(8, 2, 3, stay)
		for _, x := range []int{0, 4} {
			a.vmovlB(x+2, 2*x+1)
			a.vmovlB(x, 2*x)
		}
		for _, x := range []int{0, 2, 4, 6} {
			a.vmovlH(x+1, 2*x+1)
			a.vmovlH(x, 2*x)
		}
		for x := range 8 {
			a.fromInt(x, x)
		}
		v := formula()
		for i := range 4 {
			a.fadd(v+i, v+i, round)
		}
		for i := range 4 {
			a.sub(v+i, v+i, round)
		}
		to := 4 - v
		for i := range 4 {
			a.vqmovnW(2*to+i, v+i)
		}
		for i := range 2 {
			a.vqmovnH(i, to+i)
		}
		a.maxB(0, 0, 14)
		a.minB(0, 0, 15)
		a.storeB(0, 2, 1, moved)
	})
}

// quantize writes the division by a scale, rounded half away from zero or to the even integer. Far outside of the integers, and for NaN, which becomes the
// least, the quotient is limited before.
func (a armv7) quantize(small, even bool) {
	name, rounding := "quantizeS16", float32(0.5)
	switch {
	case even:
		name, rounding = "quantizeEvenS8", 3<<22 // added, it leaves the rounded integer in the low bits
	case small:
		name = "quantizeS8"
	}
	const scale, least, most, round, zero = 7, 8, 9, 10, 11
	type step func(x, t, f, sign int)
	limit := []step{
		func(x, t, _, _ int) { a.fcgt(t, x, least) },
		func(x, t, _, _ int) { a.vbif(x, least, t) },
		func(x, _, _, _ int) { a.fmin(x, x, most) },
	}
	toEven := []step{
		func(x, _, _, _ int) { a.fadd(x, x, round) },
		func(x, t, _, _ int) { a.sub(t, x, round) },
	}
	// The integer without the fraction, one more where that is at least a half, and then the sign.
	away := []step{
		func(x, _, _, sign int) { a.sign(sign, x) },
		func(x, _, _, _ int) { a.fabs(x, x) },
		func(x, t, _, _ int) { a.toInt(t, x) },
		func(_, t, f, _ int) { a.fromInt(f, t) },
		func(x, _, f, _ int) { a.fsub(x, x, f) },
		func(x, _, _, _ int) { a.fcge(x, x, round) },
		func(x, t, _, _ int) { a.sub(t, t, x) },
		func(_, t, _, sign int) { a.xor(t, t, sign) },
		func(_, t, _, sign int) { a.sub(t, t, sign) },
	}
	rounded := away
	if even {
		rounded = toEven
	}
	steps := append(append(limit, rounded...), func(_, t, _, _ int) { a.add(t, t, zero) })
	a.blocks(name, "a / scale + zero point.", func() {
		a.floats(scale, 1)
		a.constant(least, math.Float32bits(-1<<20))
		a.constant(most, math.Float32bits(1<<20))
		a.constant(round, math.Float32bits(rounding))
		a.everywhere(elem7Zero, zero, 1)
	}, func() {
		a.op("ADD $32, R2, R7")
		a.loadW(0, 4, 2, stay)
		a.loadW(4, 4, 7, stay)
		for i := range 4 {
			a.divide(i, i, scale)
		}
		for p := 0; p < 4; p += 2 {
			for _, step := range steps {
				for i := range 2 {
					step(p+i, 4+i, 12+i, 14+i)
				}
			}
			for i := range 2 {
				a.vqmovnW(p+i, 4+i)
			}
		}
		if small {
			a.vqmovnH(0, 0)
			a.vqmovnH(1, 1)
			a.storeB(0, 2, 1, moved)
			return
		}
		a.storeB(0, 4, 1, moved)
	})
}

// dequantize writes the way back.
func (a armv7) dequantize(small bool) {
	name := "dequantizeS16"
	if small {
		name = "dequantizeS8"
	}
	const scale, zero = 8, 9
	a.blocks(name, "(a − zero point) × scale.", func() {
		a.floats(scale, 1)
		a.everywhere(elem7Zero, zero, 1)
	}, func() {
		if small {
			a.loadB(0, 2, 2, stay)
			a.vmovlB(4, 0)
			a.vmovlB(5, 1)
		} else {
			a.loadB(8, 4, 2, stay)
		}
		for i := range 4 {
			a.vmovlH(i, 8+i)
		}
		for i := range 4 {
			a.sub(i, i, zero)
		}
		for i := range 4 {
			a.fromInt(i, i)
		}
		for i := range 4 {
			a.fmul(i, i, scale)
		}
		a.storeW(0, 4, 1, moved)
		a.storeW(4, 4, 1, moved)
	})
}

// lookup writes the table of 256 bytes in plain instructions, four bytes in a word: the whole table would fill all vector registers.
func (a armv7) lookup() {
	a.blocks("lookupS8", "b[bits of a].", func() {}, func() {
		// The bytes of a word in four registers: none waits for the one before.
		bytes := [...]int{8, 9, 11, 12}
		for w := range 4 {
			a.op("MOVW %d(R2), R7", 4*w)
			for i, r := range bytes {
				a.op("MOVBU R7@>%d, R%d", 8*i, r)
			}
			for _, r := range bytes {
				a.op("MOVBU R%d<<0(R3), R%d", r, r)
			}
			for i, r := range bytes[1:] {
				a.op("ORR R%d<<%d, R8", r, 8*i+8)
			}
			a.op("MOVW R8, %d(R1)", 4*w)
		}
		a.op("ADD $16, R1")
		a.op("ADD $16, R2") // the argument has no steps
	})
}

// sumsArmv7 writes sums of rows. The argument is a vec.armSum: acc, src, rows, blocks of 16 values of a row, bytes from one row to the next.
func sumsArmv7() []byte {
	a := armv7{newAsm("Sums of rows. Comments beside words have ARM's syntax.")}
	begin := func(name, comment string) {
		a.text(name, "$0-4", "func "+name+"(t *armSum) "+comment)
		a.op("MOVW t+0(FP), R0")
		for i := range 5 { // R1 acc, R2 src, R3 rows, R4 blocks, R5 stride
			a.op("MOVW %d(R0), R%d", 4*i, i+1)
		}
	}
	// along adds up each row in q0 to q3, then into one number.
	along := func(load, join, fold func()) {
		row, loop := a.label("row"), a.label("loop")
		a.at(row)
		a.op("MOVW R2, R6")
		a.op("MOVW R4, R7")
		for v := range 4 {
			a.zero(v)
		}
		a.at(loop)
		load()
		join()
		a.op("SUB.S $1, R7")
		a.op("BNE %s", loop)
		a.op("ADD R5, R2")
		a.loadOne(32, 8, 0, 1, stay)
		fold()
		a.storeOne(32, 0, 0, 1, moved)
		a.op("SUB.S $1, R3")
		a.op("BNE %s", row)
		a.op("RET")
	}
	floats := func() {
		a.loadW(8, 4, 6, moved)
		a.loadW(12, 4, 6, moved)
	}
	begin("sumAlongF32Neon", "adds to each element of acc its row.")
	along(floats, func() {
		for v := range 4 {
			a.fadd(v, v, 4+v)
		}
	}, func() {
		a.fadd(0, 0, 1)
		a.fadd(2, 2, 3)
		a.fadd(0, 0, 2)
		a.fpaddD(0, 0, 1)
		a.fpaddD(0, 0, 0)
		a.fadd(0, 0, 4)
	})
	begin("sumAlongS8Neon", "adds to each element of acc its row.")
	along(func() { a.loadB(8, 2, 6, moved) }, func() {
		a.vpaddlB(4, 4)
		a.vpadal(0, 4)
	}, func() {
		a.vpadd(0, 0, 1)
		a.vpadd(0, 0, 0)
		a.add(0, 0, 4)
	})

	// across keeps 16 sums and walks down the rows.
	across := func(load, join func(), bytes int) {
		block, loop := a.label("block"), a.label("loop")
		a.at(block)
		a.op("MOVW R2, R6")
		a.op("MOVW R3, R7")
		a.op("ADD $32, R1, R8")
		a.loadW(0, 4, 1, stay)
		a.loadW(4, 4, 8, stay)
		a.at(loop)
		load()
		join()
		a.op("SUB.S $1, R7")
		a.op("BNE %s", loop)
		a.storeW(0, 4, 1, moved)
		a.storeW(4, 4, 1, moved)
		a.op("ADD $%d, R2", bytes)
		a.op("SUB.S $1, R4")
		a.op("BNE %s", block)
		a.op("RET")
	}
	begin("sumAcrossF32Neon", "adds all rows to acc.")
	a.op("SUB $32, R5, R9")
	across(func() {
		a.loadW(8, 4, 6, moved)
		a.loadW(12, 4, 6, 9)
	}, func() {
		for v := range 4 {
			a.fadd(v, v, 4+v)
		}
	}, 64)
	begin("sumAcrossS8Neon", "adds all rows to acc.")
	across(func() { a.loadB(8, 2, 6, 5) }, func() {
		a.vmovlB(5, 9)
		a.vmovlB(4, 8)
		for v := range 4 {
			a.vaddwH(v, v, 8+v)
		}
	}, 16)
	return a.Bytes()
}
