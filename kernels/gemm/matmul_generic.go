package gemm

import bfloat16 "github.com/d4l3k/go-bfloat16"

// MatMulF32 computes c = a*b for row-major a[m][k], b[k][n] and c[m][n]: c[i][j] = sum over p, in order, of a[i][p]*b[p][j].
// Products are not fused with additions, so that all CPUs give the same bits.
func MatMulF32(c, a, b []float32, m, k, n int) {
	if len(a) < m*k || len(b) < k*n || len(c) < m*n {
		panic("gemm: slice length mismatch")
	}
	for i := range m {
		row := c[i*n : i*n+n]
		clear(row)
		for p, x := range a[i*k : i*k+k] {
			w := b[p*n : p*n+n]
			w = w[:len(row)]
			for j := range row {
				row[j] += float32(x * w[j])
			}
		}
	}
}

// MatMulBF16 computes c[i][j] = sum over p of a[i][p]*b[j][p] for float32 a[m][k] and c[m][n] and bfloat16 b[n][k], whose
// elements are widened as they are read. Four interleaved lanes, no fused multiply-adds.
func MatMulBF16(c, a []float32, b []bfloat16.BF16, m, k, n int) {
	if len(a) < m*k || len(b) < n*k || len(c) < m*n {
		panic("gemm: slice length mismatch")
	}
	for j := range n {
		w := b[j*k : j*k+k]
		for i := range m {
			c[i*n+j] = dotBF16(w, a[i*k:i*k+k])
		}
	}
}

func dotBF16(w []bfloat16.BF16, x []float32) float32 {
	var a, b, c, d float32
	w = w[:len(x)]
	for len(x) >= 4 {
		a += float32(widenBF16(w[0]) * x[0])
		b += float32(widenBF16(w[1]) * x[1])
		c += float32(widenBF16(w[2]) * x[2])
		d += float32(widenBF16(w[3]) * x[3])
		w, x = w[4:len(x)], x[4:]
	}
	for i, v := range x {
		a += float32(widenBF16(w[i]) * v)
	}
	return (a + b) + (c + d)
}
