package main

import "fmt"

// The tiles of the matrix products on 256-bit registers: up to six rows and one or two vectors of eight columns, so that twelve sums, two vectors
// of weights and two temporaries fit the sixteen registers.
//
// Register use: AX rows of A, R8 their distance, R9 and R10 three and five times that, BX weights, CX groups left, DX output, DI its stride, SI
// parameters, R12 tiles left, R13 argument, R15 columns.
const rowsAVX2 = 6

// kindAVX2 is what tells one kind of 256-bit tile from another.
type kindAVX2 struct {
	weights int    // bytes of a group of weights for one vector of columns
	most    int    // sums that a tile with few rows spreads over, to hide the latency of its multiply-adds
	ahead   int    // bytes of weights: that far before their use the function for one row asks for them, which it reads but once
	unroll  int    // groups that a round of the loop multiplies: where two threads share a core, each instruction counts
	fetch   bool   // tiles fetch the weights of the panel that follows, by R11: a line in each round, so that several tiles do it together
	early   bool   // int8 tiles fetch some of the weights of the panel that follows before they store
	zero    bool   // sums start with zero instead of the parameters' first block
	inner   bool   // two groups at a time, by Winograd's inner product: see innerGroups
	load    string // instructions that load weights, broadcast a group of a row, and add sums
	brain   bool   // weights are the high halves of words
	nibbles bool   // weights are half bytes: see fill
	cast    string
	add     string
	madd    func(a *asm, weights, row, sum int, last bool) // last: the row's register is not needed any more
}

// fill loads so many vectors of weights, from off bytes behind an address, into Y12 and Y13. Of bfloat16 a word holds a column of the first vector and, in
// its high half, one of the second. A byte of nibbles holds a weight of the first vector and, in its high half, one of the second.
func (k *kindAVX2) fill(a *asm, off int, address string, vectors int) {
	if k.brain && vectors == 2 {
		a.op("VMOVDQU %d%s, Y13", off, address)
		a.op("VPSLLD $16, Y13, Y12")
		a.op("VPAND Y15, Y13, Y13")
		return
	}
	if k.nibbles {
		a.op("VPMOVZXBW %d%s, Y12", off, address)
		a.op("VPSRLW $4, Y12, Y13")
		a.op("VPAND Y11, Y12, Y12")
		return
	}
	for v := range vectors {
		a.op("%s %d%s, Y%d", k.load, off+v*k.weights, address, 12+v)
	}
	if k.brain {
		a.op("VPSLLD $16, Y12, Y12")
	}
}

// mask makes what fill wants in Y15 or, of nibbles, Y11.
func (k *kindAVX2) mask(a *asm, vectors int) {
	if k.nibbles {
		a.op("VPCMPEQD Y11, Y11, Y11")
		a.op("VPSRLW $12, Y11, Y11")
	}
	if k.brain && vectors == 2 {
		a.op("VPCMPEQD Y15, Y15, Y15")
		a.op("VPSLLD $16, Y15, Y15")
	}
}

// group multiplies group s of every row with the weights of its columns.
func (k *kindAVX2) group(a *asm, s, rows, vectors int, part func(s, r, v int) int) {
	k.fill(a, s*vectors*k.weights, "(BX)", vectors)
	for r := range rows {
		a.op("%s %s, Y14", k.cast, rowAt(r, 4*s))
		for v := range vectors {
			k.madd(a, 12+v, 14, part(s, r, v), v == vectors-1)
		}
	}
	if k.fetch && s == 0 {
		a.op("PREFETCHT1 (R11)")
		a.op("ADDQ $%d, R11", vectors*k.weights)
	}
}

// tilesAVX2 writes all tiles of one kind, the functions for one row and several panels, and their table: by vectors, then by rows, both less one,
// then the last one.
func tilesAVX2(a *asm, table, prefix string, high int, tile func(a *asm, name string, rows, vectors int), one func(a *asm, name string, panels int)) {
	var names []string
	for vectors := 1; vectors <= 2; vectors++ {
		for rows := 1; rows <= high; rows++ {
			if prefix == "s4" && vectors == 1 {
				names = append(names, "")
				continue
			}
			name := fmt.Sprintf("%sr%dx%d", prefix, rows, 8*vectors)
			names = append(names, name)
			tile(a, name, rows, vectors)
		}
	}
	for _, panels := range onePanels {
		name := fmt.Sprintf("%sr1x%dx%d", prefix, panels, 16)
		names = append(names, name)
		one(a, name, panels)
	}
	a.table(table, names)
}

// beginAVX2 writes the head of a tile's function; tiles and columns are where its argument has these.
func beginAVX2(a *asm, tiles, columns int) {
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // a
	a.op("MOVQ 8(R13), R8")  // its stride
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 40(R13), DI") // its stride
	a.op("MOVQ 48(R13), SI") // parameters
	a.op("MOVQ %d(R13), R12", tiles)
	a.op("MOVQ %d(R13), R15", columns)
	a.op("LEAQ (R8)(R8*2), R9")
	a.op("LEAQ (R8)(R8*4), R10")
}

// multiply writes the loop over k and leaves the sums in the first set of registers.
func (k *kindAVX2) multiply(a *asm, rows, vectors int) func(r, v int) string {
	sets := 1
	for rows*vectors*sets*2 <= min(12, k.most) && sets < 4 && !k.inner {
		sets *= 2
	}
	part := func(s, r, v int) int { return (s%sets*rows+r)*vectors + v }
	a.op("MOVQ 16(R13), BX")
	for s := range sets {
		for r := range rows {
			for v := range vectors {
				y := part(s, r, v)
				switch {
				case k.zero || s > 0:
					a.op("VPXOR Y%d, Y%d, Y%d", y, y, y)
				case r == 0:
					a.op("VMOVDQU %d(SI), Y%d", 32*v, y)
				default:
					a.op("VMOVDQA Y%d, Y%d", part(0, 0, v), y)
				}
			}
		}
	}
	k.mask(a, vectors)
	if k.inner {
		a.op("MOVQ AX, 104(R13)")
		a.op("MOVQ 24(R13), CX")
		k.innerLoop(a, rows, vectors, func(r, v int) int { return part(0, r, v) })
	} else {
		segments(a, rows, k.weights*vectors, max(sets, k.unroll), func(s int) { k.group(a, s, rows, vectors, part) })
	}
	for s := 1; s < sets; s++ {
		for r := range rows {
			for v := range vectors {
				a.op("%s Y%d, Y%d, Y%d", k.add, part(s, r, v), part(0, r, v), part(0, r, v))
			}
		}
	}
	return func(r, v int) string { return fmt.Sprintf("Y%d", part(0, r, v)) }
}

// onePanels says how many panels of the widest tile the functions for one row take at once.
var onePanels = []int{4, 2}

// panelAt is the address of a panel's weights for that function, counted from a register.
func panelAt(base string, panel int) string {
	return "(" + base + ")" + [...]string{"", "(R8*1)", "(R8*2)", "(R9*1)"}[panel]
}

// shortPanel is how many bytes of weights of a panel are so few that the function for one row asks for those of the panels that follow instead of its own.
const shortPanel = 4 << 10

// fetchOne points R11 to the weights that the function for one row asks for while it multiplies those at BX.
func (k *kindAVX2) fetchOne(a *asm, panels int) {
	short := a.label("short")
	a.op("IMUL3Q $%d, R8, R11", panels)
	a.op("CMPQ R8, $%d", shortPanel)
	a.op("JLE %s", short)
	a.op("MOVQ $%d, R11", k.ahead)
	a.at(short)
	a.op("ADDQ BX, R11")
}

// multiplyOne is multiply for one row and so many panels of two vectors: the loop over k starts and ends less often. Float32 panels follow each other in
// memory, and R8 and R9 become their distance and three times that. Int8 panels lie as far apart as R8 and R9 say already, their parameters R15 bytes, and
// each of them continues what the call before has read.
func (k *kindAVX2) multiplyOne(a *asm, panels int) func(r, v int) string {
	a.op("MOVQ 16(R13), BX")
	a.op("MOVQ 24(R13), CX")
	if k.zero {
		a.op("IMUL3Q $%d, CX, R8", 2*k.weights)
		a.op("LEAQ (R8)(R8*2), R9")
		k.fetchOne(a, panels)
	} else {
		a.op("LEAQ %d(BX), R11", k.ahead)
		a.op("MOVQ SI, R12")
	}
	for v := range 2 * panels {
		if k.zero {
			a.op("VPXOR Y%d, Y%d, Y%d", v, v, v)
			continue
		}
		a.op("VMOVDQU %d(R12), Y%d", v%2*32, v)
		if v%2 == 1 {
			a.op("ADDQ R15, R12")
		}
	}
	k.mask(a, 2)
	loop := a.label("loop")
	if k.inner {
		k.innerOne(a, panels)
		return func(_, v int) string { return fmt.Sprintf("Y%d", v) }
	}
	a.op("PCALIGN $32")
	a.at(loop)
	a.op("%s (AX), Y14", k.cast)
	for panel := range panels {
		k.fill(a, 0, panelAt("BX", panel), 2)
		a.op("PREFETCHT0 %s", panelAt("R11", panel))
		for v := range 2 {
			k.madd(a, 12+v, 14, 2*panel+v, false)
		}
	}
	a.op("ADDQ $%d, BX", 2*k.weights)
	a.op("ADDQ $%d, R11", 2*k.weights)
	a.op("ADDQ $4, AX")
	a.op("DECQ CX")
	a.op("JNE %s", loop)
	return func(_, v int) string { return fmt.Sprintf("Y%d", v) }
}

// f32AVX2 multiplies one value of every row with the weights of its columns.
var f32AVX2 = kindAVX2{weights: 32, most: 12, ahead: 1024, unroll: 4, fetch: true, zero: true, load: "VMOVUPS", cast: "VBROADCASTSS", add: "VADDPS",
	madd: func(a *asm, weights, row, sum int, _ bool) { a.op("VFMADD231PS Y%d, Y%d, Y%d", weights, row, sum) }}

// bf16AVX2 and f16AVX2 are f32AVX2 with weights of two bytes: the same sums of the same products in the same order.
var (
	bf16AVX2 = narrowAVX2("VPMOVZXWD", true)
	f16AVX2  = narrowAVX2("VCVTPH2PS", false)
)

func narrowAVX2(load string, brain bool) kindAVX2 {
	k := f32AVX2
	k.weights, k.ahead, k.load, k.brain = k.weights/2, k.ahead/2, load, brain
	return k
}

// s8AVX2 multiplies two int16 values of every row with int8 weights, which it widens: exact for all values, at two instructions more than weights
// kept as int16 would need, for half of their memory.
var s8AVX2 = kindAVX2{weights: 16, most: 4, ahead: 320, early: true, load: "VPMOVSXBW", cast: "VPBROADCASTD", add: "VPADDD",
	madd: func(a *asm, weights, row, sum int, last bool) {
		product := 15
		if last {
			product = row
		}
		a.op("VPMADDWD Y%d, Y%d, Y%d", weights, row, product)
		a.op("VPADDD Y%d, Y%d, Y%d", product, sum, sum)
	}}

// s4AVX2 is s8AVX2 for weights of half a byte, 8 larger than they are, in pairs of vectors.
var s4AVX2 = func() kindAVX2 {
	k := s8AVX2
	k.weights, k.nibbles = k.weights/2, true
	return k
}()

// s8AVXVNNI multiplies four uint8 values of every row with int8 weights.
var s8AVXVNNI = kindAVX2{weights: 32, most: 12, ahead: 1024, load: "VMOVDQU", cast: "VPBROADCASTD", add: "VPADDD",
	madd: func(a *asm, weights, row, sum int, _ bool) { dpbusd(a, weights, row, sum) }}

// dpbusd adds the products of four bytes of registers u (unsigned) and w (signed) to each sum, in the VEX encoding that CPUs with AVX-VNNI but
// without AVX512 have: Go's assembler knows the other one alone.
func dpbusd(a *asm, w, u, sum int) {
	low := func(bit3 int) int { return 1 - bit3>>3 }
	a.op("BYTE $0xC4; BYTE $%#02X; BYTE $%#02X; BYTE $0x50; BYTE $%#02X // VPDPBUSD Y%d, Y%d, Y%d",
		low(sum)<<7|1<<6|low(w)<<5|2, (^u&15)<<3|1<<2|1, 3<<6|(sum&7)<<3|w&7, w, u, sum)
}

// gemmS8AVX2 writes the int8 tiles of rows that are int16. Their argument is gemm.s8Tile.
func gemmS8AVX2() []byte {
	a := newAsm("Tiles of the int8 matrix product on AVX2: int16 rows, s8 panels, rescaled in the store.")
	tilesAVX2(a, "s8TilesAVX2", "s8", rowsAVX2, s8AVX2.tileS8, s8AVX2.oneS8)
	tilesAVX2(a, "s4TilesAVX2", "s4", rowsInner, s4AVX2.tileS8, s4AVX2.oneS8)
	tilesAVX2(a, "s8InnerTilesAVX2", "s8inner", rowsInner, s8InnerAVX2.tileS8, s8InnerAVX2.oneS8)
	var wide []string
	for rows := 1; rows <= rowsInner; rows++ {
		name := fmt.Sprintf("s8wider%dx16", rows)
		wide = append(wide, name)
		s8WideAVX2.tileS8(a, name, rows, 2)
	}
	a.table("s8WideTilesAVX2", wide)
	widenAVX2(a)
	widenInnerAVX2(a)
	sumAVX2(a)
	return a.Bytes()
}

// gemmS8AVXVNNI writes the int8 tiles of rows that are uint8. Their argument is gemm.s8Tile.
func gemmS8AVXVNNI() []byte {
	a := newAsm("Tiles of the int8 matrix product on AVX-VNNI: u8 rows, s8 panels, rescaled in the store.")
	tilesAVX2(a, "s8TilesAVXVNNI", "s8", rowsAVX2, s8AVXVNNI.tileS8, s8AVXVNNI.oneS8)
	return a.Bytes()
}

// gemmF32AVX2 writes the float32 tiles with weights of one kind. Their argument is gemm.f32Tile.
func gemmF32AVX2(types string, k *kindAVX2) func() []byte {
	return func() []byte {
		a := newAsm("Tiles of the float32 matrix product on AVX2, " + types + ": fused multiply-adds, bias and clamp in the store.")
		tilesAVX2(a, types+"TilesAVX2", types, rowsAVX2, k.tileF32, k.oneF32)
		return a.Bytes()
	}
}

func (k *kindAVX2) tileF32(a *asm, name string, rows, vectors int) {
	a.fn(name, fmt.Sprintf("%d rows, %d columns; the argument is an f32Tile", rows, 8*vectors))
	beginAVX2(a, 64, 80)
	a.op("SUBQ $%d, R15", 8*(vectors-1)) // columns of the last vector; the first is always full where there are two
	a.op("MOVQ 120(R13), R11")
	next, full, done := a.label("tile"), a.label("full"), a.label("stored")
	a.at(next)
	acc := k.multiply(a, rows, vectors)
	a.op("VBROADCASTSS 56(R13), Y14")
	a.op("VBROADCASTSS 60(R13), Y15")
	for v := range vectors {
		a.op("VMOVUPS %d(SI), Y%d", 32*v, 12+v)
	}
	for r := range rows {
		for v := range vectors {
			a.op("VADDPS Y%d, %s, %s", 12+v, acc(r, v), acc(r, v))
			// The sum comes first in Go's order: where it is NaN, it is what these return.
			a.op("VMAXPS %s, Y14, %s", acc(r, v), acc(r, v))
			a.op("VMINPS %s, Y15, %s", acc(r, v), acc(r, v))
		}
	}
	a.op("CMPQ R15, $8")
	a.op("JEQ %s", full)
	for r := range rows {
		if vectors == 2 {
			a.op("VMOVUPS %s, (DX)", acc(r, 0))
		}
		a.op("LEAQ %d(DX), CX", 32*(vectors-1))
		storePart(a, acc(r, vectors-1), "CX", "R15")
		a.op("ADDQ DI, DX")
	}
	a.op("JMP %s", done)
	a.at(full)
	for r := range rows {
		for v := range vectors {
			a.op("VMOVUPS %s, %d(DX)", acc(r, v), 32*v)
		}
		a.op("ADDQ DI, DX")
	}
	a.at(done)
	a.op("CMPQ R11, 128(R13)")
	a.op("CMOVQCC 120(R13), R11")
	nextTile(a, rows, next)
}

// oneF32 writes the function for one row and several panels; the argument is an f32Tile.
func (k *kindAVX2) oneF32(a *asm, name string, panels int) {
	a.fn(name, fmt.Sprintf("one row, %d columns; the argument is an f32Tile", 16*panels))
	beginAVX2(a, 64, 80)
	acc := k.multiplyOne(a, panels)
	a.op("VBROADCASTSS 56(R13), Y14")
	a.op("VBROADCASTSS 60(R13), Y15")
	for v := range 2 * panels {
		a.op("VADDPS %d(SI), %s, %s", 32*v, acc(0, v), acc(0, v))
		a.op("VMAXPS %s, Y14, %s", acc(0, v), acc(0, v))
		a.op("VMINPS %s, Y15, %s", acc(0, v), acc(0, v))
		a.op("VMOVUPS %s, %d(DX)", acc(0, v), 32*v)
	}
	a.op("VZEROUPPER")
	a.op("RET")
}

// oneS8 writes the function for one row and several panels.
func (k *kindAVX2) oneS8(a *asm, name string, panels int) {
	const parameters = 5 * 2 * 32 // bytes of a panel
	a.fn(name, fmt.Sprintf("one row, %d panels of 16 columns, lda bytes of weights and ldd outputs apart; the argument is an s8Tile", panels))
	beginAVX2(a, 64, 80)
	a.op("IMUL3Q $%d, DI, R15", parameters/16)
	acc := k.multiplyOne(a, panels)
	plain, exact, pack := a.label("plain"), a.label("exact"), a.label("pack")
	a.op("CMPB 59(R13), $0")
	a.op("JEQ %s", plain)
	a.op("VPBROADCASTD (AX), Y12")
	for v := range 2 * panels {
		a.op("VPADDD Y12, %s, %s", acc(0, v), acc(0, v))
	}
	a.at(plain)
	rescale := func(exact bool) {
		for panel := range panels {
			for v := range 2 {
				rescaleAVX2(a, 1, v, 2, func(_, v int) string { return acc(0, 2*panel+v) }, exact)
			}
			a.op("ADDQ R15, SI")
		}
	}
	a.op("CMPB 58(R13), $0")
	a.op("JNE %s", exact)
	rescale(false)
	a.op("JMP %s", pack)
	a.at(exact)
	rescale(true)
	a.at(pack)
	a.op("VPBROADCASTB 56(R13), Y14")
	a.op("VPBROADCASTB 57(R13), Y15")
	for panel := 0; panel < panels; panel += 2 {
		packAVX2(a, func(r, v int) string { return acc(0, 2*(panel+r)+v) }, 0, 1)
		a.op("VMOVDQU X%d, (DX)", 2*panel)
		a.op("VEXTRACTI128 $1, Y%d, (DX)(DI*1)", 2*panel)
		a.op("LEAQ (DX)(DI*2), DX")
	}
	a.op("VZEROUPPER")
	a.op("RET")
}

// packAVX2 packs two rows of two vectors into the register of the first, the first row in its low half.
func packAVX2(a *asm, acc func(r, v int) string, first, second int) {
	y := acc(first, 0)
	a.op("VPACKSSDW %s, %s, %s", acc(first, 1), acc(first, 0), y)
	a.op("VPACKSSDW %s, %s, Y12", acc(second, 1), acc(second, 0))
	a.op("VPACKSSWB Y12, %s, %s", y, y)
	a.op("VPMAXSB Y14, %s, %s", y, y)
	a.op("VPMINSB Y15, %s, %s", y, y)
	a.op("VPERMQ $0xD8, %s, %s", y, y)
}

func (k *kindAVX2) tileS8(a *asm, name string, rows, vectors int) {
	a.fn(name, fmt.Sprintf("%d rows, %d columns; the argument is an s8Tile", rows, 8*vectors))
	beginAVX2(a, 64, 80)
	next, exact, pack, full, done := a.label("tile"), a.label("exact"), a.label("pack"), a.label("full"), a.label("stored")
	if k.early {
		a.op("MOVQ 120(R13), R11")
	}
	a.at(next)
	acc := k.multiply(a, rows, vectors)
	more := func() {}
	if !k.nibbles {
		once := k
		if k.inner {
			once = &s8AVX2
		}
		more = moreGroups(a, rows, once.weights*vectors, func(s int) {
			once.group(a, s, rows, vectors, func(_, r, v int) int { return r*vectors + v })
		})
	}
	if k.early {
		fetch, fetched := a.label("fetch"), a.label("fetched")
		a.op("MOVQ 136(R13), CX")
		a.op("TESTQ CX, CX")
		a.op("JEQ %s", fetched)
		a.at(fetch)
		a.op("PREFETCHT1 (R11)")
		a.op("ADDQ $64, R11")
		a.op("DECQ CX")
		a.op("JNE %s", fetch)
		a.at(fetched)
	}
	plain := a.label("plain")
	a.op("CMPB 59(R13), $0")
	a.op("JEQ %s", plain)
	for r := range rows {
		a.op("VPBROADCASTD %s, Y12", rowAt(r, 0))
		for v := range vectors {
			a.op("VPADDD Y12, %s, %s", acc(r, v), acc(r, v))
		}
	}
	a.at(plain)
	a.op("CMPB 58(R13), $0")
	a.op("JNE %s", exact)
	for v := range vectors {
		rescaleAVX2(a, rows, v, vectors, acc, false)
	}
	a.op("JMP %s", pack)
	a.at(exact)
	for v := range vectors {
		rescaleAVX2(a, rows, v, vectors, acc, true)
	}
	a.at(pack)
	a.op("VPBROADCASTB 56(R13), Y14")
	a.op("VPBROADCASTB 57(R13), Y15")
	// Two rows at a time become bytes, the first in register 2·pair, the second in the next one.
	for r := 0; r < rows; r += 2 {
		second := min(r+1, rows-1)
		y, x, x1 := acc(r, 0), "X"+acc(r, 0)[1:], fmt.Sprintf("X%d", packed(r+1, vectors))
		if vectors == 2 {
			packAVX2(a, acc, r, second)
			if r+1 < rows {
				a.op("VEXTRACTI128 $1, %s, %s", y, x1)
			}
			continue
		}
		a.op("VPACKSSDW %s, %s, %s", acc(second, 0), acc(r, 0), y)
		a.op("VEXTRACTI128 $1, %s, X12", y)
		a.op("VPACKSSWB X12, %s, %s", x, x)
		a.op("VPMAXSB X14, %s, %s", x, x)
		a.op("VPMINSB X15, %s, %s", x, x)
		a.op("VPSHUFD $0xD8, %s, %s", x, x)
		if r+1 < rows {
			a.op("VPSRLDQ $8, %s, %s", x, x1)
		}
	}
	a.op("CMPQ R15, $%d", 8*vectors)
	a.op("JEQ %s", full)
	for r := range rows {
		a.op("MOVQ DX, CX")
		x := fmt.Sprintf("X%d", packed(r, vectors))
		for _, bytes := range []int{8, 4, 2, 1} {
			if bytes == 8*vectors {
				continue
			}
			skip := a.label("skip")
			a.op("TESTQ $%d, R15", bytes)
			a.op("JEQ %s", skip)
			a.op("%s", map[int]string{8: "VMOVQ " + x, 4: "VMOVD " + x, 2: "VPEXTRW $0, " + x, 1: "VPEXTRB $0, " + x}[bytes]+", (CX)")
			if bytes > 1 {
				a.op("ADDQ $%d, CX", bytes)
				a.op("VPSRLDQ $%d, %s, %s", bytes, x, x)
			}
			a.at(skip)
		}
		a.op("ADDQ DI, DX")
	}
	a.op("JMP %s", done)
	a.at(full)
	for r := range rows {
		store := "VMOVDQU"
		if vectors == 1 {
			store = "VMOVQ"
		}
		a.op("%s X%d, (DX)", store, packed(r, vectors))
		a.op("ADDQ DI, DX")
	}
	a.at(done)
	nextTile(a, rows, next)
	more()
}

// packed is the register of a row's bytes: that of its first sums.
func packed(r, vectors int) int { return r * vectors }

// rescaleAVX2 turns the sums of one vector of columns, for all rows, into outputs with the zero point. Parameters lie in blocks of words, one for
// each column: bias, multiplier, addend, shift, carry limit. Sums, multipliers and limits lie in the order 0, 2, 1, 3 of each four columns;
// collecting the high halves of the even and then the odd products undoes that.
func rescaleAVX2(a *asm, rows, v, vectors int, acc func(r, v int) string, exact bool) {
	at := func(block int) int { return 32*vectors*block + 32*v }
	for r := range rows {
		x := acc(r, v)
		a.op("VPSRLQ $32, %s, Y13", x)
		a.op("VPMULUDQ %d(SI), %s, Y12", at(1), x)
		a.op("VPMULUDQ %d(SI), Y13, Y13", at(1)+4) // the multiplier of the odd column comes down to the even one
		a.op("VSHUFPS $0xDD, Y13, Y12, Y12")
		a.op("VPADDD %d(SI), Y12, Y12", at(2))
		if exact {
			// The addend holds the carry; below the limit it is taken back.
			a.op("VMOVDQU %d(SI), Y14", at(4))
			a.op("VPCMPGTD %s, Y14, Y14", x)
			a.op("VPSHUFD $0xD8, Y14, Y14")
			a.op("VPADDD Y14, Y12, Y12")
		}
		a.op("VPSRAVD %d(SI), Y12, %s", at(3), x)
	}
}

// widenAVX2 writes the copy that turns int8 into int16.
func widenAVX2(a *asm) {
	a.text("widenAVX2", "$0-24", "func widenAVX2(dst *byte, src *int8, n int)")
	a.op("MOVQ dst+0(FP), DI")
	a.op("MOVQ src+8(FP), SI")
	a.op("MOVQ n+16(FP), CX")
	a.op("SUBQ $64, CX")
	a.op("JLT rest")
	a.at("loop")
	for i := range 4 {
		a.op("VPMOVSXBW %d(SI), Y%d", 16*i, i)
	}
	for i := range 4 {
		a.op("VMOVDQU Y%d, %d(DI)", i, 32*i)
	}
	a.op("ADDQ $64, SI")
	a.op("ADDQ $128, DI")
	a.op("SUBQ $64, CX")
	a.op("JGE loop")
	a.at("rest")
	a.op("ADDQ $56, CX")
	a.op("JLT tail")
	a.at("eight")
	a.op("VPMOVSXBW (SI), X0")
	a.op("VMOVDQU X0, (DI)")
	a.op("ADDQ $8, SI")
	a.op("ADDQ $16, DI")
	a.op("SUBQ $8, CX")
	a.op("JGE eight")
	a.at("tail")
	a.op("ADDQ $8, CX")
	a.op("JEQ done")
	a.at("one")
	a.op("MOVBLSX (SI), AX")
	a.op("MOVW AX, (DI)")
	a.op("INCQ SI")
	a.op("ADDQ $2, DI")
	a.op("DECQ CX")
	a.op("JNE one")
	a.at("done")
	a.op("VZEROUPPER")
	a.op("RET")
}

// sumAVX2 writes the sum of bytes.
func sumAVX2(a *asm) {
	a.text("sumAVX2", "$0-32", "func sumAVX2(src *byte, n, flip int) int: the sum of src[i] xor flip")
	a.op("MOVQ src+0(FP), SI")
	a.op("MOVQ n+8(FP), CX")
	a.op("MOVQ flip+16(FP), AX")
	a.op("VMOVD AX, X3")
	a.op("VPBROADCASTB X3, Y3")
	a.op("VMOVQ X3, X4")
	a.op("VPXOR X0, X0, X0")
	a.op("VPXOR X2, X2, X2")
	a.op("SUBQ $32, CX")
	a.op("JLT rest")
	a.at("loop")
	a.op("VPXOR (SI), Y3, Y1")
	a.op("VPSADBW Y1, Y2, Y1")
	a.op("VPADDQ Y1, Y0, Y0")
	a.op("ADDQ $32, SI")
	a.op("SUBQ $32, CX")
	a.op("JGE loop")
	a.at("rest")
	a.op("VEXTRACTI128 $1, Y0, X1")
	a.op("VPADDQ X1, X0, X0")
	a.op("ADDQ $24, CX")
	a.op("JLT tail")
	a.at("eight")
	a.op("VMOVQ (SI), X1")
	a.op("VPXOR X1, X4, X1")
	a.op("VPSADBW X1, X2, X1")
	a.op("VPADDQ X1, X0, X0")
	a.op("ADDQ $8, SI")
	a.op("SUBQ $8, CX")
	a.op("JGE eight")
	a.at("tail")
	a.op("VPSRLDQ $8, X0, X1")
	a.op("VPADDQ X1, X0, X0")
	a.op("VMOVQ X0, DX")
	a.op("ADDQ $8, CX")
	a.op("JEQ done")
	a.at("one")
	a.op("MOVBLZX (SI), BX")
	a.op("XORL AX, BX")
	a.op("ADDQ BX, DX")
	a.op("INCQ SI")
	a.op("DECQ CX")
	a.op("JNE one")
	a.at("done")
	a.op("MOVQ DX, ret+24(FP)")
	a.op("VZEROUPPER")
	a.op("RET")
}
