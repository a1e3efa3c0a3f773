package ops

import (
	"slices"

	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// strided is a walk over elements of some bytes each: one side in memory order, the other with a stride per axis.
type strided struct {
	move.Walk
	size int // bytes per element
}

// contiguous returns the row-major strides of a shape.
func contiguous(s tensor.Shape) []int {
	st := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		st[i] = n
		n *= s[i]
	}
	return st
}

// newStrided prepares a walk with the given extents, and strides and first element of the strided side.
func newStrided(dims, stride []int, base, size int) strided {
	return strided{move.NewWalk(dims, stride, base), size}
}

// straight reports whether the walk keeps the order of all elements.
func (s *strided) straight() bool { return s.Straight() }

// copy fills dst, in memory order, from the strided src.
func (s *strided) copy(dst, src []byte) {
	switch s.size {
	case 1:
		move.Copy(dst, src, &s.Walk)
	case 2:
		move.Copy(tensor.As[uint16](dst, 2), tensor.As[uint16](src, 2), &s.Walk)
	case 4:
		move.Copy(tensor.As[uint32](dst, 4), tensor.As[uint32](src, 4), &s.Walk)
	case 8:
		move.Copy(tensor.As[uint64](dst, 8), tensor.As[uint64](src, 8), &s.Walk)
	}
}

// place writes src, in memory order, to the strided dst.
func (s *strided) place(dst, src []byte) {
	switch s.size {
	case 1:
		move.Place(dst, src, &s.Walk)
	case 2:
		move.Place(tensor.As[uint16](dst, 2), tensor.As[uint16](src, 2), &s.Walk)
	case 4:
		move.Place(tensor.As[uint32](dst, 4), tensor.As[uint32](src, 4), &s.Walk)
	case 8:
		move.Place(tensor.As[uint64](dst, 8), tensor.As[uint64](src, 8), &s.Walk)
	}
}

// fillBytes repeats pattern over dst.
func fillBytes(dst, pattern []byte) {
	if !slices.ContainsFunc(pattern, func(b byte) bool { return b != 0 }) {
		clear(dst)
		return
	}
	for n := copy(dst, pattern); n > 0 && n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
