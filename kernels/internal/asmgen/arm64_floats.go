package main

import "math"

// floatTable is the constants of float32 functions on ARMv8, by their names in floatConsts: each four times, at R9.
type floatTable []string

// constTable writes the constants into the file.
func (a arm64) constTable(names ...string) floatTable {
	var words []uint32
	for _, n := range names {
		b := floatConsts[constIndex(n)].bits
		words = append(words, b, b, b, b)
	}
	a.data("float", words)
	return names
}

// at returns the offset of a constant.
func (t floatTable) at(name string) int {
	for i, n := range t {
		if n == name {
			return 16 * i
		}
	}
	panic("asmgen: " + name + " is not in the table")
}

// value is a constant as a number.
func value(name string) float64 {
	return float64(math.Float32frombits(floatConsts[constIndex(name)].bits))
}

// expSet names the registers of one exponential: x, which is replaced by it, and room.
type expSet struct{ x, n, t, u, w int }

// expDownRegs are the constants that expDown wants in registers; those that begin a sum it loads.
var expDownRegs = []string{"-88", "log2e", "ln2hi", "ln2lo", "p6", "p5", "p3", "one"}

// expDownLoads are the others.
var expDownLoads = []string{"round", "p4", "p2"}

// expDown replaces registers x, which are not above 0, or NaN, by e^x, within 2 units in the last place. Results that are not normal become 0, save some
// just below 2^-126. Instructions for several registers alternate: in-order cores do not wait for any.
func (a arm64) expDown(t floatTable, reg func(name string) int, sets ...expSet) {
	each := func(f func(s expSet)) {
		for _, s := range sets {
			f(s)
		}
	}
	each(func(s expSet) { a.fmax(s.x, s.x, reg("-88")) })
	each(func(s expSet) { a.load(s.n, t.at("round"), "R9") })
	each(func(s expSet) { a.fmla(s.n, s.x, reg("log2e")) })
	each(func(s expSet) { a.load(s.t, t.at("round"), "R9") })
	each(func(s expSet) { a.fsub(s.t, s.n, s.t) })
	each(func(s expSet) { a.load(s.u, t.at("p4"), "R9") })
	each(func(s expSet) { a.fmls(s.x, s.t, reg("ln2hi")) })
	each(func(s expSet) { a.op("VSHL $23, V%d.S4, V%d.S4", s.n, s.n) })
	each(func(s expSet) { a.fmls(s.x, s.t, reg("ln2lo")) })
	each(func(s expSet) { a.add4s(s.n, s.n, reg("one")) }) // the exponent of 1 is the bias
	each(func(s expSet) { a.load(s.w, t.at("p2"), "R9") })
	each(func(s expSet) { a.fmul(s.t, s.x, s.x) })
	each(func(s expSet) { a.fmla(s.u, s.x, reg("p5")) })
	each(func(s expSet) { a.fmla(s.w, s.x, reg("p3")) })
	each(func(s expSet) { a.fmla(s.u, s.t, reg("p6")) })
	each(func(s expSet) { a.fadd(s.x, s.x, reg("one")) })
	each(func(s expSet) { a.fmla(s.w, s.u, s.t) })
	each(func(s expSet) { a.fmla(s.x, s.w, s.t) })
	each(func(s expSet) { a.fmul(s.x, s.x, s.n) })
}
