package graph

// TransposeOp is the name of the neutral operator that reorders axes; passes look for it.
const TransposeOp = "Transpose"

// TransposeAttr is the attribute of TransposeOp: axis i of the output is axis Perm[i] of the input.
type TransposeAttr struct{ Perm []int }

// AxisMover is implemented by attribute structs of operators that work along axes and otherwise treat all axes alike.
// MoveAxes returns the attributes with which the operator gives the same result when a transpose by perm is applied to its
// output instead of its inputs: what was meant for axis i is meant for axis perm[i]. It returns false when that is
// impossible. Inputs and output have one rank.
type AxisMover interface {
	MoveAxes(perm []int) (any, bool)
}

// TableOp is the name of the neutral operator that looks every element of an int8 value up in a table; a pass makes it of others.
const TableOp = "Table"

// TableAttr is the attribute of TableOp: the int8 results by the bits of the input.
type TableAttr struct{ Results [256]byte }

// Reshaper is implemented by the attribute struct of the operator that gives its input another shape. With returns the attribute for a shape.
type Reshaper interface{ With(shape []int) any }
