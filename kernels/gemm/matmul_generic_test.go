package gemm

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// TestMatMul compares both storages with a float64 loop, at sizes around the unrolling.
func TestMatMul(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {1, 3, 2}, {2, 4, 3}, {3, 5, 1}, {4, 9, 7}, {2, 0, 3}, {0, 2, 2}, {5, 131, 6}} {
		t.Run(fmt.Sprintf("m=%d/k=%d/n=%d", s[0], s[1], s[2]), func(t *testing.T) {
			m, k, n := s[0], s[1], s[2]
			r := rand.New(rand.NewSource(int64(m + k + n)))
			a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n+1)
			bt := make([]bfloat16.BF16, n*k)
			for i := range a {
				a[i] = r.Float32() - 0.5
			}
			for i := range k {
				for j := range n {
					h := bfloat16.BF16(math.Float32bits(r.Float32()-0.5) >> 16)
					b[i*n+j], bt[j*k+i] = widenBF16(h), h
				}
			}
			check := func(kind string) {
				t.Helper()
				for i := range m {
					for j := range n {
						want := 0.0
						for p := range k {
							want += float64(a[i*k+p]) * float64(b[p*n+j])
						}
						if d := math.Abs(float64(c[i*n+j]) - want); d > 1e-7*float64(k+1) {
							t.Fatalf("%s: c[%d][%d] = %v, want %v", kind, i, j, c[i*n+j], want)
						}
					}
				}
				if c[m*n] != 99 {
					t.Fatalf("%s wrote behind its end", kind)
				}
			}
			for i := range c {
				c[i] = 99
			}
			MatMulF32(c, a, b, m, k, n)
			check("float32")
			for i := range c {
				c[i] = 99
			}
			MatMulBF16(c, a, bt, m, k, n)
			check("bfloat16")
		})
	}
}
