package conv

import (
	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
)

func packDepthwiseArch(w []int8, g *Geometry, q *gemm.Quant) DepthwiseS8 {
	if cpu.Has(cpu.AVX512VNNI) {
		if p := packDepthwiseAVX512(w, g, q); p != nil {
			return p
		}
	}
	if cpu.Has(cpu.AVX2) {
		if p := packDepthwisePixel(w, g, q); p != nil {
			return p
		}
		if p := packDepthwiseAVX2(w, g, q); p != nil {
			return p
		}
	}
	return nil
}
