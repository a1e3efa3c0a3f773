//go:build amd64 || arm64

package conv

import (
	"unsafe"

	"wayside/kernels/internal/call"
)

// winogradISA holds the transforms of one instruction set; the zero value those in Go.
type winogradISA struct {
	table *[2]uintptr
	width int // values of a vector, which divides all channels
}

// in is winogradInGeneric.
func (a winogradISA) in(dst []float32, matrix int, src []float32, down, right, n int, temp []float32) {
	if a.table == nil || n%a.width != 0 {
		winogradInGeneric(dst, matrix, src, down, right, n)
		return
	}
	_, _ = src[5*down+5*right+n-1], dst[35*matrix+n-1]
	t := winogradTile{src: &src[0], dst: &dst[0], srcDown: 4 * down, srcRight: 4 * right, dstDown: 24 * matrix, dstRight: 4 * matrix, n: n / a.width, temp: &temp[0]}
	call.Tile(a.table[0], unsafe.Pointer(&t))
}

// out is winogradOutGeneric.
func (a winogradISA) out(dst []float32, down, right int, src []float32, matrix int, bias []float32, lo, hi float32, temp []float32) {
	n := len(bias)
	if a.table == nil || n%a.width != 0 {
		winogradOutGeneric(dst, down, right, src, matrix, bias, lo, hi)
		return
	}
	_, _ = src[35*matrix+n-1], dst[3*down+3*right+n-1]
	t := winogradTile{src: &src[0], dst: &dst[0], srcDown: 24 * matrix, srcRight: 4 * matrix, dstDown: 4 * down, dstRight: 4 * right, n: n / a.width, temp: &temp[0], bias: &bias[0], lo: lo, hi: hi}
	call.Tile(a.table[1], unsafe.Pointer(&t))
}
