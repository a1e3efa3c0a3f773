package move

import "unsafe"

// edge is the side of the blocks that Copy transposes matrices in: the lines of both sides stay in the first-level cache.
const edge = 8

// matrix is the argument of the assembly that transposes tiles of eight rows and columns of src. Steps are in bytes.
type matrix struct {
	dst, src         unsafe.Pointer
	dstStep, srcStep int
	columns, rows    int // eights of them
}

// across returns the axis along which the strided side is contiguous, when it makes a matrix worth blocks with the last axis.
func (w *Walk) across() (axis int, ok bool) {
	last := w.Rank - 1
	if w.Stride[last] < edge || w.Dims[last] < edge {
		return 0, false
	}
	for i := range last {
		if w.Stride[i] == 1 && w.Dims[i] >= edge {
			return i, true
		}
	}
	return 0, false
}

// copyMatrices is Copy for a walk with the given axis across.
func copyMatrices[T any](dst, src []T, w *Walk, axis int) {
	last := w.Rank - 1
	columns, rows := w.Dims[axis], w.Dims[last] // of the strided side
	step := 1                                   // elements of dst from column to column
	for i := axis + 1; i <= last; i++ {
		step *= w.Dims[i]
	}
	// The walk over the other axes, with the steps of both sides.
	outer := Walk{Rank: w.Rank}
	var to [MaxAxes]int
	for i, n := last, 1; i >= 0; i-- {
		outer.Dims[i], outer.Stride[i], to[i] = w.Dims[i], w.Stride[i], n
		n *= w.Dims[i]
	}
	outer.Dims[axis], outer.Dims[last] = 1, 1
	var at [MaxAxes]int
	from, pos := w.Base, 0
	for {
		transpose(dst[pos:pos+(columns-1)*step+rows], src[from:from+(rows-1)*w.Stride[last]+columns], step, w.Stride[last], rows, columns)
		k := last - 1
		for ; k >= 0; k-- {
			at[k]++
			from += outer.Stride[k]
			pos += to[k]
			if at[k] < outer.Dims[k] {
				break
			}
			from -= outer.Stride[k] * outer.Dims[k]
			pos -= to[k] * outer.Dims[k]
			at[k] = 0
		}
		if k < 0 {
			return
		}
	}
}

// Transpose computes dst[c×dstStep + r] = src[r×srcStep + c] for so many rows and columns of src. dst and src do not overlap.
func Transpose(dst, src []float32, dstStep, srcStep, rows, columns int) {
	if rows == 0 || columns == 0 {
		return
	}
	transpose(dst[:(columns-1)*dstStep+rows], src[:(rows-1)*srcStep+columns], dstStep, srcStep, rows, columns)
}

// transpose computes dst[c×dstStep + r] = src[r×srcStep + c].
func transpose[T any](dst, src []T, dstStep, srcStep, rows, columns int) {
	var z T
	if unsafe.Sizeof(z) == 4 && transpose4(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), dstStep, srcStep, rows, columns) {
		return
	}
	for r := 0; r < rows; r += edge {
		n := min(edge, rows-r)
		for c := range columns {
			p := r*srcStep + c
			for i := range dst[c*dstStep+r : c*dstStep+r+n] {
				dst[c*dstStep+r+i] = src[p]
				p += srcStep
			}
		}
	}
}
