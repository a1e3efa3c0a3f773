package main

import "fmt"

// depthwiseS8AVX2 writes the depthwise convolution of int8 values with any taps (conv.dwTile8) and the lines that it reads (conv.dwLine).
//
// A line holds two input rows: the dword of a channel has its values of both, as int16, so that VPMADDWD takes two taps at once and nothing is
// unpacked between the products. Eight channels of four neighbouring pixels are computed at a time, of one output row or of two that share lines.
func depthwiseS8AVX2() []byte {
	a := newAsm("Depthwise int8 convolutions on AVX2: lines of two rows, int16 weights, rescaled in the store.")
	a.data("dwOrder", []uint32{0, 4, 1, 5, 2, 6, 3, 7})
	var names []string
	for _, k := range []int{0, 3, 5} {
		for rows := 1; rows <= 2; rows++ {
			name := fmt.Sprintf("dwRows%dk%d", rows, k)
			names = append(names, name)
			depthwisePairs(a, name, rows, k)
		}
	}
	pairLine(a, "dwLine")
	pixelPairs(a, "dwPixel")
	a.table("dwTableAVX2", append(names, "dwLine", "dwPixel"))
	return a.Bytes()
}

// depthwisePairs writes the function for so many output rows and k×k taps without gaps, 0 for any. Register use: R13 argument, R11 parameters, BX
// weights, R9 and R15 the step of pixels and three times that, R8 offset of the first pixel, DI step of weights, R12 tiles left, DX and SI outputs; in
// the products AX walks the table of taps, CX counts pairs, R10 where a pair begins, or all three are where lines begin; in the store R10 and R11 steps
// of pixels. Y0 to Y3 sums of the four pixels, Y4 to Y7 those of the second row.
func depthwisePairs(a *asm, name string, rows, k int) {
	const pixels = 4
	a.fn(name, fmt.Sprintf("blocks of 8 channels of %d output rows; the argument is a dwTile8", rows))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 56(R13), R9")
	a.op("LEAQ (R9)(R9*2), R15")
	a.op("MOVQ 80(R13), R8")
	a.op("MOVQ 112(R13), DI")
	block, tile, exact, pack, clamped, next, last := a.label("block"), a.label("tile"), a.label("exact"), a.label("pack"), a.label("clamped"), a.label("next"), a.label("last")
	a.at(block)
	a.op("MOVQ 64(R13), R12")
	a.op("MOVQ 32(R13), DX")
	if rows == 2 {
		a.op("MOVQ 40(R13), SI")
	}
	a.op("PCALIGN $32")
	a.at(tile)
	a.op("MOVQ 0(R13), AX")
	a.op("MOVQ 16(R13), BX")
	a.op("MOVQ 24(R13), R11")
	a.op("VMOVDQU (R11), Y14")
	if k == 0 {
		pair := a.label("pair")
		a.op("MOVQ 8(R13), CX")
		for i := range pixels * rows {
			a.op("VMOVDQA Y14, Y%d", i)
		}
		a.at(pair)
		a.op("MOVQ (AX), R10")
		a.op("ADDQ R8, R10")
		pairOfTaps(a, rows, "R10", 0, 0, -1)
		a.op("ADDQ $8, AX")
		a.op("ADDQ DI, BX")
		a.op("DECQ CX")
		a.op("JNE %s", pair)
	} else {
		lines := []string{"R10", "CX", "AX"}[:(k+rows)/2]
		for i, line := range lines {
			a.op("MOVQ %d(AX), %s", 8*k*i, line)
			a.op("ADDQ R8, %s", line)
		}
		first := 14
		for i, line := range lines {
			for kx := range k {
				if rows == 2 {
					pairOfTaps(a, rows, line, 32*kx, 64*(i*k+kx), first)
				} else {
					pairOfTaps(a, rows, line, 32*kx, 0, first)
					a.op("ADDQ DI, BX")
				}
				first = -1
			}
		}
		if rows == 2 {
			a.op("ADDQ $%d, BX", 64*k*len(lines))
		}
	}
	a.op("VMOVDQU 32(R11), Y8")
	a.op("VMOVDQU 36(R11), Y9") // the multipliers of odd lanes come down to the even ones
	a.op("VMOVDQU 64(R11), Y10")
	a.op("VMOVDQU 96(R11), Y11")
	a.op("CMPB 106(R13), $0")
	a.op("JNE %s", exact)
	for i := range pixels * rows {
		rescalePairs(a, i, false)
	}
	a.at(pack)
	for r := range rows {
		y := 4 * r
		a.op("VPACKSSDW Y%d, Y%d, Y%d", y+1, y, y)
		a.op("VPACKSSDW Y%d, Y%d, Y%d", y+3, y+2, y+2)
		a.op("VPACKSSWB Y%d, Y%d, Y%d", y+2, y, y)
	}
	a.op("CMPB 107(R13), $0")
	a.op("JEQ %s", clamped)
	a.op("VPBROADCASTB 104(R13), Y8")
	a.op("VPBROADCASTB 105(R13), Y9")
	for r := range rows {
		a.op("VPMAXSB Y8, Y%d, Y%d", 4*r, 4*r)
		a.op("VPMINSB Y9, Y%d, Y%d", 4*r, 4*r)
	}
	a.at(clamped)
	a.op("VMOVDQU dwOrder<>(SB), Y10")
	a.op("MOVQ 48(R13), R10")
	a.op("LEAQ (R10)(R10*2), R11")
	for r := range rows {
		y, to := 4*r, [...]string{"DX", "SI"}[r]
		a.op("VPERMD Y%d, Y10, Y%d", y, y)
		a.op("VEXTRACTI128 $1, Y%d, X%d", y, y+1)
		a.op("VMOVQ X%d, (%s)", y, to)
		a.op("VMOVHPS X%d, (%s)(R10*1)", y, to)
		a.op("VMOVQ X%d, (%s)(R10*2)", y+1, to)
		a.op("VMOVHPS X%d, (%s)(R11*1)", y+1, to)
	}
	move := func(pixels string) {
		a.op("IMULQ %s, R10", pixels)
		a.op("ADDQ R10, DX")
		if rows == 2 {
			a.op("ADDQ R10, SI")
		}
	}
	a.op("DECQ R12")
	a.op("JLE %s", next)
	move(fmt.Sprintf("$%d", pixels))
	a.op("LEAQ (R8)(R9*%d), R8", pixels)
	a.op("JMP %s", tile)
	a.at(exact)
	a.op("VMOVDQU 128(R11), Y12")
	for i := range pixels * rows {
		rescalePairs(a, i, true)
	}
	a.op("JMP %s", pack)
	a.at(next)
	a.op("JLT %s", last)
	a.op("MOVQ 72(R13), CX") // the last tile may begin before the end of the one before
	a.op("TESTQ CX, CX")
	a.op("JEQ %s", last)
	move("CX")
	a.op("IMULQ R9, CX")
	a.op("ADDQ CX, R8")
	a.op("JMP %s", tile)
	a.at(last)
	a.op("MOVQ BX, 16(R13)")
	a.op("ADDQ $160, 24(R13)")
	a.op("ADDQ $8, 32(R13)")
	a.op("ADDQ $8, 40(R13)")
	a.op("MOVQ 96(R13), R8")
	a.op("ADDQ 80(R13), R8")
	a.op("MOVQ R8, 80(R13)")
	a.op("DECQ 88(R13)")
	a.op("JNE %s", block)
	a.op("VZEROUPPER")
	a.op("RET")
}

// pairOfTaps adds to the sums the products of a pair of taps, of which the first pixel lies off bytes behind a line's register, with the weights w bytes
// behind BX; where first is a register, the sums are that and the products.
func pairOfTaps(a *asm, rows int, line string, off, w, first int) {
	const pixels = 4
	for r := range rows {
		a.op("VMOVDQU %d(BX), Y%d", w+32*r, 8+r)
	}
	add := func(product, sum int) {
		from := sum
		if first >= 0 {
			from = first
		}
		a.op("VPADDD Y%d, Y%d, Y%d", product, from, sum)
	}
	for p := range pixels {
		at := fmt.Sprintf("%d(%s)%s", off, line, [...]string{"", "(R9*1)", "(R9*2)", "(R15*1)"}[p])
		if rows == 1 {
			a.op("VPMADDWD %s, Y8, Y%d", at, 10+p%2)
			add(10+p%2, p)
			continue
		}
		value, product := 10+p%2*2, 11+p%2*2
		a.op("VMOVDQU %s, Y%d", at, value)
		a.op("VPMADDWD Y8, Y%d, Y%d", value, product)
		a.op("VPMADDWD Y9, Y%d, Y%d", value, value)
		add(product, p)
		add(value, pixels+p)
	}
}

// rescalePairs turns register r of sums into outputs with the zero point. Y8 and Y9 hold the multipliers of even and odd lanes, Y10 addends, Y11
// shifts, Y12 carry limits.
func rescalePairs(a *asm, r int, exact bool) {
	a.op("VPSRLQ $32, Y%d, Y13", r)
	a.op("VPMULUDQ Y8, Y%d, Y14", r)
	a.op("VPMULUDQ Y9, Y13, Y13")
	a.op("VPSRLQ $32, Y14, Y14")
	a.op("VPBLENDD $0xAA, Y13, Y14, Y14")
	a.op("VPADDD Y10, Y14, Y14")
	if exact {
		a.op("VPCMPGTD Y%d, Y12, Y15", r) // −1 below the limit
		a.op("VPADDD Y15, Y14, Y14")
	}
	a.op("VPSRAVD Y11, Y14, Y%d", r)
}

// pairLine writes the function that makes a line of two rows. The argument is conv.dwLineOf.
func pairLine(a *asm, name string) {
	a.fn(name, "puts two rows into a line; the argument is a dwLineOf")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), R8")
	a.op("MOVQ 8(R13), R9")
	a.op("MOVQ 16(R13), R10")
	a.op("MOVQ 24(R13), R12") // pixels
	a.op("MOVQ 32(R13), R11") // bytes of one
	a.op("MOVQ 48(R13), BX")
	pixel, pairs, single, next := a.label("pixel"), a.label("pairs"), a.label("single"), a.label("next")
	a.at(pixel)
	a.op("MOVQ R8, DI")
	a.op("MOVQ R9, SI")
	a.op("MOVQ R10, DX")
	a.op("MOVQ 40(R13), CX")
	a.op("SUBQ $2, CX")
	a.op("JLT %s", single)
	a.op("PCALIGN $32")
	a.at(pairs)
	a.op("VMOVDQU (SI), X0")
	a.op("VMOVDQU (DX), X1")
	a.op("VPUNPCKLBW X1, X0, X2")
	a.op("VPUNPCKHBW X1, X0, X3")
	a.op("VPMOVSXBW X2, Y2")
	a.op("VPMOVSXBW X3, Y3")
	a.op("VMOVDQU Y2, (DI)")
	a.op("VMOVDQU Y3, (DI)(BX*1)")
	a.op("ADDQ $16, SI")
	a.op("ADDQ $16, DX")
	a.op("LEAQ (DI)(BX*2), DI")
	a.op("SUBQ $2, CX")
	a.op("JGE %s", pairs)
	a.at(single)
	a.op("INCQ CX")
	a.op("JLT %s", next)
	a.op("VMOVQ (SI), X0")
	a.op("VMOVQ (DX), X1")
	a.op("VPUNPCKLBW X1, X0, X0")
	a.op("VPMOVSXBW X0, Y0")
	a.op("VMOVDQU Y0, (DI)")
	a.at(next)
	a.op("ADDQ $32, R8")
	a.op("ADDQ R11, R9")
	a.op("ADDQ R11, R10")
	a.op("DECQ R12")
	a.op("JNE %s", pixel)
	a.op("VZEROUPPER")
	a.op("RET")
}

// pixelPairs writes the function for one output pixel. The argument is conv.dwPixelTile. Register use: R13 argument, R12 blocks left, SI input, DX
// output, R11 parameters, BX weights; AX walks the table of taps, CX counts its pairs.
func pixelPairs(a *asm, name string) {
	a.fn(name, "blocks of 8 channels of one output pixel; the argument is a dwPixelTile")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), SI")
	a.op("MOVQ 24(R13), BX")
	a.op("MOVQ 32(R13), R11")
	a.op("MOVQ 40(R13), DX")
	a.op("MOVQ 48(R13), R12")
	a.op("VPBROADCASTB 56(R13), X6")
	a.op("VPBROADCASTB 57(R13), X7")
	block, pair, exact, pack := a.label("block"), a.label("pair"), a.label("exact"), a.label("pack")
	a.at(block)
	a.op("MOVQ 8(R13), AX")
	a.op("MOVQ 16(R13), CX")
	a.op("VMOVDQU (R11), Y0")
	a.op("PCALIGN $32")
	a.at(pair)
	a.op("MOVQ (AX), R8")
	a.op("MOVQ 8(AX), R9")
	a.op("VMOVQ (SI)(R8*1), X1")
	a.op("VMOVQ (SI)(R9*1), X2")
	a.op("VPUNPCKLBW X2, X1, X1")
	a.op("VPMOVSXBW X1, Y1")
	a.op("VPMADDWD (BX), Y1, Y1")
	a.op("VPADDD Y1, Y0, Y0")
	a.op("ADDQ $16, AX")
	a.op("ADDQ $32, BX")
	a.op("DECQ CX")
	a.op("JNE %s", pair)
	a.op("VMOVDQU 32(R11), Y8")
	a.op("VMOVDQU 36(R11), Y9")
	a.op("VMOVDQU 64(R11), Y10")
	a.op("VMOVDQU 96(R11), Y11")
	a.op("CMPB 58(R13), $0")
	a.op("JNE %s", exact)
	rescalePairs(a, 0, false)
	a.at(pack)
	a.op("VPACKSSDW Y0, Y0, Y0")
	a.op("VPERMQ $0x08, Y0, Y0")
	a.op("VPACKSSWB X0, X0, X0")
	a.op("VPMAXSB X6, X0, X0")
	a.op("VPMINSB X7, X0, X0")
	a.op("VMOVQ X0, (DX)")
	a.op("ADDQ $160, R11")
	a.op("ADDQ $8, SI")
	a.op("ADDQ $8, DX")
	a.op("DECQ R12")
	a.op("JNE %s", block)
	a.op("VZEROUPPER")
	a.op("RET")
	a.at(exact)
	a.op("VMOVDQU 128(R11), Y12")
	rescalePairs(a, 0, true)
	a.op("JMP %s", pack)
}
