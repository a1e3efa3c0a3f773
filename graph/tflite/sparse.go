package tflite

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// A sparse constant may become this many times the file, and some bytes that any file may have.
const (
	denseTimes = 16
	denseSlack = 16 << 20
)

// level is one dimension of a sparse constant in the order in which its values are stored: dense with an extent, or compressed, where the
// entries of parent p are indices[segments[p]:segments[p+1]].
type level struct {
	size              int
	compressed        bool
	segments, indices []int64
}

// densify expands a constant with sparsity parameters: dimensions in any order, each dense or compressed (CSR), the last ones maybe blocks of
// earlier ones. It follows the format that the comments of TFLite's schema describe for SparsityParameters.
func (r *reader) densify(v *graph.Value, data []byte, p table) ([]byte, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: sparse storage: "+format, append([]any{graph.ErrDamaged}, args...)...)
	}
	n, err := v.Shape.Elems()
	if err != nil {
		return nil, bad("%w", err)
	}
	if v.DType == tensor.Invalid || v.DType == tensor.S4 {
		return nil, bad("values of type %s", v.DType)
	}
	size := v.DType.Bytes(1)
	if n > r.dense/size {
		return nil, fmt.Errorf("%w: sparse constants become more than %d times the file", graph.ErrDamaged, denseTimes)
	}
	r.dense -= n * size
	order, blocks, dims := p.vec(0, 4).limited("traversed axes", 2*maxRank), p.vec(1, 4).limited("blocked axes", maxRank), p.vec(2, 4).limited("axes", 2*maxRank)
	rank := len(v.Shape)
	if order.n != dims.n || order.n != rank+blocks.n {
		return nil, bad("%d axes of %d and %d blocks have %d descriptions", order.n, rank, blocks.n, dims.n)
	}
	levels := make([]level, order.n)
	axis := make([]int, order.n)   // which axis of the expanded tensor each level walks; axes from rank on are blocks
	seen := make([]bool, order.n)  // every axis once
	blockSize := make([]int, rank) // extent of the block along each axis
	blockAxis := make([]int, rank) // number of the block's axis, or -1
	for a := range rank {
		blockSize[a], blockAxis[a] = 1, -1
	}
	for b := range blocks.n {
		a := int(blocks.i32(b))
		if a < 0 || a >= rank || blockAxis[a] >= 0 {
			return nil, bad("block %d belongs to axis %d", b, a)
		}
		blockAxis[a] = rank + b
	}
	for i := range levels {
		a := int(order.i32(i))
		if a < 0 || a >= order.n || seen[a] {
			return nil, bad("axis %d is traversed twice or unknown", a)
		}
		axis[i], seen[a] = a, true
		t := dims.table(i)
		l := &levels[i]
		l.size, l.compressed = int(t.i32(1, 0)), t.i8(0, 0) == 1
		if l.compressed {
			l.segments, l.indices = r.indexVector(t, 2), r.indexVector(t, 4)
		} else if l.size < 1 {
			return nil, bad("axis %d has the extent %d", a, l.size)
		}
		for b := range rank {
			if blockAxis[b] == a {
				if l.compressed {
					return nil, bad("the block of axis %d is compressed", b)
				}
				blockSize[b] = l.size
			}
		}
	}
	if r.f.err != nil {
		return nil, r.f.err
	}
	e := &expander{levels: levels, axis: axis, rank: rank, shape: v.Shape, blockSize: blockSize, blockAxis: blockAxis, size: size, src: data, dst: make([]byte, n*size), at: make([]int, order.n), steps: 2*n + 1<<10}
	if !e.walk(0, 0) || len(e.src) != 0 {
		return nil, bad("the index does not fit %d bytes of values and the shape %v", len(data), v.Shape)
	}
	return e.dst, nil
}

// indexVector reads the union of vectors of int32, uint16 or uint8 whose type is in slot and whose value is in the one after it.
func (r *reader) indexVector(t table, slot int) []int64 {
	size, ok := map[int8]int{1: 4, 2: 2, 3: 1}[t.i8(slot, 0)]
	if !ok {
		return nil
	}
	v := t.sub(slot+1).vec(0, size).limited("sparse indices", 1<<26)
	out := make([]int64, v.n)
	for i := range out {
		at := v.pos + int64(i*size)
		switch size {
		case 1:
			out[i] = int64(r.f.u8(at))
		case 2:
			out[i] = int64(r.f.u16(at))
		case 4:
			out[i] = int64(int32(r.f.u32(at)))
		}
	}
	return out
}

// expander walks the levels of a sparse constant and puts its values where they belong.
type expander struct {
	levels    []level
	axis      []int
	rank      int
	shape     tensor.Shape
	blockSize []int
	blockAxis []int
	size      int
	src, dst  []byte
	at        []int // index along each axis of the expanded tensor
	steps     int   // that the walk may still take
}

// walk visits level i below entry parent of the level before it; false when the data does not fit.
func (e *expander) walk(i, parent int) bool {
	if e.steps--; e.steps < 0 {
		return false
	}
	if i == len(e.levels) {
		return e.put()
	}
	l := &e.levels[i]
	if !l.compressed {
		for k := range l.size {
			e.at[e.axis[i]] = k
			if !e.walk(i+1, parent*l.size+k) {
				return false
			}
		}
		return true
	}
	if parent < 0 || parent+1 >= len(l.segments) {
		return false
	}
	from, to := l.segments[parent], l.segments[parent+1]
	if from < 0 || to < from || to > int64(len(l.indices)) {
		return false
	}
	for k := from; k < to; k++ {
		if l.indices[k] < 0 || l.indices[k] > tensor.MaxElems {
			return false
		}
		e.at[e.axis[i]] = int(l.indices[k])
		if !e.walk(i+1, int(k)) {
			return false
		}
	}
	return true
}

// put stores the next value at the position that the levels stand at.
func (e *expander) put() bool {
	o := 0
	for a := range e.rank {
		k := e.at[a] * e.blockSize[a]
		if b := e.blockAxis[a]; b >= 0 {
			k += e.at[b]
		}
		if k >= e.shape[a] {
			return false
		}
		o = o*e.shape[a] + k
	}
	if len(e.src) < e.size {
		return false
	}
	copy(e.dst[o*e.size:], e.src[:e.size])
	e.src = e.src[e.size:]
	return true
}
