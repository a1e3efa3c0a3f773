package main

// init adds the files of bilinear interpolation.
func init() {
	files["resize/f32_avx512_amd64.s"] = bilinearF32(true, "AVX512")
	files["resize/f32_avx2_amd64.s"] = bilinearF32(false, "AVX2")
	files["resize/f32_neon_arm64.s"] = bilinearF32Arm64
}

// bilinearF32 writes the interpolation of some pixels of a line from two lines of the input. Its argument is a resize.line. Sums and products are rounded
// one by one, in the order of resize.mix, so that all tiers give the same bits.
func bilinearF32(wide bool, isa string) func() []byte {
	return func() []byte {
		s := simd{newAsm("Bilinear interpolation of float32 on " + isa + "."), wide}
		s.constants()
		const one, up, down, left, right = 8, 9, 10, 11, 12 // 1, weights of the upper and lower line, of the left and right column
		s.fn("bilinear", "the argument is a line of float32")
		s.op("MOVQ t+0(FP), R13")
		s.op("MOVQ 0(R13), DI")   // destination
		s.op("MOVQ 24(R13), R10") // taps
		s.op("MOVQ 32(R13), R9")  // pixels
		s.op("MOVQ 40(R13), R8")  // channels
		s.op("LEAQ (R8*4), R12")
		s.broadcast("one", one)
		s.op("VBROADCASTSS 48(R13), %s", s.r(down))
		s.op("VSUBPS %s, %s, %s", s.r(down), s.r(one), s.r(up))
		pixel := s.label("pixel")
		s.at(pixel)
		// BX, SI: the upper pixels; DX, R11: the lower ones.
		for i, reg := range []string{"BX", "SI"} {
			s.op("MOVLQSX %d(R10), %s", 4*i, reg)
			s.op("IMULQ R12, %s", reg)
		}
		s.op("MOVQ BX, DX")
		s.op("MOVQ SI, R11")
		for _, reg := range []string{"BX", "SI"} {
			s.op("ADDQ 8(R13), %s", reg)
		}
		for _, reg := range []string{"DX", "R11"} {
			s.op("ADDQ 16(R13), %s", reg)
		}
		s.op("VBROADCASTSS 8(R10), %s", s.r(right))
		s.op("VSUBPS %s, %s, %s", s.r(right), s.r(one), s.r(left))
		s.op("MOVQ R8, CX")
		s.loop(1, s.lanes(), s.floats("BX", "SI", "DX", "R11", "DI"), func(_ int, last bool) {
			for i, p := range []struct {
				reg  string
				y, x int
			}{{"BX", up, left}, {"DX", down, left}, {"SI", up, right}, {"R11", down, right}} {
				s.load(at(p.reg, 0), i, last)
				s.op("VMULPS %s, %s, %s", s.r(p.y), s.r(i), s.r(i))
				s.op("VMULPS %s, %s, %s", s.r(p.x), s.r(i), s.r(i))
				if i > 0 {
					s.op("VADDPS %s, %s, %s", s.r(i), s.r(0), s.r(0))
				}
			}
			s.store(0, at("DI", 0), last)
		})
		// Whole vectors have moved the destination along; behind them is the rest of the pixel.
		s.op("MOVQ R8, CX")
		s.op("ANDQ $%d, CX", s.lanes()-1)
		s.op("LEAQ (DI)(CX*4), DI")
		s.op("ADDQ $12, R10")
		s.op("DECQ R9")
		s.op("JNE %s", pixel)
		s.ret()
		s.table("bilinear"+isa, []string{"bilinear"})
		return s.Bytes()
	}
}

// bilinearF32Arm64 is bilinearF32 for NEON: four channels at a time, then one.
func bilinearF32Arm64() []byte {
	a := arm64{newAsm("Bilinear interpolation of float32. Comments beside words have ARM's order of operands.")}
	const one, up, down, left, right = 16, 17, 18, 19, 20
	a.fn("bilinear", "the argument is a line of float32")
	a.op("MOVD t+0(FP), R0")
	a.op("LDP 0(R0), (R1, R2)")  // destination, upper line
	a.op("LDP 16(R0), (R3, R4)") // lower line, taps
	a.op("LDP 32(R0), (R5, R6)") // pixels, channels
	a.op("LSL $2, R6, R7")
	a.constant(one, 0x3F800000)
	a.everywhere("R0", 48, down, 1)
	a.fsub(up, one, down)
	a.at("pixel")
	a.op("MOVW 0(R4), R8")
	a.op("MOVW 4(R4), R9")
	a.op("MUL R7, R8, R8")
	a.op("MUL R7, R9, R9")
	a.op("ADD R3, R8, R10") // lower left
	a.op("ADD R3, R9, R11") // lower right
	a.op("ADD R2, R8, R8")  // upper left
	a.op("ADD R2, R9, R9")  // upper right
	a.everywhere("R4", 8, right, 1)
	a.fsub(left, one, right)
	corners := []struct {
		reg  string
		y, x int
	}{{"R8", up, left}, {"R10", down, left}, {"R9", up, right}, {"R11", down, right}}
	group := func(bytes int, load func(reg string, v int), store func()) {
		for v, p := range corners {
			load(p.reg, v)
			a.op("ADD $%d, %s, %s", bytes, p.reg, p.reg)
		}
		for v, p := range corners {
			a.fmul(v, v, p.y)
		}
		for v, p := range corners {
			a.fmul(v, v, p.x)
		}
		for v := 1; v < len(corners); v++ {
			a.fadd(0, 0, v)
		}
		store()
		a.op("ADD $%d, R1, R1", bytes)
	}
	a.op("SUBS $4, R6, R12")
	a.op("BLT ones")
	a.at("fours")
	group(16, func(reg string, v int) { a.load(v, 0, reg) }, func() { a.store(0, 0, "R1") })
	a.op("SUBS $4, R12, R12")
	a.op("BGE fours")
	a.at("ones")
	a.op("ADDS $4, R12, R12")
	a.op("BEQ done")
	a.at("one")
	group(4, func(reg string, v int) { a.op("FMOVS (%s), F%d", reg, v) }, func() { a.op("FMOVS F0, (R1)") })
	a.op("SUBS $1, R12, R12")
	a.op("BNE one")
	a.at("done")
	a.op("ADD $12, R4, R4")
	a.op("SUBS $1, R5, R5")
	a.op("BNE pixel")
	a.op("RET")
	a.table("bilinearNeon", []string{"bilinear"})
	return a.Bytes()
}
