package main

import "fmt"

// The depthwise convolutions on ARMv7: a function walks over output pixels and, for each, over groups of channels; the taps of a group are loaded, multiplied
// and added up in registers, and its outputs stored. Their argument is conv.armDepthwise.
//
// Register use: R0 argument; R1 table of taps where their number is not nine, R12 count of them; R2, R3, R9 and R11 taps; R4 offset of the pixel and the
// channels in bytes; R5 weights, R6 parameters; R7 output; R8 groups left; R14 output of the pixel. Locals: offset of the pixel, pixels left.
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

	localOffset = 4
	localPixels = 8
)

// tapRegs take the addresses of taps by turns: four of them are there before their loads, so that none waits.
var tapRegs = [...]int{2, 3, 9, 11}

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
	a.op("MOVW %d(R0), R2", dw7Pixels)
	a.op("MOVW R2, %d(R13)", localPixels)
	a.op("MOVW $0, R4")
	pixel, group := a.label("pixel"), a.label("group")
	a.at(pixel)
	a.op("MOVW R4, %d(R13)", localOffset)
	a.op("MOVW R14, R7")
	a.op("MOVW %d(R0), R5", dw7W)
	a.op("MOVW %d(R0), R6", dw7Par)
	a.op("MOVW %d(R0), R8", dw7Groups)
	a.at(group)
	body()
	a.op("ADD $%d, R4", size)
	a.op("SUB.S $1, R8")
	a.op("BNE %s", group)
	a.op("MOVW %d(R13), R4", localOffset)
	a.op("MOVW %d(R0), R2", dw7Step)
	a.op("MOVW %d(R0), R3", dw7Ldd)
	a.op("MOVW %d(R13), R9", localPixels)
	a.op("ADD R2, R4")
	a.op("ADD R3, R14")
	a.op("SUB.S $1, R9")
	a.op("MOVW R9, %d(R13)", localPixels)
	a.op("BNE %s", pixel)
	a.op("RET")
}

// windows calls some for the nine taps, or for any number of them in a loop over four at a time and for what is left. point(t, more) sets the registers of
// taps t and more behind it, as far as there are such.
func (a armv7) windows(nine bool, some func(n int, point func(t, more int))) {
	taps := func(n int, load func(t, r int)) {
		some(n, func(t, more int) {
			end := min(t+more+1, n)
			for i := t; i < end; i++ {
				load(i, tapRegs[i%4])
			}
			for i := t; i < end; i++ {
				a.op("ADD R4, R%d", tapRegs[i%4])
			}
		})
	}
	if nine {
		taps(9, func(t, r int) { a.op("MOVW %d(R0), R%d", dw7Src+4*t, r) })
		return
	}
	next := func(_, r int) { a.op("MOVW.P 4(R1), R%d", r) }
	loop, rest, one, done := a.label("quad"), a.label("rest"), a.label("one"), a.label("taps")
	a.op("ADD $%d, R0, R1", dw7Src)
	a.op("MOVW %d(R0), R12", dw7Quads)
	a.op("CMP $0, R12")
	a.op("BEQ %s", rest)
	a.at(loop)
	taps(4, next)
	a.op("SUB.S $1, R12")
	a.op("BNE %s", loop)
	a.at(rest)
	a.op("MOVW %d(R0), R12", dw7Rest)
	a.op("TST $2, R12")
	a.op("BEQ %s", one)
	taps(2, next)
	a.at(one)
	a.op("TST $1, R12")
	a.op("BEQ %s", done)
	taps(1, next)
	a.at(done)
}

// dwS8Armv7 adds up the taps in pairs: two products of bytes fit into a halfword as no weight is −128. Parameters of a group are bias, multiplier and
// negative shift of each channel. q8 to q11 are sums. Pairs take turns with two sets of registers, and those of one are loaded while the other multiplies:
// q0 and q1 inputs, q2 and q3 weights, q12 and q13 products; q4 to q7, q14 and q15.
func dwS8Armv7(a armv7, lanes int, nine, exact bool) {
	vectors := lanes / 4
	width := lanes / 8 // doublewords of a tap
	some := func(n int, point func(t, more int)) {
		pairs := (n + 1) / 2
		taps := func(p int) int { return min(2, n-2*p) }
		load := func(p int) {
			if p >= pairs {
				return
			}
			base := 8 * (p % 2) // doubleword
			for t := range taps(p) {
				a.loadB(base+width*t, width, tapRegs[(2*p+t)%4], stay)
			}
			a.loadB(base+4, width*taps(p), 5, moved)
			point(2*p+4, 1)
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
		point(0, 3)
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
	some := func(n int, point func(t, more int)) {
		load := func(t, h int) {
			if t >= n {
				return
			}
			step := moved
			if h == halves-1 {
				step = stay
			}
			a.loadW(2*each*h, 2*each, tapRegs[t%4], step)
			a.loadW(8+2*each*h, 2*each, 5, moved)
			if h == halves-1 {
				point(t+4, 0)
			}
		}
		point(0, 3)
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
