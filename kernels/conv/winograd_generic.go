package conv

// Numbers that follow from the points.
const (
	winA2, winB2       = winA * winA, winB * winB
	winA3, winB3       = winA2 * winA, winB2 * winB
	winSum, winProduct = winA2 + winB2, winA2 * winB2
)

// winogradInGeneric transforms a square of 6×6 inputs of n channels, rows down and columns right values apart, into one value of each channel in each of
// 36 matrices.
func winogradInGeneric(dst []float32, matrix int, src []float32, down, right, n int) {
	for c := range n {
		var t [36]float32
		for x := range 6 {
			at := x*right + c
			winogradIn6(t[x:], 6, src[at], src[at+down], src[at+2*down], src[at+3*down], src[at+4*down], src[at+5*down])
		}
		for y := range 6 {
			r := t[6*y : 6*y+6]
			winogradIn6(dst[6*y*matrix+c:], matrix, r[0], r[1], r[2], r[3], r[4], r[5])
		}
	}
}

func winogradIn6(dst []float32, step int, d0, d1, d2, d3, d4, d5 float32) {
	ea, oa := d4-float32(winB2*d2), winA*(d3-float32(winB2*d1))
	eb, ob := d4-float32(winA2*d2), winB*(d3-float32(winA2*d1))
	dst[0] = float32(winProduct*d0) - float32(winSum*d2) + d4
	dst[step] = ea + oa
	dst[2*step] = ea - oa
	dst[3*step] = eb + ob
	dst[4*step] = eb - ob
	dst[5*step] = float32(winProduct*d1) - float32(winSum*d3) + d5
}

// winogradOutGeneric transforms the sums of 36 matrices into 4×4 outputs of as many channels as there are biases.
func winogradOutGeneric(dst []float32, down, right int, src []float32, matrix int, bias []float32, lo, hi float32) {
	for c, v := range bias {
		var t [24]float32
		for x := range 6 {
			at := x*matrix + c
			t[x], t[6+x], t[12+x], t[18+x] = winogradOut6(src[at], src[at+6*matrix], src[at+12*matrix], src[at+18*matrix], src[at+24*matrix], src[at+30*matrix])
		}
		for y := range 4 {
			r, at := t[6*y:6*y+6], y*down+c
			y0, y1, y2, y3 := winogradOut6(r[0], r[1], r[2], r[3], r[4], r[5])
			dst[at] = min(max(y0+v, lo), hi)
			dst[at+right] = min(max(y1+v, lo), hi)
			dst[at+2*right] = min(max(y2+v, lo), hi)
			dst[at+3*right] = min(max(y3+v, lo), hi)
		}
	}
}

func winogradOut6(m0, m1, m2, m3, m4, m5 float32) (y0, y1, y2, y3 float32) {
	sa, da, sb, db := m1+m2, m1-m2, m3+m4, m3-m4
	return m0 + sa + sb, float32(winA*da) + float32(winB*db), float32(winA2*sa) + float32(winB2*sb), m5 + float32(winA3*da) + float32(winB3*db)
}
