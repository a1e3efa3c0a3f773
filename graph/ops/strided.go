package ops

import "wayside/graph/tensor"

// strided describes a copy that walks its output in order and its input with one stride per output axis.
type strided struct {
	rank   int
	dims   [maxRank]int // output extents
	stride [maxRank]int // input elements per step of each output axis; may be negative or zero
	base   int          // first input element
	size   int          // bytes per element
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

// newStrided drops axes of extent 1 and joins neighbours that lie next to each other in the input.
func newStrided(dims, stride []int, base, size int) strided {
	s := strided{base: base, size: size}
	for i, d := range dims {
		if d == 1 {
			continue
		}
		if k := s.rank - 1; k >= 0 && s.stride[k] == d*stride[i] {
			s.dims[k] *= d
			s.stride[k] = stride[i]
			continue
		}
		s.dims[s.rank], s.stride[s.rank] = d, stride[i]
		s.rank++
	}
	if s.rank == 0 {
		s.rank, s.dims[0], s.stride[0] = 1, 1, 1
	}
	return s
}

// straight reports whether the copy keeps the order of all elements.
func (s *strided) straight() bool { return s.rank == 1 && s.stride[0] == 1 }

// copy fills dst from src.
func (s *strided) copy(dst, src []byte) {
	switch s.size {
	case 1:
		stridedCopy(dst, src, s)
	case 2:
		stridedCopy(tensor.As[uint16](dst, 2), tensor.As[uint16](src, 2), s)
	case 4:
		stridedCopy(tensor.As[uint32](dst, 4), tensor.As[uint32](src, 4), s)
	case 8:
		stridedCopy(tensor.As[uint64](dst, 8), tensor.As[uint64](src, 8), s)
	}
}

func stridedCopy[T any](dst, src []T, s *strided) {
	if len(dst) == 0 {
		return
	}
	last := s.rank - 1
	n, step := s.dims[last], s.stride[last]
	var at [maxRank]int
	pos := s.base
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
		for i := last - 1; i >= 0; i-- {
			at[i]++
			pos += s.stride[i]
			if at[i] < s.dims[i] {
				break
			}
			pos -= s.stride[i] * s.dims[i]
			at[i] = 0
		}
	}
}
