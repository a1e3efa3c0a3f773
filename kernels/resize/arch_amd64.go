package resize

import "wayside/kernels/internal/cpu"

// The tables of assembly functions, of one each.
func bilinearAVX512() *[1]uintptr
func bilinearAVX2() *[1]uintptr
func bilinearS8AVX2() *[1]uintptr

var f32Wide, f32Narrow, s8Narrow = bilinearAVX512()[0], bilinearAVX2()[0], bilinearS8AVX2()[0]

// leastS8 is the channels of a vector.
const leastS8 = 16

func isa(size int) string {
	switch {
	case cpu.Has(cpu.AVX512VNNI) && size == 4:
		return "avx512"
	case cpu.Has(cpu.AVX2):
		return "avx2"
	}
	return generic
}

// kernel returns the function for values of size bytes.
func kernel(size int) uintptr {
	switch {
	case size == 1:
		return s8Narrow
	case cpu.Has(cpu.AVX512VNNI):
		return f32Wide
	}
	return f32Narrow
}
