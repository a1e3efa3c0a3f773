package main

import "fmt"

// poolOp is a way of pooling: what an accumulator starts with, how a pixel enters it, and what becomes of it. Vectors have lanes elements of bytes bytes
// each. Registers 16 up on AVX512, 9 up on AVX2, are for constants that setup loads.
type poolOp struct {
	name         string
	lanes, bytes int
	vectors      int   // of channels at once
	sizes        []int // channels at once, to the single one: instead of vectors and a mask for the last, where there is none for such elements
	setup        func(s simd)
	start        func(s simd, acc int)
	load         func(s simd, from string, to int, last bool)
	loadSome     func(s simd, from string, to, n int) // with sizes
	join         func(s simd, x, acc int)
	finish       func(s simd, acc, t int)
	store        func(s simd, acc int, to string, last bool)
	storeSome    func(s simd, acc int, to string, n int)
}

// The registers of limits and of the number of pixels.
const poolLo, poolHi, poolCount = 14, 13, 12

func poolSetup(s simd) {
	s.op("VBROADCASTSS 80(R13), %s", s.r(poolLo))
	s.op("VBROADCASTSS 84(R13), %s", s.r(poolHi))
	s.op("VBROADCASTSS 88(R13), %s", s.r(poolCount))
}

func poolZero(s simd, acc int) { s.op("VXORPS %s, %s, %s", s.r(acc), s.r(acc), s.r(acc)) }

// poolF32 writes the pooling of float32. The argument is a pool.tile.
func poolF32(wide bool, isa string) func() []byte {
	return func() []byte {
		s := simd{newAsm("Pooling of float32 on " + isa + "."), wide}
		s.constants()
		clamp := func(s simd, acc, _ int) { s.clamp(acc, poolLo, poolHi) }
		base := poolOp{lanes: s.size() / 4, bytes: 4, vectors: 4, setup: poolSetup, start: poolZero, load: simd.load, store: simd.store}
		largest, average, l2 := base, base, base
		largest.name, average.name, l2.name = "max", "average", "l2"
		largest.setup = func(s simd) {
			poolSetup(s)
			s.broadcast("lowest", 11)
		}
		largest.start = func(s simd, acc int) { s.op("VMOVAPS %s, %s", s.r(11), s.r(acc)) }
		// Of a NaN the second source, which is the first operand here, remains.
		largest.join = func(s simd, x, acc int) { s.op("VMAXPS %s, %s, %s", s.r(acc), s.r(x), s.r(acc)) }
		largest.finish = clamp
		average.join = func(s simd, x, acc int) { s.op("VADDPS %s, %s, %s", s.r(x), s.r(acc), s.r(acc)) }
		average.finish = func(s simd, acc, t int) {
			s.op("VDIVPS %s, %s, %s", s.r(poolCount), s.r(acc), s.r(acc))
			clamp(s, acc, t)
		}
		l2.join = func(s simd, x, acc int) {
			s.op("VMULPS %s, %s, %s", s.r(x), s.r(x), s.r(x))
			s.op("VADDPS %s, %s, %s", s.r(x), s.r(acc), s.r(acc))
		}
		l2.finish = func(s simd, acc, t int) {
			s.op("VDIVPS %s, %s, %s", s.r(poolCount), s.r(acc), s.r(acc))
			s.op("VSQRTPS %s, %s", s.r(acc), s.r(acc))
			clamp(s, acc, t)
		}
		s.pools("F32"+isa, largest, average, l2)
		return s.Bytes()
	}
}

// poolS8AVX512 writes the pooling of int8.
func poolS8AVX512() []byte {
	s := simd{newAsm("Pooling of int8 on AVX512."), true}
	s.constants()
	largest := poolOp{
		name: "max", lanes: 64, bytes: 1, vectors: 2,
		setup: func(s simd) {
			s.op("VPBROADCASTB 80(R13), Z%d", poolLo)
			s.op("VPBROADCASTB 84(R13), Z%d", poolHi)
		},
		// The largest value and the lower limit are found together.
		start: func(s simd, acc int) { s.op("VMOVDQA64 Z%d, Z%d", poolLo, acc) },
		load: func(s simd, from string, to int, last bool) {
			if last {
				s.op("VMOVDQU8.Z %s, K1, Z%d", from, to)
			} else {
				s.op("VMOVDQU64 %s, Z%d", from, to)
			}
		},
		join:   func(s simd, x, acc int) { s.op("VPMAXSB Z%d, Z%d, Z%d", x, acc, acc) },
		finish: func(s simd, acc, _ int) { s.op("VPMINSB Z%d, Z%d, Z%d", poolHi, acc, acc) },
		store: func(s simd, acc int, to string, last bool) {
			if last {
				s.op("VMOVDQU8 Z%d, K1, %s", acc, to)
			} else {
				s.op("VMOVDQU64 Z%d, %s", acc, to)
			}
		},
	}
	const half, start, offset = 16, 17, 18
	average := poolOp{
		name: "average", lanes: 16, bytes: 1, vectors: 4,
		setup: func(s simd) {
			poolSetup(s)
			s.op("VBROADCASTSS 92(R13), Z%d", half)
			s.op("VBROADCASTSS 96(R13), Z%d", start)
			s.op("VBROADCASTSS 100(R13), Z%d", offset)
		},
		start: func(s simd, acc int) { s.op("VMOVDQA64 Z%d, Z%d", start, acc) },
		load: func(s simd, from string, to int, last bool) {
			if last {
				s.lastS8(from, to)
			} else {
				s.op("VPMOVSXBD %s, Z%d", from, to)
			}
		},
		join:   func(s simd, x, acc int) { s.op("VPADDD Z%d, Z%d, Z%d", x, acc, acc) },
		finish: func(s simd, acc, t int) { s.averageS8(acc, t, half, offset) },
		store: func(s simd, acc int, to string, last bool) {
			if last {
				s.op("VPMOVDB Z%d, K1, %s", acc, to)
			} else {
				s.op("VPMOVDB Z%d, %s", acc, to)
			}
		},
	}
	s.pools("S8AVX512", largest, average)
	return s.Bytes()
}

// averageS8 divides int32 sums by their count, which registers hold, and bounds what comes out. Half of the divisor away from zero, then a division whose
// fraction goes: exact as long as sums are below 2^23. half holds half of the count, offset what the sums have too much; t is for the work.
func (s simd) averageS8(acc, t, half, offset int) {
	op := func(op string, x, y, to int) { s.op("%s %s, %s, %s", op, s.r(x), s.r(y), s.r(to)) }
	s.op("VCVTDQ2PS %s, %s", s.r(acc), s.r(acc))
	s.konst("VANDPS", "sign", "%s, %s", s.r(acc), s.r(t))
	op("VORPS", half, t, t)
	op("VADDPS", t, acc, acc)
	op("VDIVPS", poolCount, acc, acc)
	s.op("VCVTTPS2DQ %s, %s", s.r(acc), s.r(acc))
	op("VPSUBD", offset, acc, acc)
	op("VPMAXSD", poolLo, acc, acc)
	op("VPMINSD", poolHi, acc, acc)
}

// poolS8AVX2 writes the pooling of int8 for registers of 256 bits.
func poolS8AVX2() []byte {
	s := simd{newAsm("Pooling of int8 on AVX2."), false}
	s.constants()
	largest := poolOp{
		name: "max", lanes: 32, bytes: 1, sizes: []int{64, 32, 8, 1},
		setup: func(s simd) {
			s.op("VPBROADCASTB 80(R13), Y%d", poolLo)
			s.op("VPBROADCASTB 84(R13), Y%d", poolHi)
		},
		start: func(s simd, acc int) { s.op("VMOVDQA Y%d, Y%d", poolLo, acc) },
		loadSome: func(s simd, from string, to, n int) {
			switch n {
			case 1:
				s.op("VPINSRB $0, %s, X%d, X%d", from, poolLo, to)
			case 8:
				s.op("VMOVQ %s, X%d", from, to)
			default:
				s.op("VMOVDQU %s, Y%d", from, to)
			}
		},
		join:   func(s simd, x, acc int) { s.op("VPMAXSB Y%d, Y%d, Y%d", x, acc, acc) },
		finish: func(s simd, acc, _ int) { s.op("VPMINSB Y%d, Y%d, Y%d", poolHi, acc, acc) },
		storeSome: func(s simd, acc int, to string, n int) {
			if n == 32 {
				s.op("VMOVDQU Y%d, %s", acc, to)
			} else {
				s.storeBytes(acc, to, n)
			}
		},
	}
	const half, start, offset = 11, 10, 9
	average := poolOp{
		name: "average", lanes: 8, bytes: 1, sizes: []int{32, 8, 1},
		setup: func(s simd) {
			poolSetup(s)
			s.op("VBROADCASTSS 92(R13), Y%d", half)
			s.op("VBROADCASTSS 96(R13), Y%d", start)
			s.op("VBROADCASTSS 100(R13), Y%d", offset)
		},
		start:    func(s simd, acc int) { s.op("VMOVDQA Y%d, Y%d", start, acc) },
		loadSome: simd.widen,
		join:     func(s simd, x, acc int) { s.op("VPADDD Y%d, Y%d, Y%d", x, acc, acc) },
		finish: func(s simd, acc, t int) {
			s.averageS8(acc, t, half, offset)
			s.narrow16(acc, t)
			s.op("VPACKSSWB X%d, X%d, X%d", acc, acc, acc)
		},
		storeSome: simd.storeBytes,
	}
	s.pools("S8AVX2", largest, average)
	return s.Bytes()
}

// pools writes functions and their table. Channels go in blocks; within a block the windows of a run of output pixels, one after the other.
func (s simd) pools(suffix string, ops ...poolOp) {
	var names []string
	for _, o := range ops {
		names = append(names, o.name)
		s.fn(o.name, "the argument is a tile")
		s.op("MOVQ t+0(FP), R13")
		s.op("MOVQ 0(R13), DI")
		s.op("MOVQ 8(R13), SI")
		s.op("MOVQ 16(R13), CX")
		o.setup(s)
		width := o.lanes * o.bytes
		window := func(vectors int, load func(from string, to int), store func(acc int, to string)) {
			pixel, row, col := s.label("pixel"), s.label("row"), s.label("col")
			s.op("MOVQ DI, R8")
			s.op("MOVQ SI, R9")
			s.op("MOVQ 24(R13), BX") // pixels
			s.at(pixel)
			for v := range vectors {
				o.start(s, v)
			}
			s.op("MOVQ R9, R10")
			s.op("MOVQ 32(R13), DX") // rows of the window
			s.at(row)
			s.op("MOVQ R10, R11")
			s.op("MOVQ 40(R13), AX") // columns of the window
			s.at(col)
			for v := range vectors {
				load(at("R11", v*width), 4+v)
				o.join(s, 4+v, v)
			}
			s.op("ADDQ 56(R13), R11")
			s.op("DECQ AX")
			s.op("JNE %s", col)
			s.op("ADDQ 48(R13), R10")
			s.op("DECQ DX")
			s.op("JNE %s", row)
			for v := range vectors {
				o.finish(s, v, 4)
				store(v, at("R8", v*width))
			}
			s.op("ADDQ 64(R13), R9")
			s.op("ADDQ 72(R13), R8")
			s.op("DECQ BX")
			s.op("JNE %s", pixel)
		}
		if o.sizes != nil {
			s.steps(o.sizes, []pointer{{"DI", o.bytes}, {"SI", o.bytes}}, func(n int) {
				each := min(n, o.lanes)
				window(n/each, func(from string, to int) { o.loadSome(s, from, to, each) }, func(acc int, to string) { o.storeSome(s, acc, to, each) })
			})
		} else {
			s.blocks(o.vectors, o.lanes, []pointer{{"DI", width}, {"SI", width}}, func(n int, last bool) {
				window(n, func(from string, to int) { o.load(s, from, to, last) }, func(acc int, to string) { o.store(s, acc, to, last) })
			})
		}
		s.ret()
	}
	s.table(fmt.Sprintf("pool%s", suffix), names)
}
