//go:build arm || arm64

package vec

import "wayside/kernels/internal/cpu"

// The tables of assembly functions of one and two float32 inputs, by function.
func mapF32Neon() *[mapGelu]uintptr
func pairF32Neon() *[pairFunctions]uintptr

var mapsF32, pairsF32 = mapF32Neon(), pairF32Neon()

// ISA names the instructions of the float32 kernels that run now, as in kernel ids.
func ISA() string {
	if cpu.Has(cpu.Neon) {
		return "neon"
	}
	return "generic"
}

// pairF32Asm computes a function of two inputs; false where the generic loop must.
func pairF32Asm(f pairFunction, dst, a, b []float32, r *Rows, lo, hi float32) bool {
	return armRows(pairsF32[f], armElem{f: [5]float32{lo, hi}}, dst, a, b, r)
}

// hasMap reports whether a function has a kernel.
func hasMap(f mapFunction) bool { return f != noMap && f < mapGelu }

// mapF32Asm computes a function of one input; false where the generic loop must.
func mapF32Asm(f mapFunction, dst, src []float32, p, q float32) bool {
	if !hasMap(f) || !cpu.Has(cpu.Neon) {
		return false
	}
	t := armElem{f: [5]float32{p, q}}
	armRun(mapsF32[f], t, dst, src, 1, nil, 0)
	return true
}

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
