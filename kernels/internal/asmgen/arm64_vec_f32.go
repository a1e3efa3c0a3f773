package main

import (
	"math"
	"slices"
)

// floatRegs hands out registers for constants, from V31 downward, and loads each before the loop.
type floatRegs struct {
	a     arm64
	table floatTable // where the other constants are
	next  int
	at    map[float64]int
}

// of returns the register that holds x.
func (r *floatRegs) of(x float64) int {
	if v, ok := r.at[x]; ok {
		return v
	}
	r.next--
	v := r.next
	r.at[x] = v
	r.a.op("MOVD $%d, R8", math.Float32bits(float32(x)))
	r.a.op("VDUP R8, V%d.S4", v)
	return v
}

// named returns the register that holds a constant of floatConsts.
func (r *floatRegs) named(name string) int { return r.of(value(name)) }

// load copies a constant of the table to register v.
func (r *floatRegs) load(v int, name string) { r.a.load(v, r.table.at(name), "R9") }

// expDown sets the registers behind v, as many, which are not above 0, or NaN, to their exponentials. Four times as many behind them are room.
func (r *floatRegs) expDown(v []int) {
	var sets []expSet
	for _, x := range v {
		n := len(v)
		sets = append(sets, expSet{n + x, 2*n + x, 3*n + x, 4*n + x, 5*n + x})
	}
	r.a.expDown(r.table, r.named, sets...)
}

func values(names []string) []float64 {
	var v []float64
	for _, n := range names {
		v = append(v, value(n))
	}
	return v
}

// mapsArm64 are the functions of one input, in the order of vec's constants. want are constants that stand in registers; emit replaces the registers v by
// the function of them, two or, where they leave room for it, four at a time: six times as many registers from V0 on are free. Of two, V12 and V13 hold the argument's floats.
var mapsArm64 = []struct {
	name string
	want []float64 // constants
	emit func(a arm64, r *floatRegs, v []int)
}{
	{"clamp", nil, func(a arm64, _ *floatRegs, v []int) { a.clamp(v, 12, 13) }},
	{"leakyRelu", nil, func(a arm64, _ *floatRegs, v []int) {
		for _, x := range v {
			a.fmul(4+x, x, 12)
			a.fcmgtZero(2+x, x)
			a.choose(2+x, x, 4+x)
			a.mov(x, 2+x)
		}
	}},
	{"exp", expFloats, func(a arm64, r *floatRegs, v []int) {
		for _, x := range v {
			a.mov(2+x, x)
		}
		a.exp(r, v)
	}},
	{"logistic", values(expDownRegs), logisticArm64},
	{"tanh", values(expDownRegs), tanhArm64},
	{"hardSwish", []float64{0, 3, 6, 1.0 / 6}, func(a arm64, r *floatRegs, v []int) {
		for _, x := range v {
			a.fadd(2+x, x, r.of(3))
			a.clampOne(2+x, r.of(0), r.of(6))
			a.fmul(x, x, 2+x)
			a.fmul(x, x, r.of(1.0/6))
		}
	}},
	{"abs", nil, eachArm64(arm64.fabs)},
	{"neg", nil, eachArm64(arm64.fneg)},
	{"square", nil, eachArm64(func(a arm64, d, n int) { a.fmul(d, n, n) })},
	{"sqrt", nil, eachArm64(arm64.fsqrt)},
	{"rsqrt", []float64{1}, func(a arm64, r *floatRegs, v []int) {
		for _, x := range v {
			a.fsqrt(x, x)
			a.fdiv(x, r.of(1), x)
		}
	}},
	{"roundEven", nil, eachArm64(arm64.frintn)},
	{"floor", nil, eachArm64(arm64.frintm)},
	{"ceil", nil, eachArm64(arm64.frintp)},
	{"gelu", values(append([]string{"root"}, expDownRegs...)), geluArm64},
	{"geluTanh", values(expDownRegs), geluTanhArm64},
}

func eachArm64(f func(a arm64, d, n int)) func(a arm64, _ *floatRegs, v []int) {
	return func(a arm64, _ *floatRegs, v []int) {
		for _, x := range v {
			f(a, x, x)
		}
	}
}

// expFloats are what exp wants: its limits, what takes whole powers of two off, and the polynomial of e^r for |r| ≤ ln2/2 (coefficients of Cephes).
var expFloats = append([]float64{89, -104, math.Log2E, math.Ln2, math.Ln2 - float64(float32(math.Ln2))}, expPolynomial...)

var expPolynomial = []float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1}

// clamp limits the registers v to those in lo and hi; NaN stays.
func (a arm64) clamp(v []int, lo, hi int) {
	for _, x := range v {
		a.fmax(x, x, lo)
	}
	for _, x := range v {
		a.fmin(x, x, hi)
	}
}

// choose replaces mask m by yes where it is set and by no elsewhere.
func (a arm64) choose(m, yes, no int) { a.op("VBSL V%d.B16, V%d.B16, V%d.B16", no, yes, m) }

// exp sets the registers v to e^x, x in 2+v, within 2 units in the last place. NaN stays. 4+v and 6+v are room.
func (a arm64) exp(r *floatRegs, v []int) {
	for _, x := range v {
		a.clampOne(2+x, r.of(-104), r.of(89))
	}
	for _, x := range v {
		a.fmul(4+x, 2+x, r.of(math.Log2E))
	}
	for _, x := range v {
		a.frintn(4+x, 4+x)
	}
	for _, x := range v {
		a.fmls(2+x, 4+x, r.of(math.Ln2))
	}
	for _, x := range v {
		a.fmls(2+x, 4+x, r.of(math.Ln2-float64(float32(math.Ln2))))
	}
	// The polynomial wanders between v and 6+v.
	from, to := 6, 0
	for _, x := range v {
		a.mov(from+x, r.of(expPolynomial[0]))
	}
	for _, c := range append(expPolynomial[1:len(expPolynomial):len(expPolynomial)], 1) {
		for _, x := range v {
			a.mov(to+x, r.of(c))
		}
		for _, x := range v {
			a.fmla(to+x, from+x, 2+x)
		}
		from, to = to, from
	}
	// 2^n in two factors, since n may lie outside of what one exponent holds.
	for _, x := range v {
		a.fcvtns(4+x, 4+x)
	}
	for _, x := range v {
		a.sshr1(2+x, 4+x)
	}
	for _, x := range v {
		a.op("VSUB V%d.S4, V%d.S4, V%d.S4", 2+x, 4+x, 4+x)
	}
	for _, k := range []int{2, 4} {
		for _, x := range v {
			a.op("VSHL $23, V%d.S4, V%d.S4", k+x, k+x)
		}
		for _, x := range v {
			a.add4s(k+x, k+x, r.of(1)) // the exponent of 1 is the bias
		}
	}
	for _, x := range v {
		a.fmul(from+x, from+x, 2+x)
	}
	for _, x := range v {
		a.fmul(x, from+x, 4+x)
	}
}

func (a arm64) clampOne(x, lo, hi int) { a.clamp([]int{x}, lo, hi) }

// logisticArm64 divides 1, or e^x where x is negative, by 1 + e^−|x|, or by 1 below the argument's first float.
func logisticArm64(a arm64, r *floatRegs, v []int) {
	n := len(v)
	for _, x := range v {
		a.fabs(n+x, x)
		a.fneg(n+x, n+x)
	}
	r.expDown(v)
	a.op("ADD $%d, R0, R7", elemF)
	a.op("VLD1R (R7), [V%d.S4]", 5*n)
	for _, x := range v {
		a.fadd(2*n+x, n+x, r.named("one"))
	}
	for _, x := range v {
		a.fcmgt(3*n+x, 5*n, x)
		a.choose(3*n+x, r.named("one"), 2*n+x)
	}
	for _, x := range v {
		a.fcmltZero(4*n+x, x)
		a.choose(4*n+x, n+x, r.named("one"))
	}
	for _, x := range v {
		a.fdiv(x, 4*n+x, 3*n+x)
	}
}

// tanhArm64 is (1 − e^−2|x|) / (1 + e^−2|x|) with the sign of x, near zero an odd polynomial.
func tanhArm64(a arm64, r *floatRegs, v []int) {
	n := len(v)
	each := func(f func(x int)) {
		for _, x := range v {
			f(x)
		}
	}
	r.load(5*n, "-two")
	each(func(x int) { a.fabs(n+x, x) })
	each(func(x int) { a.fmul(n+x, n+x, 5*n) })
	r.expDown(v)
	each(func(x int) { a.fsub(2*n+x, r.named("one"), n+x) })
	each(func(x int) { a.fadd(3*n+x, r.named("one"), n+x) })
	each(func(x int) { a.fdiv(2*n+x, 2*n+x, 3*n+x) })
	each(func(x int) { a.fmul(3*n+x, x, x) })
	each(func(x int) { r.load(4*n+x, "q4") })
	for i, c := range []string{"q3", "q2", "q1"} {
		from, to := 4*n+i%2*n, 5*n-i%2*n
		each(func(x int) { r.load(to+x, c) })
		each(func(x int) { a.fmla(to+x, from+x, 3*n+x) })
	}
	each(func(x int) { a.fmul(3*n+x, 3*n+x, x) })
	each(func(x int) { a.mov(4*n+x, x) })
	each(func(x int) { a.fmla(4*n+x, 3*n+x, 5*n+x) }) // x + x³ × polynomial
	each(func(x int) { r.load(3*n+x, "sign") })
	each(func(x int) { a.choose(3*n+x, x, 2*n+x) })
	r.load(n, "near")
	each(func(x int) { a.fabs(2*n+x, x) })
	each(func(x int) { a.fcmgt(x, n, 2*n+x) })
	each(func(x int) { a.choose(x, 4*n+x, 3*n+x) })
}

// geluArm64 is x × Φ(x), with Φ(x) = (1 + erf(x/√2)) / 2. Far from zero Φ(−t) comes as half an exponential, so that large negative inputs keep their digits.
func geluArm64(a arm64, r *floatRegs, v []int) {
	const z, t, square, far, near, n = 12, 14, 16, 2, 18, 4
	each := func(f func(x int)) {
		for _, x := range v {
			f(x)
		}
	}
	// horner puts the sum of a constant and a product to register to.
	horner := func(to int, c string, from, factor int) {
		each(func(x int) { r.load(to+x, c) })
		each(func(x int) { a.fmla(to+x, from+x, factor+x) })
	}
	each(func(x int) { a.fmul(z+x, x, r.named("root")) })
	each(func(x int) { r.load(n+x, "erfMost") })
	each(func(x int) { a.fabs(t+x, z+x) })
	each(func(x int) { a.fmin(t+x, t+x, n+x) })
	each(func(x int) { a.fmul(square+x, t+x, t+x) })
	each(func(x int) { r.load(far+x, "f0") })
	horner(6, "f1", far, t)
	each(func(x int) { r.load(n+x, "f2") })
	horner(8, "f3", n, t)
	each(func(x int) { r.load(10+x, "n0") })
	each(func(x int) { a.fmla(8+x, 6+x, square+x) })
	horner(near, "n1", 10, square)
	horner(6, "f4", 8, t)
	horner(10, "n2", near, square)
	horner(8, "f5", 6, t)
	horner(near, "n3", 10, square)
	horner(6, "f6", 8, t)
	horner(10, "n4", near, square)
	each(func(x int) { a.fneg(far+x, t+x) })
	each(func(x int) { a.fmla(far+x, 6+x, t+x) })
	horner(near, "n5", 10, square)
	each(func(x int) { a.mov(10+x, z+x) })
	each(func(x int) { a.fmla(10+x, near+x, z+x) })
	each(func(x int) { r.load(near+x, "half") })
	each(func(x int) { r.load(square+x, "half") })
	each(func(x int) { a.fmla(near+x, 10+x, square+x) })
	r.expDown(v)
	each(func(x int) { a.fmul(far+x, far+x, square+x) })
	each(func(x int) { r.load(n+x, "erfEnd") })
	each(func(x int) { a.fcmltZero(6+x, x) })
	each(func(x int) { a.fsub(8+x, r.named("one"), far+x) })
	each(func(x int) { a.fcmgt(n+x, n+x, t+x) })
	each(func(x int) { a.choose(6+x, far+x, 8+x) })
	each(func(x int) { a.choose(n+x, near+x, 6+x) })
	each(func(x int) { a.fmul(x, x, n+x) })
}

// geluTanhArm64 is x / (1 + e^−2u) with u = √(2/π) × (x + 0.044715 × x³), which is x × (1 + tanh u) / 2; for negative x in the form x × e^2u / (1 + e^2u).
func geluTanhArm64(a arm64, r *floatRegs, v []int) {
	n := len(v)
	r.load(5*n, "g3")
	for _, x := range v {
		a.fmul(2*n+x, x, x)
		r.load(n+x, "g1")
	}
	for _, x := range v {
		a.fmla(n+x, 2*n+x, 5*n)
	}
	for _, x := range v {
		a.fmul(n+x, n+x, x)
	}
	for _, x := range v {
		a.fabs(n+x, n+x)
		a.fneg(n+x, n+x)
	}
	r.expDown(v)
	for _, x := range v {
		a.fadd(2*n+x, n+x, r.named("one"))
		a.fmul(3*n+x, n+x, x)
	}
	for _, x := range v {
		a.fcmltZero(4*n+x, x)
		a.choose(4*n+x, 3*n+x, x)
	}
	for _, x := range v {
		a.fdiv(x, 4*n+x, 2*n+x)
	}
}

// pairsArm64 are the functions of two inputs, in the order of vec's constants: they replace x by the function of x and y. Those with a clamp limit the
// result to V12 and V13.
var pairsArm64 = []struct {
	name  string
	clamp bool
	emit  func(a arm64, x, y int)
}{
	{"add", true, func(a arm64, x, y int) { a.fadd(x, x, y) }},
	{"sub", true, func(a arm64, x, y int) { a.fsub(x, x, y) }},
	{"mul", true, func(a arm64, x, y int) { a.fmul(x, x, y) }},
	{"div", true, func(a arm64, x, y int) { a.fdiv(x, x, y) }},
	{"max", false, func(a arm64, x, y int) { // of a NaN the second input remains, which FMAX does not give
		a.fcmgt(y+4, x, y)
		a.choose(y+4, x, y)
		a.mov(x, y+4)
	}},
	{"min", false, func(a arm64, x, y int) {
		a.fcmgt(y+4, y, x)
		a.choose(y+4, x, y)
		a.mov(x, y+4)
	}},
	{"squaredDifference", false, func(a arm64, x, y int) {
		a.fsub(x, x, y)
		a.fmul(x, x, x)
	}},
	{"prelu", false, func(a arm64, x, y int) {
		a.fmul(y, x, y)
		a.fcmgeZero(y+4, x)
		a.choose(y+4, x, y)
		a.mov(x, y+4)
	}},
}

// vecF32Arm64 writes the functions of one and two float32 inputs.
func vecF32Arm64() []byte {
	a := arm64{newAsm("Functions of float32, element by element, on ARMv8. Comments beside words have ARM's order of operands.")}
	table := a.constTable(slices.Concat(expDownLoads, []string{"-two", "sign", "near", "q1", "q2", "q3", "q4", "g1", "g3", "half", "erfEnd", "erfMost", "f0", "f1", "f2", "f3", "f4", "f5", "f6", "n0", "n1", "n2", "n3", "n4", "n5"})...)
	var names []string
	for _, f := range mapsArm64 {
		r := &floatRegs{a: a, table: table, next: 32, at: map[float64]int{}}
		a.blocks(f.name+"F32Neon", "One input.", 64, func() {
			a.floats(12, 2)
			a.op("MOVD $float<>(SB), R9")
			for _, c := range f.want {
				r.of(c)
			}
			if r.next < 20 {
				panic("asmgen: too many constants")
			}
		}, func() {
			v := []int{0, 1}
			if slices.Contains([]string{"logistic", "tanh", "geluTanh"}, f.name) {
				v = []int{0, 1, 2, 3}
			}
			for k := 0; k < 4; k += len(v) {
				for _, x := range v {
					a.load(x, 16*(k+x), "R2")
				}
				f.emit(a, r, v)
				for _, x := range v {
					a.store(x, 16*(k+x), "R1")
				}
			}
		})
		names = append(names, f.name+"F32Neon")
	}
	a.table("mapF32Neon", names)
	names = nil
	for _, f := range pairsArm64 {
		a.blocks(f.name+"PairF32Neon", "Two inputs.", 64, func() { a.floats(12, 2) }, func() {
			for k := range 4 {
				a.load(k, 16*k, "R2")
				a.load(4+k, 16*k, "R3")
			}
			for k := range 4 {
				f.emit(a, k, 4+k)
			}
			if f.clamp {
				a.clamp([]int{0, 1, 2, 3}, 12, 13)
			}
			for k := range 4 {
				a.store(k, 16*k, "R1")
			}
		})
		names = append(names, f.name+"PairF32Neon")
	}
	a.table("pairF32Neon", names)
	return a.Bytes()
}
