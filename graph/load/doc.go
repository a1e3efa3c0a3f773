// Package load is the one door for models: bytes to format, graph, passes, plan.
//
// Holds: telling formats by content, the order of the stages, limits.
// Never holds: parsing, arithmetic.
// May import: graph, graph/onnx, graph/tflite, graph/ops, graph/passes, graph/tensor.
// Start reading at: Bytes.
package load
