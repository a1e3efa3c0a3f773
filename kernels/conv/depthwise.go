package conv

import "wayside/kernels/requant"

// DepthwiseS8Weights holds the weights of a depthwise convolution, [KH][KW][OutC], and what its store needs.
type DepthwiseS8Weights struct {
	w    []int16 // weight minus its zero point
	bias []int32
	zero int32 // input zero point
	q    requant.Params
}

// PackDepthwiseS8 packs w[KH×KW][outC]. bias may be nil. q has one multiplier or outC. The slices are copied.
func PackDepthwiseS8(w []int8, taps, outC int, bias []int32, inZero, wZero int32, q requant.Params) *DepthwiseS8Weights {
	if len(w) < taps*outC || bias != nil && len(bias) < outC || len(q.Mult) != 1 && len(q.Mult) < outC || len(q.Shift) != len(q.Mult) {
		panic("conv: slice length mismatch")
	}
	p := &DepthwiseS8Weights{w: make([]int16, taps*outC), bias: make([]int32, outC), zero: inZero, q: q}
	for i := range p.w {
		p.w[i] = int16(int32(w[i]) - wZero)
	}
	copy(p.bias, bias)
	p.q.Mult, p.q.Shift = make([]int32, outC), make([]int32, outC)
	for c := range outC {
		k := c
		if len(q.Mult) == 1 {
			k = 0
		}
		p.q.Mult[c], p.q.Shift[c] = q.Mult[k], q.Shift[k]
	}
	return p
}

// Bytes returns the memory of the packed weights: int16 weights, and int32 for bias, multiplier and shift.
func (w *DepthwiseS8Weights) Bytes() (s16, s32 int) { return 2 * len(w.w), 12 * len(w.bias) }

// DepthwiseS8 convolves each channel of src by its own OutC/C filters; output channel c×mult+m belongs to input channel c.
// Inputs outside of the image do not count. acc is scratch of OutC elements.
func DepthwiseS8(dst, src []int8, g *Geometry, w *DepthwiseS8Weights, acc []int32) {
	checkDepthwise(g, len(dst), len(src), len(w.w), len(acc))
	acc = acc[:g.OutC]
	mult := g.OutC / g.C
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				copy(acc, w.bias)
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
						depthwiseTapS8(acc, src[at:at+g.C], w.w[t:t+g.OutC], w.zero, mult)
					}
				}
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.OutC
				out := dst[o : o+g.OutC]
				q := &w.q
				for c, a := range acc {
					out[c] = int8(min(max(requant.Mul(a, q.Mult[c], q.Shift[c])+q.Zero, q.Min), q.Max))
				}
			}
		}
	}
}

func depthwiseTapS8(acc []int32, x []int8, w []int16, zero int32, mult int) {
	if mult == 1 {
		w, acc = w[:len(x)], acc[:len(x)]
		for c, v := range x {
			acc[c] += (int32(v) - zero) * int32(w[c])
		}
		return
	}
	for c, v := range x {
		s := int32(v) - zero
		for m := c * mult; m < (c+1)*mult; m++ {
			acc[m] += s * int32(w[m])
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
