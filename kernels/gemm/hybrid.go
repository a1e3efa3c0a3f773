package gemm

import "slices"

// HybridWeights is a packed int8 matrix for float32 rows that are quantized at run time. It is immutable.
type HybridWeights struct {
	N, K int
	h    Hybrid
	w    []int8         // for the generic kernel
	fast *hybridWeights // packed for this machine; nil for the generic kernel
}

// PackHybrid packs w[N][K] with the scales and the bias of h. The slices of h are kept, w is copied.
func PackHybrid(w []int8, n, k int, h *Hybrid) *HybridWeights {
	if len(w) < n*k || len(h.Scale) != 1 && len(h.Scale) < n || h.Bias != nil && len(h.Bias) < n {
		panic("gemm: slice length mismatch")
	}
	p := &HybridWeights{N: n, K: k, h: *h}
	if n > 0 && k > 0 {
		p.fast = packHybrid(w, n, k, h)
	}
	if p.fast == nil {
		p.w = slices.Clone(w[:n*k])
	}
	return p
}

// Bytes returns the memory of the packed weights: int8, int32 and float32.
func (w *HybridWeights) Bytes() (s8, s32, f32 int) {
	if w.fast != nil {
		return w.fast.bytes()
	}
	return len(w.w), 0, 4 * (len(w.h.Scale) + len(w.h.Bias))
}

// ID names the tile and the instruction set.
func (w *HybridWeights) ID() string {
	if w.fast != nil {
		return w.fast.id()
	}
	return "generic"
}

// HybridRow is how a row was quantized.
type HybridRow struct {
	Scale float32
	Zero  int32
}

// Scratch returns the bytes of scratch that Run needs for m rows, aligned to 64.
func (w *HybridWeights) Scratch(m int) int {
	if w.fast != nil {
		return w.fast.scratch(m)
	}
	return 0
}

// Run computes m rows: dst[i*ldd+j] = h(sum over k of (x[i*K+k] − rows[i].Zero) × w[j][k]) with the scale of the row. Results are those of
// HybridRows in every tier.
func (w *HybridWeights) Run(dst []float32, ldd int, x []int8, rows []HybridRow, scratch []byte) {
	m := len(rows)
	if m == 0 {
		return
	}
	if len(x) < m*w.K || len(dst) < (m-1)*ldd+w.N || len(scratch) < w.Scratch(m) {
		panic("gemm: slice length mismatch")
	}
	if w.fast != nil {
		w.fast.run(dst, ldd, x, rows, scratch)
		return
	}
	for i, r := range rows {
		HybridRows(dst[i*ldd:], ldd, x[i*w.K:], w.K, 1, w.w, w.N, w.K, &w.h, r.Scale, r.Zero)
	}
}
