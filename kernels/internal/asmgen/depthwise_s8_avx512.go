package main

import "fmt"

// depthwiseS8AVX512 writes the depthwise convolutions of 64, 32 and 16 channels: any number of taps in groups of four. Its argument is
// conv.dwTile.
//
// Four taps of a pixel are four runs of bytes, one byte for each channel. Unpacking bytes and then words puts the four taps of one channel into one
// dword, as VPDPBUSD wants them; the channels then lie in four registers, in an order that packing the sums undoes.
//
// Register use: AX walks the table of tap pointers, R8 offset of the pixel, BX weights, CX groups left, DX output, SI parameters, R12 pixels left,
// R13 argument. Z0 to Z3 sums, Z4 to Z7 taps, Z8 to Z15 unpacked, Z16 on parameters and temporaries, Z30 and Z31 limits.
func depthwiseS8AVX512() []byte {
	a := newAsm("Depthwise int8 convolutions on AVX512-VNNI: u8 inputs, s8 weights, rescaled in the store.")
	var names []string
	for _, channels := range []int{16, 32, 64} {
		names = append(names, fmt.Sprintf("dw%d", channels))
		depthwiseS8(a, names[len(names)-1], channels)
	}
	a.table("dwRowsAVX512", names)
	return a.Bytes()
}

func depthwiseS8(a *asm, name string, channels int) {
	kind := map[int]string{64: "Z", 32: "Y", 16: "X"}[channels]
	reg := func(n int) string { return fmt.Sprintf("%s%d", kind, n) }
	a.fn(name, fmt.Sprintf("a row of pixels of %d channels; the argument is a dwTile", channels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 24(R13), SI") // parameters
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 56(R13), R12")
	a.op("XORQ R8, R8")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	a.op("MOVQ 72(R13), R15")
	a.op("KMOVQ R15, K3")
	a.op("VPBROADCASTB 64(R13), %s", reg(30))
	a.op("VPBROADCASTB 65(R13), %s", reg(31))
	pixel, group, exact, pack := a.label("pixel"), a.label("group"), a.label("exact"), a.label("pack")
	a.at(pixel)
	a.op("MOVQ 0(R13), AX")
	a.op("MOVQ 8(R13), CX")
	a.op("MOVQ 16(R13), BX")
	for q := range 4 {
		a.op("VMOVDQU32 %d(SI), %s", q*channels, reg(q))
	}
	a.op("PCALIGN $32")
	a.at(group)
	for i, r := range []string{"R9", "R10", "R11", "R15"} {
		a.op("MOVQ %d(AX), %s", 8*i, r)
		a.op("VMOVDQU8 (%s)(R8*1), %s", r, reg(4+i))
	}
	a.op("VPUNPCKLBW %s, %s, %s", reg(5), reg(4), reg(8))
	a.op("VPUNPCKHBW %s, %s, %s", reg(5), reg(4), reg(9))
	a.op("VPUNPCKLBW %s, %s, %s", reg(7), reg(6), reg(10))
	a.op("VPUNPCKHBW %s, %s, %s", reg(7), reg(6), reg(11))
	a.op("VPUNPCKLWD %s, %s, %s", reg(10), reg(8), reg(12))
	a.op("VPUNPCKHWD %s, %s, %s", reg(10), reg(8), reg(13))
	a.op("VPUNPCKLWD %s, %s, %s", reg(11), reg(9), reg(14))
	a.op("VPUNPCKHWD %s, %s, %s", reg(11), reg(9), reg(15))
	for q := range 4 {
		a.op("VPDPBUSD %d(BX), %s, %s", q*channels, reg(12+q), reg(q))
	}
	a.op("ADDQ $32, AX")
	a.op("ADDQ $%d, BX", 4*channels)
	a.op("DECQ CX")
	a.op("JNE %s", group)
	a.op("CMPB 66(R13), $0")
	a.op("JNE %s", exact)
	for q := range 4 {
		rescaleDepthwise(a, channels, q, reg, false)
	}
	a.op("JMP %s", pack)
	a.at(exact)
	a.op("VPTERNLOGD $0xFF, %s, %s, %s", reg(22), reg(22), reg(22)) // −1: subtracting it adds the carry
	for q := range 4 {
		rescaleDepthwise(a, channels, q, reg, true)
	}
	a.at(pack)
	a.op("VPACKSSDW %s, %s, %s", reg(1), reg(0), reg(0))
	a.op("VPACKSSDW %s, %s, %s", reg(3), reg(2), reg(2))
	a.op("VPACKSSWB %s, %s, %s", reg(2), reg(0), reg(0))
	a.op("VPMAXSB %s, %s, %s", reg(30), reg(0), reg(0))
	a.op("VPMINSB %s, %s, %s", reg(31), reg(0), reg(0))
	a.op("VMOVDQU8 %s, K3, (DX)", reg(0))
	a.op("ADDQ 40(R13), DX")
	a.op("ADDQ 48(R13), R8")
	a.op("DECQ R12")
	a.op("JNE %s", pixel)
	a.op("VZEROUPPER")
	a.op("RET")
}

// rescaleDepthwise is rescaleS8 for one register of sums.
func rescaleDepthwise(a *asm, channels, q int, reg func(int) string, exact bool) {
	at := func(block int) int { return 4*channels*block + channels*q }
	x := reg(q)
	a.op("VMOVDQU32 %d(SI), %s", at(1), reg(16))
	a.op("VPSRLQ $32, %s, %s", reg(16), reg(17))
	a.op("VPMULUDQ %s, %s, %s", reg(16), x, reg(18))
	a.op("VPSRLQ $32, %s, %s", x, reg(19))
	a.op("VPMULUDQ %s, %s, %s", reg(17), reg(19), reg(19))
	a.op("VMOVSHDUP %s, K1, %s", reg(18), reg(19))
	a.op("VPADDD %d(SI), %s, %s", at(2), reg(19), reg(19))
	if exact {
		a.op("VPCMPUD $5, %d(SI), %s, K2", at(4), x)
		a.op("VPSUBD %s, %s, K2, %s", reg(22), reg(19), reg(19))
	}
	a.op("VMOVDQU32 %d(SI), %s", at(3), reg(20))
	a.op("VPSRAVD %s, %s, %s", reg(20), reg(19), x)
}
