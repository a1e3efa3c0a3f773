package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// TestS8FourBits tests the tiles for weights of four bits, also with more rows than they are chosen for.
func TestS8FourBits(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		if !slices.Contains([]string{"avx2", "avx512vnni", "dotprod", "i8mm"}, cpu.Best().String()) {
			t.Skip("skipped: this tier keeps such weights in eight bits")
		}
		r := rand.New(rand.NewPCG(17, 4))
		for k := range 70 {
			for _, n := range []int{1, 8, 9, 16, 31, 33, 64, 97, 144} {
				for _, m := range []int{1, 2, 3, 4, 5, 11} {
					c := newCaseS8(t, r, m, n, k+1, []int32{0, 0, 0, 17, -128}[(k+n+m)%5], []int32{-128, 3}[(k+m)%2], m%2 == 0)
					for i := range c.w {
						if c.w[i] >>= 4; k%5 == 0 { // the largest sums
							c.w[i] = least
						}
					}
					for i := range c.q.Shift {
						c.q.Shift[i]-- // multipliers below a half, which all tiers take
					}
					p := PackS8In(nil, 1, c.w, n, c.k, c.bias, c.inZero, c.wZero, c.q)
					four, _ := p.Bytes()
					if eight, _ := PackS8In(nil, nibbleRows+1, c.w, n, c.k, c.bias, c.inZero, c.wZero, c.q).Bytes(); !p.FourBits() || n > 16 && four > eight*2/3 {
						t.Fatalf("another kind was chosen: %d bytes, %d in eight bits", four, eight)
					}
					scratch := kerneltest.Guarded[byte](t, p.Scratch(m), true)
					for i := range scratch {
						scratch[i] = 0x55
					}
					S8(c.dst, c.ldd, c.x, c.ldx, m, p, scratch)
					c.check(t)
				}
			}
		}
		for _, v := range []int8{-9, 8} {
			if w := []int8{-8, 7, v}; PackS8In(nil, 1, w, 1, 3, nil, 0, 0, requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-1}, Min: -128, Max: 127}).FourBits() {
				t.Errorf("%d is taken for four bits", v)
			}
		}
	})
}

// BenchmarkFourBits compares the kinds of panels of the same weights; cold ones come from memory.
func BenchmarkFourBits(b *testing.B) {
	benchTiers(b, benchFourBits)
}

func benchFourBits(b *testing.B) {
	for _, c := range []struct {
		m, k, n int
		cold    bool
	}{{1, 4096, 4096, true}, {1, 1024, 1001, true}, {1, 1024, 1001, false}, {1, 256, 1024, true}, {1, 256, 256, false}, {2, 4096, 4096, true}, {4, 4096, 4096, true}, {2, 1024, 1024, true}, {4, 1024, 1024, true}, {4, 1024, 1024, false}} {
		b.Run(fmt.Sprintf("m=%d/k=%d/n=%d/cold=%v", c.m, c.k, c.n, c.cold), func(b *testing.B) {
			w := make([]int8, c.n*c.k)
			q := requant.Params{Mult: []int32{1<<30 + 12345}, Shift: []int32{-8}, Zero: -128, Min: -128, Max: 127}
			copies := 1
			if c.cold {
				copies += 100 << 20 / len(w)
			}
			var sets [2][]*S8Weights
			for range copies {
				sets[0] = append(sets[0], PackS8In(nil, nibbleRows+1, w, c.n, c.k, nil, 0, 0, q))
				sets[1] = append(sets[1], PackS8In(nil, 1, w, c.n, c.k, nil, 0, 0, q))
			}
			x, dst, scratch := make([]int8, c.m*c.k), make([]int8, c.m*c.n), make([]byte, sets[1][0].Scratch(c.m))
			batch := max(copies, 1+20_000_000/(c.m*c.k*c.n))
			var best [2]time.Duration
			for b.Loop() {
				for kind, all := range sets {
					for i := range batch {
						t := time.Now()
						S8(dst, c.n, x, c.k, c.m, all[i%copies], scratch)
						if d := time.Since(t); best[kind] == 0 || d < best[kind] {
							best[kind] = d
						}
					}
				}
			}
			for kind, d := range best {
				b.ReportMetric(float64(c.m*c.k*c.n)/float64(d), []string{"s8", "s4"}[kind]+"-GMAC/s")
			}
		})
	}
}
