package move

// Index is what data may be selected by.
type Index interface{ int16 | int32 | int64 }

// Rows describes data as [Batch, Outer, Extent, Block] and indices as [Batch, N]: one block of each outer row per index.
type Rows struct{ Batch, Outer, Extent, Block, N int }

// Gather copies block idx[b][i] of the rows of each batch to dst[b][o][i]. wrap lets negative indices count from the end. It returns the
// place of the first index that is out of range, or -1.
func Gather[I Index](dst, src []byte, idx []I, r *Rows, wrap bool) int {
	for b := range r.Batch {
		list := idx[b*r.N : (b+1)*r.N]
		for range r.Outer {
			from := src[:r.Extent*r.Block]
			for i, v := range list {
				k := int64(v)
				if wrap && k < 0 {
					k += int64(r.Extent)
				}
				if k < 0 || k >= int64(r.Extent) {
					return b*r.N + i
				}
				copy(dst[:r.Block], from[int(k)*r.Block:])
				dst = dst[r.Block:]
			}
			src = src[r.Extent*r.Block:]
		}
	}
	return -1
}

// Points describes tuples of indices: each names one block of data along its leading axes.
type Points struct {
	Dims   []int // extents of the leading axes, one per index of a tuple
	Stride []int // elements of the data per step along them
	Block  int   // elements of a block
	N      int   // tuples
}

// at returns the first element that a tuple names, or -1 when one of its indices is out of range.
func at[I Index](p *Points, tuple []I) int {
	pos := 0
	for k, v := range tuple {
		if int64(v) < 0 || int64(v) >= int64(p.Dims[k]) {
			return -1
		}
		pos += int(v) * p.Stride[k]
	}
	return pos
}

// GatherPoints copies the block of each tuple to dst. It returns the first tuple that is out of range, or -1.
func GatherPoints[I Index](dst, src []byte, idx []I, p *Points) int {
	d := len(p.Dims)
	for i := range p.N {
		pos := at(p, idx[i*d:(i+1)*d])
		if pos < 0 {
			return i
		}
		copy(dst[i*p.Block:(i+1)*p.Block], src[pos:])
	}
	return -1
}

// PutPoints writes a block of values for each tuple, step elements after the one before, to where the tuple says; the last of several
// for one place stays. It returns the first tuple that is out of range, or -1.
func PutPoints[I Index](dst, values []byte, idx []I, p *Points, step int) int {
	d := len(p.Dims)
	for i := range p.N {
		pos := at(p, idx[i*d:(i+1)*d])
		if pos < 0 {
			return i
		}
		copy(dst[pos:pos+p.Block], values[i*step:])
	}
	return -1
}

// Number is what ScatterPoints adds up.
type Number interface {
	uint8 | int8 | int32 | int64 | float32
}

// ScatterPoints adds each block of updates to the block of dst that its tuple names, in order. It returns the first tuple
// that is out of range, or -1.
func ScatterPoints[T Number, I Index](dst, updates []T, idx []I, p *Points) int {
	d := len(p.Dims)
	for i := range p.N {
		pos := at(p, idx[i*d:(i+1)*d])
		if pos < 0 {
			return i
		}
		to := dst[pos : pos+p.Block]
		for k, v := range updates[i*p.Block : (i+1)*p.Block] {
			to[k] += v
		}
	}
	return -1
}

// OrPoints is ScatterPoints for truth values: what any update or dst itself names is 1.
func OrPoints[I Index](dst, updates []byte, idx []I, p *Points) int {
	d := len(p.Dims)
	for i := range p.N {
		pos := at(p, idx[i*d:(i+1)*d])
		if pos < 0 {
			return i
		}
		to := dst[pos : pos+p.Block]
		for k, v := range updates[i*p.Block : (i+1)*p.Block] {
			to[k] |= min(v, 1)
		}
	}
	return -1
}

// OneHot fills dst as [outer, depth, inner] with off, and with on where idx, as [outer, inner], names the row. Only the low 32
// bits of an index count; one that names no row leaves off.
func OneHot[T any, I Index](dst []T, idx []I, outer, depth, inner int, on, off T) {
	for i := range dst {
		dst[i] = off
	}
	for o := range outer {
		for i, v := range idx[o*inner : (o+1)*inner] {
			if k := int(int32(v)); k >= 0 && k < depth {
				dst[(o*depth+k)*inner+i] = on
			}
		}
	}
}

// Sequences describes data as [Outer, Batch, Middle, Steps, Block], or with BatchLast as [Outer, Steps, Middle, Batch, Block]. Block counts bytes.
type Sequences struct {
	Outer, Batch, Middle, Steps, Block int
	BatchLast                          bool
}

// ReverseSequences copies src to dst with the first lengths[b] steps of batch b in reverse order. It returns the first batch
// whose length is out of range, or -1.
func ReverseSequences[I Index](dst, src []byte, lengths []I, s *Sequences) int {
	for b, n := range lengths[:s.Batch] {
		if int64(n) < 0 || int64(n) > int64(s.Steps) {
			return b
		}
	}
	first, last := s.Batch, s.Steps
	if s.BatchLast {
		first, last = s.Steps, s.Batch
	}
	for o := range s.Outer {
		for f := range first {
			for m := range s.Middle {
				for l := range last {
					b, step := f, l
					if s.BatchLast {
						b, step = l, f
					}
					if n := int(lengths[b]); step < n {
						step = n - 1 - step
					}
					tf, tl := f, step
					if s.BatchLast {
						tf, tl = step, l
					}
					to := (((o*first+tf)*s.Middle+m)*last + tl) * s.Block
					from := (((o*first+f)*s.Middle+m)*last + l) * s.Block
					copy(dst[to:to+s.Block], src[from:from+s.Block])
				}
			}
		}
	}
	return -1
}
