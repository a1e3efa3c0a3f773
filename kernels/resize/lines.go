//go:build amd64 || arm64

package resize

import (
	"unsafe"

	"wayside/kernels/internal/call"
)

// line is the argument of the assembly functions, which know the offsets: some pixels of an output line. T are the values, P the taps, W the weights.
type line[T, P, W any] struct {
	dst          *T
	upper, lower *T // the input lines
	taps         *P
	pixels       int
	channels     int
	w            W // of the lower line
}

// lineWork is how many values a call computes at most: a small part of 100 µs, in which the runtime cannot stop the goroutine.
const lineWork = 1 << 13

// BilinearF32 interpolates between four pixels: products in the order value, row, column, each rounded, added in the order upper left,
// lower left, upper right, lower right.
func BilinearF32(dst, src []float32, g *Geometry, ys, xs []Tap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	if ISA(4, g.C) == generic {
		bilinearF32Generic(dst, src, g, ys, xs)
		return
	}
	eachLine(dst, src, g, ys, xs, func(y Tap) (lo, hi int32, w float32) { return y.Lo, y.Hi, y.W }, kernel(4))
}

// BilinearS8 interpolates int8 values with weights of 1/1024, rounded half away from zero: BilinearFixed.
func BilinearS8(dst, src []int8, g *Geometry, ys, xs []FixedTap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	if ISA(1, g.C) == generic {
		BilinearFixed(dst, src, g, ys, xs)
		return
	}
	eachLine(dst, src, g, ys, xs, func(y FixedTap) (lo, hi, w int32) { return y.Lo, y.Hi, y.W }, kernel(1))
}

// eachLine calls the assembly function fn for all output pixels, some of one line at a time.
func eachLine[T, P, W any](dst, src []T, g *Geometry, ys, xs []P, of func(P) (lo, hi int32, w W), fn uintptr) {
	most := lineWork / g.C
	for b := range g.Batch {
		for _, y := range ys {
			lo, hi, w := of(y)
			t := line[T, P, W]{upper: &src[(b*g.InH+int(lo))*g.InW*g.C], lower: &src[(b*g.InH+int(hi))*g.InW*g.C], channels: g.C, w: w}
			for at := 0; at < len(xs); at += t.pixels {
				t.dst, t.taps, t.pixels = &dst[0], &xs[at], min(most, len(xs)-at)
				call.Tile(fn, unsafe.Pointer(&t))
				dst = dst[t.pixels*g.C:]
			}
		}
	}
}

const generic = "generic"

// From how many channels on the assembly takes pixels: for float32 it is slower below, for int8 it needs a whole vector.
const leastF32 = 4

// ISA names the instructions that interpolation between values of size bytes uses for so many channels, as in kernel ids: 4 is BilinearF32, 1 BilinearS8.
func ISA(size, channels int) string {
	least := leastF32
	if size == 1 {
		least = leastS8
	}
	if channels < least || channels > lineWork {
		return generic
	}
	return isa(size)
}
