package vec

import "wayside/kernels/internal/cpu"

// mapsNeon is how many of the functions of one input have kernels.
const mapsNeon = mapFunctions

// armRowsPiece is how many values of rows one call takes: less than 100 µs, in which the runtime cannot stop the goroutine. Longer rows are the generic kernel's.
const armRowsPiece = 1 << 12

// armSoftmax is the argument of the assembly softmax. With each, it leaves the division by the sum to others and puts the inverse of each row's there.
type armSoftmax struct {
	dst, src, each *float32
	rows, depth    int
	beta           float32
}

// armScale is the argument of the assembly that multiplies rows, step bytes apart, with a factor each.
type armScale struct {
	x           *float32
	step        int
	each        *float32
	rows, depth int
}

// armLayerNorm is the argument of the assembly layer normalization.
type armLayerNorm struct {
	dst, src, scale, shift *float32
	rows, depth            int
	count, epsilon         float32 // count is depth
}

//go:noescape
func softmaxF32Neon(t *armSoftmax)

//go:noescape
func scaleRowsF32Neon(t *armScale)

//go:noescape
func layerNormF32Neon(t *armLayerNorm)

// LayerNormISA names the instructions of LayerNormF32, as in kernel ids.
func LayerNormISA() string { return ISA() }

// hasRows reports whether the assembly takes rows of depth values.
func hasRows(depth int) bool { return cpu.Has(cpu.Neon) && depth <= 2*armRowsPiece }

// eachRows calls f for as many rows of all as one call takes.
func eachRows(all, depth int, f func(from, rows int)) {
	most := max(armRowsPiece/depth, 1)
	for i := 0; i < all; i += most {
		f(i, min(most, all-i))
	}
}

// softmaxF32Asm is SoftmaxF32 for rows that are not too long for one call.
func softmaxF32Asm(dst, src []float32, depth int, beta float32) bool {
	if !hasRows(depth) || !(beta > 0) {
		return false
	}
	eachRows(len(src)/depth, depth, func(i, rows int) {
		softmaxF32Neon(&armSoftmax{dst: &dst[i*depth], src: &src[i*depth], rows: rows, depth: depth, beta: beta})
	})
	return true
}

// expRowsF32Asm is ExpRowsF32 for rows that are not too long for one call.
func expRowsF32Asm(x, inverse []float32, depth int) bool {
	if !hasRows(depth) {
		return false
	}
	eachRows(len(x)/depth, depth, func(i, rows int) {
		softmaxF32Neon(&armSoftmax{dst: &x[i*depth], src: &x[i*depth], each: &inverse[i], rows: rows, depth: depth, beta: 1})
	})
	return true
}

// scaleRowsF32Asm is ScaleRowsF32 for rows that are not too long for one call.
func scaleRowsF32Asm(x []float32, step, depth int, factors []float32) bool {
	if !hasRows(depth) {
		return false
	}
	eachRows(len(factors), depth, func(i, rows int) {
		scaleRowsF32Neon(&armScale{x: &x[i*step], step: 4 * step, each: &factors[i], rows: rows, depth: depth})
	})
	return true
}

// layerNormF32Asm is LayerNormF32 for rows that are not too long for one call.
func layerNormF32Asm(dst, src, scale, shift []float32, depth int, epsilon float32) bool {
	if !hasRows(depth) {
		return false
	}
	eachRows(len(src)/depth, depth, func(i, rows int) {
		layerNormF32Neon(&armLayerNorm{dst: &dst[i*depth], src: &src[i*depth], scale: &scale[0], shift: &shift[0], rows: rows, depth: depth, count: float32(depth), epsilon: epsilon})
	})
	return true
}
