package main

func init() { files["rnn/int_avx2_amd64.s"] = rnnIntAVX2 }

// rnnIntAVX2 writes the vector loops of integer recurrent layers. Their arguments are rnn.scaleArgs and rnn.dotsArgs.
func rnnIntAVX2() []byte {
	a := newAsm("Rescaling and short sums of integer recurrent layers, on AVX2.")
	scaleAVX2(a)
	dotsAVX2(a)
	a.table("intAVX2", []string{"scale", "dots"})
	return a.Bytes()
}

// scaleAVX2 is Scale.mul for eight values at once: the rounded high half of a product, then a division by a power of two that rounds half away from zero.
func scaleAVX2(a *asm) {
	a.fn("scale", "x = clamp((x + bias) × multiplier) + what is added; the argument is a scaleArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // values
	a.op("MOVQ 8(R13), BX")  // bias
	a.op("MOVQ 16(R13), CX") // vectors
	a.op("MOVQ $1, DX")
	a.op("SHLQ $30, DX")
	a.op("VMOVQ DX, X7")
	a.op("VPBROADCASTQ X7, Y7")
	a.op("VPBROADCASTD 24(R13), Y8")  // multiplier
	a.op("VMOVD 28(R13), X9")         // shift to the left
	a.op("VMOVD 32(R13), X10")        // shift to the right
	a.op("VPBROADCASTD 36(R13), Y11") // the bits that it drops
	a.op("VPBROADCASTD 40(R13), Y12") // half of them
	a.op("VPBROADCASTD 44(R13), Y13") // least
	a.op("VPBROADCASTD 48(R13), Y14") // largest
	a.op("VPBROADCASTD 52(R13), Y15") // what is added
	a.at("scaling")
	a.op("VMOVDQU (AX), Y0")
	a.op("VPADDD (BX), Y0, Y0")
	a.op("VPSLLD X9, Y0, Y0")
	a.op("VPSRLQ $32, Y0, Y1")
	a.op("VPMULDQ Y8, Y0, Y0")
	a.op("VPMULDQ Y8, Y1, Y1")
	a.op("VPADDQ Y7, Y0, Y0")
	a.op("VPADDQ Y7, Y1, Y1")
	a.op("VPSRLQ $31, Y0, Y0")
	a.op("VPADDQ Y1, Y1, Y1")
	a.op("VPBLENDD $0xAA, Y1, Y0, Y0")
	a.op("VPAND Y11, Y0, Y2")
	a.op("VPSRAD $31, Y0, Y3")
	a.op("VPSUBD Y3, Y12, Y3")
	a.op("VPSRAD X10, Y0, Y0")
	a.op("VPCMPGTD Y3, Y2, Y2")
	a.op("VPSUBD Y2, Y0, Y0")
	a.op("VPMAXSD Y13, Y0, Y0")
	a.op("VPMINSD Y14, Y0, Y0")
	a.op("VPADDD Y15, Y0, Y0")
	a.op("VMOVDQU Y0, (AX)")
	a.op("ADDQ $32, AX")
	a.op("ADDQ $32, BX")
	a.op("DECQ CX")
	a.op("JNE scaling")
	a.op("VZEROUPPER")
	a.op("RET")
}

// dotsAVX2 multiplies rows of int16 with rows of as many whole vectors of eight, and adds each up.
func dotsAVX2(a *asm) {
	a.fn("dots", "the argument is a dotsArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DX")  // destination
	a.op("MOVQ 8(R13), BX")  // weights
	a.op("MOVQ 16(R13), AX") // rows
	a.op("MOVQ 24(R13), R8") // bytes from row to row
	a.op("MOVQ 32(R13), R9") // vectors of a row
	a.op("MOVQ 40(R13), CX") // rows left
	a.at("row")
	a.op("MOVQ AX, SI")
	a.op("MOVQ R9, R10")
	a.op("VPXOR X0, X0, X0")
	a.at("vector")
	a.op("VMOVDQU (SI), X1")
	a.op("VPMADDWD (BX), X1, X1")
	a.op("VPADDD X1, X0, X0")
	a.op("ADDQ $16, SI")
	a.op("ADDQ $16, BX")
	a.op("DECQ R10")
	a.op("JNE vector")
	a.op("VPSHUFD $0x4E, X0, X1")
	a.op("VPADDD X1, X0, X0")
	a.op("VPSHUFD $0xB1, X0, X1")
	a.op("VPADDD X1, X0, X0")
	a.op("VMOVD X0, (DX)")
	a.op("ADDQ $4, DX")
	a.op("ADDQ R8, AX")
	a.op("DECQ CX")
	a.op("JNE row")
	a.op("RET")
}
