package gemm

// Sums is a packed int8 matrix for products with int32 results. It is immutable.
type Sums struct {
	N, K int
	w    []int8     // as given, for the generic kernel
	fast *sumMatrix // packed for this machine; nil for the generic kernel
}

// PackSums packs w[N][K]. The slice is kept or copied.
func PackSums(w []int8, n, k int) *Sums {
	if len(w) < n*k {
		panic("gemm: slice length mismatch")
	}
	p := &Sums{N: n, K: k}
	if n > 0 && k > 0 {
		p.fast = packSumsArch(w, n, k)
	}
	if p.fast == nil {
		p.w = w
	}
	return p
}

// Fast reports whether there is a kernel for this machine.
func (p *Sums) Fast() bool { return p.fast != nil }

// Bytes returns the memory of the packed weights, int8 and int32.
func (p *Sums) Bytes() (s8, s32 int) {
	if p.fast != nil {
		return p.fast.bytes()
	}
	return len(p.w), 0
}

// ID names the tile and the instruction set.
func (p *Sums) ID() string {
	if p.fast != nil {
		return p.fast.id()
	}
	return "generic"
}

// Scratch returns the bytes of scratch that Run needs for m rows.
func (p *Sums) Scratch(m int) int {
	if p.fast != nil {
		return p.fast.scratch(m)
	}
	return 0
}

// Run computes m rows: dst[i*ldd+j] = sum over k of x[i*ldx+k] × w[j][k], the same in every tier. Sums wrap.
func (p *Sums) Run(dst []int32, ldd int, x []int8, ldx, m int, scratch []byte) {
	if m == 0 {
		return
	}
	checkRows(len(dst), ldd, len(x), ldx, m, p.N*p.K, p.N, p.K)
	if len(scratch) < p.Scratch(m) {
		panic("gemm: slice length mismatch")
	}
	if p.fast != nil {
		p.fast.sumsOf(dst, ldd, x, ldx, m, scratch)
		return
	}
	RowsS32(dst, ldd, x, ldx, m, p.w, p.N, p.K)
}
