package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"wayside/kernels/requant"
)

// TestRows compares unpacked weights with the packed kernel, and all that lies between the rows must stay.
func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, c := range []struct{ m, n, k int }{{0, 4, 4}, {1, 1, 1}, {1, 3, 0}, {2, 4, 7}, {3, 5, 8}, {5, 8, 31}, {4, 9, 33}, {13, 31, 127}} {
		t.Run(fmt.Sprintf("m=%d/n=%d/k=%d", c.m, c.n, c.k), func(t *testing.T) {
			ldx, ldd := c.k+3, c.n+2
			x, w := make([]int8, c.m*ldx), make([]int8, c.n*c.k)
			for _, s := range [][]int8{x, w} {
				for i := range s {
					s[i] = int8(r.IntN(256) - 128)
				}
			}
			bias, wide := make([]int32, c.n), make([]int64, c.n)
			for i := range bias {
				bias[i] = int32(r.IntN(20000) - 10000)
				wide[i] = int64(bias[i])
			}
			q := Quant{XZero: 5, WZero: -9, Bias: wide, Params: requant.Params{Mult: []int32{0x4e000001}, Shift: []int32{-8}, Zero: 3, Min: -120, Max: 101}}
			got, want := make([]int8, c.m*ldd), make([]int8, c.m*ldd)
			for i := range got {
				got[i], want[i] = 99, 99
			}
			Rows(got, ldd, x, ldx, c.m, w, c.n, c.k, &q)
			packed := PackS8(w, c.n, c.k, bias, 5, -9, q.Params)
			S8(want, ldd, x, ldx, c.m, packed, make([]byte, packed.Scratch(c.m)))
			sums := make([]int32, c.m*ldd)
			RowsS32(sums, ldd, x, ldx, c.m, w, c.n, c.k)
			f := make([]float32, c.m*ldd)
			HybridRows(f, ldd, x, ldx, c.m, w, c.n, c.k, &Hybrid{Scale: []float32{0.5}, Min: -1e9, Max: 1e9}, 2, 0)
			for i := range got {
				if got[i] != want[i] || f[i] != float32(sums[i]) {
					t.Fatalf("element %d: %d, packed %d; %v, as integers %d", i, got[i], want[i], f[i], sums[i])
				}
			}
		})
	}
}
