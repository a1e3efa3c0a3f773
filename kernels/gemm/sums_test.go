package gemm

import (
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestSums compares packed sums with the plain ones, among them those of −128 alone, and makes sure that nothing behind them is written.
func TestSums(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range sizesN {
			for _, k := range sizesK {
				m := sizesM[r.IntN(len(sizesM))]
				ldx, ldd := k+r.IntN(3), n+r.IntN(3)
				w := make([]int8, n*k)
				x := kerneltest.Guarded[int8](t, max((m-1)*ldx+k, 0), r.IntN(2) == 0)
				least := r.IntN(3) == 0
				for _, s := range [][]int8{w, x} {
					for i := range s {
						if s[i] = -128; !least {
							s[i] = int8(r.IntN(256) - 128)
						}
					}
				}
				size := max((m-1)*ldd+n, 0)
				got, want := kerneltest.Guarded[int32](t, size, r.IntN(2) == 0), make([]int32, size)
				for i := range got {
					got[i], want[i] = 99, 99
				}
				RowsS32(want, ldd, x, ldx, m, w, n, k)
				p := PackSums(w, n, k)
				p.Run(got, ldd, x, ldx, m, scratchFor(t, p.Scratch(m)))
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("m=%d n=%d k=%d %s: element %d: got %d, want %d", m, n, k, p.ID(), i, got[i], want[i])
					}
				}
			}
		}
	})
}
