// Package rnn computes single time steps of recurrent layers on plain slices.
//
// Holds: GRU and LSTM steps with float32 or bfloat16 weights, with the activations of kernels/vec.
// Never holds: tensors, sequences, directions, files, state beyond the caller's slices.
// May import: the standard library, go-bfloat16's type, kernels/gemm, kernels/vec.
// Start reading at: GRU.Step.
//
// Every sum has a fixed order and no multiplication is fused with an addition, so that all CPUs give the same bits.
//
//	g := rnn.GRU{Input: 3, Hidden: 5, W: rnn.Matrix{F32: w}, R: rnn.Matrix{F32: r}, F: rnn.Sigmoid, G: rnn.Tanh}
//	g.Step(h, x, scratch) // h is updated in place; scratch has g.Scratch() elements
package rnn
