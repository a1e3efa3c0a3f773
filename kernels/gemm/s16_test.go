package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestS16 compares with plain sums, which may wrap.
func TestS16(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{0, 1, 15, 16, 17, 32, 48} {
			for _, k := range []int{0, 1, 2, 3, 16, 34, 512} {
				m := r.IntN(15)
				ldx, ldd := k+r.IntN(3), n+r.IntN(3)
				w := make([]int16, n*k)
				x := kerneltest.Guarded[int16](t, max((m-1)*ldx+k, 0), r.IntN(2) == 0)
				extreme := r.IntN(3) == 0
				for _, s := range [][]int16{w, x} {
					for i := range s {
						if s[i] = int16(r.IntN(65536) - 32768); extreme {
							s[i] = []int16{-32767, 32767}[r.IntN(2)]
						}
					}
				}
				size := max((m-1)*ldd+n, 0)
				got, want := kerneltest.Guarded[int32](t, size, r.IntN(2) == 0), make([]int32, size)
				for i := range got {
					got[i], want[i] = 99, 99
				}
				for i := range m {
					for j := range n {
						s := int32(0)
						for c := range k {
							s += int32(x[i*ldx+c]) * int32(w[j*k+c])
						}
						want[i*ldd+j] = s
					}
				}
				p := PackS16(w, n, k)
				S16(got, ldd, x, ldx, m, p)
				if !slices.Equal(got, want) {
					t.Fatalf("m=%d n=%d k=%d %s: sums differ", m, n, k, p.ID())
				}
			}
		}
	})
}
