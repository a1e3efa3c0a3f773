package gemm

import "wayside/kernels/requant"

func s8Generic(dst []int8, ldd int, x []int8, ldx, m int, w *S8Weights) {
	k := w.K
	for i := range m {
		row := x[i*ldx : i*ldx+k]
		out := dst[i*ldd : i*ldd+w.N]
		fix := int32(0)
		if w.wZero != 0 {
			for _, v := range row {
				fix += int32(v)
			}
			fix *= -w.wZero
		}
		for j := 0; j < len(out); j += panelS8 {
			a0, a1, a2, a3 := w.bias[j]+fix, w.bias[j+1]+fix, w.bias[j+2]+fix, w.bias[j+3]+fix
			p := w.panel[j*k : j*k+panelS8*k]
			for t, v := range row {
				q := p[t*panelS8 : t*panelS8+4 : t*panelS8+4]
				s := int32(v)
				a0 += s * int32(q[0])
				a1 += s * int32(q[1])
				a2 += s * int32(q[2])
				a3 += s * int32(q[3])
			}
			storeS8(out, j, [panelS8]int32{a0, a1, a2, a3}, &w.q)
		}
	}
}

// storeS8 rescales one panel's sums and stores those that belong to the matrix.
func storeS8(out []int8, j int, acc [panelS8]int32, q *requant.Params) {
	for c, a := range acc {
		if j+c < len(out) {
			out[j+c] = int8(min(max(requant.Mul(a, q.Mult[j+c], q.Shift[j+c])+q.Zero, q.Min), q.Max))
		}
	}
}
