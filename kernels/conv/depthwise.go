package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
)

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

// DepthwiseF32Weights holds the float32 weights of a depthwise convolution of one geometry with bias and clamp. It is immutable.
type DepthwiseF32Weights struct {
	g        Geometry
	fast     depthwiseF32Packed // packed for this machine; nil for the fields below
	w, bias  []float32
	min, max float32
	then     func([]float32) // for all results, where fast is nil
}

// Then has f, if it is not nil, change all results in place, where possible while they are in the cache. It is for use before DepthwiseF32.
func (w *DepthwiseF32Weights) Then(f func([]float32)) {
	if w.fast != nil {
		w.fast.Then(f)
		return
	}
	w.then = f
}

// depthwiseF32Packed is a depthwise convolution packed for the vectors of one instruction set.
type depthwiseF32Packed interface {
	run(dst, src []float32, scratch []byte)
	Then(f func([]float32))
	scratch() int
	bytes() int
	id() string // tile/isa
}

// PackDepthwiseF32 packs w[KH×KW][OutC]; bias may be nil; results are clamped to lo and hi. The slices are copied. Without weights, With gives
// them later.
func PackDepthwiseF32(w []float32, g *Geometry, bias []float32, lo, hi float32) *DepthwiseF32Weights {
	n := g.KH * g.KW * g.OutC
	if g.C == 0 || g.OutC%g.C != 0 || w != nil && len(w) < n || bias != nil && len(bias) < g.OutC {
		panic("conv: slice length mismatch")
	}
	p := &DepthwiseF32Weights{g: *g, bias: make([]float32, g.OutC), min: lo, max: hi}
	copy(p.bias, bias)
	if w == nil {
		return p
	}
	if p.fast = packDepthwiseF32Arch(w[:n], p.bias, g, lo, hi); p.fast == nil {
		p.w = append([]float32(nil), w[:n]...)
	}
	return p
}

// With returns what was packed without weights with data[KH×KW][OutC], which is not copied.
func (w *DepthwiseF32Weights) With(data []float32) DepthwiseF32Weights {
	r := *w
	r.w = data
	return r
}

// Bytes returns the memory of the packed weights.
func (w *DepthwiseF32Weights) Bytes() int {
	if w.fast != nil {
		return w.fast.bytes()
	}
	return 4 * (len(w.w) + len(w.bias))
}

// ID names the tile and the instruction set that DepthwiseF32 uses: 1x16/avx512, or generic.
func (w *DepthwiseF32Weights) ID() string {
	if w.fast != nil {
		return w.fast.id()
	}
	return "generic"
}

// Scratch returns the bytes of scratch that DepthwiseF32 needs.
func (w *DepthwiseF32Weights) Scratch() int {
	if w.fast != nil {
		return w.fast.scratch()
	}
	return 4 * w.g.OutC
}

// DepthwiseF32 convolves each channel of src by its own OutC/C filters. The generic kernel adds rounded products in the order of taps to zero, then
// the bias; the others fuse, and begin with the bias. Both clamp then. scratch has Scratch bytes, aligned to 8.
func DepthwiseF32(dst, src []float32, w *DepthwiseF32Weights, scratch []byte) {
	g := &w.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < w.Scratch() || w.fast == nil && len(w.w) < g.KH*g.KW*g.OutC {
		panic("conv: slice length mismatch")
	}
	if w.fast != nil {
		w.fast.run(dst, src, scratch)
	} else {
		depthwiseF32Generic(dst, src, w, unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(scratch))), g.OutC))
	}
	if w.then != nil {
		w.then(dst[:g.Batch*g.OutH*g.OutW*g.OutC])
	}
}

func depthwiseF32Generic(dst, src []float32, w *DepthwiseF32Weights, acc []float32) {
	g := &w.g
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
