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

// TestCopyRows copies rows of many lengths between guarded memories, and leaves what lies between rows alone.
func TestCopyRows(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 3, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 127, 128, 129, 200, 511, 512, 513, 700} {
			for _, rows := range []int{0, 1, 2, 5} {
				for _, gap := range []int{0, 1, 70} {
					for _, atEnd := range []bool{false, true} {
						length := max(rows-1, 0)*(n+gap) + min(rows, 1)*n
						src, dst := kerneltest.Guarded[byte](t, length, atEnd), kerneltest.Guarded[byte](t, rows*n, atEnd)
						for i := range src {
							src[i] = byte(i*5 + 1)
						}
						CopyRows(dst, src, n, rows, n, n+gap)
						back := make([]byte, length)
						CopyRows(back, dst, n, rows, n+gap, n)
						for r := range rows {
							at := r * (n + gap)
							if !slices.Equal(dst[r*n:r*n+n], src[at:at+n]) || !slices.Equal(back[at:at+n], src[at:at+n]) {
								t.Fatalf("n=%d: row %d of %d differs", n, r, rows)
							}
							for i := at + n; i < min(at+n+gap, length); i++ {
								if back[i] != 0 {
									t.Fatalf("n=%d: wrote between rows", n)
								}
							}
						}
					}
				}
			}
		}
	})
}
