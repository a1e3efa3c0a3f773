package main

import "fmt"

// The depthwise convolutions on ARMv8: a function walks over output pixels and, for each, over groups of channels; the taps of a group are loaded, multiplied
// and added up in registers, and its outputs stored. Their argument is conv.armDepthwise.
//
// Register use: R0 argument; R1 to R9 the nine taps of a 3×3 window at the first pixel, in others R1 table of taps, R2 taps left, R3 and R4 taps; R10
// offset of the pixel and the channels in bytes; R11 weights, R12 parameters; R13 output; R14 groups left; R15 pixels left; R19 offset of the
// pixel, R20 distance of pixels; R21 output of the pixel, R22 distance of outputs; R23 free.
const (
	dwW      = 0
	dwPar    = 8
	dwDst    = 16
	dwLdd    = 24
	dwStep   = 32
	dwPixels = 40
	dwGroups = 48
	dwQuads  = 56 // of taps
	dwRest   = 64 // taps behind them: 0 to 3
	dwVec    = 72 // zero point and bounds for a vector
	dwSrc    = 80 // table of taps
)

// depthwiseS8Arm64 writes the functions and their table: groups of 16 and 8 channels for windows of nine taps, then of any number; all of it without and
// with outputs whose sign counts.
func depthwiseS8Arm64() []byte {
	a := arm64{newAsm("Depthwise int8 convolutions on ARMv8. Comments beside words have ARM's order of operands.")}
	var names []string
	for _, exact := range []string{"", "Exact"} {
		for _, window := range []string{"Nine", "Any"} {
			for _, lanes := range []int{16, 8} {
				name := fmt.Sprintf("dwS8x%d%s%s", lanes, window, exact)
				a.fn(name, fmt.Sprintf("Groups of %d channels.", lanes))
				dwS8Arm64(a, lanes, window == "Nine", exact != "")
				names = append(names, name)
			}
		}
	}
	a.table("dwS8Neon", names)
	return a.Bytes()
}

// depthwiseF32Arm64 writes the functions and their table: groups of 16 and 4 channels for windows of nine taps, then of any number.
func depthwiseF32Arm64() []byte {
	a := arm64{newAsm("Depthwise float32 convolutions on ARMv8. Comments beside words have ARM's order of operands.")}
	var names []string
	for _, window := range []string{"Nine", "Any"} {
		for _, lanes := range []int{16, 4} {
			name := fmt.Sprintf("dwF32x%d%s", lanes, window)
			a.fn(name, fmt.Sprintf("Groups of %d channels.", lanes))
			dwF32Arm64(a, lanes, window == "Nine")
			names = append(names, name)
		}
	}
	a.table("dwF32Neon", names)
	return a.Bytes()
}

// pixels writes what all share: the loop over pixels and over groups of size bytes around body, and what follows the last group of a pixel. R23 is the
// output of the group before.
func (a arm64) pixels(nine bool, size int, body, last func()) {
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %d(R0), R21", dwDst)
	a.op("MOVD %d(R0), R22", dwLdd)
	a.op("MOVD %d(R0), R20", dwStep)
	a.op("MOVD %d(R0), R15", dwPixels)
	a.op("MOVD %d(R0), R23", dwVec)
	for i := range 3 {
		a.load(29+i, 16*i, "R23")
	}
	if nine {
		for t := range 9 {
			a.op("MOVD %d(R0), R%d", dwSrc+8*t, t+1)
		}
	}
	a.op("MOVD $0, R19")
	pixel, group := a.label("pixel"), a.label("group")
	a.at(pixel)
	a.op("MOVD R19, R10")
	a.op("MOVD R21, R13")
	a.op("MOVD R21, R23")
	a.op("MOVD %d(R0), R11", dwW)
	a.op("MOVD %d(R0), R12", dwPar)
	a.op("MOVD %d(R0), R14", dwGroups)
	a.at(group)
	body()
	a.op("ADD $%d, R10", size)
	a.op("MOVD R13, R23")
	a.op("ADD $%d, R13", size)
	a.op("SUBS $1, R14")
	a.op("BNE %s", group)
	last()
	a.op("ADD R20, R19")
	a.op("ADD R22, R21")
	a.op("SUBS $1, R15")
	a.op("BNE %s", pixel)
	a.op("RET")
}

// taps writes the loop over any number of taps, four at a time, then what is left: each calls some with a number of taps whose addresses it finds in R3 to R6.
func (a arm64) taps(some func(n int)) {
	loop, pair, one, done := a.label("quad"), a.label("pair"), a.label("one"), a.label("taps")
	a.op("ADD $%d, R0, R1", dwSrc)
	a.op("MOVD %d(R0), R2", dwQuads)
	a.op("CBZ R2, %s", pair)
	a.at(loop)
	a.op("LDP (R1), (R3, R4)")
	a.op("LDP 16(R1), (R5, R6)")
	a.op("ADD $32, R1")
	some(4)
	a.op("SUBS $1, R2")
	a.op("BNE %s", loop)
	a.at(pair)
	a.op("MOVD %d(R0), R2", dwRest)
	a.op("TBZ $1, R2, %s", one)
	a.op("LDP.P 16(R1), (R3, R4)")
	some(2)
	a.at(one)
	a.op("TBZ $0, R2, %s", done)
	a.op("MOVD (R1), R3")
	some(1)
	a.at(done)
}

// dwS8Arm64 adds up the taps in pairs: two products of bytes fit into a halfword as no weight is −128. Parameters of a group are bias, multiplier and
// negative shift of each channel. V16 to V19 are sums, V24 to V27 outputs that are still to be narrowed, V29 to V31 zero point and bounds.
//
// Narrowing is one chain of instructions that wait for each other. It therefore runs between the products of the next group, or behind the last one. The
// first group of a pixel does so with what the registers held before, and its store to the same place puts that right.
func dwS8Arm64(a arm64, lanes int, nine, exact bool) {
	vectors := lanes / 4
	load := func(v, x int) {
		if lanes == 16 {
			a.ldrq(v, x, 10)
		} else {
			a.op("FMOVD (R%d)(R10), F%d", x, v)
		}
	}
	weights := func(v, t int) {
		if lanes == 16 {
			a.load(v, 16*t, "R11")
		} else {
			a.op("FMOVD %d(R11), F%d", 8*t, v)
		}
	}
	first := func(p, x, w int) {
		a.smull(p, x, w)
		if lanes == 16 {
			a.smull2(p+1, x, w)
		}
	}
	second := func(p, x, w int) {
		a.smlal(p, x, w)
		if lanes == 16 {
			a.smlal2(p+1, x, w)
		}
	}
	add := func(p int) {
		for v := range vectors {
			if v%2 == 0 {
				a.saddw(16+v, 16+v, p+v/2)
			} else {
				a.saddw2(16+v, 16+v, p+v/2)
			}
		}
	}
	narrow := []func(){
		func() {
			for v := 0; v < vectors; v += 2 {
				a.sqxtn4h(24+v, 24+v)
			}
		},
		func() {
			for v := 0; v < vectors; v += 2 {
				a.sqxtn8h(24+v, 25+v)
			}
		},
		func() {
			for v := 0; v < vectors; v += 2 {
				a.sqadd8h(24+v, 24+v, 29)
			}
		},
		func() { a.sqxtn8b(24, 24) },
		func() {
			if lanes == 16 {
				a.sqxtn16b(24, 26)
			}
		},
		func() { a.smax(24, 24, 30) },
		func() { a.smin(24, 24, 31) },
		func() {
			if lanes == 16 {
				a.store(24, 0, "R23")
			} else {
				a.op("FMOVD F24, (R23)")
			}
		},
	}
	all := func() {
		for _, f := range narrow {
			f()
		}
	}
	a.pixels(nine, lanes, func() {
		for v := range vectors {
			a.load(16+v, 16*v, "R12")
		}
		if nine {
			// Two bundles of loads: pairs 0 to 2, then 3 and 4 with the parameters. Of pair p of a bundle, inputs and weights lie in V(4p) to V(4p+3).
			fetch := func(from, to int) {
				for t := from; t < to; t++ {
					r := (t-from)/2*4 + (t-from)%2
					load(r, t+1)
					weights(r+2, t)
				}
			}
			products := [...]int{20, 22, 12}
			fetch(0, 6)
			for p := range 3 {
				first(products[p], 4*p, 4*p+2)
			}
			narrow[0]()
			for p := range 3 {
				second(products[p], 4*p+1, 4*p+3)
			}
			narrow[1]()
			for p := range 3 {
				add(products[p])
				narrow[2+p]()
			}
			fetch(6, 9)
			for v := range 2 * vectors {
				a.load(8+v, 16*(vectors+v), "R12")
			}
			first(20, 0, 2)
			first(22, 4, 6)
			narrow[5]()
			second(20, 1, 3)
			add(22)
			narrow[6]()
			add(20)
			narrow[7]()
			a.op("ADD $%d, R11", 9*lanes)
		} else {
			all()
			a.taps(func(n int) {
				for t := range n {
					r := t/2*4 + t%2
					load(r, 3+t)
					weights(r+2, t)
				}
				a.op("ADD $%d, R11", n*lanes)
				for t := 0; t < n; t += 2 {
					first(20+t, 2*t, 2*t+2)
				}
				for t := 1; t < n; t += 2 {
					second(19+t, 2*t-1, 2*t+1)
				}
				for t := 0; t < n; t += 2 {
					add(20 + t)
				}
			})
			for v := range 2 * vectors {
				a.load(8+v, 16*(vectors+v), "R12")
			}
		}
		a.op("ADD $%d, R12", 48*vectors)
		for v := range vectors {
			a.sqrdmulh(16+v, 16+v, 8+v)
		}
		if exact {
			for v := range vectors {
				a.ssra31(16+v, 16+v)
			}
		}
		for v := range vectors {
			a.srshl(24+v, 16+v, 8+vectors+v)
		}
	}, all)
}

// dwF32Arm64 adds up even and odd taps apart, then both and the bias. V16 to V23 are sums, V30 and V31 the bounds.
func dwF32Arm64(a arm64, lanes int, nine bool) {
	vectors := lanes / 4
	sum := func(t, v int) int { return 16 + t%2*vectors + v }
	tap := func(t, x, at int) {
		for v := range vectors {
			if v == 0 {
				a.ldrq(t%2*8, x, 10)
			} else {
				a.load(t%2*8+2*v, 16*v, "R23")
			}
			a.load(t%2*8+2*v+1, 16*(at*vectors+v), "R11")
		}
	}
	a.pixels(nine, 4*lanes, func() {
		for v := range vectors {
			a.load(sum(0, v), 16*v, "R12")
			a.zero(sum(1, v))
		}
		point := func(x int) {
			if vectors > 1 {
				a.op("ADD R%d, R10, R23", x)
			}
		}
		// Two taps are loaded together, the first of n in register x.
		some := func(x, n int) {
			for p := 0; p < n; p += 2 {
				for t := p; t < min(p+2, n); t++ {
					point(x + t)
					tap(t, x+t, t)
				}
				for t := p; t < min(p+2, n); t++ {
					for v := range vectors {
						a.fmla(sum(t, v), t%2*8+2*v, t%2*8+2*v+1)
					}
				}
			}
			a.op("ADD $%d, R11", n*4*lanes)
		}
		if nine {
			some(1, 9)
		} else {
			a.taps(func(n int) { some(3, n) })
		}
		a.op("ADD $%d, R12", 16*vectors)
		for v := range vectors {
			a.fadd(sum(0, v), sum(0, v), sum(1, v))
		}
		for v := range vectors {
			a.fmax(sum(0, v), sum(0, v), 30)
		}
		for v := range vectors {
			a.fmin(sum(0, v), sum(0, v), 31)
		}
		for v := range vectors {
			a.store(sum(0, v), 16*v, "R13")
		}
	}, func() {})
}
