package peak

import (
	"testing"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
)

// TestRates asks for a number where there is a loop; what it is depends on the machine.
func TestRates(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		s8, f32 := Rates()
		if i, f := loops(); (s8 > 0) != (i.run != nil) || (f32 > 0) != (f.run != nil) {
			t.Errorf("%s: %g int8 and %g float32 multiply-accumulates a second", cpu.Best(), s8, f32)
		}
		t.Logf("%s: %.3g int8 and %.3g float32 multiply-accumulates a second", cpu.Best(), s8, f32)
	})
}
