package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/internal/cpu"
)

func TestF32AVX512(t *testing.T) {
	if !cpu.Supported(cpu.AVX512VNNI) {
		t.Skip("skipped: the machine has no AVX512-VNNI")
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 7, 16, 17, 33, 48, 64, 65, 130} {
		for _, k := range []int{1, 2, 3, 5, 16, 129} {
			for _, m := range []int{1, 2, 5, 6, 7, 12, 13, 49} {
				w, x, bias := make([]float32, n*k), make([]float32, m*(k+3)), make([]float32, n)
				for _, s := range [][]float32{w, x, bias} {
					for i := range s {
						s[i] = float32(r.IntN(65)-32) / 32 // exact sums, so any order gives the same
					}
				}
				got := make([]float32, m*(n+5))
				for i := range got {
					got[i] = 99
				}
				packF32AVX512(w, n, k, bias, -1.5, 2).run(got, n+5, x, k+3, m)
				for i := range m {
					for j := range n + 5 {
						want := float32(99)
						if j < n {
							want = bias[j]
							for l := range k {
								want += x[i*(k+3)+l] * w[j*k+l]
							}
							want = min(max(want, -1.5), 2)
						}
						if got[i*(n+5)+j] != want {
							t.Fatalf("n=%d k=%d m=%d: row %d column %d: got %v, want %v", n, k, m, i, j, got[i*(n+5)+j], want)
						}
					}
				}
			}
		}
	}
}

func BenchmarkF32AVX512(b *testing.B) {
	for _, c := range []struct{ m, k, n int }{{256, 32, 64}, {256, 256, 256}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {3136, 64, 128}, {1, 1024, 1000}, {784, 40, 72}} {
		b.Run(fmt.Sprintf("%dx%dx%d", c.m, c.k, c.n), func(b *testing.B) {
			w, x := make([]float32, c.n*c.k), make([]float32, c.m*c.k)
			p := packF32AVX512(w, c.n, c.k, nil, -1, 1)
			dst := make([]float32, c.m*c.n)
			best := time.Hour
			for b.Loop() {
				t := time.Now()
				p.run(dst, c.n, x, c.k, c.m)
				best = min(best, time.Since(t))
			}
			b.ReportMetric(float64(c.m*c.k*c.n)/best.Seconds()/1e9, "GMAC/s-best")
		})
	}
}
