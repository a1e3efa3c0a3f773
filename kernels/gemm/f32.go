package gemm

// F32Weights is a packed matrix of float32 weights with bias and clamp. It is immutable.
type F32Weights struct {
	N, K     int
	fast     f32Packed // packed for this machine; nil for the fields below
	panel    []float32 // ceil(N/8) panels of [K][8] columns, padded with zeros
	bias     []float32
	min, max float32
}

// f32Packed is a matrix packed for the tiles of one instruction set.
type f32Packed interface {
	run(dst []float32, ldd int, x []float32, ldx, m int)
	bytes() int
	id() string // tile/isa
}

const panelF32 = 8

// PackF32 packs w[N][K]; bias may be nil; results are clamped to lo and hi. The slices are copied.
func PackF32(w []float32, n, k int, bias []float32, lo, hi float32) *F32Weights {
	return PackF32In(nil, w, n, k, bias, lo, hi)
}

// PackF32In is PackF32 with panels from a store.
func PackF32In(store Store, w []float32, n, k int, bias []float32, lo, hi float32) *F32Weights {
	if len(w) < n*k || bias != nil && len(bias) < n {
		panic("gemm: slice length mismatch")
	}
	if n > 0 && k > 0 {
		if fast := packF32Arch(store, w, n, k, bias, lo, hi); fast != nil {
			return &F32Weights{N: n, K: k, fast: fast}
		}
	}
	np := (n + panelF32 - 1) / panelF32
	p := &F32Weights{N: n, K: k, bias: make([]float32, np*panelF32), min: lo, max: hi}
	copy(p.bias, bias[:min(len(bias), n)])
	var ready bool
	if p.panel, ready = panels[float32](store, np*k*panelF32, w[:n*k], "f32/generic", n, k); ready {
		return p
	}
	for j := range n {
		first := j/panelF32*k*panelF32 + j%panelF32
		for i, v := range w[j*k : j*k+k] {
			p.panel[first+i*panelF32] = v
		}
	}
	return p
}

// Bytes returns the memory of the packed weights.
func (w *F32Weights) Bytes() int {
	if w.fast != nil {
		return w.fast.bytes()
	}
	return 4 * (len(w.panel) + len(w.bias))
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
