package graph

import (
	"slices"

	"wayside/graph/tensor"
)

// The names of the neutral operators between float32 and integers with a scale, as ONNX defines them; a pass makes integer operators of what lies
// between them.
const (
	QuantizeLinearOp   = "QuantizeLinear"
	DequantizeLinearOp = "DequantizeLinear"
)

// LinearAttr is the attribute of QuantizeLinearOp and DequantizeLinearOp: the scale, and the integer type.
type LinearAttr struct {
	Quant *tensor.Quant // shared: read only
	DType tensor.DType
}

// MoveAxes implements AxisMover.
func (a LinearAttr) MoveAxes(perm []int) (any, bool) { return a, a.Quant.PerTensor() }

// Same reports whether two attributes mean the same integers.
func (a LinearAttr) Same(b LinearAttr) bool {
	return a.DType == b.DType && a.Quant.Axis == b.Quant.Axis && slices.Equal(a.Quant.Scale, b.Quant.Scale) && slices.Equal(a.Quant.Zero, b.Quant.Zero)
}
