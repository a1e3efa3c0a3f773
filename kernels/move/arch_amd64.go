package move

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

//go:noescape
func transpose8AVX2(t *matrix)

// ISA names the instructions that Copy transposes 32-bit elements with, as in kernel ids.
func ISA() string {
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
