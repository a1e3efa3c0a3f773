// Package onnx reads ONNX models into the graph's intermediate representation.
//
// Holds: the reader of ModelProto, its limits, and the view of node attributes.
// Never holds: arithmetic, shape inference, knowledge of what an operator means.
// May import: graph, graph/tensor, protobuf's wire encoding.
// Start reading at: Read.
//
//	g, err := onnx.Read(data) // errors.Is(err, graph.ErrDamaged) for anything that is not a whole model
package onnx
