package main

import "math"

// poolArm is a way of pooling n channels at once, for each n of sizes, which ends with 1: what the sums of a window start with, how the pixel at a register
// enters them, what becomes of them and how that is stored. V0 to V3 are sums, V4 to V7 temporaries, V16 and above constants.
type poolArm struct {
	name   string
	bytes  int // of a channel
	sizes  []int
	setup  func()
	start  func(n int)
	join   func(n int, from string)
	finish func(n int)
	store  func(n int, to string)
}

// The constants of the pooling functions.
const (
	armLo, armHi, armCount = 16, 17, 18
	armHalf, armStart      = 19, 20 // of averages of int8
	armOffset, armSign     = 21, 22
	armLowest              = 23 // of maxima of float32
)

// vectors is how many vectors hold n values of 32 bits.
func vectors(n int) int { return (n + 3) / 4 }

// poolF32Arm64 writes the pooling of float32. The argument is a pool.tile.
func poolF32Arm64() []byte {
	a := arm64{newAsm("Pooling of float32. Comments beside words have ARM's order of operands.")}
	setup := func() { a.everywhere("R0", 80, armLo, 3) }
	load := func(n int, from string) {
		if n == 1 {
			a.op("FMOVS (%s), F4", from)
			return
		}
		for v := range vectors(n) {
			a.load(4+v, 16*v, from)
		}
	}
	zero := func(n int) {
		for v := range vectors(n) {
			a.zero(v)
		}
	}
	clamp := func(n int) {
		for v := range vectors(n) {
			a.fmax(v, v, armLo)
			a.fmin(v, v, armHi)
		}
	}
	store := func(n int, to string) {
		if n == 1 {
			a.op("FMOVS F0, (%s)", to)
			return
		}
		for v := range vectors(n) {
			a.store(v, 16*v, to)
		}
	}
	op := func(name string) poolArm {
		return poolArm{name: name, bytes: 4, sizes: []int{16, 4, 1}, setup: setup, start: zero, finish: clamp, store: store}
	}
	largest, average, l2 := op("maxF32Neon"), op("averageF32Neon"), op("l2F32Neon")
	largest.setup = func() {
		setup()
		a.constant(armLowest, math.Float32bits(-math.MaxFloat32))
	}
	largest.start = func(n int) {
		for v := range vectors(n) {
			a.mov(v, armLowest)
		}
	}
	// A NaN is not larger than anything.
	largest.join = func(n int, from string) {
		load(n, from)
		for v := range vectors(n) {
			a.fcmgt(24+v, 4+v, v)
		}
		for v := range vectors(n) {
			a.op("VBIT V%d.B16, V%d.B16, V%d.B16", 24+v, 4+v, v)
		}
	}
	average.join = func(n int, from string) {
		load(n, from)
		for v := range vectors(n) {
			a.fadd(v, v, 4+v)
		}
	}
	average.finish = func(n int) {
		for v := range vectors(n) {
			a.fdiv(v, v, armCount)
		}
		clamp(n)
	}
	l2.join = func(n int, from string) {
		load(n, from)
		for v := range vectors(n) {
			a.fmul(4+v, 4+v, 4+v)
		}
		for v := range vectors(n) {
			a.fadd(v, v, 4+v)
		}
	}
	l2.finish = func(n int) {
		for v := range vectors(n) {
			a.fdiv(v, v, armCount)
			a.fsqrt(v, v)
		}
		clamp(n)
	}
	a.pools("poolF32Neon", largest, average, l2)
	return a.Bytes()
}

// poolS8Arm64 writes the pooling of int8.
func poolS8Arm64() []byte {
	a := arm64{newAsm("Pooling of int8. Comments beside words have ARM's order of operands.")}
	load := func(n int, from string) {
		switch n {
		case 1:
			a.op("VLD1 (%s), V4.B[0]", from)
		case 8:
			a.op("FMOVD (%s), F4", from)
		default:
			for v := range n / 16 {
				a.load(4+v, 16*v, from)
			}
		}
	}
	store := func(n int, to string) {
		switch n {
		case 1:
			a.op("VST1 V0.B[0], (%s)", to)
		case 8:
			a.op("FMOVD F0, (%s)", to)
		default:
			for v := range n / 16 {
				a.store(v, 16*v, to)
			}
		}
	}
	each := func(n int, f func(v int)) {
		for v := range (n + 15) / 16 {
			f(v)
		}
	}
	largest := poolArm{
		name: "maxS8Neon", bytes: 1, sizes: []int{64, 16, 8, 1},
		setup: func() {
			a.op("ADD $80, R0, R15")
			a.op("VLD1R (R15), [V%d.B16]", armLo)
			a.op("ADD $84, R0, R15")
			a.op("VLD1R (R15), [V%d.B16]", armHi)
		},
		// The largest value and the lower limit are found together.
		start: func(n int) { each(n, func(v int) { a.mov(v, armLo) }) },
		join: func(n int, from string) {
			load(n, from)
			each(n, func(v int) { a.smax(v, v, 4+v) })
		},
		finish: func(n int) { each(n, func(v int) { a.smin(v, v, armHi) }) },
		store:  store,
	}
	average := poolArm{
		name: "averageS8Neon", bytes: 1, sizes: []int{16, 8, 1},
		setup: func() {
			a.everywhere("R0", 80, armLo, 6)
			a.constant(armSign, 1<<31)
		},
		start: func(n int) {
			for v := range vectors(n) {
				a.mov(v, armStart)
			}
		},
		join: func(n int, from string) {
			load(n, from)
			if n == 16 {
				a.sxtl28h(5, 4)
			}
			a.sxtl8h(4, 4)
			for v := range vectors(n) {
				if v%2 == 0 {
					a.saddw(v, v, 4+v/2)
				} else {
					a.saddw2(v, v, 4+v/2)
				}
			}
		},
		// Half of the divisor away from zero, then a division whose fraction goes: exact as long as sums are below 2^23.
		finish: func(n int) {
			steps := []func(v int){
				func(v int) { a.scvtf(v, v) },
				func(v int) { a.mov(4+v, armHalf) },
				func(v int) { a.op("VBIT V%d.B16, V%d.B16, V%d.B16", armSign, v, 4+v) },
				func(v int) { a.fadd(v, v, 4+v) },
				func(v int) { a.fdiv(v, v, armCount) },
				func(v int) { a.fcvtzs(v, v) },
				func(v int) { a.op("VSUB V%d.S4, V%d.S4, V%d.S4", armOffset, v, v) },
				func(v int) { a.smax4s(v, v, armLo) },
				func(v int) { a.smin4s(v, v, armHi) },
			}
			for _, step := range steps {
				for v := range vectors(n) {
					step(v)
				}
			}
			for v := range vectors(n) {
				if v%2 == 0 {
					a.sqxtn4h(v, v)
				} else {
					a.sqxtn8h(v-1, v)
				}
			}
			a.sqxtn8b(0, 0)
			if n == 16 {
				a.sqxtn16b(0, 2)
			}
		},
		store: store,
	}
	a.pools("poolS8Neon", largest, average)
	return a.Bytes()
}

// everywhere loads n numbers of 32 bits at an offset from a register into V(first) and the following, each into all places.
func (a arm64) everywhere(base string, offset, first, n int) {
	a.op("ADD $%d, %s, R15", offset, base)
	for i := range n {
		a.op("VLD1R.P 4(R15), [V%d.S4]", first+i)
	}
}

// constant sets all places of a register.
func (a arm64) constant(v int, bits uint32) {
	a.op("MOVD $%d, R15", bits)
	a.op("VDUP R15, V%d.S4", v)
}

// pools writes functions and their table. Channels go in blocks; within a block the windows of a run of output pixels, one after the other.
func (a arm64) pools(table string, ops ...poolArm) {
	var names []string
	for _, o := range ops {
		names = append(names, o.name)
		a.fn(o.name, "the argument is a tile")
		a.op("MOVD t+0(FP), R0")
		for i, r := range []int{1, 2, 3} { // output, input, channels
			a.op("MOVD %d(R0), R%d", 8*i, r)
		}
		for i, r := range []int{4, 5, 6, 7} { // from one row, column, window and output pixel to the next
			a.op("MOVD %d(R0), R%d", 48+8*i, r)
		}
		o.setup()
		for _, n := range o.sizes {
			block, pixel, row, col, next := a.label("block"), a.label("pixel"), a.label("row"), a.label("col"), a.label("next")
			a.at(block)
			a.op("CMP $%d, R3", n)
			a.op("BLT %s", next)
			a.op("MOVD R1, R8")
			a.op("MOVD R2, R9")
			a.op("MOVD 24(R0), R12")
			a.at(pixel)
			o.start(n)
			a.op("MOVD R9, R10")
			a.op("MOVD 32(R0), R13")
			a.at(row)
			a.op("MOVD R10, R11")
			a.op("MOVD 40(R0), R14")
			a.at(col)
			o.join(n, "R11")
			a.op("ADD R5, R11")
			a.op("SUBS $1, R14")
			a.op("BNE %s", col)
			a.op("ADD R4, R10")
			a.op("SUBS $1, R13")
			a.op("BNE %s", row)
			o.finish(n)
			o.store(n, "R8")
			a.op("ADD R6, R9")
			a.op("ADD R7, R8")
			a.op("SUBS $1, R12")
			a.op("BNE %s", pixel)
			a.op("ADD $%d, R1", n*o.bytes)
			a.op("ADD $%d, R2", n*o.bytes)
			a.op("SUB $%d, R3", n)
			a.op("B %s", block)
			a.at(next)
		}
		a.op("RET")
	}
	a.table(table, names)
}
