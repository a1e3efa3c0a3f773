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

// dwDirectF32AVX2 writes the groups of neighbouring output pixels with 3×3 or 5×5 taps, all channels in blocks of eight: four pixels, or two where they
// are two input pixels apart. The argument is conv.dwDirectTile. What lies at the left or the right edge of the picture leaves out the columns beyond it.
func dwDirectF32AVX2(a *asm) {
	var names []string
	for _, k := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			write := func(edge string, left, right int) {
				name := fmt.Sprintf("dwDirectF32k%ds%d%sAVX2", k, stride, edge)
				names = append(names, name)
				dwDirectF32Groups(a, name, k, stride, left, right)
			}
			write("", 0, 0)
			for out := 1; out <= k/2; out++ {
				write(fmt.Sprintf("Left%d", out), out, 0)
			}
			for out := 1; out <= k/2; out++ {
				write(fmt.Sprintf("Right%d", out), 0, out)
			}
		}
	}
	a.table("dwDirectF32AVX2", names)
}

// dwDirectF32Groups writes the function for k×k taps; so many input columns on the left and on the right are left out.
//
// Register use: AX, BX, CX, SI and R14 the input rows, R8 to R11 one, three, five and seven pixels, DX output, R15 weights, R12 blocks left, DI groups left,
// R13 argument. Y0 to Y3 sums, Y4 to Y8 the weights of a row, Y9 to Y12 input, Y13 and Y14 limits.
func dwDirectF32Groups(a *asm, name string, k, stride, left, right int) {
	const weights, input, lo, hi = 4, 9, 13, 14
	pixels := 4 / stride
	columns := (pixels-1)*stride + k
	rows := []string{"AX", "BX", "CX", "SI", "R14"}[:k]
	places := []string{"(%s)", "(%s)(R8*1)", "(%s)(R8*2)", "(%s)(R9*1)", "(%s)(R8*4)", "(%s)(R10*1)", "(%s)(R9*2)", "(%s)(R11*1)"}
	a.fn(name, fmt.Sprintf("groups of %d output pixels, %d×%d taps, of input columns %d to %d; the argument is a dwDirectTile", pixels, k, k, left, columns-right-1))
	a.op("MOVQ t+0(FP), R13")
	for r, row := range rows {
		a.op("MOVQ %d(R13), %s", 8*r, row)
	}
	a.op("MOVQ 80(R13), R8")
	a.op("LEAQ (R8)(R8*2), R9")
	a.op("LEAQ (R8)(R8*4), R10")
	a.op("LEAQ (R9)(R8*4), R11")
	a.op("MOVQ 88(R13), DX")
	a.op("VBROADCASTSS 152(R13), Y%d", lo)
	a.op("VBROADCASTSS 156(R13), Y%d", hi)
	line, group, block := a.label("line"), a.label("group"), a.label("block")
	a.at(line)
	a.op("MOVQ 112(R13), DI")
	a.at(group)
	a.op("MOVQ 96(R13), R15")
	a.op("MOVQ 104(R13), R12")
	a.op("PCALIGN $32")
	a.at(block)
	a.op("VMOVUPS (R15), Y0")
	for p := 1; p < pixels; p++ {
		a.op("VMOVAPS Y0, Y%d", p)
	}
	loaded := 0
	for r, row := range rows {
		for t := range k {
			a.op("VMOVUPS %d(R15), Y%d", 32*(1+k*r+t), weights+t)
		}
		for c := left; c < columns-right; c++ {
			x := fmt.Sprintf(places[c-left], row)
			first, last := max(0, (c-k+stride)/stride), min(c/stride, pixels-1) // the pixels that read it
			if first < last {
				a.op("VMOVUPS %s, Y%d", x, input+loaded%4)
				x = fmt.Sprintf("Y%d", input+loaded%4)
				loaded++
			}
			for p := first; p <= last; p++ {
				a.op("VFMADD231PS %s, Y%d, Y%d", x, weights+c-p*stride, p)
			}
		}
		a.op("ADDQ $32, %s", row)
	}
	for p := range pixels {
		// The sum comes first in Go's order: where it is NaN, it is what these return.
		a.op("VMAXPS Y%d, Y%d, Y%d", p, lo, p)
		a.op("VMINPS Y%d, Y%d, Y%d", p, hi, p)
		a.op("VMOVUPS Y%d, %s", p, fmt.Sprintf(places[p], "DX"))
	}
	a.op("ADDQ $32, DX")
	a.op("ADDQ $%d, R15", 32*(1+k*k))
	a.op("DECQ R12")
	a.op("JNE %s", block)
	for r, row := range rows {
		a.op("ADDQ %d(R13), %s", 40+8*r, row)
	}
	a.op("ADDQ 128(R13), DX")
	a.op("DECQ DI")
	a.op("JNE %s", group)
	for _, row := range rows {
		a.op("ADDQ 136(R13), %s", row)
	}
	a.op("ADDQ 144(R13), DX")
	a.op("DECQ 120(R13)")
	a.op("JNE %s", line)
	a.op("VZEROUPPER")
	a.op("RET")
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
