package attention

import (
	"math"
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/vec"
)

// Shape says what one head has: Queries rows of Depth values that look for Keys rows of Depth, each with a row of Values. Keys is at least 1.
type Shape struct {
	Queries, Keys, Depth, Values int
	Turned                       bool    // k is stored [Depth][Keys] instead of [Keys][Depth]
	Scale                        float32 // scores are multiplied with it
}

// F32 is the kernel for one shape of float32. It is immutable.
type F32 struct {
	Shape
	scores, values *gemm.ProductF32
	block          int // queries at once
	scale, add     *vec.PairF32
	factor         [1]float32 // Scale
	fast           bool       // there are tiles for the products
}

// blockScores is about how many scores are kept at once: they stay in the second-level cache.
const blockScores = 16 << 10

// NewF32 prepares the kernel for a shape.
func NewF32(s Shape) *F32 {
	inf := float32(math.Inf(1))
	p := &F32{Shape: s, factor: [1]float32{s.Scale}, block: min(max(blockScores/s.Keys/12*12, 12), max(s.Queries, 1))} // tiles have up to 12 rows
	p.scores = gemm.NewProductF32(gemm.Product{M: p.block, K: s.Depth, N: s.Keys, TransB: !s.Turned}, nil, -inf, inf)
	p.values = gemm.NewProductF32(gemm.Product{M: p.block, K: s.Keys, N: s.Values}, nil, -inf, inf)
	p.fast = p.ID() != "generic"
	p.scale, p.add = vec.NewArithF32("Mul", -inf, inf), vec.NewArithF32("Add", -inf, inf)
	return p
}

// ID names the tile and the instruction set.
func (p *F32) ID() string { return p.scores.ID() }

// Scratch returns the bytes that Head needs, aligned to 64.
func (p *F32) Scratch() int {
	if !p.fast {
		return (4*p.Keys + 63) &^ 63
	}
	return p.scores.Panels() + p.values.Panels() + (4*p.block*(p.Keys+1)+63)&^63
}

// Head computes dst[i][:] = Σⱼ pᵢⱼ v[j][:], where row i of p is the softmax over j of Σ q[i][d] k[j][d] × Scale + mask[i][j]. The rows of each matrix lie as
// far apart as the number behind it says; mask may be nil, and its distance 0 where one row serves all queries. The generic kernel adds in order and rounds
// products before; the others fuse them, split sums, and multiply with the scale earlier.
func (p *F32) Head(dst []float32, ldd int, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, mask []float32, ldm int, scratch []byte) {
	if p.Queries == 0 || p.Values == 0 {
		return
	}
	rows, columns := p.Keys, p.Depth
	if p.Turned {
		rows, columns = columns, rows
	}
	last := p.Queries - 1
	if len(dst) < last*ldd+p.Values || len(q) < last*ldq+p.Depth || rows > 0 && len(k) < (rows-1)*ldk+columns || len(v) < (p.Keys-1)*ldv+p.Values ||
		mask != nil && len(mask) < last*ldm+p.Keys || len(scratch) < p.Scratch() {
		panic("attention: slice length mismatch")
	}
	if !p.fast {
		p.headGeneric(dst, ldd, q, ldq, k, ldk, v, ldv, mask, ldm, floats(scratch, p.Keys))
		return
	}
	keys, values := scratch[:p.scores.Panels()], scratch[p.scores.Panels():][:p.values.Panels()]
	scores := floats(scratch[len(keys)+len(values):], p.block*(p.Keys+1))
	scores, inverse := scores[:p.block*p.Keys], scores[p.block*p.Keys:]
	p.scores.Pack(keys, k, ldk)
	if p.Scale != 1 { // far fewer products than with the scores
		f := floats(keys, len(keys)/4)
		p.scale.Run(f, f, p.factor[:], &vec.Rows{N: len(f), SA: 1, Count: 1})
	}
	p.values.Pack(values, v, ldv)
	for i := 0; i < p.Queries; i += p.block {
		m := min(p.block, p.Queries-i)
		s := scores[:m*p.Keys]
		p.scores.Rows(s, p.Keys, q[i*ldq:], ldq, m, keys)
		if mask != nil {
			p.add.Run(s, s, mask[i*ldm:], &vec.Rows{N: p.Keys, SA: 1, SB: 1, Count: m, StepA: p.Keys, StepB: ldm})
		}
		vec.ExpRowsF32(s, inverse[:m], p.Keys)
		p.values.Rows(dst[i*ldd:], ldd, s, p.Keys, m, values)
		vec.ScaleRowsF32(dst[i*ldd:], ldd, p.Values, inverse[:m])
	}
}

func floats(b []byte, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b[:4*n]))), n)
}
