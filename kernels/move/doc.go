// Package move copies, gathers and scatters elements and rows.
//
// Holds: walks over strided data, gathering and scattering by indices, mirrored borders, one-hot rows, reversed sequences.
// Never holds: tensors, shape rules of model formats, arithmetic on what it moves but the sums of Scatter.
// May import: the standard library.
// Start reading at: Walk, Copy, Gather.
package move
