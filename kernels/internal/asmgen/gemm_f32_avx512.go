package main

import "fmt"

// gemmF32AVX512 writes one function for every float32 tile of rows × 16·vectors columns. Its argument is gemm.f32Tile. Registers are used as in
// gemmS8AVX512.
func gemmF32AVX512() []byte {
	a := newAsm("Tiles of the float32 matrix product on AVX512: fused multiply-adds, bias and clamp in the store.")
	tiles(a, "f32TilesAVX512", "f32", tileF32, oneF32)
	return a.Bytes()
}

func tileF32(a *asm, name string, rows, vectors int) {
	sets := setsFor(rows * vectors)
	part := func(s, r, v int) string { return fmt.Sprintf("Z%d", (s*rows+r)*vectors+v) }
	acc := func(r, v int) string { return part(0, r, v) }
	a.fn(name, fmt.Sprintf("%d rows, %d columns; the argument is an f32Tile", rows, 16*vectors))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")   // a
	a.op("MOVQ 8(R13), R8")   // lda in bytes
	a.op("MOVQ 32(R13), DX")  // dst
	a.op("MOVQ 40(R13), DI")  // ldd in bytes
	a.op("MOVQ 48(R13), SI")  // bias
	a.op("MOVQ 64(R13), R12") // tiles
	a.op("LEAQ (R8)(R8*2), R9")
	a.op("LEAQ (R8)(R8*4), R10")
	a.op("MOVQ 72(R13), R15") // mask of the columns
	for v := range vectors {
		a.op("KMOVW R15, K%d", 3+v)
		a.op("SHRQ $16, R15")
	}
	a.op("MOVQ 120(R13), R15")
	next := a.label("tile")
	a.at(next)
	a.op("MOVQ 16(R13), BX")
	for s := range sets {
		for r := range rows {
			for v := range vectors {
				z := part(s, r, v)
				a.op("VPXORD %s, %s, %s", z, z, z)
			}
		}
	}
	group := func(s int) {
		for v := range vectors {
			a.op("VMOVUPS %d(BX), Z%d", (s*vectors+v)*64, 24+v)
		}
		for r := range rows {
			b := fmt.Sprintf("Z%d", 28+(s*rows+r)%4)
			a.op("VBROADCASTSS %s, %s", rowAt(r, 4*s), b)
			for v := range vectors {
				a.op("VFMADD231PS Z%d, %s, %s", 24+v, b, part(s, r, v))
			}
		}
		fetchNext(a)
	}
	segments(a, rows, 64*vectors, sets, group)
	for s := 1; s < sets; s++ {
		for r := range rows {
			for v := range vectors {
				a.op("VADDPS %s, %s, %s", part(s, r, v), acc(r, v), acc(r, v))
			}
		}
	}
	a.op("VBROADCASTSS 56(R13), Z24")
	a.op("VBROADCASTSS 60(R13), Z25")
	for v := range vectors {
		a.op("VMOVUPS %d(SI), Z%d", 64*v, 26+v)
	}
	for r := range rows {
		for v := range vectors {
			a.op("VADDPS Z%d, %s, %s", 26+v, acc(r, v), acc(r, v))
			// The sum comes first in Go's order: where it is NaN, it is what these return.
			a.op("VMAXPS %s, Z24, %s", acc(r, v), acc(r, v))
			a.op("VMINPS %s, Z25, %s", acc(r, v), acc(r, v))
			a.op("VMOVUPS %s, K%d, %d(DX)", acc(r, v), 3+v, 64*v)
		}
		a.op("ADDQ DI, DX")
	}
	fetchAgain(a)
	nextTile(a, rows, next)
}

// fetchNext asks for 64 bytes of the panel that follows: they come from far away while this one is worked on.
func fetchNext(a *asm) {
	a.op("PREFETCHT1 (R15)")
	a.op("ADDQ $64, R15")
}

// fetchAgain keeps fetchNext within that panel.
func fetchAgain(a *asm) {
	a.op("CMPQ R15, 128(R13)")
	a.op("CMOVQCC 120(R13), R15")
}

// oneF32 writes the function for one row and several panels.
func oneF32(a *asm, name string, panels int) {
	a.fn(name, fmt.Sprintf("one row, %d columns; the argument is an f32Tile", 64*panels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // a
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 48(R13), SI") // bias
	for i := range 4 * panels {
		a.op("VPXORD Z%d, Z%d, Z%d", i, i, i)
	}
	oneLoop(a, panels, "VBROADCASTSS", "VFMADD231PS")
	a.op("VBROADCASTSS 56(R13), Z24")
	a.op("VBROADCASTSS 60(R13), Z25")
	for i := range 4 * panels {
		a.op("VADDPS %d(SI), Z%d, Z%d", 64*i, i, i)
		a.op("VMAXPS Z%d, Z24, Z%d", i, i)
		a.op("VMINPS Z%d, Z25, Z%d", i, i)
		a.op("VMOVUPS Z%d, %d(DX)", i, 64*i)
	}
	a.op("VZEROUPPER")
	a.op("RET")
}

// setsFor says over how many sets of accumulators the k groups alternate: few accumulators would wait for each other.
func setsFor(accumulators int) int {
	sets := 1
	for accumulators*sets < 10 && accumulators*sets*2 <= 24 && sets < 4 {
		sets *= 2
	}
	return sets
}

// segments runs kLoop over every segment of the rows: runs of k that lie at offsets of their own from where the rows begin, as the lines of a window in
// a picture do. AX holds the rows of the tile; R14 walks the offsets. The fields behind 88 are those of both argument structs.
func segments(a *asm, rows, weights, sets int, group func(s int)) {
	a.op("MOVQ AX, 104(R13)")
	a.op("MOVQ 96(R13), R14")
	a.op("MOVQ 88(R13), CX")
	a.op("MOVQ CX, 112(R13)")
	segment := a.label("segment")
	a.at(segment)
	a.op("MOVQ 104(R13), AX")
	a.op("ADDQ (R14), AX")
	if rows > 6 {
		a.op("LEAQ (AX)(R9*2), R11")
	}
	a.op("MOVQ 24(R13), CX")
	kLoop(a, rows, weights, sets, group)
	a.op("ADDQ $8, R14")
	a.op("DECQ 112(R13)")
	a.op("JNE %s", segment)
}

// kLoop runs group over CX groups of four bytes of each row and so many bytes of weights, sets of them at a time, and leaves the row pointers
// behind the last.
func kLoop(a *asm, rows, weights, sets int, group func(s int)) {
	advance := func(groups int) {
		a.op("ADDQ $%d, BX", weights*groups)
		a.op("ADDQ $%d, AX", 4*groups)
		if rows > 6 {
			a.op("ADDQ $%d, R11", 4*groups)
		}
	}
	tail, loop, done := a.label("tail"), a.label("loop"), a.label("done")
	if sets > 1 {
		a.op("SUBQ $%d, CX", sets)
		a.op("JLT %s", tail)
		a.op("PCALIGN $32")
		a.at(loop)
		for s := range sets {
			group(s)
		}
		advance(sets)
		a.op("SUBQ $%d, CX", sets)
		a.op("JGE %s", loop)
		a.at(tail)
		a.op("ADDQ $%d, CX", sets)
		a.op("JEQ %s", done)
		one := a.label("one")
		a.at(one)
		group(0)
		advance(1)
		a.op("DECQ CX")
		a.op("JNE %s", one)
		a.at(done)
		return
	}
	a.op("PCALIGN $32")
	a.at(loop)
	group(0)
	advance(1)
	a.op("DECQ CX")
	a.op("JNE %s", loop)
}

// nextTile moves AX to the rows of the next tile, and ends the function after the last.
func nextTile(a *asm, rows int, next string) {
	a.op("MOVQ 104(R13), AX")
	a.op("IMUL3Q $%d, R8, CX", rows)
	a.op("ADDQ CX, AX")
	a.op("DECQ R12")
	a.op("JNE %s", next)
	a.op("VZEROUPPER")
	a.op("RET")
}
