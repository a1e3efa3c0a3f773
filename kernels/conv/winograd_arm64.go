package conv

import "wayside/kernels/internal/cpu"

// winogradNeon returns the addresses of the transforms of inputs and of sums.
func winogradNeon() *[2]uintptr

// winogradFast reports whether the transforms are assembly.
func winogradFast() bool { return cpu.Has(cpu.Neon) }

func winogradArch() winogradISA {
	if cpu.Has(cpu.Neon) {
		return winogradISA{winogradNeon(), 4}
	}
	return winogradISA{}
}
