package vec

import "unsafe"

// SumF32 is Reduce with ReduceSum for float32. Kernels add along the last axis in another order.
func SumF32(acc, src []float32, r *Reduction) { sum(acc, src, r, false) }

// SumS8 is Reduce with ReduceSum for int8.
func SumS8(acc []int32, src []int8, r *Reduction) { sum(acc, src, r, true) }

// sum gives kernels the two innermost axes at once: neighbours in a Reduction differ in kind, so that one of them is reduced.
func sum[A, T Number](acc []A, src []T, r *Reduction, small bool) {
	if len(acc) != r.Outs || len(src) != r.Ins {
		panic("vec: slice length mismatch")
	}
	outer := *r
	outer.rank = max(r.rank-1, 1)
	n, rows := r.dims[r.rank-1], 1
	if r.rank > 1 {
		rows = r.dims[r.rank-2]
	}
	across := r.stride[r.rank-1] != 0
	var at [maxReduceRank]int
	o := 0
	for ; len(src) > 0; src = src[rows*n:] {
		if !sumAsm(unsafe.Pointer(&acc[o]), unsafe.Pointer(&src[0]), rows, n, across, small) {
			for i := range rows {
				if across {
					merge(acc[o:o+n], src[i*n:(i+1)*n], ReduceSum)
				} else {
					acc[o+i] = fold(acc[o+i], src[i*n:(i+1)*n], ReduceSum)
				}
			}
		}
		o = outer.next(&at, o)
	}
}
