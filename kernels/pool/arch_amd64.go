package pool

import "wayside/kernels/internal/cpu"

// The tables of assembly functions.
func poolF32AVX512() *[3]uintptr
func poolF32AVX2() *[3]uintptr
func poolS8AVX512() *[2]uintptr
func poolS8AVX2() *[2]uintptr

var (
	f32Wide, f32Narrow = poolF32AVX512(), poolF32AVX2()
	s8Wide, s8Narrow   = poolS8AVX512(), poolS8AVX2()
)

// kernel returns a function for elements of size bytes, 0 where there is none.
func kernel(what, size int) uintptr {
	switch {
	case cpu.Has(cpu.AVX512VNNI) && size == 4:
		return f32Wide[what]
	case cpu.Has(cpu.AVX512VNNI):
		return s8Wide[what]
	case cpu.Has(cpu.AVX2) && size == 4:
		return f32Narrow[what]
	case cpu.Has(cpu.AVX2):
		return s8Narrow[what]
	}
	return 0
}

// ISA names the instructions that pooling of elements of so many bytes uses, as in kernel ids: 4 is float32, 1 int8.
func ISA(size int) string {
	switch {
	case size != 1 && size != 4 || kernel(average, size) == 0:
		return "generic"
	case cpu.Has(cpu.AVX512VNNI):
		return "avx512"
	}
	return "avx2"
}

// work is how many elements one call looks at, which takes far less than 100 µs.
const work = 1 << 19
