package main

import "fmt"

// transposeAVX2 writes the transposition of a few times 8 rows of 32-bit elements, 8 columns at a time: so that lines of dst are filled before they leave
// the first-level cache. The argument is a move.matrix.
func transposeAVX2() []byte {
	s := simd{newAsm("Transposition of 32-bit elements on AVX2."), false}
	s.text("transposeTilesAVX2", "$0-8", "func transposeTilesAVX2(t *matrix)")
	s.op("MOVQ t+0(FP), R13")
	s.op("MOVQ 0(R13), DI")
	s.op("MOVQ 8(R13), SI")
	s.op("MOVQ 16(R13), R8") // bytes from row to row of dst
	s.op("MOVQ 24(R13), R9") // of src
	s.op("MOVQ 32(R13), CX") // eights of columns
	s.op("LEAQ (R8)(R8*2), R10")
	s.op("LEAQ (R9)(R9*2), R11")
	s.at("column")
	s.op("MOVQ DI, R12")
	s.op("MOVQ SI, R15")
	s.op("MOVQ 40(R13), AX") // eights of rows
	s.at("tile")
	s.op("LEAQ (SI)(R9*4), DX")
	s.op("LEAQ (DI)(R8*4), BX")
	rows := func(base, other, step, triple string) []string {
		var r []string
		for _, b := range []string{base, other} {
			r = append(r, fmt.Sprintf("(%s)", b), fmt.Sprintf("(%s)(%s*1)", b, step), fmt.Sprintf("(%s)(%s*2)", b, step), fmt.Sprintf("(%s)(%s*1)", b, triple))
		}
		return r
	}
	in, out := rows("SI", "DX", "R9", "R11"), rows("DI", "BX", "R8", "R10")
	// Rows i and i+4 share a register for the first four columns, and another for the last four: what then happens within the halves is
	// a transposition of four by four.
	for half := range 2 {
		for i := range 4 {
			r := 4*half + i
			from := func(at string) string { return fmt.Sprintf("%d%s", 16*half, at) }
			s.op("VMOVUPS %s, X%d", from(in[i]), r)
			s.op("VINSERTF128 $1, %s, Y%d, Y%d", from(in[i+4]), r, r)
		}
	}
	for half := range 2 {
		b := 4 * half
		s.op("VUNPCKLPS Y%d, Y%d, Y%d", b+1, b, 8)
		s.op("VUNPCKHPS Y%d, Y%d, Y%d", b+1, b, 9)
		s.op("VUNPCKLPS Y%d, Y%d, Y%d", b+3, b+2, 10)
		s.op("VUNPCKHPS Y%d, Y%d, Y%d", b+3, b+2, 11)
		s.op("VUNPCKLPD Y10, Y8, Y12")
		s.op("VUNPCKHPD Y10, Y8, Y13")
		s.op("VUNPCKLPD Y11, Y9, Y14")
		s.op("VUNPCKHPD Y11, Y9, Y15")
		for i := range 4 {
			s.op("VMOVUPS Y%d, %s", 12+i, out[b+i])
		}
	}
	s.op("LEAQ (SI)(R9*8), SI")
	s.op("ADDQ $32, DI")
	s.op("DECQ AX")
	s.op("JNE tile")
	s.op("LEAQ 32(R15), SI")
	s.op("LEAQ (R12)(R8*8), DI")
	s.op("DECQ CX")
	s.op("JNE column")
	s.ret()
	return s.Bytes()
}
