package vec

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// lookupTile is the argument of the assembly lookups.
type lookupTile struct {
	dst, src, table *int8
	n               int
}

// pairTile is the argument of the assembly functions of two int8 inputs.
type pairTile struct {
	dst, a, b    *int8
	n, rows      int
	stepA, stepB int
	pairParams
}

// quantizeTile is the argument of the assembly functions between float32 and integers.
type quantizeTile struct {
	dst, src unsafe.Pointer
	n        int
	scale    float32
	zero     int32
}

//go:noescape
func lookupS8AVX512(t *lookupTile)

//go:noescape
func lookupS8AVX2(t *lookupTile)

//go:noescape
func quantizeS8AVX512(t *quantizeTile)

//go:noescape
func quantizeS8AVX2(t *quantizeTile)

//go:noescape
func quantizeEvenS8AVX512(t *quantizeTile)

//go:noescape
func quantizeEvenS8AVX2(t *quantizeTile)

//go:noescape
func quantizeS16AVX2(t *quantizeTile)

//go:noescape
func dequantizeS8AVX2(t *quantizeTile)

//go:noescape
func dequantizeS16AVX2(t *quantizeTile)

//go:noescape
func quantizeS16AVX512(t *quantizeTile)

//go:noescape
func dequantizeS8AVX512(t *quantizeTile)

//go:noescape
func dequantizeS16AVX512(t *quantizeTile)

// The tables of functions of two inputs: by kind and, like those of float32, by which input is one value.
func pairS8AVX512() *[6]uintptr
func pairS8AVX2() *[9]uintptr

var pairS8Wide, pairS8Narrow = pairS8AVX512()[:], pairS8AVX2()[:]

// ISA8 names the instructions of the int8 kernels that run now, as in kernel ids.
func ISA8() string { return ISA() }

func lookupS8Asm(dst, src []int8, table *[256]int8) bool {
	const short = 32 // the AVX2 kernel first makes tables of its own, which takes as long as so many lookups
	wide := cpu.Has(cpu.AVX512VNNI)
	if !wide && (!cpu.Has(cpu.AVX2) || len(src) < short) {
		return false
	}
	for i := 0; i < len(src); i += 4 * piece {
		t := lookupTile{dst: &dst[i], src: &src[i], table: &table[0], n: min(4*piece, len(src)-i)}
		if wide {
			lookupS8AVX512(&t)
		} else {
			lookupS8AVX2(&t)
		}
	}
	return true
}

// wholeSums reports whether the kernel of sums wants whole numbers, if there are some.
func wholeSums() bool { return cpu.Has(cpu.AVX512VNNI) }

// widePair reports whether there is a kernel for AVX512.
func widePair(kind pairKind, p *pairParams) bool {
	return cpu.Has(cpu.AVX512VNNI) && (kind == kindProduct || kind == kindSum && p.whole != wholeSum{})
}

// pairISA names the instructions that pairS8Asm uses.
func pairISA(kind pairKind, p *pairParams) string {
	if isa := ISA8(); isa != "avx512" || widePair(kind, p) {
		return isa
	}
	return "avx2"
}

// pairS8Asm computes rows of a function of two inputs; false where both are one value, or there is no kernel.
func pairS8Asm(kind pairKind, dst, a, b []int8, r *Rows, p *pairParams) bool {
	mode, kernels := 0, pairS8Narrow
	if widePair(kind, p) {
		kernels = pairS8Wide
	}
	switch {
	case r.SA|r.SB == 0 || !cpu.Has(cpu.AVX2):
		return false
	case r.SB == 0:
		mode = 1
	case r.SA == 0:
		mode = 2
	}
	const most = 4 * piece
	rows := max(most/r.N, 1) // in one call
	for i := 0; i < r.Count; i += rows {
		for k := 0; k < r.N; k += most {
			t := pairTile{dst: &dst[i*r.N+k], a: &a[i*r.StepA+k*r.SA], b: &b[i*r.StepB+k*r.SB], n: min(most, r.N-k), rows: min(rows, r.Count-i), stepA: r.StepA, stepB: r.StepB, pairParams: *p}
			call.Tile(kernels[3*int(kind)+mode], unsafe.Pointer(&t))
		}
	}
	return true
}

// quantizeAsm works on int8 (small) or int16.
func quantizeAsm(dst unsafe.Pointer, src []float32, small bool, scale float32, zero int32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	for i := 0; i < len(src); i += piece {
		t := quantizeTile{src: unsafe.Pointer(&src[i]), n: min(piece, len(src)-i), scale: scale, zero: zero}
		switch {
		case small && wide:
			t.dst = unsafe.Add(dst, i)
			quantizeS8AVX512(&t)
		case small:
			t.dst = unsafe.Add(dst, i)
			quantizeS8AVX2(&t)
		case wide:
			t.dst = unsafe.Add(dst, 2*i)
			quantizeS16AVX512(&t)
		default:
			t.dst = unsafe.Add(dst, 2*i)
			quantizeS16AVX2(&t)
		}
	}
	return true
}

// quantizeEvenAsm rounds halves to the even integer.
func quantizeEvenAsm(dst []int8, src []float32, scale float32, zero int32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	for i := 0; i < len(src); i += piece {
		t := quantizeTile{dst: unsafe.Pointer(&dst[i]), src: unsafe.Pointer(&src[i]), n: min(piece, len(src)-i), scale: scale, zero: zero}
		if wide {
			quantizeEvenS8AVX512(&t)
		} else {
			quantizeEvenS8AVX2(&t)
		}
	}
	return true
}

// dequantizeAsm is the way back.
func dequantizeAsm(dst []float32, src unsafe.Pointer, small bool, scale float32, zero int32) bool {
	wide := cpu.Has(cpu.AVX512VNNI)
	if !wide && !cpu.Has(cpu.AVX2) {
		return false
	}
	for i := 0; i < len(dst); i += piece {
		t := quantizeTile{dst: unsafe.Pointer(&dst[i]), n: min(piece, len(dst)-i), scale: scale, zero: zero}
		switch {
		case small && wide:
			t.src = unsafe.Add(src, i)
			dequantizeS8AVX512(&t)
		case small:
			t.src = unsafe.Add(src, i)
			dequantizeS8AVX2(&t)
		case wide:
			t.src = unsafe.Add(src, 2*i)
			dequantizeS16AVX512(&t)
		default:
			t.src = unsafe.Add(src, 2*i)
			dequantizeS16AVX2(&t)
		}
	}
	return true
}
