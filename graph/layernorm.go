package graph

import "wayside/graph/tensor"

// LayerNormOp is the name of the neutral operator that normalizes rows; a pass makes it from the chain of operators that TensorFlow writes.
const LayerNormOp = "LayerNorm"

// LayerNormAttr is the attribute of LayerNormOp: it normalizes over Axis and all axes after it. Inputs are what is normalized, a scale and, unless absent,
// a shift.
type LayerNormAttr struct {
	Axis    int
	Epsilon float32
}

// LastReducer is implemented by the attribute structs of nodes that reduce axes. ReducesLast reports whether, in an input of shape s,
// the last axis alone has more than one element among them.
type LastReducer interface {
	ReducesLast(s tensor.Shape) bool
}
