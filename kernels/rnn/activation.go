package rnn

import "wayside/kernels/vec"

// Activation is the non-linearity of a gate.
type Activation uint8

// The activations that are supported; ONNX operators GRU and LSTM use the first three.
const (
	Sigmoid Activation = iota
	Tanh
	Relu
	None
	Relu6
	ReluN1To1
	TanhRational // TanhRationalF32
)

func (a Activation) apply(x float32) float32 {
	switch a {
	case Sigmoid:
		return vec.Logistic(x)
	case Tanh:
		return vec.Tanh(x)
	case TanhRational:
		return TanhRationalF32(x)
	case None:
		return x
	case Relu6:
		return min(max(x, 0), 6)
	case ReluN1To1:
		return min(max(x, -1), 1)
	}
	if x < 0 {
		return 0
	}
	return x // NaN stays NaN
}

// TanhRationalF32 is the hyperbolic tangent as LiteRT's recurrent kernels evaluate it: a quotient of polynomials, within a few units in the last place,
// exactly ±1 from 7.907 on. Kernels that quantize their state meet ties there, so its very bits count.
func TanhRationalF32(x float32) float32 {
	const limit = 7.90738964080810547
	x = max(min(x, limit), -limit)
	s := x * x
	p := float32(1.394553628e-8*s) + 2.102733560e-5
	p = float32(p*s) + 3.520756727e-3
	p = float32(p*s) + 1.340216100e-1
	q := float32(8.015776984e-7*s) + 3.326951409e-4
	q = float32(q*s) + 2.597254514e-2
	q = float32(q*s) + 4.673548340e-1
	q = float32(q*s) + 1
	return (float32(float32(s*x)*p) + x) / q
}
