package main

import "fmt"

// The tiles of the matrix products on ARMv7. They take gemm.armTile, whose offsets stand here, and read the rows where they lie, as those of ARMv8 do:
// see arm64_gemm.go for what both share. Half as many registers make tiles of half as many rows.
//
// Register use: R0 argument; R1 to R4 rows; R5 weights; R6 count of blocks; R7 how far the rows may still advance, R8 the next step; R9 output; R11 first row of the
// next tile; R12 and R14 free; locals: tiles left, addends of the rows or nil. R10 and R13 are Go's.
const (
	arg7A      = 0
	arg7Lda    = 4
	arg7W      = 8
	arg7Blocks = 12
	arg7Groups = 16
	arg7Bytes  = 20
	arg7Dst    = 24
	arg7Ldd    = 28
	arg7Par    = 32
	arg7Tiles  = 36
	arg7Cols   = 40
	arg7Fix    = 44
	arg7Exact  = 48

	localTiles = 4
	localFix   = 8
)

// armv7Tiles are the families of tiles: name of the functions, columns, most rows.
var armv7Tiles = []struct {
	name     string
	cols     int
	rows     int
	generate func(a armv7, rows int)
}{
	{"s8Neon", 4, 2, func(a armv7, rows int) { tileS8Armv7(a, rows, false, toS8) }},
	{"s8NeonWide", 4, 2, func(a armv7, rows int) { tileS8Armv7(a, rows, true, toS8) }},
	{"s32Neon", 4, 2, func(a armv7, rows int) { tileS8Armv7(a, rows, true, toS32) }},
	{"f32Neon", 8, 4, func(a armv7, rows int) { tileF32Armv7(a, rows, false) }},
	{"f32bf16Neon", 8, 4, func(a armv7, rows int) { tileF32Armv7(a, rows, true) }},
}

// gemmArmv7 writes all tiles of one family and their table, by rows less one.
func gemmArmv7(family int) []byte {
	f := armv7Tiles[family]
	a := armv7{newAsm("Tiles of the matrix products: " + f.name + ". Comments beside words have ARM's syntax.")}
	var names []string
	for rows := 1; rows <= f.rows; rows++ {
		name := fmt.Sprintf("%sR%dx%d", f.name, rows, f.cols)
		a.fn7(name, fmt.Sprintf("%d rows, %d columns.", rows, f.cols))
		f.generate(a, rows)
		names = append(names, name)
	}
	a.table7(f.name+"Tiles", names)
	if f.name == "s8Neon" {
		rowSumsArmv7(a)
	}
	return a.Bytes()
}

// begin loads the argument and starts the loop over tiles; it returns its label.
func (a armv7) begin(rows int) string {
	a.op("MOVW t+0(FP), R0")
	a.op("MOVW %d(R0), R11", arg7A)
	a.op("MOVW %d(R0), R9", arg7Dst)
	a.op("MOVW %d(R0), R12", arg7Tiles)
	a.op("MOVW R12, %d(R13)", localTiles)
	a.op("MOVW %d(R0), R12", arg7Fix)
	a.op("MOVW R12, %d(R13)", localFix)
	tile := a.label("tile")
	a.at(tile)
	a.op("MOVW %d(R0), R12", arg7Lda)
	a.op("MOVW R11, R1")
	for r := 1; r < rows; r++ {
		a.op("ADD R12, R%d, R%d", r, r+1)
	}
	a.op("ADD R12, R%d, R11", rows)
	a.op("MOVW %d(R0), R5", arg7W)
	a.op("MOVW %d(R0), R6", arg7Blocks)
	a.op("MOVW %d(R0), R7", arg7Bytes)
	a.op("SUB $16, R7")
	return tile
}

// end goes on with the next tile or returns.
func (a armv7) end(tile string) {
	a.op("MOVW %d(R13), R12", localTiles)
	a.op("SUB.S $1, R12")
	a.op("MOVW R12, %d(R13)", localTiles)
	a.op("BNE %s", tile)
	a.op("RET")
}

// advance sets R8 to the distance of the next block of the rows: 16 bytes, or what is left until their last 16.
func (a armv7) advance() {
	a.op("CMP $16, R7")
	a.op("MOVW R7, R8")
	a.op("MOVW.GT $16, R8")
	a.op("SUB R8, R7")
}

// tileS8Armv7 is rows × 4 columns: one vector of partial sums per output. Two products of bytes fit into a halfword as long as no weight is −128: −128 × 127
// × 2 does. Where one is, wide adds each product to the sums alone.
//
// Two columns' weights are worked on together for two rows, all four for one: four products wait for each other in turn. Rows lie in q0 and q1, weights in q2
// and q3 (and q12 and q13 for one row), products in q4 to q7, sums from q8 on.
func tileS8Armv7(a armv7, rows int, wide bool, to store) {
	acc := func(r, c int) int { return 8 + 4*r + c }
	weights := func(c int) int { // doubleword
		if rows == 1 && c >= 2 {
			return 24 + 2*(c-2)
		}
		return 4 + c%2*2
	}
	type output struct{ r, c int }
	var bundles [][]output
	if rows == 1 {
		bundles = [][]output{{{0, 0}, {0, 1}, {0, 2}, {0, 3}}}
	} else {
		bundles = [][]output{{{0, 0}, {1, 0}, {0, 1}, {1, 1}}, {{0, 2}, {1, 2}, {0, 3}, {1, 3}}}
	}
	load := func() {
		a.loadB(4, 4, 5, moved)
		if rows == 1 {
			a.loadB(24, 4, 5, moved)
		}
	}
	tile := a.begin(rows)
	for i := range 4 * rows {
		a.zero(8 + i)
	}
	loop, tail, done := a.label("loop"), a.label("tail"), a.label("done")
	a.op("CMP $0, R6")
	a.op("BEQ %s", tail)
	a.advance()
	for r := range rows {
		a.loadB(2*r, 2, r+1, 8)
	}
	load()
	a.at(loop)
	a.advance()
	for i, b := range bundles {
		for t, o := range b {
			a.vmull(4+t, 2*o.r, weights(o.c))
		}
		if wide {
			for t, o := range b {
				a.vpadal(acc(o.r, o.c), 4+t)
			}
		}
		for t, o := range b {
			if wide {
				a.vmull(4+t, 2*o.r+1, weights(o.c)+1)
			} else {
				a.vmlal(4+t, 2*o.r+1, weights(o.c)+1)
			}
		}
		if i == len(bundles)-1 {
			for r := range rows {
				a.loadB(2*r, 2, r+1, 8)
			}
		}
		load()
		for t, o := range b {
			a.vpadal(acc(o.r, o.c), 4+t)
		}
	}
	a.op("SUB.S $1, R6")
	a.op("BNE %s", loop)
	// One load too many was made of the weights. The rows stand at their last 16 bytes; what may be left are the last eight.
	a.op("SUB $%d, R5", 64/rows)
	for r := range rows {
		a.op("ADD $8, R%d", r+1)
	}
	a.at(tail)
	a.op("MOVW %d(R0), R12", arg7Groups)
	a.op("CMP $0, R12")
	a.op("BEQ %s", done)
	a.loadB(4, 4, 5, stay)
	for r := range rows {
		a.loadB(2*r, 1, r+1, stay)
	}
	for r := range rows {
		for c := range 4 {
			a.vmull(4+c, 2*r, 4+c)
		}
		for c := range 4 {
			a.vpadal(acc(r, c), 4+c)
		}
	}
	a.at(done)
	for r := range rows {
		for c := range 4 {
			x := 2 * acc(r, c)
			a.vpadd(x, x, x+1)
		}
	}
	for r := range rows {
		x := 2 * acc(r, 0)
		a.vpadd(x, x, x+2)
		a.vpadd(x+1, x+4, x+6)
	}
	if to == toS32 {
		storeWordsArmv7(a, rows, func(r, _ int) int { return acc(r, 0) }, 1)
	} else {
		storeS8Armv7(a, rows, func(r int) int { return acc(r, 0) })
	}
	a.end(tile)
}

// storeS8Armv7 rescales and stores rows of four columns: exactly requant.Mul for right shifts of at least 1. Where outputs below the zero point are clamped away,
// the sign does not count. An addend of its row comes to each sum first, if there are any. Parameters are bias, multiplier, negative shift of four columns
// each, then zero point (halfwords), lower and upper bound (bytes) for a whole vector: q0 to q5.
func storeS8Armv7(a armv7, rows int, acc func(r int) int) {
	a.op("MOVW %d(R0), R12", arg7Par)
	for i := range 3 {
		a.loadW(4*i, 4, 12, moved)
	}
	for r := range rows {
		a.add(acc(r), acc(r), 0)
	}
	plain, narrow := a.label("plain"), a.label("narrow")
	a.op("MOVW %d(R13), R12", localFix)
	a.op("CMP $0, R12")
	a.op("BEQ %s", plain)
	for r := range rows {
		a.loadAll(12+2*r, 12, moved)
	}
	for r := range rows {
		a.add(acc(r), acc(r), 6+r)
	}
	a.op("MOVW R12, %d(R13)", localFix)
	a.at(plain)
	for r := range rows {
		a.vqrdmulh(acc(r), acc(r), 1)
	}
	a.op("MOVBU %d(R0), R12", arg7Exact)
	a.op("CMP $0, R12")
	a.op("BEQ %s", narrow)
	for r := range rows {
		a.vsra31(acc(r), acc(r))
	}
	a.at(narrow)
	for r := range rows {
		a.vrshl(acc(r), acc(r), 2)
	}
	for r := range rows {
		a.vqmovnW(12+r, acc(r)) // of one row q6 is half empty
	}
	a.vqaddH(6, 6, 3)
	a.vqmovnH(14, 6)
	a.maxB(7, 7, 4)
	a.minB(7, 7, 5)
	part, done := a.label("part"), a.label("stored")
	a.op("MOVW %d(R0), R6", arg7Ldd)
	a.op("MOVW %d(R0), R8", arg7Cols)
	a.op("CMP $4, R8")
	a.op("BNE %s", part)
	for r := range rows {
		a.storeOne(32, 14, r, 9, stay)
		a.op("ADD R6, R9")
	}
	a.op("B %s", done)
	a.at(part)
	for r := range rows {
		two, row := a.label("two"), a.label("row")
		a.op("MOVW R9, R12")
		if r == 0 {
			a.movD(15, 14)
		} else {
			a.shrD(15, 14, 32*r)
		}
		a.op("TST $2, R8")
		a.op("BEQ %s", two)
		a.storeOne(16, 15, 0, 12, moved)
		a.shrD(15, 15, 16)
		a.at(two)
		a.op("TST $1, R8")
		a.op("BEQ %s", row)
		a.storeOne(8, 15, 0, 12, stay)
		a.at(row)
		a.op("ADD R6, R9")
	}
	a.at(done)
}

// storeWordsArmv7 stores rows of one or two vectors, or as many words of them as there are columns.
func storeWordsArmv7(a armv7, rows int, acc func(r, v int) int, vectors int) {
	part, done := a.label("part"), a.label("stored")
	a.op("MOVW %d(R0), R6", arg7Ldd)
	a.op("MOVW %d(R0), R8", arg7Cols)
	a.op("CMP $%d, R8", 4*vectors)
	a.op("BNE %s", part)
	for r := range rows {
		a.storeW(2*acc(r, 0), 2*vectors, 9, stay)
		a.op("ADD R6, R9")
	}
	a.op("B %s", done)
	a.at(part)
	for r := range rows {
		x := acc(r, 0)
		two, one, row := a.label("two"), a.label("one"), a.label("row")
		a.op("MOVW R9, R12")
		if vectors == 2 {
			a.op("TST $4, R8")
			a.op("BEQ %s", two)
			a.storeW(2*x, 2, 12, moved)
			a.mov(x, x+1)
			a.at(two)
		}
		a.op("TST $2, R8")
		a.op("BEQ %s", one)
		a.storeW(2*x, 1, 12, moved)
		a.movD(2*x, 2*x+1)
		a.at(one)
		a.op("TST $1, R8")
		a.op("BEQ %s", row)
		a.storeOne(32, 2*x, 0, 12, stay)
		a.at(row)
		a.op("ADD R6, R9")
	}
	a.at(done)
}

// tileF32Armv7 is rows × 8 columns with the rows' elements multiplied one by one into vectors of columns. Rows lie in q0 to q3, four elements each, weights of two
// elements in q4 to q7, sums from q8 on. Each half of a row's block is loaded anew as soon as its elements have been used. Weights in bfloat16 come to the
// second of two registers and are widened to both.
func tileF32Armv7(a armv7, rows int, brain bool) {
	bytes := 32 // of the weights of one element
	weights := func(w int) { a.loadW(2*w, 4, 5, moved) }
	words := func(int) {}
	if brain {
		bytes = 16
		weights = func(w int) { a.loadB(2*w+2, 2, 5, moved) }
		words = func(w int) {
			a.vshll16(w, 2*w+2)
			a.vshll16(w+1, 2*w+3)
		}
	}
	// Few sums would wait for each other: elements then alternate over sets of them.
	sets := 1
	for sets < 4 && rows*sets*2*2 <= 8 {
		sets *= 2
	}
	acc := func(s, r, v int) int { return 8 + (s*rows+r)*2 + v }
	tile := a.begin(rows)
	for i := range sets * rows * 2 {
		a.zero(8 + i)
	}
	loop, tail, short, done := a.label("loop"), a.label("tail"), a.label("short"), a.label("done")
	a.op("CMP $0, R6")
	a.op("BEQ %s", tail)
	next := func() { // behind the first half
		a.advance()
		a.op("SUB $8, R8")
	}
	next()
	for half, step := range []int{moved, 8} {
		for r := range rows {
			a.loadW(2*r+half, 1, r+1, step)
		}
	}
	weights(4)
	weights(6)
	a.at(loop)
	next()
	for g := range 4 {
		w := 4 + g%2*2
		words(w)
		for v := range 2 {
			for r := range rows {
				a.fmlaElem(acc(g%sets, r, v), w+v, r, g)
			}
		}
		weights(w)
		for r := 0; g%2 == 1 && r < rows; r++ {
			a.loadW(2*r+g/2, 1, r+1, []int{moved, 8}[g/2])
		}
	}
	a.op("SUB.S $1, R6")
	a.op("BNE %s", loop)
	// Two loads too many were made of the weights. The rows stand at their last 16 bytes; what is left begins before their end.
	a.op("SUB $%d, R5", 2*bytes)
	a.op("MOVW %d(R0), R12", arg7Groups)
	a.op("RSB $4, R12")
	for r := range rows {
		a.op("ADD R12<<2, R%d", r+1)
	}
	a.at(tail)
	a.op("MOVW %d(R0), R12", arg7Groups)
	a.op("CMP $0, R12")
	a.op("BEQ %s", done)
	a.at(short)
	weights(4)
	for r := range rows {
		a.loadOne(32, 2*r, 0, r+1, moved)
	}
	words(4)
	for v := range 2 {
		for r := range rows {
			a.fmlaElem(acc(0, r, v), 4+v, r, 0)
		}
	}
	a.op("SUB.S $1, R12")
	a.op("BNE %s", short)
	a.at(done)
	for s := sets / 2; s > 0; s /= 2 {
		for i := range s * rows * 2 {
			a.fadd(8+i, 8+i, 8+s*rows*2+i)
		}
	}
	// Parameters are eight biases, then the bounds for a whole vector. VMAX and VMIN return NaN for NaN, as Go's max and min do.
	a.op("MOVW %d(R0), R12", arg7Par)
	a.loadW(0, 4, 12, moved)
	a.loadW(4, 4, 12, stay)
	for i := range 2 * rows {
		a.fadd(8+i, 8+i, i%2)
	}
	for i := range 2 * rows {
		a.fmax(8+i, 8+i, 2)
	}
	for i := range 2 * rows {
		a.fmin(8+i, 8+i, 3)
	}
	storeWordsArmv7(a, rows, func(r, v int) int { return acc(0, r, v) }, 2)
	a.end(tile)
}

// rowSumsArmv7 writes the sums of rows over their blocks of 16 bytes. Its argument is an armTile, too: rows, their stride, blocks; dst for int32 sums, tiles
// for how many rows.
func rowSumsArmv7(a armv7) {
	a.text("rowSumsNeon", "$0-4", "func rowSumsNeon(t *armTile)")
	a.op("MOVW t+0(FP), R0")
	a.op("MOVW %d(R0), R1", arg7A)
	a.op("MOVW %d(R0), R2", arg7Lda)
	a.op("MOVW %d(R0), R3", arg7Dst)
	a.op("MOVW %d(R0), R4", arg7Tiles)
	row, loop := a.label("row"), a.label("loop")
	a.at(row)
	a.op("MOVW R1, R5")
	a.op("ADD R2, R1")
	a.op("MOVW %d(R0), R6", arg7Blocks)
	a.zero(0)
	a.at(loop)
	a.loadB(2, 2, 5, moved)
	a.vpaddlB(1, 1)
	a.vpadal(0, 1)
	a.op("SUB.S $1, R6")
	a.op("BNE %s", loop)
	a.vpadd(0, 0, 1)
	a.vpadd(0, 0, 0)
	a.storeOne(32, 0, 0, 3, moved)
	a.op("SUB.S $1, R4")
	a.op("BNE %s", row)
	a.op("RET")
}
