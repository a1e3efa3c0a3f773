package main

import "fmt"

func init() { files["gemm/s32_avx2_amd64.s"] = gemmS32AVX2 }

// sumsAVX2 is how many vectors of eight sums the widest product has.
const sumsAVX2 = 8

// gemmS32AVX2 writes the products of one int16 row with panels of int8 weights, by vectors of columns less one, and what turns their sums into floats. The
// arguments are gemm.sumTile and gemm.hybridArgs.
func gemmS32AVX2() []byte {
	a := newAsm("Plain sums of one row, and their turning into floats, on AVX2.")
	var names []string
	for v := 1; v <= sumsAVX2; v++ {
		names = append(names, sumTileAVX2(a, v))
	}
	hybridStoreAVX2(a)
	a.table("s32AVX2", append(names, "hybridStoreAVX2"))
	return a.Bytes()
}

// sumTileAVX2 multiplies a row with a panel [pairs of k][columns][2]. Products of pairs fit int32 whatever the bytes are.
func sumTileAVX2(a *asm, vectors int) string {
	name := fmt.Sprintf("sums%d", 8*vectors)
	a.fn(name, "the argument is a sumTile")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // row of int16
	a.op("MOVQ 8(R13), BX")  // panel
	a.op("MOVQ 16(R13), DX") // destination
	a.op("MOVQ 24(R13), CX") // pairs of k
	for v := range vectors {
		a.op("VPXOR Y%d, Y%d, Y%d", v, v, v)
	}
	pair := func(p int) {
		a.op("VPBROADCASTD %d(AX), Y8", 4*p)
		for v := range vectors {
			w := 9 + (p*vectors+v)%7
			a.op("VPMOVSXBW %d(BX), Y%d", 16*(p*vectors+v), w)
			a.op("VPMADDWD Y8, Y%d, Y%d", w, w)
			a.op("VPADDD Y%d, Y%d, Y%d", w, v, v)
		}
	}
	unroll := max(1, 8/vectors)
	loop, rest, one, done := a.label("loop"), a.label("rest"), a.label("one"), a.label("done")
	a.op("SUBQ $%d, CX", unroll)
	a.op("JLT %s", rest)
	a.op("PCALIGN $32")
	a.at(loop)
	for p := range unroll {
		pair(p)
	}
	a.op("ADDQ $%d, AX", 4*unroll)
	a.op("ADDQ $%d, BX", 16*unroll*vectors)
	a.op("SUBQ $%d, CX", unroll)
	a.op("JGE %s", loop)
	a.at(rest)
	a.op("ADDQ $%d, CX", unroll)
	a.op("JEQ %s", done)
	a.at(one)
	pair(0)
	a.op("ADDQ $4, AX")
	a.op("ADDQ $%d, BX", 16*vectors)
	a.op("DECQ CX")
	a.op("JNE %s", one)
	a.at(done)
	for v := range vectors {
		a.op("VMOVDQU Y%d, %d(DX)", v, 32*v)
	}
	a.op("VZEROUPPER")
	a.op("RET")
	return name
}

// hybridStoreAVX2 scales one row of at least eight sums. The last vector overlaps the one before it.
func hybridStoreAVX2(a *asm) {
	a.fn("hybridStoreAVX2", "sums become floats; the argument is a hybridArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")          // sums
	a.op("MOVQ 8(R13), BX")          // sums of the weights
	a.op("MOVQ 16(R13), SI")         // scales
	a.op("MOVQ 24(R13), R8")         // bias
	a.op("MOVQ 32(R13), DX")         // destination
	a.op("MOVQ 40(R13), CX")         // columns
	a.op("MOVBLZX 64(R13), R9")      // by turns
	a.op("VPBROADCASTD 48(R13), Y4") // what the sums of the weights count
	a.op("VBROADCASTSS 52(R13), Y5") // scale of the row
	a.op("VBROADCASTSS 56(R13), Y6")
	a.op("VBROADCASTSS 60(R13), Y7")
	a.op("SUBQ $8, CX") // the first column of the last vector
	a.op("XORL R10, R10")
	a.at("loop")
	a.op("VPMULLD (BX)(R10*4), Y4, Y0")
	a.op("VPADDD (AX)(R10*4), Y0, Y0")
	a.op("VCVTDQ2PS Y0, Y0")
	a.op("VMOVUPS (SI)(R10*4), Y1")
	a.op("TESTQ R9, R9")
	a.op("JNE turns")
	a.op("VMULPS Y1, Y5, Y1")
	a.op("VMULPS Y1, Y0, Y0")
	a.op("JMP bias")
	a.at("turns")
	a.op("VMULPS Y1, Y0, Y0")
	a.op("VMULPS Y5, Y0, Y0")
	a.at("bias")
	a.op("VADDPS (R8)(R10*4), Y0, Y0")
	a.op("VMAXPS Y0, Y6, Y0") // of a NaN the second source, which is the first operand here, remains
	a.op("VMINPS Y0, Y7, Y0")
	a.op("VMOVUPS Y0, (DX)(R10*4)")
	a.op("CMPQ R10, CX")
	a.op("JEQ done")
	a.op("ADDQ $8, R10")
	a.op("CMPQ R10, CX")
	a.op("JLE loop")
	a.op("MOVQ CX, R10")
	a.op("JMP loop")
	a.at("done")
	a.op("VZEROUPPER")
	a.op("RET")
}
