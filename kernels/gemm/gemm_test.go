package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/requant"
)

// sizes are those around the panel widths, a prime, and one that is large.
var sizes = []struct{ m, n, k int }{
	{0, 4, 4}, {1, 1, 1}, {1, 3, 0}, {2, 4, 7}, {3, 5, 8}, {1, 7, 9}, {5, 8, 31}, {4, 9, 33}, {2, 17, 64}, {13, 31, 127}, {1, 64, 1000},
}

func TestGemmS8(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s8 := func() int8 { return int8(r.IntN(256) - 128) }
	for _, c := range sizes {
		for _, wZero := range []int32{0, 11, -128} {
			t.Run(fmt.Sprintf("isa=generic/m=%d/n=%d/k=%d/zero=%d", c.m, c.n, c.k, wZero), func(t *testing.T) {
				ldx, ldd := c.k+3, c.n+2
				x, w, bias := make([]int8, c.m*ldx), make([]int8, c.n*c.k), make([]int32, c.n)
				q := requant.Params{Mult: make([]int32, c.n), Shift: make([]int32, c.n), Zero: 3, Min: -120, Max: 101}
				for i := range x {
					x[i] = s8()
				}
				for i := range w {
					w[i] = s8()
				}
				for i := range bias {
					bias[i] = int32(r.IntN(20000) - 10000)
					q.Mult[i], q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -int32(5+r.IntN(6))
				}
				const zero = -77
				got := make([]int8, c.m*ldd)
				for i := range got {
					got[i] = 99 // what lies between the rows must stay
				}
				if c.m > 0 {
					S8(got, ldd, x, ldx, c.m, PackS8(w, c.n, c.k, bias, zero, wZero, q))
				}
				for i := range c.m {
					for j := range ldd {
						want := int8(99)
						if j < c.n {
							acc := bias[j]
							for k := range c.k {
								acc += (int32(x[i*ldx+k]) - zero) * (int32(w[j*c.k+k]) - wZero)
							}
							want = q.Apply(acc, j)
						}
						if got[i*ldd+j] != want {
							t.Fatalf("row %d column %d: got %d, want %d", i, j, got[i*ldd+j], want)
						}
					}
				}
			})
		}
	}
}

func TestGemmF32(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range sizes {
		t.Run(fmt.Sprintf("isa=generic/m=%d/n=%d/k=%d", c.m, c.n, c.k), func(t *testing.T) {
			x, w, bias := make([]float32, c.m*c.k), make([]float32, c.n*c.k), make([]float32, c.n)
			for _, s := range [][]float32{x, w, bias} {
				for i := range s {
					s[i] = r.Float32()*2 - 1
				}
			}
			got := make([]float32, c.m*c.n)
			F32(got, c.n, x, c.k, c.m, PackF32(w, c.n, c.k, bias, -1.5, float32(math.Inf(1))))
			for i := range c.m {
				for j := range c.n {
					acc := float32(0)
					for k := range c.k {
						acc += float32(x[i*c.k+k] * w[j*c.k+k])
					}
					if want := max(acc+bias[j], -1.5); got[i*c.n+j] != want {
						t.Fatalf("row %d column %d: got %v, want %v", i, j, got[i*c.n+j], want)
					}
				}
			}
		})
	}
}

func TestGemmPanicsOnShortSlices(t *testing.T) {
	w := PackS8(make([]int8, 12), 3, 4, nil, 0, 0, requant.Params{Mult: []int32{1 << 30}, Shift: []int32{0}})
	for name, f := range map[string]func(){
		"input":  func() { S8(make([]int8, 6), 3, make([]int8, 7), 4, 2, w) },
		"output": func() { S8(make([]int8, 5), 3, make([]int8, 8), 4, 2, w) },
		"pack":   func() { PackF32(make([]float32, 11), 3, 4, nil, 0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a short %s slice is accepted", name)
				}
			}()
			f()
		}()
	}
}
