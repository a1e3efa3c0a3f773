// Package passes rewrites graphs before they are planned.
//
// Holds: removal of what does nothing, fusion of activations and swish, tables of int8, attention and the normalization of rows as one node, layout, and the
// early shift of uint8 to int8.
// Never holds: operator arithmetic, file formats.
// May import: graph, graph/tensor and the standard library.
// Start reading at: All.
package passes
