package gemm

// S16Weights is a packed matrix of int16 for products with int32 results. It is immutable.
type S16Weights struct {
	N, K int
	w    []int16 // [N][K]; with tiles panels of 16 columns, [K/2][16][2] each
	fast bool
}

// PackS16 packs w[N][K]. The slice is copied.
func PackS16(w []int16, n, k int) *S16Weights {
	if len(w) < n*k {
		panic("gemm: slice length mismatch")
	}
	p := &S16Weights{N: n, K: k, w: make([]int16, n*k), fast: n > 0 && k > 0 && n%16 == 0 && k%2 == 0 && s16Fast()}
	if !p.fast {
		copy(p.w, w)
		return p
	}
	for j := range n {
		panel := p.w[j/16*16*k+j%16*2:]
		for i, v := range w[j*k : j*k+k] {
			panel[i/2*32+i%2] = v
		}
	}
	return p
}

// Bytes returns the memory of the packed weights.
func (p *S16Weights) Bytes() int { return 2 * len(p.w) }

// ID names the tile and the instruction set.
func (p *S16Weights) ID() string {
	if p.fast {
		return "6x16/avx2"
	}
	return "generic"
}

// S16 computes m rows: dst[i*ldd+j] = sum over k of x[i*ldx+k] × w[j][k]. Sums wrap; two neighbouring products must not all be of −32768 alone.
func S16(dst []int32, ldd int, x []int16, ldx, m int, w *S16Weights) {
	if m == 0 {
		return
	}
	if len(x) < (m-1)*ldx+w.K || len(dst) < (m-1)*ldd+w.N {
		panic("gemm: slice length mismatch")
	}
	if w.fast {
		s16Tiles(dst, ldd, x, ldx, m, w)
		return
	}
	for i := range m {
		row := x[i*ldx : i*ldx+w.K]
		for j := range w.N {
			s := int32(0)
			for k, v := range w.w[j*w.K : (j+1)*w.K] {
				s += int32(v) * int32(row[k])
			}
			dst[i*ldd+j] = s
		}
	}
}
