package gemm

import bfloat16 "github.com/d4l3k/go-bfloat16"

// F32Weights is a packed matrix of float32 weights with bias and clamp. It is immutable. Weights that bfloat16 or binary16 hold exactly take two bytes
// each; the results are the same.
type F32Weights struct {
	N, K     int
	fast     f32Packed       // packed for this machine; nil for the fields below
	panel    []float32       // ceil(N/8) panels of [K][8] columns, padded with zeros
	brain    []bfloat16.BF16 // or this
	bias     []float32
	min, max float32
}

// f32Packed is a matrix packed for the tiles of one instruction set.
type f32Packed interface {
	run(dst []float32, ldd int, x []float32, ldx, m int)
	bytes() FormBytes
	types() form
	id() string // tile/isa
}

const panelF32 = 8

// PackF32 packs w[N][K] for few rows at a time; bias may be nil; results are clamped to lo and hi. The slices are copied.
func PackF32(w []float32, n, k int, bias []float32, lo, hi float32) *F32Weights {
	return PackF32In(nil, 1, w, n, k, bias, lo, hi)
}

// PackF32In is PackF32 with panels from a store, for products that mostly have so many rows: see docs/adr/0012.
func PackF32In(store Store, rows int, w []float32, n, k int, bias []float32, lo, hi float32) *F32Weights {
	if len(w) < n*k || bias != nil && len(bias) < n {
		panic("gemm: slice length mismatch")
	}
	form := formOf(w[:n*k])
	if form == half && rows > halfRows {
		form = full
	}
	return packF32(store, form, w, n, k, bias, lo, hi)
}

// packF32 packs weights in a form that holds them.
func packF32(store Store, form form, w []float32, n, k int, bias []float32, lo, hi float32) *F32Weights {
	if n > 0 && k > 0 {
		if fast := packF32Arch(store, form, w, n, k, bias, lo, hi); fast != nil {
			return &F32Weights{N: n, K: k, fast: fast}
		}
	}
	np := (n + panelF32 - 1) / panelF32
	p := &F32Weights{N: n, K: k, bias: make([]float32, np*panelF32), min: lo, max: hi}
	copy(p.bias, bias[:min(len(bias), n)])
	if form == brain {
		p.brain = packGeneric(store, form, w, n, k, narrowBF16)
	} else { // to widen binary16 takes longer than a multiplication here
		p.panel = packGeneric(store, full, w, n, k, func(v float32) float32 { return v })
	}
	return p
}

// packGeneric makes the panels of the generic kernel.
func packGeneric[T float32 | bfloat16.BF16](store Store, form form, w []float32, n, k int, narrow func(float32) T) []T {
	panel, ready := panels[T](store, (n+panelF32-1)/panelF32*k*panelF32, w[:n*k], form.String()+"/generic", n, k)
	if ready {
		return panel
	}
	for j := range n {
		first := j/panelF32*k*panelF32 + j%panelF32
		for i, v := range w[j*k : j*k+k] {
			panel[first+i*panelF32] = narrow(v)
		}
	}
	return panel
}

// Bytes returns the memory of the packed weights and the bias.
func (w *F32Weights) Bytes() FormBytes {
	if w.fast != nil {
		return w.fast.bytes()
	}
	return FormBytes{F32: 4 * (len(w.panel) + len(w.bias)), BF16: 2 * len(w.brain)}
}

// Types names activations and weights: f32, f32bf16 or f32f16.
func (w *F32Weights) Types() string {
	if w.fast != nil {
		return w.fast.types().String()
	}
	if w.brain != nil {
		return brain.String()
	}
	return full.String()
}

// ID names the tile and the instruction set that F32 uses: 6x64/avx512, or generic.
func (w *F32Weights) ID() string {
	if w.fast != nil {
		return w.fast.id()
	}
	return "generic"
}

// ApartF32 returns the distance of rows of n values, in values, at which F32 and F32Windows are fastest: n, or more where rows that lie n apart get into
// each other's way in the first-level cache.
func ApartF32(n int) int { return apartF32Arch(n) }

// F32 computes m rows: dst[i*ldd+j] = clamp(bias[j] + sum over k of x[i*ldx+k] × w[j][k]). The generic kernel adds in the order of k and rounds
// products before, so that all CPUs without a faster one give the same bits; the others fuse and split the sum.
func F32(dst []float32, ldd int, x []float32, ldx, m int, w *F32Weights) {
	if m == 0 {
		return
	}
	if len(x) < (m-1)*ldx+w.K || len(dst) < (m-1)*ldd+w.N {
		panic("gemm: slice length mismatch")
	}
	if w.fast != nil {
		w.fast.run(dst, ldd, x, ldx, m)
		return
	}
	f32Generic(dst, ldd, x, ldx, m, w)
}
