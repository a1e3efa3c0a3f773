// Package requant holds the exact integer rescaling of quantized operators.
//
// Holds: fixed-point multipliers with double rounding; the fixed-point exponential, logarithm, inverse root, logistic and tanh built on them.
// Never holds: tensors, loops over data.
// May import: the standard library.
// Start reading at: Mul.
package requant
