package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// TestParts: the parts of a matrix have all of its columns once, and compute what the whole does.
func TestParts(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for _, n := range []int{1, 7, 16, 17, 64, 97, 200, 331} {
			for _, most := range []int{1, 2, 3, 8} {
				const m, k = 5, 19
				x, w, b := make([]int8, m*k), make([]int8, n*k), make([]int32, n)
				fx, fw, fb := make([]float32, m*k), make([]float32, n*k), make([]float32, n)
				for i := range x {
					x[i] = int8(r.IntN(256) - 128)
					fx[i] = float32(x[i])
				}
				for i := range w {
					w[i] = int8(r.IntN(256) - 128)
					fw[i] = float32(w[i])
				}
				for i := range b {
					b[i] = int32(r.IntN(2000) - 1000)
					fb[i] = float32(b[i])
				}
				ints := PackS8(w, n, k, b, 3, 0, requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-9}, Min: -128, Max: 127})
				floats := PackF32(fw, n, k, fb, -1e6, 1e6)
				want, got := make([]int8, m*n), make([]int8, m*n)
				fwant, fgot := make([]float32, m*n), make([]float32, m*n)
				S8(want, n, x, k, m, ints, make([]byte, ints.Scratch(m)))
				F32(fwant, n, fx, k, m, floats)
				next := 0
				for _, p := range ints.Parts(most) {
					if p.First != next {
						t.Fatalf("%d columns in %d parts: int8 part begins at %d instead of %d", n, most, p.First, next)
					}
					next += p.W.N
					S8(got[p.First:], n, x, k, m, p.W, make([]byte, p.W.Scratch(m)))
				}
				if next != n || !slices.Equal(got, want) {
					t.Fatalf("%d columns in %d parts: int8 results differ, %d columns", n, most, next)
				}
				next = 0
				for _, p := range floats.Parts(most) {
					if p.First != next {
						t.Fatalf("%d columns in %d parts: float32 part begins at %d instead of %d", n, most, p.First, next)
					}
					next += p.W.N
					F32(fgot[p.First:], n, fx, k, m, p.W)
				}
				if next != n || !slices.Equal(fgot, fwant) {
					t.Fatalf("%d columns in %d parts: float32 results differ, %d columns", n, most, next)
				}
			}
		}
	})
}
