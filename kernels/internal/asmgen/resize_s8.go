package main

// init adds the files of bilinear interpolation in fixed point.
func init() {
	files["resize/s8_avx2_amd64.s"] = bilinearS8AVX2
	files["resize/s8_neon_arm64.s"] = bilinearS8Arm64
}

// fixedBits are the digits behind the point of the product of two weights of a resize.FixedTap.
const fixedBits = 20

// bilinearS8AVX2 writes the interpolation of some pixels of a line from two lines of the input, 16 channels at a time; the last 16 may overlap others. Its
// argument is a resize.line. Sums are exact: along the line they have 18 bits, then 28.
//
// A sum s is rounded half away from zero: (s + 1/2 − [s < 0]) rounded down, with the smallest digit for the bracket.
func bilinearS8AVX2() []byte {
	a := newAsm("Bilinear interpolation of int8 on AVX2.")
	a.fn("bilinearS8", "the argument is a line of int8")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI")   // destination
	a.op("MOVQ 24(R13), R10") // taps
	a.op("MOVQ 32(R13), R9")  // pixels
	a.op("MOVQ 40(R13), R12") // channels
	a.op("LEAQ -16(R12), CX") // where the last 16 begin
	a.op("MOVL $1024, R15")
	broadcast := func(reg string, y int) {
		a.op("VMOVD %s, X%d", reg, y)
		a.op("VPBROADCASTD X%d, Y%d", y, y)
	}
	const across, up, down, half = 8, 9, 10, 11
	a.op("MOVL 48(R13), AX") // weight of the lower line
	broadcast("AX", down)
	a.op("MOVL R15, BX")
	a.op("SUBL AX, BX")
	broadcast("BX", up)
	a.op("MOVL $%d, AX", 1<<(fixedBits-1))
	broadcast("AX", half)
	a.at("pixel")
	// BX, SI: the upper pixels; DX, R11: the lower ones.
	for i, reg := range []string{"BX", "SI"} {
		a.op("MOVLQSX %d(R10), %s", 4*i, reg)
		a.op("IMULQ R12, %s", reg)
	}
	a.op("MOVQ BX, DX")
	a.op("MOVQ SI, R11")
	a.op("ADDQ 8(R13), BX")
	a.op("ADDQ 8(R13), SI")
	a.op("ADDQ 16(R13), DX")
	a.op("ADDQ 16(R13), R11")
	a.op("MOVL 8(R10), AX") // the right weight above the left one
	a.op("MOVL R15, R8")
	a.op("SUBL AX, R8")
	a.op("SHLL $16, AX")
	a.op("ORL R8, AX")
	broadcast("AX", across)
	a.op("XORL R8, R8")
	a.at("block")
	for i, line := range [][2]string{{"BX", "SI"}, {"DX", "R11"}} {
		a.op("VPMOVSXBW (%s)(R8*1), Y0", line[0])
		a.op("VPMOVSXBW (%s)(R8*1), Y1", line[1])
		for h, unpack := range []string{"VPUNPCKLWD", "VPUNPCKHWD"} {
			sum := 2 + 2*i + h
			a.op("%s Y1, Y0, Y%d", unpack, sum)
			a.op("VPMADDWD Y%d, Y%d, Y%d", across, sum, sum)
			a.op("VPMULLD Y%d, Y%d, Y%d", up+i, sum, sum)
		}
	}
	for h := range 2 {
		a.op("VPADDD Y%d, Y%d, Y%d", 4+h, 2+h, 2+h)
		a.op("VPSRAD $31, Y%d, Y%d", 2+h, 4+h)
		a.op("VPADDD Y%d, Y%d, Y%d", half, 2+h, 2+h)
		a.op("VPADDD Y%d, Y%d, Y%d", 4+h, 2+h, 2+h)
		a.op("VPSRAD $%d, Y%d, Y%d", fixedBits, 2+h, 2+h)
	}
	a.op("VPACKSSDW Y3, Y2, Y2")
	a.op("VEXTRACTI128 $1, Y2, X3")
	a.op("VPACKSSWB X3, X2, X2")
	a.op("VMOVDQU X2, (DI)(R8*1)")
	a.op("CMPQ R8, CX")
	a.op("JGE done")
	a.op("ADDQ $16, R8")
	a.op("CMPQ R8, CX")
	a.op("CMOVQGT CX, R8")
	a.op("JMP block")
	a.at("done")
	a.op("ADDQ R12, DI")
	a.op("ADDQ $12, R10")
	a.op("DECQ R9")
	a.op("JNE pixel")
	a.op("VZEROUPPER")
	a.op("RET")
	a.table("bilinearS8AVX2", []string{"bilinearS8"})
	return a.Bytes()
}

// bilinearS8Arm64 is bilinearS8AVX2 for NEON, 8 channels at a time.
func bilinearS8Arm64() []byte {
	a := arm64{newAsm("Bilinear interpolation of int8. Comments beside words have ARM's order of operands.")}
	const left, right, up, down, shift = 16, 17, 18, 19, 20
	a.fn("bilinearS8", "the argument is a line of int8")
	a.op("MOVD t+0(FP), R0")
	a.op("LDP 0(R0), (R1, R2)")  // destination, upper line
	a.op("LDP 16(R0), (R3, R4)") // lower line, taps
	a.op("LDP 32(R0), (R5, R6)") // pixels, channels
	a.op("SUB $8, R6, R7")       // where the last 8 begin
	a.op("MOVD $1024, R16")
	a.op("MOVW 48(R0), R8")
	a.op("VDUP R8, V%d.S4", down)
	a.op("SUB R8, R16, R8")
	a.op("VDUP R8, V%d.S4", up)
	a.op("MOVD $-%d, R8", fixedBits)
	a.op("VDUP R8, V%d.S4", shift)
	a.at("pixel")
	a.op("MOVW 0(R4), R8")
	a.op("MOVW 4(R4), R9")
	a.op("MUL R6, R8, R8")
	a.op("MUL R6, R9, R9")
	a.op("ADD R3, R8, R10") // lower left
	a.op("ADD R3, R9, R11") // lower right
	a.op("ADD R2, R8, R8")  // upper left
	a.op("ADD R2, R9, R9")  // upper right
	a.op("MOVW 8(R4), R12")
	a.op("VDUP R12, V%d.H8", right)
	a.op("SUB R12, R16, R12")
	a.op("VDUP R12, V%d.H8", left)
	a.op("MOVD $0, R13")
	a.at("block")
	for v, corner := range []string{"R8", "R9", "R10", "R11"} {
		a.op("ADD R13, %s, R15", corner)
		a.op("FMOVD (R15), F%d", v)
	}
	for v := range 4 {
		a.sxtl8h(v, v)
	}
	for line := range 2 { // V4, V5: the upper line; V6, V7: the lower one
		a.smull4s(4+2*line, 2*line, left)
		a.smull24s(5+2*line, 2*line, left)
	}
	for line := range 2 {
		a.smlal4s(4+2*line, 2*line+1, right)
		a.smlal24s(5+2*line, 2*line+1, right)
	}
	for h := range 2 {
		a.mul4s(4+h, 4+h, up)
	}
	for h := range 2 {
		a.mla4s(4+h, 6+h, down)
	}
	for h := range 2 {
		a.ssra31(4+h, 4+h)
	}
	for h := range 2 {
		a.srshl(4+h, 4+h, shift)
	}
	a.sqxtn4h(0, 4)
	a.sqxtn8h(0, 5)
	a.sqxtn8b(0, 0)
	a.op("ADD R13, R1, R15")
	a.op("FMOVD F0, (R15)")
	a.op("CMP R7, R13")
	a.op("BGE done")
	a.op("ADD $8, R13, R13")
	a.op("CMP R7, R13")
	a.op("CSEL GT, R7, R13, R13")
	a.op("B block")
	a.at("done")
	a.op("ADD R6, R1, R1")
	a.op("ADD $12, R4, R4")
	a.op("SUBS $1, R5, R5")
	a.op("BNE pixel")
	a.op("RET")
	a.table("bilinearS8Neon", []string{"bilinearS8"})
	return a.Bytes()
}
