package vec

import "math"

// SwishF32 computes x × logistic(x) in place, for FnLogistic or FnLogisticCut: as a multiplication after logistic's Map would, or within 4 units in the last
// place of that and 2^-119.
func SwishF32(x []float32, logistic *Function) {
	if swishF32Asm(x, logistic.p) {
		return
	}
	var t [1024]float32 // stays in the first-level cache
	inf := float32(math.Inf(1))
	for len(x) > 0 {
		n := min(len(t), len(x))
		if !mapF32Asm(mapLogistic, t[:n], x[:n], logistic.p, 0) || !pairF32Asm(pairMul, x[:n], x[:n], t[:n], &Rows{N: n, SA: 1, SB: 1, Count: 1}, -inf, inf) {
			for i, v := range x[:n] {
				x[i] = v * logistic.At(v)
			}
		}
		x = x[n:]
	}
}
