package move

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

//go:noescape
func transposeTilesAVX2(t *matrix)

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

// high is how many tiles of rows are transposed before the next columns: two lines of dst.
const high = 4

// transpose4 transposes 32-bit elements; false where a loop must. The last tiles of rows and columns overlap those before them.
func transpose4(dst, src unsafe.Pointer, dstStep, srcStep, rows, columns int) bool {
	if !cpu.Has(cpu.AVX2) || rows < edge || columns < edge {
		return false
	}
	t := matrix{dstStep: 4 * dstStep, srcStep: 4 * srcStep}
	for r := 0; r < rows; r += t.rows * edge {
		r = min(r, rows-edge)
		t.rows = min(high, (rows-r)/edge)
		for c := 0; c < columns; c += t.columns * edge {
			c = min(c, columns-edge)
			const most = 1 << 10 // columns of tiles in one call, a fraction of 100 µs
			t.columns = min(most, (columns-c)/edge)
			t.dst, t.src = unsafe.Add(dst, 4*(c*dstStep+r)), unsafe.Add(src, 4*(r*srcStep+c))
			transposeTilesAVX2(&t)
		}
	}
	return true
}
