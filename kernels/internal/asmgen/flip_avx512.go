package main

// flipAVX512 writes the copy that turns int8 into uint8 by adding 128: 256 bytes a round, the rest under a mask.
func flipAVX512() []byte {
	a := newAsm("Copies with 128 added to each byte, on AVX512.")
	a.text("flipAVX512", "$0-24", "func flipAVX512(dst *byte, src *int8, n int)")
	a.op("MOVQ dst+0(FP), DI")
	a.op("MOVQ src+8(FP), SI")
	a.op("MOVQ n+16(FP), CX")
	a.op("MOVL $0x80, AX")
	a.op("VPBROADCASTB AX, Z31")
	a.op("SUBQ $256, CX")
	a.op("JLT rest")
	a.at("loop")
	for i := range 4 {
		a.op("VPXORQ %d(SI), Z31, Z%d", 64*i, i)
	}
	for i := range 4 {
		a.op("VMOVDQU64 Z%d, %d(DI)", i, 64*i)
	}
	a.op("ADDQ $256, SI")
	a.op("ADDQ $256, DI")
	a.op("SUBQ $256, CX")
	a.op("JGE loop")
	a.at("rest")
	a.op("ADDQ $192, CX")
	a.op("JLT tail")
	a.at("one")
	a.op("VPXORQ (SI), Z31, Z0")
	a.op("VMOVDQU64 Z0, (DI)")
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, DI")
	a.op("SUBQ $64, CX")
	a.op("JGE one")
	a.at("tail")
	a.op("ADDQ $64, CX")
	a.op("JEQ done")
	a.op("MOVQ $-1, AX")
	a.op("SHLQ CX, AX")
	a.op("NOTQ AX")
	a.op("KMOVQ AX, K1")
	a.op("VMOVDQU8.Z (SI), K1, Z0")
	a.op("VPXORQ Z0, Z31, Z0")
	a.op("VMOVDQU8 Z0, K1, (DI)")
	a.at("done")
	a.op("VZEROUPPER")
	a.op("RET")
	return a.Bytes()
}
