package pool

import "math"

// The kernels below give the same numbers everywhere, save that NEON in 32-bit programs may take subnormal floats for 0.

// Places of the kernels in the tables of the assembly.
const largest, average, l2 = 0, 1, 2

// empty reports whether there is nothing to compute.
func (g *Geometry) empty() bool { return g.Batch*g.OutH*g.OutW*g.C == 0 }

// AverageS8 is Average for int8.
func AverageS8(dst, src []int8, g *Geometry, offset, lo, hi int32, acc []int32) {
	g.check(len(dst), len(src), len(acc))
	if !g.empty() && !averageS8Asm(dst, src, g, offset, lo, hi) {
		Average(dst, src, g, offset, lo, hi, acc)
	}
}

// AverageF32 averages float32 values, summed in order of rows and columns, and clamps to lo and hi. A window without
// a pixel gives 0.
func AverageF32(dst, src []float32, g *Geometry, lo, hi float32) {
	g.check(len(dst), len(src), g.C)
	if !g.empty() && !f32Asm(average, dst, src, g, lo, hi) {
		averageF32Generic(dst, src, g, lo, hi)
	}
}

// L2F32 takes the root of the mean of the squares of each window, clamped to lo and hi. Pixels outside of the image do not count.
func L2F32(dst, src []float32, g *Geometry, lo, hi float32) {
	g.check(len(dst), len(src), g.C)
	if !g.empty() && !f32Asm(l2, dst, src, g, lo, hi) {
		l2F32Generic(dst, src, g, lo, hi)
	}
}

// MaxF32 is Max for float32.
func MaxF32(dst, src []float32, g *Geometry, lo, hi float32) {
	g.check(len(dst), len(src), g.C)
	if !g.empty() && !f32Asm(largest, dst, src, g, lo, hi) {
		Max(dst, src, g, -math.MaxFloat32, lo, hi)
	}
}

// MaxS8 is Max for int8.
func MaxS8(dst, src []int8, g *Geometry, lo, hi int8) {
	g.check(len(dst), len(src), g.C)
	if !g.empty() && !maxS8Asm(dst, src, g, lo, hi) {
		Max(dst, src, g, math.MinInt8, lo, hi)
	}
}
