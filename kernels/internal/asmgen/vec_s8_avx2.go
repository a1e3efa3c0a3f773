package main

// vecS8AVX2 writes the element-wise functions of int8 for registers of 256 bits. Whole vectors go first, then eight elements, then one at a time.
func vecS8AVX2() []byte {
	s := simd{newAsm("Functions of int8, element by element, on AVX2."), false}
	s.constants()
	s.data("order", []uint32{0, 4, 1, 5, 2, 6, 3, 7}) // of dwords after packing
	s.lookupNarrow()
	var names []string
	for _, f := range []struct {
		name string
		emit func(s simd, oneA, oneB bool, x, y int)
	}{{"sum", simd.sumS8Narrow}, {"product", simd.productS8Narrow}, {"square", simd.squareS8Narrow}} {
		for _, m := range pairModes {
			names = append(names, f.name+m.name)
			s.pairS8Narrow(f.name, m.name, m.oneA, m.oneB, f.emit)
		}
	}
	s.table("pairS8AVX2", names)
	s.quantizeNarrow("quantizeS8AVX2", 1, false)
	s.quantizeNarrow("quantizeS16AVX2", 2, false)
	s.quantizeNarrow("quantizeEvenS8AVX2", 1, true)
	s.dequantizeNarrow("dequantizeS8AVX2", 1)
	s.dequantizeNarrow("dequantizeS16AVX2", 2)
	s.sumS8AcrossNarrow()
	s.sumS8AlongNarrow()
	return s.Bytes()
}

// steps writes code for the CX elements at the pointers given, as many at once as sizes say, from the most to 1; the steps of pointers are bytes of one
// element.
func (s simd) steps(sizes []int, pointers []pointer, body func(n int)) {
	for _, n := range sizes {
		again, rest := s.label("some"), s.label("rest")
		s.op("SUBQ $%d, CX", n)
		s.op("JLT %s", rest)
		s.at(again)
		body(n)
		for _, p := range pointers {
			s.op("ADDQ $%d, %s", n*p.step, p.reg)
		}
		s.op("SUBQ $%d, CX", n)
		s.op("JGE %s", again)
		s.at(rest)
		if n > 1 {
			s.op("ADDQ $%d, CX", n)
		}
	}
}

// widen loads n bytes, 8 or 1, as int32 to register i.
func (s simd) widen(from string, i, n int) {
	if n == 1 {
		s.op("VPXOR X%d, X%d, X%d", i, i, i)
		s.op("VPINSRB $0, %s, X%d, X%d", from, i, i)
		s.op("VPMOVSXBD X%d, Y%d", i, i)
		return
	}
	s.op("VPMOVSXBD %s, Y%d", from, i)
}

// narrow16 packs the int32 of register i, with t as room, to eight int16 in its lower half.
func (s simd) narrow16(i, t int) {
	s.op("VEXTRACTI128 $1, Y%d, X%d", i, t)
	s.op("VPACKSSDW X%d, X%d, X%d", t, i, i)
}

// storeBytes stores n bytes of register i, 8 or 1.
func (s simd) storeBytes(i int, to string, n int) {
	if n == 1 {
		s.op("VPEXTRB $0, X%d, %s", i, to)
		return
	}
	s.op("VMOVQ X%d, %s", i, to)
}

// The registers of pairS8Narrow: a value for all elements, limits, and the five floats. A square has the limits of int8, and its addend in place of one.
const pairFix, pairLo, pairHi, pairFloats = 8, 9, 10, 11

// pairS8Narrow writes a function of two inputs. emit replaces register x by the value less 1/2: converted to the nearest integer that is the value
// rounded down, but for ties, which the check of all pairs excludes.
func (s simd) pairS8Narrow(kind, mode string, oneA, oneB bool, emit func(s simd, oneA, oneB bool, x, y int)) {
	s.fn(kind+mode, "the argument is a pairTile")
	s.op("MOVQ t+0(FP), R13")
	for i := range 5 {
		s.op("VBROADCASTSS %d(R13), Y%d", 56+4*i, pairFloats+i)
	}
	s.op("VPBROADCASTB 76(R13), Y%d", pairLo)
	s.op("VPBROADCASTB 80(R13), Y%d", pairHi)
	s.broadcast("half", 0)
	switch kind {
	case "sum":
		s.op("VSUBPS Y0, Y%d, Y%d", pairFloats+2, pairFloats+2)
	case "square":
		s.op("VBROADCASTSS 84(R13), Y%d", pairLo)
		s.op("VSUBPS Y0, Y%d, Y%d", pairLo, pairLo)
	default:
		s.op("VSUBPS Y0, Y%d, Y%d", pairFloats+3, pairFloats+3)
		s.op("VSUBPS Y0, Y%d, Y%d", pairFloats+4, pairFloats+4)
	}
	s.rows(1)
	bytes := []pointer{{"DI", 1}}
	for i, in := range []struct {
		one  bool
		from string
	}{{oneA, "SI"}, {oneB, "DX"}} {
		if !in.one {
			bytes = append(bytes, pointer{in.from, 1})
			continue
		}
		s.op("MOVBLSX (%s), AX", in.from)
		s.op("VMOVD AX, X%d", pairFix)
		s.op("VPBROADCASTD X%d, Y%d", pairFix, pairFix)
		s.op("VCVTDQ2PS Y%d, Y%d", pairFix, pairFix)
		if kind == "square" {
			s.rescaleNarrow(pairFix, i)
		}
	}
	s.steps([]int{32, 8, 1}, bytes, func(n int) {
		vectors := (n + 7) / 8
		for k := range vectors {
			x, y := k, 4+k
			if oneA {
				x = pairFix
			} else {
				s.widen(at("SI", 8*k), x, n)
				s.op("VCVTDQ2PS Y%d, Y%d", x, x)
			}
			if oneB {
				y = pairFix
			} else {
				s.widen(at("DX", 8*k), y, n)
				s.op("VCVTDQ2PS Y%d, Y%d", y, y)
			}
			emit(s, oneA, oneB, k, 4+k)
			s.op("VCVTPS2DQ Y%d, Y%d", k, k)
		}
		if vectors == 4 {
			s.op("VPACKSSDW Y1, Y0, Y0")
			s.op("VPACKSSDW Y3, Y2, Y2")
			s.op("VPACKSSWB Y2, Y0, Y0")
			s.op("VMOVDQU order<>(SB), Y1")
			s.op("VPERMD Y0, Y1, Y0")
			if kind != "square" {
				s.op("VPMAXSB Y%d, Y0, Y0", pairLo)
				s.op("VPMINSB Y%d, Y0, Y0", pairHi)
			}
			s.op("VMOVDQU Y0, (DI)")
			return
		}
		s.narrow16(0, 1)
		s.op("VPACKSSWB X0, X0, X0")
		if kind != "square" {
			s.op("VPMAXSB X%d, X0, X0", pairLo)
			s.op("VPMINSB X%d, X0, X0", pairHi)
		}
		s.storeBytes(0, "(DI)", n)
	})
	s.nextRow()
	s.ret()
}

// sumS8Narrow replaces x by x × f0 + f2 + y × f1.
func (s simd) sumS8Narrow(oneA, oneB bool, x, y int) {
	if oneA {
		s.op("VMOVAPS Y%d, Y%d", pairFix, x)
	}
	if oneB {
		y = pairFix
	}
	s.op("VFMADD213PS Y%d, Y%d, Y%d", pairFloats+2, pairFloats, x)
	s.op("VFMADD231PS Y%d, Y%d, Y%d", pairFloats+1, y, x)
}

// productS8Narrow replaces x by (x − f0) × (y − f1) × f2 + f3, with f4 instead of f3 where the product is negative.
func (s simd) productS8Narrow(oneA, oneB bool, x, y int) {
	from := func(one bool, i int) int {
		if one {
			return pairFix
		}
		return i
	}
	s.op("VSUBPS Y%d, Y%d, Y%d", pairFloats, from(oneA, x), x)
	s.op("VSUBPS Y%d, Y%d, Y%d", pairFloats+1, from(oneB, y), y)
	s.op("VMULPS Y%d, Y%d, Y%d", y, x, x)
	s.op("VBLENDVPS Y%d, Y%d, Y%d, Y%d", x, pairFloats+4, pairFloats+3, y)
	s.op("VFMADD213PS Y%d, Y%d, Y%d", y, pairFloats+2, x)
}

// rescaleNarrow replaces the values of one input by their rescaled ones, which are whole numbers: x × f0 + f2, or for the second input x × f1 + f3.
func (s simd) rescaleNarrow(x, input int) {
	s.op("VFMADD213PS Y%d, Y%d, Y%d", pairFloats+2+input, pairFloats+input, x)
	s.op("VROUNDPS $8, Y%d, Y%d", x, x)
}

// squareS8Narrow replaces x by the square of the difference of both rescaled inputs, times f4, with the addend.
func (s simd) squareS8Narrow(oneA, oneB bool, x, y int) {
	a, b := x, y
	if oneA {
		a = pairFix
	} else {
		s.rescaleNarrow(x, 0)
	}
	if oneB {
		b = pairFix
	} else {
		s.rescaleNarrow(y, 1)
	}
	s.op("VSUBPS Y%d, Y%d, Y%d", b, a, x)
	s.op("VMULPS Y%d, Y%d, Y%d", x, x, x)
	s.op("VFMADD213PS Y%d, Y%d, Y%d", pairLo, pairFloats+4, x)
}

// lookupNarrow writes the table of 256 bytes as lookups in 16 tables of 16, all done for every index: each subtracts 16 more, so that the index is
// inside of 0 to 127, where the instruction takes its lower four bits, for some of them only and the results of the others are 0. What the lookups of one index
// give together is an exclusive or; the tables hold differences for it.
func (s simd) lookupNarrow() {
	const tables, table, sixteen = 256, 8, 9 // the tables lie in the frame
	s.text("lookupS8AVX2", "$256-8", "func lookupS8AVX2(t *lookupTile)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), DX")
	s.op("MOVQ 24(R13), CX")
	s.op("VMOVDQU (DX), X0")
	s.op("VMOVDQU X0, tables-%d(SP)", tables)
	// Index 16b+i with b < 8 meets tables 0 to b; with b ≥ 8 those of b−7 to b. So each table is the difference to the one before, and from the
	// ninth on also takes back the difference that is no longer met.
	for i := 1; i < 16; i++ {
		s.op("VMOVDQU %d(DX), X1", 16*i)
		s.op("VPXOR X0, X1, X2")
		if i >= 8 {
			s.op("VPXOR tables-%d(SP), X2, X2", tables-16*(i-8))
		}
		s.op("VMOVDQU X2, tables-%d(SP)", tables-16*i)
		s.op("VMOVDQA X1, X0")
	}
	s.op("MOVL $16, AX")
	s.op("VMOVD AX, X%d", sixteen)
	s.op("VPBROADCASTB X%d, Y%d", sixteen, sixteen)
	s.steps([]int{128, 32, 1}, []pointer{{"DI", 1}, {"SI", 1}}, func(n int) {
		if n == 1 {
			s.op("MOVBLZX (SI), AX")
			s.op("MOVB (DX)(AX*1), AX")
			s.op("MOVB AX, (DI)")
			return
		}
		vectors := n / 32
		for k := range vectors {
			s.op("VMOVDQU %d(SI), Y%d", 32*k, k)
		}
		for i := range 16 {
			s.op("VBROADCASTI128 tables-%d(SP), Y%d", tables-16*i, table)
			for k := range vectors {
				x, y, part := k, 4+k, 10+k
				switch {
				case i == 0:
					s.op("VPSHUFB Y%d, Y%d, Y%d", x, table, y)
					continue
				case i <= 8:
					s.op("VPSUBB Y%d, Y%d, Y%d", sixteen, x, x)
				default: // what is negative stays so
					s.op("VPSUBSB Y%d, Y%d, Y%d", sixteen, x, x)
				}
				s.op("VPSHUFB Y%d, Y%d, Y%d", x, table, part)
				s.op("VPXOR Y%d, Y%d, Y%d", part, y, y)
			}
		}
		for k := range vectors {
			s.op("VMOVDQU Y%d, %d(DI)", 4+k, 32*k)
		}
	})
	s.ret()
}

// quantizeBegin loads the argument of quantize and dequantize: scale to register 15, zero point to 14.
func (s simd) quantizeBegin(name string) {
	s.text(name, "$0-8", "func "+name+"(t *quantizeTile)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), CX")
	s.op("VBROADCASTSS 24(R13), Y15")
	s.op("VPBROADCASTD 28(R13), Y14")
}

// quantizeNarrow writes the division by a scale, rounded half away from zero or to the even integer, for results of size bytes.
func (s simd) quantizeNarrow(name string, size int, even bool) {
	s.quantizeBegin(name)
	for i, c := range []string{"-2^20", "2^20", "half", "sign", "one"} {
		s.broadcast(c, 13-i)
	}
	s.steps([]int{16, 8, 1}, []pointer{{"DI", size}, {"SI", 4}}, func(n int) {
		for k := range (n + 7) / 8 {
			x, whole, rest := 4*k, 4*k+1, 4*k+2
			if n == 1 {
				s.op("VMOVSS (SI), X%d", x)
			} else {
				s.op("VMOVUPS %d(SI), Y%d", 32*k, x)
			}
			s.op("VDIVPS Y15, Y%d, Y%d", x, x)
			s.op("VMAXPS Y13, Y%d, Y%d", x, x) // of a NaN the least remains
			s.op("VMINPS Y12, Y%d, Y%d", x, x)
			if even {
				s.op("VCVTPS2DQ Y%d, Y%d", x, x) // the processor's own rounding
			} else {
				s.op("VROUNDPS $11, Y%d, Y%d", x, whole)
				s.op("VSUBPS Y%d, Y%d, Y%d", whole, x, rest)
				s.op("VANDNPS Y%d, Y10, Y%d", rest, rest)
				s.op("VCMPPS $13, Y11, Y%d, Y%d", rest, rest) // half or more is left: one step away from zero
				s.op("VANDPS Y10, Y%d, Y%d", x, x)
				s.op("VORPS Y9, Y%d, Y%d", x, x)
				s.op("VANDPS Y%d, Y%d, Y%d", rest, x, x)
				s.op("VADDPS Y%d, Y%d, Y%d", x, whole, x)
				s.op("VCVTTPS2DQ Y%d, Y%d", x, x)
			}
			s.op("VPADDD Y14, Y%d, Y%d", x, x)
			s.narrow16(x, whole)
			to := at("DI", 8*k*size)
			switch {
			case size == 1:
				s.op("VPACKSSWB X%d, X%d, X%d", x, x, x)
				s.storeBytes(x, to, n)
			case n == 1:
				s.op("VPEXTRW $0, X%d, %s", x, to)
			default:
				s.op("VMOVDQU X%d, %s", x, to)
			}
		}
	})
	s.ret()
}

// dequantizeNarrow writes the way back from integers of size bytes.
func (s simd) dequantizeNarrow(name string, size int) {
	s.quantizeBegin(name)
	s.steps([]int{32, 8, 1}, []pointer{{"DI", 4}, {"SI", size}}, func(n int) {
		for k := range (n + 7) / 8 {
			switch {
			case size == 1:
				s.widen(at("SI", 8*k), k, n)
			case n == 1:
				s.op("MOVWLSX (SI), AX")
				s.op("VMOVD AX, X%d", k)
			default:
				s.op("VPMOVSXWD %d(SI), Y%d", 16*k, k)
			}
			s.op("VPSUBD Y14, Y%d, Y%d", k, k)
			s.op("VCVTDQ2PS Y%d, Y%d", k, k)
			s.op("VMULPS Y15, Y%d, Y%d", k, k)
			if n == 1 {
				s.op("VMOVSS X%d, (DI)", k)
			} else {
				s.op("VMOVUPS Y%d, %d(DI)", k, 32*k)
			}
		}
	})
	s.ret()
}

// sumS8AcrossNarrow writes the sum of int8 across rows, into int32.
func (s simd) sumS8AcrossNarrow() {
	s.text("sumAcrossS8AVX2", "$0-8", "func sumAcrossS8AVX2(t *sumTile)")
	s.sumBegin()
	s.op("MOVQ R8, CX")
	s.steps([]int{32, 8, 1}, []pointer{{"DI", 4}, {"SI", 1}}, func(n int) {
		vectors := (n + 7) / 8
		for k := range vectors {
			if n == 1 {
				s.op("VMOVD (DI), X0")
			} else {
				s.op("VMOVDQU %d(DI), Y%d", 32*k, k)
			}
		}
		next := s.label("next")
		s.op("MOVQ SI, R11")
		s.op("MOVQ R9, DX")
		s.at(next)
		for k := range vectors {
			s.widen(at("R11", 8*k), 4+k, n)
			s.op("VPADDD Y%d, Y%d, Y%d", 4+k, k, k)
		}
		s.op("ADDQ R8, R11")
		s.op("DECQ DX")
		s.op("JNE %s", next)
		for k := range vectors {
			if n == 1 {
				s.op("VMOVD X0, (DI)")
			} else {
				s.op("VMOVDQU Y%d, %d(DI)", k, 32*k)
			}
		}
	})
	s.ret()
}

// sumS8AlongNarrow writes the sum of int8 along rows, into one int32 for each: bytes with 128 added, whose sum one instruction gives, less the
// 128s.
func (s simd) sumS8AlongNarrow() {
	s.text("sumAlongS8AVX2", "$0-8", "func sumAlongS8AVX2(t *sumTile)")
	s.sumBegin()
	s.op("MOVL $0x80, AX")
	s.op("VMOVD AX, X15")
	s.op("VPBROADCASTB X15, Y15")
	s.op("VPXOR Y14, Y14, Y14")
	s.op("MOVQ R8, R12")
	s.op("SHLQ $7, R12")
	s.at("row")
	s.op("MOVQ R8, CX")
	s.op("VPXOR Y0, Y0, Y0")
	s.op("VPXOR Y1, Y1, Y1")
	s.op("MOVL (DI), BX")
	s.op("SUBL R12, BX")
	s.steps([]int{64, 32, 1}, []pointer{{"SI", 1}}, func(n int) {
		if n == 1 {
			s.op("MOVBLZX (SI), AX")
			s.op("XORL $0x80, AX")
			s.op("ADDL AX, BX")
			return
		}
		for k := range n / 32 {
			s.op("VPXOR %d(SI), Y15, Y%d", 32*k, 2+k)
			s.op("VPSADBW Y14, Y%d, Y%d", 2+k, 2+k)
			s.op("VPADDQ Y%d, Y%d, Y%d", 2+k, k, k)
		}
	})
	s.op("VPADDQ Y1, Y0, Y0")
	s.op("VEXTRACTI128 $1, Y0, X1")
	s.op("VPADDQ X1, X0, X0")
	s.op("VPSHUFD $0x4E, X0, X1")
	s.op("VPADDQ X1, X0, X0")
	s.op("VMOVD X0, AX")
	s.op("ADDL AX, BX")
	s.op("MOVL BX, (DI)")
	s.op("ADDQ $4, DI")
	s.op("DECQ R9")
	s.op("JNE row")
	s.ret()
}
