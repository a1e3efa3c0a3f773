package passes_test

import (
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/ops"
	"wayside/graph/passes"
)

// TestFusePad: convolutions take over zeros that are put around their input for them alone, and give the same bytes.
func TestFusePad(t *testing.T) {
	valid := ops.Conv2DAttr{Pad: ops.Valid, Stride: [2]int{2, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	with := func(change func(a *ops.Conv2DAttr)) ops.Conv2DAttr {
		a := valid
		change(&a)
		return a
	}
	around := ops.PadAttr{Before: []int{0, 1, 2, 0}, After: []int{0, 3, 0, 0}}
	pad := func(b *layerGraph, a ops.PadAttr, in ...graph.ValueID) graph.ValueID {
		return b.node("Pad", a, 0.05, -4, in...)
	}
	for name, c := range map[string]struct {
		build func(b *layerGraph, x graph.ValueID) []graph.ValueID
		want  []string
	}{
		"valid": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, around, x), 16, 3, valid)}
		}, []string{"Conv2D"}},
		"explicit": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, around, x), 16, 3, with(func(a *ops.Conv2DAttr) { a.Pad, a.Pads = ops.Explicit, [4]int{1, 0, 0, 2} }))}
		}, []string{"Conv2D"}},
		"depthwise": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.depthwise(pad(b, around, x), 3, valid)}
		}, []string{"DepthwiseConv2D"}},
		"a value that is the zero point": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			v := b.value(0.05, -4, 1)
			b.g.Values[v].Const = []byte{252}
			return []graph.ValueID{b.conv(pad(b, around, x, v), 16, 3, valid)}
		}, []string{"Conv2D"}},
		"behind a new axis": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := pad(b, ops.PadAttr{Before: []int{0, 4, 0}, After: []int{0, 1, 0}}, b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 697, 32}}, 0.05, -4, x))
			return []graph.ValueID{b.window(b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 1, 702, 32}}, 0.05, -4, y), 1, 3, valid), b.window(x, 1, 3, valid)}
		}, []string{"Reshape", "Reshape", "Conv2D", "Conv2D"}},
		"before a new axis": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := pad(b, ops.PadAttr{Before: []int{0, 4, 0}, After: []int{0, 1, 0}}, b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 697, 32}}, 0.05, -4, x))
			return []graph.ValueID{b.window(b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 702, 1, 32}}, 0.05, -4, y), 3, 1, valid)}
		}, []string{"Reshape", "Reshape", "Conv2D"}},
		"behind another shape": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := pad(b, ops.PadAttr{Before: []int{0, 4, 0}, After: []int{0, 1, 0}}, b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 697, 32}}, 0.05, -4, x))
			return []graph.ValueID{b.window(b.node("Reshape", ops.ReshapeAttr{Shape: []int{1, 26, 27, 32}}, 0.05, -4, y), 3, 1, valid)}
		}, []string{"Reshape", "Pad", "Reshape", "Conv2D"}},
		"same": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, around, x), 16, 3, with(func(a *ops.Conv2DAttr) { a.Pad = ops.Same }))}
		}, []string{"Pad", "Conv2D"}},
		"another value": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			v := b.value(0.05, -4, 1)
			b.g.Values[v].Const = []byte{0}
			return []graph.ValueID{b.conv(pad(b, around, x, v), 16, 3, valid)}
		}, []string{"Pad", "Conv2D"}},
		"read elsewhere": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := pad(b, around, x)
			return []graph.ValueID{b.conv(y, 16, 3, valid), b.conv(y, 16, 3, valid)}
		}, []string{"Pad", "Conv2D", "Conv2D"}},
		"an output": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			y := pad(b, around, x)
			return []graph.ValueID{b.conv(y, 16, 3, valid), y}
		}, []string{"Pad", "Conv2D"}},
		"no window": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, around, x), 16, 1, valid)}
		}, []string{"Pad", "Conv2D"}},
		"images": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, ops.PadAttr{Before: []int{1, 1, 1, 0}, After: []int{0, 0, 0, 0}}, x), 16, 3, valid)}
		}, []string{"Pad", "Conv2D"}},
		"between elements": {func(b *layerGraph, x graph.ValueID) []graph.ValueID {
			return []graph.ValueID{b.conv(pad(b, ops.PadAttr{Before: []int{0, 1, 1, 0}, After: []int{0, 0, 0, 0}, Inner: []int{0, 1, 0, 0}}, x), 16, 3, valid)}
		}, []string{"Pad", "Conv2D"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &layerGraph{int8Graph{t, &graph.Graph{Format: graph.TFLite}}}
			x := b.value(0.05, -4, 1, 41, 17, 32)
			b.g.Inputs = []graph.ValueID{x}
			b.g.Outputs = c.build(b, x)
			want := b.outputs()
			if err := passes.FusePad(b.g); err != nil {
				t.Fatal(err)
			}
			if got := b.operators(); !slices.Equal(got, c.want) {
				t.Errorf("operators %v, want %v", got, c.want)
			}
			for i, got := range b.outputs() {
				if !slices.Equal(got, want[i]) {
					t.Errorf("output %d differs", i)
				}
			}
		})
	}
}

func (b *layerGraph) window(x graph.ValueID, kh, kw int, attr ops.Conv2DAttr) graph.ValueID {
	return b.node("Conv2D", attr, 0.09, 7, x, b.weights(16, kh, kw, 32), graph.None)
}
