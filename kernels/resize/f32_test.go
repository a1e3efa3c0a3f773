package resize

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
)

// TestBilinearF32 compares the tiers with the reference, bit for bit: channels around whole vectors, scales up and down, values that are not finite, memory
// with guard pages on both sides.
func TestBilinearF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		if cpu.Best() != cpu.Generic && ISA(leastChannels) == generic && len(cpu.Tiers()) > 2 {
			t.Errorf("no kernel for tier %s", cpu.Best())
		}
		for _, c := range []int{0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 61, 64, 67, lineWork, lineWork + 1} {
			for i, m := range []Mode{{}, {AlignCorners: true}, {HalfPixel: true}} {
				g := &Geometry{Batch: 1 + i%2, InH: 1 + r.IntN(5), InW: 1 + r.IntN(5), C: c, OutH: 1 + r.IntN(9), OutW: 1 + r.IntN(9)}
				if c > 1000 {
					g.InH, g.InW, g.OutH, g.OutW = 1, 2, 1, 3
				}
				src := kerneltest.Guarded[float32](t, g.Batch*g.InH*g.InW*c, i%2 == 0)
				got := kerneltest.Guarded[float32](t, g.Batch*g.OutH*g.OutW*c, i%2 == 0)
				want := make([]float32, len(got))
				for j := range src {
					src[j] = float32(r.NormFloat64())
					if r.IntN(50) == 0 {
						src[j] = [...]float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, 1e-45, 0}[r.IntN(6)]
					}
				}
				ys, xs := NewTaps(g.InH, g.OutH, m), NewTaps(g.InW, g.OutW, m)
				bilinearF32Generic(want, src, g, ys, xs)
				BilinearF32(got, src, g, ys, xs)
				for j, v := range want {
					if math.Float32bits(got[j]) != math.Float32bits(v) && (v == v || got[j] == got[j]) {
						t.Fatalf("%+v, %+v: element %d is %v, not %v", *g, m, j, got[j], v)
					}
				}
			}
		}
	})
}

func BenchmarkBilinearF32(b *testing.B) {
	for _, c := range []int{1, 2, 3, 4, 8, 16, 21, 64, 256} {
		g := &Geometry{Batch: 1, InH: 28, InW: 28, C: c, OutH: 56, OutW: 56}
		dst, src := make([]float32, 56*56*c), make([]float32, 28*28*c)
		ys, xs := NewTaps(28, 56, Mode{HalfPixel: true}), NewTaps(28, 56, Mode{HalfPixel: true})
		run := func(name string, f func(dst, src []float32, g *Geometry, ys, xs []Tap)) {
			b.Run(fmt.Sprintf("c=%d/%s", c, name), func(b *testing.B) {
				for b.Loop() {
					f(dst, src, g, ys, xs)
				}
				b.ReportMetric(float64(len(dst))*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
		run("generic", bilinearF32Generic)
		run(ISA(c), BilinearF32)
	}
}
