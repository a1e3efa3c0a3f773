package vec

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// elemF32 is the argument of the assembly functions of one input, which know the offsets.
type elemF32 struct {
	dst, a, _ *float32
	n         int
	p, q      float32 // limits, or what else the function takes
}

// pairF32 is the argument of the assembly functions of two inputs.
type pairF32 struct {
	dst, a, b    *float32
	n, rows      int
	stepA, stepB int // bytes
	lo, hi       float32
}

// softmaxF32 is the argument of the assembly softmax.
type softmaxF32 struct {
	dst, src    *float32
	rows, depth int
	beta        float32
}

// The tables of assembly functions: by function and, for two inputs, by which of them is one value (none, the second, the first).
func pairF32AVX512() *[3 * pairFunctions]uintptr
func pairF32AVX2() *[3 * pairFunctions]uintptr
func mapF32AVX512() *[mapFunctions]uintptr
func mapF32AVX2() *[mapFunctions]uintptr

// The tables of softmax for rows of one to four registers.
func softmaxShortF32AVX512() *[4]uintptr
func softmaxShortF32AVX2() *[4]uintptr

//go:noescape
func softmaxF32AVX512(t *softmaxF32)

//go:noescape
func softmaxF32AVX2(t *softmaxF32)

// expRowsF32 is the argument of the assembly functions of rows with a float for each: x, one, rows, depth, and the bytes from row to row for scaleRows.
type expRowsF32 struct {
	x, each     *float32
	rows, depth int
	step        int
}

//go:noescape
func expRowsF32AVX512(t *expRowsF32)

//go:noescape
func expRowsF32AVX2(t *expRowsF32)

//go:noescape
func scaleRowsF32AVX512(t *expRowsF32)

//go:noescape
func scaleRowsF32AVX2(t *expRowsF32)

// expRowsF32Asm is ExpRowsF32 for rows that are not too long for one call.
func expRowsF32Asm(x, inverse []float32, depth int) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if depth > 2*piece || !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	rows, most := len(x)/depth, max(piece/depth, 1)
	for i := 0; i < rows; i += most {
		t := expRowsF32{x: &x[i*depth], each: &inverse[i], rows: min(most, rows-i), depth: depth}
		if wide {
			expRowsF32AVX512(&t)
		} else {
			expRowsF32AVX2(&t)
		}
	}
	return true
}

// scaleRowsF32Asm is ScaleRowsF32 for rows that are not too long for one call.
func scaleRowsF32Asm(x []float32, step, depth int, factors []float32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if depth > 2*piece || !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	rows, most := len(factors), max(piece/depth, 1)
	for i := 0; i < rows; i += most {
		t := expRowsF32{x: &x[i*step], each: &factors[i], rows: min(most, rows-i), depth: depth, step: 4 * step}
		if wide {
			scaleRowsF32AVX512(&t)
		} else {
			scaleRowsF32AVX2(&t)
		}
	}
	return true
}

// layerNormF32 is the argument of the assembly layer normalization.
type layerNormF32 struct {
	dst, src, scale, shift *float32
	rows, depth            int
	count, epsilon         float32 // count is depth
}

//go:noescape
func layerNormF32AVX512(t *layerNormF32)

//go:noescape
func layerNormF32AVX2(t *layerNormF32)

// LayerNormISA names the instructions of LayerNormF32, as in kernel ids.
func LayerNormISA() string { return ISA() }

// layerNormF32Asm is LayerNormF32 for rows that are not too long for one call.
func layerNormF32Asm(dst, src, scale, shift []float32, depth int, epsilon float32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if depth > 2*piece || !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	rows, most := len(src)/depth, max(piece/depth, 1)
	for i := 0; i < rows; i += most {
		t := layerNormF32{dst: &dst[i*depth], src: &src[i*depth], scale: &scale[0], shift: &shift[0], rows: min(most, rows-i), depth: depth, count: float32(depth), epsilon: epsilon}
		if wide {
			layerNormF32AVX512(&t)
		} else {
			layerNormF32AVX2(&t)
		}
	}
	return true
}

// sumTile is the argument of the assembly sums.
type sumTile struct {
	acc, src unsafe.Pointer
	rows, n  int
}

//go:noescape
func sumAlongF32AVX512(t *sumTile)

//go:noescape
func sumAlongF32AVX2(t *sumTile)

//go:noescape
func sumAcrossF32AVX512(t *sumTile)

//go:noescape
func sumAcrossF32AVX2(t *sumTile)

//go:noescape
func sumAcrossS8AVX512(t *sumTile)

//go:noescape
func sumAcrossS8AVX2(t *sumTile)

//go:noescape
func sumAlongS8AVX2(t *sumTile)

var (
	pairWide, pairNarrow = pairF32AVX512(), pairF32AVX2()
	mapWide, mapNarrow   = mapF32AVX512(), mapF32AVX2()

	softmaxWide, softmaxNarrow = softmaxShortF32AVX512(), softmaxShortF32AVX2()
)

// piece is how many floats one call takes: far less than 100 µs, in which the runtime cannot stop the goroutine.
const piece = 1 << 15

// ISA names the instructions of the float32 kernels that run now, as in kernel ids.
func ISA() string {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return "avx512"
	case cpu.Has(cpu.AVX2):
		return "avx2"
	}
	return "generic"
}

// pairF32Asm computes rows of a function of two inputs; false where the generic loop must.
func pairF32Asm(f pairFunction, dst, a, b []float32, r *Rows, lo, hi float32) bool {
	mode := 0
	switch {
	case r.SA|r.SB == 0:
		return false
	case r.SB == 0:
		mode = 1
	case r.SA == 0:
		mode = 2
	}
	var fn uintptr
	switch at := 3*int(f) + mode; {
	case cpu.Has(cpu.AVX512VNNI):
		fn = pairWide[at]
	case cpu.Has(cpu.AVX2):
		fn = pairNarrow[at]
	default:
		return false
	}
	rows := max(piece/r.N, 1) // in one call
	for i := 0; i < r.Count; i += rows {
		for k := 0; k < r.N; k += piece {
			t := pairF32{dst: &dst[i*r.N+k], a: &a[i*r.StepA+k*r.SA], b: &b[i*r.StepB+k*r.SB], n: min(piece, r.N-k), rows: min(rows, r.Count-i), stepA: 4 * r.StepA, stepB: 4 * r.StepB, lo: lo, hi: hi}
			call.Tile(fn, unsafe.Pointer(&t))
		}
	}
	return true
}

// hasMap reports whether a function has a kernel.
func hasMap(f mapFunction) bool { return f != noMap }

// mapF32Asm computes a function of one input; false where the generic loop must.
func mapF32Asm(f mapFunction, dst, src []float32, p, q float32) bool {
	var fn uintptr
	switch {
	case f < 0:
		return false
	case cpu.Has(cpu.AVX512VNNI):
		fn = mapWide[f]
	case cpu.Has(cpu.AVX2):
		fn = mapNarrow[f]
	default:
		return false
	}
	for i := 0; i < len(dst); i += piece {
		n := min(piece, len(dst)-i)
		t := elemF32{dst: &dst[i], a: &src[i], n: n, p: p, q: q}
		call.Tile(fn, unsafe.Pointer(&t))
	}
	return true
}

//go:noescape
func swishF32AVX512(t *elemF32)

//go:noescape
func swishF32AVX2(t *elemF32)

// swishF32Asm is SwishF32 with logistic's parameter; false where the generic loop must.
func swishF32Asm(x []float32, p float32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	for i := 0; i < len(x); i += piece {
		t := elemF32{dst: &x[i], a: &x[i], n: min(piece, len(x)-i), p: p}
		if wide {
			swishF32AVX512(&t)
		} else {
			swishF32AVX2(&t)
		}
	}
	return true
}

// softmaxF32Asm is SoftmaxF32 for rows that are not too long for one call.
func softmaxF32Asm(dst, src []float32, depth int, beta float32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if depth > 2*piece || !(beta >= 0) || !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	most := max(piece/depth, 1)
	for rows := len(src) / depth; rows > 0; {
		n := min(rows, most)
		t := softmaxF32{dst: &dst[0], src: &src[0], rows: n, depth: depth, beta: beta}
		switch {
		case wide && depth <= 64:
			call.Tile(softmaxWide[(depth-1)/16], unsafe.Pointer(&t))
		case wide:
			softmaxF32AVX512(&t)
		case depth <= 32:
			call.Tile(softmaxNarrow[(depth-1)/8], unsafe.Pointer(&t))
		default:
			softmaxF32AVX2(&t)
		}
		rows -= n
		dst, src = dst[n*depth:], src[n*depth:]
	}
	return true
}

// SumISA names the instructions of SumF32, or with true of SumS8.
func SumISA(bool) string { return ISA() }

// sumAsm adds rows of n elements, float32 or small for int8 to int32: each to its element of acc, or with across all to one row of n. false where the
// generic loop must.
func sumAsm(acc, src unsafe.Pointer, rows, n int, across, small bool) bool {
	wide, size := cpu.Has(cpu.AVX512VNNI), 4
	if small {
		size = 1
	}
	if !cpu.Has(cpu.AVX2) || n > 8*piece {
		return false
	}
	for i := 0; i < rows; {
		t := sumTile{acc: acc, src: unsafe.Add(src, i*n*size), rows: min(max(8*piece/n, 1), rows-i), n: n}
		if !across {
			t.acc = unsafe.Add(acc, 4*i)
		}
		switch {
		case small && !across:
			sumAlongS8AVX2(&t)
		case small && wide:
			sumAcrossS8AVX512(&t)
		case small:
			sumAcrossS8AVX2(&t)
		case across && wide:
			sumAcrossF32AVX512(&t)
		case across:
			sumAcrossF32AVX2(&t)
		case wide:
			sumAlongF32AVX512(&t)
		default:
			sumAlongF32AVX2(&t)
		}
		i += t.rows
	}
	return true
}
