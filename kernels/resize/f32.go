package resize

// lineF32 is the argument of the assembly functions, which know the offsets: some pixels of an output line.
type lineF32 struct {
	dst          *float32
	upper, lower *float32 // the input lines
	taps         *Tap
	pixels       int
	channels     int
	w            float32 // of the lower line
}

// lineWork is how many values a call computes at most: a small part of 100 µs, in which the runtime cannot stop the goroutine.
const lineWork = 1 << 13

// BilinearF32 interpolates between four pixels: products in the order value, row, column, each rounded, added in the order upper left,
// lower left, upper right, lower right.
func BilinearF32(dst, src []float32, g *Geometry, ys, xs []Tap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	if g.C == 0 || g.C > lineWork || ISA(g.C) == generic {
		bilinearF32Generic(dst, src, g, ys, xs)
		return
	}
	most := lineWork / g.C
	for b := range g.Batch {
		for _, y := range ys {
			t := lineF32{upper: &src[(b*g.InH+int(y.Lo))*g.InW*g.C], lower: &src[(b*g.InH+int(y.Hi))*g.InW*g.C], channels: g.C, w: y.W}
			for at := 0; at < len(xs); at += t.pixels {
				t.dst, t.taps, t.pixels = &dst[0], &xs[at], min(most, len(xs)-at)
				bilinearLine(&t)
				dst = dst[t.pixels*g.C:]
			}
		}
	}
}

const generic = "generic"

// leastChannels is from how many channels on a call for every pixel is faster than the generic loop.
const leastChannels = 4
