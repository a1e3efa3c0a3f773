package pool

import "math"

// Geometry is the shape of a pooling over NHWC data.
type Geometry struct {
	Batch, H, W, C   int
	OutH, OutW       int
	KH, KW           int
	StrideH, StrideW int
	PadTop, PadLeft  int
	CountPad         bool // averages divide by KH×KW even where the window leaves the image
}

// window is the part of one output pixel's window that lies in the image.
type window struct{ y0, y1, x0, x1 int }

func (g *Geometry) window(oy, ox int) (w window, count int) {
	y, x := oy*g.StrideH-g.PadTop, ox*g.StrideW-g.PadLeft
	w = window{max(y, 0), min(y+g.KH, g.H), max(x, 0), min(x+g.KW, g.W)}
	count = max(w.y1-w.y0, 0) * max(w.x1-w.x0, 0)
	if g.CountPad {
		count = g.KH * g.KW
	}
	return w, count
}

func (g *Geometry) check(dst, src, acc int) {
	if dst < g.Batch*g.OutH*g.OutW*g.C || src < g.Batch*g.H*g.W*g.C || acc < g.C {
		panic("pool: slice length mismatch")
	}
}

// Average averages integers of one quantization: the sum divided by the count, half away from zero, clamped to lo and
// hi. Pixels outside of the image do not count. The values are averaged with offset added to each: 128 makes halves of int8
// values that stand for uint8 go up. acc is scratch of C elements.
func Average[T int8 | uint8 | int16](dst, src []T, g *Geometry, offset, lo, hi int32, acc []int32) {
	g.check(len(dst), len(src), len(acc))
	acc = acc[:g.C]
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				w, n := g.window(oy, ox)
				clear(acc)
				for y := w.y0; y < w.y1; y++ {
					for x := w.x0; x < w.x1; x++ {
						at := ((b*g.H+y)*g.W + x) * g.C
						for c, v := range src[at : at+g.C] {
							acc[c] += int32(v)
						}
					}
				}
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.C
				out := dst[o : o+g.C]
				count, half := int32(max(n, 1)), int32(n/2)
				for c, a := range acc {
					a += offset * count
					if a > 0 {
						a = (a + half) / count
					} else {
						a = (a - half) / count
					}
					out[c] = T(min(max(a-offset, lo), hi))
				}
			}
		}
	}
}

func averageF32Generic(dst, src []float32, g *Geometry, lo, hi float32) {
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				w, n := g.window(oy, ox)
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.C
				out := dst[o : o+g.C]
				clear(out)
				for y := w.y0; y < w.y1; y++ {
					for x := w.x0; x < w.x1; x++ {
						at := ((b*g.H+y)*g.W + x) * g.C
						for c, v := range src[at : at+g.C] {
							out[c] += v
						}
					}
				}
				count := float32(max(n, 1))
				for c, a := range out {
					out[c] = min(max(a/count, lo), hi)
				}
			}
		}
	}
}

func l2F32Generic(dst, src []float32, g *Geometry, lo, hi float32) {
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				w, n := g.window(oy, ox)
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.C
				out := dst[o : o+g.C]
				clear(out)
				for y := w.y0; y < w.y1; y++ {
					for x := w.x0; x < w.x1; x++ {
						at := ((b*g.H+y)*g.W + x) * g.C
						for c, v := range src[at : at+g.C] {
							out[c] += float32(v * v)
						}
					}
				}
				count := float32(max(n, 1))
				for c, a := range out {
					out[c] = min(max(float32(math.Sqrt(float64(a/count))), lo), hi)
				}
			}
		}
	}
}

// Max takes the largest value of each window, clamped to lo and hi. least is what no value is below; a NaN is never the largest.
func Max[T int8 | uint8 | int16 | float32](dst, src []T, g *Geometry, least, lo, hi T) {
	g.check(len(dst), len(src), g.C)
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := range g.OutW {
				w, _ := g.window(oy, ox)
				o := ((b*g.OutH+oy)*g.OutW + ox) * g.C
				out := dst[o : o+g.C]
				for c := range out {
					out[c] = least
				}
				for y := w.y0; y < w.y1; y++ {
					for x := w.x0; x < w.x1; x++ {
						at := ((b*g.H+y)*g.W + x) * g.C
						for c, v := range src[at : at+g.C] {
							if v > out[c] {
								out[c] = v
							}
						}
					}
				}
				for c, v := range out {
					out[c] = min(max(v, lo), hi)
				}
			}
		}
	}
}
