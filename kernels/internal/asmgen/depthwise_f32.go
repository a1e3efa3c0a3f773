package main

import "fmt"

// depthwiseF32AMD64 writes the depthwise convolution of float32 values with any taps. Its argument is conv.dwTileF32.
func depthwiseF32AMD64() []byte {
	a := newAsm("Depthwise float32 convolutions on AVX512 and AVX2: fused multiply-adds, bias and clamp in the store.")
	masks := make([]uint32, 16)
	for i := range 8 {
		masks[i] = ^uint32(0)
	}
	a.data("dwMasksF32", masks)
	dwF32{"Z", 16}.write(a, "AVX512")
	dwF32{"Y", 8}.write(a, "AVX2")
	dwDirectF32AVX2(a)
	dwDirectF32AVX512(a)
	return a.Bytes()
}

// dwF32 writes a loop over the vectors of one run, up to six of them at once, so that a weight is loaded once for these.
//
// Register use: AX walks the table of taps, R8 place of the vectors in the lines, R9, R10 and R11 multiples of the step, BX weights, R15 those of the
// second output row, CX taps left, DX output, DI its step, SI tap, R12 vectors left, R13 argument. Sums from 0 on; 12 the weight, 8 or 16 that of
// the second output row, 13 and 14 limits, 15 bias.
type dwF32 struct {
	kind  string
	width int
}

func (f dwF32) write(a *asm, isa string) {
	single, pair, pick := "dwF32"+isa, "dwF32Pair"+isa, "dwPickF32"+isa
	f.function(a, single, 1, []int{6, 4, 2, 1})
	if f.width == 16 {
		f.function(a, pair, 2, []int{6, 4, 2, 1})
	} else {
		f.function(a, pair, 2, []int{4, 2, 1})
	}
	f.pick(a, pick)
	a.table("dwTableF32"+isa, []string{single, pair, pick})
}

func (f dwF32) function(a *asm, name string, rows int, groups []int) {
	reg := func(n int) string { return fmt.Sprintf("%s%d", f.kind, n) }
	a.fn(name, fmt.Sprintf("a run of vectors of %d channels, %d output rows; the argument is a dwTileF32", f.width, rows))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 32(R13), DX")
	a.op("MOVQ 40(R13), DI")
	a.op("MOVQ 48(R13), R9")
	a.op("LEAQ (R9)(R9*2), R10")
	a.op("LEAQ (R9)(R9*4), R11")
	a.op("MOVQ 56(R13), R12")
	a.op("MOVQ 88(R13), R8")
	a.op("VBROADCASTSS 64(R13), %s", reg(13))
	a.op("VBROADCASTSS 68(R13), %s", reg(14))
	a.op("MOVQ 24(R13), SI")
	a.op("VMOVUPS (SI), %s", reg(15))
	if f.width == 16 {
		f.mask(a, 72, 1)
	}
	done := a.label("done")
	for i, n := range groups {
		next, some := a.label("next"), a.label("some")
		a.at(some)
		a.op("CMPQ R12, $%d", n)
		a.op("JLT %s", next)
		f.vectors(a, n, rows, reg)
		a.op("SUBQ $%d, R12", n)
		a.op("JEQ %s", done)
		if i == 0 {
			a.op("JMP %s", some)
		}
		a.at(next)
	}
	a.at(done)
	a.op("VZEROUPPER")
	a.op("RET")
}

// mask takes the number of values at the given offset of the argument: as a mask on AVX512, K1 that of all vectors, K2 that of the last; as a number
// on AVX2, BX and AX.
func (f dwF32) mask(a *asm, offset, which int) {
	if f.width == 8 {
		a.op("MOVQ %d(R13), %s", offset, [...]string{"", "BX", "AX"}[which])
		return
	}
	a.op("MOVQ %d(R13), SI", offset)
	a.op("MOVQ $-1, CX")
	a.op("BZHIQ SI, CX, CX")
	a.op("KMOVW CX, K%d", which)
}

// pick writes the copy of columns into a line, vector by vector. The argument is conv.dwPickF32.
func (f dwF32) pick(a *asm, name string) {
	a.fn(name, "copies columns; the argument is a dwPickF32")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), DI")
	a.op("MOVQ 8(R13), R8")
	a.op("MOVQ 16(R13), R12")
	a.op("MOVQ 56(R13), R9")
	if f.width == 8 {
		a.op("MOVQ 32(R13), AX")
		a.op("NEGQ AX")
		a.op("LEAQ dwMasksF32<>+32(SB), CX")
		a.op("VMOVUPS (CX)(AX*4), Y11")
	}
	f.mask(a, 32, 1)
	column, block, last := a.label("column"), a.label("block"), a.label("last")
	a.at(column)
	a.op("MOVQ DI, DX")
	a.op("MOVQ R8, SI")
	a.op("MOVQ 24(R13), CX")
	a.op("DECQ CX")
	a.op("JEQ %s", last)
	a.at(block)
	a.op("VMOVUPS (SI), %s0", f.kind)
	a.op("VMOVUPS %s0, (DX)", f.kind)
	a.op("ADDQ $%d, SI", 4*f.width)
	a.op("ADDQ R9, DX")
	a.op("DECQ CX")
	a.op("JNE %s", block)
	a.at(last)
	if f.width == 16 {
		a.op("VMOVUPS.Z (SI), K1, Z0")
		a.op("VMOVUPS Z0, K1, (DX)")
	} else {
		a.op("VMASKMOVPS (SI), Y11, Y0")
		storeSome(a, "Y0", "DX", "BX")
	}
	a.op("ADDQ 40(R13), DI")
	a.op("ADDQ 48(R13), R8")
	a.op("DECQ R12")
	a.op("JNE %s", column)
	a.op("VZEROUPPER")
	a.op("RET")
}

// vectors computes n vectors of one or two output rows and moves on behind them. Where none follow, the last has a mask of its own.
//
// The taps of two output rows are those of the first input row, which the first output row has alone, those of the rows between, which both have, and
// those of the last input row.
func (f dwF32) vectors(a *asm, n, rows int, reg func(int) string) {
	a.op("MOVQ 0(R13), AX")
	a.op("MOVQ 16(R13), BX")
	for v := range n * rows {
		a.op("VMOVAPS %s, %s", reg(15), reg(v))
	}
	f.taps(a, 8, n, 0, 1, reg)
	if rows == 2 {
		a.op("MOVQ 16(R13), R15")
		f.taps(a, 104, n, 0, 2, reg)
		a.op("MOVQ R15, BX")
		f.taps(a, 8, n, n, 1, reg)
	}
	full := a.label("full")
	f.mask(a, 72, 2)
	if f.width == 8 {
		f.mask(a, 72, 1)
	}
	a.op("CMPQ R12, $%d", n)
	a.op("JNE %s", full)
	f.mask(a, 80, 2)
	a.at(full)
	if rows == 2 {
		a.op("MOVQ 96(R13), SI")
	}
	if f.width == 16 {
		f.store(a, n, rows, reg, func(x, to string, last bool) {
			k := 1
			if last {
				k = 2
			}
			a.op("VMOVUPS %s, K%d, %s", x, k, to)
		})
		return
	}
	some, done := a.label("some"), a.label("stored")
	a.op("MOVQ AX, CX")
	a.op("ANDQ BX, CX")
	a.op("CMPQ CX, $8") // both, as neither is more
	a.op("JNE %s", some)
	f.store(a, n, rows, reg, func(x, to string, _ bool) { a.op("VMOVUPS %s, %s", x, to) })
	a.op("JMP %s", done)
	a.at(some)
	f.store(a, n, rows, reg, func(x, to string, last bool) {
		a.op("LEAQ %s, CX", to)
		if last {
			storeSome(a, x, "CX", "AX")
		} else {
			storeSome(a, x, "CX", "BX")
		}
	})
	a.at(done)
}

// store limits the sums of n vectors, hands them to put with the address, and moves on behind them.
func (f dwF32) store(a *asm, n, rows int, reg func(int) string, put func(x, to string, last bool)) {
	for v := range n {
		for r := range rows {
			x := reg(r*n + v)
			// The sum comes first in Go's order: where it is NaN, it is what these return.
			a.op("VMAXPS %s, %s, %s", x, reg(13), x)
			a.op("VMINPS %s, %s, %s", x, reg(14), x)
			put(x, [...]string{"(DX)", "(DX)(SI*1)"}[r], v == n-1)
		}
		a.op("ADDQ DI, DX")
		a.op("ADDQ R9, R8")
	}
}

// taps adds as many taps as the argument holds at count to the sums of rows output rows, from register first on.
func (f dwF32) taps(a *asm, count, n, first, rows int, reg func(int) string) {
	w, w2 := reg(12), reg(8)
	if f.width == 16 {
		w2 = reg(16)
	}
	a.op("MOVQ %d(R13), CX", count)
	tap := a.label("tap")
	a.op("PCALIGN $32")
	a.at(tap)
	a.op("MOVQ (AX), SI")
	a.op("ADDQ R8, SI")
	a.op("VMOVUPS (BX), %s", w)
	if rows == 2 {
		a.op("VMOVUPS (R15), %s", w2)
	}
	for v := range n {
		at := [...]string{"(SI)", "(SI)(R9*1)", "(SI)(R9*2)", "(SI)(R10*1)", "(SI)(R9*4)", "(SI)(R11*1)"}[v]
		if rows == 2 {
			x := reg(9)
			if f.width == 16 {
				x = reg(17 + v)
			}
			a.op("VMOVUPS %s, %s", at, x)
			a.op("VFMADD231PS %s, %s, %s", x, w, reg(first+v))
			a.op("VFMADD231PS %s, %s, %s", x, w2, reg(first+n+v))
		} else {
			a.op("VFMADD231PS %s, %s, %s", at, w, reg(first+v))
		}
	}
	a.op("ADDQ $8, AX")
	a.op("ADDQ $%d, BX", 4*f.width)
	if rows == 2 {
		a.op("ADDQ $%d, R15", 4*f.width)
	}
	a.op("DECQ CX")
	a.op("JNE %s", tap)
}

// dwDirectF32 writes groups of neighbouring output pixels with 3×3 or 5×5 taps, all channels in blocks of a vector: the argument is conv.dwDirectTile. What
// lies at the left or the right edge of the picture leaves out the columns beyond it.
type dwDirectF32 struct {
	simd
	k, stride    int
	pixels, rows int // of a group: output pixels in one output row or in two, which share input rows
}

// dwDirectF32AVX2 writes four pixels, or two where they are two input pixels apart.
func dwDirectF32AVX2(a *asm) {
	var names []string
	for _, k := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			names = dwDirectF32{simd{a, false}, k, stride, 4 / stride, 1}.write(names)
		}
	}
	a.table("dwDirectF32AVX2", names)
}

// dwDirectF32AVX512 writes four pixels of one output row and of two.
func dwDirectF32AVX512(a *asm) {
	var names []string
	for _, k := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			for rows := 1; rows <= 2; rows++ {
				names = dwDirectF32{simd{a, true}, k, stride, 4, rows}.write(names)
			}
		}
	}
	a.table("dwDirectF32AVX512", names)
}

// write writes the functions for all edges and appends their names.
func (f dwDirectF32) write(names []string) []string {
	function := func(edge string, left, right int) {
		name := fmt.Sprintf("dwDirectF32k%ds%d", f.k, f.stride)
		if f.wide {
			name += fmt.Sprintf("r%d", f.rows)
		}
		names = append(names, name+edge+map[bool]string{false: "AVX2", true: "AVX512"}[f.wide])
		f.function(names[len(names)-1], left, right)
	}
	function("", 0, 0)
	for out := 1; out <= f.k/2; out++ {
		function(fmt.Sprintf("Left%d", out), out, 0)
	}
	for out := 1; out <= f.k/2; out++ {
		function(fmt.Sprintf("Right%d", out), 0, out)
	}
	return names
}

// function writes the function that leaves out so many input columns on the left and on the right.
//
// Register use: R8 to R12 one, three, five, seven and nine pixels, DX and DI the output rows, SI weights, BX blocks left, CX groups left, R13 argument. On AVX2
// AX, DI, R12, R14 and R15 are the input rows; otherwise these lie in memory, AX is one of them, R14 how far the blocks have moved, and R15 for sums. Vectors:
// sums, weights of as many rows as two output rows need at once, four of input, limits.
func (f dwDirectF32) function(name string, left, right int) {
	k, columns, inputs := f.k, (f.pixels-1)*f.stride+f.k, (f.rows-1)*f.stride+f.k
	sets := 1 // rows of weights that are kept
	if f.rows == 2 {
		sets += f.stride
	}
	weights := f.rows * f.pixels
	input := weights + sets*k
	lo, hi := input+4, input+5
	const at = 200 // of the places in the input rows in the argument
	places := []string{"(%s)", "(%s)(R8*1)", "(%s)(R8*2)", "(%s)(R9*1)", "(%s)(R8*4)", "(%s)(R10*1)", "(%s)(R9*2)", "(%s)(R11*1)", "(%s)(R8*8)", "(%s)(R12*1)", "(%s)(R10*2)"}
	outputs := []string{"DX", "DI"}[:f.rows]
	f.fn(name, fmt.Sprintf("groups of %d×%d output pixels, %d×%d taps, of input columns %d to %d; the argument is a dwDirectTile", f.rows, f.pixels, k, k, left, columns-right-1))
	f.op("MOVQ t+0(FP), R13")
	f.op("MOVQ 112(R13), R8")
	f.op("LEAQ (R8)(R8*2), R9")
	f.op("LEAQ (R8)(R8*4), R10")
	f.op("LEAQ (R9)(R8*4), R11")
	if columns > 9 {
		f.op("LEAQ (R8)(R8*8), R12")
	}
	rows := []string{"AX", "DI", "R12", "R14", "R15"}
	for i := range inputs {
		if f.wide {
			f.op("MOVQ %d(R13), AX", 8*i)
			f.op("MOVQ AX, %d(R13)", at+8*i)
		} else {
			f.op("MOVQ %d(R13), %s", 8*i, rows[i])
		}
	}
	if f.wide {
		f.op("XORL R14, R14")
	}
	for r, out := range outputs {
		f.op("MOVQ %d(R13), %s", 120+8*r, out)
	}
	f.op("VBROADCASTSS 192(R13), %s", f.r(lo))
	f.op("VBROADCASTSS 196(R13), %s", f.r(hi))
	line, group, block := f.label("line"), f.label("group"), f.label("block")
	f.at(line)
	f.op("MOVQ 152(R13), CX")
	f.at(group)
	f.op("MOVQ 136(R13), SI")
	f.op("MOVQ 144(R13), BX")
	f.op("PCALIGN $32")
	f.at(block)
	f.op("VMOVUPS (SI), %s", f.r(0))
	for p := 1; p < weights; p++ {
		f.op("VMOVAPS %s, %s", f.r(0), f.r(p))
	}
	loaded := 0
	for i := range inputs {
		row := "AX"
		if f.wide {
			f.op("MOVQ %d(R13), AX", at+8*i)
			f.op("ADDQ R14, AX")
		} else {
			row = rows[i]
		}
		weight := func(row, t int) string { return f.r(weights + row%sets*k + t) }
		for t := 0; t < k && i < k; t++ {
			f.op("VMOVUPS %d(SI), %s", f.size()*(1+k*i+t), weight(i, t))
		}
		for c := left; c < columns-right; c++ {
			x := fmt.Sprintf(places[c-left], row)
			first, last := max(0, (c-k+f.stride)/f.stride), min(c/f.stride, f.pixels-1) // the pixels of a row that read it
			var out []int                                                               // the output rows that read it
			for r := range f.rows {
				if row := i - r*f.stride; row >= 0 && row < k {
					out = append(out, r)
				}
			}
			if len(out)*(last-first+1) > 1 {
				f.op("VMOVUPS %s, %s", x, f.r(input+loaded%4))
				x = f.r(input + loaded%4)
				loaded++
			}
			for _, r := range out {
				for p := first; p <= last; p++ {
					f.op("VFMADD231PS %s, %s, %s", x, weight(i-r*f.stride, c-p*f.stride), f.r(r*f.pixels+p))
				}
			}
		}
	}
	for r, out := range outputs {
		for p := range f.pixels {
			x := f.r(r*f.pixels + p)
			// The sum comes first in Go's order: where it is NaN, it is what these return.
			f.op("VMAXPS %s, %s, %s", x, f.r(lo), x)
			f.op("VMINPS %s, %s, %s", x, f.r(hi), x)
			f.op("VMOVUPS %s, %s", x, fmt.Sprintf(places[p], out))
		}
		f.op("ADDQ $%d, %s", f.size(), out)
	}
	if f.wide {
		f.op("ADDQ $%d, R14", f.size())
	} else {
		for _, row := range rows[:inputs] {
			f.op("ADDQ $%d, %s", f.size(), row)
		}
	}
	f.op("ADDQ $%d, SI", f.size()*(1+k*k))
	f.op("DECQ BX")
	f.op("JNE %s", block)
	for i := range inputs {
		if f.wide {
			f.op("MOVQ %d(R13), R15", 56+8*i)
			f.op("ADDQ R15, %d(R13)", at+8*i)
		} else {
			f.op("ADDQ %d(R13), %s", 56+8*i, rows[i])
		}
	}
	for _, out := range outputs {
		f.op("ADDQ 168(R13), %s", out)
	}
	f.op("DECQ CX")
	f.op("JNE %s", group)
	if f.wide {
		f.op("MOVQ 176(R13), R15")
	}
	for i := range inputs {
		if f.wide {
			f.op("ADDQ R15, %d(R13)", at+8*i)
		} else {
			f.op("ADDQ 176(R13), %s", rows[i])
		}
	}
	for _, out := range outputs {
		f.op("ADDQ 184(R13), %s", out)
	}
	f.op("DECQ 160(R13)")
	f.op("JNE %s", line)
	f.ret()
}

// storeSome stores as many values of a vector on AVX2 as a register says, 1 to 8, and may move the register of the address.
func storeSome(a *asm, y, to, count string) {
	part, done := a.label("part"), a.label("stored")
	a.op("CMPQ %s, $8", count)
	a.op("JLT %s", part)
	a.op("VMOVUPS %s, (%s)", y, to)
	a.op("JMP %s", done)
	a.at(part)
	storePart(a, y, to, count)
	a.at(done)
}

// storePart is storeSome for 1 to 7 values. A masked store would do it in one instruction, which takes tens of cycles on AMD.
func storePart(a *asm, y, to, count string) {
	x := "X" + y[1:]
	two, one, done := a.label("two"), a.label("one"), a.label("stored")
	a.op("TESTQ $4, %s", count)
	a.op("JEQ %s", two)
	a.op("VMOVUPS %s, (%s)", x, to)
	a.op("VEXTRACTF128 $1, %s, %s", y, x)
	a.op("ADDQ $16, %s", to)
	a.at(two)
	a.op("TESTQ $2, %s", count)
	a.op("JEQ %s", one)
	a.op("VMOVLPS %s, (%s)", x, to)
	a.op("VPSRLDQ $8, %s, %s", x, x)
	a.op("ADDQ $8, %s", to)
	a.at(one)
	a.op("TESTQ $1, %s", count)
	a.op("JEQ %s", done)
	a.op("VMOVSS %s, (%s)", x, to)
	a.at(done)
}
