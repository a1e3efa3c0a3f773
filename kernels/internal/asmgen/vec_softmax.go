package main

import "fmt"

// shortSoftmax writes the softmax of rows that fit into one to four registers and stay in them, for a positive beta. The argument is a vec.softmaxF32.
func (s simd) shortSoftmax(isa string) {
	const top, beta, infinite, sum, n, p = 12, 11, 10, 9, 4, 5
	var names []string
	for vectors := 1; vectors <= 4; vectors++ {
		name := fmt.Sprintf("softmax%d", vectors)
		names = append(names, name)
		s.fn(name, "the argument is a softmaxF32")
		s.op("MOVQ t+0(FP), R13")
		s.op("MOVQ 0(R13), DI")
		s.op("MOVQ 8(R13), SI")
		s.op("MOVQ 16(R13), BX") // rows
		s.op("MOVQ 24(R13), R8") // depth
		s.op("VBROADCASTSS 32(R13), %s", s.r(beta))
		s.downSetup()
		s.broadcast("-inf", infinite)
		s.op("LEAQ %d(R8), CX", -s.lanes()*(vectors-1))
		s.mask()
		last := vectors - 1
		s.at("row")
		for v := range vectors {
			from := at("SI", v*s.size())
			switch {
			case v < last:
				s.load(from, v, false)
			case s.wide:
				s.op("VMOVAPS %s, %s", s.r(infinite), s.r(v))
				s.op("VMOVUPS %s, K1, %s", from, s.r(v))
			default:
				s.load(from, v, true)
				s.op("VBLENDVPS %s, %s, %s, %s", s.r(tailMask), s.r(v), s.r(infinite), s.r(v))
			}
		}
		s.op("VMOVAPS %s, %s", s.r(0), s.r(top))
		for v := 1; v < vectors; v++ {
			s.op("VMAXPS %s, %s, %s", s.r(v), s.r(top), s.r(top))
		}
		s.fold("VMAXPS", top, n)
		s.op("VBROADCASTSS X%d, %s", top, s.r(top))
		for v := range vectors {
			s.op("VSUBPS %s, %s, %s", s.r(top), s.r(v), s.r(v))
			s.op("VMULPS %s, %s, %s", s.r(beta), s.r(v), s.r(v))
			s.expDown([5]int{v, n, p, 6, 7}) // of what lies behind the row: 0
		}
		s.op("VMOVAPS %s, %s", s.r(0), s.r(sum))
		for v := 1; v < vectors; v++ {
			s.op("VADDPS %s, %s, %s", s.r(v), s.r(sum), s.r(sum))
		}
		s.fold("VADDPS", sum, n)
		s.op("VMOVSS float<>+%d(SB), X%d", 32*constIndex("one"), n)
		s.op("VDIVSS X%d, X%d, X%d", sum, n, n)
		s.op("VBROADCASTSS X%d, %s", n, s.r(n))
		for v := range vectors {
			s.op("VMULPS %s, %s, %s", s.r(n), s.r(v), s.r(v))
			s.store(v, at("DI", v*s.size()), v == last)
		}
		s.op("LEAQ (SI)(R8*4), SI")
		s.op("LEAQ (DI)(R8*4), DI")
		s.op("DECQ BX")
		s.op("JNE row")
		s.ret()
	}
	s.table("softmaxShortF32"+isa, names)
}
