// Package pool computes average and maximum over windows of NHWC data.
//
// Holds: pooling loops for int8 and float32.
// Never holds: tensors, padding rules of model formats.
// May import: the standard library.
// Start reading at: Geometry, AverageS8.
package pool
