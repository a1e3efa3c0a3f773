package main

// init adds the file of int16 results.
func init() { files["gemm/wide16_avx2_amd64.s"] = gemmWide16AVX2 }

// gemmWide16AVX2 writes the rescaling of int32 sums to int16 in float64. The argument is a gemm.wideStore. floor(sum × scale + 1/2) is requant.Mul64: a sum of
// 32 bits, times a multiplier of 15, plus the half fits into the 53 bits of a float64, so that nothing is rounded before the floor.
func gemmWide16AVX2() []byte {
	a := newAsm("Sums of products with int16 rows, rescaled to int16, on AVX2.")
	a.data("half", []uint32{0, 0x3FE00000})
	a.fn("wideStore", "the argument is a wideStore")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI")  // destination
	a.op("MOVQ 8(R13), SI")  // sums
	a.op("MOVQ 16(R13), R8") // scales
	a.op("MOVQ 24(R13), R9") // columns
	a.op("MOVQ 32(R13), CX") // rows
	a.op("VBROADCASTSD half<>(SB), Y15")
	a.at("row")
	a.op("MOVQ R8, BX")
	a.op("MOVQ R9, DX")
	a.at("columns")
	for q := range 4 {
		a.op("VCVTDQ2PD %d(SI), Y%d", 16*q, q)
		a.op("VMOVUPD %d(BX), Y%d", 32*q, 4+q)
	}
	for q := range 4 {
		a.op("VFMADD213PD Y15, Y%d, Y%d", 4+q, q)
	}
	for q := range 4 {
		a.op("VROUNDPD $9, Y%d, Y%d", q, q) // down
	}
	for q := range 4 {
		a.op("VCVTTPD2DQY Y%d, X%d", q, q)
	}
	a.op("VPACKSSDW X1, X0, X0")
	a.op("VPACKSSDW X3, X2, X2")
	a.op("VMOVDQU X0, (DI)")
	a.op("VMOVDQU X2, 16(DI)")
	a.op("ADDQ $64, SI")
	a.op("ADDQ $128, BX")
	a.op("ADDQ $32, DI")
	a.op("SUBQ $16, DX")
	a.op("JNE columns")
	a.op("DECQ CX")
	a.op("JNE row")
	a.op("VZEROUPPER")
	a.op("RET")
	a.table("wideStoreAVX2", []string{"wideStore"})
	return a.Bytes()
}
