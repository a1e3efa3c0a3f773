package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// winogradS8AVX2 returns the addresses of the transforms of inputs and of sums.
func winogradS8AVX2() *[2]uintptr

// winogradInArgs is the argument of the transform of inputs; distances are in bytes. The assembly knows the offsets.
type winogradInArgs struct {
	src                 *int8
	dst                 *int16
	down, right, matrix int
	n                   int // vectors of 16 channels
}

// winogradOutArgs is the argument of the transform of sums.
type winogradOutArgs struct {
	src                 *int32
	dst                 *int8
	matrix, down, right int
	n                   int // vectors of 16 channels
	par                 *int32
	lo, hi              int8
	exact               bool
}

// winogradS8Fast reports whether the form is faster here: not beside instructions that multiply four bytes at once.
func winogradS8Fast() bool { return gemm.WideS8Rows() }

// winogradInS8 is winogradInS8Generic.
func winogradInS8(dst []int16, matrix int, src []int8, down, right, n int) {
	if !cpu.Has(cpu.AVX2) {
		winogradInS8Generic(dst, matrix, src, down, right, n)
		return
	}
	_, _ = src[3*down+3*right+n-1], dst[15*matrix+n-1]
	t := winogradInArgs{src: &src[0], dst: &dst[0], down: down, right: right, matrix: 2 * matrix, n: n / 16}
	call.Tile(winogradS8AVX2()[0], unsafe.Pointer(&t))
}

// results is resultsGeneric.
func (c *WinogradS8) results(dst []int8, down, right int, src []int32) {
	n := c.g.OutC
	if !cpu.Has(cpu.AVX2) {
		c.resultsGeneric(dst, down, right, src)
		return
	}
	_, _ = src[15*c.out+n-1], dst[down+right+n-1]
	t := winogradOutArgs{src: &src[0], dst: &dst[0], matrix: 4 * c.out, down: down, right: right, n: n / 16, par: &c.par[0], lo: int8(c.q.Min), hi: int8(c.q.Max), exact: c.exact}
	call.Tile(winogradS8AVX2()[1], unsafe.Pointer(&t))
}
