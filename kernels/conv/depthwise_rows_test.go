package conv

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
)

// TestDepthwiseParallel compares what two workers compute with what one does, and that neither allocates.
func TestDepthwiseParallel(t *testing.T) {
	defer par.Set(1)
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, stride := range []int{1, 2} {
			g := &Geometry{Batch: 3, H: 41, W: 37, C: 48, OutH: 41 / stride, OutW: 37 / stride, OutC: 48, KH: 3, KW: 3 * stride, StrideH: stride, StrideW: stride,
				DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1}
			n := g.Batch * g.OutH * g.OutW * g.OutC
			x, w, q := randomDepthwise(r, g, -128)
			xf, wf := make([]float32, len(x)), make([]float32, len(w))
			for i, v := range x {
				xf[i] = float32(v)
			}
			for i, v := range w {
				wf[i] = float32(v) / 8
			}
			var s8 [2][]int8
			var f32 [2][]float32
			for i := range 2 {
				if par.Set(i+1) != i+1 {
					t.Skip("skipped: there is one processor")
				}
				s8[i], f32[i] = make([]int8, n), make([]float32, n)
				p := PackDepthwiseF32(wf, g, nil, 0, 6)
				scratch := make([]byte, p.Scratch())
				if a := testing.AllocsPerRun(5, func() { DepthwiseF32(f32[i], xf, p, scratch) }); a != 0 {
					t.Errorf("float32, %d workers: %v allocations", i+1, a)
				}
				if p, ok := PackDepthwiseS8(w, g, q); ok {
					scratch := make([]byte, p.Scratch())
					if a := testing.AllocsPerRun(5, func() { p.Run(s8[i], x, scratch) }); a != 0 {
						t.Errorf("int8, %d workers: %v allocations", i+1, a)
					}
				}
			}
			if !slices.Equal(s8[0], s8[1]) || !slices.Equal(f32[0], f32[1]) {
				t.Errorf("stride %d: two workers compute something else than one", stride)
			}
		}
	})
}
