package passes_test

import (
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
)

// TestTurnProducts checks which transposes before a product go, and that results stay the same.
func TestTurnProducts(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *builder) []graph.ValueID
		want  []string
	}{
		{"the right side", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.input(5, 8), b.transpose(b.input(7, 8), 1, 0), false)}
		}, []string{"MatMul"}},
		{"both sides", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.node("MatMul", ops.MatMulAttr{TransA: true, TransB: true}, b.transpose(b.input(2, 5, 8), 0, 2, 1), b.transpose(b.input(2, 8, 7), 0, 2, 1))}
		}, []string{"MatMul"}},
		{"a left side without rows", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.transpose(b.input(8, 5), 1, 0), b.input(8, 7), false)}
		}, []string{graph.TransposeOp, "MatMul"}},
		{"heads still move, by rows", func(b *builder) []graph.ValueID {
			return []graph.ValueID{b.product(b.input(1, 3, 5, 8), b.transpose(b.input(1, 7, 3, 8), 0, 2, 3, 1), false)}
		}, []string{graph.TransposeOp, "MatMul"}},
		{"somebody else reads it", func(b *builder) []graph.ValueID {
			v := b.transpose(b.input(7, 8), 1, 0)
			return []graph.ValueID{b.product(b.input(5, 8), v, false), b.product(b.input(3, 8), v, false)}
		}, []string{graph.TransposeOp, "MatMul", "MatMul"}},
		{"a result", func(b *builder) []graph.ValueID {
			v := b.transpose(b.input(7, 8), 1, 0)
			return []graph.ValueID{b.product(b.input(5, 8), v, false), v}
		}, []string{graph.TransposeOp, "MatMul"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkPass(t, passes.TurnProducts, c.build, c.want, 0) // small whole numbers: sums are exact in any order
		})
	}
}
