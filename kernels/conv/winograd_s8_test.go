package conv

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
	"wayside/kernels/requant"
)

// TestWinogradS8 compares with Rows, byte for byte: random and extreme values, with one worker and two, with and without a carry that counts.
func TestWinogradS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(10, 11))
		values := func(s []int8, extreme int) {
			for i := range s {
				switch s[i] = int8(r.IntN(256) - 128); extreme {
				case 1:
					s[i] = -128
				case 2:
					s[i] = 127
				case 3:
					s[i] = []int8{-128, 127}[r.IntN(2)]
				}
			}
		}
		for i := range 60 {
			g := winogradGeometry(1+r.IntN(2), 1+r.IntN(12), 1+r.IntN(12), 16*(1+r.IntN(4)), 16*(1+r.IntN(4)), 0, 0, r.IntN(4), r.IntN(4))
			if i < 2 { // enough work for two workers, and many channels
				g = winogradGeometry(1, 24, 25, []int{48, 512}[i], 32, 0, 0, 1, 1)
			}
			g.OutH, g.OutW = max(g.H+g.PadTop+r.IntN(4)-2, 1), max(g.W+g.PadLeft+r.IntN(4)-2, 1)
			w := make([]int8, g.OutC*9*g.C)
			values(w, r.IntN(6))
			zero := int32(r.IntN(256) - 128)
			q := gemm.Quant{XZero: int32(r.IntN(256) - 128), Bias: make([]int64, g.OutC), Params: requant.Params{Zero: zero, Min: -128, Max: 127}}
			if i%2 == 0 {
				q.Min = zero
			}
			for o := range q.Bias {
				q.Bias[o] = int64(r.IntN(20000) - 10000)
				if o == 0 || i%3 > 0 {
					q.Mult, q.Shift = append(q.Mult, 1<<30+int32(r.IntN(1<<30))), append(q.Shift, -int32(8+r.IntN(10)))
				}
			}
			n := g.Batch * g.OutH * g.OutW * g.OutC
			for _, atEnd := range []bool{false, true} {
				src, want := kerneltest.Guarded[int8](t, g.Batch*g.H*g.W*g.C, atEnd), make([]int8, n)
				values(src, r.IntN(6))
				Rows(want, src, g, w, []gemm.Quant{q}, make([]int8, g.PatchElems()))
				par.Set(1 + i%3%2)
				layer, ok := newWinogradS8(w, g, &q)
				if !ok {
					t.Fatalf("%+v: not packed", *g)
				}
				dst, scratch := kerneltest.Guarded[int8](t, n, atEnd), kerneltest.Guarded[byte](t, layer.Scratch(), atEnd)
				layer.Run(dst, src, scratch)
				if i == 0 {
					if a := testing.AllocsPerRun(3, func() { layer.Run(dst, src, scratch) }); a > 0 {
						t.Errorf("%v allocations in a run", a)
					}
				}
				par.Set(1)
				if !slices.Equal(dst, want) {
					t.Fatalf("%+v: outputs differ", *g)
				}
			}
		}
	})
}

// TestWinogradS8Refuses has sums that the exact rescaling has no room for, and weights with a zero point.
func TestWinogradS8Refuses(t *testing.T) {
	g := winogradGeometry(1, 4, 4, 4096, 16, 4, 4, 1, 1)
	w := make([]int8, 16*9*4096)
	fill(w[9*4096:2*9*4096], -128)
	q := gemm.Quant{Params: requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-9}, Min: -128, Max: 127}}
	if _, ok := newWinogradS8(w, g, &q); ok {
		t.Error("sums beyond 2^29 are taken")
	}
	fill(w, 1)
	if _, ok := newWinogradS8(w, g, &q); !ok {
		t.Error("small weights are refused")
	}
	q.WZero = 1
	if _, ok := newWinogradS8(w, g, &q); ok {
		t.Error("weights with a zero point are taken")
	}
}
