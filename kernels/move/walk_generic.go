package move

import "unsafe"

// MaxAxes bounds the axes of a Walk, whose counters stay on the stack: twice the axes of a tensor, because repeating an axis splits it in two.
const MaxAxes = 16

// Walk describes data in memory order on one side and with one stride per axis on the other.
type Walk struct {
	Rank   int
	Dims   [MaxAxes]int // extents of the side in memory order
	Stride [MaxAxes]int // elements of the other side per step of each axis; may be negative or zero
	Base   int          // first element of the other side
}

// NewWalk drops axes of extent 1 and joins neighbours that lie next to each other on the strided side. At most MaxAxes axes may remain.
func NewWalk(dims, stride []int, base int) Walk {
	w := Walk{Base: base}
	for i, d := range dims {
		if d == 1 {
			continue
		}
		if k := w.Rank - 1; k >= 0 && w.Stride[k] == d*stride[i] {
			w.Dims[k] *= d
			w.Stride[k] = stride[i]
			continue
		}
		w.Dims[w.Rank], w.Stride[w.Rank] = d, stride[i]
		w.Rank++
	}
	if w.Rank == 0 {
		w.Rank, w.Dims[0], w.Stride[0] = 1, 1, 1
	}
	return w
}

// Straight reports whether the walk keeps the order of all elements without gaps.
func (w *Walk) Straight() bool { return w.Rank == 1 && w.Stride[0] == 1 }

// Copy fills dst, which is in memory order, from the strided src. They do not overlap.
func Copy[T any](dst, src []T, w *Walk) {
	if len(dst) == 0 {
		return
	}
	if axis, ok := w.across(); ok {
		copyMatrices(dst, src, w, axis)
		return
	}
	n, step, rows, rowStep := w.inner()
	const near = 1 << 13                                                  // elements that stay in the first-level cache, so that the order of writes does not matter
	if step == 1 && w.Rank == 3 && w.Dims[0] > rows && len(dst) <= near { // the longer axis inside
		for r := range rows {
			copyRows(dst, src, r*n, w.Base+r*rowStep, n, w.Dims[0], rows*n, w.Stride[0])
		}
		return
	}
	var at [MaxAxes]int
	pos := w.Base
	for ; len(dst) > 0; dst, pos = dst[n*rows:], w.next(&at, pos) {
		if step == 1 {
			copyRows(dst, src, 0, pos, n, rows, n, rowStep)
			continue
		}
		p := pos
		for r := range rows {
			q := p
			for i := range dst[r*n : r*n+n] {
				dst[r*n+i] = src[q]
				q += step
			}
			p += rowStep
		}
	}
}

// Place writes src, which is in memory order, to the strided dst and leaves the rest of dst alone. They do not overlap.
func Place[T any](dst, src []T, w *Walk) {
	n, step, rows, rowStep := w.inner()
	var at [MaxAxes]int
	pos := w.Base
	for ; len(src) > 0; src, pos = src[n*rows:], w.next(&at, pos) {
		if step == 1 {
			copyRows(dst, src, pos, 0, n, rows, rowStep, n)
			continue
		}
		p := pos
		for r := range rows {
			q := p
			for _, v := range src[r*n : r*n+n] {
				dst[q] = v
				q += step
			}
			p += rowStep
		}
	}
}

// inner returns extent and stride of the two innermost axes.
func (w *Walk) inner() (n, step, rows, rowStep int) {
	last := w.Rank - 1
	if last == 0 {
		return w.Dims[0], w.Stride[0], 1, 0
	}
	return w.Dims[last], w.Stride[last], w.Dims[last-1], w.Stride[last-1]
}

// next counts on along the axes but the two innermost and returns the first element on the strided side.
func (w *Walk) next(at *[MaxAxes]int, pos int) int {
	for i := w.Rank - 3; i >= 0; i-- {
		at[i]++
		pos += w.Stride[i]
		if at[i] < w.Dims[i] {
			break
		}
		pos -= w.Stride[i] * w.Dims[i]
		at[i] = 0
	}
	return pos
}

// copyRows copies rows of n elements from src[from:] to dst[to:], each side with its step.
func copyRows[T any](dst, src []T, to, from, n, rows, dstStep, srcStep int) {
	var z T
	size := int(unsafe.Sizeof(z))
	if rows > 1 && n > 0 {
		// The first and the last row of both sides lie within the slices.
		lastTo, lastFrom := to+(rows-1)*dstStep, from+(rows-1)*srcStep
		_, _, _, _ = dst[to:to+n], src[from:from+n], dst[lastTo:lastTo+n], src[lastFrom:lastFrom+n]
		if copyRowsAsm(unsafe.Pointer(&dst[to]), unsafe.Pointer(&src[from]), n*size, rows, dstStep*size, srcStep*size) {
			return
		}
		if copyShortRows(unsafe.Pointer(&dst[to]), unsafe.Pointer(&src[from]), n*size, rows, dstStep*size, srcStep*size) {
			return
		}
	}
	for range rows {
		copy(dst[to:to+n], src[from:from+n])
		to += dstStep
		from += srcStep
	}
}

// copyShortRows copies rows of n bytes that two or four vectors of 16 bytes cover, where a call of the runtime's copy for each takes most of the time; false
// for other lengths. What the vectors cover twice is written twice.
func copyShortRows(dst, src unsafe.Pointer, n, rows, dstStep, srcStep int) bool {
	type vector = [16]byte
	last := uintptr(n - 16)
	switch {
	case n < 16 || n > 64:
		return false
	case n <= 32:
		for i := range rows {
			to, from := unsafe.Add(dst, i*dstStep), unsafe.Add(src, i*srcStep)
			*(*vector)(to) = *(*vector)(from)
			*(*vector)(unsafe.Add(to, last)) = *(*vector)(unsafe.Add(from, last))
		}
	default:
		for i := range rows {
			to, from := unsafe.Add(dst, i*dstStep), unsafe.Add(src, i*srcStep)
			*(*vector)(to) = *(*vector)(from)
			*(*vector)(unsafe.Add(to, 16)) = *(*vector)(unsafe.Add(from, 16))
			*(*vector)(unsafe.Add(to, last-16)) = *(*vector)(unsafe.Add(from, last-16))
			*(*vector)(unsafe.Add(to, last)) = *(*vector)(unsafe.Add(from, last))
		}
	}
	return true
}

// CopyRows copies rows of n bytes that are dstStep and srcStep bytes apart. The sides do not overlap.
func CopyRows(dst, src []byte, n, rows, dstStep, srcStep int) {
	if n > 0 {
		copyRows(dst, src, 0, 0, n, rows, dstStep, srcStep)
	}
}

// Border describes data with a mirrored border. Axes are those of the data; Before and After are at most Dims, less Skip.
type Border struct {
	Dims, Before, After []int
	Skip                int // 1 leaves out the outermost element itself (reflect), 0 repeats it (symmetric)
}

// source returns the index along axis k that output index i shows.
func (b *Border) source(k, i int) int {
	if i < b.Before[k] {
		return b.Before[k] - 1 + b.Skip - i
	}
	i -= b.Before[k]
	if d := b.Dims[k]; i >= d {
		return 2*d - 1 - b.Skip - i
	}
	return i
}

// Mirror fills dst with src inside of its border.
func Mirror[T any](dst, src []T, b *Border) {
	last := len(b.Dims) - 1
	d, before, after := b.Dims[last], b.Before[last], b.After[last]
	var at [MaxAxes]int
	for len(dst) > 0 {
		row := 0
		for k := range last {
			row = row*b.Dims[k] + b.source(k, at[k])
		}
		from := src[row*d : row*d+d]
		for i := range dst[:before] {
			dst[i] = from[before-1+b.Skip-i]
		}
		copy(dst[before:before+d], from)
		for i := range dst[before+d : before+d+after] {
			dst[before+d+i] = from[d-1-b.Skip-i]
		}
		dst = dst[before+d+after:]
		for k := last - 1; k >= 0; k-- {
			at[k]++
			if at[k] < b.Before[k]+b.Dims[k]+b.After[k] {
				break
			}
			at[k] = 0
		}
	}
}
