package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/requant"
)

func randomDepthwise(r *rand.Rand, g *Geometry, lo int32) (x, w []int8, bias []int32, q requant.Params) {
	x, w, bias = make([]int8, g.Batch*g.H*g.W*g.C), make([]int8, g.KH*g.KW*g.C), make([]int32, g.C)
	for i := range x {
		x[i] = int8(r.IntN(256) - 128)
	}
	for i := range w {
		w[i] = int8(r.IntN(256) - 128)
	}
	q = requant.Params{Mult: make([]int32, g.C), Shift: make([]int32, g.C), Zero: -5, Min: lo, Max: 120}
	for i := range bias {
		bias[i] = int32(r.IntN(1<<14) - 1<<13)
		q.Mult[i], q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(12))
	}
	return x, w, bias, q
}

func TestDepthwiseS8AVX512(t *testing.T) {
	if !cpu.Supported(cpu.AVX512VNNI) {
		t.Skip("skipped: the machine has no AVX512-VNNI")
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 600 {
		g := &Geometry{Batch: 1 + r.IntN(2), H: 1 + r.IntN(9), W: 1 + r.IntN(9), C: 1 + r.IntN(150), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
			StrideH: 1 + r.IntN(2), StrideW: 1 + r.IntN(2), DilH: 1 + r.IntN(2), DilW: 1 + r.IntN(2), Groups: 1}
		g.OutC, g.PadTop, g.PadLeft = g.C, r.IntN(3), r.IntN(3)
		g.OutH, g.OutW = (g.H+g.PadTop+r.IntN(3))/g.StrideH+1, (g.W+g.PadLeft+r.IntN(3))/g.StrideW+1
		lo := []int32{-128, -5}[i%2]
		x, w, bias, q := randomDepthwise(r, g, lo)
		zero := int32(r.IntN(256) - 128)
		want, got := make([]int8, g.Batch*g.OutH*g.OutW*g.OutC), make([]int8, g.Batch*g.OutH*g.OutW*g.OutC)
		ref := PackDepthwiseS8(w, g.KH*g.KW, g.C, bias, zero, 0, q)
		DepthwiseS8(want, x, g, ref, make([]int32, g.OutC))
		p := packDepthwiseAVX512(w, g.KH*g.KW, g.C, bias, zero, q.Mult, q.Shift, q.Zero, q.Min, q.Max)
		if p == nil {
			t.Fatal("not packed")
		}
		p.run(got, x, g, make([]byte, p.scratch(g)))
		for k := range want {
			if got[k] != want[k] {
				t.Fatalf("%+v: value %d: got %d, want %d", *g, k, got[k], want[k])
			}
		}
	}
}

func BenchmarkDepthwiseS8AVX512(b *testing.B) {
	for _, c := range []struct{ hw, c, k, s int }{{112, 32, 3, 1}, {112, 64, 3, 2}, {56, 128, 3, 1}, {28, 256, 3, 1}, {14, 512, 3, 1}, {25, 64, 3, 1}, {14, 480, 5, 1}} {
		b.Run(fmt.Sprintf("%dx%d/k%d/s%d", c.hw, c.c, c.k, c.s), func(b *testing.B) {
			o := (c.hw + c.s - 1) / c.s
			g := &Geometry{Batch: 1, H: c.hw, W: c.hw, C: c.c, OutH: o, OutW: o, OutC: c.c, KH: c.k, KW: c.k, StrideH: c.s, StrideW: c.s, DilH: 1, DilW: 1, PadTop: c.k / 2, PadLeft: c.k / 2, Groups: 1}
			x, w, bias, q := randomDepthwise(rand.New(rand.NewPCG(1, 1)), g, -5)
			p := packDepthwiseAVX512(w, c.k*c.k, c.c, bias, 3, q.Mult, q.Shift, q.Zero, q.Min, q.Max)
			dst, scratch := make([]int8, o*o*c.c), make([]byte, p.scratch(g))
			best := time.Hour
			for b.Loop() {
				t := time.Now()
				p.run(dst, x, g, scratch)
				best = min(best, time.Since(t))
			}
			b.ReportMetric(best.Seconds()*1e9/float64(o*o*c.c)*16, "ns/16out-best")
		})
	}
}
