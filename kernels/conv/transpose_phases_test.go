package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
	"wayside/kernels/requant"
)

// TestTransposedPhases compares with Transpose and TransposeF32: strides that the filter covers and others, padding up to a whole filter, outputs beyond what
// inputs reach, one to three workers. The float32 values are such that sums are exact in any order.
func TestTransposedPhases(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		defer par.Set(1)
		r := rand.New(rand.NewPCG(21, 22))
		fast := 0
		for i := range 200 {
			g := &Geometry{
				Batch: 1 + r.IntN(2), H: 1 + r.IntN(7), W: 1 + r.IntN(9), C: 1 + r.IntN(20), OutC: 1 + r.IntN(40), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
				StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilH: 1, DilW: 1, Groups: 1,
			}
			g.PadTop, g.PadLeft = r.IntN(g.KH), r.IntN(g.KW)
			g.OutH, g.OutW = 1+r.IntN((g.H-1)*g.StrideH+g.KH+2), 1+r.IntN((g.W-1)*g.StrideW+g.KW+2)
			par.Set(1 + i%3)
			n := g.Batch * g.OutH * g.OutW * g.OutC

			src, w, bias := randomS8(r, g.Batch*g.H*g.W*g.C), randomS8(r, g.OutC*g.KH*g.KW*g.C), make([]int64, g.OutC)
			q := &gemm.Quant{XZero: int32(r.IntN(256) - 128), Bias: bias, Params: requant.Params{Mult: []int32{1<<30 + 54321}, Shift: []int32{-7}, Zero: -3, Min: -128, Max: 127}}
			narrow := make([]int32, g.OutC)
			for i := range bias {
				narrow[i] = int32(r.IntN(4000) - 2000)
				bias[i] = int64(narrow[i])
			}
			if layer, ok := NewTransposedS8(w, g, narrow, q); ok {
				fast++
				want, got := make([]int8, n), make([]int8, n)
				Transpose(want, src, g, w, q, make([]int64, g.OutC))
				layer.Run(got, src, make([]byte, layer.Scratch()))
				if !slices.Equal(got, want) {
					t.Fatalf("%+v: int8 values differ", *g)
				}
			}

			x, wf, bf := randomF32(r, len(src)), randomF32(r, len(w)), randomF32(r, g.OutC)
			if layer, ok := NewTransposedF32(wf, g, bf, -50, 60); ok {
				want, got := make([]float32, n), make([]float32, n)
				TransposeF32(want, x, g, wf, bf, false, -50, 60, make([]float32, g.OutC))
				layer.Run(got, x, make([]float32, layer.Scratch()))
				if !slices.Equal(got, want) {
					t.Fatalf("%+v: float32 values differ", *g)
				}
				wf[len(wf)/2] = float32(math.Inf(1))
				if _, ok := NewTransposedF32(wf, g, bf, -50, 60); ok {
					t.Fatal("an infinite weight was accepted")
				}
			}
		}
		if fast < 60 && cpu.Best() != cpu.Generic {
			t.Errorf("only %d of 200 layers have phases", fast)
		}
	})
}

// TestTransposedPhasesSessions: copies of a layer share what is packed, and nothing else; a run allocates nothing.
func TestTransposedPhasesSessions(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	g := &Geometry{Batch: 1, H: 5, W: 6, C: 16, OutH: 10, OutW: 12, OutC: 8, KH: 3, KW: 3, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, Groups: 1}
	layer, ok := NewTransposedF32(randomF32(r, 8*9*16), g, nil, -1e9, 1e9)
	if !ok {
		t.Skip("no kernels but generic ones")
	}
	a, b := *layer, *layer
	x, y := randomF32(r, 5*6*16), randomF32(r, 5*6*16)
	outA, outB, scratch := make([]float32, 960), make([]float32, 960), make([]float32, layer.Scratch())
	a.Run(outA, x, scratch)
	want := slices.Clone(outA)
	b.Run(outB, y, scratch)
	clear(outA)
	if n := testing.AllocsPerRun(10, func() { a.Run(outA, x, scratch) }); n != 0 {
		t.Errorf("%v allocations in a run", n)
	}
	if !slices.Equal(outA, want) || slices.Equal(outA, outB) {
		t.Error("a session found the inputs of another one")
	}
}

func BenchmarkTransposed(b *testing.B) {
	for _, c := range []struct{ size, in, out, k int }{{32, 64, 32, 2}, {32, 64, 32, 4}, {64, 32, 16, 3}, {16, 256, 128, 3}} {
		g := &Geometry{Batch: 1, H: c.size, W: c.size, C: c.in, OutH: 2 * c.size, OutW: 2 * c.size, OutC: c.out, KH: c.k, KW: c.k, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, PadTop: (c.k - 1) / 2, PadLeft: (c.k - 1) / 2, Groups: 1}
		b.Run(fmt.Sprintf("%d/%dto%d/k=%d", c.size, c.in, c.out, c.k), func(b *testing.B) {
			src, w := make([]float32, c.size*c.size*c.in), make([]float32, c.out*c.k*c.k*c.in)
			dst := make([]float32, g.OutH*g.OutW*c.out)
			layer, ok := NewTransposedF32(w, g, nil, -1, 1)
			if !ok {
				b.Skip("no kernels but generic ones")
			}
			scratch := make([]float32, layer.Scratch())
			for b.Loop() {
				layer.Run(dst, src, scratch)
			}
			b.ReportMetric(float64(c.size*c.size*c.in*c.out*c.k*c.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
