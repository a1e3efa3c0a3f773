package main

import "fmt"

// The depthwise convolutions on ARMv7: a function walks over output pixels and, for each, over groups of channels; the taps of a group are loaded, multiplied
// and added up in registers, and its outputs stored. Their argument is conv.armDepthwise.
//
// Register use: R0 argument; R1 table of taps where their number is not nine, R12 count of them; R2 and R3 taps; R4 offset of the pixel and the channels in
// bytes; R5 weights, R6 parameters; R7 output; R8 groups left; R9 offset of the pixel; R11 pixels left; R14 output of the pixel.
const (
	dw7W      = 0
	dw7Par    = 4
	dw7Dst    = 8
	dw7Ldd    = 12
	dw7Step   = 16
	dw7Pixels = 20
	dw7Groups = 24
	dw7Quads  = 28 // of taps
	dw7Rest   = 32 // taps behind them: 0 to 3
	dw7Vec    = 36 // zero point and bounds for a vector
	dw7Src    = 40 // table of taps
)

// depthwiseS8Armv7 writes the functions and their table: see depthwiseS8Arm64.
func depthwiseS8Armv7() []byte {
	a := armv7{newAsm("Depthwise int8 convolutions on ARMv7. Comments beside words have ARM's syntax.")}
	var names []string
	for _, exact := range []string{"", "Exact"} {
		for _, window := range []string{"Nine", "Any"} {
			for _, lanes := range []int{16, 8} {
				name := fmt.Sprintf("dwS8x%d%s%s", lanes, window, exact)
				a.fn7(name, fmt.Sprintf("Groups of %d channels.", lanes))
				dwS8Armv7(a, lanes, window == "Nine", exact != "")
				names = append(names, name)
			}
		}
	}
	a.table7("dwS8Neon", names)
	return a.Bytes()
}

// depthwiseF32Armv7 writes the functions and their table: see depthwiseF32Arm64.
func depthwiseF32Armv7() []byte {
	a := armv7{newAsm("Depthwise float32 convolutions on ARMv7. Comments beside words have ARM's syntax.")}
	var names []string
	for _, window := range []string{"Nine", "Any"} {
		for _, lanes := range []int{16, 4} {
			name := fmt.Sprintf("dwF32x%d%s", lanes, window)
			a.fn7(name, fmt.Sprintf("Groups of %d channels.", lanes))
			dwF32Armv7(a, lanes, window == "Nine")
			names = append(names, name)
		}
	}
	a.table7("dwF32Neon", names)
	return a.Bytes()
}

// pixels writes what all share: the loop over pixels and over groups of size bytes around body.
func (a armv7) pixels(size int, body func()) {
	a.op("MOVW t+0(FP), R0")
	a.op("MOVW %d(R0), R14", dw7Dst)
	a.op("MOVW %d(R0), R11", dw7Pixels)
	a.op("MOVW $0, R9")
	pixel, group := a.label("pixel"), a.label("group")
	a.at(pixel)
	a.op("MOVW R9, R4")
	a.op("MOVW R14, R7")
	a.op("MOVW %d(R0), R5", dw7W)
	a.op("MOVW %d(R0), R6", dw7Par)
	a.op("MOVW %d(R0), R8", dw7Groups)
	a.at(group)
	body()
	a.op("ADD $%d, R4", size)
	a.op("SUB.S $1, R8")
	a.op("BNE %s", group)
	a.op("MOVW %d(R0), R2", dw7Step)
	a.op("MOVW %d(R0), R3", dw7Ldd)
	a.op("ADD R2, R9")
	a.op("ADD R3, R14")
	a.op("SUB.S $1, R11")
	a.op("BNE %s", pixel)
	a.op("RET")
}

// windows calls some for the nine taps, or for any number of them in a loop over four at a time and for what is left. point(t) sets R2 or R3, by turns, to the
// input of tap t of these.
func (a armv7) windows(nine bool, some func(n int, point func(t int))) {
	if nine {
		some(9, func(t int) {
			a.op("MOVW %d(R0), R%d", dw7Src+4*t, 2+t%2)
			a.op("ADD R4, R%d", 2+t%2)
		})
		return
	}
	next := func(t int) {
		a.op("MOVW.P 4(R1), R%d", 2+t%2)
		a.op("ADD R4, R%d", 2+t%2)
	}
	loop, rest, one, done := a.label("quad"), a.label("rest"), a.label("one"), a.label("taps")
	a.op("ADD $%d, R0, R1", dw7Src)
	a.op("MOVW %d(R0), R12", dw7Quads)
	a.op("CMP $0, R12")
	a.op("BEQ %s", rest)
	a.at(loop)
	some(4, next)
	a.op("SUB.S $1, R12")
	a.op("BNE %s", loop)
	a.at(rest)
	a.op("MOVW %d(R0), R12", dw7Rest)
	a.op("TST $2, R12")
	a.op("BEQ %s", one)
	some(2, next)
	a.at(one)
	a.op("TST $1, R12")
	a.op("BEQ %s", done)
	some(1, next)
	a.at(done)
}

// dwS8Armv7 adds up the taps in pairs: two products of bytes fit into a halfword as no weight is −128. Parameters of a group are bias, multiplier and
// negative shift of each channel. q8 to q11 are sums. Pairs take turns with two sets of registers, and those of one are loaded while the other multiplies:
// q0 and q1 inputs, q2 and q3 weights, q12 and q13 products; q4 to q7, q14 and q15.
func dwS8Armv7(a armv7, lanes int, nine, exact bool) {
	vectors := lanes / 4
	width := lanes / 8 // doublewords of a tap
	some := func(n int, point func(t int)) {
		pairs := (n + 1) / 2
		taps := func(p int) int { return min(2, n-2*p) }
		load := func(p int) {
			if p >= pairs {
				return
			}
			base := 8 * (p % 2) // doubleword
			for t := range taps(p) {
				point(2*p + t)
				a.loadB(base+width*t, width, 2+t, stay)
			}
			a.loadB(base+4, width*taps(p), 5, moved)
		}
		multiply := func(p int) {
			base, products := 8*(p%2), 12+2*(p%2)
			for h := range width {
				a.vmull(products+h, base+h, base+4+h)
			}
			for h := range width * (taps(p) - 1) {
				a.vmlal(products+h, base+width+h, base+4+width+h)
			}
		}
		add := func(p int) {
			for v := range vectors {
				a.vaddwH(8+v, 8+v, 2*(12+2*(p%2))+v)
			}
		}
		load(0)
		load(1)
		for p := range pairs {
			multiply(p)
			load(p + 2)
			if p > 0 {
				add(p - 1)
			}
		}
		add(pairs - 1)
	}
	a.pixels(lanes, func() {
		for v := 0; v < vectors; v += 2 {
			a.loadW(2*(8+v), 4, 6, moved)
		}
		a.windows(nine, some)
		for v := 0; v < 2*vectors; v += 2 {
			a.loadW(2*v, 4, 6, moved) // multipliers, then shifts
		}
		a.op("MOVW %d(R0), R2", dw7Vec)
		for v := range vectors {
			a.vqrdmulh(8+v, 8+v, v)
		}
		if exact {
			for v := range vectors {
				a.vsra31(8+v, 8+v)
			}
		}
		for v := range vectors {
			a.vrshl(8+v, 8+v, vectors+v)
		}
		a.loadB(0, 4, 2, moved)
		a.loadB(4, 2, 2, stay)
		for v := range vectors {
			a.vqmovnW(24+v, 8+v)
		}
		for h := range width {
			a.vqaddH(12+h, 12+h, 0)
		}
		for h := range width {
			a.vqmovnH(28+h, 12+h)
		}
		a.maxB(14, 14, 1)
		a.minB(14, 14, 2)
		a.storeB(28, width, 7, moved)
	})
}

// dwF32Armv7 adds up even and odd taps apart, then both and the bias. Halves of a tap are loaded as soon as the same half of the one before has been used: q0 to
// q3 are inputs, q4 to q7 weights, q8 to q11 sums of even taps, q12 to q15 of odd ones.
func dwF32Armv7(a armv7, lanes int, nine bool) {
	vectors := lanes / 4
	halves := max(vectors/2, 1)
	each := vectors / halves // vectors of a half
	some := func(n int, point func(t int)) {
		load := func(t, h int) {
			if t >= n {
				return
			}
			if h == 0 {
				point(t)
			}
			step := moved
			if h == halves-1 {
				step = stay
			}
			a.loadW(2*each*h, 2*each, 2+t%2, step)
			a.loadW(8+2*each*h, 2*each, 5, moved)
		}
		for h := range halves {
			load(0, h)
		}
		for t := range n {
			for h := range halves {
				for v := each * h; v < each*(h+1); v++ {
					a.fmla(8+4*(t%2)+v, v, 4+v)
				}
				load(t+1, h)
			}
		}
	}
	a.pixels(4*lanes, func() {
		for h := range halves {
			a.loadW(2*(8+each*h), 2*each, 6, moved)
		}
		for v := range vectors {
			a.zero(12 + v)
		}
		a.windows(nine, some)
		a.op("MOVW %d(R0), R2", dw7Vec)
		a.op("ADD $16, R2")
		for v := range vectors {
			a.fadd(8+v, 8+v, 12+v)
		}
		a.loadW(0, 4, 2, stay)
		for v := range vectors {
			a.fmax(8+v, 8+v, 0)
		}
		for v := range vectors {
			a.fmin(8+v, 8+v, 1)
		}
		for h := range halves {
			a.storeW(2*(8+each*h), 2*each, 7, moved)
		}
	})
}
