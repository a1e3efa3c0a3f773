package rnn

// scaleAll computes x[i] = clamp(s × (x[i] + bias[i])) + add in place. There is a bias for each value; sums wrap.
func scaleAll(x, bias []int32, s Scale, lo, hi, add int32) {
	bias = bias[:len(x)]
	for i := scaleVectors(x, bias, s, lo, hi, add); i < len(x); i++ {
		x[i] = min(max(s.mul(x[i]+bias[i]), lo), hi) + add
	}
}

// padded copies rows of n values with zeros behind each, to whole vectors of eight.
func padded(w []int16, n int) []int16 {
	wide := (n + 7) &^ 7
	p := make([]int16, len(w)/n*wide)
	for i := range len(w) / n {
		copy(p[i*wide:], w[i*n:(i+1)*n])
	}
	return p
}
