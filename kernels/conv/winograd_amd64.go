package conv

import "wayside/kernels/internal/cpu"

// winogradAVX512 and winogradAVX2 return the addresses of the transforms of inputs and of sums.
func winogradAVX512() *[2]uintptr
func winogradAVX2() *[2]uintptr

// winogradFast reports whether the transforms are assembly.
func winogradFast() bool { return cpu.Has(cpu.AVX2) }

func winogradArch() winogradISA {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return winogradISA{winogradAVX512(), 16}
	case cpu.Has(cpu.AVX2):
		return winogradISA{winogradAVX2(), 8}
	}
	return winogradISA{}
}
