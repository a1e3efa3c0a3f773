// Package ops holds the operators: one file each, registered in graph's registry.
//
// Holds: names in both formats, attributes, shape rules and checks, choice of kernels.
// Never holds: file formats, hot loops.
// May import: graph, graph/tensor, kernels.
// Start reading at: activate.go, then conv.go.
package ops
