package vec

import (
	"math"
	"slices"
	"testing"
)

// TestQuantizeAtRunTime holds the results of LiteRT 2.3 on ties and ends; what is not finite only must not panic.
func TestQuantizeAtRunTime(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x     []float32
		asym  bool
		want  []int8
		scale float32
		zero  int32
	}{
		{[]float32{0, 0}, true, []int8{0, 0}, 1, 0},
		{[]float32{0, 0}, false, []int8{0, 0}, 1, 0},
		{[]float32{-1, 1}, true, []int8{-128, 126}, 2.0 / 255, -1},
		{[]float32{5, -5}, true, []int8{127, -128}, 10.0 / 255, -1},
		{[]float32{0, 1.75, 2, -0.5, -0.25, 0.25}, true, []int8{-77, 102, 127, -128, -103, -51}, 2.5 / 255, -77},
		{[]float32{1, 0, 1.5, 0.25, 0.5, 0}, true, []int8{42, -128, 127, -85, -43, -128}, 1.5 / 255, -128},
		{[]float32{127, -63.5, 1.5, -1.5}, false, []int8{127, -64, 2, -2}, 1, 0},
		{[]float32{inf, 1}, true, nil, 0, 0},
		{[]float32{-inf, inf, float32(math.NaN())}, true, nil, 0, 0},
		{[]float32{inf, 1}, false, nil, 0, 0},
		{[]float32{math.MaxFloat32, -math.MaxFloat32}, true, nil, 0, 0},
		{[]float32{1e-45, 0}, true, nil, 0, 0},
		{[]float32{1e-45, 0}, false, nil, 0, 0},
	} {
		q := make([]int8, len(c.x))
		scale, zero := float32(0), int32(0)
		if c.asym {
			scale, zero = QuantizeAsymmetric(q, c.x)
		} else {
			scale = QuantizeSymmetric(q, c.x)
		}
		if c.want != nil && (!slices.Equal(q, c.want) || scale != c.scale || zero != c.zero) {
			t.Errorf("%v, asymmetric %v: %v, scale %v, zero point %d; want %v, %v, %d", c.x, c.asym, q, scale, zero, c.want, c.scale, c.zero)
		}
	}
}
