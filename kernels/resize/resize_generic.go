package resize

import "math"

// Mode says where the coordinates of an output pixel lie in the input.
type Mode struct {
	AlignCorners bool // the first and the last pixels of both lie on each other
	HalfPixel    bool // a pixel's coordinate is its centre
}

// Tap is what one output row or column reads of an axis: the element at Lo with what W leaves of one, the element at Hi with W.
// W may lie outside of zero and one where the axis ends, where Lo and Hi are the same.
type Tap struct {
	Lo, Hi int32
	W      float32
}

// FixedTap is a Tap whose W is in units of 1/1024.
type FixedTap struct{ Lo, Hi, W int32 }

// Geometry is a resize of [Batch, InH, InW, C] to [Batch, OutH, OutW, C].
type Geometry struct {
	Batch, InH, InW, C, OutH, OutW int
}

func (g *Geometry) check(dst, src, ys, xs int) {
	if dst != g.Batch*g.OutH*g.OutW*g.C || src != g.Batch*g.InH*g.InW*g.C || ys != g.OutH || xs != g.OutW {
		panic("resize: slice length mismatch")
	}
}

// NewTaps returns the taps of an axis for bilinear interpolation in float32, which is how the reference computes them for float32
// and uint8.
func NewTaps(in, out int, m Mode) []Tap {
	scale := float32(in) / float32(out)
	if m.AlignCorners && out > 1 {
		scale = float32(in-1) / float32(out-1)
	}
	ts := make([]Tap, out)
	for i := range ts {
		at := float32(float32(i) * scale)
		if m.HalfPixel {
			at = float32((float32(i)+0.5)*scale) - 0.5
		}
		lo := min(max(int32(math.Floor(float64(at))), 0), int32(in-1))
		ts[i] = Tap{lo, min(int32(math.Ceil(float64(at))), int32(in-1)), at - float32(lo)}
	}
	return ts
}

// TapsAt returns the taps of an axis for bilinear interpolation where output i lies at coordinate at(i) of the input; coordinates outside are those of
// the edge.
func TapsAt(in, out int, at func(i int) float32) []Tap {
	ts := make([]Tap, out)
	for i := range ts {
		x := min(max(at(i), 0), float32(in-1))
		lo := int32(x)
		ts[i] = Tap{lo, min(lo+1, int32(in-1)), x - float32(lo)}
	}
	return ts
}

// PlacesAt returns which element of an axis each element of the output copies where output i lies at coordinate at(i), which round makes whole.
func PlacesAt(in, out int, at func(i int) float32, round func(float64) float64) []int32 {
	ps := make([]int32, out)
	for i := range ps {
		ps[i] = int32(min(max(round(float64(at(i))), 0), float64(in-1)))
	}
	return ps
}

// NewFixedTaps returns the taps of an axis for bilinear interpolation in fixed point, which is how the reference computes them for
// int8 and int16. No output may have more than 1<<15 pixels along an axis.
func NewFixedTaps(in, out int, m Mode) []FixedTap {
	const one = 1 << 10
	n, d := int64(in), int64(out)
	if m.AlignCorners && out > 1 {
		n, d = n-1, d-1
	}
	scale := (one*n + d/2) / d
	ts := make([]FixedTap, out)
	for i := range ts {
		at := int64(i) * scale
		if m.HalfPixel {
			at += scale/2 - one/2
		}
		lo := min(max(at/one, 0), int64(in-1)) // a rounded scale may lead past the end
		hi := min((at+one-1)/one, int64(in-1))
		ts[i] = FixedTap{int32(lo), int32(hi), int32(at - one*lo)}
		if lo == hi {
			ts[i].W = 0 // both weights are of one pixel and make one
		}
	}
	return ts
}

// bilinearF32Generic is the reference of BilinearF32.
func bilinearF32Generic(dst, src []float32, g *Geometry, ys, xs []Tap) {
	for b := range g.Batch {
		for _, y := range ys {
			r0 := src[(b*g.InH+int(y.Lo))*g.InW*g.C:]
			r1 := src[(b*g.InH+int(y.Hi))*g.InW*g.C:]
			for _, x := range xs {
				lo, hi := int(x.Lo)*g.C, int(x.Hi)*g.C
				ul, ll, ur, lr := r0[lo:lo+g.C], r1[lo:lo+g.C], r0[hi:hi+g.C], r1[hi:hi+g.C]
				for c := range dst[:g.C] {
					dst[c] = mix(ul[c], ll[c], ur[c], lr[c], y.W, x.W)
				}
				dst = dst[g.C:]
			}
		}
	}
}

func mix(ul, ll, ur, lr, y, x float32) float32 {
	s := float32(float32(ul*(1-y)) * (1 - x))
	s += float32(float32(ll*y) * (1 - x))
	s += float32(float32(ur*(1-y)) * x)
	return s + float32(float32(lr*y)*x)
}

// BilinearU8 interpolates like BilinearF32 and cuts the fraction off after adding a half. The values are uint8, or uint8 moved by −128
// and then given with that as offset 128.
func BilinearU8[T int8 | uint8](dst, src []T, offset float32, g *Geometry, ys, xs []Tap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	for b := range g.Batch {
		for _, y := range ys {
			r0 := src[(b*g.InH+int(y.Lo))*g.InW*g.C:]
			r1 := src[(b*g.InH+int(y.Hi))*g.InW*g.C:]
			for _, x := range xs {
				lo, hi := int(x.Lo)*g.C, int(x.Hi)*g.C
				ul, ll, ur, lr := r0[lo:lo+g.C], r1[lo:lo+g.C], r0[hi:hi+g.C], r1[hi:hi+g.C]
				for c := range dst[:g.C] {
					v := mix(float32(ul[c])+offset, float32(ll[c])+offset, float32(ur[c])+offset, float32(lr[c])+offset, y.W, x.W) + 0.5
					dst[c] = T(int32(min(max(v, 0), 255)) - int32(offset))
				}
				dst = dst[g.C:]
			}
		}
	}
}

// BilinearFixed interpolates integers with weights of 1/1024, rounded half away from zero.
func BilinearFixed[T int8 | int16](dst, src []T, g *Geometry, ys, xs []FixedTap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	const one = 1 << 10
	for b := range g.Batch {
		for _, y := range ys {
			r0 := src[(b*g.InH+int(y.Lo))*g.InW*g.C:]
			r1 := src[(b*g.InH+int(y.Hi))*g.InW*g.C:]
			for _, x := range xs {
				lo, hi := int(x.Lo)*g.C, int(x.Hi)*g.C
				ul, ll, ur, lr := r0[lo:lo+g.C], r1[lo:lo+g.C], r0[hi:hi+g.C], r1[hi:hi+g.C]
				a, d := int64(one-y.W)*int64(one-x.W), int64(y.W)*int64(x.W)
				p, q := int64(y.W)*int64(one-x.W), int64(one-y.W)*int64(x.W)
				for c := range dst[:g.C] {
					s := int64(ul[c])*a + int64(ll[c])*p + int64(ur[c])*q + int64(lr[c])*d
					if s > 0 {
						s += one * one / 2
					} else {
						s -= one * one / 2
					}
					dst[c] = T(s / (one * one))
				}
				dst = dst[g.C:]
			}
		}
	}
}

// NearestPlaces returns which element of an axis each element of the output copies.
func NearestPlaces(in, out int, m Mode) []int32 {
	scale := float32(in) / float32(out)
	if m.AlignCorners && out > 1 {
		scale = float32(in-1) / float32(out-1)
	}
	offset := float32(0)
	if m.HalfPixel {
		offset = 0.5
	}
	ps := make([]int32, out)
	for i := range ps {
		at := float64((float32(i) + offset) * scale)
		if m.AlignCorners {
			at = math.Round(at)
		}
		ps[i] = min(max(int32(math.Floor(at)), 0), int32(in-1))
	}
	return ps
}

// Nearest copies pixels of C elements of any type.
func Nearest[T any](dst, src []T, g *Geometry, ys, xs []int32) {
	g.check(len(dst), len(src), len(ys), len(xs))
	for b := range g.Batch {
		for _, y := range ys {
			row := src[(b*g.InH+int(y))*g.InW*g.C:]
			for _, x := range xs {
				copy(dst[:g.C], row[int(x)*g.C:])
				dst = dst[g.C:]
			}
		}
	}
}
