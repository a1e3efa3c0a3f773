package main

// depthwiseS8AVX2 writes the depthwise convolution of int8 values with any taps, in pairs (conv.dwTile), and the copy of columns into lines
// (conv.dwWiden). Lines are int16, the zero point taken off, and so are the weights.
//
// Unpacking words puts two taps of one channel into one dword, as VPMADDWD wants them: the low halves of each four channels of a lane are in the first
// register of sums, the others in the second, and packing the sums puts them in order.
func depthwiseS8AVX2() []byte {
	a := newAsm("Depthwise int8 convolutions on AVX2: int16 inputs and weights, rescaled in the store.")
	depthwisePairs(a, "dwPairs")
	widenColumns(a, "dwWiden")
	a.table("dwTableAVX2", []string{"dwPairs", "dwWiden"})
	return a.Bytes()
}

// depthwisePairs writes the function for any taps. Register use: AX walks the table of tap pointers, R8 offset of the vector, R9 step, BX weights, CX
// pairs left, DX output, DI its step, SI parameters, R12 vectors left, R13 argument. Y0 to Y3 sums, Y4 to Y9 taps, X10 and X11 limits, Y12 to Y14
// temporaries.
func depthwisePairs(a *asm, name string) {
	a.fn(name, "a run of vectors of 16 channels; the argument is a dwTile")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 24(R13), SI")
	a.op("MOVQ 32(R13), DX")
	a.op("MOVQ 40(R13), DI")
	a.op("MOVQ 48(R13), R9")
	a.op("MOVQ 56(R13), R12")
	a.op("MOVQ 88(R13), R8")
	a.op("VPBROADCASTB 64(R13), X10")
	a.op("VPBROADCASTB 65(R13), X11")
	done := a.label("done")
	for _, n := range []int{2, 1} {
		next, some := a.label("next"), a.label("some")
		a.at(some)
		a.op("CMPQ R12, $%d", n)
		a.op("JLT %s", next)
		pairsOfTaps(a, n)
		a.op("SUBQ $%d, R12", n)
		a.op("JEQ %s", done)
		if n > 1 {
			a.op("JMP %s", some)
		}
		a.at(next)
	}
	a.at(done)
	a.op("VZEROUPPER")
	a.op("RET")
}

// pairsOfTaps computes n vectors and moves on behind them.
func pairsOfTaps(a *asm, n int) {
	a.op("MOVQ 0(R13), AX")
	a.op("MOVQ 8(R13), CX")
	a.op("MOVQ 16(R13), BX")
	for v := range n {
		a.op("VMOVDQU (SI), Y%d", 2*v)
		a.op("VMOVDQU 32(SI), Y%d", 2*v+1)
	}
	pair := a.label("pair")
	a.op("PCALIGN $32")
	a.at(pair)
	a.op("MOVQ 0(AX), R10")
	a.op("MOVQ 8(AX), R11")
	a.op("ADDQ R8, R10")
	a.op("ADDQ R8, R11")
	for v := range n {
		at := [...]string{"", "(R9*1)"}[v]
		a.op("VMOVDQU (R10)%s, Y4", at)
		a.op("VMOVDQU (R11)%s, Y5", at)
		a.op("VPUNPCKLWD Y5, Y4, Y6")
		a.op("VPUNPCKHWD Y5, Y4, Y7")
		a.op("VPMADDWD (BX), Y6, Y6")
		a.op("VPMADDWD 32(BX), Y7, Y7")
		a.op("VPADDD Y6, Y%d, Y%d", 2*v, 2*v)
		a.op("VPADDD Y7, Y%d, Y%d", 2*v+1, 2*v+1)
	}
	a.op("ADDQ $16, AX")
	a.op("ADDQ $64, BX")
	a.op("DECQ CX")
	a.op("JNE %s", pair)
	exact, pack := a.label("exact"), a.label("pack")
	a.op("CMPB 66(R13), $0")
	a.op("JNE %s", exact)
	for r := range 2 * n {
		rescalePairs(a, r, false)
	}
	a.op("JMP %s", pack)
	a.at(exact)
	for r := range 2 * n {
		rescalePairs(a, r, true)
	}
	a.at(pack)
	for v := range n {
		x := 2 * v
		a.op("VPACKSSDW Y%d, Y%d, Y%d", x+1, x, x)
		a.op("VEXTRACTI128 $1, Y%d, X12", x)
		a.op("VPACKSSWB X12, X%d, X%d", x, x)
		a.op("VPMAXSB X10, X%d, X%d", x, x)
		a.op("VPMINSB X11, X%d, X%d", x, x)
		a.op("MOVQ 72(R13), CX") // values that count
		if v == n-1 {
			whole := a.label("whole")
			a.op("CMPQ R12, $%d", n)
			a.op("JNE %s", whole)
			a.op("MOVQ 80(R13), CX")
			a.at(whole)
		}
		storeBytes(a, x)
		a.op("ADDQ DI, DX")
		a.op("ADDQ R9, R8")
	}
}

// rescalePairs turns register r of sums into outputs with the zero point. Blocks of parameters have 16 words: bias, multiplier, addend, shift, limit.
func rescalePairs(a *asm, r int, exact bool) {
	at := func(block int) int { return 64*block + 32*(r%2) }
	a.op("VPSRLQ $32, Y%d, Y13", r)
	a.op("VPMULUDQ %d(SI), Y%d, Y12", at(1), r)
	a.op("VPMULUDQ %d(SI), Y13, Y13", at(1)+4) // the multiplier of the odd lane comes down to the even one
	a.op("VPSRLQ $32, Y12, Y12")
	a.op("VPBLENDD $0xAA, Y13, Y12, Y12")
	a.op("VPADDD %d(SI), Y12, Y12", at(2))
	if exact {
		a.op("VMOVDQU %d(SI), Y14", at(4))
		a.op("VPCMPGTD Y%d, Y14, Y14", r) // −1 below the limit
		a.op("VPADDD Y14, Y12, Y12")
	}
	a.op("VPSRAVD %d(SI), Y12, Y%d", at(3), r)
}

// storeBytes stores CX bytes of a register to DX.
func storeBytes(a *asm, x int) {
	all, done := a.label("all"), a.label("stored")
	a.op("CMPQ CX, $16")
	a.op("JEQ %s", all)
	a.op("MOVQ DX, R10")
	for _, bytes := range []int{8, 4, 2, 1} {
		skip := a.label("skip")
		a.op("TESTQ $%d, CX", bytes)
		a.op("JEQ %s", skip)
		a.op("%s X%d, (R10)", map[int]string{8: "VMOVQ", 4: "VMOVD", 2: "VPEXTRW $0,", 1: "VPEXTRB $0,"}[bytes], x)
		if bytes > 1 {
			a.op("ADDQ $%d, R10", bytes)
			a.op("VPSRLDQ $%d, X%d, X%d", bytes, x, x)
		}
		a.at(skip)
	}
	a.op("JMP %s", done)
	a.at(all)
	a.op("VMOVDQU X%d, (DX)", x)
	a.at(done)
}

// widenColumns writes the copy of columns: runs of int8 become int16 less the zero point. The argument is conv.dwWiden.
func widenColumns(a *asm, name string) {
	a.fn(name, "widens runs of values; the argument is a dwWiden")
	a.op("MOVQ t+0(FP), R13")
	a.op("VPBROADCASTW 48(R13), Y15")
	a.op("MOVLQSX 48(R13), R11")
	a.op("MOVQ 0(R13), DX")
	a.op("MOVQ 8(R13), R8")
	a.op("MOVQ 40(R13), R12")
	run := a.label("run")
	a.at(run)
	a.op("MOVQ DX, DI")
	a.op("MOVQ R8, SI")
	a.op("MOVQ 16(R13), CX")
	for _, n := range []int{16, 8, 1} {
		some, next := a.label("some"), a.label("next")
		a.at(some)
		a.op("CMPQ CX, $%d", n)
		a.op("JLT %s", next)
		switch n {
		case 16, 8:
			y := map[int]string{16: "Y", 8: "X"}[n]
			a.op("VPMOVSXBW (SI), %s0", y)
			a.op("VPSUBW %s15, %s0, %s0", y, y, y)
			a.op("VMOVDQU %s0, (DI)", y)
		default:
			a.op("MOVBLSX (SI), R9")
			a.op("SUBL R11, R9")
			a.op("MOVW R9, (DI)")
		}
		a.op("ADDQ $%d, SI", n)
		a.op("ADDQ $%d, DI", 2*n)
		a.op("SUBQ $%d, CX", n)
		a.op("JMP %s", some)
		a.at(next)
	}
	a.op("ADDQ 24(R13), DX")
	a.op("ADDQ 32(R13), R8")
	a.op("DECQ R12")
	a.op("JNE %s", run)
	a.op("VZEROUPPER")
	a.op("RET")
}
