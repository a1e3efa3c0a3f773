package move

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

// Copy fills dst, which is in memory order, from the strided src.
func Copy[T any](dst, src []T, w *Walk) {
	if len(dst) == 0 {
		return
	}
	if axis, ok := w.across(); ok {
		copyMatrices(dst, src, w, axis)
		return
	}
	last := w.Rank - 1
	n, step := w.Dims[last], w.Stride[last]
	var at [MaxAxes]int
	pos := w.Base
	for {
		if step == 1 {
			copy(dst[:n], src[pos:pos+n])
		} else {
			p := pos
			for i := range dst[:n] {
				dst[i] = src[p]
				p += step
			}
		}
		dst = dst[n:]
		if len(dst) == 0 {
			return
		}
		pos = w.next(&at, pos)
	}
}

// Place writes src, which is in memory order, to the strided dst and leaves the rest of dst alone.
func Place[T any](dst, src []T, w *Walk) {
	if len(src) == 0 {
		return
	}
	last := w.Rank - 1
	n, step := w.Dims[last], w.Stride[last]
	var at [MaxAxes]int
	pos := w.Base
	for {
		if step == 1 {
			copy(dst[pos:pos+n], src[:n])
		} else {
			p := pos
			for _, v := range src[:n] {
				dst[p] = v
				p += step
			}
		}
		src = src[n:]
		if len(src) == 0 {
			return
		}
		pos = w.next(&at, pos)
	}
}

// next counts to the next run along the innermost axis and returns its first element.
func (w *Walk) next(at *[MaxAxes]int, pos int) int {
	for i := w.Rank - 2; i >= 0; i-- {
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
