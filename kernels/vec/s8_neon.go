//go:build arm || arm64

package vec

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// vecS8Neon returns the table of functions: those of two inputs by kind, then the others.
func vecS8Neon() *[8]uintptr

var vecS8 = vecS8Neon()

// Places of the functions of one input in the table.
const (
	fnQuantizeS8 = 2 + iota
	fnDequantizeS8
	fnQuantizeS16
	fnDequantizeS16
	fnLookup
	fnQuantizeEvenS8
)

// ISA8 names the instructions of the int8 kernels that run now, as in kernel ids.
func ISA8() string { return ISA() }

func lookupS8Asm(dst, src []int8, table *[256]int8) bool {
	if !cpu.Has(cpu.Neon) {
		return false
	}
	for len(src) >= 16 {
		n := min(len(src)&^15, armPiece)
		t := armElem{dst: unsafe.Pointer(&dst[0]), a: unsafe.Pointer(&src[0]), b: unsafe.Pointer(table), blocks: n / 16}
		call.Tile(vecS8[fnLookup], unsafe.Pointer(&t))
		dst, src = dst[n:], src[n:]
	}
	lookupS8Generic(dst, src, table)
	return true
}

// pairS8Asm computes a function of two inputs; false where the generic loop must.
func pairS8Asm(kind pairKind, dst, a, b []int8, r *Rows, p *pairParams) bool {
	if kind == kindSquare {
		return false
	}
	return armRows(vecS8[kind], armElem{f: p.f, lo: int8(p.lo), hi: int8(p.hi)}, dst, a, b, r)
}

func pairISA(pairKind, *pairParams) string { return ISA8() }

func wholeSums() bool { return false }

// quantizeAsm works on int8 (small) or int16.
func quantizeAsm(dst unsafe.Pointer, src []float32, small bool, scale float32, zero int32) bool {
	if !cpu.Has(cpu.Neon) {
		return false
	}
	size, fn := 2, vecS8[fnQuantizeS16]
	if small {
		size, fn = 1, vecS8[fnQuantizeS8]
	}
	for n := 0; len(src) >= 16; src = src[n:] {
		n = min(len(src)&^15, armPiece)
		t := armElem{dst: dst, a: unsafe.Pointer(&src[0]), blocks: n / 16, stepA: 64, f: [5]float32{scale}, zero: zero}
		call.Tile(fn, unsafe.Pointer(&t))
		if n == len(src) {
			return true // dst would point behind its memory
		}
		dst = unsafe.Add(dst, n*size)
	}
	if small {
		quantizeGeneric(unsafe.Slice((*int8)(dst), len(src)), src, scale, zero)
	} else {
		quantizeGeneric(unsafe.Slice((*int16)(dst), len(src)), src, scale, zero)
	}
	return true
}

// quantizeEvenAsm rounds halves to the even integer.
func quantizeEvenAsm(dst []int8, src []float32, scale float32, zero int32) bool {
	if !cpu.Has(cpu.Neon) {
		return false
	}
	for len(src) >= 16 {
		n := min(len(src)&^15, armPiece)
		t := armElem{dst: unsafe.Pointer(&dst[0]), a: unsafe.Pointer(&src[0]), blocks: n / 16, stepA: 64, f: [5]float32{scale}, zero: zero}
		call.Tile(vecS8[fnQuantizeEvenS8], unsafe.Pointer(&t))
		dst, src = dst[n:], src[n:]
	}
	quantizeEvenGeneric(dst, src, scale, zero)
	return true
}

// dequantizeAsm is the way back.
func dequantizeAsm(dst []float32, src unsafe.Pointer, small bool, scale float32, zero int32) bool {
	if !cpu.Has(cpu.Neon) {
		return false
	}
	size, fn := 2, vecS8[fnDequantizeS16]
	if small {
		size, fn = 1, vecS8[fnDequantizeS8]
	}
	for n := 0; len(dst) >= 16; dst = dst[n:] {
		n = min(len(dst)&^15, armPiece)
		t := armElem{dst: unsafe.Pointer(&dst[0]), a: src, blocks: n / 16, stepA: 16 * size, f: [5]float32{scale}, zero: zero}
		call.Tile(fn, unsafe.Pointer(&t))
		if n == len(dst) {
			return true
		}
		src = unsafe.Add(src, n*size)
	}
	if small {
		dequantizeGeneric(dst, unsafe.Slice((*int8)(src), len(dst)), scale, zero)
	} else {
		dequantizeGeneric(dst, unsafe.Slice((*int16)(src), len(dst)), scale, zero)
	}
	return true
}
