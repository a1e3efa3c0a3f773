package main

import "fmt"

// maxRows is how many rows a tile of the given number of 16-column vectors has at most: 24 accumulators, 12 rows by two pointers.
func maxRows(vectors int) int { return min(24/vectors, 12) }

// s8AVX512 is what tells one kind of int8 tile from another.
type s8AVX512 struct {
	size    int  // bytes of a vector of weights
	nibbles bool // weights are half bytes, 8 larger than they are: see fill
	bare    bool // sums are stored as they are
	flips   bool // rows are int8, and made uint8 as they are read
}

// fill loads so many vectors of weights, from off bytes behind an address, into registers from z on. A byte of nibbles holds a weight of one vector and, in its
// high half, one of the next; Z23 masks them.
func (k *s8AVX512) fill(a *asm, off int, address string, vectors, z int) {
	if !k.nibbles {
		for v := range vectors {
			a.op("VMOVDQU32 %d%s, Z%d", off+64*v, address, z+v)
		}
		return
	}
	for v := 0; v < vectors; v += 2 {
		a.op("VMOVDQU32 %d%s, Z%d", off+32*v, address, z+v+1)
		a.op("VPANDD Z23, Z%d, Z%d", z+v+1, z+v)
		a.op("VPSRLW $4, Z%d, Z%d", z+v+1, z+v+1)
		a.op("VPANDD Z23, Z%d, Z%d", z+v+1, z+v+1)
	}
}

// mask makes what fill wants in Z23.
func (k *s8AVX512) mask(a *asm) {
	if k.nibbles {
		a.op("MOVL $0x0F0F0F0F, R15")
		a.op("VPBROADCASTD R15, Z23")
	}
}

// gemmS8AVX512 writes one function for every tile of rows × 16·vectors columns. Its argument is gemm.s8Tile.
//
// Register use: AX, R11 rows of A (six each), R8 lda, R9 3·lda, R10 5·lda, BX weights, CX groups of four k, DX output, DI its stride, SI
// parameters, R12 tiles left, R13 argument, R15 weights to fetch. Z0 to Z23 accumulators, Z24 to Z31 weights and broadcasts, later parameters and temporaries. K1
// even lanes, K2 carry, K3 to K6 masks of the columns.
func gemmS8AVX512() []byte {
	a := newAsm("Tiles of the int8 matrix product on AVX512-VNNI: u8 rows, s8 panels, rescaled in the store.")
	var perm []uint32
	for j := range uint32(4) {
		for l := range uint32(4) {
			perm = append(perm, 4*l+j)
		}
	}
	a.data("unpackS8", perm)
	a.data("flipS8", []uint32{0x80808080})
	eight, four, flips := &s8AVX512{size: 64}, &s8AVX512{size: 32, nibbles: true}, &s8AVX512{size: 64, flips: true}
	tiles(a, "s8TilesAVX512", "s8", eight.tile, eight.one)
	four.some(a, "s4TilesAVX512", "s4", nibblesHigh, 2, 4)
	flips.some(a, "s8FlipTilesAVX512", "s8flip", tilesHigh, 2, 3, 4)
	return a.Bytes()
}

// gemmS32AVX512 writes the same tiles with the sums as they are. Their argument is a gemm.s8Tile too, whose parameters are the bias alone.
func gemmS32AVX512() []byte {
	a := newAsm("Tiles of the int8 matrix product on AVX512-VNNI with int32 results: u8 rows, s8 panels.")
	k := &s8AVX512{size: 64, bare: true}
	tiles(a, "s32TilesAVX512", "s32", k.tile, nil)
	return a.Bytes()
}

// nibblesHigh is how many rows the tiles for weights of half a byte have at most.
const nibblesHigh = 4

// some writes the tiles of up to so many rows and of some numbers of vectors, the functions for one row, where rows are uint8, and their table, which is like that
// of tiles.
func (k *s8AVX512) some(a *asm, table, prefix string, high int, vectors ...int) {
	names := make([]string, 4*high)
	for _, v := range vectors {
		for rows := 1; rows <= min(high, maxRows(v)); rows++ {
			name := fmt.Sprintf("%sr%dx%d", prefix, rows, 16*v)
			names[(v-1)*high+rows-1] = name
			k.tile(a, name, rows, v)
		}
	}
	for _, panels := range onePanels {
		if k.flips {
			break
		}
		name := fmt.Sprintf("%sr1x%dx%d", prefix, panels, 64)
		names = append(names, name)
		k.one(a, name, panels)
	}
	a.table(table, names)
}

// tilesHigh is the length of a row of the tables of tiles: by vectors of columns, then by rows, both less one.
const tilesHigh = 12

// tiles writes all tiles of one kind, the functions for one row and several panels, and their table.
func tiles(a *asm, table, prefix string, tile func(a *asm, name string, rows, vectors int), one func(a *asm, name string, panels int)) {
	names := make([]string, 4*tilesHigh)
	for vectors := 1; vectors <= 4; vectors++ {
		for rows := 1; rows <= maxRows(vectors); rows++ {
			name := fmt.Sprintf("%sr%dx%d", prefix, rows, 16*vectors)
			names[(vectors-1)*tilesHigh+rows-1] = name
			tile(a, name, rows, vectors)
		}
	}
	for _, panels := range onePanels {
		if one == nil {
			break
		}
		name := fmt.Sprintf("%sr1x%dx%d", prefix, panels, 64)
		names = append(names, name)
		one(a, name, panels)
	}
	a.table(table, names)
}

// rowAt is the address of row r at the pointers' position, plus off bytes.
func rowAt(r, off int) string {
	base := "AX"
	if r >= 6 {
		base, r = "R11", r-6
	}
	return fmt.Sprintf("%d(%s)%s", off, base, [...]string{"", "(R8*1)", "(R8*2)", "(R9*1)", "(R8*4)", "(R10*1)"}[r])
}

// tile writes one tile.
func (k *s8AVX512) tile(a *asm, name string, rows, vectors int) {
	acc := func(r, v int) string { return fmt.Sprintf("Z%d", r*vectors+v) }
	sets := setsFor(rows * vectors)
	part := func(s, r, v int) string { return fmt.Sprintf("Z%d", (s*rows+r)*vectors+v) }
	a.fn(name, fmt.Sprintf("%d rows, %d columns; the argument is an s8Tile", rows, 16*vectors))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")   // a
	a.op("MOVQ 8(R13), R8")   // lda
	a.op("MOVQ 32(R13), DX")  // dst
	a.op("MOVQ 40(R13), DI")  // ldd
	a.op("MOVQ 48(R13), SI")  // parameters
	a.op("MOVQ 64(R13), R12") // tiles
	a.op("LEAQ (R8)(R8*2), R9")
	a.op("LEAQ (R8)(R8*4), R10")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	a.op("MOVQ 72(R13), R15") // mask of the columns
	for v := range 4 {        // an instruction looks at as many bits as it has elements
		a.op("KMOVQ R15, K%d", 3+v)
		a.op("SHRQ $16, R15")
	}
	k.mask(a)
	a.op("MOVQ 120(R13), R15")
	next := a.label("tile")
	a.at(next)
	a.op("MOVQ 16(R13), BX")
	if k.flips {
		a.op("VPBROADCASTD flipS8<>(SB), Z31")
	}
	for v := range vectors {
		a.op("VMOVDQU32 %d(SI), %s", 64*v, acc(0, v))
	}
	for r := 1; r < rows; r++ {
		for v := range vectors {
			a.op("VMOVDQA32 %s, %s", acc(0, v), acc(r, v))
		}
	}
	for s := 1; s < sets; s++ {
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
			b := fmt.Sprintf("Z%d", 28+(s*rows+r)%4)
			if k.flips {
				b = fmt.Sprintf("Z%d", 28+(s*rows+r)%3)
				a.op("VPXORD.BCST %s, Z31, %s", rowAt(r, 4*s), b)
			} else {
				a.op("VPBROADCASTD %s, %s", rowAt(r, 4*s), b)
			}
			for v := range vectors {
				a.op("VPDPBUSD Z%d, %s, %s", 24+v, b, part(s, r, v))
			}
		}
		fetchNext(a)
	}
	segments(a, rows, k.size*vectors, sets, group)
	more := func() {}
	if !k.bare && !k.nibbles {
		more = moreGroups(a, rows, k.size*vectors, group)
	}
	for s := 1; s < sets; s++ {
		for r := range rows {
			for v := range vectors {
				a.op("VPADDD %s, %s, %s", part(s, r, v), acc(r, v), acc(r, v))
			}
		}
	}
	if k.bare {
		for r := range rows {
			for v := range vectors {
				a.op("VMOVDQU32 %s, K%d, %d(DX)", acc(r, v), 3+v, 64*v)
			}
			a.op("ADDQ DI, DX")
		}
		fetchAgain(a)
		nextTile(a, rows, next)
		return
	}
	exact, pack := a.label("exact"), a.label("pack")
	if !k.flips {
		plain := a.label("plain")
		a.op("CMPB 59(R13), $0")
		a.op("JEQ %s", plain)
		for r := range rows {
			for v := range vectors {
				a.op("VPADDD.BCST %s, %s, %s", rowAt(r, 0), acc(r, v), acc(r, v))
			}
		}
		a.at(plain)
	}
	a.op("CMPB 58(R13), $0")
	a.op("JNE %s", exact)
	for v := range vectors {
		rescaleS8(a, rows, v, vectors, acc, false)
	}
	a.op("JMP %s", pack)
	a.at(exact)
	a.op("VPTERNLOGD $0xFF, Z31, Z31, Z31") // −1: subtracting it adds the carry
	for v := range vectors {
		rescaleS8(a, rows, v, vectors, acc, true)
	}
	a.at(pack)
	ordered, store, stored := a.label("ordered"), a.label("store"), a.label("stored")
	if !k.flips {
		a.op("CMPB 61(R13), $0")
		a.op("JNE %s", ordered)
	}
	a.op("CMPB 60(R13), $0")
	a.op("JEQ %s", store)
	a.op("VPBROADCASTB 56(R13), Z24")
	a.op("VPBROADCASTB 57(R13), Z25")
	storeS8(a, rows, vectors, acc, true, false)
	a.op("JMP %s", stored)
	if !k.flips {
		a.at(ordered)
		a.op("VPBROADCASTB 56(R13), Z24")
		a.op("VPBROADCASTB 57(R13), Z25")
		storeS8(a, rows, vectors, acc, true, true)
		a.op("JMP %s", stored)
	}
	a.at(store)
	storeS8(a, rows, vectors, acc, false, false)
	a.at(stored)
	fetchAgain(a)
	nextTile(a, rows, next)
	more()
}

// moreGroups runs group over single groups of each row that are multiplied once more, with other weights: s8Tile.more. It is for behind segments; the rows'
// pointers are kept, since what comes to the sums of a row may lie there. Most tiles have no such groups: what it returns writes the loop, out of their way
// behind the end of the function.
func moreGroups(a *asm, rows, weights int, group func(s int)) (loop func()) {
	more, back := a.label("more"), a.label("back")
	a.op("CMPQ 144(R13), $0")
	a.op("JNE %s", more)
	a.at(back)
	return func() {
		second := func() {
			if rows > 6 {
				a.op("LEAQ (AX)(R9*2), R11")
			}
		}
		again := a.label("again")
		a.at(more)
		a.op("MOVQ 144(R13), CX")
		a.op("MOVQ 152(R13), R14")
		a.op("MOVQ 160(R13), BX")
		a.op("MOVQ AX, 112(R13)")
		a.at(again)
		a.op("MOVQ 104(R13), AX")
		a.op("ADDQ (R14), AX")
		second()
		group(0)
		a.op("ADDQ $8, R14")
		a.op("ADDQ $%d, BX", weights)
		a.op("DECQ CX")
		a.op("JNE %s", again)
		a.op("MOVQ 112(R13), AX")
		second()
		a.op("JMP %s", back)
	}
}

// oneLoop multiplies one row with onePanels panels of four vectors, which follow each other in memory: the loop over k starts and ends less often.
// R8 and R9 become the distance of panels and three times that. madd multiplies Z24 with the four vectors of a panel that lie at an address, in so many bytes,
// and adds to four sums. Where the argument has at ahead, if that is not 0, how far before their use weights are asked for, they are: into the second-level
// cache, which waits for more lines at a time than the first.
func oneLoop(a *asm, panels, bytes, ahead int, cast string, madd func(at string, sums int)) {
	a.op("MOVQ 16(R13), BX")
	a.op("MOVQ 24(R13), CX")
	a.op("IMUL3Q $%d, CX, R8", bytes)
	a.op("LEAQ (R8)(R8*2), R9")
	loop := func(fetch bool) {
		again := a.label("loop")
		if ahead == 0 { // Go's assembler does not end where a jump passes two alignments
			a.op("PCALIGN $32")
		}
		a.at(again)
		a.op("%s (AX), Z24", cast)
		for panel := range panels {
			for at := 0; fetch && at < bytes; at += 64 {
				a.op("PREFETCHT1 %d%s", at, panelAt("R11", panel))
			}
			madd(panelAt("BX", panel), 4*panel)
		}
		if fetch {
			a.op("ADDQ $%d, R11", bytes)
		}
		a.op("ADDQ $%d, BX", bytes)
		a.op("ADDQ $4, AX")
		a.op("DECQ CX")
		a.op("JNE %s", again)
	}
	if ahead == 0 {
		loop(false)
		return
	}
	near, done := a.label("near"), a.label("done")
	a.op("MOVQ %d(R13), R11", ahead)
	a.op("TESTQ R11, R11")
	a.op("JEQ %s", near)
	a.op("ADDQ BX, R11")
	loop(true)
	a.op("JMP %s", done)
	a.at(near)
	loop(false)
	a.at(done)
}

// fourFrom multiplies Z24 with four vectors at an address.
func fourFrom(a *asm, at, madd string, sums int) {
	for v := range 4 {
		a.op("%s %d%s, Z24, Z%d", madd, 64*v, at, sums+v)
	}
}

// one writes the function for one row and several panels.
func (k *s8AVX512) one(a *asm, name string, panels int) {
	const parameters = 5 * 64 * 4 // bytes of a panel
	a.fn(name, fmt.Sprintf("one row, %d columns; the argument is an s8Tile", 64*panels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")  // a
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 48(R13), SI") // parameters
	a.op("MOVQ $64, DI")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	a.op("MOVQ $-1, R15")
	a.op("KMOVQ R15, K3")
	for i := range 4 * panels {
		a.op("VMOVDQU32 %d(SI), Z%d", i/4*parameters+i%4*64, i)
	}
	k.mask(a)
	oneLoop(a, panels, 4*k.size, 168, "VPBROADCASTD", func(at string, sums int) {
		if !k.nibbles {
			fourFrom(a, at, "VPDPBUSD", sums)
			return
		}
		k.fill(a, 0, at, 4, 25)
		for v := range 4 {
			a.op("VPDPBUSD Z%d, Z24, Z%d", 25+v, sums+v)
		}
	})
	plain, exact, pack, store, stored := a.label("plain"), a.label("exact"), a.label("pack"), a.label("store"), a.label("stored")
	a.op("CMPB 59(R13), $0")
	a.op("JEQ %s", plain)
	for i := range 4 * panels {
		a.op("VPADDD.BCST (AX), Z%d, Z%d", i, i)
	}
	a.at(plain)
	acc := func(panel, v int) string { return fmt.Sprintf("Z%d", 4*panel+v) }
	rescale := func(exact bool) {
		for panel := range panels {
			for v := range 4 {
				rescaleS8(a, 1, v, 4, func(_, v int) string { return acc(panel, v) }, exact)
			}
			a.op("ADDQ $%d, SI", parameters)
		}
	}
	a.op("CMPB 58(R13), $0")
	a.op("JNE %s", exact)
	rescale(false)
	a.op("JMP %s", pack)
	a.at(exact)
	a.op("VPTERNLOGD $0xFF, Z31, Z31, Z31")
	rescale(true)
	a.at(pack)
	a.op("CMPB 60(R13), $0")
	a.op("JEQ %s", store)
	a.op("VPBROADCASTB 56(R13), Z24")
	a.op("VPBROADCASTB 57(R13), Z25")
	storeS8(a, panels, 4, acc, true, false)
	a.op("JMP %s", stored)
	a.at(store)
	storeS8(a, panels, 4, acc, false, false)
	a.at(stored)
	a.op("VZEROUPPER")
	a.op("RET")
}

// storeS8 packs the outputs of a tile and stores them. gemm's place orders the columns so that four vectors, and two, come out of packing in order; ordered is
// for columns that stand in their order before.
func storeS8(a *asm, rows, vectors int, acc func(r, v int) string, clamp, ordered bool) {
	bound := func(kind, mask, at, reg string) {
		if clamp {
			a.op("VPMAXSB %s24, %s, %s", kind, reg, reg)
			a.op("VPMINSB %s25, %s, %s", kind, reg, reg)
		}
		a.op("VMOVDQU8 %s, %s, %s", reg, mask, at)
	}
	if vectors == 1 {
		a.op("VMOVDQU32 unpackS8<>(SB), Z26")
		for r := 0; r < rows; r += 4 {
			row := func(i int) string { return acc(min(r+i, rows-1), 0) }
			a.op("VPACKSSDW %s, %s, Z27", row(1), row(0))
			if r+2 < rows {
				a.op("VPACKSSDW %s, %s, Z28", row(3), row(2))
				a.op("VPACKSSWB Z28, Z27, Z27")
			} else {
				a.op("VPACKSSWB Z27, Z27, Z27")
			}
			a.op("VPERMD Z27, Z26, Z27")
			if clamp {
				a.op("VPMAXSB Z24, Z27, Z27")
				a.op("VPMINSB Z25, Z27, Z27")
			}
			for i := range min(4, rows-r) {
				x := "X27"
				if i > 0 {
					x = fmt.Sprintf("X%d", 28+i-1)
					a.op("VEXTRACTI32X4 $%d, Z27, %s", i, x)
				}
				a.op("VMOVDQU8 %s, K3, (DX)", x)
				a.op("ADDQ DI, DX")
			}
		}
		return
	}
	if ordered && vectors < 4 {
		for r := range rows {
			for v := range vectors {
				a.op("VPMOVSDB %s, X27", acc(r, v))
				bound("X", fmt.Sprintf("K%d", 3+v), at("DX", 16*v), "X27")
			}
			a.op("ADDQ DI, DX")
		}
		return
	}
	if ordered {
		a.op("VMOVDQU32 unpackS8<>(SB), Z26")
	}
	for r := range rows {
		a.op("VPACKSSDW %s, %s, Z27", acc(r, 1), acc(r, 0))
		if vectors == 4 {
			a.op("VPACKSSDW %s, %s, Z28", acc(r, 3), acc(r, 2))
			a.op("VPACKSSWB Z28, Z27, Z27")
			if ordered {
				a.op("VPERMD Z27, Z26, Z27")
			}
			bound("Z", "K3", "(DX)", "Z27")
		} else {
			a.op("VPMOVSWB Z27, Y27")
			bound("Y", "K3", "(DX)", "Y27")
			if vectors == 3 {
				a.op("VPMOVSDB %s, X28", acc(r, 2))
				bound("X", "K5", "32(DX)", "X28")
			}
		}
		a.op("ADDQ DI, DX")
	}
}

// rescaleS8 turns the sums of one vector of columns, for all rows, into outputs with the zero point. Parameters lie in blocks of nr words: bias,
// multiplier, addend, shift, carry limit.
func rescaleS8(a *asm, rows, v, vectors int, acc func(r, v int) string, exact bool) {
	at := func(block int) int { return 64*vectors*block + 64*v }
	a.op("VMOVDQU32 %d(SI), Z24", at(1))
	a.op("VPSRLQ $32, Z24, Z25")
	a.op("VMOVDQU32 %d(SI), Z26", at(2))
	a.op("VMOVDQU32 %d(SI), Z27", at(3))
	if exact {
		a.op("VMOVDQU32 %d(SI), Z28", at(4))
	}
	for r := range rows {
		x := acc(r, v)
		a.op("VPMULUDQ Z24, %s, Z29", x)
		a.op("VPSRLQ $32, %s, Z30", x)
		a.op("VPMULUDQ Z25, Z30, Z30")
		a.op("VMOVSHDUP Z29, K1, Z30")
		a.op("VPADDD Z26, Z30, Z30")
		if exact {
			a.op("VPCMPUD $5, Z28, %s, K2", x)
			a.op("VPSUBD Z31, Z30, K2, Z30")
		}
		a.op("VPSRAVD Z27, Z30, %s", x)
	}
}
