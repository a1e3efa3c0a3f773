package vec

import "wayside/kernels/requant"

// Number is an element type of unquantized arithmetic.
type Number interface {
	~int8 | ~uint8 | ~int16 | ~int32 | ~int64 | ~uint32 | ~uint64 | ~float32
}

// ReduceOp is how a reduction joins two values.
type ReduceOp uint8

// The reductions. Integers wrap around; a NaN is never taken as largest or least value.
const (
	ReduceSum ReduceOp = iota
	ReduceProd
	ReduceMax
	ReduceMin
)

// maxReduceRank bounds the axes of an input, so that the counters lie on the stack.
const maxReduceRank = 8

// Reduction says to which element of the result each element of a row-major input belongs. It is read-only after NewReduction.
type Reduction struct {
	rank         int
	dims, stride [maxReduceRank]int // stride of the result along each axis of the input, 0 where it is reduced; the last is 0 or 1
	Ins, Outs    int                // elements of the input and of the result
	N            int                // elements of the input for each one of the result
}

// NewReduction reduces a shape of at most 8 axes over the given ones. Axes of extent 1 go and neighbours of one kind are joined.
func NewReduction(shape, axes []int) *Reduction {
	if len(shape) > maxReduceRank {
		panic("vec: too many axes")
	}
	var gone [maxReduceRank]bool
	for _, a := range axes {
		gone[a] = true
	}
	r := &Reduction{Ins: 1, Outs: 1, N: 1}
	var kept [maxReduceRank]bool
	for i, d := range shape {
		r.Ins *= d
		if gone[i] {
			r.N *= d
		} else {
			r.Outs *= d
		}
		if d == 1 {
			continue
		}
		if k := r.rank - 1; k >= 0 && kept[k] == !gone[i] {
			r.dims[k] *= d
			continue
		}
		r.dims[r.rank], kept[r.rank] = d, !gone[i]
		r.rank++
	}
	if r.rank == 0 {
		r.rank, r.dims[0], kept[0] = 1, 1, true
	}
	n := 1
	for k := r.rank - 1; k >= 0; k-- {
		if kept[k] {
			r.stride[k] = n
			n *= r.dims[k]
		}
	}
	return r
}

// next moves the counters of all axes but the last on by one row and returns the place in the result.
func (r *Reduction) next(at *[maxReduceRank]int, o int) int {
	for k := r.rank - 2; k >= 0; k-- {
		at[k]++
		o += r.stride[k]
		if at[k] < r.dims[k] {
			break
		}
		o -= r.stride[k] * r.dims[k]
		at[k] = 0
	}
	return o
}

// Reduce joins every element of src to its element of acc, which the caller has set to a start value, in the order of src.
func Reduce[A, T Number](acc []A, src []T, r *Reduction, op ReduceOp) {
	if len(acc) != r.Outs || len(src) != r.Ins {
		panic("vec: slice length mismatch")
	}
	n := r.dims[r.rank-1]
	var at [maxReduceRank]int
	o := 0
	for ; len(src) > 0; src = src[n:] {
		if r.stride[r.rank-1] == 0 {
			acc[o] = fold(acc[o], src[:n], op)
		} else {
			merge(acc[o:o+n], src[:n], op)
		}
		o = r.next(&at, o)
	}
}

func fold[A, T Number](a A, src []T, op ReduceOp) A {
	switch op {
	case ReduceSum:
		for _, v := range src {
			a += A(v)
		}
	case ReduceProd:
		for _, v := range src {
			a *= A(v)
		}
	case ReduceMax:
		for _, v := range src {
			if A(v) > a {
				a = A(v)
			}
		}
	case ReduceMin:
		for _, v := range src {
			if A(v) < a {
				a = A(v)
			}
		}
	}
	return a
}

func merge[A, T Number](acc []A, src []T, op ReduceOp) {
	src = src[:len(acc)]
	switch op {
	case ReduceSum:
		for i, v := range src {
			acc[i] += A(v)
		}
	case ReduceProd:
		for i, v := range src {
			acc[i] *= A(v)
		}
	case ReduceMax:
		for i, v := range src {
			if A(v) > acc[i] {
				acc[i] = A(v)
			}
		}
	case ReduceMin:
		for i, v := range src {
			if A(v) < acc[i] {
				acc[i] = A(v)
			}
		}
	}
}

// ReduceProdQ multiplies quantized values: the first of each element of the result is taken minus zero, and after every
// further one the product is scaled by m and shift, with the arithmetic of requant.Mul64.
func ReduceProdQ[T int8 | int16](acc []int32, src []T, r *Reduction, zero, m, shift int32) {
	if len(acc) != r.Outs || len(src) != r.Ins {
		panic("vec: slice length mismatch")
	}
	last := r.rank - 1
	n := r.dims[last]
	var at [maxReduceRank]int
	o := 0
	for ; len(src) > 0; src = src[n:] {
		row := src[:n]
		first := true
		for k := range last {
			first = first && (r.stride[k] != 0 || at[k] == 0)
		}
		out := acc[o:]
		switch {
		case r.stride[last] == 0:
			if first {
				out[0], row = int32(row[0])-zero, row[1:]
			}
			for _, v := range row {
				out[0] = requant.Mul64(int64(out[0])*int64(int32(v)-zero), m, shift)
			}
		case first:
			for i, v := range row {
				out[i] = int32(v) - zero
			}
		default:
			for i, v := range row {
				out[i] = requant.Mul64(int64(out[i])*int64(int32(v)-zero), m, shift)
			}
		}
		o = r.next(&at, o)
	}
}

// Segments joins every row of src, len(src)/len(ids) elements long, to the row of dst that its id names; rows with negative ids are left
// out. It reports whether all ids have a row.
func Segments[T Number](dst, src []T, ids []int32, rows int, op ReduceOp) bool {
	if len(ids) == 0 || rows == 0 {
		return len(ids) == 0
	}
	n := len(src) / len(ids)
	if len(src) != n*len(ids) || len(dst) != n*rows {
		panic("vec: slice length mismatch")
	}
	for i, id := range ids {
		if int(id) >= rows {
			return false
		}
		if id >= 0 {
			merge(dst[int(id)*n:int(id)*n+n], src[i*n:], op)
		}
	}
	return true
}
