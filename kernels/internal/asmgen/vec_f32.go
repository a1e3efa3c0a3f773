package main

// The argument of functions of one input is a vec.elemF32, of those of two a vec.pairF32.

// pairOps are the functions of two inputs, in the order of vec's constants: what computes register d from x and y. Those with a clamp limit the result to
// the argument's two floats.
var pairOps = []struct {
	name  string
	clamp bool
	emit  func(s simd, d, x, y int)
}{
	{"add", true, plainPair("VADDPS")},
	{"sub", true, plainPair("VSUBPS")},
	{"mul", true, plainPair("VMULPS")},
	{"div", true, plainPair("VDIVPS")},
	{"max", false, plainPair("VMAXPS")},
	{"min", false, plainPair("VMINPS")},
	{"squaredDifference", false, func(s simd, d, x, y int) {
		s.op("VSUBPS %s, %s, %s", s.r(y), s.r(x), s.r(d))
		s.op("VMULPS %s, %s, %s", s.r(d), s.r(d), s.r(d))
	}},
	{"prelu", false, func(s simd, d, x, y int) {
		const zero, m, product = 12, 11, 10
		s.op("VXORPS %s, %s, %s", s.r(zero), s.r(zero), s.r(zero))
		s.compare(nge, x, zero, m)
		s.op("VMULPS %s, %s, %s", s.r(y), s.r(x), s.r(product))
		if d != x {
			s.op("VMOVAPS %s, %s", s.r(x), s.r(d))
		}
		s.choose(product, d, m)
	}},
}

func plainPair(op string) func(s simd, d, x, y int) {
	return func(s simd, d, x, y int) { s.op("%s %s, %s, %s", op, s.r(y), s.r(x), s.r(d)) }
}

// pairModes say which inputs are one value for all elements.
var pairModes = []struct {
	name       string
	oneA, oneB bool
}{{"", false, false}, {"One", false, true}, {"OfOne", true, false}}

// vecF32 writes the element-wise functions of float32.
func vecF32(wide bool, isa string) func() []byte {
	return func() []byte {
		s := simd{newAsm("Functions of float32, element by element and row by row, on " + isa + "."), wide}
		s.constants()
		var names []string
		for _, p := range pairOps {
			for _, m := range pairModes {
				name := p.name + m.name
				names = append(names, name)
				const lo, hi, fix = 13, 14, 9
				s.fn(name, "the argument is a pairF32")
				s.op("MOVQ t+0(FP), R13")
				if p.clamp {
					s.op("VBROADCASTSS 56(R13), %s", s.r(lo))
					s.op("VBROADCASTSS 60(R13), %s", s.r(hi))
				}
				s.rows(4)
				pointers := []string{"DI"}
				if m.oneA {
					s.op("VBROADCASTSS (SI), %s", s.r(fix))
				} else {
					pointers = append(pointers, "SI")
				}
				if m.oneB {
					s.op("VBROADCASTSS (DX), %s", s.r(fix))
				} else {
					pointers = append(pointers, "DX")
				}
				s.loop(4, s.lanes(), s.floats(pointers...), func(k int, last bool) {
					x, y := k, 4+k
					if m.oneA {
						x = fix
					} else {
						s.load(at("SI", k*s.size()), x, last)
					}
					if m.oneB {
						y = fix
					} else {
						s.load(at("DX", k*s.size()), y, last)
					}
					p.emit(s, k, x, y)
					if p.clamp {
						s.clamp(k, lo, hi)
					}
					s.store(k, at("DI", k*s.size()), last)
				})
				s.nextRow()
				s.ret()
			}
		}
		s.table("pairF32"+isa, names)
		names = nil
		for _, f := range mapOps {
			names = append(names, f.name)
			s.fn(f.name, "the argument is an elemF32")
			s.begin("SI")
			f.setup(s)
			s.loop(1, s.lanes(), s.floats("DI", "SI"), func(_ int, last bool) {
				s.load("(SI)", 0, last)
				f.emit(s)
				s.store(0, "(DI)", last)
			})
			s.ret()
		}
		s.table("mapF32"+isa, names)
		s.swish(isa)
		s.softmax(isa)
		s.shortSoftmax(isa)
		s.sums(isa)
		s.layerNorm(isa)
		s.expRows(isa)
		return s.Bytes()
	}
}

// rows starts the loop over rows of two inputs whose elements have so many bytes, for an argument that R13 points to: dst, a, b, n, rows, and the bytes
// from row to row of a and b. Those of dst follow each other. Within it DI, SI and DX point to a row, CX is n.
func (s simd) rows(bytes int) {
	s.op("MOVQ 0(R13), R8")
	s.op("MOVQ 8(R13), BX")
	s.op("MOVQ 16(R13), R15")
	s.op("MOVQ 24(R13), R12")
	s.op("MOVQ 32(R13), R9")
	s.op("MOVQ 40(R13), R10")
	s.op("MOVQ 48(R13), R11")
	s.at("row")
	s.op("MOVQ R8, DI")
	s.op("MOVQ BX, SI")
	s.op("MOVQ R15, DX")
	s.op("MOVQ R12, CX")
	s.op("LEAQ (R8)(R12*%d), R8", bytes)
	s.op("ADDQ R10, BX")
	s.op("ADDQ R11, R15")
}

// nextRow ends the loop that rows starts.
func (s simd) nextRow() {
	s.op("DECQ R9")
	s.op("JNE row")
}

// begin loads the pointers of an elemF32 and its length to CX.
func (s simd) begin(inputs ...string) {
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	for i, r := range inputs {
		s.op("MOVQ %d(R13), %s", 8+8*i, r)
	}
	s.op("MOVQ 24(R13), CX")
}

// clamp limits register x to the floats in lo and hi; NaN stays.
func (s simd) clamp(x, lo, hi int) {
	s.op("VMAXPS %s, %s, %s", s.r(x), s.r(lo), s.r(x))
	s.op("VMINPS %s, %s, %s", s.r(x), s.r(hi), s.r(x))
}

// mapOps are the functions of one input, in the order of vec's constants: they replace register 0.
var mapOps = []struct {
	name  string
	setup func(s simd)
	emit  func(s simd)
}{
	{"clamp", twoFloats, func(s simd) { s.clamp(0, 13, 14) }},
	{"leakyRelu", twoFloats, func(s simd) {
		s.op("VXORPS %s, %s, %s", s.r(1), s.r(1), s.r(1))
		s.compare(ngt, 0, 1, 2)
		s.op("VMULPS %s, %s, %s", s.r(13), s.r(0), s.r(3))
		s.choose(3, 0, 2)
	}},
	{"exp", simd.expSetup, func(s simd) { s.exp(0, 1, 2) }},
	{"logistic", func(s simd) {
		s.expSetup()
		s.broadcast("one", 11)
		s.op("VBROADCASTSS 32(R13), %s", s.r(12))
	}, func(s simd) { s.logistic(true) }},
	{"tanh", func(s simd) {
		s.expSetup()
		s.broadcast("-40", expLeast) // e^-40 no longer counts beside 1
		s.broadcast("one", 11)
		s.broadcast("near", 12)
	}, simd.tanh},
	{"hardSwish", func(s simd) {
		s.broadcast("six", 14)
		s.op("VXORPS %s, %s, %s", s.r(13), s.r(13), s.r(13))
	}, func(s simd) {
		s.konst("VADDPS", "three", "%s, %s", s.r(0), s.r(1))
		s.clamp(1, 13, 14)
		s.op("VMULPS %s, %s, %s", s.r(1), s.r(0), s.r(0))
		s.konst("VMULPS", "sixth", "%s, %s", s.r(0), s.r(0))
	}},
	{"abs", nothing, func(s simd) { s.konst("VANDPS", "abs", "%s, %s", s.r(0), s.r(0)) }},
	{"neg", nothing, func(s simd) { s.konst("VXORPS", "sign", "%s, %s", s.r(0), s.r(0)) }},
	{"square", nothing, func(s simd) { s.op("VMULPS %s, %s, %s", s.r(0), s.r(0), s.r(0)) }},
	{"sqrt", nothing, func(s simd) { s.op("VSQRTPS %s, %s", s.r(0), s.r(0)) }},
	{"rsqrt", func(s simd) { s.broadcast("one", 11) }, func(s simd) {
		s.op("VSQRTPS %s, %s", s.r(0), s.r(0))
		s.op("VDIVPS %s, %s, %s", s.r(0), s.r(11), s.r(0))
	}},
	{"roundEven", nothing, func(s simd) { s.round(8) }},
	{"floor", nothing, func(s simd) { s.round(9) }},
	{"ceil", nothing, func(s simd) { s.round(10) }},
	{"gelu", func(s simd) {
		s.downSetup()
		s.broadcast("one", 11)
		s.broadcast("erfEnd", 12)
		s.broadcast("half", 10)
	}, simd.gelu},
	{"geluTanh", func(s simd) {
		s.downSetup()
		s.broadcast("one", 11)
	}, simd.geluTanh},
}

func nothing(simd) {}

func twoFloats(s simd) {
	s.op("VBROADCASTSS 32(R13), %s", s.r(13))
	s.op("VBROADCASTSS 36(R13), %s", s.r(14))
}

// round replaces register 0 by a whole number near it.
func (s simd) round(mode int) {
	op := "VROUNDPS"
	if s.wide {
		op = "VRNDSCALEPS"
	}
	s.op("%s $%d, %s, %s", op, mode, s.r(0), s.r(0))
}

// largest leaves the largest of the CX floats from a register on in the first element of register 0; register infinite holds −Inf. It uses registers 1 to 5.
func (s simd) largest(from string, infinite int) {
	for i := range 4 {
		s.op("VMOVAPS %s, %s", s.r(infinite), s.r(i))
	}
	s.loop(4, s.lanes(), s.floats(from), func(k int, last bool) {
		values := at(from, k*s.size())
		switch {
		case !last:
			s.op("VMAXPS %s, %s, %s", values, s.r(k), s.r(k))
		case s.wide:
			s.op("VMAXPS %s, %s, K1, %s", values, s.r(k), s.r(k))
		default:
			s.load(values, 5, true)
			s.op("VBLENDVPS %s, %s, %s, %s", s.r(tailMask), s.r(5), s.r(infinite), s.r(5))
			s.op("VMAXPS %s, %s, %s", s.r(5), s.r(k), s.r(k))
		}
	})
	s.op("VMAXPS %s, %s, %s", s.r(1), s.r(0), s.r(0))
	s.op("VMAXPS %s, %s, %s", s.r(3), s.r(2), s.r(2))
	s.op("VMAXPS %s, %s, %s", s.r(2), s.r(0), s.r(0))
	s.fold("VMAXPS", 0, 1)
}

// softmax writes the function of whole rows, for a beta that is not negative: the largest value, exponentials and their sum, the division as a product with the inverse.
func (s simd) softmax(isa string) {
	const top, beta, infinite, sum = 12, 11, 10, 9
	s.text("softmaxF32"+isa, "$0-8", "func softmaxF32"+isa+"(t *softmaxF32)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), BX") // rows
	s.op("MOVQ 24(R13), R8") // depth
	s.op("VBROADCASTSS 32(R13), %s", s.r(beta))
	s.downSetup()
	s.broadcast("-inf", infinite)
	s.at("row")
	s.op("MOVQ SI, R9")
	s.op("MOVQ R8, CX")
	s.largest("R9", infinite)
	s.op("VBROADCASTSS X0, %s", s.r(top))

	s.op("VXORPS %s, %s, %s", s.r(sum), s.r(sum), s.r(sum))
	s.op("MOVQ DI, R10")
	s.op("MOVQ R8, CX")
	s.loop(1, s.lanes(), s.floats("SI", "R10"), func(_ int, last bool) {
		s.load("(SI)", 0, last)
		s.op("VSUBPS %s, %s, %s", s.r(top), s.r(0), s.r(0))
		s.op("VMULPS %s, %s, %s", s.r(beta), s.r(0), s.r(0))
		s.expDown([5]int{0, 1, 2, 3, 4})
		switch {
		case !last:
			s.op("VADDPS %s, %s, %s", s.r(0), s.r(sum), s.r(sum))
		case s.wide:
			s.op("VADDPS %s, %s, K1, %s", s.r(0), s.r(sum), s.r(sum))
		default:
			s.op("VANDPS %s, %s, %s", s.r(tailMask), s.r(0), s.r(1))
			s.op("VADDPS %s, %s, %s", s.r(1), s.r(sum), s.r(sum))
		}
		s.store(0, "(R10)", last)
	})
	s.lastAhead("SI")
	s.fold("VADDPS", sum, 1)
	s.op("VMOVSS float<>+%d(SB), X1", 32*constIndex("one"))
	s.op("VDIVSS X%d, X1, X1", sum)
	s.op("VBROADCASTSS X1, %s", s.r(1))
	s.op("MOVQ R8, CX")
	s.loop(4, s.lanes(), s.floats("DI"), func(k int, last bool) {
		to := at("DI", k*s.size())
		s.load(to, 2+k, last)
		s.op("VMULPS %s, %s, %s", s.r(1), s.r(2+k), s.r(2+k))
		s.store(2+k, to, last)
	})
	s.lastAhead("DI")
	s.op("DECQ BX")
	s.op("JNE row")
	s.ret()
}

// lastAhead moves a pointer that loop advanced by whole vectors over the masked rest of a row of R8 floats.
func (s simd) lastAhead(pointer string) {
	s.op("MOVQ R8, CX")
	s.op("ANDQ $%d, CX", s.lanes()-1)
	s.op("LEAQ (%s)(CX*4), %s", pointer, pointer)
}

// fold joins all floats of register i into its first one, with register t as room.
func (s simd) fold(op string, i, t int) {
	if s.wide {
		s.op("VEXTRACTF64X4 $1, Z%d, Y%d", i, t)
		s.op("%s Y%d, Y%d, Y%d", op, t, i, i)
	}
	s.op("VEXTRACTF128 $1, Y%d, X%d", i, t)
	s.op("%s X%d, X%d, X%d", op, t, i, i)
	s.op("VPERMILPS $0x4E, X%d, X%d", i, t)
	s.op("%s X%d, X%d, X%d", op, t, i, i)
	s.op("VPERMILPS $0xB1, X%d, X%d", i, t)
	s.op("%s X%d, X%d, X%d", op, t, i, i)
}
