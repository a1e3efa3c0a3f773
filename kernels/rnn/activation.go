package rnn

import "math"

// Activation is the non-linearity of a gate.
type Activation uint8

// The activations of ONNX operators GRU and LSTM that are supported.
const (
	Sigmoid Activation = iota
	Tanh
	Relu
)

func (a Activation) apply(x float32) float32 {
	switch a {
	case Sigmoid:
		return SigmoidF32(x)
	case Tanh:
		return TanhF32(x)
	}
	if x < 0 {
		return 0
	}
	return x // NaN stays NaN
}

// SigmoidF32 returns 1/(1+e^-x), within one unit in the last place and the same on every CPU.
func SigmoidF32(x float32) float32 {
	if x != x {
		return x
	}
	return float32(1 / (1 + exp(-float64(x))))
}

// TanhF32 returns the hyperbolic tangent, within one unit in the last place and the same on every CPU.
func TanhF32(x float32) float32 {
	a := float64(x)
	if a < 0 {
		a = -a
	}
	if !(a > 1e-5) { // also NaN; the cubic term is below float32's resolution
		return x
	}
	e := exp(-2 * a)
	t := (1 - e) / (1 + e)
	if x < 0 {
		t = -t
	}
	return float32(t)
}

const (
	log2e = 1 / math.Ln2
	ln2Hi = 6.93147180369123816490e-01 // the split of fdlibm's e_exp.c: n*ln2Hi is exact
	ln2Lo = 1.90821492927058770002e-10
)

// exp returns e^x in plain float64 operations: math.Exp differs in the last bit between architectures, and an explicit
// conversion after each product forbids fusing. The Taylor remainder on |r| <= ln2/2 is below 2e-10.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	if x > 700 {
		return math.Inf(1)
	}
	t := float64(x * log2e)
	if t < 0 {
		t -= 0.5
	} else {
		t += 0.5
	}
	n := int(t)
	r := x - float64(float64(n)*ln2Hi)
	r -= float64(float64(n) * ln2Lo)
	p := 1.0 / 40320
	p = float64(p*r) + 1.0/5040
	p = float64(p*r) + 1.0/720
	p = float64(p*r) + 1.0/120
	p = float64(p*r) + 1.0/24
	p = float64(p*r) + 1.0/6
	p = float64(p*r) + 0.5
	p = float64(p*r) + 1
	p = float64(p*r) + 1
	return p * math.Float64frombits(uint64(n+1023)<<52)
}
