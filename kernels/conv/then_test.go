package conv

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
)

// TestThen: every result goes through the function once, with one worker and two. The values are such that sums are exact in any order.
func TestThen(t *testing.T) {
	f := func(x []float32) {
		for i := range x {
			x[i] = 2*x[i] + 1
		}
	}
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		inf := float32(1e30)
		for _, g := range []*Geometry{
			{Batch: 2, H: 30, W: 31, C: 16, OutH: 30, OutW: 31, OutC: 96, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1},
			{Batch: 1, H: 41, W: 40, C: 3, OutH: 41, OutW: 40, OutC: 37, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1},
			{Batch: 2, H: 12, W: 3, C: 4, OutH: 12, OutW: 3, OutC: 8, KH: 3, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, Groups: 2},
			{Batch: 2, H: 40, W: 24, C: 40, OutH: 20, OutW: 24, OutC: 40, KH: 3, KW: 3, StrideH: 2, StrideW: 1, DilH: 1, DilW: 1, PadLeft: 1, Groups: 40},
			{Batch: 1, H: 2, W: 3, C: 512, OutH: 2, OutW: 3, OutC: 600, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}, // shared by columns
		} {
			for workers := 1; workers <= 2; workers++ {
				par.Set(workers)
				x, w := randomF32(r, g.Batch*g.H*g.W*g.C), randomF32(r, g.OutC*g.rowElems())
				want, got := make([]float32, g.Batch*g.OutH*g.OutW*g.OutC), make([]float32, g.Batch*g.OutH*g.OutW*g.OutC)
				RowsF32(want, x, g, w, nil, -inf, inf, make([]float32, g.PatchElems()))
				f(want)
				packed, n := []*gemm.F32Weights(nil), g.OutC/g.Groups
				for i := range g.Groups {
					packed = append(packed, gemm.PackF32(w[i*n*g.rowElems():], n, g.rowElems(), nil, -inf, inf))
				}
				plain := NewF32(g, packed)
				plain.Then(f)
				plain.Run(got, x, make([]float32, plain.Scratch()))
				if !slices.Equal(got, want) {
					t.Errorf("%+v: gathered values differ", *g)
				}
				if direct, ok := NewDirectF32(w, g, nil, -inf, inf); ok {
					direct.Then(f)
					direct.Run(got, x, make([]float32, direct.Scratch()))
					if !slices.Equal(got, want) {
						t.Errorf("%+v: direct values differ", *g)
					}
				}
				if g.Groups == g.C {
					turned := make([]float32, len(w)) // [KH×KW][OutC]
					for i, v := range w {
						turned[i%9*g.OutC+i/9] = v
					}
					depthwise := PackDepthwiseF32(turned, g, nil, -inf, inf)
					depthwise.Then(f)
					DepthwiseF32(got, x, depthwise, make([]byte, depthwise.Scratch()))
					if !slices.Equal(got, want) {
						t.Errorf("%+v: depthwise values differ", *g)
					}
				}
				par.Set(1)
			}
		}
	})
}
