//go:build !amd64 && !arm && !arm64

package vec

import "unsafe"

// ISA names the instructions of the float32 kernels that run now, as in kernel ids.
func ISA() string { return "generic" }

func pairF32Asm(pairFunction, []float32, []float32, []float32, *Rows, float32, float32) bool {
	return false
}

func hasMap(mapFunction) bool { return false }

func swishF32Asm([]float32, float32) bool { return false }

func mapF32Asm(mapFunction, []float32, []float32, float32, float32) bool { return false }

// SumISA names the instructions of SumF32, or with small of SumS8.
func SumISA(bool) string { return "generic" }

func sumAsm(unsafe.Pointer, unsafe.Pointer, int, int, bool, bool) bool { return false }

func softmaxF32Asm([]float32, []float32, int, float32) bool { return false }

// LayerNormISA names the instructions of LayerNormF32, as in kernel ids.
func LayerNormISA() string { return "generic" }

// layerNormF32Asm has no kernel here.
func layerNormF32Asm(_, _, _, _ []float32, _ int, _ float32) bool { return false }

// expRowsF32Asm has no kernel here.
func expRowsF32Asm(_, _ []float32, _ int) bool { return false }

// scaleRowsF32Asm has no kernel here.
func scaleRowsF32Asm([]float32, int, int, []float32) bool { return false }
