// Package pool computes average, maximum and mean square over windows of NHWC data.
//
// Holds: pooling loops for int8, int16 and float32.
// Never holds: tensors, padding rules of model formats.
// May import: the standard library.
// Start reading at: Geometry, Average.
package pool
