//go:build arm || arm64

package vec

import (
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestElementsAllocateNothing covers what goes through blocks, and what is left behind them and goes through buffers.
func TestElementsAllocateNothing(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		const n = 37
		f, s8, s16 := make([]float32, n), make([]int8, n), make([]int16, n)
		var table [256]int8
		softmax, scratch := NewSoftmaxS8Table(1, 0.1), make([]int32, SoftmaxS8Scratch(n))
		sum := NewSumS8(&Rescale{Mult: 1 << 30, Left: 20}, &Rescale{Mult: 1 << 30, Left: 20}, false, &Store{Mult: 1 << 30, Shift: -18, Lo: -128, Hi: 127})
		sum.Prepare(1000)
		add := NewArithF32("Add", -1, 1)
		if got := testing.AllocsPerRun(5, func() {
			add.Run(f, f, f[:1], &Rows{N: n, SA: 1, Count: 1})
			FnTanh.Map(f, f)
			SoftmaxF32(f, f, n, 1)
			LayerNormF32(f, f, f, f, n, 1)
			ExpRowsF32(f, f, n)
			ScaleRowsF32(f, n, n, f[:1])
			FnGelu.Map(f, f)
			SoftmaxS8(s8, s8, n, softmax, scratch)
			LookupS8(s8, s8, &table)
			sum.Run(s8, s8, s8[:1], &Rows{N: n, SA: 1, Count: 1})
			QuantizeF32(s8, f, 0.5, 3)
			Dequantize(f, s16, 0.5, 3)
		}); got != 0 {
			t.Errorf("%v allocations", got)
		}
	})
}
