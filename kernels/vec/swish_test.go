package vec

import (
	"math"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestSwishF32 compares with its definition over lengths around those of vectors and blocks, and counts allocations.
func TestSwishF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		for i, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 1023, 1024, 1025, 2500, 2501} {
			logistic := []*Function{&FnLogistic, &FnLogisticCut}[i%2]
			x, want := kerneltest.Guarded[float32](t, n, true), make([]float32, n)
			for i := range x {
				x[i] = float32(i%97)/4 - 12
				switch i % 31 {
				case 30:
					x[i] = float32(math.Inf(1))
				case 29:
					x[i] = float32(math.NaN())
				case 28:
					x[i] = float32(math.Pow(-1.7, float64(i%168))) // up to 2.7e38
				}
				want[i] = x[i] * logistic.At(x[i])
			}
			SwishF32(x, logistic)
			for i, v := range want {
				if d := math.Abs(float64(x[i]) - float64(v)); x[i] != v && !(d <= 4*0x1p-23*math.Abs(float64(v))+0x1p-119) && (x[i] == x[i] || v == v) {
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
