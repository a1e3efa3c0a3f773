package conv

import "wayside/kernels/gemm"

// DepthwiseS8 is a depthwise convolution of int8 values of one geometry, packed for this machine.
type DepthwiseS8 interface {
	// Run convolves src into dst like Depthwise. scratch has Scratch bytes, aligned to 8. Runs may go on at the same time.
	Run(dst, src []int8, scratch []byte)
	// Then has f, if it is not nil, change all results in place, where possible while they are in the cache. It is for use before Run.
	Then(f func([]int8))
	Scratch() int
	Bytes() (s8, s32 int) // memory of the weights and of what the store needs
	ID() string           // tile/isa
}

// PackDepthwiseS8 packs w[KH][KW][OutC] for the rule Fixed; false where only Depthwise is exact, or nothing is faster. q is as Depthwise has it, and
// its WZero is taken off the weights.
func PackDepthwiseS8(w []int8, g *Geometry, q *gemm.Quant) (DepthwiseS8, bool) {
	if g.C == 0 || g.OutC%g.C != 0 || len(w) < g.KH*g.KW*g.OutC {
		return nil, false
	}
	p := packDepthwiseArch(w, g, q)
	return p, p != nil
}
