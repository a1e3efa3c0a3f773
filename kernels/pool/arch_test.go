package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestTiers compares every kernel with the generic loops, next to pages that must not be touched.
func TestTiers(t *testing.T) {
	var gs []Geometry
	for _, c := range []int{1, 2, 7, 15, 16, 17, 31, 63, 64, 65, 129, 200} {
		gs = append(gs,
			Geometry{Batch: 2, H: 5, W: 7, C: c, OutH: 3, OutW: 4, KH: 3, KW: 2, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1},
			Geometry{Batch: 1, H: 4, W: 6, C: c, OutH: 1, OutW: 1, KH: 4, KW: 6, StrideH: 1, StrideW: 1},
			Geometry{Batch: 1, H: 3, W: 9, C: c, OutH: 3, OutW: 9, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, CountPad: true},
			Geometry{Batch: 1, H: 2, W: 2, C: c, OutH: 2, OutW: 2, KH: 9, KW: 9, StrideH: 1, StrideW: 1, PadTop: 4, PadLeft: 4},
			Geometry{Batch: 1, H: 1, W: 2, C: c, OutH: 1, OutW: 4, KH: 1, KW: 1, StrideH: 1, StrideW: 2}) // windows beside the image
	}
	gs = append(gs, Geometry{Batch: 1, H: 130, W: 131, C: 35, OutH: 2, OutW: 2, KH: 128, KW: 128, StrideH: 1, StrideW: 1, PadTop: 0})
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, g := range gs {
			for _, atEnd := range []bool{false, true} {
				in, out := g.Batch*g.H*g.W*g.C, g.Batch*g.OutH*g.OutW*g.C
				src, dst := kerneltest.Guarded[int8](t, in, atEnd), kerneltest.Guarded[int8](t, out, atEnd)
				for i := range src {
					src[i] = int8(r.Uint32())
					if r.IntN(40) == 0 {
						src[i] = -128
					}
				}
				want, acc := make([]int8, out), make([]int32, g.C)
				if !g.CountPad {
					for _, offset := range []int32{0, 128} {
						AverageS8(dst, src, &g, offset, -100, 120, acc)
						Average(want, src, &g, offset, -100, 120, acc)
						equal(t, "average", &g, dst, want)
					}
				}
				MaxS8(dst, src, &g, -3, 99)
				Max(want, src, &g, math.MinInt8, -3, 99)
				equal(t, "max", &g, dst, want)
				f, to, ref := kerneltest.Guarded[float32](t, in, atEnd), kerneltest.Guarded[float32](t, out, atEnd), make([]float32, out)
				for i := range f {
					f[i] = (r.Float32() - 0.5) * 20
				}
				AverageF32(to, f, &g, -1, 2)
				averageF32Generic(ref, f, &g, -1, 2)
				equal(t, "average", &g, to, ref)
				L2F32(to, f, &g, 0, 5)
				l2F32Generic(ref, f, &g, 0, 5)
				equal(t, "l2", &g, to, ref)
				f[0], f[in-1] = float32(math.NaN()), float32(math.Inf(-1))
				MaxF32(to, f, &g, -9, 9)
				Max(ref, f, &g, -math.MaxFloat32, -9, 9)
				equal(t, "max", &g, to, ref)
			}
		}
	})
}

func equal[T comparable](t *testing.T, what string, g *Geometry, got, want []T) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s %s: at %d %v, want %v", what, fmt.Sprint(*g), i, got[i], want[i])
		}
	}
}
