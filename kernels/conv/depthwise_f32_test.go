package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/internal/kerneltest"
)

// TestDepthwiseF32 compares each tier with the generic kernel over random geometries: to within the rounding of each addition, and NaN where that has
// NaN.
func TestDepthwiseF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for i := range 600 {
			g := randomGeometry(r)
			if i%3 == 1 { // the usual ones
				g.C = []int{7, 8, 13, 16, 24, 28, 32, 42, 72, 88, 128, 136, 256, 384}[r.IntN(14)]
				k := 3 + 2*r.IntN(2)
				g.KH, g.KW, g.DilW, g.OutC, g.PadTop, g.PadLeft = k, k, 1, g.C, r.IntN(k), r.IntN(1+k/2)
				g.W = 1 + r.IntN(24)
				g.OutW = max(0, g.W+g.PadLeft-r.IntN(1+k/2))/g.StrideW + 1
			}
			x, w, bias := make([]float32, g.Batch*g.H*g.W*g.C), make([]float32, g.KH*g.KW*g.OutC), make([]float32, g.OutC)
			for _, s := range [][]float32{x, w, bias} {
				for k := range s {
					s[k] = float32(r.NormFloat64())
				}
			}
			if i%4 == 0 {
				x[r.IntN(len(x))] = float32(math.NaN())
				x[r.IntN(len(x))] = float32(math.Inf(1 - i&4))
			}
			lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
			if i%2 == 0 {
				lo, hi = 0, 6
			}
			p := PackDepthwiseF32(w, g, bias, lo, hi)
			n := g.Batch * g.OutH * g.OutW * g.OutC
			src, got, want := kerneltest.Guarded[float32](t, len(x), i%3 > 0), kerneltest.Guarded[float32](t, n, i%3 > 0), make([]float32, n)
			copy(src, x)
			DepthwiseF32(got, src, p, make([]byte, p.Scratch()))
			reference := PackDepthwiseF32(nil, g, bias, lo, hi).With(w)
			DepthwiseF32(want, x, &reference, make([]byte, 4*g.OutC))
			size := PackDepthwiseF32(nil, g, absolutes(bias), float32(math.Inf(-1)), float32(math.Inf(1))).With(absolutes(w))
			sizes := make([]float32, n)
			DepthwiseF32(sizes, absolutes(x), &size, make([]byte, 4*g.OutC))
			for k := range want {
				d := math.Abs(float64(got[k]) - float64(want[k]))
				if bound := float64(g.KH*g.KW+1) * float64(sizes[k]) / (1 << 23); d > bound || math.IsNaN(float64(got[k])) != math.IsNaN(float64(want[k])) {
					t.Fatalf("%+v: value %d: got %v, want %v", *g, k, got[k], want[k])
				}
			}
		}
	})
}

func absolutes(s []float32) []float32 {
	out := make([]float32, len(s))
	for i, v := range s {
		out[i] = float32(math.Abs(float64(v)))
	}
	return out
}

func BenchmarkDepthwiseF32(b *testing.B) {
	for _, c := range []struct{ hw, c, k, s int }{{112, 32, 3, 1}, {112, 64, 3, 2}, {48, 8, 3, 1}, {48, 16, 3, 2}, {28, 256, 3, 1}, {14, 512, 3, 1}, {112, 96, 3, 2}, {56, 144, 3, 1}, {56, 144, 3, 2}, {28, 192, 3, 1}, {14, 384, 3, 1}, {14, 576, 3, 2}, {7, 960, 3, 1}, {7, 1024, 3, 1}, {14, 1024, 3, 2}, {64, 24, 5, 1}, {64, 28, 5, 1}, {64, 42, 5, 2},
		{16, 88, 5, 1}, {14, 96, 5, 1}, {28, 240, 5, 1}, {14, 672, 5, 2}, {7, 1152, 5, 1}} {
		b.Run(fmt.Sprintf("%dx%d/k%d/s%d", c.hw, c.c, c.k, c.s), func(b *testing.B) {
			o := (c.hw + c.s - 1) / c.s
			g := &Geometry{Batch: 1, H: c.hw, W: c.hw, C: c.c, OutH: o, OutW: o, OutC: c.c, KH: c.k, KW: c.k, StrideH: c.s, StrideW: c.s, DilH: 1, DilW: 1, PadTop: c.k / 2, PadLeft: c.k / 2, Groups: 1}
			w := make([]float32, c.k*c.k*c.c)
			p := PackDepthwiseF32(w, g, nil, 0, 6)
			x, dst, scratch := make([]float32, c.hw*c.hw*c.c), make([]float32, o*o*c.c), make([]byte, p.Scratch())
			best := time.Hour
			for b.Loop() {
				t := time.Now()
				DepthwiseF32(dst, x, p, scratch)
				best = min(best, time.Since(t))
			}
			b.ReportMetric(best.Seconds()*1e9/float64(o*o*c.c)*16, "ns/16out-best")
		})
	}
}
