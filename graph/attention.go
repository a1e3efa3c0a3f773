package graph

import "wayside/graph/tensor"

// AttentionOp is the name of the neutral operator that a pass puts in place of products of matrices around a softmax. Its inputs are queries, keys, values
// and, where there is one, the mask that is added to scores.
const AttentionOp = "Attention"

// Heads says where an input or the output of AttentionOp holds what belongs to each head: the element at which it begins, and the elements from row to row.
type Heads struct {
	At   []int
	Step int
}

// AttentionAttr is the attribute of AttentionOp, float32 only. Each head has Queries rows of Depth values and Keys rows of Depth and of Values; the keys
// are stored [Depth][Keys] if Turned says so. Scores are multiplied with Scale.
type AttentionAttr struct {
	Queries, Keys, Depth, Values int
	Turned                       bool
	Scale                        float32
	Q, K, V, Mask, Out           Heads
	Shape                        tensor.Shape // of the output
}

// MatrixProduct is implemented by the attribute structs of nodes that multiply their two inputs as matrices, with numpy's broadcasting of leading axes.
// Transposed says which input has its last two axes swapped; Turn returns the attributes with which other inputs have.
type MatrixProduct interface {
	Transposed() (a, b bool)
	Turn(a, b bool) any
}

// RowSoftmax is implemented by the attribute structs of nodes that compute the softmax of their input times a factor. AlongLast returns that factor, and
// false when the softmax runs along another axis than the last of rank many.
type RowSoftmax interface {
	AlongLast(rank int) (factor float32, ok bool)
}
