package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/gemm"
	"wayside/kernels/requant"
)

// BenchmarkConvS8 times layers of common networks, gathered and, where that is possible, direct; the best of many runs counts.
func BenchmarkConvS8(b *testing.B) {
	for _, c := range []struct{ hw, c, n, k, s int }{{224, 3, 32, 3, 2}, {224, 3, 64, 7, 2}, {56, 64, 64, 3, 1}, {28, 128, 128, 3, 1}, {14, 256, 256, 3, 1}, {7, 512, 512, 3, 1}, {32, 16, 16, 3, 1}, {16, 32, 32, 3, 1}, {8, 64, 64, 3, 1}, {4, 128, 128, 3, 1}, {112, 16, 32, 3, 1}, {112, 32, 16, 3, 1}, {7, 256, 256, 3, 1}, {10, 512, 512, 3, 1}, {3, 64, 64, 3, 1},
		{112, 16, 96, 1, 1}, {56, 24, 144, 1, 1}, {56, 96, 24, 1, 1}, {28, 144, 32, 1, 1}, {14, 40, 240, 1, 1}, {14, 512, 512, 1, 1}, {7, 1024, 1024, 1, 1}, {14, 72, 40, 1, 1}, {56, 64, 256, 1, 1}, {56, 256, 64, 1, 1}, {56, 256, 128, 1, 2}, {14, 1024, 512, 1, 2}} {
		r := rand.New(rand.NewPCG(1, 1))
		o, pad := (c.hw+c.s-1)/c.s, (c.k-1)/2
		g := &Geometry{Batch: 1, H: c.hw, W: c.hw, C: c.c, OutH: o, OutW: o, OutC: c.n, KH: c.k, KW: c.k, StrideH: c.s, StrideW: c.s, DilH: 1, DilW: 1, PadTop: pad, PadLeft: pad, Groups: 1}
		x, w := randomS8(r, c.hw*c.hw*c.c), randomS8(r, c.n*g.rowElems())
		params := requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-9}, Zero: -128, Min: -128, Max: 127}
		run := func(name string, run func(dst, src []int8, scratch []byte), scratch int) {
			b.Run(fmt.Sprintf("%dx%dx%dk%ds%d/%s", c.hw, c.c, c.n, c.k, c.s, name), func(b *testing.B) {
				dst, room, best := make([]int8, o*o*c.n), make([]byte, scratch), time.Hour
				for b.Loop() {
					t := time.Now()
					run(dst, x, room)
					best = min(best, time.Since(t))
				}
				b.ReportMetric(float64(g.MACs())/float64(best.Nanoseconds()), "GMAC/s-best")
			})
		}
		gathered := NewS8(g, []*gemm.S8Weights{gemm.PackS8(w, c.n, g.rowElems(), nil, 3, 0, params)}, 3)
		run("gathered", gathered.Run, gathered.Scratch())
		if direct, ok := NewDirectS8(w, g, &gemm.Quant{Params: params, XZero: 3}); ok {
			run("direct", direct.Run, direct.Scratch())
		}
		if winograd, ok := newWinogradS8(w, g, &gemm.Quant{Params: params, XZero: 3}); ok {
			run("winograd", winograd.Run, winograd.Scratch())
		}
	}
}
