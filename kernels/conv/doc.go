// Package conv computes two-dimensional convolutions over NHWC data, plain, grouped and depthwise.
//
// Holds: the geometry of windows, gathering of input patches, depthwise loops.
// Never holds: tensors, padding rules of model formats.
// May import: the standard library, kernels/gemm, kernels/par, kernels/requant, kernels/internal.
// Start reading at: Geometry, S8.
package conv
