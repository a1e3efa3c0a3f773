package conv

import "wayside/kernels/gemm"

// Depthwise convolves each channel of src by its own OutC/C filters w[KH][KW][OutC]; output channel c×mult+m belongs to
// input channel c. Inputs outside of the image do not count. The zero point of the weights must have been taken off them.
// acc is scratch of OutC elements; int32 sums wrap.
func Depthwise[Y, X, W gemm.Integer, A int32 | int64](dst []Y, src []X, g *Geometry, w []W, q *gemm.Quant, acc []A) {
	checkDepthwise(g, len(dst), len(src), len(w), len(acc))
	acc = acc[:g.OutC]
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				depthwisePixel(acc, src, w, g, b, oy, ox, q.XZero)
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.OutC
				out := dst[o : o+g.OutC]
				for c, a := range acc {
					if q.Bias != nil {
						a += A(q.Bias[c])
					}
					out[c] = Y(q.Store(int64(a), c))
				}
			}
		}
	}
}

// DepthwiseHybrid is Depthwise for one image that was quantized with one scale and zero point.
func DepthwiseHybrid(dst []float32, src []int8, g *Geometry, w []int8, h *gemm.Hybrid, scale float32, zero int32, acc []int32) {
	checkDepthwise(g, len(dst), len(src), len(w), len(acc))
	acc = acc[:g.OutC]
	for oy := range g.OutH {
		for ox := range g.OutW {
			depthwisePixel(acc, src, w, g, 0, oy, ox, zero)
			o := (oy*g.OutW + ox) * g.OutC
			out := dst[o : o+g.OutC]
			for c, a := range acc {
				out[c] = h.Apply(int64(a), c, scale)
			}
		}
	}
}

// depthwisePixel sums the products of one output pixel.
func depthwisePixel[X, W gemm.Integer, A int32 | int64](acc []A, src []X, w []W, g *Geometry, b, oy, ox int, zero int32) {
	clear(acc)
	mult := g.OutC / g.C
	for ky := range g.KH {
		y := oy*g.StrideH - g.PadTop + ky*g.DilH
		if y < 0 || y >= g.H {
			continue
		}
		for kx := range g.KW {
			x := ox*g.StrideW - g.PadLeft + kx*g.DilW
			if x < 0 || x >= g.W {
				continue
			}
			at := ((b*g.H+y)*g.W + x) * g.C
			t := (ky*g.KW + kx) * g.OutC
			depthwiseTap(acc, src[at:at+g.C], w[t:t+g.OutC], zero, mult)
		}
	}
}

func depthwiseTap[X, W gemm.Integer, A int32 | int64](acc []A, x []X, w []W, zero int32, mult int) {
	if mult == 1 {
		w, acc = w[:len(x)], acc[:len(x)]
		for c, v := range x {
			acc[c] += A((int32(v) - zero) * int32(w[c]))
		}
		return
	}
	for c, v := range x {
		s := int32(v) - zero
		for m := c * mult; m < (c+1)*mult; m++ {
			acc[m] += A(s * int32(w[m]))
		}
	}
}

// DepthwiseF32Weights holds the float32 weights of a depthwise convolution, [KH][KW][OutC], with bias and clamp.
type DepthwiseF32Weights struct {
	w, bias  []float32
	min, max float32
}

// PackDepthwiseF32 packs w[KH×KW][outC]; bias may be nil. The slices are copied.
func PackDepthwiseF32(w []float32, taps, outC int, bias []float32, lo, hi float32) *DepthwiseF32Weights {
	if len(w) < taps*outC || bias != nil && len(bias) < outC {
		panic("conv: slice length mismatch")
	}
	p := &DepthwiseF32Weights{w: append([]float32(nil), w[:taps*outC]...), bias: make([]float32, outC), min: lo, max: hi}
	copy(p.bias, bias)
	return p
}

// With returns the bias and the clamp of w with other weights, which are not copied.
func (w *DepthwiseF32Weights) With(data []float32) DepthwiseF32Weights {
	return DepthwiseF32Weights{w: data, bias: w.bias, min: w.min, max: w.max}
}

// Bytes returns the memory of the packed weights.
func (w *DepthwiseF32Weights) Bytes() int { return 4 * (len(w.w) + len(w.bias)) }

// DepthwiseF32 is DepthwiseS8 for float32: taps are added in order, then the bias, then the clamp. acc is scratch of OutC elements.
func DepthwiseF32(dst, src []float32, g *Geometry, w *DepthwiseF32Weights, acc []float32) {
	checkDepthwise(g, len(dst), len(src), len(w.w), len(acc))
	acc = acc[:g.OutC]
	mult := g.OutC / g.C
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				clear(acc)
				for ky := range g.KH {
					y := oy*g.StrideH - g.PadTop + ky*g.DilH
					if y < 0 || y >= g.H {
						continue
					}
					for kx := range g.KW {
						x := ox*g.StrideW - g.PadLeft + kx*g.DilW
						if x < 0 || x >= g.W {
							continue
						}
						at := ((b*g.H+y)*g.W + x) * g.C
						t := (ky*g.KW + kx) * g.OutC
						depthwiseTapF32(acc, src[at:at+g.C], w.w[t:t+g.OutC], mult)
					}
				}
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.OutC
				out := dst[o : o+g.OutC]
				for c, a := range acc {
					out[c] = min(max(a+w.bias[c], w.min), w.max)
				}
			}
		}
	}
}

func depthwiseTapF32(acc, x, w []float32, mult int) {
	if mult == 1 {
		w, acc = w[:len(x)], acc[:len(x)]
		for c, v := range x {
			acc[c] += float32(v * w[c])
		}
		return
	}
	for c, v := range x {
		for m := c * mult; m < (c+1)*mult; m++ {
			acc[m] += float32(v * w[m])
		}
	}
}

func checkDepthwise(g *Geometry, dst, src, w, acc int) {
	if g.C == 0 || g.OutC%g.C != 0 || dst < g.Batch*g.OutH*g.OutW*g.OutC || src < g.Batch*g.H*g.W*g.C || w < g.KH*g.KW*g.OutC || acc < g.OutC {
		panic("conv: slice length mismatch")
	}
}
