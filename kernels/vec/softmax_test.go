package vec

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

func TestSoftmaxS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, scale := range []float64{0.5, 0.1, 0.02, 1e-4} {
			table := NewSoftmaxS8Table(1, scale)
			for _, depth := range append(sizes[1:], 1000, 4095, 4096, 5000) {
				for _, atEnd := range []bool{false, true} {
					src, dst := kerneltest.Guarded[int8](t, 19*depth, atEnd), kerneltest.Guarded[int8](t, 19*depth, atEnd)
					for i := range src {
						src[i] = int8(r.IntN(256) - 128)
						switch i / depth {
						case 1: // all shares the same
							src[i] = -128
						case 2: // the least and the largest distance
							src[i] = []int8{-128, 127}[min(r.IntN(depth), 1)]
						}
					}
					want := make([]int8, len(src))
					softmaxS8Generic(want, src, depth, table)
					SoftmaxS8(dst, src, depth, table, kerneltest.Guarded[int32](t, SoftmaxS8Scratch(depth), atEnd))
					if !slices.Equal(dst, want) {
						t.Fatalf("scale %v depth %d: %v, want %v", scale, depth, dst, want)
					}
					SoftmaxS8(src, src, depth, table, make([]int32, SoftmaxS8Scratch(depth)))
					if !slices.Equal(src, want) {
						t.Fatalf("scale %v depth %d in place differs", scale, depth)
					}
				}
			}
		}
	})
}
