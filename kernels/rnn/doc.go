// Package rnn computes recurrent layers on plain slices: single time steps, and whole sequences of packed layers.
//
// Holds: GRU and LSTM steps of ONNX with float32 or bfloat16 weights; LSTM, RNN and SVDF steps of TensorFlow Lite in float32, hybrid and integers.
// Never holds: tensors, batches, files, state beyond the caller's slices.
// May import: the standard library, go-bfloat16's type, kernels/gemm, kernels/par, kernels/requant, kernels/vec.
// Start reading at: GRU.Step, then Packed and Walk.
//
// Steps have sums of a fixed order and fuse no multiplication with an addition, so that all CPUs give the same bits; packed float32 layers do not.
//
//	g := rnn.GRU{Input: 3, Hidden: 5, W: rnn.Matrix{F32: w}, R: rnn.Matrix{F32: r}, F: rnn.Sigmoid, G: rnn.Tanh}
//	g.Step(h, x, scratch) // h is updated in place; scratch has g.Scratch() elements
package rnn
