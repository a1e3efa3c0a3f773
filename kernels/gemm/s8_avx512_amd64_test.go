package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/requant"
)

func TestS8AVX512(t *testing.T) {
	if !cpu.Supported(cpu.AVX512VNNI) {
		t.Skip("skipped: the machine has no AVX512-VNNI")
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 7, 16, 17, 24, 33, 48, 63, 64, 65, 130, 200} {
		for _, k := range []int{1, 3, 4, 5, 16, 27, 64, 129} {
			for _, m := range []int{1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 49} {
				for _, lo := range []int32{-128, 3} {
					w, x, bias := make([]int8, n*k), make([]int8, m*(k+3)), make([]int32, n)
					q := requant.Params{Mult: make([]int32, n), Shift: make([]int32, n), Zero: 3, Min: lo, Max: 101}
					for i := range w {
						w[i] = int8(r.IntN(256) - 128)
					}
					for i := range x {
						x[i] = int8(r.IntN(256) - 128)
					}
					for i := range n {
						bias[i] = int32(r.IntN(1<<14) - 1<<13)
						q.Mult[i], q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(12))
						if r.IntN(4) == 0 {
							q.Mult[i] = 1<<30 + 1<<r.IntN(30)
						}
					}
					p := packS8AVX512(w, n, k, bias, q.Mult, q.Shift, q.Zero, q.Min, q.Max)
					if p == nil {
						t.Fatal("not packed")
					}
					got := make([]int8, m*(n+5))
					for i := range got {
						got[i] = 99
					}
					p.run(got, n+5, x, k+3, m, make([]byte, p.scratch(m)))
					for i := range m {
						for j := range n + 5 {
							want := int8(99)
							if j < n {
								acc := bias[j]
								for l := range k {
									acc += int32(x[i*(k+3)+l]) * int32(w[j*k+l])
								}
								want = q.Apply(acc, j)
							}
							if got[i*(n+5)+j] != want {
								t.Fatalf("n=%d k=%d m=%d lo=%d: row %d column %d: got %d, want %d", n, k, m, lo, i, j, got[i*(n+5)+j], want)
							}
						}
					}
				}
			}
		}
	}
}

func BenchmarkS8AVX512(b *testing.B) {
	for _, c := range []struct{ m, k, n int }{{256, 32, 64}, {256, 64, 64}, {256, 128, 128}, {256, 256, 256}, {256, 512, 512}, {196, 256, 512}, {49, 512, 1024}, {3136, 64, 128}, {1, 1024, 1000}, {784, 40, 72}, {784, 24, 16}} {
		for _, lo := range []int32{-128, 0} {
			b.Run(fmt.Sprintf("%dx%dx%d/lo=%d", c.m, c.k, c.n, lo), func(b *testing.B) {
				w, x := make([]int8, c.n*c.k), make([]int8, c.m*c.k)
				mult, shift := make([]int32, c.n), make([]int32, c.n)
				for i := range mult {
					mult[i], shift[i] = 1<<30+12345, -8
				}
				p := packS8AVX512(w, c.n, c.k, make([]int32, c.n), mult, shift, 0, lo, 127)
				dst, scratch := make([]int8, c.m*c.n), make([]byte, p.scratch(c.m))
				best := time.Hour
				for b.Loop() {
					t := time.Now()
					p.run(dst, c.n, x, c.k, c.m, scratch)
					best = min(best, time.Since(t))
				}
				b.ReportMetric(float64(c.m*c.k*c.n)/best.Seconds()/1e9, "GMAC/s-best")
			})
		}
	}
}
