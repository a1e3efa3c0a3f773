package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
	"wayside/kernels/requant"
)

func randomS8(r *rand.Rand, n int) []int8 {
	s := make([]int8, n)
	for i := range s {
		s[i] = int8(r.IntN(256) - 128)
	}
	return s
}

func randomF32(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.IntN(256)-128) / 64
	}
	return s
}

// TestTransposeAgainstScatter compares with the definition: every input pixel is added to the outputs that it reaches. Small whole
// numbers make float32 sums exact in any order.
func TestTransposeAgainstScatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, g := range []*Geometry{
		{Batch: 2, H: 3, W: 4, C: 2, OutH: 6, OutW: 8, OutC: 3, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 0, PadLeft: 0},
		{Batch: 1, H: 2, W: 2, C: 1, OutH: 9, OutW: 3, OutC: 1, KH: 2, KW: 1, StrideH: 4, StrideW: 2, PadTop: 0, PadLeft: 0},
		{Batch: 1, H: 5, W: 3, C: 3, OutH: 5, OutW: 2, OutC: 2, KH: 5, KW: 4, StrideH: 1, StrideW: 1, PadTop: 2, PadLeft: 3},
		{Batch: 1, H: 1, W: 1, C: 1, OutH: 1, OutW: 1, OutC: 1, KH: 1, KW: 1, StrideH: 7, StrideW: 9, PadTop: 0, PadLeft: 0},
		{Batch: 1, H: 3, W: 3, C: 1, OutH: 20, OutW: 1, OutC: 1, KH: 2, KW: 2, StrideH: 3, StrideW: 3, PadTop: 1, PadLeft: 5},
	} {
		t.Run(fmt.Sprintf("%+v", *g), func(t *testing.T) {
			src, w := randomS8(r, g.Batch*g.H*g.W*g.C), randomS8(r, g.OutC*g.KH*g.KW*g.C)
			const xZero, wZero = 7, -3
			want := make([]int64, g.Batch*g.OutH*g.OutW*g.OutC)
			for i, v := range src {
				c, x, y, b := i%g.C, i/g.C%g.W, i/g.C/g.W%g.H, i/g.C/g.W/g.H
				for o := range g.OutC {
					for ky := range g.KH {
						for kx := range g.KW {
							oy, ox := y*g.StrideH-g.PadTop+ky, x*g.StrideW-g.PadLeft+kx
							if oy >= 0 && oy < g.OutH && ox >= 0 && ox < g.OutW {
								want[((b*g.OutH+oy)*g.OutW+ox)*g.OutC+o] += int64(int32(v)-xZero) * int64(int32(w[((o*g.KH+ky)*g.KW+kx)*g.C+c])-wZero)
							}
						}
					}
				}
			}
			bias := make([]int64, g.OutC)
			q := &gemm.Quant{XZero: xZero, WZero: wZero, Bias: bias, Params: requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-8}, Zero: 1, Min: -32768, Max: 32767}}
			for i := range bias {
				bias[i] = int64(r.IntN(2000) - 1000)
			}
			got := make([]int16, len(want))
			Transpose(got, src, g, w, q, make([]int64, g.OutC))
			for i, v := range want {
				if s := int16(q.Store(v+bias[i%g.OutC], i%g.OutC)); got[i] != s {
					t.Fatalf("element %d: %d instead of %d", i, got[i], s)
				}
			}
			xf, wf := make([]float32, len(src)), make([]float32, len(w))
			for i, v := range src {
				xf[i] = float32(int32(v) - xZero)
			}
			for i, v := range w {
				wf[i] = float32(int32(v) - wZero)
			}
			for _, first := range []bool{false, true} {
				bf, out := make([]float32, g.OutC), make([]float32, len(want))
				for i := range bf {
					bf[i] = float32(bias[i])
				}
				TransposeF32(out, xf, g, wf, bf, first, -1e9, 1e9, make([]float32, g.OutC))
				for i, v := range want {
					if out[i] != float32(v)+bf[i%g.OutC] {
						t.Fatalf("float32 element %d: %v instead of %d", i, out[i], v)
					}
				}
			}
		})
	}
}

// TestVolumeIsConvolutionPerPlane compares filters of depth 1 with a two-dimensional convolution of every plane.
func TestVolumeIsConvolutionPerPlane(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	plane := &Geometry{Batch: 6, H: 5, W: 4, C: 2, OutH: 3, OutW: 2, OutC: 3, KH: 3, KW: 2, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, PadTop: 1, Groups: 1}
	g := &Volume{Batch: 2, C: 2, OutC: 3, In: [3]int{3, 5, 4}, Out: [3]int{3, 3, 2}, K: [3]int{1, 3, 2}, Stride: [3]int{1, 2, 2}, Dilation: [3]int{1, 1, 1}, PadHead: [3]int{0, 1, 0}}
	src, w, bias := randomF32(r, 6*5*4*2), randomF32(r, 3*2*2*3), randomF32(r, 3)
	turned := make([]float32, len(w)) // [OutC][KH][KW][C]
	for i, v := range w {
		turned[i%3*12+i/3] = v
	}
	got, want := make([]float32, 6*3*2*3), make([]float32, 6*3*2*3)
	VolumeF32(got, src, g, w, bias, -2, 2, make([]float32, 3))
	RowsF32(want, src, plane, turned, bias, -2, 2, make([]float32, plane.PatchElems()))
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestGroupsAndDepthwiseAgree computes a depthwise convolution as a grouped one too, in both integer widths.
func TestGroupsAndDepthwiseAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	g := &Geometry{Batch: 2, H: 6, W: 35, C: 3, OutH: 5, OutW: 34, OutC: 6, KH: 3, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 2, PadTop: 1, PadLeft: 1, Groups: 3}
	n := g.Batch * g.OutH * g.OutW * g.OutC
	w := randomS8(r, 6*6) // [KH×KW][OutC]
	turned := make([]int8, len(w))
	for i, v := range w {
		turned[i%6*6+i/6] = v
	}
	q := gemm.Quant{XZero: -4, Params: requant.Params{Mult: []int32{0x5a000000}, Shift: []int32{-9}, Min: -100, Max: 120}}
	src := randomS8(r, g.Batch*g.H*g.W*g.C)
	a, b := make([]int8, n), make([]int8, n)
	Depthwise(a, src, g, w, &q, make([]int32, g.OutC))
	Rows(b, src, g, turned, []gemm.Quant{q, q, q}, make([]int8, g.PatchElems()))
	if !slices.Equal(a, b) {
		t.Error("int8: depthwise and grouped results differ")
	}
	q.XZero, q.Rule = 0, requant.Wide
	wide := make([]int16, len(src))
	for i, v := range src {
		wide[i] = int16(v) * 250
	}
	c, d := make([]int16, n), make([]int16, n)
	Depthwise(c, wide, g, w, &q, make([]int64, g.OutC))
	Rows(d, wide, g, turned, []gemm.Quant{q, q, q}, make([]int16, g.PatchElems()))
	if !slices.Equal(c, d) {
		t.Error("int16: depthwise and grouped results differ")
	}
}

// TestPackedConvolution compares packed convolutions with Rows and RowsF32, which take weights as they lie in a file, over random geometries, with
// one thread and with two.
func TestPackedConvolution(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprintf("threads=%d", threads), func(t *testing.T) {
			par.Set(threads)
			defer par.Set(1)
			kerneltest.EachTier(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(8, 9))
				for i := range 150 {
					g := &Geometry{Batch: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(12), KH: 1 + r.IntN(4), KW: 1 + r.IntN(4),
						StrideH: 1 + r.IntN(2), StrideW: 1 + r.IntN(2), DilH: 1 + r.IntN(2), DilW: 1 + r.IntN(2), PadTop: r.IntN(3), PadLeft: r.IntN(3), Groups: 1 + r.IntN(2)}
					if i%3 == 0 {
						g.KH, g.KW, g.StrideH, g.StrideW, g.PadTop, g.PadLeft, g.Groups = 1, 1, 1, 1, 0, 0, 1
					}
					g.C, g.OutC = g.Groups*(1+r.IntN(20)), g.Groups*(1+r.IntN(40))
					if i == 1 { // enough work for two threads
						*g = Geometry{Batch: 1, H: 40, W: 41, C: 24, OutC: 40, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, Groups: 1}
					}
					if i == 3 { // weights enough that threads share the columns
						g.Batch, g.H, g.W, g.C, g.OutC = 1, 3, 3, 300, 1001
					}
					if i == 4 { // one line, which threads share
						*g = Geometry{Batch: 1, H: 1, W: 61, C: 31, OutC: 67, KH: 1, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 2, PadLeft: 4, Groups: 1}
					}
					g.OutH, g.OutW = (g.H+g.PadTop+r.IntN(3))/g.StrideH+1, (g.W+g.PadLeft+r.IntN(3))/g.StrideW+1
					if g.KH == 1 && g.KW == 1 {
						g.OutH, g.OutW = g.H, g.W
					}
					checkPackedS8(t, r, g)
					checkPackedF32(t, r, g)
				}
			})
		})
	}
}

func checkPackedS8(t *testing.T, r *rand.Rand, g *Geometry) {
	n, k := g.OutC/g.Groups, g.rowElems()
	src, w := randomS8(r, g.Batch*g.H*g.W*g.C), randomS8(r, g.OutC*k)
	bias := make([]int64, g.OutC)
	for i := range bias {
		bias[i] = int64(r.IntN(2000) - 1000)
	}
	xZero, wZero := int32(r.IntN(256)-128), int32(0)
	if r.IntN(4) == 0 {
		wZero = int32(r.IntN(256) - 128)
		if r.IntN(2) == 0 { // all but a few weights are int8 without it
			for i, v := range w[min(2, len(w)):] {
				w[2+i] = int8(min(max(int32(v), wZero-128), wZero+127))
			}
		}
	}
	params := requant.Params{Mult: []int32{1<<30 + int32(r.IntN(1<<30))}, Shift: []int32{-9}, Zero: 1, Min: -128, Max: 127}
	var packed []*gemm.S8Weights
	var qs []gemm.Quant
	for gr := range g.Groups {
		b := make([]int32, n)
		for i := range b {
			b[i] = int32(bias[gr*n+i])
		}
		packed = append(packed, gemm.PackS8(w[gr*n*k:], n, k, b, xZero, wZero, params))
		qs = append(qs, gemm.Quant{Params: params, XZero: xZero, WZero: wZero, Bias: bias[gr*n : (gr+1)*n]})
	}
	outs := g.Batch * g.OutH * g.OutW * g.OutC
	want, got := make([]int8, outs), make([]int8, outs)
	Rows(want, src, g, w, qs, make([]int8, g.PatchElems()))
	layer := NewS8(g, packed, int8(xZero))
	layer.Run(got, src, make([]byte, layer.Scratch()))
	if !slices.Equal(got, want) {
		t.Fatalf("%+v: int8 outputs differ", *g)
	}
	direct, ok := NewDirectS8(w, g, &qs[0])
	if !ok {
		return
	}
	clear(got)
	direct.Run(got, src, kerneltest.Guarded[byte](t, direct.Scratch(), true))
	if !slices.Equal(got, want) {
		t.Fatalf("%+v: int8 outputs differ with windows", *g)
	}
}

func checkPackedF32(t *testing.T, r *rand.Rand, g *Geometry) {
	n, k := g.OutC/g.Groups, g.rowElems()
	src, w, bias := randomF32(r, g.Batch*g.H*g.W*g.C), randomF32(r, g.OutC*k), randomF32(r, g.OutC)
	var packed []*gemm.F32Weights
	for gr := range g.Groups {
		packed = append(packed, gemm.PackF32(w[gr*n*k:], n, k, bias[gr*n:], -50, 50))
	}
	outs := g.Batch * g.OutH * g.OutW * g.OutC
	want, got := make([]float32, outs), make([]float32, outs)
	RowsF32(want, src, g, w, bias, -50, 50, make([]float32, g.PatchElems()))
	layer := NewF32(g, packed)
	layer.Run(got, src, make([]float32, layer.Scratch()))
	if !slices.Equal(got, want) { // whole multiples of 2^-12 that stay below 2^12: exact in any order
		t.Fatalf("%+v: float32 outputs differ", *g)
	}
	direct, ok := NewDirectF32(w, g, bias, -50, 50)
	if !ok {
		return
	}
	clear(got)
	direct.Run(got, src, kerneltest.Guarded[float32](t, direct.Scratch(), true))
	if !slices.Equal(got, want) {
		t.Fatalf("%+v: float32 outputs differ with windows", *g)
	}
}
