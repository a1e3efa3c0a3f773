// Package graphtest holds what tests of the model runtime share: the golden cases of scripts/oracles and the way to compare with them.
//
// Holds: readers of golden cases and of the archives beside the repository, comparison of tensors in units in the last place.
// Never holds: anything that a program links.
// May import: graph/tensor, and testing.
// Start reading at: Cases.
package graphtest
