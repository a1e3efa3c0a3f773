package main

import "fmt"

// The tiles of the matrix products on ARMv8. All take gemm.armTile, whose offsets stand here, and read the rows where they lie: no row is packed.
//
// Register use: R0 argument; R1 to R8 the last 16 bytes of rows; R9 offset from there; R10 weights; R11 count; R12 output, R13 its stride; R14 parameters; R15
// tiles left; R19 offset of a row's last 16 bytes; R20 first row of the tile, R21 their stride; R22 and R23 free; R24 offset of the last
// short group; R25 addends of the rows, or nil. V16 to V31 are sums; below lie rows, weights and temporaries.
//
// The loop over blocks of 16 bytes loads the next block behind the work on the present one. Behind the last block of a row there may be nothing
// to load, so the offset stops at 0, the row's last 16 bytes: a last block that is not full overlaps the one before it, with weights of zero
// for what counts already. Weights are followed by a block that may be read.
const (
	argA      = 0
	argLda    = 8
	argW      = 16
	argBlocks = 24
	argGroups = 32
	argBytes  = 40
	argDst    = 48
	argLdd    = 56
	argPar    = 64
	argTiles  = 72
	argCols   = 80
	argFix    = 88
	argExact  = 96
)

// armTiles are the families of tiles: name of the functions, columns, most rows.
var armTiles = []struct {
	name     string
	cols     int
	rows     int
	generate func(a arm64, rows int)
}{
	{"s8Neon", 4, 4, func(a arm64, rows int) { tileNeon(a, rows, false, toS8) }},
	{"s8NeonWide", 4, 4, func(a arm64, rows int) { tileNeon(a, rows, true, toS8) }},
	{"s8Dotprod", 8, 8, func(a arm64, rows int) { tileElem(a, rows, toS8, nil, false) }},
	{"s8I8mm", 8, 8, tileI8mm},
	{"f32Neon", 8, 8, func(a arm64, rows int) { tileElem(a, rows, toF32, nil, false) }},
	{"s32Neon", 4, 4, func(a arm64, rows int) { tileNeon(a, rows, true, toS32) }},
	{"s32Dotprod", 8, 8, func(a arm64, rows int) { tileElem(a, rows, toS32, nil, false) }},
	{"f32bf16Neon", 8, 8, func(a arm64, rows int) { tileElem(a, rows, toF32, arm64.shll, false) }},
	{"f32f16Neon", 8, 8, func(a arm64, rows int) { tileElem(a, rows, toF32, arm64.fcvtl, false) }},
	{"s4Dotprod", 8, 4, func(a arm64, rows int) { tileElem(a, rows, toS8, arm64.nibble, false) }},
}

// mixedRows is from how many rows on loads between the multiplications are faster on Cortex-A55.
const mixedRows = 3

// store says what a tile makes of its sums.
type store int

const (
	toS8  store = iota // rescaled int8
	toF32              // float32 with a clamp, of float32 inputs
	toS32              // the sums
)

// gemmArm64 writes all tiles of one family and their table, by rows less one.
func gemmArm64(family int) []byte {
	f := armTiles[family]
	a := arm64{newAsm("Tiles of the matrix products: " + f.name + ". Comments beside words have ARM's order of operands.")}
	var names []string
	for rows := 1; rows <= f.rows; rows++ {
		name := fmt.Sprintf("%sR%dx%d", f.name, rows, f.cols)
		a.fn(name, fmt.Sprintf("%d rows, %d columns.", rows, f.cols))
		f.generate(a, rows)
		names = append(names, name)
	}
	a.table(f.name+"Tiles", names)
	switch f.name {
	case "s8Neon":
		rowSumsArm64(a)
	case "f32Neon":
		for rows := mixedRows; rows <= f.rows; rows++ {
			name := fmt.Sprintf("f32MixedR%dx%d", rows, f.cols)
			a.fn(name, fmt.Sprintf("%d rows, %d columns, loads between the multiplications.", rows, f.cols))
			tileElem(a, rows, toF32, nil, true)
			names[rows-1] = name
		}
		a.table("f32MixedTiles", names)
	}
	return a.Bytes()
}

// begin loads the argument and starts the loop over tiles; it returns its label.
func (a arm64) begin(rows int) string {
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %d(R0), R20", argA)
	a.op("MOVD %d(R0), R21", argLda)
	a.op("MOVD %d(R0), R12", argDst)
	a.op("MOVD %d(R0), R13", argLdd)
	a.op("MOVD %d(R0), R14", argPar)
	a.op("MOVD %d(R0), R15", argTiles)
	a.op("MOVD %d(R0), R19", argBytes)
	a.op("SUB $16, R19")
	a.op("MOVD %d(R0), R25", argFix)
	tile := a.label("tile")
	a.at(tile)
	a.op("ADD R19, R20, R1")
	for r := 1; r < rows; r++ {
		a.op("ADD R21, R%d, R%d", r, r+1)
	}
	a.op("SUB R19, R%d, R20", rows)
	a.op("ADD R21, R20")
	a.op("MOVD %d(R0), R10", argW)
	a.op("MOVD %d(R0), R11", argBlocks)
	return tile
}

// end goes on with the next tile or returns.
func (a arm64) end(tile string) {
	a.op("SUBS $1, R15")
	a.op("BNE %s", tile)
	a.op("RET")
}

// step moves the offset in the rows by 16 bytes, at most to 0.
func (a arm64) step() {
	a.op("ADDS $16, R9")
	a.op("CSEL LT, R9, ZR, R9")
}

// next loads the next block of the rows into V0 and up and of the weights into as many registers from w on, and moves on. In-order cores let no result
// overtake that of a longer instruction: a load in the midst of multiplications waits for them, so all loads stand together. Each goes with an
// addition; a comparison and what needs it do not stand side by side.
func (a arm64) next(rows, w, weights int) {
	for r := range rows {
		a.ldrq(r, r+1, 9)
	}
	beside := map[int]string{0: "ADDS $16, R9", 1: "SUB $1, R11", weights - 2: "CSEL LT, R9, ZR, R9"}
	for i := range weights {
		a.load(w+i, 16*(weights+i), "R10")
		if beside[i] != "" {
			a.op("%s", beside[i])
		}
	}
	a.op("ADD $%d, R10", 16*weights)
}

// atMost bounds the offset in the rows.
func (a arm64) atMost(limit string) {
	a.op("CMP %s, R9", limit)
	a.op("CSEL LT, R9, %s, R9", limit)
}

// tileElem is rows × 8 columns with the rows' elements multiplied one by one into vectors of columns: groups of four int8 (SDOT) or one float32
// (FMLA). A block is four groups, a short group one. Narrow weights are widened first: widen makes a vector of the low or the high half of a register, or of its bytes.
// With mixed the loads stand between the multiplications, which suits Cortex-A55, where one of each goes at a time, and not A53, whose loads wait.
func tileElem(a arm64, rows int, to store, widen func(a arm64, d, n int, high bool), mixed bool) {
	float, nibbles := to == toF32, to == toS8 && widen != nil // nibbles are not widened in one step
	// Few sums would wait for each other: groups then alternate over sets of them.
	sets := 1
	for sets < 4 && rows*sets*2*2 <= 16 {
		sets *= 2
	}
	acc := func(s, r, v int) int { return 16 + (s*rows+r)*2 + v }
	mul := func(g, r, v, weights int) {
		if float {
			a.fmlaElem(acc(g%sets, r, v), weights, r, g)
		} else {
			a.sdotElem(acc(g%sets, r, v), weights, r, g)
		}
	}
	// Weights come to V8 and up, two vectors for each group. Where they are widened, they are loaded into V12 and up and widened in this order, all at once:
	// in-order cores let no result overtake that of a multiplication.
	raw, loads := 8, 8 // first register, and how many
	words := func(g int) {}
	if widen != nil {
		raw, loads = 12, 4
		words = func(g int) {
			widen(a, 8+2*g, 12+g, false)
			widen(a, 9+2*g, 12+g, true)
		}
	}
	tile := a.begin(rows)
	for i := range sets * rows * 2 {
		switch {
		case float || i >= 2*rows:
			a.zero(16 + i)
		case i < 2:
			a.load(16+i, 16*i, "R14")
		default:
			a.mov(16+i, 16+i%2)
		}
	}
	loop, tail, short, done := a.label("loop"), a.label("tail"), a.label("short"), a.label("done")
	a.op("CBZ R11, %s", tail)
	a.op("NEG R19, R9")
	for r := range rows {
		a.ldrq(r, r+1, 9)
	}
	for i := range loads {
		a.load(raw+i, 16*i, "R10")
	}
	if !mixed {
		a.step()
	}
	a.at(loop)
	for g := range 4 {
		words(g)
	}
	for g := 0; nibbles && g < 4; g++ {
		a.nibble(8+2*g, 8+2*g, true)
	}
	// What the multiplications leave room for, in order: what has moved on first, then loads into registers that are free.
	var beside []func()
	if mixed {
		for _, op := range []string{"ADDS $16, R9", "SUB $1, R11", "CSEL LT, R9, ZR, R9", "ADD $128, R10"} {
			beside = append(beside, func() { a.op("%s", op) })
		}
	}
	for g := range 4 {
		for r := range rows {
			for v := range 2 {
				mul(g, r, v, 8+2*g+v)
				if mixed && r == rows-1 {
					beside = append(beside, func() { a.load(8+2*g+v, 16*(2*g+v), "R10") })
				}
				if mixed && g == 3 && v == 1 {
					beside = append(beside, func() { a.ldrq(r, r+1, 9) })
				}
				if len(beside) > 0 {
					beside[0]()
					beside = beside[1:]
				}
			}
		}
	}
	for _, f := range beside {
		f()
	}
	if !mixed {
		a.next(rows, raw, loads)
	}
	a.op("CBNZ R11, %s", loop)
	a.at(tail)
	a.op("MOVD %d(R0), R11", argGroups)
	a.op("CBZ R11, %s", done)
	a.op("MOVD %d(R0), R9", argBlocks)
	a.op("LSL $4, R9")
	a.op("SUB R19, R9")
	a.op("MOVD $12, R24")
	a.atMost("R24")
	a.at(short)
	for i := range loads / 4 {
		a.load(raw+i, 16*i, "R10")
	}
	for r := range rows {
		a.op("FMOVS (R%d)(R9), F%d", r+1, r)
	}
	words(0)
	if nibbles {
		a.nibble(8, 8, true)
	}
	for r := range rows {
		mul(0, r, 0, 8)
		mul(0, r, 1, 9)
	}
	a.op("ADD $4, R9")
	a.atMost("R24")
	a.op("ADD $%d, R10", 4*loads)
	a.op("SUBS $1, R11")
	a.op("BNE %s", short)
	a.at(done)
	for s := sets / 2; s > 0; s /= 2 {
		for i := range s * rows * 2 {
			if float {
				a.fadd(16+i, 16+i, 16+s*rows*2+i)
			} else {
				a.add4s(16+i, 16+i, 16+s*rows*2+i)
			}
		}
	}
	switch to {
	case toS8:
		storeS8x8(a, rows, func(r, v int) int { return acc(0, r, v) })
	case toF32:
		storeF32(a, rows)
	case toS32:
		storeWords(a, rows, 2)
	}
	a.end(tile)
}

// tileNeon is rows × 4 columns for the base of ARMv8: one vector of partial sums per output. Two products of bytes fit into a halfword as long as no weight
// is −128: −128 × 127 × 2 does. Where one is, wide adds each product to the sums alone: a fourth instruction for 16 of them.
func tileNeon(a arm64, rows int, wide bool, to store) {
	const cols = 4
	acc := func(r, c int) int { return 16 + 4*r + c }
	n := rows * cols
	tile := a.begin(rows)
	for i := range n {
		a.zero(16 + i)
	}
	loop, tail, done := a.label("loop"), a.label("tail"), a.label("done")
	a.op("CBZ R11, %s", tail)
	a.op("NEG R19, R9")
	for r := range rows {
		a.ldrq(r, r+1, 9)
	}
	for c := range cols {
		a.load(4+c, 16*c, "R10")
	}
	a.step()
	a.at(loop)
	// Between the steps of one output stand those of others: in-order cores wait for nothing. The second step comes lag outputs behind the first, the
	// third twice as much, as far as the temporaries allow.
	var work []func()
	do := func(i int, step func(r, c int)) {
		if i >= 0 && i < n {
			work = append(work, func() { step(i/cols, i%cols) })
		}
	}
	if wide {
		const lag = 2
		for i := range n + 2*lag {
			do(i-2*lag, func(r, c int) { a.sadalp(acc(r, c), 12+c) })
			do(i-lag, func(r, c int) { a.sadalp(acc(r, c), 8+c) })
			do(i, func(r, c int) { a.smull(8+c, r, 4+c) })
			do(i, func(r, c int) { a.smull2(12+c, r, 4+c) })
		}
	} else {
		lag, temp := 4, func(r, c int) int { return 8 + r%2*cols + c }
		if n == 8 {
			lag = 8
		}
		for i := range n + 2*lag {
			do(i-2*lag, func(r, c int) { a.sadalp(acc(r, c), temp(r, c)) })
			do(i, func(r, c int) { a.smull(temp(r, c), r, 4+c) })
			do(i-lag, func(r, c int) { a.smlal2(temp(r, c), r, 4+c) })
		}
	}
	// The last steps only add up: while they do, the loads arrive.
	behind := len(work) - 4
	for _, f := range work[:behind] {
		f()
	}
	a.next(rows, 4, cols)
	for _, f := range work[behind:] {
		f()
	}
	a.op("CBNZ R11, %s", loop)
	a.at(tail)
	a.op("MOVD %d(R0), R11", argGroups)
	a.op("CBZ R11, %s", done)
	a.op("MOVD $8, R9") // the row's last eight bytes
	for c := range cols {
		a.op("FMOVD %d(R10), F%d", 8*c, 4+c)
	}
	for r := range rows {
		a.op("FMOVD (R%d)(R9), F%d", r+1, r)
	}
	for r := range rows {
		for c := range cols {
			a.smull(8+r%2*4+c, r, 4+c)
		}
		for c := range cols {
			a.sadalp(acc(r, c), 8+r%2*4+c)
		}
	}
	a.at(done)
	x := a.addUp(rows)
	if to == toS32 {
		for r, s := range x {
			a.mov(16+r, s)
		}
		storeWords(a, rows, 1)
	} else {
		storeS8x4(a, rows, x)
	}
	a.end(tile)
}

// rowSumsArm64 writes the sums of rows over their blocks of 16 bytes. Its argument is an armTile, too: rows, their stride, blocks; dst for int32 sums, tiles
// for how many rows.
func rowSumsArm64(a arm64) {
	a.text("rowSumsNeon", "$0-8", "func rowSumsNeon(t *armTile)")
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %d(R0), R20", argA)
	a.op("MOVD %d(R0), R21", argLda)
	a.op("MOVD %d(R0), R12", argDst)
	a.op("MOVD %d(R0), R15", argTiles)
	row, loop := a.label("row"), a.label("loop")
	a.at(row)
	a.op("MOVD R20, R1")
	a.op("ADD R21, R20")
	a.op("MOVD %d(R0), R11", argBlocks)
	a.zero(0)
	a.at(loop)
	a.op("FMOVQ.P 16(R1), F1")
	a.saddlp(1, 1)
	a.sadalp(0, 1)
	a.op("SUBS $1, R11")
	a.op("BNE %s", loop)
	a.addp4s(0, 0, 0)
	a.addp4s(0, 0, 0)
	a.op("FMOVS.P F0, 4(R12)")
	a.op("SUBS $1, R15")
	a.op("BNE %s", row)
	a.op("RET")
}

// tileI8mm is rows × 8 columns by SMMLA: two rows by two columns at a time, eight bytes deep. Two rows' blocks of 16 bytes become two vectors of eight bytes
// of each. Of an odd count of rows the last one stands for its absent neighbour, too.
func tileI8mm(a arm64, rows int) {
	pairs := (rows + 1) / 2
	acc := func(p, c int) int { return 16 + 4*p + c }
	row := func(r int) int { return min(r, rows-1) + 1 }
	tile := a.begin(rows)
	a.op("MOVD R14, R22")
	for c := range 4 {
		a.op("VLD1R.P 8(R22), [V%d.D2]", acc(0, c))
	}
	for p := 1; p < pairs; p++ {
		for c := range 4 {
			a.mov(acc(p, c), acc(0, c))
		}
	}
	loop, tail, done := a.label("loop"), a.label("tail"), a.label("done")
	a.op("CBZ R11, %s", tail)
	a.op("NEG R19, R9")
	for r := range 2 * pairs {
		a.ldrq(r, row(r), 9)
	}
	for c := range 4 {
		a.load(8+c, 16*c, "R10")
	}
	a.at(loop)
	a.step()
	a.op("ADD $128, R10")
	// V15, V0, V2 and V4 become the first halves of the pairs, V1, V3, V5 and V7 the second ones.
	first := func(p int) int { return [...]int{15, 0, 2, 4}[p] }
	for p := range pairs {
		a.trn1(first(p), 2*p, 2*p+1)
		a.trn2(2*p+1, 2*p, 2*p+1)
	}
	for c := range 4 {
		for p := range pairs {
			a.smmla(acc(p, c), first(p), 8+c)
		}
		a.load(8+c, 16*c-64, "R10")
	}
	for p := range pairs {
		a.ldrq(2*p, row(2*p), 9)
	}
	for c := range 4 {
		for p := range pairs {
			a.smmla(acc(p, c), 2*p+1, 8+c)
		}
		a.load(8+c, 16*c, "R10")
	}
	for p := range pairs {
		a.ldrq(2*p+1, row(2*p+1), 9)
	}
	a.op("SUBS $1, R11")
	a.op("BNE %s", loop)
	a.at(tail)
	a.op("MOVD %d(R0), R11", argGroups)
	a.op("CBZ R11, %s", done)
	a.op("MOVD $8, R9") // the row's last eight bytes
	for c := range 4 {
		a.load(8+c, 16*c, "R10")
	}
	for r := range 2 * pairs {
		a.op("FMOVD (R%d)(R9), F%d", row(r), r)
	}
	for p := range pairs {
		a.trn1(2*p, 2*p, 2*p+1)
	}
	for c := range 4 {
		for p := range pairs {
			a.smmla(acc(p, c), 2*p, 8+c)
		}
	}
	a.at(done)
	// From 2×2 matrices to rows of four columns; V8 is the spare register that wanders.
	at := make(map[[2]int]int)
	spare := 8
	for p := range pairs {
		for v := range 2 {
			x, y := acc(p, 2*v), acc(p, 2*v+1)
			a.trn1(spare, x, y)
			a.trn2(y, x, y)
			at[[2]int{2 * p, v}], at[[2]int{2*p + 1, v}] = spare, y
			spare = x
		}
	}
	storeS8x8(a, rows, func(r, v int) int { return at[[2]int{r, v}] })
	a.end(tile)
}
