//go:build !amd64 && !arm64

package vec

import "unsafe"

// ISA names the instructions of the float32 kernels that run now, as in kernel ids.
func ISA() string { return "generic" }

func pairF32Asm(pairFunction, []float32, []float32, []float32, *Rows, float32, float32) bool {
	return false
}

func mapF32Asm(mapFunction, []float32, []float32, float32, float32) bool { return false }

// SumISA names the instructions of SumF32, or with small of SumS8.
func SumISA(bool) string { return "generic" }

func sumAsm(unsafe.Pointer, unsafe.Pointer, int, int, bool, bool) bool { return false }

func softmaxF32Asm([]float32, []float32, int, float32) bool { return false }
