// Package tflite reads TensorFlow Lite model files into the graph representation.
//
// Holds: a bounded FlatBuffer reader, the schema's numbers and names, Read.
// Never holds: arithmetic, fusions, anything about how an operator is computed.
// May import: graph, graph/tensor and the standard library.
// Start reading at: Read.
package tflite
