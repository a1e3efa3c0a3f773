package resize

import "wayside/kernels/internal/cpu"

//go:noescape
func bilinearAVX512(t *lineF32)

//go:noescape
func bilinearAVX2(t *lineF32)

// ISA names the instructions that BilinearF32 uses for so many channels, as in kernel ids.
func ISA(channels int) string {
	switch {
	case channels < leastChannels:
		return generic
	case cpu.Has(cpu.AVX512VNNI):
		return "avx512"
	case cpu.Has(cpu.AVX2):
		return "avx2"
	}
	return generic
}

func bilinearLine(t *lineF32) {
	if cpu.Has(cpu.AVX512VNNI) {
		bilinearAVX512(t)
		return
	}
	bilinearAVX2(t)
}
