package gemm

import bfloat16 "github.com/d4l3k/go-bfloat16"

func f32Generic(dst []float32, ldd int, x []float32, ldx, m int, w *F32Weights) {
	k := w.K
	for i := range m {
		row := x[i*ldx : i*ldx+k]
		out := dst[i*ldd : i*ldd+w.N]
		for j := 0; j < len(out); j += panelF32 {
			var a [panelF32]float32
			if w.brain != nil {
				dotPanelBF16(&a, row, w.brain[j*k:j*k+panelF32*k])
			} else {
				dotPanelF32(&a, row, w.panel[j*k:j*k+panelF32*k])
			}
			for c, v := range a {
				if j+c < len(out) {
					out[j+c] = min(max(v+w.bias[j+c], w.min), w.max)
				}
			}
		}
	}
}

func dotPanelF32(acc *[panelF32]float32, row, p []float32) {
	var a0, a1, a2, a3, a4, a5, a6, a7 float32
	for _, v := range row {
		q := p[:8:8]
		a0 += float32(v * q[0])
		a1 += float32(v * q[1])
		a2 += float32(v * q[2])
		a3 += float32(v * q[3])
		a4 += float32(v * q[4])
		a5 += float32(v * q[5])
		a6 += float32(v * q[6])
		a7 += float32(v * q[7])
		p = p[8:]
	}
	*acc = [panelF32]float32{a0, a1, a2, a3, a4, a5, a6, a7}
}

// dotPanelBF16 is dotPanelF32 for weights that it widens.
func dotPanelBF16(acc *[panelF32]float32, row []float32, p []bfloat16.BF16) {
	var a0, a1, a2, a3, a4, a5, a6, a7 float32
	for _, v := range row {
		q := p[:8:8]
		a0 += float32(v * widenBF16(q[0]))
		a1 += float32(v * widenBF16(q[1]))
		a2 += float32(v * widenBF16(q[2]))
		a3 += float32(v * widenBF16(q[3]))
		a4 += float32(v * widenBF16(q[4]))
		a5 += float32(v * widenBF16(q[5]))
		a6 += float32(v * widenBF16(q[6]))
		a7 += float32(v * widenBF16(q[7]))
		p = p[8:]
	}
	*acc = [panelF32]float32{a0, a1, a2, a3, a4, a5, a6, a7}
}
