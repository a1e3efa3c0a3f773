package main

import "fmt"

// gemmProductsAVX2 writes what prepares int8 matrices that come at run time for the tiles of AVX2. The arguments are gemm.widenArgs, gemm.copyArgs,
// gemm.pairArgs and gemm.columnArgs.
func gemmProductsAVX2() []byte {
	a := newAsm("Preparing int8 matrices at run time, on AVX2.")
	ones := make([]uint32, 8)
	for i := range ones {
		ones[i] = 0x00010001
	}
	a.data("ones", ones)
	widenRows(a)
	copyPanel(a)
	names := []string{"widenRows", "copyPanel"}
	for _, columns := range []int{8, 16} {
		names = append(names, pairRows(a, columns))
	}
	for _, columns := range []int{8, 16} {
		names = append(names, pairColumns(a, columns))
	}
	a.table("productsAVX2", names)
	return a.Bytes()
}

// widenRows turns rows of int8 into int16 less a zero point, and writes their sum times a factor behind them.
func widenRows(a *asm) {
	a.fn("widenRows", "int8 rows become int16; the argument is a widenArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DX")  // destination
	a.op("MOVQ 8(R13), BX")  // source
	a.op("MOVQ 16(R13), R8") // values of a row
	a.op("MOVQ 24(R13), R9") // rows
	a.op("MOVQ 32(R13), R10")
	a.op("MOVQ 40(R13), R11")
	a.op("VPBROADCASTW 48(R13), Y15") // zero point
	a.op("MOVWLSX 48(R13), R15")
	a.op("VMOVDQU ones<>(SB), Y14")
	a.at("row")
	a.op("MOVQ DX, DI")
	a.op("MOVQ BX, SI")
	a.op("MOVQ R8, CX")
	a.op("VPXOR Y4, Y4, Y4")
	a.op("VPXOR Y5, Y5, Y5")
	a.op("XORL R12, R12") // sum of what the vectors leave
	a.op("SUBQ $32, CX")
	a.op("JLT rest")
	a.at("loop")
	for i := range 2 {
		a.op("VPMOVSXBW %d(SI), Y%d", 16*i, i)
		a.op("VPSUBW Y15, Y%d, Y%d", i, i)
		a.op("VMOVDQU Y%d, %d(DI)", i, 32*i)
		a.op("VPMADDWD Y14, Y%d, Y%d", i, i)
		a.op("VPADDD Y%d, Y%d, Y%d", i, 4+i, 4+i)
	}
	a.op("ADDQ $32, SI")
	a.op("ADDQ $64, DI")
	a.op("SUBQ $32, CX")
	a.op("JGE loop")
	a.at("rest")
	a.op("ADDQ $24, CX")
	a.op("JLT tail")
	a.at("eight")
	a.op("VPMOVSXBW (SI), X0")
	a.op("VPSUBW X15, X0, X0")
	a.op("VMOVDQU X0, (DI)")
	a.op("VPMADDWD X14, X0, X0")
	a.op("VPADDD Y0, Y4, Y4") // the upper half of Y0 is zero
	a.op("ADDQ $8, SI")
	a.op("ADDQ $16, DI")
	a.op("SUBQ $8, CX")
	a.op("JGE eight")
	a.at("tail")
	a.op("ADDQ $8, CX")
	a.op("JEQ done")
	a.at("one")
	a.op("MOVBLSX (SI), AX")
	a.op("SUBL R15, AX")
	a.op("MOVW AX, (DI)")
	a.op("ADDL AX, R12")
	a.op("INCQ SI")
	a.op("ADDQ $2, DI")
	a.op("DECQ CX")
	a.op("JNE one")
	a.at("done")
	a.op("CMPL 52(R13), $0")
	a.op("JEQ next")
	a.op("VPADDD Y5, Y4, Y4")
	a.op("VEXTRACTI128 $1, Y4, X5")
	a.op("VPADDD X5, X4, X4")
	a.op("VPSHUFD $0x4E, X4, X5")
	a.op("VPADDD X5, X4, X4")
	a.op("VPSHUFD $0xB1, X4, X5")
	a.op("VPADDD X5, X4, X4")
	a.op("VMOVD X4, AX")
	a.op("ADDL R12, AX")
	a.op("IMULL 52(R13), AX")
	a.op("MOVL AX, -4(DX)(R11*1)")
	a.at("next")
	a.op("ADDQ R10, BX")
	a.op("ADDQ R11, DX")
	a.op("DECQ R9")
	a.op("JNE row")
	a.op("VZEROUPPER")
	a.op("RET")
}

// copyPanel copies rows of 64 bytes.
func copyPanel(a *asm) {
	a.fn("copyPanel", "64 bytes of each row; the argument is a copyArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI")
	a.op("MOVQ 8(R13), SI")
	a.op("MOVQ 16(R13), R8") // bytes from row to row of the destination
	a.op("MOVQ 24(R13), R9") // of the source
	a.op("MOVQ 32(R13), CX") // rows
	loop := a.label("loop")
	a.at(loop)
	a.op("VMOVUPS (SI), Y0")
	a.op("VMOVUPS 32(SI), Y1")
	a.op("VMOVUPS Y0, (DI)")
	a.op("VMOVUPS Y1, 32(DI)")
	a.op("ADDQ R9, SI")
	a.op("ADDQ R8, DI")
	a.op("DECQ CX")
	a.op("JNE %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
}

// pairRows lays the bytes of two rows side by side, for so many columns in the order that the argument gives.
func pairRows(a *asm, columns int) string {
	name := fmt.Sprintf("pairRows%d", columns)
	a.fn(name, fmt.Sprintf("%d columns of pairs of rows; the argument is a pairArgs", columns))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI")     // destination
	a.op("MOVQ 8(R13), SI")     // first row
	a.op("MOVQ 16(R13), R8")    // bytes between rows
	a.op("MOVQ 24(R13), CX")    // pairs
	a.op("VMOVDQU 32(R13), X7") // order
	loop, load := a.label("loop"), "VMOVDQU"
	if columns == 8 {
		load = "VMOVQ"
	}
	a.at(loop)
	a.op("%s (SI), X0", load)
	a.op("%s (SI)(R8*1), X1", load)
	a.op("VPSHUFB X7, X0, X0")
	a.op("VPSHUFB X7, X1, X1")
	a.op("VPUNPCKLBW X1, X0, X2")
	a.op("VMOVDQU X2, (DI)")
	if columns == 16 {
		a.op("VPUNPCKHBW X1, X0, X3")
		a.op("VMOVDQU X3, 16(DI)")
	}
	a.op("LEAQ (SI)(R8*2), SI")
	a.op("ADDQ $%d, DI", 2*columns)
	a.op("DECQ CX")
	a.op("JNE %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
	return name
}

// pairColumns transposes so many rows in pairs of bytes, 16 bytes of each at a time.
func pairColumns(a *asm, columns int) string {
	name := fmt.Sprintf("pairColumns%d", columns)
	a.fn(name, fmt.Sprintf("%d rows become columns of pairs; the argument is a columnArgs", columns))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI") // destination
	a.op("MOVQ 8(R13), CX") // blocks of 16 bytes
	a.op("XORL SI, SI")
	loop := a.label("loop")
	a.at(loop)
	reg := "X"
	for r := range 8 {
		a.op("MOVQ %d(R13), AX", 16+8*r)
		a.op("VMOVDQU (AX)(SI*1), X%d", r)
		if columns == 16 {
			reg = "Y"
			a.op("MOVQ %d(R13), BX", 16+8*(8+r))
			a.op("VINSERTI128 $1, (BX)(SI*1), Y%d, Y%d", r, r)
		}
	}
	unpack := func(op string, in1, in2, out int) {
		a.op("VPUNPCK%s %s%d, %s%d, %s%d", op, reg, in2, reg, in1, reg, out)
	}
	for r := 0; r < 8; r += 2 { // words of rows r and r+1
		unpack("LWD", r, r+1, 8+r)
		unpack("HWD", r, r+1, 9+r)
	}
	for h := 0; h < 8; h += 4 { // rows 0 to 3, then 4 to 7: two columns in each register
		unpack("LDQ", 8+h, 10+h, h)
		unpack("HDQ", 8+h, 10+h, h+1)
		unpack("LDQ", 9+h, 11+h, h+2)
		unpack("HDQ", 9+h, 11+h, h+3)
	}
	for c := range 4 {
		unpack("LQDQ", c, 4+c, 8)
		unpack("HQDQ", c, 4+c, 9)
		a.op("VMOVDQU %s8, %d(DI)", reg, 2*columns*2*c)
		a.op("VMOVDQU %s9, %d(DI)", reg, 2*columns*(2*c+1))
	}
	a.op("ADDQ $16, SI")
	a.op("ADDQ $%d, DI", 16*columns)
	a.op("DECQ CX")
	a.op("JNE %s", loop)
	a.op("VZEROUPPER")
	a.op("RET")
	return name
}
