package gemm

import (
	"wayside/kernels/requant"
)

// S8Weights is a packed matrix of int8 weights with all that its store needs. It is immutable.
type S8Weights struct {
	N, K  int
	fast  s8Packed // packed for this machine; nil for the fields below
	panel []int8   // ceil(N/4) panels of [K][4] columns, padded with zeros
	bias  []int32  // bias − inZero×sum(w) + K×inZero×wZero, padded to the panels
	wZero int32
	q     requant.Params // Mult and Shift padded to the panels
}

// s8Packed is a matrix packed for the tiles of one instruction set.
type s8Packed interface {
	run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte)
	scratch(m int) int // bytes that run needs for m rows
	bytes() (s8, s32 int)
	id() string // tile/isa
}

// s8Prepared is an s8Packed whose tiles take rows in a form of their own: uint8, 128 added, stride bytes apart. rows may write behind the values of
// a row.
type s8Prepared interface {
	s8Packed
	stride() int
	rows(dst []int8, ldd int, a []byte, m int)
}

const panelS8 = 4

// PackS8 packs w[N][K] for inputs with zero point inZero and weights with zero point wZero. bias may be nil. q has
// one multiplier or N, for the rule Fixed. The slices are copied.
func PackS8(w []int8, n, k int, bias []int32, inZero, wZero int32, q requant.Params) *S8Weights {
	return PackS8In(nil, ManyRows, w, n, k, bias, inZero, wZero, q)
}

// ManyRows is for PackS8In where products have many rows.
const ManyRows = 1 << 20

// PackS8In is PackS8 with panels from a store, for products that mostly have so many rows: some tiles are worth their preparation only for several.
func PackS8In(store Store, rows int, w []int8, n, k int, bias []int32, inZero, wZero int32, q requant.Params) *S8Weights {
	if len(w) < n*k || bias != nil && len(bias) < n || len(q.Mult) != 1 && len(q.Mult) < n || len(q.Shift) != len(q.Mult) {
		panic("gemm: slice length mismatch")
	}
	np := (n + panelS8 - 1) / panelS8
	p := &S8Weights{N: n, K: k, bias: make([]int32, np*panelS8), wZero: wZero, q: q}
	p.q.Mult, p.q.Shift = make([]int32, np*panelS8), make([]int32, np*panelS8)
	foldColumns(w, n, k, bias, inZero, wZero, q, p.bias, p.q.Mult, p.q.Shift)
	if n > 0 && k > 0 {
		if p.fast = packS8Arch(store, rows, w, n, k, p.bias, p.q.Mult, p.q.Shift, wZero, q.Zero, q.Min, q.Max); p.fast != nil {
			p.bias, p.q.Mult, p.q.Shift = nil, nil, nil
			return p
		}
	}
	var ready bool
	if p.panel, ready = panels[int8](store, np*k*panelS8, w[:n*k], "s8/generic", n, k); ready {
		return p
	}
	for j := range n {
		first := j/panelS8*k*panelS8 + j%panelS8
		for i, v := range w[j*k : j*k+k] {
			p.panel[first+i*panelS8] = v
		}
	}
	return p
}

// foldColumns writes for each of n columns what its sum of raw inputs and weights needs: the bias less what both zero points add, and the multiplier.
func foldColumns(w []int8, n, k int, bias []int32, inZero, wZero int32, q requant.Params, sums, mult, shift []int32) {
	for j := range n {
		sums[j] = int32(k)*inZero*wZero - inZero*sum(w[j*k:j*k+k])
		if bias != nil {
			sums[j] += bias[j]
		}
		c := min(j, len(q.Mult)-1)
		mult[j], shift[j] = q.Mult[c], q.Shift[c]
	}
}

// FourBits reports whether the packed weights take four bits each.
func (w *S8Weights) FourBits() bool {
	p, ok := w.fast.(interface{ fourBits() bool })
	return ok && p.fourBits()
}

// Bytes returns the memory of the packed weights: int8 panels, or those of FourBits, and int32 for bias, multiplier and shift.
func (w *S8Weights) Bytes() (s8, s32 int) {
	if w.fast != nil {
		return w.fast.bytes()
	}
	return len(w.panel), 12 * len(w.bias)
}

// ID names the tile and the instruction set that S8 uses: 6x64/avx512vnni, or generic.
func (w *S8Weights) ID() string {
	if w.fast != nil {
		return w.fast.id()
	}
	return "generic"
}

// Scratch returns the bytes of scratch that S8 needs for m rows.
func (w *S8Weights) Scratch(m int) int {
	if w.fast != nil && m > 0 {
		return w.fast.scratch(m)
	}
	return 0
}

// S8 computes m rows: dst[i*ldd+j] = q(bias[j] + sum over k of (x[i*ldx+k] − inZero) × (w[j][k] − wZero)).
// Sums are int32 and wrap.
func S8(dst []int8, ldd int, x []int8, ldx, m int, w *S8Weights, scratch []byte) {
	if m == 0 {
		return
	}
	if len(x) < (m-1)*ldx+w.K || len(dst) < (m-1)*ldd+w.N || len(scratch) < w.Scratch(m) {
		panic("gemm: slice length mismatch")
	}
	if w.fast != nil {
		w.fast.run(dst, ldd, x, ldx, m, scratch)
		return
	}
	s8Generic(dst, ldd, x, ldx, m, w)
}

// Stride returns how many bytes apart S8Rows wants its rows, or 0 where S8 is the only way.
func (w *S8Weights) Stride() int {
	if p, ok := w.fast.(s8Prepared); ok {
		return p.stride()
	}
	return 0
}

// S8Rows is S8 for rows that the caller has prepared: uint8 values, 128 added to each, Stride bytes apart. What lies behind the K values of a row
// does not matter, and S8Rows may write there. a has m × Stride bytes.
func S8Rows(dst []int8, ldd int, a []byte, m int, w *S8Weights) {
	p := w.fast.(s8Prepared)
	if m == 0 {
		return
	}
	if len(a) < m*p.stride() || len(dst) < (m-1)*ldd+w.N {
		panic("gemm: slice length mismatch")
	}
	p.rows(dst, ldd, a, m)
}
