// Package gemm multiplies matrices: rows of activations with weights that were packed once.
//
// Holds: int8 and float32 products with bias, rescaling and clamping in the store.
// Never holds: tensors, convolution geometry.
// May import: the standard library, go-bfloat16's type, kernels/requant.
// Start reading at: PackS8, S8.
package gemm
