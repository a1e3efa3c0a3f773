package attention

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestHeadF32 holds heads against float64, with rows that lie apart, buffers that end at guard pages, and masks of every kind.
func TestHeadF32(t *testing.T) {
	shapes := []Shape{
		{Queries: 0, Keys: 1, Depth: 1, Values: 1, Scale: 1}, {Queries: 1, Keys: 1, Depth: 1, Values: 1, Scale: 1}, {Queries: 3, Keys: 5, Depth: 0, Values: 2, Scale: 1},
		{Queries: 2, Keys: 7, Depth: 3, Values: 5, Scale: 0.5}, {Queries: 64, Keys: 64, Depth: 16, Values: 16, Scale: 0.25},
		{Queries: 13, Keys: 17, Depth: 8, Values: 8, Scale: 0.3}, {Queries: 37, Keys: 31, Depth: 20, Values: 24, Scale: -0.2}, {Queries: 5, Keys: 300, Depth: 64, Values: 33, Scale: 0.125},
		{Queries: 53, Keys: 135, Depth: 20, Values: 20, Scale: 1}, {Queries: 1, Keys: 40, Depth: 32, Values: 32, Scale: 0.177},
	}
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for turn := range 6 * len(shapes) {
			s := shapes[turn%len(shapes)]
			s.Turned = turn%4 >= 2
			make := func(rows, columns, gap int) ([]float32, int) {
				ld := columns + gap
				x := kerneltest.Guarded[float32](t, max((rows-1)*ld+columns, 0), turn%2 == 0)
				for i := range x {
					x[i] = r.Float32()*4 - 2
				}
				return x, ld
			}
			q, ldq := make(s.Queries, s.Depth, turn%3)
			k, ldk := make(s.Keys, s.Depth, turn%5)
			if s.Turned {
				k, ldk = make(s.Depth, s.Keys, turn%5)
			}
			v, ldv := make(s.Keys, s.Values, turn%2)
			dst, ldd := make(s.Queries, s.Values, turn%3)
			var mask []float32
			ldm := 0
			switch turn % 3 {
			case 1:
				mask, ldm = make(s.Queries, s.Keys, 1)
			case 2:
				mask, _ = make(1, s.Keys, 0)
				for i := range len(mask) / 2 {
					mask[i] = float32(math.Inf(-1))
				}
			}
			before := append([]float32{}, dst...)
			p := NewF32(s)
			p.Head(dst, ldd, q, ldq, k, ldk, v, ldv, mask, ldm, kerneltest.Guarded[byte](t, p.Scratch(), true))
			for i := range dst {
				if row, d := i/ldd, i%ldd; d < s.Values {
					want, size := exact(&s, row, d, q, ldq, k, ldk, v, ldv, mask, ldm)
					if diff := math.Abs(float64(dst[i]) - want); !(diff <= 1e-5*size) {
						t.Fatalf("%+v turn %d: row %d value %d: %v, want %v", s, turn, row, d, dst[i], want)
					}
				} else if dst[i] != before[i] {
					t.Fatalf("%+v turn %d: written between the rows", s, turn)
				}
			}
		}
	})
}

// exact is one value of the result in float64, and the sum of the sizes of what adds up to it.
func exact(p *Shape, i, d int, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, mask []float32, ldm int) (value, size float64) {
	s, top, total := make([]float64, p.Keys), math.Inf(-1), 0.0
	for j := range s {
		for e := range p.Depth {
			at := j*ldk + e
			if p.Turned {
				at = e*ldk + j
			}
			s[j] += float64(q[i*ldq+e]) * float64(k[at]) * float64(p.Scale)
		}
		if mask != nil {
			s[j] += float64(mask[i*ldm+j])
		}
		top = max(top, s[j])
	}
	for j := range s {
		s[j] = math.Exp(s[j] - top)
		total += s[j]
	}
	for j := range s {
		x := s[j] / total * float64(v[j*ldv+d])
		value, size = value+x, size+math.Abs(x)
	}
	return value, size
}

func BenchmarkHeadF32(b *testing.B) {
	for _, s := range []Shape{{Queries: 64, Keys: 64, Depth: 16, Values: 16, Scale: 0.25}, {Queries: 335, Keys: 335, Depth: 20, Values: 20, Scale: 1}, {Queries: 512, Keys: 512, Depth: 64, Values: 64, Scale: 0.125}} {
		b.Run(fmt.Sprintf("%dx%dx%dx%d", s.Queries, s.Keys, s.Depth, s.Values), func(b *testing.B) {
			p, h := NewF32(s), 4
			q, k, v, dst := make([]float32, s.Queries*s.Depth*h), make([]float32, s.Keys*s.Depth*h), make([]float32, s.Keys*s.Values*h), make([]float32, s.Queries*s.Values*h)
			scratch := make([]byte, p.Scratch())
			for b.Loop() {
				p.Head(dst, s.Values*h, q, s.Depth*h, k, s.Depth*h, v, s.Values*h, nil, 0, scratch)
			}
			b.ReportMetric(float64(s.Queries*s.Keys*(s.Depth+s.Values)*b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		})
	}
}
