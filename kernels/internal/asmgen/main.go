// Command asmgen writes the assembly of the kernels: run it in the folder kernels with go run ./internal/asmgen. A test fails when what lies there
// differs from what it would write.
//
// Holds: one generator for each family and instruction set.
// Never holds: anything that a program links.
// May import: the standard library.
// Start reading at: files, then gemmS8AVX512.
package main

import (
	"fmt"
	"os"
)

// files are the generated files below kernels, and what writes each; arm64.go adds those of arm64.
var files = map[string]func() []byte{
	"gemm/s8_avx512_amd64.s":           gemmS8AVX512,
	"internal/cpu/vendor_amd64.s":      vendorAMD64,
	"internal/flip/flip_amd64.s":       flipAVX512,
	"internal/flip/flip_avx2_amd64.s":  flipAVX2,
	"conv/depthwise_s8_avx512_amd64.s": depthwiseS8AVX512,
	"gemm/s32_avx512_amd64.s":          gemmS32AVX512,
	"gemm/pack_avx512_amd64.s":         gemmPackAVX512,
	"gemm/f32_avx512_amd64.s":          f32KindsAVX512[0].gemm,
	"gemm/f32bf16_avx512_amd64.s":      f32KindsAVX512[1].gemm,
	"gemm/f32f16_avx512_amd64.s":       f32KindsAVX512[2].gemm,
	"gemm/s8_avx2_amd64.s":             gemmS8AVX2,
	"gemm/s8_avxvnni_amd64.s":          gemmS8AVXVNNI,
	"gemm/f32_avx2_amd64.s":            gemmF32AVX2("f32", &f32AVX2),
	"gemm/f32bf16_avx2_amd64.s":        gemmF32AVX2("f32bf16", &bf16AVX2),
	"gemm/f32f16_avx2_amd64.s":         gemmF32AVX2("f32f16", &f16AVX2),
	"gemm/products_avx2_amd64.s":       gemmProductsAVX2,
	"internal/peak/peak_amd64.s":       peakAMD64,
	"conv/depthwise_f32_amd64.s":       depthwiseF32AMD64,
	"conv/depthwise_s8_avx2_amd64.s":   depthwiseS8AVX2,
}

func main() {
	for name, generate := range files {
		if err := os.WriteFile(name, generate(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
