package gemm

import (
	"math"
	"unsafe"

	"wayside/kernels/move"
	"wayside/kernels/requant"
)

// Product says which matrices are multiplied: a[m][k], or [k][m] for TransA, by b[k][n], or [n][k] for TransB. Both come at run time.
type Product struct {
	M, K, N        int
	TransA, TransB bool
}

func (p *Product) check(c, a, b, scratch, need int) {
	if c < p.M*p.N || a < p.M*p.K || b < p.K*p.N || scratch < need {
		panic("gemm: slice length mismatch")
	}
}

func (p *Product) empty() bool { return p.M == 0 || p.K == 0 || p.N == 0 }

// ProductF32 is a product of float32 matrices with bias and clamp. It is immutable.
type ProductF32 struct {
	Product
	bias     []float32 // as long as whole vectors of columns; generic: as given, nil for none
	min, max float32
	fast     bool
}

// NewProductF32 prepares a product whose results get a bias of N values, which may be nil, and are clamped to lo and hi; without TransB there is
// neither, and lo and hi must be the infinities.
func NewProductF32(s Product, bias []float32, lo, hi float32) *ProductF32 {
	if bias != nil && len(bias) < s.N || !s.TransB && (bias != nil || lo > -math.MaxFloat32 || hi < math.MaxFloat32) {
		panic("gemm: slice length mismatch")
	}
	p := &ProductF32{Product: s, bias: bias, min: lo, max: hi, fast: !s.empty() && fastProducts()}
	if p.fast {
		p.bias = make([]float32, (s.N+15)&^15)
		copy(p.bias, bias[:min(len(bias), s.N)])
	}
	return p
}

// Scratch returns the bytes of scratch that Run needs, aligned to 64.
func (p *ProductF32) Scratch() int {
	n := 0
	if p.TransA {
		n = up64(4 * p.M * p.K)
	}
	if p.fast {
		n += p.Panels()
	}
	return n
}

// Panels returns the bytes that Pack writes, aligned to 64.
func (p *ProductF32) Panels() int {
	if p.fast {
		return up64(4 * panelsProductF32(p))
	}
	return up64(4 * p.K * p.N)
}

// Pack brings b, whose rows lie ldb apart, into panels for Rows.
func (p *ProductF32) Pack(panels []byte, b []float32, ldb int) {
	rows, columns := p.K, p.N
	if p.TransB {
		rows, columns = p.N, p.K
	}
	if p.empty() {
		return
	}
	if len(panels) < p.Panels() || len(b) < (rows-1)*ldb+columns {
		panic("gemm: slice length mismatch")
	}
	if p.fast {
		packProductF32(p, floats(panels, panelsProductF32(p)), b, ldb)
		return
	}
	w := floats(panels, p.K*p.N) // [N][K]
	for j := range p.N {
		for i := range p.K {
			at := i*ldb + j
			if p.TransB {
				at = j*ldb + i
			}
			w[j*p.K+i] = b[at]
		}
	}
}

// Rows computes m rows like those of Run: a and c have rows lda and ldc apart, panels come from Pack. TransA does not count.
func (p *ProductF32) Rows(c []float32, ldc int, a []float32, lda, m int, panels []byte) {
	if m == 0 || p.empty() {
		return
	}
	if len(panels) < p.Panels() || len(a) < (m-1)*lda+p.K || len(c) < (m-1)*ldc+p.N {
		panic("gemm: slice length mismatch")
	}
	if p.fast {
		rowsOfProductF32(p, c, ldc, a, lda, m, floats(panels, panelsProductF32(p)))
		return
	}
	RowsF32(c, ldc, a, lda, m, floats(panels, p.K*p.N), p.N, p.K, p.bias, p.min, p.max)
}

// ID names the tile and the instruction set.
func (p *ProductF32) ID() string { return p.id(p.fast, false) }

func (p *Product) id(fast, s8 bool) string {
	if !fast {
		return "generic"
	}
	return productID(p.N, s8)
}

// Run computes c[i][j] = clamp(bias[j] + sum over p of a[i][p] × b[p][j]). The generic kernel adds in order and rounds products before; the others
// fuse them and split the sum: see F32.
func (p *ProductF32) Run(c, a, b []float32, scratch []byte) {
	p.check(len(c), len(a), len(b), len(scratch), p.Scratch())
	if p.TransA && !p.empty() {
		rows := floats(scratch, p.M*p.K)
		move.Transpose(rows, a, p.K, p.M, p.K, p.M)
		a, scratch = rows, scratch[up64(4*p.M*p.K):]
	}
	if p.fast {
		ldb := p.N
		if p.TransB {
			ldb = p.K
		}
		if w := p.direct(b); w != nil {
			rowsOfProductF32(p, c, p.N, a, p.K, p.M, w)
			return
		}
		p.Pack(scratch, b, ldb)
		p.Rows(c, p.N, a, p.K, p.M, scratch)
		return
	}
	if p.TransB {
		RowsF32(c, p.N, a, p.K, p.M, b, p.N, p.K, p.bias, p.min, p.max)
		return
	}
	MatMulF32(c, a, b, p.M, p.K, p.N)
}

// ProductS8 is a product of int8 matrices to int8 or int32. It is immutable.
type ProductS8 struct {
	Product
	q     Quant
	plain bool    // int32 results, zero points not counted
	par   []int32 // for the tiles: see NewProductS8; nil for the generic kernel
}

// NewProductS8 prepares a product that is rescaled as Rows does it.
func NewProductS8(s Product, q *Quant) *ProductS8 {
	p := &ProductS8{Product: s, q: *q}
	if !s.empty() && q.Rule == requant.Fixed && fastProducts() {
		p.par = packProductS8(p)
	}
	return p
}

// NewProductS32 prepares a product with int32 results, as RowsS32 has them.
func NewProductS32(s Product) *ProductS8 {
	p := &ProductS8{Product: s, plain: true}
	if !s.empty() && fastProducts() {
		p.par = packProductS8(p)
	}
	return p
}

// Scratch returns the bytes of scratch that Run and RunS32 need, aligned to 64.
func (p *ProductS8) Scratch() int {
	if p.par != nil {
		return scratchProductS8(p)
	}
	n := 0
	if p.TransA {
		n += p.M * p.K
	}
	if !p.TransB {
		n += p.K * p.N
	}
	return n
}

// ID names the tile and the instruction set.
func (p *ProductS8) ID() string { return p.id(p.par != nil, true) }

// Run computes c[i][j] = q(sum over p of (a[i][p] − XZero) × (b[p][j] − WZero)). Results are those of Rows in every tier.
func (p *ProductS8) Run(c, a, b []int8, scratch []byte) {
	p.check(len(c), len(a), len(b), len(scratch), p.Scratch())
	if p.par != nil {
		runProductS8(p, c, nil, a, b, scratch)
		return
	}
	a, b = p.rows(a, b, scratch)
	Rows(c, p.N, a, p.K, p.M, b, p.N, p.K, &p.q)
}

// RunS32 computes c[i][j] = sum over p of a[i][p] × b[p][j]. Sums wrap.
func (p *ProductS8) RunS32(c []int32, a, b []int8, scratch []byte) {
	p.check(len(c), len(a), len(b), len(scratch), p.Scratch())
	if p.par != nil {
		runProductS8(p, nil, c, a, b, scratch)
		return
	}
	a, b = p.rows(a, b, scratch)
	RowsS32(c, p.N, a, p.K, p.M, b, p.N, p.K)
}

// rows returns both matrices with k last.
func (p *ProductS8) rows(a, b []int8, scratch []byte) ([]int8, []int8) {
	s := int8s(scratch)
	if p.TransA {
		a, s = turned(s, a, p.M, p.K), s[p.M*p.K:]
	}
	if !p.TransB {
		b = turned(s, b, p.N, p.K)
	}
	return a, b
}

func up64(n int) int { return (n + 63) &^ 63 }

func int8s(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func floats(b []byte, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b[:4*n]))), n)
}

// turned writes the transpose of x[cols][rows] to dst and returns it.
func turned[T int8 | float32](dst, x []T, rows, cols int) []T {
	dst = dst[:rows*cols]
	for c := range cols {
		for r, v := range x[c*rows : (c+1)*rows] {
			dst[r*cols+c] = v
		}
	}
	return dst
}
