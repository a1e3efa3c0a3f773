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
		for _, c := range []struct{ m, k, n int }{{96, 64, 64}, {96, 64, 256}, {96, 128, 64}, {96, 128, 256}, {96, 256, 64}, {96, 256, 256}, {96, 512, 64}, {96, 512, 256}, {196, 64, 64}, {196, 64, 256}, {196, 128, 64}, {196, 128, 256}, {196, 256, 64}, {196, 256, 256}, {196, 512, 64}, {196, 512, 256}, {784, 64, 64}, {784, 64, 256}, {784, 128, 64}, {784, 128, 256}, {784, 256, 64}, {784, 256, 256}, {784, 512, 64}, {784, 512, 256}, {196, 1024, 256}, {192, 32, 64}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {25, 256, 256}, {3136, 64, 128}, {1, 1024, 1000}, {1, 1024, 192}, {1, 256, 256}, {1, 256, 960}, {1, 128, 128}, {1, 512, 1000}, {784, 40, 72}, {784, 24, 16}, {784, 27, 8}} {
			// Without a fused activation, and as ReLU is mostly quantized: no output lies below the zero point.
			for _, zero := range []int32{3, -128} {
				b.Run(fmt.Sprintf("m=%d/k=%d/n=%d/zero=%d", c.m, c.k, c.n, zero), func(b *testing.B) {
					q := requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Zero: zero, Min: -128, Max: 127}
					p := PackS8(make([]int8, c.n*c.k), c.n, c.k, nil, 0, 0, q)
					dst, x, scratch := make([]int8, c.m*c.n), make([]int8, c.m*c.k), make([]byte, p.Scratch(c.m))
					share(b, true, c.m*c.k*c.n, func() { S8(dst, c.n, x, c.k, c.m, p, scratch) })
				})
			}
		}
	})
}

func BenchmarkF32(b *testing.B) {
	benchTiers(b, func(b *testing.B) {
		for _, c := range []struct{ m, k, n int }{{48, 32, 64}, {48, 128, 64}, {48, 256, 64}, {48, 512, 64}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {25, 256, 256}, {3136, 64, 128}, {1, 1024, 1000}, {1, 1024, 192}, {1, 256, 256}, {1, 256, 960}, {1, 128, 128}, {1, 512, 1000}, {784, 40, 72}, {784, 27, 8}} {
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

// BenchmarkForms compares the forms of the same weights. Those of cold layers come from memory: as many copies take turns as no cache holds.
func BenchmarkForms(b *testing.B) {
	benchTiers(b, func(b *testing.B) {
		for _, c := range []struct {
			m, k, n int
			cold    bool
		}{{1, 4096, 4096, true}, {1, 1024, 1001, true}, {1, 1024, 1001, false}, {1, 256, 256, false}, {4, 1024, 1001, true}, {12, 1024, 1024, true}, {49, 1024, 1024, true}, {49, 1024, 1024, false}, {196, 256, 512, false}, {784, 40, 72, false}, {3136, 64, 128, false}} {
			b.Run(fmt.Sprintf("m=%d/k=%d/n=%d/cold=%v", c.m, c.k, c.n, c.cold), func(b *testing.B) {
				w := make([]float32, c.n*c.k)
				x, dst := make([]float32, c.m*c.k), make([]float32, c.m*c.n)
				copies := 1
				if c.cold {
					copies += 64 << 20 / (2 * len(w))
				}
				var sets [3][]*F32Weights
				for f := range sets {
					for range copies {
						sets[f] = append(sets[f], packF32(nil, form(f), w, c.n, c.k, nil, -1, 1))
					}
				}
				batch := max(copies, 1+20_000_000/(c.m*c.k*c.n))
				var best [3]time.Duration
				for b.Loop() {
					for f, all := range sets {
						for i := range batch {
							t := time.Now()
							F32(dst, c.n, x, c.k, c.m, all[i%copies])
							if d := time.Since(t); best[f] == 0 || d < best[f] {
								best[f] = d
							}
						}
					}
				}
				for f, d := range best {
					b.ReportMetric(float64(c.m*c.k*c.n)/float64(d), form(f).String()+"-GMAC/s")
				}
			})
		}
	})
}
