package gemm

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"wayside/kernels/requant"
)

// BenchmarkGemvS8 multiplies one row with one matrix after another, 192 MB of them in all, and reports the speed as a share of that of a loop which only
// reads the same weights: what memory gives.
func BenchmarkGemvS8(b *testing.B) {
	benchTiers(b, func(b *testing.B) {
		for _, c := range []struct{ k, n int }{{1024, 1024}, {256, 1024}, {4096, 1024}} {
			b.Run(fmt.Sprintf("k=%d/n=%d", c.k, c.n), func(b *testing.B) {
				const total = 192 << 20
				q := requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Zero: -128, Min: -128, Max: 127}
				w := make([]int8, c.n*c.k)
				for i := range w {
					w[i] = int8(i * 11) // more than four bits, or half of the bytes would do
				}
				var all []*S8Weights
				for range total / (c.k * c.n) {
					all = append(all, PackS8In(nil, 1, w, c.n, c.k, nil, 0, 0, q))
				}
				dst, x, scratch := make([]int8, c.n), make([]int8, c.k), make([]byte, all[0].Scratch(1))
				read := func(w *S8Weights) {
					var m *s8Matrix
					switch f := w.fast.(type) {
					case *s8Flipped:
						m = &f.s8Matrix
					case *s8Widened:
						m = &f.s8Matrix
					}
					// All panels are one piece of memory.
					readAll(unsafe.Slice((*uint64)(unsafe.Pointer(&m.panels[0].w[0])), c.k*c.n/8))
				}
				pass := func(f func(w *S8Weights)) time.Duration {
					t := time.Now()
					for _, w := range all {
						f(w)
					}
					return time.Since(t)
				}
				var shares, rates []float64
				for b.Loop() {
					reading := pass(read)
					product := pass(func(w *S8Weights) { S8(dst, c.n, x, c.k, 1, w, scratch) })
					shares = append(shares, reading.Seconds()/product.Seconds())
					rates = append(rates, total/product.Seconds())
				}
				slices.Sort(shares)
				b.ReportMetric(shares[len(shares)/2], "of-reading")
				b.ReportMetric(slices.Max(rates)/1e9, "GB/s")
			})
		}
	})
}

var readSum uint64

// readAll reads four streams, so that more than one line is on its way at a time.
func readAll(p []uint64) {
	n := len(p) / 4
	a, b, c, d := p[:n], p[n:2*n], p[2*n:3*n], p[3*n:4*n]
	var s, t uint64
	for i := 0; i+1 < n; i += 2 {
		s += a[i] + b[i] + c[i] + d[i]
		t += a[i+1] + b[i+1] + c[i+1] + d[i+1]
	}
	readSum += s + t
}
