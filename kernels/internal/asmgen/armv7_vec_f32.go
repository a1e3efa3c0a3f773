package main

import (
	"fmt"
	"math"
)

// constants7 are the constants of a function in the order in which its loop uses them: the loop reads them again for every two vectors, since NEON of ARMv7
// has no registers to keep them. R7 walks over them.
type constants7 struct {
	a    armv7
	bits []uint32
}

// into loads the next constant into register q.
func (c *constants7) into(q int, x float64) int {
	c.bits = append(c.bits, math.Float32bits(float32(x)))
	c.a.loadAll(2*q, 7, moved)
	return q
}

// of loads the next constant into q14 or q15, by turns, and returns which: the one before is still there.
func (c *constants7) of(x float64) int { return c.into(14+len(c.bits)%2, x) }

// both loads the next constant into a register for each of v.
func (c *constants7) both(bank int, v []int, x float64) {
	c.into(bank+v[0], x)
	for _, w := range v[1:] {
		c.a.mov(bank+w, bank+v[0])
	}
}

// mapsArmv7 are the functions of one input, in the order of vec's constants: emit replaces the registers v, which are 0 and 1, by the function of them; q2 to q11
// are free, q12 and q13 hold the argument's floats.
var mapsArmv7 = []struct {
	name string
	emit func(a armv7, c *constants7, v []int)
}{
	{"clamp", func(a armv7, _ *constants7, v []int) { a.clamp(v, 12, 13) }},
	{"leakyRelu", eachArmv7(func(a armv7, x int) {
		a.fmul(4+x, x, 12)
		a.fcgtZero(2+x, x)
		a.vbsl(2+x, x, 4+x)
		a.mov(x, 2+x)
	})},
	{"exp", func(a armv7, c *constants7, v []int) {
		for _, x := range v {
			a.mov(2+x, x)
		}
		a.exp(c, v)
	}},
	{"logistic", logisticArmv7},
	{"tanh", tanhArmv7},
	{"hardSwish", func(a armv7, c *constants7, v []int) {
		three := c.of(3)
		for _, x := range v {
			a.fadd(2+x, x, three)
		}
		a.clamp([]int{2 + v[0], 2 + v[1]}, c.of(0), c.of(6))
		sixth := c.of(1.0 / 6)
		for _, x := range v {
			a.fmul(x, x, 2+x)
			a.fmul(x, x, sixth)
		}
	}},
	{"abs", eachArmv7(func(a armv7, x int) { a.fabs(x, x) })},
	{"neg", eachArmv7(func(a armv7, x int) { a.fneg(x, x) })},
	{"square", eachArmv7(func(a armv7, x int) { a.fmul(x, x, x) })},
	{"sqrt", eachArmv7(func(a armv7, x int) { a.root(x) })},
	{"rsqrt", func(a armv7, c *constants7, v []int) {
		one := c.into(7, 1)
		for _, x := range v {
			a.root(x)
			a.divide(x, one, x)
		}
	}},
	{"roundEven", func(a armv7, c *constants7, v []int) {
		big := c.of(1 << 23) // added to less, it leaves no fraction
		for _, x := range v {
			a.fabs(2+x, x)
			a.fadd(4+x, 2+x, big)
			a.fsub(4+x, 4+x, big)
		}
		a.whole(c, v, big)
	}},
	{"floor", func(a armv7, c *constants7, v []int) { a.towards(c, v, a.fcgt, a.fsub) }},
	{"ceil", func(a armv7, c *constants7, v []int) {
		a.towards(c, v, func(d, n, m int) { a.fcgt(d, m, n) }, a.fadd)
	}},
}

func eachArmv7(f func(a armv7, x int)) func(a armv7, _ *constants7, v []int) {
	return func(a armv7, _ *constants7, v []int) {
		for _, x := range v {
			f(a, x)
		}
	}
}

// towards cuts the fraction off and moves by one where the result compares with the value.
func (a armv7) towards(c *constants7, v []int, compare, move func(d, n, m int)) {
	one := c.of(1)
	for _, x := range v {
		a.toInt(4+x, x)
		a.fromInt(4+x, 4+x)
	}
	for _, x := range v {
		compare(6+x, 4+x, x)
		a.and(6+x, 6+x, one)
	}
	for _, x := range v {
		move(4+x, 4+x, 6+x)
		a.fabs(2+x, x)
	}
	a.whole(c, v, c.of(1<<23))
}

// whole replaces the registers v by those without a fraction, 4+v, where their absolute values, 2+v, are below big, which have none from there on. Signs stay.
func (a armv7) whole(c *constants7, v []int, big int) {
	for _, x := range v {
		a.fcgt(6+x, big, 2+x)
		a.vbsl(6+x, 4+x, x)
	}
	sign := c.of(math.Copysign(0, -1))
	for _, x := range v {
		a.vbif(x, 6+x, sign)
	}
}

// clamp limits the registers v to those in lo and hi; NaN stays.
func (a armv7) clamp(v []int, lo, hi int) {
	for _, x := range v {
		a.fmax(x, x, lo)
	}
	for _, x := range v {
		a.fmin(x, x, hi)
	}
}

// exp sets the registers v to e^x, x in 2+v, within 2 units in the last place. NaN stays. 4+v and 6+v are room.
func (a armv7) exp(c *constants7, v []int) {
	a.clamp([]int{2 + v[0], 2 + v[1]}, c.of(-104), c.of(89))
	// Adding 1.5 × 2^23 rounds to integers, which then stand in the low bits.
	scale, round := c.of(math.Log2E), c.of(3<<22)
	for _, x := range v {
		a.fmul(4+x, 2+x, scale)
	}
	for _, x := range v {
		a.fadd(4+x, 4+x, round)
	}
	for _, x := range v {
		a.fsub(6+x, 4+x, round)
	}
	for _, x := range v {
		a.sub(4+x, 4+x, round)
	}
	// ln 2 in two parts: the product of the first and an integer is exact, as multiply-adds round twice.
	for _, part := range []float64{0.693359375, -2.12194440e-4} {
		k := c.of(part)
		for _, x := range v {
			a.fmls(2+x, 6+x, k)
		}
	}
	// The polynomial wanders between v and 6+v.
	from, to := 6, 0
	c.both(from, v, expPolynomial[0])
	for _, k := range append(expPolynomial[1:len(expPolynomial):len(expPolynomial)], 1) {
		c.both(to, v, k)
		for _, x := range v {
			a.fmla(to+x, from+x, 2+x)
		}
		from, to = to, from
	}
	// 2^n in two factors, since n may lie outside of what one exponent holds.
	for _, x := range v {
		a.half(2+x, 4+x)
	}
	for _, x := range v {
		a.sub(4+x, 4+x, 2+x)
	}
	one := c.of(1)
	for _, k := range []int{2, 4} {
		for _, x := range v {
			a.exponent(k+x, k+x)
		}
		for _, x := range v {
			a.add(k+x, k+x, one) // the exponent of 1 is the bias
		}
	}
	for _, x := range v {
		a.fmul(from+x, from+x, 2+x)
	}
	for _, x := range v {
		a.fmul(x, from+x, 4+x)
	}
}

// logisticArmv7 divides 1, or e^x where x is negative, by 1 + e^−|x|, or by 1 below the float in q12.
func logisticArmv7(a armv7, c *constants7, v []int) {
	for _, x := range v {
		a.mov(8+x, x)
		a.fabs(2+x, x)
		a.fneg(2+x, 2+x)
	}
	a.exp(c, v)
	one := c.of(1)
	for _, x := range v {
		a.fadd(4+x, x, one)
	}
	for _, x := range v {
		a.fcgt(6+x, 12, 8+x)
		a.vbsl(6+x, one, 4+x)
	}
	for _, x := range v {
		a.fcltZero(2+x, 8+x)
		a.vbsl(2+x, x, one)
	}
	for _, x := range v {
		a.divide(x, 2+x, 6+x)
	}
}

// tanhArmv7 is (1 − e^−2|x|) / (1 + e^−2|x|) with the sign of x, near zero the series x + x³ × polynomial(x²).
func tanhArmv7(a armv7, c *constants7, v []int) {
	double := c.of(-2)
	for _, x := range v {
		a.mov(8+x, x)
		a.fabs(2+x, x)
		a.fmul(2+x, 2+x, double)
	}
	a.exp(c, v)
	one := c.of(1)
	for _, x := range v {
		a.fsub(2+x, one, x)
		a.fadd(4+x, one, x)
	}
	for _, x := range v {
		a.divide(2+x, 2+x, 4+x)
	}
	for _, x := range v {
		a.fneg(4+x, 2+x)
		a.fcltZero(6+x, 8+x)
		a.vbsl(6+x, 4+x, 2+x) // with the sign; NaN has none, and stays
	}
	for _, x := range v {
		a.fmul(4+x, 8+x, 8+x)
	}
	from, to := 2, 0
	c.both(from, v, 21844.0/6081075)
	for _, k := range []float64{-1382.0 / 155925, 62.0 / 2835, -17.0 / 315, 2.0 / 15, -1.0 / 3} {
		c.both(to, v, k)
		for _, x := range v {
			a.fmla(to+x, from+x, 4+x)
		}
		from, to = to, from
	}
	for _, x := range v {
		a.fmul(4+x, 4+x, 8+x)
		a.fabs(2+x, 8+x)
	}
	near := c.of(0.35)
	for _, x := range v {
		a.fcgt(2+x, near, 2+x)
		a.fmla(8+x, from+x, 4+x)
		a.vbsl(2+x, 8+x, 6+x)
		a.mov(x, 2+x)
	}
}

// pairsArmv7 are the functions of two inputs, in the order of vec's constants: they replace x by the function of x and y. Those with a clamp limit the
// result to q12 and q13.
var pairsArmv7 = []struct {
	name  string
	clamp bool
	emit  func(a armv7, x, y int)
}{
	{"add", true, func(a armv7, x, y int) { a.fadd(x, x, y) }},
	{"sub", true, func(a armv7, x, y int) { a.fsub(x, x, y) }},
	{"mul", true, func(a armv7, x, y int) { a.fmul(x, x, y) }},
	{"div", true, func(a armv7, x, y int) { a.divide(x, x, y) }},
	{"max", false, func(a armv7, x, y int) { // of a NaN the second input remains, which VMAX does not give
		a.fcgt(y+4, x, y)
		a.vbit(y, x, y+4)
		a.mov(x, y)
	}},
	{"min", false, func(a armv7, x, y int) {
		a.fcgt(y+4, y, x)
		a.vbit(y, x, y+4)
		a.mov(x, y)
	}},
	{"squaredDifference", false, func(a armv7, x, y int) {
		a.fsub(x, x, y)
		a.fmul(x, x, x)
	}},
	{"prelu", false, func(a armv7, x, y int) {
		a.fmul(y, x, y)
		a.fcgeZero(y+4, x)
		a.vbif(x, y, y+4)
	}},
}

// vecF32Armv7 writes the functions of one and two float32 inputs.
func vecF32Armv7() []byte {
	a := armv7{newAsm("Functions of float32, element by element, on ARMv7. Comments beside words have ARM's syntax.")}
	var names []string
	for _, f := range mapsArmv7 {
		name := f.name + "F32Neon"
		c := &constants7{a: a}
		a.blocks(name, "One input.", func() {
			a.floats(12, 2)
			a.op("MOVW $%sConstants<>(SB), R8", name)
		}, func() {
			// Two vectors at a time.
			half := a.label("half")
			a.op("MOVW R2, R9")
			a.op("MOVW $2, R11")
			a.at(half)
			a.op("MOVW R8, R7")
			a.loadW(0, 4, 9, moved)
			f.emit(a, c, []int{0, 1})
			a.storeW(0, 4, 1, moved)
			a.op("SUB.S $1, R11")
			a.op("BNE %s", half)
		})
		if c.bits == nil {
			c.bits = []uint32{0}
		}
		a.data(name+"Constants", c.bits)
		names = append(names, name)
	}
	a.table7("mapF32Neon", names)
	names = nil
	for _, f := range pairsArmv7 {
		a.blocks(f.name+"PairF32Neon", "Two inputs.", func() { a.floats(12, 2) }, func() {
			a.op("ADD $32, R2, R7")
			a.op("ADD $32, R3, R8")
			a.loadW(0, 4, 2, stay)
			a.loadW(8, 4, 3, stay)
			a.loadW(4, 4, 7, stay)
			a.loadW(12, 4, 8, stay)
			for k := range 4 {
				f.emit(a, k, 4+k)
			}
			if f.clamp {
				a.clamp([]int{0, 1, 2, 3}, 12, 13)
			}
			a.storeW(0, 4, 1, moved)
			a.storeW(4, 4, 1, moved)
		})
		names = append(names, fmt.Sprintf("%sPairF32Neon", f.name))
	}
	a.table7("pairF32Neon", names)
	return a.Bytes()
}
