package rnn

import "wayside/kernels/vec"

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
		return vec.Logistic(x)
	case Tanh:
		return vec.Tanh(x)
	}
	if x < 0 {
		return 0
	}
	return x // NaN stays NaN
}
