package gemm

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/peak"
	"wayside/kernels/requant"
)

// benchTiers runs a benchmark with each tier that has assembly.
func benchTiers(b *testing.B, f func(b *testing.B)) {
	for _, tier := range cpu.Tiers()[1:] {
		if cpu.Supported(tier) {
			b.Run("isa="+tier.String(), func(b *testing.B) {
				if err := cpu.Limit(tier.String()); err != nil {
					b.Fatal(err)
				}
				f(b)
			})
		}
	}
	if err := cpu.Limit(os.Getenv("WAYSIDE_KERNELS")); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkS8(b *testing.B) {
	benchTiers(b, func(b *testing.B) {
		for _, c := range []struct{ m, k, n int }{{192, 32, 64}, {192, 64, 64}, {192, 128, 64}, {192, 256, 64}, {192, 512, 64}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {25, 256, 256}, {3136, 64, 128}, {1, 1024, 1000}, {784, 40, 72}, {784, 24, 16}, {784, 27, 8}} {
			// Without a fused activation, and as ReLU is mostly quantized: no output lies below the zero point.
			for _, zero := range []int32{3, -128} {
				b.Run(fmt.Sprintf("m=%d/k=%d/n=%d/zero=%d", c.m, c.k, c.n, zero), func(b *testing.B) {
					q := requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Zero: zero, Min: -128, Max: 127}
					p := PackS8(make([]int8, c.n*c.k), c.n, c.k, nil, 0, 0, q)
					dst := make([]int8, c.m*c.n)
					if lda := p.Stride(); lda > 0 {
						a := make([]byte, c.m*lda)
						share(b, true, c.m*c.k*c.n, func() { S8Rows(dst, c.n, a, c.m, p) })
						return
					}
					x, scratch := make([]int8, c.m*c.k), make([]byte, p.Scratch(c.m))
					share(b, true, c.m*c.k*c.n, func() { S8(dst, c.n, x, c.k, c.m, p, scratch) })
				})
			}
		}
	})
}

func BenchmarkF32(b *testing.B) {
	benchTiers(b, func(b *testing.B) {
		for _, c := range []struct{ m, k, n int }{{48, 32, 64}, {48, 128, 64}, {48, 256, 64}, {48, 512, 64}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {25, 256, 256}, {3136, 64, 128}, {1, 1024, 1000}, {784, 40, 72}, {784, 27, 8}} {
			b.Run(fmt.Sprintf("m=%d/k=%d/n=%d", c.m, c.k, c.n), func(b *testing.B) {
				p := PackF32(make([]float32, c.n*c.k), c.n, c.k, nil, -1, 1)
				x, dst := make([]float32, c.m*c.k), make([]float32, c.m*c.n)
				share(b, false, c.m*c.k*c.n, func() { F32(dst, c.n, x, c.k, c.m, p) })
			})
		}
	})
}

// share reports the rate of f in its fastest run, since what else the machine does only adds time, and the median of its rates by the peak that is
// measured next to each: the clock changes in between.
func share(b *testing.B, int8s bool, macs int, f func()) {
	best, shares := 0.0, []float64(nil)
	batch := 1 + 4_000_000/macs
	for b.Loop() {
		fastest := time.Hour
		for range 5 {
			t := time.Now()
			for range batch {
				f()
			}
			fastest = min(fastest, time.Since(t))
		}
		rate := float64(macs*batch) / fastest.Seconds()
		s8, f32 := peak.Rates()
		if !int8s {
			s8 = f32
		}
		best, shares = max(best, rate), append(shares, rate/s8)
	}
	slices.Sort(shares)
	b.ReportMetric(best/1e9, "GMAC/s")
	b.ReportMetric(shares[len(shares)/2], "of-peak")
}
