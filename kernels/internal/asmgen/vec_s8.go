package main

// vecS8AVX512 writes the element-wise functions of int8. The arguments are vec.lookupTile, vec.pairTile and vec.quantizeTile.
func vecS8AVX512() []byte {
	s := simd{newAsm("Functions of int8, element by element, on AVX512."), true}
	s.constants()
	s.data("order", []uint32{0, 0, 2, 0, 4, 0, 6, 0, 1, 0, 3, 0, 5, 0, 7, 0}) // of quadwords after packing two vectors
	s.lookup()
	s.sumAcrossS8()
	var names []string
	for _, m := range pairModes {
		names = append(names, "sum"+m.name)
		s.sumsS8("sum"+m.name, m.oneA, m.oneB)
	}
	for _, m := range pairModes {
		names = append(names, "product"+m.name)
		s.productsS8("product"+m.name, m.oneA, m.oneB)
	}
	s.table("pairS8AVX512", names)
	s.quantize("quantizeS8AVX512", "VPMOVSDB", 16, false)
	s.quantize("quantizeS16AVX512", "VPMOVSDW", 32, false)
	s.quantize("quantizeEvenS8AVX512", "VPMOVSDB", 16, true)
	s.dequantize("dequantizeS8AVX512", "VPMOVSXBD", 16)
	s.dequantize("dequantizeS16AVX512", "VPMOVSXWD", 32)
	return s.Bytes()
}

// sumShift is how many of the bits of a sum stand for less than one.
const sumShift = 21

// sumsS8 writes p × first input + q × second input + bias, rounded down, for whole numbers p and q with so many bits behind the point: of each, the upper 16 bits
// and the lower 8 are multiplied in turn.
func (s simd) sumsS8(name string, oneA, oneB bool) {
	const lo, hi, bias, lower, upper, zero, fix = 31, 30, 29, 28, 27, 26, 25
	s.fn(name, "the argument is a pairTile")
	s.op("MOVQ t+0(FP), R13")
	s.op("VPBROADCASTB 76(R13), Z%d", lo)
	s.op("VPBROADCASTB 80(R13), Z%d", hi)
	for i, r := range []int{upper, lower, bias} {
		s.op("VPBROADCASTD %d(R13), Z%d", 88+4*i, r)
	}
	s.op("VPXORD Z%d, Z%d, Z%d", zero, zero, zero)
	s.rows(1)
	bytes := []pointer{{"DI", 64}}
	for _, in := range []struct {
		one  bool
		from string
	}{{oneA, "SI"}, {oneB, "DX"}} {
		if in.one {
			s.op("VPBROADCASTB (%s), Z%d", in.from, fix)
		} else {
			bytes = append(bytes, pointer{in.from, 64})
		}
	}
	s.loop(2, 64, bytes, func(k int, last bool) {
		at := 8 * k
		load := func(one bool, from string, to int) int {
			switch {
			case one:
				return fix
			case last:
				s.op("VMOVDQU8.Z (%s), K1, Z%d", from, to)
			default:
				s.op("VMOVDQU64 %d(%s), Z%d", 64*k, from, to)
			}
			return to
		}
		a, b := load(oneA, "SI", at), load(oneB, "DX", at+1)
		s.op("VPUNPCKLBW Z%d, Z%d, Z%d", b, a, at+4)
		s.op("VPUNPCKHBW Z%d, Z%d, Z%d", b, a, at+5)
		for i := range 4 { // words of both inputs, times 256
			x, sum := at+6, at+i
			s.op("VPUNPCK%sBW Z%d, Z%d, Z%d", []string{"L", "H"}[i%2], at+4+i/2, zero, x)
			s.op("VMOVDQA64 Z%d, Z%d", bias, sum)
			s.op("VPDPWSSD Z%d, Z%d, Z%d", upper, x, sum)
			s.op("VPDPBUSD Z%d, Z%d, Z%d", x, lower, sum)
			s.op("VPSRAD $%d, Z%d, Z%d", sumShift, sum, sum)
		}
		s.op("VPACKSSDW Z%d, Z%d, Z%d", at+1, at, at)
		s.op("VPACKSSDW Z%d, Z%d, Z%d", at+3, at+2, at+2)
		s.op("VPACKSSWB Z%d, Z%d, Z%d", at+2, at, at)
		s.op("VPMAXSB Z%d, Z%d, Z%d", lo, at, at)
		s.op("VPMINSB Z%d, Z%d, Z%d", hi, at, at)
		if last {
			s.op("VMOVDQU8 Z%d, K1, (DI)", at)
		} else {
			s.op("VMOVDQU64 Z%d, %d(DI)", at, 64*k)
		}
	})
	s.nextRow()
	s.ret()
}

// The registers of productsS8: one value for all elements, as float32 and less its zero point as int16; the five floats, zero points as int16, the limits as
// bytes and as int32, and the order of what packing leaves.
const wideFix, wideFixWord, wideFloats, wideZeros, wideBytes, wideLimits, wideOrder = 24, 23, 25, 21, 19, 30, 18

// productsS8 writes (first input − p0) × (second input − p1) × p2 + p3, rounded down, with p4 instead of p3 where the product is negative. Where there are 64 elements, the
// products are those of int16.
func (s simd) productsS8(name string, oneA, oneB bool) {
	s.fn(name, "the argument is a pairTile")
	s.op("MOVQ t+0(FP), R13")
	for i := range 5 {
		s.op("VBROADCASTSS %d(R13), Z%d", 56+4*i, wideFloats+i)
	}
	for i := range 2 {
		s.op("VPBROADCASTD %d(R13), Z%d", 76+4*i, wideLimits+i)
		s.op("VPBROADCASTB %d(R13), Z%d", 76+4*i, wideBytes+i)
		s.op("VCVTPS2DQ Z%d, Z%d", wideFloats+i, wideZeros+i)
		s.op("VPMOVDW Z%d, Y%d", wideZeros+i, wideZeros+i)
		s.op("VPBROADCASTW X%d, Z%d", wideZeros+i, wideZeros+i)
	}
	s.op("VMOVDQU64 order<>(SB), Z%d", wideOrder)
	s.rows(1)
	bytes := []pointer{{"DI", 16}}
	for i, in := range []struct {
		one  bool
		from string
	}{{oneA, "SI"}, {oneB, "DX"}} {
		if !in.one {
			bytes = append(bytes, pointer{in.from, 16})
			continue
		}
		s.op("MOVBLSX (%s), AX", in.from)
		s.op("VPBROADCASTD AX, Z%d", wideFix)
		s.op("VCVTDQ2PS Z%d, Z%d", wideFix, wideFix)
		s.op("VPBROADCASTW AX, Z%d", wideFixWord)
		s.op("VPSUBW Z%d, Z%d, Z%d", wideZeros+i, wideFixWord, wideFixWord)
	}
	s.blocks(4, 16, bytes, func(n int, last bool) {
		if n == 4 {
			s.products64(oneA, oneB)
			return
		}
		for i, in := range []struct {
			one  bool
			from string
		}{{oneA, "SI"}, {oneB, "DX"}} {
			switch {
			case in.one:
				s.op("VMOVAPS Z%d, Z%d", wideFix, i)
				continue
			case last:
				s.lastS8("("+in.from+")", i)
			default:
				s.op("VPMOVSXBD (%s), Z%d", in.from, i)
			}
			s.op("VCVTDQ2PS Z%d, Z%d", i, i)
		}
		s.op("VSUBPS Z%d, Z0, Z0", wideFloats)
		s.op("VSUBPS Z%d, Z1, Z1", wideFloats+1)
		s.op("VMULPS Z1, Z0, Z0")
		s.rescaleProduct(0, 1)
		s.op("VPMAXSD Z%d, Z0, Z0", wideLimits)
		s.op("VPMINSD Z%d, Z0, Z0", wideLimits+1)
		if last {
			s.op("VPMOVDB Z0, K1, (DI)")
		} else {
			s.op("VPMOVDB Z0, (DI)")
		}
	})
	s.nextRow()
	s.ret()
}

// rescaleProduct replaces products in x, as floats, by the results as int32, before the limits; e is room.
func (s simd) rescaleProduct(x, e int) {
	s.op("VPMOVD2M Z%d, K2", x)
	s.op("VBLENDMPS Z%d, Z%d, K2, Z%d", wideFloats+4, wideFloats+3, e)
	s.op("VFMADD213PS.RD_SAE Z%d, Z%d, Z%d", e, wideFloats+2, x)
	s.op("VCVTPS2DQ.RD_SAE Z%d, Z%d", x, x)
}

// products64 does 64 elements.
func (s simd) products64(oneA, oneB bool) {
	for k := range 2 {
		a, b, lo, hi := 6*k, 6*k+1, 6*k+2, 6*k+3
		if oneA {
			a = wideFixWord
		} else {
			s.op("VPMOVSXBW %d(SI), Z%d", 32*k, a)
			s.op("VPSUBW Z%d, Z%d, Z%d", wideZeros, a, a)
		}
		if oneB {
			b = wideFixWord
		} else {
			s.op("VPMOVSXBW %d(DX), Z%d", 32*k, b)
			s.op("VPSUBW Z%d, Z%d, Z%d", wideZeros+1, b, b)
		}
		s.op("VPMULLW Z%d, Z%d, Z%d", b, a, lo)
		s.op("VPMULHW Z%d, Z%d, Z%d", b, a, hi)
		x, y := 6*k, 6*k+1
		s.op("VPUNPCKLWD Z%d, Z%d, Z%d", hi, lo, x)
		s.op("VPUNPCKHWD Z%d, Z%d, Z%d", hi, lo, y)
		for i, v := range []int{x, y} {
			s.op("VCVTDQ2PS Z%d, Z%d", v, v)
			s.rescaleProduct(v, 6*k+4+i)
		}
		s.op("VPACKSSDW Z%d, Z%d, Z%d", y, x, x)
	}
	s.op("VPACKSSWB Z6, Z0, Z0")
	s.op("VPERMQ Z0, Z%d, Z0", wideOrder)
	s.op("VPMAXSB Z%d, Z0, Z0", wideBytes)
	s.op("VPMINSB Z%d, Z0, Z0", wideBytes+1)
	s.op("VMOVDQU64 Z0, (DI)")
}

// lookup writes the table of 256 bytes: two lookups among 128, chosen by the upper bit.
func (s simd) lookup() {
	s.text("lookupS8AVX512", "$0-8", "func lookupS8AVX512(t *lookupTile)")
	s.begin("SI", "DX")
	for i := range 4 {
		s.op("VMOVDQU64 %d(DX), Z%d", 64*i, 28+i)
	}
	s.loop(4, 64, []pointer{{"DI", 64}, {"SI", 64}}, func(k int, last bool) {
		if last {
			s.op("VMOVDQU8.Z (SI), K1, Z%d", 2*k)
		} else {
			s.op("VMOVDQU64 %d(SI), Z%d", 64*k, 2*k)
		}
		s.op("VPMOVB2M Z%d, K2", 2*k)
		s.op("VMOVDQA64 Z%d, Z%d", 2*k, 2*k+1)
		s.op("VPERMI2B Z29, Z28, Z%d", 2*k)
		s.op("VPERMI2B Z31, Z30, Z%d", 2*k+1)
		s.op("VMOVDQU8 Z%d, K2, Z%d", 2*k+1, 2*k)
		if last {
			s.op("VMOVDQU8 Z%d, K1, (DI)", 2*k)
		} else {
			s.op("VMOVDQU64 Z%d, %d(DI)", 2*k, 64*k)
		}
	})
	s.ret()
}

// quantize writes the division by a scale, rounded half away from zero or to the even integer.
func (s simd) quantize(name, narrow string, bytes int, even bool) {
	s.text(name, "$0-8", "func "+name+"(t *quantizeTile)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), CX")
	s.op("VBROADCASTSS 24(R13), Z31")
	s.op("VPBROADCASTD 28(R13), Z30")
	s.broadcast("-2^20", 29)
	s.broadcast("2^20", 28)
	s.broadcast("half", 27)
	s.broadcast("one", 26)
	s.broadcast("abs", 25)
	s.loop(2, 16, []pointer{{"DI", bytes}, {"SI", 64}}, func(k int, last bool) {
		x, whole, rest := 4*k, 4*k+1, 4*k+2
		s.load(at("SI", 64*k), x, last)
		s.op("VDIVPS Z31, Z%d, Z%d", x, x)
		s.op("VMAXPS Z29, Z%d, Z%d", x, x) // of a NaN the least remains
		s.op("VMINPS Z28, Z%d, Z%d", x, x)
		if even {
			s.op("VCVTPS2DQ Z%d, Z%d", x, whole) // the processor's own rounding
		} else {
			s.op("VRNDSCALEPS $11, Z%d, Z%d", x, whole)
			s.op("VSUBPS Z%d, Z%d, Z%d", whole, x, rest)
			s.op("VANDPS Z25, Z%d, Z%d", rest, rest)
			s.op("VCMPPS $13, Z27, Z%d, K2", rest) // half or more is left: one step away from zero
			s.op("VPTERNLOGD $0xD8, Z25, Z26, Z%d", x)
			s.op("VADDPS Z%d, Z%d, K2, Z%d", x, whole, whole)
			s.op("VCVTTPS2DQ Z%d, Z%d", whole, whole)
		}
		s.op("VPADDD Z30, Z%d, Z%d", whole, whole)
		if last {
			s.op("%s Z%d, K1, (DI)", narrow, whole)
		} else {
			s.op("%s Z%d, %d(DI)", narrow, whole, bytes*k)
		}
	})
	s.ret()
}

// dequantize writes the way back.
func (s simd) dequantize(name, widen string, bytes int) {
	s.text(name, "$0-8", "func "+name+"(t *quantizeTile)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), CX")
	s.op("VBROADCASTSS 24(R13), Z31")
	s.op("VPBROADCASTD 28(R13), Z30")
	s.loop(4, 16, []pointer{{"DI", 64}, {"SI", bytes}}, func(k int, last bool) {
		switch {
		case !last:
			s.op("%s %d(SI), Z%d", widen, bytes*k, k)
		case bytes == 16:
			s.lastS8("(SI)", k)
		default:
			s.lastS16("(SI)", k)
		}
		s.op("VPSUBD Z30, Z%d, Z%d", k, k)
		s.op("VCVTDQ2PS Z%d, Z%d", k, k)
		s.op("VMULPS Z31, Z%d, Z%d", k, k)
		s.store(k, at("DI", 64*k), last)
	})
	s.ret()
}
