package main

import (
	"fmt"
	"math"
)

// winograd returns the writer of the two transforms of Winograd's convolution, in conv/winograd.go, whose argument is conv.winogradTile. Both work on
// a square of matrices' values, first down its columns into temporary memory, then along its rows.
//
// Register use: AX a column of what is read, R8 the distance of its rows, R9 and R10 three and five times that; R14 from column to column; R15
// temporary memory; DX a row of what is written, DI the distance of its columns, R11 and R12 three and five times that; SI from row to row; BX bias; CX
// vectors left; R13 the argument. Constants lie in the highest registers.
func winograd(wide bool, isa string) func() []byte {
	return func() []byte {
		a := newAsm("The transforms of Winograd's convolution of 3×3 filters, 4×4 outputs at a time.")
		var words []uint32
		for _, c := range []float32{winA, winB, winA * winA, winB * winB, winA*winA + winB*winB, winA * winA * winB * winB, winA * winA * winA, winB * winB * winB} {
			for range 8 {
				words = append(words, math.Float32bits(c))
			}
		}
		a.data("winograd", words)
		s := simd{a, wide}
		s.winogradIn("winogradIn" + isa)
		s.winogradOut("winogradOut" + isa)
		a.table("winograd"+isa, []string{"winogradIn" + isa, "winogradOut" + isa})
		return a.Bytes()
	}
}

func init() {
	files["conv/winograd_avx512_amd64.s"] = winograd(true, "AVX512")
	files["conv/winograd_avx2_amd64.s"] = winograd(false, "AVX2")
}

// The points at which the polynomials are taken: 0, ±winA, ±winB and infinity. All constants are exact.
const winA, winB = 0.625, 1.5

// Places of the constants in their table.
const (
	cA = iota
	cB
	cA2
	cB2
	cSum     // a² + b²
	cProduct // a²·b²
	cA3
	cB3
)

// winogradHead loads the argument; constants go to the registers from first on.
func (s simd) winogradHead(name, comment string, first int, constants ...int) {
	s.fn(name, comment+"; the argument is a winogradTile")
	s.op("MOVQ t+0(FP), R13")
	for i, r := range []string{"AX", "DX", "R8", "R14", "SI", "DI", "CX", "R15", "BX"} {
		s.op("MOVQ %d(R13), %s", 8*i, r)
	}
	s.op("LEAQ (R8)(R8*2), R9")
	s.op("LEAQ (R8)(R8*4), R10")
	s.op("LEAQ (DI)(DI*2), R11")
	s.op("LEAQ (DI)(DI*4), R12")
	for i, c := range constants {
		s.op("VBROADCASTSS winograd<>+%d(SB), %s", 32*c, s.r(first+i))
	}
}

// winogradTail moves to the next vector.
func (s simd) winogradTail(loop string) {
	s.op("MOVQ 80(R13), AX")
	s.op("MOVQ 88(R13), DX")
	s.op("ADDQ $%d, AX", s.size())
	s.op("ADDQ $%d, DX", s.size())
	s.op("DECQ CX")
	s.op("JNE %s", loop)
	s.ret()
}

// temp is where the value of a row and a column lies in temporary memory.
func (s simd) temp(row, column int) string {
	return fmt.Sprintf("%d(R15)", (6*row+column)*s.size())
}

// columnAt is the address of a column of the row at DX.
func columnAt(c int) string {
	return "(DX)" + [...]string{"", "(DI*1)", "(DI*2)", "(R11*1)", "(DI*4)", "(R12*1)"}[c]
}

// winogradColumns begins the loop over vectors, which it returns the label of, and transforms the six columns of a square into temporary memory.
func (s simd) winogradColumns(transform func(simd) []int) (loop string) {
	loop = s.label("vector")
	s.at(loop)
	s.op("MOVQ AX, 80(R13)")
	s.op("MOVQ DX, 88(R13)")
	for x := range 6 {
		for y := range 6 {
			s.op("VMOVUPS %s, %s", rowAt(y, 0), s.r(y))
		}
		for y, r := range transform(s) {
			s.op("VMOVUPS %s, %s", s.r(r), s.temp(y, x))
		}
		s.op("ADDQ R14, AX")
	}
	return loop
}

func (s simd) winogradIn(name string) {
	s.winogradHead(name, "6×6 values of the picture become those of 36 matrices", 12, cB2, cA2, cSum, cProduct)
	loop := s.winogradColumns(simd.transformIn)
	for y := range 6 {
		for x := range 6 {
			s.op("VMOVUPS %s, %s", s.temp(y, x), s.r(x))
		}
		for x, r := range s.transformIn() {
			s.op("VMOVUPS %s, %s", s.r(r), columnAt(x))
		}
		s.op("ADDQ SI, DX")
	}
	s.winogradTail(loop)
}

// transformIn multiplies the values in registers 0 to 5 with the input matrix and returns the registers of the results.
func (s simd) transformIn() []int {
	const b2, a2, sum, product = 12, 13, 14, 15
	copied := func(from, to int) { s.op("VMOVAPS %s, %s", s.r(from), s.r(to)) }
	add := func(op string, x, y, to int) { s.op("%s %s, %s, %s", op, s.r(x), s.r(y), s.r(to)) }
	times := func(op string, c, x, to int) {
		if s.wide {
			s.op("%s.BCST winograd<>+%d(SB), %s, %s", op, 32*c, s.r(x), s.r(to))
		} else {
			s.op("%s winograd<>+%d(SB), %s, %s", op, 32*c, s.r(x), s.r(to))
		}
	}
	for i, from := range []int{4, 3, 4, 3} {
		copied(from, 6+i)
	}
	add("VFNMADD231PS", b2, 2, 6)
	add("VFNMADD231PS", b2, 1, 7)
	add("VFNMADD231PS", a2, 2, 8)
	add("VFNMADD231PS", a2, 1, 9)
	add("VFNMADD231PS", sum, 2, 4)
	add("VFNMADD231PS", sum, 3, 5)
	add("VFMADD231PS", product, 0, 4)
	add("VFMADD231PS", product, 1, 5)
	copied(6, 10)
	copied(8, 11)
	times("VFMADD231PS", cA, 7, 10)
	times("VFNMADD231PS", cA, 7, 6)
	times("VFMADD231PS", cB, 9, 11)
	times("VFNMADD231PS", cB, 9, 8)
	return []int{4, 10, 6, 11, 8, 5}
}

func (s simd) winogradOut(name string) {
	s.winogradHead(name, "values of 36 products become 4×4 results, with bias and limits", 10, cA, cB, cA2, cB2, cA3, cB3)
	loop := s.winogradColumns(simd.transformOut)
	for y := range 4 {
		for x := range 6 {
			s.op("VMOVUPS %s, %s", s.temp(y, x), s.r(x))
		}
		results := s.transformOut()
		s.op("VBROADCASTSS 72(R13), %s", s.r(1))
		s.op("VBROADCASTSS 76(R13), %s", s.r(2))
		for x, r := range results {
			s.op("VADDPS (BX), %s, %s", s.r(r), s.r(r))
			// The sum comes first in Go's order: where it is NaN, it is what these return.
			s.op("VMAXPS %s, %s, %s", s.r(r), s.r(1), s.r(r))
			s.op("VMINPS %s, %s, %s", s.r(r), s.r(2), s.r(r))
			s.op("VMOVUPS %s, %s", s.r(r), columnAt(x))
		}
		s.op("ADDQ SI, DX")
	}
	s.op("ADDQ $%d, BX", s.size())
	s.winogradTail(loop)
}

// transformOut multiplies the values in registers 0 to 5 with the output matrix and returns the registers of the results.
func (s simd) transformOut() []int {
	const a, b, a2, b2, a3, b3 = 10, 11, 12, 13, 14, 15
	op := func(op string, x, y, to int) { s.op("%s %s, %s, %s", op, s.r(x), s.r(y), s.r(to)) }
	op("VADDPS", 1, 2, 6)
	op("VSUBPS", 2, 1, 1)
	op("VADDPS", 3, 4, 7)
	op("VSUBPS", 4, 3, 3)
	op("VMULPS", a, 1, 8)
	op("VMULPS", a2, 6, 9)
	op("VADDPS", 6, 0, 0)
	op("VFMADD231PS", a3, 1, 5)
	op("VFMADD231PS", b, 3, 8)
	op("VFMADD231PS", b2, 7, 9)
	op("VADDPS", 7, 0, 0)
	op("VFMADD231PS", b3, 3, 5)
	return []int{0, 8, 9, 5}
}
