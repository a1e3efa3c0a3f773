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
	"go/format"
	"os"
	"strings"
)

// files are the generated files below kernels, and what writes each.
var files = map[string]func() []byte{
	"gemm/s8_avx512_amd64.s":           gemmS8AVX512,
	"gemm/s8_avx512_table_amd64.go":    func() []byte { return tileTable("s8", "s8Tile", "s8TilesAVX512") },
	"internal/flip/flip_amd64.s":       flipAVX512,
	"conv/depthwise_s8_avx512_amd64.s": depthwiseS8AVX512,
	"gemm/f32_avx512_amd64.s":          gemmF32AVX512,
	"gemm/f32_avx512_table_amd64.go":   func() []byte { return tileTable("f32", "f32Tile", "f32TilesAVX512") },
}

func main() {
	for name, generate := range files {
		b := generate()
		if strings.HasSuffix(name, ".go") {
			var err error
			if b, err = format.Source(b); err != nil {
				fail(err)
			}
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
