package main

import "fmt"

// f32AVX512 is what float32 tiles with one kind of weights have of their own.
type f32AVX512 struct {
	types string
	size  int    // of a vector of weights
	load  string // its instruction
	brain bool   // weights are the high halves of words
}

// f32KindsAVX512 are the kinds. Those with weights of two bytes compute the same sums of the same products in the same order.
var f32KindsAVX512 = []f32AVX512{
	{types: "f32", size: 64, load: "VMOVUPS"},
	{types: "f32bf16", size: 32, load: "VPMOVZXWD", brain: true},
	{types: "f32f16", size: 32, load: "VCVTPH2PS"},
}

// gemm writes one function for every float32 tile of rows × 16·vectors columns. Its argument is gemm.f32Tile. Registers are used as in
// gemmS8AVX512.
func (k *f32AVX512) gemm() []byte {
	a := newAsm("Tiles of the float32 matrix product on AVX512, " + k.types + ": fused multiply-adds, bias and clamp in the store.")
	tiles(a, k.types+"TilesAVX512", k.types, k.tile, k.one)
	return a.Bytes()
}

// mask makes what fill wants in K2.
func (k *f32AVX512) mask(a *asm) {
	if k.brain {
		a.op("MOVL $0xAAAAAAAA, R15")
		a.op("KMOVD R15, K2")
	}
}

// fill loads so many vectors of weights, from off bytes behind an address, into registers from z on. Of bfloat16 a word holds a column of one vector and, in
// its high half, one of the next; a last one without a next lies by itself.
func (k *f32AVX512) fill(a *asm, off int, address string, vectors, z int) {
	for v := 0; v < vectors; v++ {
		from := fmt.Sprintf("%d%s", off+v*k.size, address)
		if k.brain && v+1 < vectors {
			a.op("VPSLLD $16, %s, Z%d", from, z+v)
			v++
			a.op("VMOVDQU16.Z %s, K2, Z%d", from, z+v)
			continue
		}
		a.op("%s %s, Z%d", k.load, from, z+v)
		if k.brain {
			a.op("VPSLLD $16, Z%d, Z%d", z+v, z+v)
		}
	}
}

func (k *f32AVX512) tile(a *asm, name string, rows, vectors int) {
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
	k.mask(a)
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
		k.fill(a, s*vectors*k.size, "(BX)", vectors, 24)
		for r := range rows {
			if vectors == 1 { // a broadcast of its own would take Zen 4 longer than the multiply-add
				a.op("VFMADD231PS.BCST %s, Z24, %s", rowAt(r, 4*s), part(s, r, 0))
				continue
			}
			b := fmt.Sprintf("Z%d", 28+(s*rows+r)%4)
			a.op("VBROADCASTSS %s, %s", rowAt(r, 4*s), b)
			for v := range vectors {
				a.op("VFMADD231PS Z%d, %s, %s", 24+v, b, part(s, r, v))
			}
		}
		fetchNext(a)
	}
	segments(a, rows, k.size*vectors, sets, group)
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

// one writes the function for one row and several panels.
func (k *f32AVX512) one(a *asm, name string, panels int) {
	if k.load == "VCVTPH2PS" {
		k.oneHalf(a, name, panels)
		return
	}
	a.fn(name, fmt.Sprintf("one row, %d columns; the argument is an f32Tile", 64*panels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // a
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 48(R13), SI") // bias
	for i := range 4 * panels {
		a.op("VPXORD Z%d, Z%d, Z%d", i, i, i)
	}
	k.mask(a)
	oneLoop(a, panels, 4*k.size, 0, "VBROADCASTSS", func(at string, sums int) {
		if k.size == 64 {
			fourFrom(a, at, "VFMADD231PS", sums)
			return
		}
		k.fill(a, 0, at, 4, 25)
		for v := range 4 {
			a.op("VFMADD231PS Z%d, Z24, Z%d", 25+v, sums+v)
		}
	})
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

// oneHalf is one for weights of binary16: Zen 4 widens eight of them and multiplies them in half of a cycle, but takes two for sixteen. Half registers hold the
// sums of two panels, so that four are two passes.
func (k *f32AVX512) oneHalf(a *asm, name string, panels int) {
	const sums = 16
	a.fn(name, fmt.Sprintf("one row, %d columns; the argument is an f32Tile", 64*panels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 48(R13), SI") // bias
	a.op("VBROADCASTSS 56(R13), Y25")
	a.op("VBROADCASTSS 60(R13), Y26")
	for pass := 0; pass < panels; pass += 2 {
		if pass > 0 {
			a.op("LEAQ (R8*2), R8")
			a.op("ADDQ R8, 16(R13)")
		}
		a.op("MOVQ 0(R13), AX") // a
		for i := range sums {
			a.op("VPXORD Y%d, Y%d, Y%d", i, i, i)
		}
		oneLoop(a, 2, 4*k.size, 0, "VBROADCASTSS", func(at string, first int) {
			for i := range 8 {
				a.op("VCVTPH2PS %d%s, Y%d", 16*i, at, 16+i)
				a.op("VFMADD231PS Y%d, Y24, Y%d", 16+i, 2*first+i)
			}
		})
		for i := range sums {
			a.op("VADDPS %d(SI), Y%d, Y%d", 32*i, i, i)
			a.op("VMAXPS Y%d, Y25, Y%d", i, i)
			a.op("VMINPS Y%d, Y26, Y%d", i, i)
			a.op("VMOVUPS Y%d, %d(DX)", i, 32*i)
		}
		a.op("ADDQ $%d, SI", 32*sums)
		a.op("ADDQ $%d, DX", 32*sums)
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
