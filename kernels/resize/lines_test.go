//go:build amd64 || arm64

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
		if cpu.Best() != cpu.Generic && ISA(4, leastF32) == generic && len(cpu.Tiers()) > 2 {
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

// TestBilinearAllocates: nothing, in any tier.
func TestBilinearAllocates(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		g := &Geometry{Batch: 1, InH: 3, InW: 4, C: 32, OutH: 6, OutW: 8}
		ys, xs, fys, fxs := NewTaps(3, 6, Mode{}), NewTaps(4, 8, Mode{}), NewFixedTaps(3, 6, Mode{}), NewFixedTaps(4, 8, Mode{})
		dst, src, d8, s8 := make([]float32, 6*8*32), make([]float32, 3*4*32), make([]int8, 6*8*32), make([]int8, 3*4*32)
		if n := testing.AllocsPerRun(10, func() { BilinearF32(dst, src, g, ys, xs); BilinearS8(d8, s8, g, fys, fxs) }); n != 0 {
			t.Errorf("%v allocations in a run", n)
		}
	})
}

// TestBilinearS8 is TestBilinearF32 for int8, with the extreme values often.
func TestBilinearS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(33, 34))
		for _, c := range []int{0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 61, 64, 67, lineWork, lineWork + 1} {
			for i, m := range []Mode{{}, {AlignCorners: true}, {HalfPixel: true}, {HalfPixel: true}} {
				g := &Geometry{Batch: 1 + i%2, InH: 1 + r.IntN(5), InW: 1 + r.IntN(5), C: c, OutH: 1 + r.IntN(17), OutW: 1 + r.IntN(17)}
				if c > 1000 {
					g.InH, g.InW, g.OutH, g.OutW = 1, 2, 1, 3
				}
				src := kerneltest.Guarded[int8](t, g.Batch*g.InH*g.InW*c, i%2 == 0)
				got := kerneltest.Guarded[int8](t, g.Batch*g.OutH*g.OutW*c, i%2 == 0)
				want := make([]int8, len(got))
				for j := range src {
					src[j] = int8(r.IntN(256) - 128)
					if r.IntN(4) == 0 {
						src[j] = [...]int8{-128, 127, -1, 0, 1}[r.IntN(5)]
					}
				}
				ys, xs := NewFixedTaps(g.InH, g.OutH, m), NewFixedTaps(g.InW, g.OutW, m)
				BilinearFixed(want, src, g, ys, xs)
				BilinearS8(got, src, g, ys, xs)
				for j, v := range want {
					if got[j] != v {
						t.Fatalf("%+v, %+v: element %d is %d, not %d", *g, m, j, got[j], v)
					}
				}
			}
		}
	})
}

func BenchmarkBilinearS8(b *testing.B) {
	for _, c := range []int{8, 16, 21, 64, 256} {
		g := &Geometry{Batch: 1, InH: 28, InW: 28, C: c, OutH: 56, OutW: 56}
		dst, src := make([]int8, 56*56*c), make([]int8, 28*28*c)
		ys, xs := NewFixedTaps(28, 56, Mode{HalfPixel: true}), NewFixedTaps(28, 56, Mode{HalfPixel: true})
		run := func(name string, f func(dst, src []int8, g *Geometry, ys, xs []FixedTap)) {
			b.Run(fmt.Sprintf("c=%d/%s", c, name), func(b *testing.B) {
				for b.Loop() {
					f(dst, src, g, ys, xs)
				}
				b.ReportMetric(float64(len(dst))*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
		run("generic", BilinearFixed[int8])
		run(ISA(1, c), BilinearS8)
	}
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
		run(ISA(4, c), BilinearF32)
	}
}
