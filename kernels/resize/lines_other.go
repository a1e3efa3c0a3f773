//go:build !amd64 && !arm64

package resize

const generic = "generic"

// ISA names the instructions that interpolation between values of size bytes uses for so many channels, as in kernel ids: 4 is BilinearF32, 1 BilinearS8.
func ISA(size, channels int) string { return generic }

// BilinearF32 interpolates between four pixels: products in the order value, row, column, each rounded, added in the order upper left,
// lower left, upper right, lower right.
func BilinearF32(dst, src []float32, g *Geometry, ys, xs []Tap) {
	g.check(len(dst), len(src), len(ys), len(xs))
	bilinearF32Generic(dst, src, g, ys, xs)
}

// BilinearS8 interpolates int8 values with weights of 1/1024, rounded half away from zero: BilinearFixed.
func BilinearS8(dst, src []int8, g *Geometry, ys, xs []FixedTap) { BilinearFixed(dst, src, g, ys, xs) }
