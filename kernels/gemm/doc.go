// Package gemm multiplies matrices: rows of activations with weights that were packed once, or as they lie in memory.
//
// Holds: int8, int16, float32 and hybrid products with bias, rescaling and clamping in the store.
// Never holds: tensors, convolution geometry.
// May import: the standard library, go-bfloat16's type, kernels/move, kernels/requant, kernels/internal.
// Start reading at: PackS8, S8; NewProductF32 and Rows for weights that are not packed.
package gemm
