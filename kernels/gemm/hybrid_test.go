package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestHybrid compares the packed form with the plain one: every bit must be the same.
func TestHybrid(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 8))
		turn := 0
		for _, n := range sizesN {
			for _, k := range sizesK {
				for range 3 {
					turn++
					m := sizesM[r.IntN(len(sizesM))]
					w := make([]int8, n*k)
					x, ldd := kerneltest.Guarded[int8](t, m*k, turn%2 == 0), n+r.IntN(3)
					for _, s := range [][]int8{w, x} {
						for i := range s {
							s[i] = int8(r.IntN(256) - 128)
						}
					}
					h := &Hybrid{Scale: []float32{r.Float32()}, Min: -math.MaxFloat32, Max: math.MaxFloat32, ByTurns: turn%3 == 0}
					if turn%2 == 0 {
						h.Scale, h.Bias, h.Min, h.Max = make([]float32, n), make([]float32, n), -900, 1000
						for i := range n {
							h.Scale[i], h.Bias[i] = r.Float32(), r.Float32()-0.5
						}
					}
					rows := make([]HybridRow, m)
					for i := range rows {
						rows[i] = HybridRow{Scale: r.Float32(), Zero: []int32{0, int32(r.IntN(256) - 128)}[turn%2]}
					}
					size := max((m-1)*ldd+n, 0)
					got, want := kerneltest.Guarded[float32](t, size, turn%2 == 0), make([]float32, size)
					for i := range got {
						got[i], want[i] = 99, 99
					}
					for i, q := range rows {
						HybridRows(want[i*ldd:], ldd, x[i*k:], k, 1, w, n, k, h, q.Scale, q.Zero)
					}
					p := PackHybrid(w, n, k, h)
					p.Run(got, ldd, x, rows, scratchFor(t, p.Scratch(m)))
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
							t.Fatalf("m=%d n=%d k=%d: element %d: got %v, want %v", m, n, k, i, got[i], want[i])
						}
					}
				}
			}
		}
	})
}
