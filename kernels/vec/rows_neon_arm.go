package vec

import "wayside/kernels/internal/cpu"

// mapsNeon is how many of the functions of one input have kernels in 32-bit programs.
const mapsNeon = mapGelu

// softmaxF32Asm computes the exponentials of each row with NEON, the rest around them in Go.
func softmaxF32Asm(dst, src []float32, depth int, beta float32) bool {
	if !cpu.Has(cpu.Neon) {
		return false
	}
	for at := 0; at < len(src); at += depth {
		row, out := src[at:at+depth], dst[at:at+depth]
		top := row[0]
		for _, v := range row[1:] {
			top = max(top, v)
		}
		for i, v := range row {
			out[i] = (v - top) * beta
		}
		mapF32Asm(mapExp, out, out, 0, 0)
		sum := float32(0)
		for _, v := range out {
			sum += v
		}
		inverse := 1 / sum
		for i := range out {
			out[i] *= inverse
		}
	}
	return true
}

// LayerNormISA names the instructions of LayerNormF32, as in kernel ids.
func LayerNormISA() string { return "generic" }

// layerNormF32Asm has no kernel here.
func layerNormF32Asm(_, _, _, _ []float32, _ int, _ float32) bool { return false }

// expRowsF32Asm has no kernel here.
func expRowsF32Asm(_, _ []float32, _ int) bool { return false }

// scaleRowsF32Asm has no kernel here.
func scaleRowsF32Asm([]float32, int, int, []float32) bool { return false }
