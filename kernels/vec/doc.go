// Package vec computes element by element and row by row: sums, products, tables, softmax.
//
// Holds: loops over slices of one or two inputs.
// Never holds: tensors, broadcasting over several axes (the caller splits into runs).
// May import: the standard library, kernels/requant.
// Start reading at: AddS8, LookupS8.
package vec
