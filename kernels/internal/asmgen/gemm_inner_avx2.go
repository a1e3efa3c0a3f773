package main

// s8InnerAVX2 is s8AVX2 two groups at a time, with half of the multiplications.
var s8InnerAVX2 = func() kindAVX2 {
	k := s8AVX2
	k.inner = true
	return k
}()

// s8WideAVX2 is s8InnerAVX2 with weights that are int16 already, for many rows: widening them takes ports that the additions need.
var s8WideAVX2 = func() kindAVX2 {
	k := s8InnerAVX2
	k.weights, k.load = s16AVX2.weights, s16AVX2.load
	return k
}()

// rowsInner is how many rows the tiles of such a kind have at most: their weights take two registers more, and so do their temporaries.
const rowsInner = 4

// innerGroups multiplies two neighbouring groups of every row, of int16 values a0 a1 and a2 a3, with their weights b0 b1 and b2 b3 by the identity
//
//	(a0+b2)(a2+b0) + (a1+b3)(a3+b1) = a0b0 + a1b1 + a2b2 + a3b3 + (a0a2 + a1a3) + (b0b2 + b1b3)
//
// whose two last terms are of a row and of a column alone: the row brings the one, negated, and the bias the other (S. Winograd, A New Algorithm for
// Inner Product, IEEE Transactions on Computers C-17, 1968, page 693). Half of the multiplications become additions, which have twice the ports of the CPU.
// The sums wrap and come out right all the same.
func (k *kindAVX2) innerGroups(a *asm, rows, vectors int, sum func(r, v int) int) {
	const weights, row, temps = 8, 12, 14
	for v := range 2 * vectors {
		a.op("%s %d(BX), Y%d", k.load, v*k.weights, weights+v)
	}
	for r := range rows {
		for g := range 2 {
			a.op("%s %s, Y%d", k.cast, rowAt(r, 4*g), row+g)
		}
		at := func(v int) int { // the two temporaries of a vector: the row's own for the last, which is then not needed any more
			if v == vectors-1 {
				return row
			}
			return temps
		}
		for v := range vectors {
			for g := range 2 {
				a.op("VPADDW Y%d, Y%d, Y%d", row+g, weights+(1-g)*vectors+v, at(v)+g)
			}
		}
		for v := range vectors {
			a.op("VPMADDWD Y%d, Y%d, Y%d", at(v), at(v)+1, at(v))
		}
		for v := range vectors {
			a.op("VPADDD Y%d, Y%d, Y%d", at(v), sum(r, v), sum(r, v))
		}
	}
}

// innerLoop is kLoop for innerGroups, with a group at the end by itself.
func (k *kindAVX2) innerLoop(a *asm, rows, vectors int, sum func(r, v int) int) {
	tail, loop, done := a.label("tail"), a.label("loop"), a.label("done")
	a.op("SUBQ $2, CX")
	a.op("JLT %s", tail)
	a.op("PCALIGN $32")
	a.at(loop)
	k.innerGroups(a, rows, vectors, sum)
	a.op("ADDQ $%d, BX", 2*vectors*k.weights)
	a.op("ADDQ $8, AX")
	a.op("SUBQ $2, CX")
	a.op("JGE %s", loop)
	a.at(tail)
	a.op("ADDQ $2, CX")
	a.op("JEQ %s", done)
	k.group(a, 0, rows, vectors, func(_, r, v int) int { return sum(r, v) })
	a.op("ADDQ $%d, BX", vectors*k.weights)
	a.op("ADDQ $4, AX")
	a.at(done)
}

// innerOne is the loop of multiplyOne by innerGroups' identity; a group at the end goes by itself.
func (k *kindAVX2) innerOne(a *asm, panels int) {
	const row, temps = 12, 14
	tail, loop, done := a.label("tail"), a.label("loop"), a.label("done")
	a.op("SUBQ $2, CX")
	a.op("JLT %s", tail)
	a.op("PCALIGN $32")
	a.at(loop)
	for g := range 2 {
		a.op("%s %d(AX), Y%d", k.cast, 4*g, row+g)
	}
	for panel := range panels {
		at := panelAt("BX", panel)
		a.op("PREFETCHT0 %s", panelAt("R11", panel))
		for v := range 2 {
			for g := range 2 {
				a.op("%s %d%s, Y%d", k.load, ((1-g)*2+v)*k.weights, at, temps+g)
			}
			for g := range 2 {
				a.op("VPADDW Y%d, Y%d, Y%d", row+g, temps+g, temps+g)
			}
			a.op("VPMADDWD Y%d, Y%d, Y%d", temps, temps+1, temps)
			a.op("VPADDD Y%d, Y%d, Y%d", temps, 2*panel+v, 2*panel+v)
		}
	}
	a.op("ADDQ $%d, BX", 4*k.weights)
	a.op("ADDQ $%d, R11", 4*k.weights)
	a.op("ADDQ $8, AX")
	a.op("SUBQ $2, CX")
	a.op("JGE %s", loop)
	a.at(tail)
	a.op("ADDQ $2, CX")
	a.op("JEQ %s", done)
	a.op("%s (AX), Y12", k.cast)
	for panel := range panels {
		for v := range 2 {
			a.op("%s %d%s, Y14", k.load, v*k.weights, panelAt("BX", panel))
			a.op("VPMADDWD Y12, Y14, Y14")
			a.op("VPADDD Y14, Y%d, Y%d", 2*panel+v, 2*panel+v)
		}
	}
	a.op("ADDQ $4, AX")
	a.at(done)
}

// widenInnerAVX2 writes the copy that turns rows of int8 into int16, with a zero where their number is odd, and behind each row writes the negated sum of
// a0a2 + a1a3 over its fours, an int32: what innerGroups has too much. Of a last three the missing one counts as zero; fewer are no four.
func widenInnerAVX2(a *asm) {
	a.text("widenInnerAVX2", "$0-8", "func widenInnerAVX2(t *widenTile)")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), R8")   // dst
	a.op("MOVQ 8(R13), R9")   // bytes from row to row
	a.op("MOVQ 16(R13), R10") // src
	a.op("MOVQ 24(R13), R11") // bytes from row to row
	a.op("MOVQ 40(R13), R12") // rows
	a.at("row")
	a.op("MOVQ R8, DI")
	a.op("MOVQ R10, SI")
	a.op("MOVQ 32(R13), CX") // values of a row
	a.op("VPXOR Y0, Y0, Y0")
	a.op("VPXOR Y7, Y7, Y7")
	a.op("SUBQ $32, CX")
	a.op("JLT rest")
	a.at("loop")
	for i := range 2 {
		a.op("VPMOVSXBW %d(SI), Y%d", 16*i, 1+i)
	}
	for i := range 2 {
		a.op("VMOVDQU Y%d, %d(DI)", 1+i, 32*i)
		a.op("VPSRLQ $32, Y%d, Y%d", 1+i, 3+i)
		a.op("VPMADDWD Y%d, Y%d, Y%d", 3+i, 1+i, 3+i)
	}
	a.op("VPADDD Y3, Y0, Y0")
	a.op("VPADDD Y4, Y7, Y7")
	a.op("ADDQ $32, SI")
	a.op("ADDQ $64, DI")
	a.op("SUBQ $32, CX")
	a.op("JGE loop")
	a.at("rest")
	a.op("VPADDD Y7, Y0, Y0")
	a.op("VEXTRACTI128 $1, Y0, X1")
	a.op("VPADDD X1, X0, X0")
	a.op("ADDQ $24, CX")
	a.op("JLT tail")
	a.at("eight")
	a.op("VPMOVSXBW (SI), X1")
	a.op("VMOVDQU X1, (DI)")
	a.op("VPSRLQ $32, X1, X2")
	a.op("VPMADDWD X2, X1, X2")
	a.op("VPADDD X2, X0, X0")
	a.op("ADDQ $8, SI")
	a.op("ADDQ $16, DI")
	a.op("SUBQ $8, CX")
	a.op("JGE eight")
	a.at("tail")
	a.op("VPSRLDQ $8, X0, X1")
	a.op("VPADDD X1, X0, X0")
	a.op("VMOVD X0, DX")
	a.op("NEGL DX")
	a.op("ADDQ $4, CX")
	a.op("JLT three")
	for i := range 4 {
		a.op("MOVBLSX %d(SI), %s", i, []string{"AX", "BX", "R14", "R15"}[i])
	}
	for i := range 4 {
		a.op("MOVW %s, %d(DI)", []string{"AX", "BX", "R14", "R15"}[i], 2*i)
	}
	a.op("IMULL R14, AX")
	a.op("IMULL R15, BX")
	a.op("SUBL AX, DX")
	a.op("SUBL BX, DX")
	a.op("ADDQ $4, SI")
	a.op("ADDQ $8, DI")
	a.op("SUBQ $4, CX")
	a.at("three")
	a.op("ADDQ $4, CX")
	a.op("JEQ end")
	a.op("MOVBLSX (SI), AX")
	a.op("MOVW AX, (DI)")
	a.op("MOVW $0, 2(DI)") // the second of a group
	a.op("ADDQ $4, DI")
	a.op("CMPQ CX, $2")
	a.op("JLT end")
	a.op("MOVBLSX 1(SI), BX")
	a.op("MOVW BX, -2(DI)")
	a.op("JEQ end")
	a.op("MOVBLSX 2(SI), R14")
	a.op("MOVW R14, (DI)")
	a.op("MOVW $0, 2(DI)")
	a.op("ADDQ $4, DI")
	a.op("IMULL R14, AX")
	a.op("SUBL AX, DX")
	a.at("end")
	a.op("MOVL DX, (DI)")
	a.op("ADDQ R9, R8")
	a.op("ADDQ R11, R10")
	a.op("DECQ R12")
	a.op("JNE row")
	a.op("VZEROUPPER")
	a.op("RET")
}
