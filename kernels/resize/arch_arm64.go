package resize

import "wayside/kernels/internal/cpu"

// The tables of assembly functions, of one each.
func bilinearNeon() *[1]uintptr
func bilinearS8Neon() *[1]uintptr

var f32Neon, s8Neon = bilinearNeon()[0], bilinearS8Neon()[0]

// leastS8 is the channels of a vector.
const leastS8 = 8

func isa(int) string {
	if cpu.Has(cpu.Neon) {
		return "neon"
	}
	return generic
}

// kernel returns the function for values of size bytes.
func kernel(size int) uintptr {
	if size == 1 {
		return s8Neon
	}
	return f32Neon
}
