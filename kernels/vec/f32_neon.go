//go:build arm || arm64

package vec

import "wayside/kernels/internal/cpu"

// The tables of assembly functions of one and two float32 inputs, by function.
func mapF32Neon() *[mapsNeon]uintptr
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

func swishF32Asm([]float32, float32) bool { return false }

// hasMap reports whether a function has a kernel.
func hasMap(f mapFunction) bool { return f != noMap && f < mapsNeon }

// mapF32Asm computes a function of one input; false where the generic loop must.
func mapF32Asm(f mapFunction, dst, src []float32, p, q float32) bool {
	if !hasMap(f) || !cpu.Has(cpu.Neon) {
		return false
	}
	t := armElem{f: [5]float32{p, q}}
	armRun(mapsF32[f], t, dst, src, 1, nil, 0)
	return true
}
