//go:build !amd64 && !arm && !arm64

package vec

import "unsafe"

// ISA8 names the instructions of the int8 kernels that run now, as in kernel ids.
func ISA8() string { return "generic" }

func lookupS8Asm([]int8, []int8, *[256]int8) bool { return false }

func pairS8Asm(pairKind, []int8, []int8, []int8, *Rows, *pairParams) bool { return false }

func pairISA(pairKind, *pairParams) string { return ISA8() }

func wholeSums() bool { return false }

func quantizeAsm(unsafe.Pointer, []float32, bool, float32, int32) bool { return false }

func quantizeEvenAsm([]int8, []float32, float32, int32) bool { return false }

func dequantizeAsm([]float32, unsafe.Pointer, bool, float32, int32) bool { return false }
