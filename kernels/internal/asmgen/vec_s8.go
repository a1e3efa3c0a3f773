package main

// vecS8AVX512 writes the element-wise functions of int8. The arguments are vec.lookupTile, vec.pairTile and vec.quantizeTile.
func vecS8AVX512() []byte {
	s := simd{newAsm("Functions of int8, element by element, on AVX512."), true}
	s.constants()
	s.lookup()
	s.sumAcrossS8()
	var names []string
	for _, f := range []struct {
		name string
		emit func(s simd, x, y int)
	}{{"sum", simd.sumS8}, {"product", simd.productS8}} {
		for _, m := range pairModes {
			names = append(names, f.name+m.name)
			s.fn(f.name+m.name, "the argument is a pairTile")
			s.op("MOVQ t+0(FP), R13")
			for i := range 7 {
				s.op("VBROADCASTSS %d(R13), Z%d", 56+4*i, 25+i)
			}
			s.rows(1)
			bytes := []pointer{{"DI", 16}}
			fixed := func(from string) {
				s.op("MOVBLSX (%s), AX", from)
				s.op("VPBROADCASTD AX, Z24")
				s.op("VCVTDQ2PS Z24, Z24")
			}
			if m.oneA {
				fixed("SI")
			} else {
				bytes = append(bytes, pointer{"SI", 16})
			}
			if m.oneB {
				fixed("DX")
			} else {
				bytes = append(bytes, pointer{"DX", 16})
			}
			s.loop(4, 16, bytes, func(k int, last bool) {
				x, y := 2*k, 2*k+1
				for _, in := range []struct {
					one  bool
					from string
					to   int
				}{{m.oneA, "SI", x}, {m.oneB, "DX", y}} {
					switch {
					case in.one:
						s.op("VMOVAPS Z24, Z%d", in.to)
						continue
					case last:
						s.lastS8("("+in.from+")", in.to)
					default:
						s.op("VPMOVSXBD %d(%s), Z%d", 16*k, in.from, in.to)
					}
					s.op("VCVTDQ2PS Z%d, Z%d", in.to, in.to)
				}
				f.emit(s, x, y)
				s.op("VCVTPS2DQ.RD_SAE Z%d, Z%d", x, x)
				s.op("VPMAXSD Z30, Z%d, Z%d", x, x)
				s.op("VPMINSD Z31, Z%d, Z%d", x, x)
				if last {
					s.op("VPMOVDB Z%d, K1, (DI)", x)
				} else {
					s.op("VPMOVDB Z%d, %d(DI)", x, 16*k)
				}
			})
			s.nextRow()
			s.ret()
		}
	}
	s.table("pairS8AVX512", names)
	s.quantize("quantizeS8AVX512", "VPMOVSDB", 16, false)
	s.quantize("quantizeS16AVX512", "VPMOVSDW", 32, false)
	s.quantize("quantizeEvenS8AVX512", "VPMOVSDB", 16, true)
	s.dequantize("dequantizeS8AVX512", "VPMOVSXBD", 16)
	s.dequantize("dequantizeS16AVX512", "VPMOVSXWD", 32)
	return s.Bytes()
}

// sumS8 replaces x by x × p0 + p2 + y × p1, everything rounded down.
func (s simd) sumS8(x, y int) {
	s.op("VFMADD213PS.RD_SAE Z27, Z25, Z%d", x)
	s.op("VFMADD231PS.RD_SAE Z26, Z%d, Z%d", y, x)
}

// productS8 replaces x by (x − p0) × (y − p1) × p2 + p3, rounded down, with p4 instead of p3 where the product is negative.
func (s simd) productS8(x, y int) {
	s.op("VSUBPS Z25, Z%d, Z%d", x, x)
	s.op("VSUBPS Z26, Z%d, Z%d", y, y)
	s.op("VMULPS Z%d, Z%d, Z%d", y, x, x)
	s.op("VPMOVD2M Z%d, K2", x)
	s.op("VMOVAPS Z28, Z%d", y)
	s.op("VMOVAPS Z29, K2, Z%d", y)
	s.op("VFMADD213PS.RD_SAE Z%d, Z27, Z%d", y, x)
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
