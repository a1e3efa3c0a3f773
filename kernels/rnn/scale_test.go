package rnn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// TestScaleAll compares rescaled values with Scale.mul, at the ends of their range, at ties, and for every shift.
func TestScaleAll(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{0, 1, 7, 8, 9, 16, 31, 67} {
			for shift := int32(-31); shift <= 33; shift++ {
				s := Scale{[]int32{0, 1 << 30, math.MaxInt32, 1<<30 + r.Int32N(1<<30)}[r.IntN(4)], shift}
				lo, hi, add := int32(math.MinInt32), int32(math.MaxInt32), r.Int32N(255)-128
				if r.IntN(2) == 0 {
					lo, hi = math.MinInt16, math.MaxInt16
				}
				x, bias := kerneltest.Guarded[int32](t, n, r.IntN(2) == 0), kerneltest.Guarded[int32](t, n, r.IntN(2) == 0)
				want := make([]int32, n)
				for i := range x {
					x[i], bias[i] = int32(r.Uint32())>>r.IntN(32), int32(r.Uint32())>>r.IntN(32)
					switch r.IntN(8) {
					case 0:
						x[i], bias[i] = []int32{math.MinInt32, math.MaxInt32, -1, 0, 1}[r.IntN(5)], 0
					case 1: // a tie of the second rounding
						x[i], bias[i] = (2*r.Int32N(99)-99)<<max(-shift-1, 0), 0
					}
					want[i] = min(max(s.mul(x[i]+bias[i]), lo), hi) + add
				}
				in := slices.Clone(x)
				scaleAll(x, bias, s, lo, hi, add)
				if !slices.Equal(x, want) {
					t.Fatalf("%v, %d values: of %v + %v got %v, want %v", s, n, in, bias, x, want)
				}
			}
		}
	})
}

// TestSVDFPacked compares packed layers with plain ones, in memories that end where nothing may be read.
func TestSVDFPacked(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		for turn := range 200 {
			if turn%2 == 0 {
				compareSVDF[int16](t, turn, math.MinInt16, math.MaxInt16)
			} else {
				compareSVDF[int8](t, turn, math.MinInt8, math.MaxInt8)
			}
		}
	})
}

func compareSVDF[T int8 | int16](t *testing.T, turn int, lo, hi int32) {
	r := rand.New(rand.NewPCG(7, uint64(turn)))
	rank := 1 + r.IntN(3)
	c := IntSVDF{Input: 1 + r.IntN(40), Filters: rank * (1 + r.IntN(40)), Memory: 1 + r.IntN(20), Rank: rank, InZero: r.Int32N(255) - 128, OutZero: r.Int32N(255) - 128, In: ScaleOf(0.01 * r.Float64()), Out: ScaleOf(1e-6 * r.Float64())}
	if turn%3 == 0 {
		c.MemoryZero = r.Int32N(100) - 50
	}
	random := func() int { return []int{-32768, 32767, r.IntN(1<<16) - 1<<15}[min(r.IntN(8), 2)] }
	for range c.Filters * c.Input {
		c.Feature = append(c.Feature, int8(random()))
	}
	for range c.Filters * c.Memory {
		c.Time = append(c.Time, int16(random()))
	}
	units := c.Filters / rank
	if turn%5 > 0 {
		for range units {
			c.Bias = append(c.Bias, int64(r.Int32N(1<<20)-1<<19))
		}
	}
	plain := c
	if !c.Pack() {
		return
	}
	want, got := make([]T, c.Filters*c.Memory), kerneltest.Guarded[T](t, c.Filters*c.Memory, turn%4 < 2)
	for i := range want {
		want[i] = T(random())
	}
	copy(got, want)
	n, bytes := c.Scratch()
	x, wantY, gotY := kerneltest.Guarded[int8](t, c.Input, turn%4 < 2), make([]int8, units), kerneltest.Guarded[int8](t, units, turn%4 < 2)
	for range 3 {
		for i := range x {
			x[i] = int8(random())
		}
		StepSVDF(&plain, wantY, want, x, lo, hi, make([]int32, n), nil)
		StepSVDF(&c, gotY, got, x, lo, hi, kerneltest.Guarded[int32](t, n, true), kerneltest.Guarded[byte](t, bytes, true))
		if !slices.Equal(gotY, wantY) || !slices.Equal(got, want) {
			t.Fatalf("turn %d: %d filters of %d inputs, memory %d, rank %d: got %v, want %v", turn, c.Filters, c.Input, c.Memory, rank, gotY, wantY)
		}
	}
}
