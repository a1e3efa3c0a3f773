package flip

import "wayside/kernels/internal/cpu"

//go:noescape
func flipAVX512(dst *byte, src *int8, n int)

func copyAsm(dst []byte, src []int8) bool {
	if !cpu.Has(cpu.AVX512VNNI) || len(src) == 0 {
		return false
	}
	flipAVX512(&dst[0], &src[0], len(src))
	return true
}
