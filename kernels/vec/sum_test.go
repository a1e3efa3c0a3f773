package vec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestSumTiers compares sums over all sets of axes with Reduce: integers exactly, floats within the rounding of sums.
func TestSumTiers(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, shape := range [][]int{{1}, {17}, {300}, {3, 5}, {5, 16}, {2, 3, 65}, {4, 65, 2}, {2, 3, 4, 5}, {3, 2, 33, 3}, {1, 7, 7, 81}, {0, 3}, {3, 0}} {
			for set := range 1 << len(shape) {
				var axes []int
				for i := range shape {
					if set>>i&1 != 0 {
						axes = append(axes, i)
					}
				}
				red := NewReduction(shape, axes)
				for _, atEnd := range []bool{false, true} {
					src, acc := kerneltest.Guarded[int8](t, red.Ins, atEnd), kerneltest.Guarded[int32](t, red.Outs, atEnd)
					bytesOf(r, src)
					want := make([]int32, red.Outs)
					for i := range acc {
						acc[i], want[i] = int32(i), int32(i)
					}
					SumS8(acc, src, red)
					Reduce(want, src, red, ReduceSum)
					if !slices.Equal(acc, want) {
						t.Fatalf("int8 %v over %v differs", shape, axes)
					}
					f, to := kerneltest.Guarded[float32](t, red.Ins, atEnd), kerneltest.Guarded[float32](t, red.Outs, atEnd)
					ref := make([]float32, red.Outs)
					for i := range f {
						f[i] = r.Float32() - 0.5
					}
					SumF32(to, f, red)
					Reduce(ref, f, red, ReduceSum)
					for i := range to {
						if math.Abs(float64(to[i]-ref[i])) > 1e-6+1e-7*float64(red.N) {
							t.Fatalf("float32 %v over %v: %v, want %v", shape, axes, to[i], ref[i])
						}
					}
				}
			}
		}
	})
}
