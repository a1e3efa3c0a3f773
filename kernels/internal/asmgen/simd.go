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

// mask prepares the last vector of the CX elements that remain, 1 to a vector less 1.
func (s simd) mask() {
	if s.wide {
		s.op("MOVQ $-1, AX")
		s.op("SHLQ CX, AX")
		s.op("NOTQ AX")
		s.op("KMOVQ AX, K1")
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

// pointer is a register that a loop moves by so many bytes per vector.
type pointer struct {
	reg  string
	step int
}

// at is the operand off bytes behind a register.
func at(reg string, off int) string { return fmt.Sprintf("%d(%s)", off, reg) }

// blocks writes code for the CX elements at the pointers given: for so many vectors of lanes elements at once, then for one, then for the last with a
// mask. body gets the number of vectors and whether it is the last one.
func (s simd) blocks(vectors, lanes int, pointers []pointer, body func(n int, last bool)) {
	done := s.label("done")
	whole := func(n int) {
		again, rest := s.label("block"), s.label("rest")
		s.op("SUBQ $%d, CX", n*lanes)
		s.op("JLT %s", rest)
		s.at(again)
		body(n, false)
		for _, p := range pointers {
			s.op("ADDQ $%d, %s", n*p.step, p.reg)
		}
		s.op("SUBQ $%d, CX", n*lanes)
		s.op("JGE %s", again)
		s.at(rest)
		s.op("ADDQ $%d, CX", n*lanes)
	}
	if vectors > 1 {
		whole(vectors)
	}
	whole(1)
	s.op("TESTQ CX, CX")
	s.op("JEQ %s", done)
	s.mask()
	body(1, true)
	s.at(done)
}

// loop is blocks with a body for each vector: k counts those at once.
func (s simd) loop(unroll, lanes int, pointers []pointer, body func(k int, last bool)) {
	s.blocks(unroll, lanes, pointers, func(n int, last bool) {
		for k := range n {
			body(k, last)
		}
	})
}

// lanes is how many floats a register holds.
func (s simd) lanes() int { return s.size() / 4 }

// floats are pointers to floats.
func (s simd) floats(regs ...string) []pointer {
	var ps []pointer
	for _, r := range regs {
		ps = append(ps, pointer{r, s.size()})
	}
	return ps
}

// ret ends a function.
func (s simd) ret() {
	s.op("VZEROUPPER")
	s.op("RET")
}

// init adds the files that are written with simd.
func init() {
	for name, generate := range map[string]func() []byte{
		"move/transpose_avx2_amd64.s": transposeAVX2,
		"move/rows_avx512_amd64.s":    copyRowsAVX512,
		"vec/f32_avx512_amd64.s":      vecF32(true, "AVX512"),
		"vec/f32_avx2_amd64.s":        vecF32(false, "AVX2"),
		"vec/s8_avx512_amd64.s":       vecS8AVX512,
		"vec/s8_avx2_amd64.s":         vecS8AVX2,
		"vec/softmax_s8_avx2_amd64.s": softmaxS8AVX2,
		"pool/f32_avx512_amd64.s":     poolF32(true, "AVX512"),
		"pool/f32_avx2_amd64.s":       poolF32(false, "AVX2"),
		"pool/s8_avx512_amd64.s":      poolS8AVX512,
		"pool/s8_avx2_amd64.s":        poolS8AVX2,
	} {
		files[name] = generate
	}
}
