package main

import "math"

// poolArmv7 is a way of pooling n channels at once: see poolArm. q0 to q3 are sums, q4 to q7 temporaries, q8 and above constants.
type poolArmv7 struct {
	name   string
	bytes  int // of a channel
	sizes  []int
	setup  func()
	start  func(n int)
	join   func(n, from, step int) // the address moves on by the register step
	finish func(n int)
	store  func(n, to, step int)
}

// The constants of the pooling functions, and where they stand in the argument.
const (
	pool7Lo, pool7Hi, pool7Count  = 8, 9, 10
	pool7Half, pool7Start         = 11, 12 // of averages of int8
	pool7Offset, pool7Sign        = 13, 14
	pool7Lowest                   = 15 // of maxima of float32
	tile7Lo, tile7Rows, tile7Cols = 40, 16, 20
)

// moveFloats loads or stores n floats.
func (a armv7) moveFloats(list func(d, n, r, step int), one func(size, d, i, r, step int), d, n, r, step int) {
	if n == 1 {
		one(32, d, 0, r, step)
		return
	}
	list(d, n/2, r, step)
}

// moveBytes loads or stores n bytes.
func (a armv7) moveBytes(list func(d, n, r, step int), one func(size, d, i, r, step int), d, n, r, step int) {
	if n == 1 {
		one(8, d, 0, r, step)
		return
	}
	list(d, n/8, r, step)
}

// poolF32Armv7 writes the pooling of float32. The argument is a pool.tile.
func poolF32Armv7() []byte {
	a := armv7{newAsm("Pooling of float32. Comments beside words have ARM's syntax.")}
	each := func(n int, f func(v int)) {
		for v := range vectors(n) {
			f(v)
		}
	}
	load := func(n, from, step int) { a.moveFloats(a.loadW, a.loadOne, 8, n, from, step) }
	clamp := func(n int) {
		each(n, func(v int) { a.fmax(v, v, pool7Lo) })
		each(n, func(v int) { a.fmin(v, v, pool7Hi) })
	}
	mean := func(n int) {
		a.mov(7, pool7Count)
		each(n, func(v int) { a.divide(v, v, 7) })
	}
	op := func(name string) poolArmv7 {
		return poolArmv7{name: name, bytes: 4, sizes: []int{8, 4, 1},
			setup:  func() { a.everywhere(tile7Lo, pool7Lo, 3) },
			start:  func(n int) { each(n, a.zero) },
			finish: clamp,
			store:  func(n, to, step int) { a.moveFloats(a.storeW, a.storeOne, 0, n, to, step) },
		}
	}
	largest, average, l2 := op("maxF32Neon"), op("averageF32Neon"), op("l2F32Neon")
	setup := largest.setup
	largest.setup = func() {
		setup()
		a.constant(pool7Lowest, math.Float32bits(-math.MaxFloat32))
	}
	largest.start = func(n int) { each(n, func(v int) { a.mov(v, pool7Lowest) }) }
	// A NaN is not larger than anything.
	largest.join = func(n, from, step int) {
		load(n, from, step)
		each(n, func(v int) { a.fcgt(6+v, 4+v, v) })
		each(n, func(v int) { a.vbit(v, 4+v, 6+v) })
	}
	average.join = func(n, from, step int) {
		load(n, from, step)
		each(n, func(v int) { a.fadd(v, v, 4+v) })
	}
	average.finish = func(n int) {
		mean(n)
		clamp(n)
	}
	l2.join = func(n, from, step int) {
		load(n, from, step)
		each(n, func(v int) { a.fmul(4+v, 4+v, 4+v) })
		each(n, func(v int) { a.fadd(v, v, 4+v) })
	}
	l2.finish = func(n int) {
		mean(n)
		each(n, a.root)
		clamp(n)
	}
	a.pools("poolF32Neon", largest, average, l2)
	return a.Bytes()
}

// poolS8Armv7 writes the pooling of int8.
func poolS8Armv7() []byte {
	a := armv7{newAsm("Pooling of int8. Comments beside words have ARM's syntax.")}
	load := func(n, from, step int) { a.moveBytes(a.loadB, a.loadOne, 8, n, from, step) }
	store := func(n, to, step int) { a.moveBytes(a.storeB, a.storeOne, 0, n, to, step) }
	each := func(n int, f func(v int)) {
		for v := range (n + 15) / 16 {
			f(v)
		}
	}
	largest := poolArmv7{
		name: "maxS8Neon", bytes: 1, sizes: []int{32, 16, 8, 1},
		setup: func() {
			for i, v := range []int{pool7Lo, pool7Hi} {
				a.op("ADD $%d, R0, R12", tile7Lo+4*i)
				a.loadAllB(2*v, 12, stay)
			}
		},
		// The largest value and the lower limit are found together.
		start: func(n int) { each(n, func(v int) { a.mov(v, pool7Lo) }) },
		join: func(n, from, step int) {
			load(n, from, step)
			each(n, func(v int) { a.maxB(v, v, 4+v) })
		},
		finish: func(n int) { each(n, func(v int) { a.minB(v, v, pool7Hi) }) },
		store:  store,
	}
	average := poolArmv7{
		name: "averageS8Neon", bytes: 1, sizes: []int{16, 8, 1},
		setup: func() {
			a.everywhere(tile7Lo, pool7Lo, 6)
			a.constant(pool7Sign, 1<<31)
		},
		start: func(n int) {
			for v := range vectors(n) {
				a.mov(v, pool7Start)
			}
		},
		join: func(n, from, step int) {
			load(n, from, step)
			if n == 16 {
				a.vmovlB(5, 9)
			}
			a.vmovlB(4, 8)
			for v := range vectors(n) {
				a.vaddwH(v, v, 8+v)
			}
		},
		// Half of the divisor away from zero, then a division whose fraction goes: exact as long as sums are below 2^23.
		finish: func(n int) {
			all := func(step func(v int)) {
				for v := range vectors(n) {
					step(v)
				}
			}
			all(func(v int) { a.fromInt(v, v) })
			all(func(v int) { a.mov(4+v, pool7Half) })
			all(func(v int) { a.vbit(4+v, v, pool7Sign) })
			all(func(v int) { a.fadd(v, v, 4+v) })
			a.mov(7, pool7Count)
			all(func(v int) { a.divide(v, v, 7) })
			all(func(v int) { a.toInt(v, v) })
			all(func(v int) { a.sub(v, v, pool7Offset) })
			all(func(v int) { a.maxW(v, v, pool7Lo) })
			all(func(v int) { a.minW(v, v, pool7Hi) })
			all(func(v int) { a.vqmovnW(v, v) })
			for v := range (vectors(n) + 1) / 2 {
				a.vqmovnH(v, v)
			}
		},
		store: store,
	}
	a.pools("poolS8Neon", largest, average)
	return a.Bytes()
}

// pools writes functions and their table. Channels go in blocks; within a block the windows of a run of output pixels, one after the other. Rows left of a
// window and pixels left lie on the stack.
func (a armv7) pools(table string, ops ...poolArmv7) {
	var names []string
	for _, o := range ops {
		names = append(names, o.name)
		a.fn7(o.name, "the argument is a tile")
		a.op("MOVW t+0(FP), R0")
		for i, r := range []int{1, 2, 3} { // output, input, channels
			a.op("MOVW %d(R0), R%d", 4*i, r)
		}
		for i, r := range []int{4, 5, 6, 7} { // from one row, column, window and output pixel to the next
			a.op("MOVW %d(R0), R%d", 24+4*i, r)
		}
		o.setup()
		for _, n := range o.sizes {
			block, pixel, row, col, next := a.label("block"), a.label("pixel"), a.label("row"), a.label("col"), a.label("next")
			a.at(block)
			a.op("CMP $%d, R3", n)
			a.op("BLT %s", next)
			a.op("MOVW R1, R8")
			a.op("MOVW R2, R9")
			a.op("MOVW 12(R0), R12")
			a.at(pixel)
			a.op("MOVW R12, 8(R13)")
			o.start(n)
			a.op("MOVW R9, R11")
			a.op("MOVW %d(R0), R12", tile7Rows)
			a.at(row)
			a.op("MOVW R12, 4(R13)")
			a.op("MOVW R11, R12")
			a.op("MOVW %d(R0), R14", tile7Cols)
			a.at(col)
			o.join(n, 12, 5)
			a.op("SUB.S $1, R14")
			a.op("BNE %s", col)
			a.op("ADD R4, R11")
			a.op("MOVW 4(R13), R12")
			a.op("SUB.S $1, R12")
			a.op("BNE %s", row)
			o.finish(n)
			o.store(n, 8, 7)
			a.op("ADD R6, R9")
			a.op("MOVW 8(R13), R12")
			a.op("SUB.S $1, R12")
			a.op("BNE %s", pixel)
			a.op("ADD $%d, R1", n*o.bytes)
			a.op("ADD $%d, R2", n*o.bytes)
			a.op("SUB $%d, R3", n)
			a.op("B %s", block)
			a.at(next)
		}
		a.op("RET")
	}
	a.table7(table, names)
}
