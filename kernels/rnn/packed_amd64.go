package rnn

import (
	"math"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// productArgs is the argument of the assembly products: dst = init + panel × x.
type productArgs struct {
	dst, init, x *float32
	w            unsafe.Pointer
	k            int // values of x, or pairs of them
	back         int // not 0: begin with the last ones
}

// gateArgs is the argument of the assembly gates.
type gateArgs struct {
	gate  [4]*float32
	h, c  *float32
	units int // whole vectors
	// bounds of the cell state
	lo, hi float32
}

// The assembly functions: products by vectors of columns less one, first float32, then bfloat16; gates by the constants below.
func productsAVX512() *[32]uintptr
func productsAVX2() *[24]uintptr
func gatesAVX512() *[4]uintptr
func gatesAVX2() *[4]uintptr

const (
	gateLSTM = iota
	gateAfter
	gateReset
	gateOut
)

var (
	productsWide, productsNarrow = productsAVX512()[:], productsAVX2()[:]
	gatesWide, gatesNarrow       = gatesAVX512()[:], gatesAVX2()[:]
)

// panelWidth returns the columns of a vector, 0 where there are none.
func panelWidth() int {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return 16
	case cpu.Has(cpu.AVX2):
		return 8
	}
	return 0
}

func panelID() string {
	if panelWidth() == 16 {
		return "1x256/avx512"
	}
	return "1x96/avx2"
}

// panels is a matrix for products with one vector: panels of columns, [k][columns] or, in bfloat16, [pairs of k][columns][2].
type panels struct {
	k, width, most int // values of the vector; columns of a register; registers of the widest panel
	columns        int
	f32            []float32
	pairs          []uint32
}

// packPanels packs matrices of rows × k one after the other, each padded to units columns.
func packPanels(ms []Matrix, rows, units, k int, half bool) *panels {
	p := &panels{k: k, width: panelWidth(), columns: len(ms) * units}
	p.most = 16
	if p.width == 8 {
		p.most = 12
	}
	if half {
		p.k = (k + 1) / 2
		p.pairs = make([]uint32, p.columns*p.k)
	} else {
		p.f32 = make([]float32, p.columns*k)
	}
	for g, m := range ms {
		for j := range rows {
			at := g*units + j
			first := at / (p.width * p.most) * p.width * p.most
			cols := min(p.width*p.most, p.columns-first)
			for i := range k {
				if half {
					p.pairs[first*p.k+i/2*cols+at-first] |= uint32(m.half(j*k+i)) << (16 * (i % 2))
				} else {
					p.f32[first*k+i*cols+at-first] = m.F32[j*k+i]
				}
			}
		}
	}
	return p
}

func (p *panels) bytes() gemm.FormBytes {
	return gemm.FormBytes{F32: 4 * len(p.f32), BF16: 4 * len(p.pairs)}
}

// half returns element i in bfloat16.
func (m Matrix) half(i int) uint16 {
	if m.BF16 != nil {
		return uint16(m.BF16[i])
	}
	return uint16(math.Float32bits(m.F32[i]) >> 16)
}

// add adds the product with x to dst. In bfloat16, x has a zero behind an odd number of values. back walks the matrix from its end: what the previous product has
// read last is then still in the nearest cache.
func (p *panels) add(dst, x []float32, back bool) {
	table := productsWide
	if p.width == 8 {
		table = productsNarrow
	}
	_ = dst[p.columns-1]
	bf16 := 0
	if p.pairs != nil {
		_ = x[2*p.k-1]
		bf16 = p.most
	} else {
		_ = x[p.k-1]
	}
	wide := p.width * p.most
	count := (p.columns + wide - 1) / wide
	for i := range count {
		first := i * wide
		t := productArgs{x: &x[0], k: p.k}
		if back {
			first, t.back = (count-1-i)*wide, 1
		}
		t.dst, t.init = &dst[first], &dst[first]
		vectors := min(p.most, (p.columns-first)/p.width)
		if bf16 > 0 {
			t.w = unsafe.Pointer(&p.pairs[first*p.k])
		} else {
			t.w = unsafe.Pointer(&p.f32[first*p.k])
		}
		call.Tile(table[bf16+vectors-1], unsafe.Pointer(&t))
	}
}

// room is how many float32 a step needs for each unit.
func (p *Packed) room() int { return 0 }

// step computes the new states of a band from a row of gates that holds the products with the input.
func (b *band) step(w *Walk, gates []float32) {
	u := b.width
	table := gatesWide
	if b.r.width == 8 {
		table = gatesNarrow
	}
	g := func(i int) *float32 { return &gates[i*u] }
	old, next := w.h[b.from:b.from+u], w.next[b.from:b.from+u]
	t := gateArgs{h: &next[0], c: &w.c[b.from], units: u}
	if w.p.kind != packedLSTM && &next[0] != &old[0] { // gates of a GRU find the state before the step where they write that behind it
		copy(next, old)
	}
	if !w.again {
		b.r.add(gates, w.h, w.odd)
	}
	switch w.p.kind {
	case packedLSTM:
		t.gate, t.lo, t.hi = [4]*float32{g(0), g(1), g(2), g(3)}, -w.p.clip, w.p.clip
		call.Tile(table[gateLSTM], unsafe.Pointer(&t))
	case packedGRUAfter:
		t.gate = [4]*float32{g(1), g(2), g(0), g(3)}
		call.Tile(table[gateAfter], unsafe.Pointer(&t))
	case packedGRUReset:
		t.gate = [4]*float32{g(0), g(1), g(2), g(2)}
		if !w.again {
			call.Tile(table[gateReset], unsafe.Pointer(&t))
			return
		}
		b.rOut.add(gates[2*u:], w.c, w.odd)
		call.Tile(table[gateOut], unsafe.Pointer(&t))
	}
}
