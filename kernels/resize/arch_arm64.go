package resize

import "wayside/kernels/internal/cpu"

//go:noescape
func bilinearNeon(t *lineF32)

// ISA names the instructions that BilinearF32 uses for so many channels, as in kernel ids.
func ISA(channels int) string {
	if channels < leastChannels || !cpu.Has(cpu.Neon) {
		return generic
	}
	return "neon"
}

func bilinearLine(t *lineF32) { bilinearNeon(t) }
