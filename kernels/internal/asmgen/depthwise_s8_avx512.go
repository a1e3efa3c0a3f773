package main

import "fmt"

// depthwiseS8AVX512 writes the depthwise convolutions of int8 values: any taps in groups of four (conv.dwTile), 3×3 taps (conv.dw3Tile), four to
// seven rows of taps (conv.dwTallTile), and the
// copies of columns into lines (conv.dwPick, conv.dwSpread, conv.dwSplit).
//
// Four taps of a pixel are four runs of bytes, one byte for each channel. Unpacking bytes and then words puts the four taps of one channel into one
// dword, as VPDPBUSD wants them; the channels then lie in four registers, in an order that packing the sums undoes.
func depthwiseS8AVX512() []byte {
	a := newAsm("Depthwise int8 convolutions on AVX512-VNNI: u8 inputs, s8 weights, rescaled in the store.")
	a.data("dwOne", []uint32{1})
	a.data("dwFlip", []uint32{0x80808080})
	var names []string
	for _, channels := range []int{16, 32, 64} {
		names = append(names, fmt.Sprintf("dw%d", channels))
		depthwiseS8(a, names[len(names)-1], channels)
	}
	for sets := 1; sets <= 2; sets++ {
		for _, f := range []dw3{{name: "dw3x3", rows: 1, vectors: 1}, {name: "dw3x3pair", rows: 2, vectors: 1}, {name: "dw3x3direct", rows: 1, stride: 1, vectors: 2, direct: true},
			{name: "dw3x3directPair", rows: 2, stride: 1, vectors: 2, direct: true}, {name: "dw3x3direct2", rows: 1, stride: 2, vectors: 2, direct: true},
			{name: "dw3x3pairRoll", rows: 2, stride: 2, vectors: 1}} {
			f.sets = sets
			f.name = fmt.Sprintf("%sw%d", f.name, sets)
			f.write(a)
			names = append(names, f.name)
		}
	}
	pickColumns(a)
	spreadColumns(a)
	depthwiseTall(a)
	splitColumns(a)
	names = append(names, "dwPick", "dwSpread", "dwTall", "dwSplit")
	a.table("dwTableAVX512", names)
	return a.Bytes()
}

// dwBlocks names the blocks of parameters of a depthwise store, each as long as the sums of all channels: bias, multiplier for the even and the odd
// lanes, addend, shift, carry limit. In float32 the multipliers are the high and the low part.
const (
	dwBias = iota
	dwMult
	dwMultOdd
	dwAdd
	dwShift
	dwLimit
	dwHigh, dwLow = dwMult, dwMultOdd // in float32
)

// depthwiseS8 writes the function for any taps. Register use: AX walks the table of tap pointers, R8 offset of the pixel, BX weights, CX groups left,
// DX output, SI parameters, R12 pixels left, R13 argument. 0 to 3 sums, 4 to 7 taps, 8 to 15 unpacked, 26 to 28 temporaries, 30 and 31
// limits.
func depthwiseS8(a *asm, name string, channels int) {
	kind := map[int]string{64: "Z", 32: "Y", 16: "X"}[channels]
	reg := func(n int) string { return fmt.Sprintf("%s%d", kind, n) }
	a.fn(name, fmt.Sprintf("a run of vectors of %d channels; the argument is a dwTile", channels))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 24(R13), SI") // parameters
	a.op("MOVQ 32(R13), DX") // dst
	a.op("MOVQ 56(R13), R12")
	a.op("MOVQ 88(R13), R8")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	a.op("KMOVQ 72(R13), K3")
	a.op("VPBROADCASTB 64(R13), %s", reg(30))
	a.op("VPBROADCASTB 65(R13), %s", reg(31))
	pixel, group := a.label("pixel"), a.label("group")
	a.at(pixel)
	a.op("MOVQ 0(R13), AX")
	a.op("MOVQ 8(R13), CX")
	a.op("MOVQ 16(R13), BX")
	for q := range 4 {
		a.op("VMOVDQU32 %d(SI), %s", q*channels, reg(q))
	}
	a.op("PCALIGN $32")
	a.at(group)
	for i, r := range []string{"R9", "R10", "R11", "R15"} {
		a.op("MOVQ %d(AX), %s", 8*i, r)
		a.op("VMOVDQU8 (%s)(R8*1), %s", r, reg(4+i))
	}
	a.op("VPUNPCKLBW %s, %s, %s", reg(5), reg(4), reg(8))
	a.op("VPUNPCKHBW %s, %s, %s", reg(5), reg(4), reg(9))
	a.op("VPUNPCKLBW %s, %s, %s", reg(7), reg(6), reg(10))
	a.op("VPUNPCKHBW %s, %s, %s", reg(7), reg(6), reg(11))
	a.op("VPUNPCKLWD %s, %s, %s", reg(10), reg(8), reg(12))
	a.op("VPUNPCKHWD %s, %s, %s", reg(10), reg(8), reg(13))
	a.op("VPUNPCKLWD %s, %s, %s", reg(11), reg(9), reg(14))
	a.op("VPUNPCKHWD %s, %s, %s", reg(11), reg(9), reg(15))
	for q := range 4 {
		a.op("VPDPBUSD %d(BX), %s, %s", q*channels, reg(12+q), reg(q))
	}
	a.op("ADDQ $32, AX")
	a.op("ADDQ $%d, BX", 4*channels)
	a.op("DECQ CX")
	a.op("JNE %s", group)
	storeDepthwise(a, channels, reg)
	a.op("ADDQ 40(R13), DX")
	a.op("ADDQ 48(R13), R8")
	a.op("DECQ R12")
	a.op("JNE %s", pixel)
	a.op("VZEROUPPER")
	a.op("RET")
}

// dw3 writes a function for 3×3 taps and 64 channels. The four registers of unpacked taps hold four input rows of one column, for one output row or
// a pair of them: the weights are then (w0, w1, w2, 0) and (0, w0, w1, w2). Where the columns of one vector are those of the next too, a column is unpacked once
// and used by all vectors that it belongs to. The channels of one register after the other are computed, for one vector or two in a step: two share
// what is loaded of weights and parameters. Directly, rows are those of the image, and the first and the last column may lie outside of it.
//
// Register use: R9, R10, R11, R15 rows, R8, CX, DI the columns' offsets, BX weights, SI parameters, DX and AX outputs, R12 vectors left, R13 argument.
// Vectors: columns from 0 on, then three times the sums of one register's channels, then temporaries.
type dw3 struct {
	name    string
	rows    int
	stride  int // columns from one vector to the next; 0: they are unpacked anew
	vectors int // of a step
	sets    int // of weights
	direct  bool
}

// columns is how many columns a step has.
func (f dw3) columns(vectors int) int {
	if f.stride == 0 {
		return 3
	}
	return (vectors-1)*f.stride + 3
}

func (f dw3) write(a *asm) {
	a.fn(f.name, fmt.Sprintf("a run of vectors with 3×3 taps, %d output rows, %d sets of weights; the argument is a dw3Tile", f.rows, f.sets))
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	for i, r := range []string{"R9", "R10", "R11", "R15"} {
		a.op("MOVQ %d(R13), %s", 8*i, r)
	}
	a.op("MOVQ 128(R13), R8")
	a.op("MOVQ 32(R13), CX")
	a.op("MOVQ 40(R13), DI")
	a.op("ADDQ R8, CX")
	a.op("ADDQ R8, DI")
	a.op("MOVQ 48(R13), BX")
	a.op("MOVQ 56(R13), SI")
	a.op("MOVQ 64(R13), DX")
	a.op("MOVQ 72(R13), AX")
	a.op("MOVQ 96(R13), R12")
	a.op("KMOVQ 112(R13), K3")
	// Where each column of a step lies: those that the next step has too stay where they are.
	n := f.columns(f.vectors)
	kept := 0
	if f.stride > 0 {
		kept = 3 - f.stride
	}
	var steps [][]int
	for slots := make([]int, n); len(steps) == 0 || kept > 0 && slots[0] != 0; {
		if len(steps) == 0 {
			for i := range slots {
				slots[i] = i
			}
		}
		steps = append(steps, slots)
		slots = append(append([]int{}, slots[n-kept:]...), slots[:n-kept]...)
	}
	if f.direct {
		a.op("KMOVW 160(R13), K4")
	}
	for i := range kept {
		f.unpackOr(a, []string{"R8", "CX"}[i], i, i == 0, func(fill string) {
			a.op("CMPQ 136(R13), $0")
			a.op("JNE %s", fill)
		})
	}
	done := a.label("done")
	var step, single []string
	for range steps {
		step, single = append(step, a.label("step")), append(single, a.label("single"))
	}
	for i, slots := range steps { // not aligned: the assembler of Go 1.26 does not come to an end then
		a.at(step[i])
		if f.vectors > 1 {
			a.op("CMPQ R12, $%d", f.vectors)
			a.op("JLT %s", single[i])
		}
		f.step(a, f.vectors, kept, slots)
		a.op("SUBQ $%d, R12", f.vectors)
		if i == len(steps)-1 {
			a.op("JNE %s", step[0])
		} else {
			a.op("JEQ %s", done)
		}
	}
	if f.vectors > 1 {
		a.op("JMP %s", done)
		for i, slots := range steps {
			a.at(single[i])
			f.step(a, 1, kept, slots)
			if i < len(steps)-1 {
				a.op("JMP %s", done)
			}
		}
	}
	a.at(done)
	a.op("VZEROUPPER")
	a.op("RET")
}

// step computes so many vectors. Their columns lie in the slots.
func (f dw3) step(a *asm, vectors, kept int, slots []int) {
	n := vectors * f.rows
	first := 4 * f.columns(f.vectors)
	free := first + 3*f.vectors*f.rows
	index := []string{"R8", "CX", "DI"}
	for v := range vectors {
		for kx := kept; kx < 3; kx++ {
			f.unpackOr(a, index[kx], slots[v*f.stride+kx], kx == 2 && v == vectors-1, func(fill string) {
				a.op("CMPQ R12, %d(R13)", 144+8*v)
				a.op("JEQ %s", fill)
			})
			a.op("ADDQ 88(R13), %s", index[kx])
		}
	}
	sums := func(q, i int) string { return fmt.Sprintf("Z%d", first+[]int{0, 1, 1, 2}[q]*n+i) }
	for q := range 4 {
		a.op("VMOVDQU32 %d(SI), %s", 64*q, sums(q, 0))
		for i := 1; i < n; i++ {
			a.op("VMOVDQA32 %s, %s", sums(q, 0), sums(q, i))
		}
		for set := range f.sets {
			for kx := range 3 {
				for r := range f.rows {
					w := fmt.Sprintf("%d(BX)", ((set*3+kx)*2+r)*256+64*q)
					if vectors > 1 {
						a.op("VMOVDQU32 %s, Z%d", w, free+r)
						w = fmt.Sprintf("Z%d", free+r)
					}
					for v := range vectors {
						a.op("VPDPBUSD %s, Z%d, %s", w, 4*slots[v*f.stride+kx]+q, sums(q, v*f.rows+r))
					}
				}
			}
		}
		dwFinish(a, q, vectors, f.rows, free, 104, sums)
	}
}

// dwFinish rescales the sums of the channels of register q, and packs, clamps and stores them behind those of the last register. It has four temporaries from
// register t on; at is where the argument has the limits.
func dwFinish(a *asm, q, vectors, rows, t, at int, sums func(q, i int) string) {
	n := vectors * rows
	rescaleDepthwise(a, q, n, t, at+2, func(i int) string { return sums(q, i) })
	for i := 0; i < n && q%2 == 1; i++ {
		a.op("VPACKSSDW %s, %s, %s", sums(q, i), sums(q-1, i), sums(q-1, i))
	}
	if q < 3 {
		return
	}
	for i := range n {
		a.op("VPACKSSWB %s, %s, %s", sums(2, i), sums(0, i), sums(0, i))
	}
	clamped := a.label("clamped")
	a.op("CMPW %d(R13), $0x7F80", at) // −128 and 127
	a.op("JEQ %s", clamped)
	a.op("VPBROADCASTB %d(R13), Z%d", at, t)
	a.op("VPBROADCASTB %d(R13), Z%d", at+1, t+1)
	for i := range n {
		a.op("VPMAXSB Z%d, %s, %s", t, sums(0, i), sums(0, i))
		a.op("VPMINSB Z%d, %s, %s", t+1, sums(0, i), sums(0, i))
	}
	a.at(clamped)
	if vectors == 1 {
		whole := a.label("whole")
		a.op("CMPQ R12, $1")
		a.op("JNE %s", whole)
		a.op("KMOVQ %d(R13), K3", at+16)
		a.at(whole)
	}
	for v := range vectors {
		for r, out := range []string{"DX", "AX"}[:rows] {
			a.op("VMOVDQU8 %s, K3, (%s)", sums(0, v*rows+r), out)
			a.op("ADDQ %d(R13), %s", at-24, out)
		}
	}
}

// rescaleDepthwise rescales n sums of the channels of register q, in float32 or, where the argument says exact, as rescaleS8 does, with four
// temporaries from register t on.
func rescaleDepthwise(a *asm, q, n, t, exactAt int, sum func(i int) string) {
	exact, done := a.label("exact"), a.label("rescaled")
	at := func(block int) int { return 256*block + 64*q }
	a.op("CMPB %d(R13), $0", exactAt)
	a.op("JNE %s", exact)
	a.op("VMOVUPS %d(SI), Z%d", at(dwLow), t)
	a.op("VMOVUPS %d(SI), Z%d", at(dwHigh), t+1)
	a.op("VMOVUPS %d(SI), Z%d", at(dwAdd), t+2)
	for i := range n {
		x := sum(i)
		a.op("VCVTDQ2PS %s, %s", x, x)
		a.op("VMOVAPS Z%d, Z%d", t+2, t+3)
		a.op("VFMADD231PS.RD_SAE Z%d, %s, Z%d", t, x, t+3)
		a.op("VFMADD231PS.RD_SAE Z%d, %s, Z%d", t+1, x, t+3)
		a.op("VCVTPS2DQ.RD_SAE Z%d, %s", t+3, x)
	}
	a.op("JMP %s", done)
	a.at(exact)
	a.op("VMOVDQU32 %d(SI), Z%d", at(dwMult), t)
	a.op("VMOVDQU32 %d(SI), Z%d", at(dwMultOdd), t+1)
	for i := range n {
		x := sum(i)
		a.op("VPMULUDQ Z%d, %s, Z%d", t, x, t+2)
		a.op("VPSRLQ $32, %s, Z%d", x, t+3)
		a.op("VPMULUDQ Z%d, Z%d, Z%d", t+1, t+3, t+3)
		a.op("VMOVSHDUP Z%d, K1, Z%d", t+2, t+3)
		a.op("VPADDD %d(SI), Z%d, Z%d", at(dwAdd), t+3, t+3)
		a.op("VPCMPUD $5, %d(SI), %s, K2", at(dwLimit), x)
		a.op("VPADDD.BCST dwOne<>(SB), Z%d, K2, Z%d", t+3, t+3)
		a.op("VPSRAVD %d(SI), Z%d, %s", at(dwShift), t+3, x)
	}
	a.at(done)
}

// unpackOr puts four rows of a column into a slot. One output row has three: its weights of the fourth are zero. A column that may lie outside of the image has a
// condition to tell that it does.
func (f dw3) unpackOr(a *asm, index string, slot int, outside bool, condition func(fill string)) {
	if !f.direct || !outside {
		f.unpack(a, index, 4*slot, 4*f.columns(f.vectors))
		return
	}
	fill, done := a.label("fill"), a.label("unpacked")
	condition(fill)
	f.unpack(a, index, 4*slot, 4*f.columns(f.vectors))
	a.op("JMP %s", done)
	a.at(fill)
	for q := range 4 {
		a.op("VPBROADCASTB 107(R13), Z%d", 4*slot+q)
	}
	a.at(done)
}

// unpack has seven temporaries from register t on.
func (f dw3) unpack(a *asm, index string, u, t int) {
	rows := []string{"R9", "R10", "R11", "R15"}
	fourth := t + 3
	if f.rows == 1 {
		rows, fourth = rows[:3], t+2
	}
	if f.direct {
		a.op("VPBROADCASTD dwFlip<>(SB), Z%d", t+6)
	}
	for i, r := range rows {
		if f.direct {
			a.op("VPXORD.Z (%s)(%s*1), Z%d, K4, Z%d", r, index, t+6, t+i)
		} else {
			a.op("VMOVDQU32 (%s)(%s*1), Z%d", r, index, t+i)
		}
	}
	a.op("VPUNPCKLBW Z%d, Z%d, Z%d", t+1, t, t+4)
	a.op("VPUNPCKHBW Z%d, Z%d, Z%d", t+1, t, t)
	a.op("VPUNPCKLBW Z%d, Z%d, Z%d", fourth, t+2, t+5)
	a.op("VPUNPCKHBW Z%d, Z%d, Z%d", fourth, t+2, t+2)
	a.op("VPUNPCKLWD Z%d, Z%d, Z%d", t+5, t+4, u)
	a.op("VPUNPCKHWD Z%d, Z%d, Z%d", t+5, t+4, u+1)
	a.op("VPUNPCKLWD Z%d, Z%d, Z%d", t+2, t, u+2)
	a.op("VPUNPCKHWD Z%d, Z%d, Z%d", t+2, t, u+3)
}

// storeDepthwise rescales, packs and stores the sums of one vector of channels at DX; R12 counts the vectors that are left.
func storeDepthwise(a *asm, channels int, reg func(int) string) {
	exact, pack, store := a.label("exact"), a.label("pack"), a.label("store")
	a.op("CMPB 66(R13), $0")
	a.op("JNE %s", exact)
	for q := range 4 {
		rescaleRegister(a, channels, q, reg, false)
	}
	a.op("JMP %s", pack)
	a.at(exact)
	a.op("VPTERNLOGD $0xFF, %s, %s, %s", reg(28), reg(28), reg(28)) // −1: subtracting it adds the carry
	for q := range 4 {
		rescaleRegister(a, channels, q, reg, true)
	}
	a.at(pack)
	a.op("CMPQ R12, $1")
	a.op("JNE %s", store)
	a.op("KMOVQ 80(R13), K3")
	a.at(store)
	a.op("VPACKSSDW %s, %s, %s", reg(1), reg(0), reg(0))
	a.op("VPACKSSDW %s, %s, %s", reg(3), reg(2), reg(2))
	a.op("VPACKSSWB %s, %s, %s", reg(2), reg(0), reg(0))
	a.op("VPMAXSB %s, %s, %s", reg(30), reg(0), reg(0))
	a.op("VPMINSB %s, %s, %s", reg(31), reg(0), reg(0))
	a.op("VMOVDQU8 %s, K3, (DX)", reg(0))
}

// rescaleRegister is rescaleS8 for register q of the sums.
func rescaleRegister(a *asm, channels, q int, reg func(int) string, exact bool) {
	at := func(block int) int { return 4*channels*block + channels*q }
	x := reg(q)
	a.op("VPMULUDQ %d(SI), %s, %s", at(dwMult), x, reg(26))
	a.op("VPSRLQ $32, %s, %s", x, reg(27))
	a.op("VPMULUDQ %d(SI), %s, %s", at(dwMultOdd), reg(27), reg(27))
	a.op("VMOVSHDUP %s, K1, %s", reg(26), reg(27))
	a.op("VPADDD %d(SI), %s, %s", at(dwAdd), reg(27), reg(27))
	if exact {
		a.op("VPCMPUD $5, %d(SI), %s, K2", at(dwLimit), x)
		a.op("VPSUBD %s, %s, K2, %s", reg(28), reg(27), reg(27))
	}
	a.op("VPSRAVD %d(SI), %s, %s", at(dwShift), reg(27), x)
}

// pickColumns writes the copy of columns into a phase of a line: runs of bytes, 128 added. The argument is conv.dwPick.
func pickColumns(a *asm) {
	a.fn("dwPick", "copies runs of bytes and flips their signs; the argument is a dwPick")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVL $0x80808080, R15")
	a.op("VPBROADCASTD R15, Z31")
	a.op("MOVQ 0(R13), DX")
	a.op("MOVQ 8(R13), SI")
	a.op("MOVQ 16(R13), BX") // bytes of a run that are left
	part, run, whole := a.label("part"), a.label("run"), a.label("whole")
	a.at(part)
	a.op("MOVQ $-1, R15")
	a.op("CMPQ BX, $64")
	a.op("JGE %s", whole)
	a.op("BZHIQ BX, R15, R15")
	a.at(whole)
	a.op("KMOVQ R15, K1")
	a.op("MOVQ DX, DI")
	a.op("MOVQ SI, R8")
	a.op("MOVQ 40(R13), CX")
	a.at(run)
	a.op("VMOVDQU8.Z (R8), K1, Z0")
	a.op("VPXORD Z31, Z0, Z0")
	a.op("VMOVDQU8 Z0, K1, (DI)")
	a.op("ADDQ 24(R13), DI")
	a.op("ADDQ 32(R13), R8")
	a.op("DECQ CX")
	a.op("JNE %s", run)
	a.op("ADDQ $64, DX")
	a.op("ADDQ $64, SI")
	a.op("SUBQ $64, BX")
	a.op("JGT %s", part)
	a.op("VZEROUPPER")
	a.op("RET")
}

// spreadColumns writes the copy of columns whose values are wanted several times: an index says which byte of the source goes where in a vector. 128 is
// added. The argument is conv.dwSpread.
func spreadColumns(a *asm) {
	a.fn("dwSpread", "repeats bytes and flips their signs; the argument is a dwSpread")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVL $0x80808080, R15")
	a.op("VPBROADCASTD R15, Z31")
	a.op("MOVQ 0(R13), DI")
	a.op("MOVQ 8(R13), SI")
	a.op("MOVQ 16(R13), BX")
	a.op("VMOVDQU8 (BX), Z30")
	a.op("MOVQ 24(R13), R8")
	a.op("MOVQ 32(R13), R9")
	a.op("MOVQ 40(R13), R10")
	vector := a.label("vector")
	a.at(vector)
	maskBytes(a, "R9", 1)
	maskBytes(a, "R10", 2)
	a.op("VMOVDQU8.Z (SI), K1, Z0")
	a.op("VPXORD Z31, Z0, Z0")
	a.op("VPERMB Z0, Z30, Z0")
	a.op("VMOVDQU8 Z0, K2, (DI)")
	a.op("ADDQ R8, SI")
	a.op("SUBQ R8, R9")
	a.op("ADDQ $64, DI")
	a.op("SUBQ $64, R10")
	a.op("JGT %s", vector)
	a.op("VZEROUPPER")
	a.op("RET")
}

// maskBytes makes mask k for as many bytes as are left, 64 at most, none for a negative number.
func maskBytes(a *asm, left string, k int) {
	done := a.label("mask")
	a.op("MOVQ $-1, R15")
	a.op("CMPQ %s, $64", left)
	a.op("JGE %s", done)
	a.op("BZHIQ %s, R15, R15", left)
	a.op("TESTQ %s, %s", left, left)
	a.op("JGE %s", done)
	a.op("XORQ R15, R15")
	a.at(done)
	a.op("KMOVQ R15, K%d", k)
}

// splitColumns writes the copy of columns into two phases of a line: 128 bytes of whole columns become 64 of each. 128 is added. The argument is
// conv.dwSplit.
func splitColumns(a *asm) {
	a.fn("dwSplit", "parts bytes and flips their signs; the argument is a dwSplit")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVL $0x80808080, R15")
	a.op("VPBROADCASTD R15, Z29")
	a.op("MOVQ 0(R13), DI")
	a.op("MOVQ 8(R13), DX")
	a.op("MOVQ 16(R13), SI")
	a.op("MOVQ 24(R13), R9")
	a.op("MOVQ 32(R13), R10")
	a.op("MOVQ 40(R13), R11")
	a.op("MOVQ 48(R13), BX")
	a.op("VMOVDQU8 (BX), Z30")
	a.op("VMOVDQU8 64(BX), Z31")
	vector := a.label("vector")
	a.at(vector)
	maskBytes(a, "R9", 1)
	a.op("LEAQ -64(R9), CX")
	maskBytes(a, "CX", 2)
	maskBytes(a, "R10", 3)
	maskBytes(a, "R11", 4)
	a.op("VMOVDQU8.Z (SI), K1, Z0")
	a.op("VMOVDQU8.Z 64(SI), K2, Z1")
	a.op("VPXORD Z29, Z0, Z0")
	a.op("VPXORD Z29, Z1, Z1")
	a.op("VMOVDQA64 Z0, Z2")
	a.op("VPERMT2B Z1, Z30, Z0")
	a.op("VPERMT2B Z1, Z31, Z2")
	a.op("VMOVDQU8 Z0, K3, (DI)")
	a.op("VMOVDQU8 Z2, K4, (DX)")
	a.op("ADDQ $128, SI")
	a.op("ADDQ $64, DI")
	a.op("ADDQ $64, DX")
	a.op("SUBQ $64, R11")
	a.op("SUBQ $128, R9")
	a.op("SUBQ $64, R10")
	a.op("JGT %s", vector)
	a.op("VZEROUPPER")
	a.op("RET")
}

// depthwiseTall writes the function for four to seven rows of taps and two output rows: it first unpacks all columns, eight input rows of each, and
// keeps them in memory, from where every tap column takes them. The argument is conv.dwTallTile.
//
// Register use: R8 offset in the lines, later the second vector's columns, R9 the first's, R10 step of taps, DI unpacked columns, BX weights, CX tap columns
// left, SI parameters, DX and AX outputs, R12 pixels left, R13 argument. Z0 to Z3 columns, Z4 to Z7 weights, then sums, then temporaries.
func depthwiseTall(a *asm) {
	a.fn("dwTall", "a run of vectors of 64 channels, two output rows; the argument is a dwTallTile")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVL $0x5555, R15")
	a.op("KMOVW R15, K1")
	a.op("MOVQ 64(R13), DI")
	a.op("MOVQ 72(R13), R12")
	a.op("MOVQ 88(R13), R8")
	column := a.label("column")
	a.at(column)
	for quad := range 2 {
		for i, r := range []string{"R9", "R10", "R11", "R15"} {
			a.op("MOVQ %d(R13), %s", 32*quad+8*i, r)
		}
		dw3{rows: 2}.unpack(a, "R8", 12, 0)
		for q := range 4 {
			a.op("VMOVDQU32 Z%d, %d(DI)", 12+q, 256*quad+64*q)
		}
	}
	a.op("ADDQ $512, DI")
	a.op("ADDQ 80(R13), R8")
	a.op("DECQ R12")
	a.op("JNE %s", column)
	a.op("MOVQ 64(R13), DI")
	a.op("MOVQ 112(R13), R10")
	a.op("MOVQ 120(R13), SI")
	a.op("MOVQ 128(R13), DX")
	a.op("MOVQ 136(R13), AX")
	a.op("MOVQ 160(R13), R12")
	a.op("KMOVQ 176(R13), K3")
	pair, single, done := a.label("pair"), a.label("single"), a.label("done")
	a.at(pair)
	a.op("CMPQ R12, $2")
	a.op("JLT %s", single)
	tallStep(a, 2)
	a.op("SUBQ $2, R12")
	a.op("JNE %s", pair)
	a.op("JMP %s", done)
	a.at(single)
	tallStep(a, 1)
	a.at(done)
	a.op("VZEROUPPER")
	a.op("RET")
}

// tallStep computes one vector or two of two output rows, the channels of one register after the other.
func tallStep(a *asm, vectors int) {
	const first, free = 8, 20
	n := 2 * vectors
	sums := func(q, i int) string { return fmt.Sprintf("Z%d", first+[]int{0, 1, 1, 2}[q]*n+i) }
	columns := []string{"R9", "R8"}[:vectors]
	for q := range 4 {
		a.op("MOVQ DI, R9")
		if vectors == 2 {
			a.op("MOVQ 152(R13), R8")
			a.op("ADDQ DI, R8")
		}
		a.op("MOVQ 96(R13), BX")
		a.op("MOVQ 104(R13), CX")
		a.op("VMOVDQU32 %d(SI), %s", 64*q, sums(q, 0))
		for i := 1; i < n; i++ {
			a.op("VMOVDQA32 %s, %s", sums(q, 0), sums(q, i))
		}
		tap := a.label("tap")
		a.at(tap)
		for v, column := range columns {
			for quad := range 2 {
				a.op("VMOVDQU32 %d(%s), Z%d", 256*quad+64*q, column, 2*v+quad)
			}
			a.op("ADDQ R10, %s", column)
		}
		for quad := range 2 {
			for r := range 2 {
				w := fmt.Sprintf("%d(BX)", (quad*2+r)*256+64*q)
				if vectors == 2 {
					a.op("VMOVDQU32 %s, Z%d", w, 4+2*quad+r)
					w = fmt.Sprintf("Z%d", 4+2*quad+r)
				}
				for v := range vectors {
					a.op("VPDPBUSD %s, Z%d, %s", w, 2*v+quad, sums(q, 2*v+r))
				}
			}
		}
		a.op("ADDQ $1024, BX")
		a.op("DECQ CX")
		a.op("JNE %s", tap)
		dwFinish(a, q, vectors, 2, free, 168, sums)
	}
	for range vectors {
		a.op("ADDQ 152(R13), DI")
	}
}
