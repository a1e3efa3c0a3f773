//go:build arm || arm64

package gemm

import "unsafe"

// hybridWeights is a packed int8 matrix, and what turns its sums into float32.
type hybridWeights struct {
	*sumMatrix
	h Hybrid
}

func packHybrid(w []int8, n, k int, h *Hybrid) *hybridWeights {
	if s := packSumsArch(w, n, k); s != nil {
		return &hybridWeights{s, *h}
	}
	return nil
}

func (p *hybridWeights) bytes() (s8, s32, f32 int) {
	s8, s32 = p.sumMatrix.bytes()
	return s8, s32, 4 * (len(p.h.Scale) + len(p.h.Bias))
}

func (p *hybridWeights) scratch(m int) int {
	m = p.shape.rowsPerBlock(m, p.row)
	return 4*m*p.n + p.sumMatrix.scratch(m)
}

func (p *hybridWeights) run(dst []float32, ldd int, x []int8, rows []HybridRow, scratch []byte) {
	block := p.shape.rowsPerBlock(len(rows), p.row)
	sums := unsafe.Slice((*int32)(unsafe.Pointer(&scratch[0])), block*p.n)
	for i := 0; i < len(rows); i += block {
		m := min(block, len(rows)-i)
		p.sumsOf(sums, p.n, x[i*p.k:], p.k, m, scratch[4*block*p.n:])
		for r := range m {
			q := rows[i+r]
			out, s := dst[(i+r)*ldd:][:p.n], sums[r*p.n:]
			for j := range out {
				out[j] = p.h.Apply(int64(s[j]-q.Zero*p.sums[j]), j, q.Scale)
			}
		}
	}
}
