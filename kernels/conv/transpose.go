package conv

import "wayside/kernels/gemm"

// A transposed convolution scatters every input pixel, times the filters w[OutC][KH][KW][C], over the output at
// (y×StrideH − PadTop, x×StrideW − PadLeft). The functions of this file gather instead, in the order in which scattering
// would add: the output needs no second copy in wider numbers. Dilation and groups are 1.

// Transpose computes a transposed convolution of integers. acc is scratch of OutC elements.
func Transpose[Y, X gemm.Integer](dst []Y, src []X, g *Geometry, w []int8, q *gemm.Quant, acc []int64) {
	checkTranspose(g, len(dst), len(src), len(w), len(acc))
	acc = acc[:g.OutC]
	eachTransposed(g, func(b int, t taps, at int) {
		transposedPixel(acc, src, w, g, b, &t, q.XZero, q.WZero)
		out := dst[at : at+g.OutC]
		for c, a := range acc {
			if q.Bias != nil {
				a += q.Bias[c]
			}
			out[c] = Y(q.Store(a, c))
		}
	})
}

// TransposeHybrid is Transpose for one image that was quantized with one scale and zero point. The reference scales every
// product before it adds it. acc is scratch of OutC elements.
func TransposeHybrid(dst []float32, src []int8, g *Geometry, w []int8, h *gemm.Hybrid, scale float32, zero int32, acc []float32) {
	checkTranspose(g, len(dst), len(src), len(w), len(acc))
	acc = acc[:g.OutC]
	eachTransposed(g, func(b int, t taps, at int) {
		clear(acc)
		for y := t.y0; y < t.y1; y++ {
			for x := t.x0; x < t.x1; x++ {
				row := src[((b*g.H+y)*g.W+x)*g.C:][:g.C]
				f := ((t.oy-y*g.StrideH)*g.KW + t.ox - x*g.StrideW) * g.C
				for c, a := range acc {
					s := h.Scale[min(c, len(h.Scale)-1)]
					for i, v := range w[f : f+g.C] {
						a += float32(float32(float32((int32(row[i])-zero)*int32(v))*s) * scale)
					}
					acc[c] = a
					f += g.KH * g.KW * g.C
				}
			}
		}
		out := dst[at : at+g.OutC]
		for c, a := range acc {
			if h.Bias != nil {
				a += h.Bias[c]
			}
			out[c] = min(max(a, h.Min), h.Max)
		}
	})
}

// TransposeF32 computes a transposed convolution of float32 values, clamped to lo and hi. The bias, which may be nil, is added
// last, or first with biasFirst. acc is scratch of OutC elements.
func TransposeF32(dst, src []float32, g *Geometry, w, bias []float32, biasFirst bool, lo, hi float32, acc []float32) {
	checkTranspose(g, len(dst), len(src), len(w), len(acc))
	acc = acc[:g.OutC]
	eachTransposed(g, func(b int, t taps, at int) {
		clear(acc)
		if bias != nil && biasFirst {
			copy(acc, bias)
		}
		for y := t.y0; y < t.y1; y++ {
			for x := t.x0; x < t.x1; x++ {
				row := src[((b*g.H+y)*g.W+x)*g.C:][:g.C]
				f := ((t.oy-y*g.StrideH)*g.KW + t.ox - x*g.StrideW) * g.C
				for c, a := range acc {
					for i, v := range w[f : f+g.C] {
						a += float32(row[i] * v)
					}
					acc[c] = a
					f += g.KH * g.KW * g.C
				}
			}
		}
		out := dst[at : at+g.OutC]
		for c, a := range acc {
			if bias != nil && !biasFirst {
				a += bias[c]
			}
			out[c] = min(max(a, lo), hi)
		}
	})
}

func checkTranspose(g *Geometry, dst, src, w, acc int) {
	if dst < g.Batch*g.OutH*g.OutW*g.OutC || src < g.Batch*g.H*g.W*g.C || w < g.OutC*g.KH*g.KW*g.C || acc < g.OutC {
		panic("conv: slice length mismatch")
	}
}

// taps are the input pixels that reach one output pixel, which lies at oy, ox of the padded output.
type taps struct{ oy, ox, y0, y1, x0, x1 int }

// reach returns the inputs 0 ≤ i < in with 0 ≤ o − i×stride < k.
func reach(o, k, stride, in int) (from, to int) {
	from = max(o-k+stride, 0) / stride
	return from, min(o/stride+1, in)
}

// eachTransposed calls f for every output pixel; at is its first element.
func eachTransposed(g *Geometry, f func(b int, t taps, at int)) {
	var t taps
	at := 0
	for b := range g.Batch {
		for y := range g.OutH {
			t.oy = y + g.PadTop
			t.y0, t.y1 = reach(t.oy, g.KH, g.StrideH, g.H)
			for x := range g.OutW {
				t.ox = x + g.PadLeft
				t.x0, t.x1 = reach(t.ox, g.KW, g.StrideW, g.W)
				f(b, t, at)
				at += g.OutC
			}
		}
	}
}

// transposedPixel sums the products of one output pixel.
func transposedPixel[X gemm.Integer](acc []int64, src []X, w []int8, g *Geometry, b int, t *taps, xZero, wZero int32) {
	clear(acc)
	for y := t.y0; y < t.y1; y++ {
		for x := t.x0; x < t.x1; x++ {
			row := src[((b*g.H+y)*g.W+x)*g.C:][:g.C]
			f := ((t.oy-y*g.StrideH)*g.KW + t.ox - x*g.StrideW) * g.C
			for c := range acc {
				acc[c] += gemm.Dot(row, w[f:f+g.C], xZero, wZero)
				f += g.KH * g.KW * g.C
			}
		}
	}
}
