//go:build arm || arm64

package gemm

import "unsafe"

// shape returns the tiles. Weights that come at run time may be −128.
func (p *ProductS8) shape() *armShape {
	if p.plain {
		return s32Shape()
	}
	if s := s8Shape(); s != &s8Neon {
		return s
	}
	return &s8Wide
}

// packProductS8 returns the biases of all columns, then their multipliers, then their negative shifts; nil where some multiplier does not move sums to
// the right. For plain sums there are none, but a slice.
func packProductS8(p *ProductS8) []int32 {
	if p.plain {
		return []int32{}
	}
	par := make([]int32, 3*p.N)
	for j := range p.N {
		if p.q.Bias != nil {
			par[j] = int32(p.q.Bias[j])
		}
		at := min(j, len(p.q.Mult)-1)
		m, s := p.q.Mult[at], p.q.Shift[at]
		if m == 0 {
			s = -1
		}
		if s > -1 || s < -31 {
			return nil
		}
		par[p.N+j], par[2*p.N+j] = m, s
	}
	return par
}

// productParts are places in the scratch memory of a product: both matrices with k last, the rows of the first one as the tiles read them, what comes to
// the sums of its rows, a panel of the second one, and what the store needs for it.
type productParts struct{ a, b, rows, fix, panel, par, end int }

func (p *ProductS8) parts() (s productParts) {
	take := func(n int) int {
		at := s.end
		s.end = up64(s.end + n)
		return at
	}
	shape := p.shape()
	row := shape.rowBytes(p.K)
	if p.TransA {
		s.a = take(p.M * p.K)
	}
	if !p.TransB {
		s.b = take(p.N * p.K)
	}
	if row != p.K {
		s.rows = take(p.M * row)
	}
	if !p.plain && p.q.WZero != 0 {
		s.fix = take(4 * p.M)
	}
	s.panel = take((row+16)*shape.cols + armReadAhead)
	s.par = take(4 * (3*shape.cols + 12))
	return s
}

func scratchProductS8(p *ProductS8) int { return p.parts().end }

func runProductS8(p *ProductS8, c []int8, c32 []int32, a, b []int8, scratch []byte) {
	m, k, n := p.M, p.K, p.N
	shape, parts := p.shape(), p.parts()
	lda := shape.rowBytes(k)
	if p.TransA {
		a = turned(int8s(scratch[parts.a:]), a, m, k)
	}
	if !p.TransB {
		b = turned(int8s(scratch[parts.b:]), b, n, k)
	}
	if lda != k {
		a = widenRows(scratch[parts.rows:], lda, a, k, k, m)
	}
	par := unsafe.Slice((*int32)(unsafe.Pointer(&scratch[parts.par])), 3*shape.cols+12)
	clear(par)
	t := armTile{w: unsafe.Pointer(&scratch[parts.panel]), bytes: lda, par: unsafe.Pointer(&par[0]), exact: p.q.Min < p.q.Zero}
	t.blocks, t.groups = shape.count(lda)
	var fix []int32
	if !p.plain && p.q.WZero != 0 {
		fix = unsafe.Slice((*int32)(unsafe.Pointer(&scratch[parts.fix])), m)
		rowSums(fix, a, lda, k)
		for i := range fix {
			fix[i] *= -p.q.WZero
		}
	}
	vectors := par[3*shape.cols:]
	for i, v := range [3]int32{p.q.Zero & 0xffff * 0x10001, p.q.Min & 0xff * 0x1010101, p.q.Max & 0xff * 0x1010101} {
		vectors[4*i], vectors[4*i+1], vectors[4*i+2], vectors[4*i+3] = v, v, v, v
	}
	block := shape.rowsPerBlock(m, lda)
	for first := 0; first < n; first += shape.cols {
		t.cols = min(shape.cols, n-first)
		sums := packProductPanel(int8s(scratch[parts.panel:parts.par]), shape, b[first*k:], k, t.cols, lda)
		for i := 0; !p.plain && i < t.cols; i++ {
			j := first + i
			par[i] = p.par[j] + p.q.XZero*(int32(k)*p.q.WZero-sums[i])
			par[shape.cols+i], par[2*shape.cols+i] = p.par[n+j], p.par[2*n+j]
		}
		for i := 0; i < m; i += block {
			rows := min(block, m-i)
			if p.plain {
				runRows(shape, &t, c32[i*n+first:], n, a[i*lda:], lda, rows)
				continue
			}
			if fix != nil {
				t.fix = unsafe.Pointer(&fix[i])
			}
			runRows(shape, &t, c[i*n+first:], n, a[i*lda:], lda, rows)
		}
	}
}

// packProductPanel is packArm into memory of the caller. It returns the sums of the columns.
func packProductPanel(to []int8, s *armShape, w []int8, k, cols, bytes int) (sums [8]int32) {
	blocks, groups := s.count(bytes)
	at := 0
	for i := range blocks + groups {
		c := s.chunk(bytes, blocks, i)
		depth := min(s.depth, c.width)
		for first := c.at; first < c.at+c.width; first += depth {
			for col := range s.cols {
				out := to[at : at+depth]
				at += depth
				clear(out)
				if from, end := max(first, c.from), min(first+depth, k); col < cols && from < end {
					copy(out[from-first:], w[col*k+from:col*k+end])
					for _, v := range w[col*k+from : col*k+end] {
						sums[col] += int32(v)
					}
				}
			}
		}
	}
	return sums
}
