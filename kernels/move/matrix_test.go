package move

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestTranspose compares Copy of large permuted data with a loop over all elements, on every tier and next to pages that must not be touched.
func TestTranspose(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 150 {
			dims := make([]int, 2+r.IntN(3))
			n := 1
			for i := range dims {
				dims[i] = 1 + r.IntN(24)
				if len(dims) == 4 {
					dims[i] = 1 + r.IntN(11)
				}
				n *= dims[i]
			}
			stride, step := make([]int, len(dims)), 1
			for _, a := range r.Perm(len(dims)) {
				stride[a] = step
				step *= dims[a]
			}
			permuted[uint32](t, dims, stride, n)
			permuted[uint8](t, dims, stride, n)
		}
	})
}

func permuted[T uint8 | uint32](t *testing.T, dims, stride []int, n int) {
	t.Helper()
	for _, atEnd := range []bool{false, true} {
		src, dst, want := kerneltest.Guarded[T](t, n, atEnd), kerneltest.Guarded[T](t, n, atEnd), make([]T, n)
		for i := range src {
			src[i] = T(i * 7)
		}
		at := make([]int, len(dims))
		for i := range want {
			from := 0
			for k := range at {
				from += at[k] * stride[k]
			}
			want[i] = src[from]
			for k := len(dims) - 1; k >= 0; k-- {
				if at[k]++; at[k] < dims[k] {
					break
				}
				at[k] = 0
			}
		}
		w := NewWalk(dims, stride, 0)
		Copy(dst, src, &w)
		if !slices.Equal(dst, want) {
			t.Fatalf("%v by %v differs", dims, stride)
		}
	}
}
