package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// TestWide16 compares with Rows, which sums in int64: extreme rows, multipliers at the ends of their range, memory with guard pages.
func TestWide16(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(41, 42))
		for _, c := range []struct{ m, n, k int }{{1, 16, 2}, {5, 32, 30}, {6, 48, 128}, {7, 16, 64}, {49, 128, 128}, {97, 16, 500}, {13, 2064, 4}} {
			for _, scales := range []int{1, c.n} {
				t.Run(fmt.Sprintf("%dx%dx%d/scales=%d", c.m, c.n, c.k, scales), func(t *testing.T) {
					q := &Quant{Params: requant.Params{Rule: requant.Wide, Min: math.MinInt16, Max: math.MaxInt16}}
					for i := range scales {
						q.Mult = append(q.Mult, [...]int32{1 << 30, math.MaxInt32, 0x7ffeffff, 0x7fff0000, 1<<30 + r.Int32N(1<<30), 0}[(i+r.IntN(2)*4)%6])
						q.Shift = append(q.Shift, -int32([...]int{1, 5, 9, 16, 31}[r.IntN(5)]))
					}
					w := make([]int8, c.n*c.k)
					for i := range w {
						w[i] = int8(r.IntN(256) - 128)
					}
					x, got := kerneltest.Guarded[int16](t, c.m*c.k, true), kerneltest.Guarded[int16](t, c.m*c.n, true)
					for i := range x {
						x[i] = int16(r.IntN(1<<16) - 1<<15)
						if i/c.k%3 == 1 { // a row that makes a column as large as can be
							x[i] = math.MinInt16
							if w[i%c.k] < 0 {
								x[i] = math.MaxInt16
							}
						}
					}
					p, ok := PackWide16(w, c.n, c.k, q)
					if !ok {
						if s16Fast() {
							t.Fatal("not packed")
						}
						t.Skip("no kernels for int16 in this tier")
					}
					want := make([]int16, len(got))
					Rows(want, c.n, x, c.k, c.m, w, c.n, c.k, q)
					p.Run(got, x, c.m, make([]int32, p.Scratch(c.m)))
					if !slices.Equal(got, want) {
						t.Fatal("results differ")
					}
					scratch := make([]int32, p.Scratch(c.m))
					if n := testing.AllocsPerRun(3, func() { p.Run(got, x, c.m, scratch) }); n != 0 {
						t.Errorf("%v allocations in a run", n)
					}
				})
			}
		}
	})
}

// TestWide16Refuses: what PackWide16 must leave to Rows.
func TestWide16Refuses(t *testing.T) {
	good := func() *Quant {
		return &Quant{Params: requant.Params{Rule: requant.Wide, Mult: []int32{1 << 30}, Shift: []int32{-4}, Min: math.MinInt16, Max: math.MaxInt16}}
	}
	w := make([]int8, 16*1024)
	for name, change := range map[string]func(q *Quant){
		"rule": func(q *Quant) { q.Rule = requant.Fixed }, "input zero point": func(q *Quant) { q.XZero = 1 }, "weight zero point": func(q *Quant) { q.WZero = 1 },
		"output zero point": func(q *Quant) { q.Zero = 1 }, "bias": func(q *Quant) { q.Bias = make([]int64, 16) }, "clamp": func(q *Quant) { q.Min = 0 }, "scale": func(q *Quant) { q.Shift[0] = 2 },
		"sum": func(*Quant) {
			for i := range w[:512] {
				w[i] = -128
			}
		},
	} {
		q := good()
		change(q)
		if _, ok := PackWide16(w, 16, 1024, q); ok {
			t.Errorf("%s: was packed", name)
		}
		clear(w)
	}
	if _, ok := PackWide16(w, 16, 1024, good()); ok != s16Fast() {
		t.Errorf("packed: %v", ok)
	}
}
