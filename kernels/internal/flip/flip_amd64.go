package flip

import "wayside/kernels/internal/cpu"

//go:noescape
func flipAVX512(dst *byte, src *int8, n int)

//go:noescape
func flipAVX2(dst *byte, src *int8, n int)

func copyAsm(dst []byte, src []int8) bool {
	switch {
	case len(src) == 0:
		return false
	case cpu.Has(cpu.AVX512VNNI):
		flipAVX512(&dst[0], &src[0], len(src))
	case cpu.Has(cpu.AVX2):
		flipAVX2(&dst[0], &src[0], len(src))
	default:
		return false
	}
	return true
}
