// Package attention computes scaled dot-product attention of one head at a time: softmax(q × kᵀ × scale + mask) × v.
//
// Holds: the fused kernel, which keeps the scores of a few queries at once and reads and writes heads where they lie, and its plain reference.
// Never holds: tensors, heads and batches, shape rules.
// May import: the standard library, kernels/gemm, kernels/vec.
// Start reading at: Shape, then F32.Head.
//
//	p := attention.NewF32(attention.Shape{Queries: 64, Keys: 64, Depth: 16, Values: 16, Scale: 0.25})
//	p.Head(dst, 64, q, 64, k, 64, v, 64, nil, 0, scratch) // rows lie 64 apart; scratch has p.Scratch() bytes
package attention
