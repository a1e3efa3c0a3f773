// Package conv computes convolutions over NHWC data: plain, grouped, depthwise, transposed; and over volumes.
//
// Holds: the geometry of windows, gathering of input patches, depthwise and transposed loops.
// Never holds: tensors, padding rules of model formats.
// May import: the standard library, kernels/gemm, kernels/par, kernels/requant, kernels/internal.
// Start reading at: Geometry, S8.
package conv
