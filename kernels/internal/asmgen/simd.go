package main

import "fmt"

// simd writes vector code for two instruction sets from one description: registers of 512 bits with masks (AVX512) or of 256 bits (AVX2).
// Register 15 holds the mask of the last vector on AVX2, K1 on AVX512; there R13 holds the argument's address.
type simd struct {
	*asm
	wide bool
}

// r names register i.
func (s simd) r(i int) string {
	if s.wide {
		return fmt.Sprintf("Z%d", i)
	}
	return fmt.Sprintf("Y%d", i)
}

// size is the bytes of a register.
func (s simd) size() int {
	if s.wide {
		return 64
	}
	return 32
}

// tailMask is the register that mask fills on AVX2.
const tailMask = 15

// constants are the tables that all functions of a file may use: float32 values eight times each, and the masks of the last vector.
func (s simd) constants() {
	words := make([]uint32, 0, 8*len(floatConsts))
	for _, c := range floatConsts {
		for range 8 {
			words = append(words, c.bits)
		}
	}
	s.data("float", words)
	if !s.wide {
		s.data("tail", []uint32{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), 0, 0, 0, 0, 0, 0, 0, 0})
	}
}

// konst writes an instruction whose first operand is a constant; format has the operands after it.
func (s simd) konst(op, name, rest string, args ...any) {
	if s.wide && op != "VBROADCASTSS" {
		op += ".BCST"
	}
	s.op("%s float<>+%d(SB), %s", op, 32*constIndex(name), fmt.Sprintf(rest, args...))
}

// broadcast fills register i with a constant.
func (s simd) broadcast(name string, i int) { s.konst("VBROADCASTSS", name, "%s", s.r(i)) }

// mask prepares the last vector of the CX floats that remain, 1 to a vector less 1.
func (s simd) mask() {
	if s.wide {
		s.op("MOVL $-1, AX")
		s.op("SHLL CX, AX")
		s.op("NOTL AX")
		s.op("KMOVW AX, K1")
		return
	}
	s.op("LEAQ tail<>+32(SB), AX")
	s.op("SHLQ $2, CX")
	s.op("SUBQ CX, AX")
	s.op("VMOVDQU (AX), %s", s.r(tailMask))
}

// load reads a vector of floats, the last one with zeros behind its end.
func (s simd) load(from string, i int, last bool) {
	switch {
	case !last:
		s.op("VMOVUPS %s, %s", from, s.r(i))
	case s.wide:
		s.op("VMOVUPS.Z %s, K1, %s", from, s.r(i))
	default:
		s.op("VMASKMOVPS %s, %s, %s", from, s.r(tailMask), s.r(i))
	}
}

// store writes a vector of floats.
func (s simd) store(i int, to string, last bool) {
	switch {
	case !last:
		s.op("VMOVUPS %s, %s", s.r(i), to)
	case s.wide:
		s.op("VMOVUPS %s, K1, %s", s.r(i), to)
	default:
		s.op("VMASKMOVPS %s, %s, %s", s.r(i), s.r(tailMask), to)
	}
}

// loop runs body over the CX floats at the pointers given: unroll vectors at once, then one, then the last with a mask. body gets the byte offset, the
// number of the vector within the round, and whether it is the last one.
func (s simd) loop(unroll int, pointers []string, body func(at, k int, last bool)) {
	lanes := s.size() / 4
	step := func(n int) {
		for _, p := range pointers {
			s.op("ADDQ $%d, %s", n*s.size(), p)
		}
	}
	single, rest, done := s.label("single"), s.label("rest"), s.label("done")
	if unroll > 1 {
		many := s.label("many")
		s.op("SUBQ $%d, CX", unroll*lanes)
		s.op("JLT %s", rest)
		s.at(many)
		for k := range unroll {
			body(k*s.size(), k, false)
		}
		step(unroll)
		s.op("SUBQ $%d, CX", unroll*lanes)
		s.op("JGE %s", many)
		s.at(rest)
		s.op("ADDQ $%d, CX", unroll*lanes)
		rest = s.label("rest")
	}
	s.op("SUBQ $%d, CX", lanes)
	s.op("JLT %s", rest)
	s.at(single)
	body(0, 0, false)
	step(1)
	s.op("SUBQ $%d, CX", lanes)
	s.op("JGE %s", single)
	s.at(rest)
	s.op("ADDQ $%d, CX", lanes)
	s.op("JEQ %s", done)
	s.mask()
	body(0, 0, true)
	s.at(done)
}

// ret ends a function.
func (s simd) ret() {
	s.op("VZEROUPPER")
	s.op("RET")
}

// init adds the files that are written with simd.
func init() {
	for name, generate := range map[string]func() []byte{
		"vec/f32_avx512_amd64.s": vecF32(true, "AVX512"),
		"vec/f32_avx2_amd64.s":   vecF32(false, "AVX2"),
	} {
		files[name] = generate
	}
}
