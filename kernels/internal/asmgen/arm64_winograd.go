package main

import "math"

// winogradArm64 writes the two transforms of Winograd's convolution, in conv/winograd.go, whose argument is conv.winogradTile: down the columns of a square
// of matrices' values, then along its rows. Nearly all values stay in registers between.
//
// Register use: R1 to R6 rows of what is read, R7 the distance of their columns, R8 the offset of a column; R19 to R24 columns of what is written, R11 the distance
// of their rows, R12 the offset of a row; R9 the offset of the vector; R10 vectors left; R14 temporary memory; R25 bias. Constants lie in V30 and V31.
func winogradArm64() []byte {
	a := arm64{newAsm("The transforms of Winograd's convolution of 3×3 filters, 4×4 outputs at a time. Comments beside words have ARM's order of operands.")}
	const a2, b2 = winA * winA, winB * winB
	var words []uint32
	for _, c := range []float32{winA, winB, a2, b2, winA * b2, winB * a2, a2 + b2, a2 * b2, winA, winB, a2, b2, winA * a2, winB * b2, 0, 0} {
		words = append(words, math.Float32bits(c))
	}
	a.data("winograd", words)

	a.winogradHead("winogradInNeon", "6×6 values of the picture become those of 36 matrices", 6, 0)
	// The last two rows have no room in registers, and wait in memory.
	const kept = 4
	p := newPool(30)
	var rows [6][6]int
	for x := range 6 {
		for y, v := range a.winogradIn(p, a.winogradColumn(p, x)) {
			if rows[y][x] = v; y >= kept {
				a.store(v, 16*(6*(y-kept)+x), "R14")
				p.give(v)
			}
		}
	}
	a.op("MOVD R9, R12")
	for y := range 6 {
		for x := 0; y >= kept && x < 6; x++ {
			rows[y][x] = p.take()
			a.load(rows[y][x], 16*(6*(y-kept)+x), "R14")
		}
		for x, v := range a.winogradIn(p, rows[y]) {
			a.strq(v, 19+x, 12)
			p.give(v)
		}
		if y < 5 {
			a.op("ADD R11, R12")
		}
	}
	a.winogradTail()

	a.winogradHead("winogradOutNeon", "values of 36 products become 4×4 results, with bias and limits", 4, 32)
	const lo, hi = 28, 29
	p = newPool(28)
	for x := range 6 {
		for y, v := range a.winogradOut(p, a.winogradColumn(p, x)) {
			rows[y][x] = v
		}
	}
	bias := p.take()
	a.op("FMOVQ.P 16(R25), F%d", bias)
	a.op("ADD $72, R0, R15")
	a.op("VLD1R.P 4(R15), [V%d.S4]", lo)
	a.op("VLD1R (R15), [V%d.S4]", hi)
	a.op("MOVD R9, R12")
	for y := range 4 {
		out := a.winogradOut(p, rows[y])
		for _, v := range out {
			a.fadd(v, v, bias)
		}
		a.clamp(out[:], lo, hi)
		for x, v := range out {
			a.strq(v, 19+x, 12)
			p.give(v)
		}
		if y < 3 {
			a.op("ADD R11, R12")
		}
	}
	a.winogradTail()
	a.table("winogradNeon", []string{"winogradInNeon", "winogradOutNeon"})
	return a.Bytes()
}

// pool hands out registers.
type pool struct{ free []int }

func newPool(n int) *pool {
	p := &pool{}
	for r := n - 1; r >= 0; r-- {
		p.free = append(p.free, r)
	}
	return p
}

func (p *pool) take() int {
	r := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return r
}

func (p *pool) give(r ...int) { p.free = append(p.free, r...) }

// winogradHead loads the argument, with so many columns of what is written; constants lie at the given offset in their table.
func (a arm64) winogradHead(name, comment string, columns, constants int) {
	a.fn(name, comment+"; the argument is a winogradTile")
	a.op("MOVD t+0(FP), R0")
	for i, r := range []int{1, 19, 2, 7, 11, 20, 10, 14, 25} {
		a.op("MOVD %d(R0), R%d", 8*i, r)
	}
	a.op("MOVD R2, R12")
	a.op("MOVD R20, R13")
	for y := range 5 {
		a.op("ADD R12, R%d, R%d", 1+y, 2+y)
	}
	for x := range columns - 1 {
		a.op("ADD R13, R%d, R%d", 19+x, 20+x)
	}
	a.op("MOVD $winograd<>+%d(SB), R15", constants)
	a.load(30, 0, "R15")
	a.load(31, 16, "R15")
	a.op("MOVD $0, R9")
	a.at("vector")
}

// winogradColumn loads a column.
func (a arm64) winogradColumn(p *pool, x int) (d [6]int) {
	if x == 0 {
		a.op("MOVD R9, R8")
	} else {
		a.op("ADD R7, R8")
	}
	for y := range 6 {
		d[y] = p.take()
		a.ldrq(d[y], 1+y, 8)
	}
	return d
}

// winogradTail moves to the next vector.
func (a arm64) winogradTail() {
	a.op("ADD $16, R9")
	a.op("SUBS $1, R10")
	a.op("BNE vector")
	a.op("RET")
}

// winogradIn multiplies six values with the input matrix; their registers go back, or hold results.
func (a arm64) winogradIn(p *pool, d [6]int) [6]int {
	const c, e = 30, 31
	ea, eb, oa, ob := p.take(), p.take(), p.take(), p.take()
	a.mov(ea, d[4])
	a.mov(eb, d[4])
	a.fmulElem(oa, d[3], c, 0)
	a.fmulElem(ob, d[3], c, 1)
	a.fmlsElem(d[4], d[2], e, 2)
	a.fmlsElem(d[5], d[3], e, 2)
	a.fmlsElem(ea, d[2], c, 3)
	a.fmlsElem(oa, d[1], e, 0)
	a.fmlsElem(eb, d[2], c, 2)
	a.fmlsElem(ob, d[1], e, 1)
	a.fmlaElem(d[4], d[0], e, 3)
	a.fmlaElem(d[5], d[1], e, 3)
	a.fadd(d[0], ea, oa)
	a.fsub(ea, ea, oa)
	a.fadd(d[2], eb, ob)
	a.fsub(eb, eb, ob)
	p.give(d[1], d[3], oa, ob)
	return [6]int{d[4], d[0], ea, d[2], eb, d[5]}
}

// winogradOut multiplies six values with the output matrix; their registers go back, or hold results.
func (a arm64) winogradOut(p *pool, m [6]int) [4]int {
	const c, e = 30, 31
	sa, sb, da, db := p.take(), m[2], m[1], m[3]
	a.fadd(sa, m[1], m[2])
	a.fsub(da, m[1], m[2])
	a.fadd(sb, m[3], m[4])
	a.fsub(db, m[3], m[4])
	a.fadd(m[0], m[0], sa)
	a.fmulElem(m[4], da, c, 0)
	a.fmulElem(sa, sa, c, 2)
	a.fmlaElem(m[5], da, e, 0)
	a.fadd(m[0], m[0], sb)
	a.fmlaElem(m[4], db, c, 1)
	a.fmlaElem(sa, sb, c, 3)
	a.fmlaElem(m[5], db, e, 1)
	p.give(da, sb, db)
	return [4]int{m[0], m[4], sa, m[5]}
}
