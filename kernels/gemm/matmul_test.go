package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

func scratchFor(t testing.TB, n int) []byte { return kerneltest.Guarded[byte](t, n, true) }

// eachProduct calls f with random sizes around those of the tiles, and all four ways to store the matrices.
func eachProduct(t *testing.T, f func(t *testing.T, r *rand.Rand, p Product)) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range sizesN {
			for _, k := range sizesK {
				for way := range 4 {
					f(t, r, Product{M: sizesM[r.IntN(len(sizesM))], K: k, N: n, TransA: way&1 > 0, TransB: way&2 > 0})
				}
			}
		}
	})
}

// at returns where the elements a[i][p] and b[p][j] lie.
func (p *Product) at(i, q, j int) (a, b int) {
	a, b = i*p.K+q, q*p.N+j
	if p.TransA {
		a = q*p.M + i
	}
	if p.TransB {
		b = j*p.K + q
	}
	return a, b
}

func TestProductF32(t *testing.T) {
	turn := 0
	eachProduct(t, func(t *testing.T, r *rand.Rand, s Product) {
		turn++
		a, b, c := kerneltest.Guarded[float32](t, s.M*s.K, turn%2 == 0), kerneltest.Guarded[float32](t, s.K*s.N, turn%2 == 0), kerneltest.Guarded[float32](t, s.M*s.N, turn%2 == 0)
		var bias []float32
		lo, hi := float32(-math.MaxFloat32), float32(math.MaxFloat32)
		if s.TransB && turn%3 > 0 {
			bias, lo, hi = make([]float32, s.N), -1.5, 2
		}
		for _, v := range [][]float32{a, b, bias} {
			for i := range v {
				v[i] = r.Float32()*2 - 1
			}
		}
		if turn%7 == 0 && len(a) > 0 {
			a[0] = float32(math.NaN())
		}
		p := NewProductF32(s, bias, lo, hi)
		p.Run(c, a, b, scratchFor(t, p.Scratch()))
		for i := range s.M {
			for j := range s.N {
				sum := 0.0
				if bias != nil {
					sum = float64(bias[j])
				}
				size := math.Abs(sum)
				for q := range s.K {
					ai, bi := s.at(i, q, j)
					v := float64(a[ai]) * float64(b[bi])
					sum, size = sum+v, size+math.Abs(v)
				}
				want, got := min(max(sum, float64(lo)), float64(hi)), c[i*s.N+j]
				if d := math.Abs(float64(got) - want); d > ulpF32*size*0x1p-23 || (got != got) != (want != want) {
					t.Fatalf("%+v: row %d column %d: got %v, want %v", s, i, j, got, want)
				}
			}
		}
	})
}

func TestProductS8(t *testing.T) {
	turn := 0
	eachProduct(t, func(t *testing.T, r *rand.Rand, s Product) {
		turn++
		a, b, c := kerneltest.Guarded[int8](t, s.M*s.K, turn%2 == 0), kerneltest.Guarded[int8](t, s.K*s.N, turn%2 == 0), kerneltest.Guarded[int8](t, s.M*s.N, turn%2 == 0)
		for _, v := range [][]int8{a, b} {
			for i := range v {
				v[i] = int8(r.IntN(256) - 128)
				if r.IntN(8) == 0 {
					v[i] = []int8{-128, 127}[r.IntN(2)]
				}
			}
		}
		q := &Quant{XZero: int32(r.IntN(256) - 128), WZero: []int32{0, int32(r.IntN(256) - 128), -128, 127}[r.IntN(4)]}
		q.Params = requant.Params{Mult: []int32{1<<30 + int32(r.IntN(1<<30))}, Shift: []int32{-int32(r.IntN(14))}, Zero: int32(r.IntN(9) - 4), Min: []int32{-128, 5}[turn%2], Max: 120}
		switch r.IntN(9) {
		case 0:
			q.Shift[0] = 1
		case 1:
			q.Mult[0] = 0
		}
		p := NewProductS8(s, q)
		p.Run(c, a, b, scratchFor(t, p.Scratch()))
		plain, sums := NewProductS32(s), kerneltest.Guarded[int32](t, s.M*s.N, turn%2 == 0)
		plain.RunS32(sums, a, b, scratchFor(t, plain.Scratch()))
		for i := range s.M {
			for j := range s.N {
				sum, raw := int32(0), int32(0)
				for k := range s.K {
					ai, bi := s.at(i, k, j)
					sum += (int32(a[ai]) - q.XZero) * (int32(b[bi]) - q.WZero)
					raw += int32(a[ai]) * int32(b[bi])
				}
				if want := int8(q.Apply(sum, 0)); c[i*s.N+j] != want {
					t.Fatalf("%+v, zero points %d and %d: row %d column %d: got %d, want %d", s, q.XZero, q.WZero, i, j, c[i*s.N+j], want)
				}
				if sums[i*s.N+j] != raw {
					t.Fatalf("%+v: row %d column %d: got %d, want %d", s, i, j, sums[i*s.N+j], raw)
				}
			}
		}
	})
}

func BenchmarkProduct(b *testing.B) {
	for _, s := range []Product{{M: 64, K: 16, N: 64, TransB: true}, {M: 64, K: 64, N: 16}, {M: 812, K: 32, N: 812, TransB: true}, {M: 812, K: 812, N: 32}, {M: 1, K: 512, N: 512}, {M: 1, K: 512, N: 512, TransB: true}} {
		c, x, y := make([]float32, s.M*s.N), make([]float32, s.M*s.K), make([]float32, s.K*s.N)
		p := NewProductF32(s, nil, -math.MaxFloat32, math.MaxFloat32)
		scratch := make([]byte, p.Scratch())
		b.Run(fmt.Sprintf("f32/%dx%dx%d/turned=%t", s.M, s.K, s.N, s.TransB), func(b *testing.B) {
			share(b, false, s.M*s.K*s.N, func() { p.Run(c, x, y, scratch) })
		})
		q := &Quant{Params: requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Min: -128, Max: 127}, WZero: 3}
		c8, x8, y8, p8 := make([]int8, s.M*s.N), make([]int8, s.M*s.K), make([]int8, s.K*s.N), NewProductS8(s, q)
		scratch8 := make([]byte, p8.Scratch())
		b.Run(fmt.Sprintf("s8/%dx%dx%d/turned=%t", s.M, s.K, s.N, s.TransB), func(b *testing.B) {
			share(b, true, s.M*s.K*s.N, func() { p8.Run(c8, x8, y8, scratch8) })
		})
	}
}
