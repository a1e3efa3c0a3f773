package attention

import "wayside/kernels/vec"

// headGeneric is Head with the scores of one query in s.
func (p *F32) headGeneric(dst []float32, ldd int, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, mask []float32, ldm int, s []float32) {
	row, column := ldk, 1
	if p.Turned {
		row, column = 1, ldk
	}
	for i := range p.Queries {
		for j := range s {
			sum := float32(0)
			for d, x := range q[i*ldq : i*ldq+p.Depth] {
				sum += float32(x * k[j*row+d*column])
			}
			sum = float32(sum * p.Scale)
			if mask != nil {
				sum += mask[i*ldm+j]
			}
			s[j] = sum
		}
		vec.SoftmaxF32(s, s, p.Keys, 1)
		to := dst[i*ldd : i*ldd+p.Values]
		clear(to)
		for j, x := range s {
			for d, y := range v[j*ldv : j*ldv+p.Values] {
				to[d] += float32(x * y)
			}
		}
	}
}
