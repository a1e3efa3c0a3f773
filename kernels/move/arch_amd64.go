package move

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

//go:noescape
func transpose8AVX2(t *matrix)

// rowsTile is the argument of copyRowsAVX512.
type rowsTile struct {
	dst, src         unsafe.Pointer
	n, rows          int
	dstStep, srcStep int
}

//go:noescape
func copyRowsAVX512(t *rowsTile)

// copyRowsAsm copies rows of n bytes; false where a loop of copies must or is as fast.
func copyRowsAsm(dst, src unsafe.Pointer, n, rows, dstStep, srcStep int) bool {
	const most = 512 // from here on the runtime's own copy is as fast
	if n > most || !cpu.Has(cpu.AVX512VNNI) {
		return false
	}
	const piece = 1 << 13 // rows in one call, a fraction of 100 µs
	for i := 0; i < rows; i += piece {
		t := rowsTile{dst: unsafe.Add(dst, i*dstStep), src: unsafe.Add(src, i*srcStep), n: n, rows: min(piece, rows-i), dstStep: dstStep, srcStep: srcStep}
		copyRowsAVX512(&t)
	}
	return true
}

// ISA names the instructions that Copy transposes 32-bit elements and copies rows with, as in kernel ids.
func ISA() string {
	if cpu.Has(cpu.AVX512VNNI) {
		return "avx512"
	}
	if cpu.Has(cpu.AVX2) {
		return "avx2"
	}
	return "generic"
}

// transpose4 transposes as many rows as it can, all columns in eights, and returns how many.
func transpose4(dst, src unsafe.Pointer, dstStep, srcStep, rows, columns int) int {
	if !cpu.Has(cpu.AVX2) {
		return 0
	}
	r := 0
	for ; r+edge <= rows; r += edge {
		const most = 1 << 11 // eights in one call, a fraction of 100 µs
		for c := 0; c < columns/edge; c += most {
			t := matrix{dst: unsafe.Add(dst, 4*(c*edge*dstStep+r)), src: unsafe.Add(src, 4*(r*srcStep+c*edge)), dstStep: 4 * dstStep, srcStep: 4 * srcStep, columns: min(most, columns/edge-c)}
			transpose8AVX2(&t)
		}
	}
	return r
}
