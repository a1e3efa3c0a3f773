package passes_test

import (
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/graph/tensor"
)

// TestLayerNorm checks which chains become one node, what remains beside it, and that results stay the same to float32's precision.
func TestLayerNorm(t *testing.T) {
	const fused = graph.LayerNormOp
	two := func(op string) func(b *builder, x, y graph.ValueID) graph.ValueID {
		return func(b *builder, x, y graph.ValueID) graph.ValueID { return b.node(op, ops.BinaryAttr{}, x, y) }
	}
	add, sub, mul := two("Add"), two("Sub"), two("Mul")
	mean := func(b *builder, x graph.ValueID, keep bool) graph.ValueID {
		return b.node("Mean", ops.ReduceAttr{Axes: []int{len(b.g.Values[x].Shape) - 1}, Keep: keep}, x)
	}
	root := func(b *builder, x, m graph.ValueID, keep bool) graph.ValueID {
		return b.node("Rsqrt", nil, add(b, mean(b, b.node("SquaredDifference", nil, x, m), keep), b.number(0.25)))
	}
	for _, c := range []struct {
		name  string
		build func(b *builder) []graph.ValueID
		want  []string
	}{
		{"as TensorFlow writes it", func(b *builder) []graph.ValueID {
			x := b.input(2, 3, 8)
			m := mean(b, x, true)
			r := mul(b, root(b, x, m, true), b.constant(tensor.Shape{8}))
			return []graph.ValueID{add(b, mul(b, x, r), sub(b, b.constant(tensor.Shape{8}), mul(b, m, r)))}
		}, []string{fused}},
		{"the mean is negated, no shift", func(b *builder) []graph.ValueID {
			x := b.input(3, 8)
			m := mean(b, x, true)
			r := mul(b, root(b, x, m, true), b.constant(tensor.Shape{1, 8}))
			return []graph.ValueID{add(b, mul(b, x, r), mul(b, b.node("Neg", nil, m), r))}
		}, []string{fused}},
		{"means without the axis, scale and shift behind", func(b *builder) []graph.ValueID {
			x := b.input(1, 5, 8)
			m := mean(b, x, false)
			wide := func(v graph.ValueID) graph.ValueID { return b.reshape(v, 1, 5, 1) }
			r := b.node("Rsqrt", nil, add(b, mean(b, b.node("SquaredDifference", nil, x, wide(m)), false), b.number(0.25)))
			y := add(b, mul(b, x, wide(r)), wide(sub(b, b.number(0), mul(b, m, r))))
			return []graph.ValueID{add(b, mul(b, y, b.constant(tensor.Shape{8})), b.constant(tensor.Shape{8}))}
		}, []string{fused}},
		{"the difference first", func(b *builder) []graph.ValueID {
			x := b.input(3, 8)
			d := sub(b, x, mean(b, x, true))
			r := b.node("Rsqrt", nil, add(b, mean(b, b.node("Square", nil, d), true), b.number(1e-3)))
			return []graph.ValueID{mul(b, d, r)}
		}, []string{fused}},
		{"somebody reads the root", func(b *builder) []graph.ValueID {
			x := b.input(3, 8)
			m := mean(b, x, true)
			r := root(b, x, m, true)
			return []graph.ValueID{mul(b, sub(b, x, m), r), r}
		}, []string{"Mean", "SquaredDifference", "Mean", "Add", "Rsqrt", fused}},
		{"the mean of another value", func(b *builder) []graph.ValueID {
			x := b.input(3, 8)
			m := mean(b, b.input(3, 8), true)
			return []graph.ValueID{mul(b, sub(b, x, m), root(b, x, m, true))}
		}, []string{"Mean", "Sub", "SquaredDifference", "Mean", "Add", "Rsqrt", "Mul"}},
		{"rows as many as columns: the mean lies across", func(b *builder) []graph.ValueID {
			x := b.input(8, 8)
			m := mean(b, x, false)
			return []graph.ValueID{mul(b, sub(b, x, m), root(b, x, m, false))}
		}, []string{"Mean", "Sub", "SquaredDifference", "Mean", "Add", "Rsqrt", "Mul"}},
		{"scales differ", func(b *builder) []graph.ValueID {
			x := b.input(3, 8)
			m := mean(b, x, true)
			r := root(b, x, m, true)
			return []graph.ValueID{sub(b, mul(b, x, r), mul(b, b.number(2), mul(b, m, r)))}
		}, []string{"Mean", "SquaredDifference", "Mean", "Add", "Rsqrt", "Mul", "Mul", "Mul", "Sub"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkPass(t, passes.LayerNorm, c.build, c.want, 1e-5)
		})
	}
}
