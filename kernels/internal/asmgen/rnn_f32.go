package main

import "fmt"

// init adds the files of the recurrent layers.
func init() {
	files["rnn/f32_avx512_amd64.s"] = rnnF32(true, "AVX512")
	files["rnn/f32_avx2_amd64.s"] = rnnF32(false, "AVX2")
}

// rnnVectors is how many vectors of sums the widest product has.
func (s simd) rnnVectors() int {
	if s.wide {
		return 16
	}
	return 12
}

// rnnF32 writes the products of a matrix with one vector and the gates of recurrent layers. Their arguments are rnn.productArgs and rnn.gateArgs.
func rnnF32(wide bool, isa string) func() []byte {
	return func() []byte {
		s := simd{newAsm("Products with one vector and the gates of recurrent layers, on " + isa + "."), wide}
		s.constants()
		var names []string
		for _, half := range []bool{false, true} {
			for v := 1; v <= s.rnnVectors(); v++ {
				name := fmt.Sprintf("product%d", v)
				if half {
					name = fmt.Sprintf("productBF16x%d", v)
				}
				names = append(names, name)
				s.rnnProduct(name, v, half)
			}
		}
		s.table("products"+isa, names)
		s.rnnGates()
		s.table("gates"+isa, []string{"lstm", "gruAfter", "gruReset", "gruOut"})
		return s.Bytes()
	}
}

// rnnProduct adds the product of a panel [k][columns] with a vector to what stands in init. Halves are bfloat16, two k in a word.
func (s simd) rnnProduct(name string, vectors int, half bool) {
	s.fn(name, "the argument is a productArgs")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")  // destination
	s.op("MOVQ 8(R13), SI")  // init
	s.op("MOVQ 16(R13), AX") // vector
	s.op("MOVQ 24(R13), BX") // panel
	s.op("MOVQ 32(R13), CX") // k, or pairs of k
	size := s.size()
	sets := 1 // of sums, so that additions need not wait for each other
	for vectors*sets < 8 && vectors*sets*2 <= s.rnnVectors() && sets < 4 {
		sets *= 2
	}
	sum := func(set, v int) string { return s.r(set*vectors + v) }
	for v := range vectors {
		s.op("VMOVUPS %d(SI), %s", v*size, sum(0, v))
		for set := 1; set < sets; set++ {
			s.op("VXORPS %s, %s, %s", sum(set, v), sum(set, v), sum(set, v))
		}
	}
	scratch := s.rnnVectors() // four registers behind the sums
	x, hi, mask := s.r(scratch), s.r(scratch+1), s.r(scratch+3)
	if half {
		s.op("MOVL $0xFFFF0000, R8")
		s.op("VMOVD R8, %s", fmt.Sprintf("X%d", scratch+3))
		s.op("VPBROADCASTD %s, %s", fmt.Sprintf("X%d", scratch+3), mask)
	}
	group := func(set int) {
		if !half {
			s.op("VBROADCASTSS %d(AX), %s", 4*set, x)
			for v := range vectors {
				s.op("VFMADD231PS %d(BX), %s, %s", (set*vectors+v)*size, x, sum(set, v))
			}
			return
		}
		s.op("VBROADCASTSS %d(AX), %s", 8*set, x)
		s.op("VBROADCASTSS %d(AX), %s", 8*set+4, hi)
		w := s.r(scratch + 2)
		and := "VPAND"
		if s.wide {
			and = "VPANDD"
		}
		for v := range vectors {
			at := (set*vectors + v) * size
			if s.wide {
				s.op("VPSLLD $16, %d(BX), %s", at, w)
			} else {
				s.op("VMOVUPS %d(BX), %s", at, w)
				s.op("VPSLLD $16, %s, %s", w, w)
			}
			s.op("VFMADD231PS %s, %s, %s", w, x, sum(set, v))
			s.op("%s %d(BX), %s, %s", and, at, mask, w)
			s.op("VFMADD231PS %s, %s, %s", w, hi, sum(set, v))
		}
	}
	step := 4
	if half {
		step = 8
	}
	advance := func(n int) {
		s.op("ADDQ $%d, BX", n*vectors*size)
		s.op("ADDQ $%d, AX", n*step)
	}
	loop, tail, done := s.label("loop"), s.label("tail"), s.label("done")
	unroll := max(sets, 1)
	// R9 and R12 are the steps, SI and DX what is left for the tail.
	s.op("MOVQ CX, R10")
	s.op("SHRQ $%d, R10", map[int]int{1: 0, 2: 1, 4: 2}[unroll])
	s.op("IMUL3Q $%d, R10, SI", unroll*vectors*size)
	s.op("ADDQ BX, SI")
	s.op("IMUL3Q $%d, R10, DX", unroll*step)
	s.op("ADDQ AX, DX")
	s.op("MOVQ $%d, R9", unroll*vectors*size)
	s.op("MOVQ $%d, R12", unroll*step)
	forth := s.label("forth")
	s.op("CMPQ 40(R13), $0")
	s.op("JEQ %s", forth)
	s.op("MOVQ SI, BX")
	s.op("SUBQ R9, BX")
	s.op("MOVQ DX, AX")
	s.op("SUBQ R12, AX")
	s.op("NEGQ R9")
	s.op("NEGQ R12")
	s.at(forth)
	s.op("TESTQ R10, R10")
	s.op("JEQ %s", tail)
	s.op("PCALIGN $32")
	s.at(loop)
	for set := range unroll {
		group(set)
	}
	s.op("ADDQ R9, BX")
	s.op("ADDQ R12, AX")
	s.op("DECQ R10")
	s.op("JNE %s", loop)
	s.at(tail)
	if unroll > 1 {
		s.op("MOVQ SI, BX")
		s.op("MOVQ DX, AX")
		s.op("ANDQ $%d, CX", unroll-1)
	}
	if unroll > 1 {
		one := s.label("one")
		s.op("JEQ %s", done)
		s.at(one)
		group(0)
		advance(1)
		s.op("DECQ CX")
		s.op("JNE %s", one)
		s.at(done)
	}
	for v := range vectors {
		for set := 1; set < sets; set++ {
			s.op("VADDPS %s, %s, %s", sum(set, v), sum(0, v), sum(0, v))
		}
		s.op("VMOVUPS %s, %d(DI)", sum(0, v), v*size)
	}
	s.ret()
}

// rnnGates writes what follows the products: activations and the new states, for whole vectors of units.
func (s simd) rnnGates() {
	begin := func(name string) {
		s.fn(name, "the argument is a gateArgs")
		s.op("MOVQ t+0(FP), R13")
		for i, r := range []string{"AX", "BX", "DX", "SI", "DI", "R8"} { // four gates, hidden state, cell state
			s.op("MOVQ %d(R13), %s", 8*i, r)
		}
		s.op("MOVQ 48(R13), CX") // units
		s.expSetup()
		s.broadcast("one", 11)
	}
	loop := func(body func()) {
		s.loop(1, s.lanes(), s.floats("AX", "BX", "DX", "SI", "DI", "R8"), func(_ int, last bool) {
			if !last {
				body()
			}
		})
		s.ret()
	}
	sigmoid := func(reg string) {
		if s.wide {
			s.broadcast("-inf", 12)
		}
		s.load("("+reg+")", 0, false)
		s.logistic(false)
	}
	tanh := func() {
		s.broadcast("near", 12)
		s.tanh()
	}
	keep := func(i int) { s.op("VMOVAPS %s, %s", s.r(0), s.r(i)) }

	begin("lstm")        // input, forget, cell, output
	const lo, hi = 9, 10 // of the cell state
	s.op("VBROADCASTSS 56(R13), %s", s.r(lo))
	s.op("VBROADCASTSS 60(R13), %s", s.r(hi))
	loop(func() {
		sigmoid("AX")
		keep(6)
		sigmoid("BX")
		keep(7)
		s.load("(DX)", 0, false)
		tanh()
		s.op("VMULPS %s, %s, %s", s.r(6), s.r(0), s.r(6))
		s.op("VMULPS (R8), %s, %s", s.r(7), s.r(7))
		s.op("VADDPS %s, %s, %s", s.r(6), s.r(7), s.r(6))
		s.clamp(6, lo, hi)
		s.store(6, "(R8)", false)
		sigmoid("SI")
		keep(7)
		s.op("VMOVAPS %s, %s", s.r(6), s.r(0))
		tanh()
		s.op("VMULPS %s, %s, %s", s.r(7), s.r(0), s.r(0))
		s.store(0, "(DI)", false)
	})
	// mix makes the hidden state from the candidate in register 0 and the update gate in register 6.
	mix := func() {
		s.op("VSUBPS %s, %s, %s", s.r(6), s.r(11), s.r(7))
		s.op("VMULPS %s, %s, %s", s.r(7), s.r(0), s.r(0))
		s.op("VMULPS (DI), %s, %s", s.r(6), s.r(6))
		s.op("VADDPS %s, %s, %s", s.r(6), s.r(0), s.r(0))
		s.store(0, "(DI)", false)
	}
	begin("gruAfter") // update, reset, candidate's product with the state, that with the input
	loop(func() {
		sigmoid("AX")
		keep(6)
		sigmoid("BX")
		s.op("VMULPS (DX), %s, %s", s.r(0), s.r(0))
		s.op("VADDPS (SI), %s, %s", s.r(0), s.r(0))
		tanh()
		mix()
	})
	begin("gruReset") // reset; its product with the state goes to where the cell state would be
	loop(func() {
		sigmoid("BX")
		s.op("VMULPS (DI), %s, %s", s.r(0), s.r(0))
		s.store(0, "(R8)", false)
	})
	begin("gruOut") // update, -, candidate
	loop(func() {
		sigmoid("AX")
		keep(6)
		s.load("(DX)", 0, false)
		tanh()
		mix()
	})
}
