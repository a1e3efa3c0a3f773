package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/internal/peak"
	"wayside/kernels/requant"
)

func randomDepthwise(r *rand.Rand, g *Geometry, lo int32) (x, w []int8, q *gemm.Quant) {
	x, w = make([]int8, g.Batch*g.H*g.W*g.C), make([]int8, g.KH*g.KW*g.OutC)
	for _, s := range [][]int8{x, w} {
		for i := range s {
			s[i] = int8(r.IntN(256) - 128)
		}
	}
	q = &gemm.Quant{XZero: int32(r.IntN(256) - 128), Bias: make([]int64, g.OutC), Params: requant.Params{Mult: make([]int32, g.OutC), Shift: make([]int32, g.OutC), Zero: -5, Min: lo, Max: 120}}
	for i := range q.Bias {
		q.Bias[i] = int64(r.IntN(1<<14) - 1<<13)
		q.Mult[i], q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(12))
	}
	return x, w, q
}

// randomGeometry returns one of the shapes that kernels treat in different ways: few channels and many, whole vectors, 3×3 taps, several outputs for
// each input channel.
func randomGeometry(r *rand.Rand) *Geometry {
	g := &Geometry{Batch: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(12), C: 1 + r.IntN(150), KH: 1 + r.IntN(7), KW: 1 + r.IntN(6),
		StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilH: 1 + r.IntN(2), DilW: 1 + r.IntN(2), Groups: 1}
	if r.IntN(2) == 0 {
		g.KH, g.KW = 3, 3
	}
	if r.IntN(2) == 0 {
		g.DilH, g.DilW = 1, 1
	}
	if r.IntN(3) == 0 {
		g.StrideW = g.StrideH
	}
	mult := 1
	switch r.IntN(4) {
	case 0:
		g.C = []int{8, 16, 24, 32, 40, 48, 64, 72, 96, 128}[r.IntN(10)]
		mult = max(1, r.IntN(8)-4)
	case 1:
		g.C, mult = 1+r.IntN(9), 1+r.IntN(9)
	}
	g.OutC, g.PadTop, g.PadLeft = g.C*mult, r.IntN(3), r.IntN(3)
	g.OutH, g.OutW = (g.H+g.PadTop+r.IntN(3))/g.StrideH+1, (g.W+g.PadLeft+r.IntN(3))/g.StrideW+1
	if r.IntN(6) == 0 {
		g.OutH, g.OutW = 1, 1
	}
	return g
}

// TestDepthwiseS8 compares what is packed for each tier with Depthwise over random geometries.
func TestDepthwiseS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		packed := 0
		for i := range 800 {
			g := randomGeometry(r)
			x, w, q := randomDepthwise(r, g, []int32{-128, -5}[i%2])
			if i%4 == 3 {
				q.WZero = int32(r.IntN(200) - 100)
			}
			if i%8 < 5 { // as most models have it
				for k := range q.Shift {
					q.Shift[k] = min(q.Shift[k], -1)
				}
			}
			if i%8 < 2 {
				for k := range w {
					w[k] = max(w[k], -127)
				}
			}
			if i%16 == 0 { // the largest sums
				for k := range w {
					w[k] = int8(127 - 254*(k%2))
				}
				for k := range x {
					x[k] = -128
				}
			}
			p, ok := PackDepthwiseS8(w, g, q)
			if !ok {
				continue
			}
			packed++
			n := g.Batch * g.OutH * g.OutW * g.OutC
			src, got, want := kerneltest.Guarded[int8](t, len(x), i%3 > 0), kerneltest.Guarded[int8](t, n, i%3 > 0), make([]int8, n)
			copy(src, x)
			wide := make([]int16, len(w))
			for k, v := range w {
				wide[k] = int16(int32(v) - q.WZero)
			}
			Depthwise(want, x, g, wide, q, make([]int32, g.OutC))
			p.Run(got, src, make([]byte, p.Scratch()))
			for k := range want {
				if got[k] != want[k] {
					t.Fatalf("%+v: value %d: got %d, want %d", *g, k, got[k], want[k])
				}
			}
		}
		t.Logf("%d of 800 geometries have a packed form", packed)
	})
}

// BenchmarkDepthwiseS8 times layers of common networks; the best of many runs counts. peak/16out is how many vectors of multiply-adds the loop of package
// peak does while 16 outputs are computed: cycles, where a core does one a cycle (AVX512 on Zen 4), or half cycles, where it does two (on Intel's servers).
func BenchmarkDepthwiseS8(b *testing.B) {
	vectors := float64(max(1, peak.Vectors()))
	for _, c := range []struct{ hw, c, k, s int }{{112, 32, 3, 1}, {112, 64, 3, 2}, {56, 128, 3, 1}, {56, 128, 3, 2}, {28, 128, 3, 1}, {28, 256, 3, 1}, {28, 256, 3, 2}, {14, 512, 3, 1}, {14, 512, 3, 2}, {7, 1024, 3, 1},
		{25, 64, 3, 1}, {112, 96, 3, 2}, {56, 144, 3, 1}, {56, 144, 3, 2}, {28, 192, 3, 1}, {14, 384, 3, 1}, {14, 576, 3, 1}, {7, 960, 3, 1}, {64, 8, 3, 1}, {64, 16, 3, 2}, {32, 32, 3, 1}, {32, 32, 3, 2}, {48, 24, 3, 1},
		{14, 480, 5, 1}, {14, 512, 5, 1}, {28, 240, 5, 1}, {7, 1152, 5, 1}, {14, 96, 5, 1}} {
		b.Run(fmt.Sprintf("%dx%d/k%d/s%d", c.hw, c.c, c.k, c.s), func(b *testing.B) {
			o := (c.hw + c.s - 1) / c.s
			g := &Geometry{Batch: 1, H: c.hw, W: c.hw, C: c.c, OutH: o, OutW: o, OutC: c.c, KH: c.k, KW: c.k, StrideH: c.s, StrideW: c.s, DilH: 1, DilW: 1, PadTop: c.k / 2, PadLeft: c.k / 2, Groups: 1}
			x, w, q := randomDepthwise(rand.New(rand.NewPCG(1, 1)), g, -5)
			p, ok := PackDepthwiseS8(w, g, q)
			if !ok {
				b.Skip("skipped: nothing is packed on this machine")
			}
			dst, scratch := make([]int8, o*o*c.c), make([]byte, p.Scratch())
			best := time.Hour
			for b.Loop() {
				t := time.Now()
				p.Run(dst, x, scratch)
				best = min(best, time.Since(t))
			}
			b.ReportMetric(best.Seconds()*1e9/float64(o*o*c.c)*16, "ns/16out-best")
			b.ReportMetric(best.Seconds()*vectors/float64(o*o*c.c)*16, "peak/16out")
		})
	}
}
