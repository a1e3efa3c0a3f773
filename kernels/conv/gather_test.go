package conv

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestGather compares gathered rows with the taps that each output pixel reads: all widths of filters and pictures around words, padding beyond the filter,
// and runs of pixels that begin and end within lines.
func TestGather(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		g := &Geometry{
			Batch: 1 + r.IntN(2), H: 1 + r.IntN(9), W: 1 + r.IntN(9), C: 1 + r.IntN(5), OutC: 1, KH: 1 + r.IntN(4), KW: 1 + r.IntN(5), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3),
			PadTop: r.IntN(4), PadLeft: r.IntN(7), DilH: 1 + r.IntN(2), DilW: 1, OutH: 1 + r.IntN(6), OutW: 1 + r.IntN(6), Groups: 1,
		}
		checkGather[int8](t, r, g, -7)
		checkGather[float32](t, r, g, 0)
	}
}

func checkGather[T int8 | int16 | float32](t *testing.T, r *rand.Rand, g *Geometry, zero T) {
	t.Helper()
	src := kerneltest.Guarded[T](t, g.Batch*g.H*g.W*g.C, true)
	for i := range src {
		src[i] = T(1 + i%100)
	}
	k, pixels := g.rowElems(), g.Batch*g.OutH*g.OutW
	apart, pixel := k+r.IntN(3), r.IntN(pixels)
	n := 1 + r.IntN(pixels-pixel)
	got := kerneltest.Guarded[T](t, (n-1)*apart+k, true)
	gather(got, apart, src, g, 0, pixel, n, zero)
	want := make([]T, k)
	for p := range n {
		g.runs(0, pixel+p, func(at, from, n int) { copy(want[at:], src[from:from+n]) }, func(at, n int) { fill(want[at:at+n], zero) })
		if row := got[p*apart:][:k]; !slices.Equal(row, want) {
			t.Fatalf("%+v: pixel %d: got %v, want %v", g, pixel+p, row, want)
		}
	}
}
