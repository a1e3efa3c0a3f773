package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
)

// directF64 is a convolution with stride 1 in float64, and the sums of the products' sizes.
func directF64(src, w, bias []float32, g *Geometry) (out, sizes []float64) {
	out, sizes = make([]float64, g.Batch*g.OutH*g.OutW*g.OutC), make([]float64, g.Batch*g.OutH*g.OutW*g.OutC)
	for i := range out {
		o, x, y, b := i%g.OutC, i/g.OutC%g.OutW, i/g.OutC/g.OutW%g.OutH, i/g.OutC/g.OutW/g.OutH
		sum, size := float64(bias[o]), math.Abs(float64(bias[o]))
		for ky := range g.KH {
			for kx := range g.KW {
				iy, ix := y-g.PadTop+ky, x-g.PadLeft+kx
				if iy < 0 || iy >= g.H || ix < 0 || ix >= g.W {
					continue
				}
				in, f := src[((b*g.H+iy)*g.W+ix)*g.C:][:g.C], w[((o*g.KH+ky)*g.KW+kx)*g.C:]
				for c, v := range in {
					p := float64(v) * float64(f[c])
					sum, size = sum+p, size+math.Abs(p)
				}
			}
		}
		out[i], sizes[i] = sum, size
	}
	return out, sizes
}

func winogradGeometry(batch, h, w, c, n, outH, outW, top, left int) *Geometry {
	return &Geometry{Batch: batch, H: h, W: w, C: c, OutH: outH, OutW: outW, OutC: n, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: top, PadLeft: left, Groups: 1}
}

func normalF32(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// TestWinogradShapes compares with float64 over sizes, paddings, channels that do and do not fill vectors, and clamps, with one worker and two.
func TestWinogradShapes(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for i, g := range []*Geometry{
			winogradGeometry(1, 4, 4, 16, 16, 4, 4, 1, 1),
			winogradGeometry(1, 6, 6, 16, 32, 4, 4, 0, 0),
			winogradGeometry(2, 1, 1, 32, 16, 1, 1, 1, 1),
			winogradGeometry(1, 7, 7, 64, 48, 7, 7, 1, 1),
			winogradGeometry(3, 9, 5, 16, 16, 9, 5, 1, 1),
			winogradGeometry(1, 13, 11, 8, 24, 11, 9, 0, 0),
			winogradGeometry(1, 5, 17, 3, 5, 6, 18, 2, 1),
			winogradGeometry(2, 14, 14, 1, 1, 14, 14, 1, 1),
			winogradGeometry(1, 40, 40, 16, 16, 40, 40, 1, 1),
			winogradGeometry(1, 8, 8, 512, 16, 8, 8, 1, 1),
			winogradGeometry(1, 3, 3, 16, 16, 9, 9, 4, 4), // whole squares outside of the image
		} {
			x, w, bias := normalF32(r, g.Batch*g.H*g.W*g.C), normalF32(r, g.OutC*9*g.C), normalF32(r, g.OutC)
			lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
			if i%2 == 0 {
				lo, hi = 0, 6
			}
			want, sizes := directF64(x, w, bias, g)
			bound := 1e-6 * slices.Max(sizes) // errors of a square are those of its largest values
			for _, atEnd := range []bool{false, true} {
				par.Set(1 + i%2)
				layer, ok := newWinograd(w, g, bias, lo, hi)
				if !ok {
					t.Fatalf("%+v: not packed", *g)
				}
				src, dst := kerneltest.Guarded[float32](t, len(x), atEnd), kerneltest.Guarded[float32](t, len(want), atEnd)
				copy(src, x)
				layer.Run(dst, src, kerneltest.Guarded[float32](t, layer.Scratch(), atEnd))
				par.Set(1)
				for k, v := range want {
					v = min(max(v, float64(lo)), float64(hi))
					if d := math.Abs(float64(dst[k]) - v); d > bound {
						t.Fatalf("%+v: value %d: got %v, want %v", *g, k, dst[k], v)
					}
				}
			}
		}
	})
}

// TestWinogradError holds what the comment of Winograd says: its largest error is at most four times that of a plain sum.
func TestWinogradError(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, c := range []int{32, 256} {
			for _, rectified := range []bool{false, true} {
				g := winogradGeometry(1, 12, 12, c, 16, 12, 12, 1, 1)
				x, w := normalF32(r, 12*12*c), normalF32(r, 16*9*c)
				if rectified {
					for i := range x {
						x[i] = max(x[i], 0)
					}
				}
				want, _ := directF64(x, w, make([]float32, 16), g)
				layer, _ := newWinograd(w, g, nil, float32(math.Inf(-1)), float32(math.Inf(1)))
				got, plain := make([]float32, len(want)), make([]float32, len(want))
				layer.Run(got, x, make([]float32, layer.Scratch()))
				RowsF32(plain, x, g, w, nil, float32(math.Inf(-1)), float32(math.Inf(1)), make([]float32, g.PatchElems()))
				worst := func(s []float32) float64 {
					e := 0.0
					for i, v := range want {
						e = max(e, math.Abs(float64(s[i])-v))
					}
					return e
				}
				if e, p := worst(got), worst(plain); e > 4*p {
					t.Errorf("%d channels: the largest error is %v, that of a plain sum %v", c, e, p)
				} else {
					t.Logf("%d channels, rectified %v: %.2f times the error of a plain sum", c, rectified, e/p)
				}
			}
		}
	})
}

// TestWinogradRefuses has weights that would spread.
func TestWinogradRefuses(t *testing.T) {
	g := winogradGeometry(1, 16, 16, 32, 32, 16, 16, 1, 1)
	w := make([]float32, 32*9*32)
	for _, v := range []float32{float32(math.NaN()), float32(math.Inf(-1)), math.MaxFloat32} { // the last has no room for a corner's factor
		w[0] = v
		if _, ok := newWinograd(w, g, nil, 0, 1); ok {
			t.Errorf("a weight of %v is taken", v)
		}
	}
}

func BenchmarkWinograd(b *testing.B) {
	for _, c := range []struct{ hw, c, n int }{{56, 64, 64}, {28, 128, 128}, {14, 256, 256}, {7, 512, 512}, {32, 16, 16}, {16, 32, 32}, {8, 64, 64}} {
		g := winogradGeometry(1, c.hw, c.hw, c.c, c.n, c.hw, c.hw, 1, 1)
		r := rand.New(rand.NewPCG(1, 1))
		x, w, dst := normalF32(r, c.hw*c.hw*c.c), normalF32(r, c.n*9*c.c), make([]float32, c.hw*c.hw*c.n)
		layer, ok := newWinograd(w, g, nil, 0, 6)
		if !ok {
			b.Fatal("not packed")
		}
		direct, hasDirect := NewDirectF32(w, g, nil, 0, 6)
		gathered := NewF32(g, []*gemm.F32Weights{gemm.PackF32(w, c.n, 9*c.c, nil, 0, 6)})
		best := func(b *testing.B, f func()) {
			least := time.Hour
			for b.Loop() {
				t := time.Now()
				f()
				least = min(least, time.Since(t))
			}
			b.ReportMetric(float64(least.Nanoseconds())/1e3, "µs-best")
			b.ReportMetric(float64(g.MACs())/float64(least.Nanoseconds()), "GMAC/s")
		}
		name := fmt.Sprintf("%dx%dx%d", c.hw, c.c, c.n)
		s := make([]float32, layer.Scratch())
		b.Run(name+"/winograd", func(b *testing.B) { best(b, func() { layer.Run(dst, x, s) }) })
		if hasDirect {
			s := make([]float32, direct.Scratch())
			b.Run(name+"/direct", func(b *testing.B) { best(b, func() { direct.Run(dst, x, s) }) })
		}
		s2 := make([]float32, gathered.Scratch())
		b.Run(name+"/gathered", func(b *testing.B) { best(b, func() { gathered.Run(dst, x, s2) }) })
	}
}
