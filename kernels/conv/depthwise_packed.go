package conv

import "wayside/kernels/gemm"

// DepthwiseS8 is a depthwise convolution of int8 values that is packed for this machine. It is immutable.
type DepthwiseS8 interface {
	// Run convolves src into dst like Depthwise. scratch has Scratch bytes, aligned to 8.
	Run(dst, src []int8, g *Geometry, scratch []byte)
	Scratch(g *Geometry) int
	Bytes() (s8, s32 int) // memory of the weights and of what the store needs
	ID() string           // tile/isa
}

// PackDepthwiseS8 packs w[KH][KW][C] for a geometry with as many output as input channels and the rule Fixed; false where only Depthwise is exact, or
// nothing is faster.
func PackDepthwiseS8(w []int8, g *Geometry, q *gemm.Quant) (DepthwiseS8, bool) {
	if g.C != g.OutC || q.WZero != 0 || len(w) < g.KH*g.KW*g.C || g.C == 0 {
		return nil, false
	}
	p := packDepthwiseArch(w, g, q)
	return p, p != nil
}
