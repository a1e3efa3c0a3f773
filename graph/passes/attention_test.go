package passes_test

import (
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/graph/tensor"
)

func (b *builder) reshape(v graph.ValueID, s ...int) graph.ValueID {
	return b.node("Reshape", ops.ReshapeAttr{Shape: s}, v)
}

func (b *builder) number(x float32) graph.ValueID {
	c, err := tensor.New(tensor.F32, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	c.F32()[0] = x
	return b.g.NewValue(graph.Value{Name: "c", DType: tensor.F32, Const: c.Data})
}

func (b *builder) product(x, y graph.ValueID, transB bool) graph.ValueID {
	return b.node("MatMul", ops.MatMulAttr{TransB: transB}, x, y)
}

func (b *builder) softmax(x graph.ValueID) graph.ValueID {
	return b.node("Softmax", ops.SoftmaxAttr{Axis: -1, Beta: 1}, x)
}

// TestAttention checks which networks become one node, what remains beside it, and that results stay the same to float32's precision.
func TestAttention(t *testing.T) {
	const fused = graph.AttentionOp
	for _, c := range []struct {
		name  string
		build func(b *builder) []graph.ValueID
		want  []string
	}{
		{"the plain form", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.softmax(b.product(b.input(5, 8), b.input(7, 8), true)), b.input(7, 6), false)}
		}, []string{fused}},
		{"heads of ONNX: transposes before and behind, a division, a mask of one row", func(b *builder) []graph.ValueID {
			heads := func(n int) graph.ValueID { return b.reshape(b.input(2, n, 24), 2, n, 3, 8) }
			q, k, v := b.transpose(heads(9), 0, 2, 1, 3), b.transpose(heads(11), 0, 2, 3, 1), b.transpose(heads(11), 0, 2, 1, 3)
			s := b.node("Add", ops.BinaryAttr{}, b.node("Div", ops.BinaryAttr{}, b.product(q, k, false), b.number(2.5)), b.input(2, 1, 1, 11))
			return []graph.ValueID{b.reshape(b.transpose(b.product(b.softmax(s), v, false), 0, 2, 1, 3), 2, 9, 24)}
		}, []string{fused}},
		{"heads folded into the batch, scores in another shape, a mask in front", func(b *builder) []graph.ValueID {
			heads := func() graph.ValueID { return b.transpose(b.reshape(b.input(5, 2, 12), 5, 6, 4), 1, 0, 2) }
			k := b.reshape(b.transpose(b.reshape(heads(), 2, 3, 5, 4), 0, 1, 3, 2), 6, 4, 5)
			s := b.reshape(b.node("Mul", ops.BinaryAttr{}, b.product(heads(), k, false), b.number(0.5)), 2, 3, 5, 5)
			s = b.reshape(b.softmax(b.node("Add", ops.BinaryAttr{}, b.input(2, 1, 5, 5), s)), 6, 5, 5)
			return []graph.ValueID{b.reshape(b.transpose(b.reshape(b.product(s, heads(), false), 2, 3, 5, 4), 2, 0, 1, 3), 10, 12)}
		}, []string{fused}},
		{"keys that all heads share", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.softmax(b.product(b.input(2, 3, 5, 4), b.input(7, 4), true)), b.input(1, 7, 4), false)}
		}, []string{fused}},
		{"rows in pieces: transposes stay", func(b *builder) []graph.ValueID {
			q, v := b.transpose(b.input(4, 5), 1, 0), b.transpose(b.input(6, 7), 1, 0)
			return []graph.ValueID{b.transpose(b.product(b.softmax(b.product(q, b.input(7, 4), true)), v, false), 1, 0)}
		}, []string{graph.TransposeOp, graph.TransposeOp, fused, graph.TransposeOp}},
		{"somebody reads the scores", func(b *builder) []graph.ValueID {
			s := b.product(b.input(5, 8), b.input(7, 8), true)
			return []graph.ValueID{b.product(b.softmax(s), b.input(7, 6), false), s}
		}, []string{"MatMul", "Softmax", "MatMul"}},
		{"a sum of two products", func(b *builder) []graph.ValueID {
			s := b.node("Add", ops.BinaryAttr{}, b.product(b.input(5, 8), b.input(7, 8), true), b.product(b.input(5, 8), b.input(7, 8), true))
			return []graph.ValueID{b.product(b.softmax(s), b.input(7, 6), false)}
		}, []string{"MatMul", "MatMul", "Add", "Softmax", "MatMul"}},
		{"a scale for each column", func(b *builder) []graph.ValueID {
			s := b.node("Mul", ops.BinaryAttr{}, b.product(b.input(5, 8), b.input(7, 8), true), b.constant(tensor.Shape{7}))
			return []graph.ValueID{b.product(b.softmax(s), b.input(7, 6), false)}
		}, []string{"MatMul", "Mul", "Softmax", "MatMul"}},
		{"constant values", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.softmax(b.product(b.input(5, 8), b.input(7, 8), true)), b.constant(tensor.Shape{7, 6}), false)}
		}, []string{"MatMul", "Softmax", "MatMul"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkPass(t, passes.Attention, c.build, c.want, 1e-5)
		})
	}
}
