package main

import "fmt"

// gemmPackAVX512 writes what packs the right side of a product at run time, the store of hybrid layers, and what prepares rows. The arguments are gemm.turnArgs,
// gemm.weaveArgs, gemm.hybridArgs and gemm.widenArgs.
func gemmPackAVX512() []byte {
	a := newAsm("Packing at run time, the store of hybrid layers and the preparation of int8 rows, on AVX512.")
	turn(a)
	weave(a)
	hybridStore(a)
	flipRows(a)
	a.table("packAVX512", []string{"turn", "weave", "hybridStore", "flipRows"})
	return a.Bytes()
}

// flipRows copies rows with 128 added to each byte, and writes their sum times a factor behind them, of the bytes as they were.
func flipRows(a *asm) {
	a.fn("flipRows", "int8 rows become uint8; the argument is a widenArgs without a zero point")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DX")   // destination
	a.op("MOVQ 8(R13), BX")   // source
	a.op("MOVQ 16(R13), R12") // values of a row
	a.op("MOVQ 24(R13), R9")  // rows
	a.op("MOVQ 32(R13), R10")
	a.op("MOVQ 40(R13), R11")
	a.op("MOVL 52(R13), R8") // factor
	a.op("MOVL $0x80, AX")
	a.op("VPBROADCASTB AX, Z31")
	a.op("MOVL $1, AX")
	a.op("VPBROADCASTB AX, Z30")
	a.op("MOVL R12, AX")
	a.op("ANDL $63, AX") // of the last vector
	a.op("MOVQ $-1, R15")
	a.op("BZHIQ AX, R15, R15")
	a.op("KMOVQ R15, K1")
	a.op("SHRQ $6, R12") // whole vectors
	row, vector, rest, sum, next := a.label("row"), a.label("vector"), a.label("rest"), a.label("sum"), a.label("next")
	a.at(row)
	a.op("MOVQ DX, DI")
	a.op("MOVQ BX, SI")
	a.op("VPXOR X2, X2, X2")
	a.op("MOVQ R12, CX")
	a.op("TESTQ CX, CX")
	a.op("JEQ %s", rest)
	a.at(vector)
	a.op("VMOVDQU64 (SI), Z0")
	a.op("VPXORQ Z31, Z0, Z1")
	a.op("VMOVDQU64 Z1, (DI)")
	a.op("VPDPBUSD Z0, Z30, Z2")
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, DI")
	a.op("DECQ CX")
	a.op("JNE %s", vector)
	a.op("TESTQ R15, R15")
	a.op("JEQ %s", sum)
	a.at(rest)
	a.op("VMOVDQU8.Z (SI), K1, Z0")
	a.op("VPXORQ Z31, Z0, Z1")
	a.op("VMOVDQU8 Z1, K1, (DI)")
	a.op("VPDPBUSD Z0, Z30, Z2")
	a.at(sum)
	a.op("TESTL R8, R8")
	a.op("JEQ %s", next)
	a.op("VEXTRACTI64X4 $1, Z2, Y3")
	a.op("VPADDD Y3, Y2, Y2")
	a.op("VEXTRACTI128 $1, Y2, X3")
	a.op("VPADDD X3, X2, X2")
	a.op("VPSHUFD $0x4E, X2, X3")
	a.op("VPADDD X3, X2, X2")
	a.op("VPSHUFD $0xB1, X2, X3")
	a.op("VPADDD X3, X2, X2")
	a.op("VMOVD X2, AX")
	a.op("IMULL R8, AX")
	a.op("MOVL AX, -4(DX)(R11*1)")
	a.at(next)
	a.op("ADDQ R10, BX")
	a.op("ADDQ R11, DX")
	a.op("DECQ R9")
	a.op("JNE %s", row)
	a.op("VZEROUPPER")
	a.op("RET")
}

// lanes4x4 writes the four vectors whose 128-bit lanes are a transposition of those of in: out[i] lane j is in[j] lane i. tmp are four more.
func lanes4x4(a *asm, in, tmp, out [4]string) {
	a.op("VSHUFI32X4 $0x88, %s, %s, %s", in[1], in[0], tmp[0])
	a.op("VSHUFI32X4 $0xDD, %s, %s, %s", in[1], in[0], tmp[1])
	a.op("VSHUFI32X4 $0x88, %s, %s, %s", in[3], in[2], tmp[2])
	a.op("VSHUFI32X4 $0xDD, %s, %s, %s", in[3], in[2], tmp[3])
	a.op("VSHUFI32X4 $0x88, %s, %s, %s", tmp[2], tmp[0], out[0])
	a.op("VSHUFI32X4 $0x88, %s, %s, %s", tmp[3], tmp[1], out[1])
	a.op("VSHUFI32X4 $0xDD, %s, %s, %s", tmp[2], tmp[0], out[2])
	a.op("VSHUFI32X4 $0xDD, %s, %s, %s", tmp[3], tmp[1], out[3])
}

// turn transposes up to 16 rows of 32-bit words; the last row stands for those that are missing.
func turn(a *asm) {
	a.fn("turn", "16 rows of words become 16 columns; the argument is a turnArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), SI")   // source
	a.op("MOVQ 8(R13), R8")   // bytes between its rows
	a.op("MOVQ 16(R13), R10") // rows
	a.op("MOVQ 24(R13), CX")  // bytes of a row
	a.op("MOVQ 32(R13), DX")  // destination
	a.op("MOVQ 40(R13), DI")  // bytes between its rows
	loop, full := a.label("loop"), a.label("full")
	a.at(loop)
	a.op("MOVQ $-1, R15")
	a.op("KMOVQ R15, K1")
	a.op("CMPQ CX, $64")
	a.op("JGE %s", full)
	a.op("BZHIQ CX, R15, R15")
	a.op("KMOVQ R15, K1")
	a.at(full)
	a.op("MOVQ SI, AX")
	for r := range 16 {
		a.op("VMOVDQU8.Z (AX), K1, Z%d", r)
		if r < 15 {
			a.op("LEAQ (AX)(R8*1), R9")
			a.op("CMPQ R10, $%d", r+1)
			a.op("CMOVQGT R9, AX")
		}
	}
	for r := 0; r < 16; r += 2 {
		a.op("VPUNPCKLDQ Z%d, Z%d, Z%d", r+1, r, 16+r)
		a.op("VPUNPCKHDQ Z%d, Z%d, Z%d", r+1, r, 17+r)
	}
	for g := 0; g < 16; g += 4 {
		a.op("VPUNPCKLQDQ Z%d, Z%d, Z%d", 18+g, 16+g, g)
		a.op("VPUNPCKHQDQ Z%d, Z%d, Z%d", 18+g, 16+g, g+1)
		a.op("VPUNPCKLQDQ Z%d, Z%d, Z%d", 19+g, 17+g, g+2)
		a.op("VPUNPCKHQDQ Z%d, Z%d, Z%d", 19+g, 17+g, g+3)
	}
	z := func(n int) string { return fmt.Sprintf("Z%d", n) }
	for j := range 4 { // in place: column 4·l+j of the block comes to rest in register 4·l+j
		q := [4]string{z(j), z(4 + j), z(8 + j), z(12 + j)}
		t := 16 + 4*j
		lanes4x4(a, q, [4]string{z(t), z(t + 1), z(t + 2), z(t + 3)}, q)
	}
	for c := range 16 {
		a.op("VMOVDQU32 Z%d, (DX)", c)
		a.op("ADDQ DI, DX")
	}
	a.op("ADDQ $64, SI")
	a.op("SUBQ $64, CX")
	a.op("JGT %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
}

// weave brings rows of up to 64 bytes together four by four: the bytes of a column become one word.
func weave(a *asm) {
	a.fn("weave", "bytes of four rows become words; the argument is a weaveArgs")
	a.op("MOVQ t+0(FP), R13")
	for r, reg := range []string{"AX", "BX", "R8", "R9"} {
		a.op("MOVQ %d(R13), %s", 8*r, reg)
	}
	a.op("MOVQ 32(R13), SI") // bytes to the next four rows
	a.op("MOVQ 40(R13), CX") // fours of rows
	a.op("MOVQ 48(R13), DX") // destination
	a.op("MOVQ 56(R13), DI") // bytes to the next words
	a.op("MOVQ 64(R13), R15")
	a.op("KMOVQ R15, K1")
	loop := a.label("loop")
	a.at(loop)
	for r, reg := range []string{"AX", "BX", "R8", "R9"} {
		a.op("VMOVDQU8.Z (%s), K1, Z%d", reg, r)
		a.op("ADDQ SI, %s", reg)
	}
	a.op("VPUNPCKLBW Z1, Z0, Z4")
	a.op("VPUNPCKHBW Z1, Z0, Z5")
	a.op("VPUNPCKLBW Z3, Z2, Z6")
	a.op("VPUNPCKHBW Z3, Z2, Z7")
	a.op("VPUNPCKLWD Z6, Z4, Z0")
	a.op("VPUNPCKHWD Z6, Z4, Z1")
	a.op("VPUNPCKLWD Z7, Z5, Z2")
	a.op("VPUNPCKHWD Z7, Z5, Z3")
	q := [4]string{"Z0", "Z1", "Z2", "Z3"}
	lanes4x4(a, q, [4]string{"Z4", "Z5", "Z6", "Z7"}, q)
	for v := range 4 {
		a.op("VMOVDQU32 Z%d, %d(DX)", v, 64*v)
	}
	a.op("ADDQ DI, DX")
	a.op("DECQ CX")
	a.op("JNE %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
}

// hybridStore scales one row of sums.
func hybridStore(a *asm) {
	a.fn("hybridStore", "sums become floats; the argument is a hybridArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")           // sums
	a.op("MOVQ 8(R13), BX")           // sums of the weights
	a.op("MOVQ 16(R13), SI")          // scales
	a.op("MOVQ 24(R13), R8")          // bias
	a.op("MOVQ 32(R13), DX")          // destination
	a.op("MOVQ 40(R13), CX")          // columns
	a.op("MOVBLZX 64(R13), R9")       // by turns
	a.op("VPBROADCASTD 48(R13), Z16") // what the sums of the weights count
	a.op("VBROADCASTSS 52(R13), Z17") // scale of the row
	a.op("VBROADCASTSS 56(R13), Z18")
	a.op("VBROADCASTSS 60(R13), Z19")
	loop, full, turns, bias := a.label("loop"), a.label("full"), a.label("turns"), a.label("bias")
	a.at(loop)
	a.op("MOVL $0xFFFF, R15")
	a.op("CMPQ CX, $16")
	a.op("JGE %s", full)
	a.op("BZHIQ CX, R15, R15")
	a.at(full)
	a.op("KMOVW R15, K1")
	a.op("VPMULLD (BX), Z16, Z0")
	a.op("VPADDD (AX), Z0, Z0")
	a.op("VCVTDQ2PS Z0, Z0")
	a.op("VMOVUPS (SI), Z1")
	a.op("TESTQ R9, R9")
	a.op("JNE %s", turns)
	a.op("VMULPS Z1, Z17, Z1")
	a.op("VMULPS Z1, Z0, Z0")
	a.op("JMP %s", bias)
	a.at(turns)
	a.op("VMULPS Z1, Z0, Z0")
	a.op("VMULPS Z17, Z0, Z0")
	a.at(bias)
	a.op("VADDPS (R8), Z0, Z0")
	a.op("VMAXPS Z0, Z18, Z0")
	a.op("VMINPS Z0, Z19, Z0")
	a.op("VMOVUPS Z0, K1, (DX)")
	for _, r := range []string{"AX", "BX", "SI", "R8", "DX"} {
		a.op("ADDQ $64, %s", r)
	}
	a.op("SUBQ $16, CX")
	a.op("JGT %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
}
