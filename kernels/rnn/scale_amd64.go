package rnn

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// intAVX2 returns the addresses of scale and dots.
func intAVX2() *[2]uintptr

var intTable = intAVX2()

// scaleArgs is the argument of scale.
type scaleArgs struct {
	x, bias           *int32
	vectors           int
	mult, left, right int32
	dropped, half     int32 // the bits that a shift to the right drops, and half of them
	lo, hi, add       int32
	_                 int32
}

// dotsArgs is the argument of dots.
type dotsArgs struct {
	dst     *int32
	w, rows *int16
	step    int // bytes from row to row
	vectors int // of a row
	count   int
}

// scaleVectors is scaleAll for whole vectors; it returns how many values these are.
func scaleVectors(x, bias []int32, s Scale, lo, hi, add int32) int {
	n := len(x) &^ 7
	if n == 0 || !cpu.Has(cpu.AVX2) || s.Mult < 0 || s.Shift < -31 {
		return 0
	}
	t := scaleArgs{x: &x[0], bias: &bias[0], vectors: n / 8, mult: s.Mult, left: min(max(s.Shift, 0), 31), right: max(-s.Shift, 0), lo: lo, hi: hi, add: add}
	t.dropped = int32(int64(1)<<t.right - 1)
	t.half = t.dropped >> 1
	call.Tile(intTable[0], unsafe.Pointer(&t))
	return n
}

// dots computes dst[i] = sum over k of padded[i][k] × rows[i*n+k] for as many rows as can be read in whole vectors, and returns how many these are.
func dots(dst []int32, padded, rows []int16, n int) int {
	wide := (n + 7) &^ 7
	if !cpu.Has(cpu.AVX2) || n == 0 || len(rows) < wide {
		return 0
	}
	count := min((len(rows)-wide)/n+1, len(dst))
	_ = padded[count*wide-1]
	call.Tile(intTable[1], unsafe.Pointer(&dotsArgs{dst: &dst[0], w: &padded[0], rows: &rows[0], step: 2 * n, vectors: wide / 8, count: count}))
	return count
}
