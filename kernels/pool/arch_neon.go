//go:build arm || arm64

package pool

import "wayside/kernels/internal/cpu"

// The tables of assembly functions.
func poolF32Neon() *[3]uintptr
func poolS8Neon() *[2]uintptr

var f32Functions, s8Functions = poolF32Neon(), poolS8Neon()

// kernel returns a function for elements of size bytes, 0 where there is none.
func kernel(what, size int) uintptr {
	switch {
	case !cpu.Has(cpu.Neon):
		return 0
	case size == 4:
		return f32Functions[what]
	}
	return s8Functions[what]
}

// ISA names the instructions that pooling of elements of so many bytes uses, as in kernel ids: 4 is float32, 1 int8.
func ISA(size int) string {
	if size != 1 && size != 4 || !cpu.Has(cpu.Neon) {
		return "generic"
	}
	return "neon"
}

// work is how many elements one call looks at, which takes less than 100 µs on Cortex-A53 even where they are single channels.
const work = 1 << 14
