package main

import "fmt"

func init() {
	files["gemm/s16_avx2_amd64.s"] = gemmS16AVX2
	files["conv/winograd_s8_avx2_amd64.s"] = winogradS8AVX2
}

// s16AVX2 is s8AVX2 with weights that are int16 already.
var s16AVX2 = kindAVX2{weights: 32, most: 12, zero: true, load: "VMOVDQU", cast: "VPBROADCASTD", add: "VPADDD", madd: s8AVX2.madd}

// gemmS16AVX2 writes the tiles of int16 with plain sums, 16 columns each. Their argument is gemm.s8Tile.
func gemmS16AVX2() []byte {
	a := newAsm("Tiles of the int16 matrix product on AVX2: plain sums.")
	var names []string
	for rows := 1; rows <= rowsAVX2; rows++ {
		name := fmt.Sprintf("s16r%dx16", rows)
		names = append(names, name)
		a.fn(name, fmt.Sprintf("%d rows, 16 columns; the argument is an s8Tile", rows))
		beginAVX2(a, 64, 80)
		next := a.label("tile")
		a.at(next)
		acc := s16AVX2.multiply(a, rows, 2)
		for r := range rows {
			a.op("VMOVDQU %s, (DX)", acc(r, 0))
			a.op("VMOVDQU %s, 32(DX)", acc(r, 1))
			a.op("ADDQ DI, DX")
		}
		nextTile(a, rows, next)
	}
	a.table("s16TilesAVX2", names)
	return a.Bytes()
}

// winogradS8AVX2 writes the two transforms of Winograd's convolution of int8, 2×2 outputs at a time. Their arguments are conv.winogradS8In and
// conv.winogradS8Out.
func winogradS8AVX2() []byte {
	a := newAsm("The transforms of Winograd's convolution of 3×3 int8 filters, 2×2 outputs at a time.")
	winogradInS8(a)
	winogradOutS8(a)
	a.table("winogradS8AVX2", []string{"winogradInS8", "winogradOutS8"})
	return a.Bytes()
}

// winogradInS8 turns 4×4 values into those of 16 matrices, 16 channels at a time: along the rows, then down the columns.
func winogradInS8(a *asm) {
	a.fn("winogradInS8", "4×4 values of the picture become those of 16 matrices; the argument is a winogradInArgs")
	rows, outs := []string{"AX", "BX", "SI", "R12"}, []string{"DX", "R10", "R13", "R15"}
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), AX")   // picture
	a.op("MOVQ 8(R13), DX")   // matrices
	a.op("MOVQ 16(R13), R14") // bytes from row to row of the picture
	a.op("MOVQ 24(R13), R8")  // from column to column
	a.op("MOVQ 32(R13), DI")  // from matrix to matrix
	a.op("MOVQ 40(R13), CX")  // vectors
	a.op("LEAQ (R8)(R8*2), R9")
	a.op("LEAQ (DI)(DI*2), R11")
	for i := range 3 {
		a.op("LEAQ (%s)(R14*1), %s", rows[i], rows[i+1])
		a.op("LEAQ (%s)(DI*4), %s", outs[i], outs[i+1])
	}
	column := func(base string, x int, step, three string) string {
		return [...]string{"(" + base + ")", "(" + base + ")(" + step + "*1)", "(" + base + ")(" + step + "*2)", "(" + base + ")(" + three + "*1)"}[x]
	}
	load := func(y, to int) { // the transformed row y in four registers
		for x := range 4 {
			a.op("VPMOVSXBW %s, Y%d", column(rows[y], x, "R8", "R9"), 12+x)
		}
		a.op("VPSUBW Y14, Y12, Y%d", to)
		a.op("VPADDW Y14, Y13, Y%d", to+1)
		a.op("VPSUBW Y13, Y14, Y%d", to+2)
		a.op("VPSUBW Y15, Y13, Y%d", to+3)
	}
	store := func(op string, x, y, row int) { // y − x or their sum is row of the results
		for i := range 4 {
			a.op("%s Y%d, Y%d, Y%d", op, x+i, y+i, 12+i)
			a.op("VMOVDQU Y%d, %s", 12+i, column(outs[row], i, "DI", "R11"))
		}
	}
	a.at("loop")
	load(1, 4)
	load(2, 8)
	store("VPADDW", 8, 4, 1)
	store("VPSUBW", 4, 8, 2)
	load(0, 0)
	store("VPSUBW", 8, 0, 0)
	load(3, 0)
	store("VPSUBW", 0, 4, 3)
	for i := range 4 {
		a.op("ADDQ $16, %s", rows[i])
		a.op("ADDQ $32, %s", outs[i])
	}
	a.op("DECQ CX")
	a.op("JNE loop")
	a.op("VZEROUPPER")
	a.op("RET")
}

// winogradOutS8 turns the sums of 16 matrices into 2×2 outputs, 16 channels at a time, whose sums and parameters lie as in the tiles of two vectors.
func winogradOutS8(a *asm) {
	a.fn("winogradOutS8", "sums of 16 matrices become 2×2 outputs; the argument is a winogradOutArgs")
	a.op("MOVQ t+0(FP), R13")
	a.op("MOVQ 0(R13), BX")   // sums
	a.op("MOVQ 8(R13), DX")   // outputs
	a.op("MOVQ 16(R13), R14") // bytes from matrix to matrix
	a.op("MOVQ 24(R13), R10") // from row to row of the outputs
	a.op("MOVQ 32(R13), R11") // from column to column
	a.op("MOVQ 40(R13), CX")  // 16 channels each
	a.op("MOVQ 48(R13), SI")  // parameters
	a.op("MOVQ R14, R8")
	a.op("SHLQ $2, R8")
	a.op("LEAQ (R8)(R8*2), R9")
	acc := func(r, v int) string { return fmt.Sprintf("Y%d", 2*r+v) }
	a.at("loop")
	for v := range 2 {
		a.op("MOVQ BX, AX")
		for x := range 4 {
			for y := range 3 {
				a.op("VMOVDQU %s, Y%d", rowAt(y, 32*v), 8+y)
			}
			a.op("VPADDD Y9, Y8, Y8")
			a.op("VPADDD Y10, Y8, Y8")
			a.op("VPSUBD Y10, Y9, Y9")
			a.op("VPSUBD %s, Y9, Y9", rowAt(3, 32*v))
			for y := range 2 {
				left, right, t := acc(2*y, v), acc(2*y+1, v), 8+y
				switch x {
				case 0:
					a.op("VMOVDQA Y%d, %s", t, left)
				case 1:
					a.op("VPADDD Y%d, %s, %s", t, left, left)
					a.op("VMOVDQA Y%d, %s", t, right)
				case 2:
					a.op("VPADDD Y%d, %s, %s", t, left, left)
					a.op("VPSUBD Y%d, %s, %s", t, right, right)
				case 3:
					a.op("VPSUBD Y%d, %s, %s", t, right, right)
				}
			}
			a.op("ADDQ R14, AX")
		}
		for r := range 4 {
			a.op("VPSRAD $2, %s, %s", acc(r, v), acc(r, v))
			a.op("VPADDD %d(SI), %s, %s", 32*v, acc(r, v), acc(r, v))
		}
	}
	a.op("CMPB 58(R13), $0")
	a.op("JNE exact")
	for v := range 2 {
		rescaleAVX2(a, 4, v, 2, acc, false)
	}
	a.op("JMP pack")
	a.at("exact")
	for v := range 2 {
		rescaleAVX2(a, 4, v, 2, acc, true)
	}
	a.at("pack")
	a.op("VPBROADCASTB 56(R13), Y14")
	a.op("VPBROADCASTB 57(R13), Y15")
	packAVX2(a, acc, 0, 1)
	packAVX2(a, acc, 2, 3)
	a.op("LEAQ (DX)(R10*1), AX")
	a.op("VMOVDQU X0, (DX)")
	a.op("VEXTRACTI128 $1, Y0, (DX)(R11*1)")
	a.op("VMOVDQU X4, (AX)")
	a.op("VEXTRACTI128 $1, Y4, (AX)(R11*1)")
	a.op("ADDQ $64, BX")
	a.op("ADDQ $16, DX")
	a.op("ADDQ $%d, SI", 5*64)
	a.op("DECQ CX")
	a.op("JNE loop")
	a.op("VZEROUPPER")
	a.op("RET")
}
