package conv

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
	"wayside/kernels/requant"
)

// TestThen: every result goes through the function once, with one worker and two. The values are such that sums are exact in any order.
func TestThen(t *testing.T) {
	f := func(x, _ []float32) {
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
			{Batch: 2, H: 19, W: 23, C: 16, OutH: 19, OutW: 23, OutC: 32, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1},
			{Batch: 1, H: 7, W: 7, C: 128, OutH: 7, OutW: 7, OutC: 128, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1},
			{Batch: 2, H: 40, W: 24, C: 40, OutH: 20, OutW: 24, OutC: 40, KH: 3, KW: 3, StrideH: 2, StrideW: 1, DilH: 1, DilW: 1, PadLeft: 1, Groups: 40},
			{Batch: 1, H: 2, W: 3, C: 512, OutH: 2, OutW: 3, OutC: 600, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}, // shared by columns
		} {
			for workers := 1; workers <= 2; workers++ {
				par.Set(workers)
				x, w := randomF32(r, g.Batch*g.H*g.W*g.C), randomF32(r, g.OutC*g.rowElems())
				want, got := make([]float32, g.Batch*g.OutH*g.OutW*g.OutC), make([]float32, g.Batch*g.OutH*g.OutW*g.OutC)
				RowsF32(want, x, g, w, nil, -inf, inf, make([]float32, g.PatchElems()))
				f(want, nil)
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
				if g.winogradable() { // whose sums are not exact
					winograd, _ := newWinograd(w, g, nil, -inf, inf)
					winograd.Run(want, x, make([]float32, winograd.Scratch()))
					f(want, nil)
					winograd.Then(f)
					winograd.Run(got, x, make([]float32, winograd.Scratch()))
					if !slices.Equal(got, want) {
						t.Errorf("%+v: Winograd's values differ", *g)
					}
				}
				if g.Groups == g.C {
					turned := make([]float32, len(w)) // [KH×KW][OutC]
					for i, v := range w {
						turned[i%9*g.OutC+i/9] = v
					}
					depthwise := PackDepthwiseF32(turned, g, nil, -inf, inf)
					depthwise.Then(func(x []float32) { f(x, nil) })
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

// TestThenS8: every result of the int8 layers goes through the function once, beside the value at its place, with one to three workers.
func TestThenS8(t *testing.T) {
	f := func(x, beside []int8) {
		for i := range x {
			x[i] *= 3
			if beside != nil {
				x[i] += beside[i]
			}
		}
	}
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 13))
		for _, g := range []*Geometry{
			{Batch: 2, H: 60, W: 31, C: 16, OutH: 60, OutW: 31, OutC: 96, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1},
			{Batch: 1, H: 81, W: 40, C: 3, OutH: 81, OutW: 40, OutC: 37, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1},
			{Batch: 2, H: 19, W: 23, C: 32, OutH: 19, OutW: 23, OutC: 32, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1},
			{Batch: 2, H: 12, W: 3, C: 4, OutH: 12, OutW: 3, OutC: 8, KH: 3, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, Groups: 2},
			{Batch: 2, H: 80, W: 24, C: 40, OutH: 40, OutW: 24, OutC: 40, KH: 3, KW: 3, StrideH: 2, StrideW: 1, DilH: 1, DilW: 1, PadLeft: 1, Groups: 40},
			{Batch: 1, H: 41, W: 40, C: 64, OutH: 41, OutW: 40, OutC: 64, KH: 5, KW: 5, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 2, PadLeft: 2, Groups: 64},
			{Batch: 2, H: 41, W: 40, C: 64, OutH: 41, OutW: 40, OutC: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 64},
			{Batch: 2, H: 41, W: 40, C: 100, OutH: 21, OutW: 20, OutC: 100, KH: 3, KW: 3, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 100},
			{Batch: 1, H: 5, W: 3, C: 20, OutH: 1, OutW: 1, OutC: 20, KH: 5, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 20},
			{Batch: 1, H: 2, W: 3, C: 512, OutH: 2, OutW: 3, OutC: 600, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}, // shared by columns
		} {
			for workers := 1; workers <= 3; workers++ {
				par.Set(workers)
				x, w, beside := randomS8(r, g.Batch*g.H*g.W*g.C), randomS8(r, g.OutC*g.rowElems()), randomS8(r, g.Batch*g.OutH*g.OutW*g.OutC)
				q := gemm.Quant{XZero: 3, Params: requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Zero: -5, Min: -128, Max: 127}}
				plain, got := make([]int8, len(beside)), make([]int8, len(beside))
				Rows(plain, x, g, w, slices.Repeat([]gemm.Quant{q}, g.Groups), make([]int8, g.PatchElems()))
				for _, b := range [][]int8{nil, beside} {
					want := slices.Clone(plain)
					f(want, b)
					check := func(name string, run func(dst, src []int8, scratch []byte), scratch int) {
						clear(got)
						if run(got, x, make([]byte, scratch)); !slices.Equal(got, want) {
							t.Errorf("%+v, %d workers: %s values differ", *g, workers, name)
						}
					}
					packed, n := []*gemm.S8Weights(nil), g.OutC/g.Groups
					for i := range g.Groups {
						packed = append(packed, gemm.PackS8(w[i*n*g.rowElems():], n, g.rowElems(), nil, q.XZero, 0, q.Params))
					}
					gathered := NewS8(g, packed, int8(q.XZero))
					gathered.Then(f)
					gathered.Beside(b)
					check("gathered", gathered.Run, gathered.Scratch())
					if direct, ok := NewDirectS8(w, g, &q); ok {
						direct.Then(f)
						direct.Beside(b)
						check("direct", direct.Run, direct.Scratch())
					}
					if winograd, ok := newWinogradS8(w, g, &q); ok {
						winograd.Then(f)
						winograd.Beside(b)
						check("Winograd's", winograd.Run, winograd.Scratch())
					}
					if g.Groups == g.C && b == nil {
						turned, taps := make([]int8, len(w)), g.KH*g.KW // [KH×KW][OutC]
						for i, v := range w {
							turned[i%taps*g.OutC+i/taps] = v
						}
						if depthwise, ok := PackDepthwiseS8(turned, g, &q); ok {
							depthwise.Then(func(x []int8) { f(x, nil) })
							check("depthwise", depthwise.Run, depthwise.Scratch())
						}
					}
				}
				par.Set(1)
			}
		}
	})
}
