package graph

import (
	"wayside/graph/tensor"
)

// Format names the source of a graph. It decides the rounding rule of integer operators for the life of the model.
type Format string

// The formats that graph/load reads.
const (
	TFLite Format = "tflite" // fixed-point requantization with double rounding, as tflite-micro's reference kernels
	ONNX   Format = "onnx"   // float scale, half to even, true division in QuantizeLinear
)

// ValueID names one value of a Graph: an index into Graph.Values. None marks an optional input that is absent.
type ValueID int32

// None is the id of an absent optional input.
const None ValueID = -1

// Value is one edge of the graph: a constant, an input, or what a node computes.
type Value struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape  // -1 for a dynamic axis until it is bound; static after passes
	Quant *tensor.Quant // nil when not quantized
	Const []byte        // the bytes of a constant, little endian, DType.Bytes(elements) long; nil otherwise.
	// Const may alias the model file: it is read-only and need not be aligned.
	Labels []string // class labels from the file's metadata, on outputs
}

// Source says where a node came from, for messages and for the lowering of its operator.
type Source struct {
	Op      string // the format's own name: CONV_2D, Conv
	Domain  string // ONNX domain; "" is the default one
	Version int    // TFLite operator version, ONNX opset of the domain
	Index   int    // position in the file
	Attrs   Attrs  // attributes as the file has them
}

// Attrs is a reader's view of one node's attributes. TFLite operators address them by slot of their options table,
// ONNX operators by name. A missing attribute gives the default. Views are bounded: no call panics on hostile input.
type Attrs interface {
	Int(slot int, name string, def int64) int64
	Float(slot int, name string, def float32) float32
	String(slot int, name string, def string) string
	Ints(slot int, name string) []int64     // nil when absent
	Floats(slot int, name string) []float32 // nil when absent
	Tensor(name string) *Value              // ONNX tensor attribute; nil when absent
	Has(slot int, name string) bool
}

// Node is one operation. Readers fill Src, In and Out; lowering sets Op and Attr, and may replace one source node by several.
type Node struct {
	Op   string // neutral operator: Conv2D, FullyConnected; "" before lowering
	Name string
	In   []ValueID // None where an optional input is absent
	Out  []ValueID
	Attr any // the operator's own attribute struct, set by lowering
	Src  Source
}

// Graph is a model as operations on values, in topological order. Neutral operators are NHWC.
type Graph struct {
	Format  Format
	Name    string
	Values  []Value
	Nodes   []Node
	Inputs  []ValueID
	Outputs []ValueID
}

// Unsupported is one node that cannot run, with everything a user needs to mend or replace it.
type Unsupported struct {
	Node    string `json:"node"`
	Op      string `json:"op"`
	Domain  string `json:"domain"`
	Version int    `json:"version"`
	DType   string `json:"dtype"`
	Reason  string `json:"reason"` // what is missing, and the nearest supported form
}

// UnsupportedError lists all nodes of a model that cannot run, so that one look is enough.
type UnsupportedError struct{ Nodes []Unsupported }
