package vec

import (
	"math"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestSwishF32 compares with its definition over lengths around those of vectors and blocks, and counts allocations.
func TestSwishF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 8, 9, 33, 1023, 1024, 1025, 2500} {
			x, want := kerneltest.Guarded[float32](t, n, true), make([]float32, n)
			for i := range x {
				x[i] = float32(i%97)/4 - 12
				if i%31 == 30 {
					x[i] = float32(math.Inf(1))
				}
				want[i] = x[i] * LogisticCut(x[i])
			}
			SwishF32(x, &FnLogisticCut)
			for i, v := range want {
				if d := math.Abs(float64(x[i]) - float64(v)); d > 1e-6*math.Abs(float64(v)) || x[i] != x[i] {
					t.Fatalf("%d values: value %d: got %v, want %v", n, i, x[i], v)
				}
			}
		}
		x := make([]float32, 3000)
		if n := testing.AllocsPerRun(10, func() { SwishF32(x, &FnLogisticCut) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
