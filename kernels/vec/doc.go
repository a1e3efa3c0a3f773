// Package vec computes element by element and row by row: sums, products, tables, softmax, the exponential and its relatives.
//
// Holds: loops over slices of one or two inputs.
// Never holds: tensors, broadcasting over several axes (the caller splits into runs).
// May import: the standard library, kernels/requant, kernels/internal.
// Start reading at: AddS8, LookupS8, Exp.
package vec
