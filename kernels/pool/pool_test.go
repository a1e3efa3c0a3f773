package pool

import (
	"math"
	"slices"
	"testing"
)

func TestPoolWindows(t *testing.T) {
	// One row of five pixels, windows of three, stride 2, one pixel of padding on the left.
	g := &Geometry{Batch: 1, H: 1, W: 5, C: 1, OutH: 1, OutW: 3, KH: 1, KW: 3, StrideH: 1, StrideW: 2, PadLeft: 1}
	src := []int8{-5, 4, 7, -128, 127}
	got := make([]int8, 3)
	Average(got, src, g, 0, -128, 127, make([]int32, 1))
	// (-5+4)/2 = -0.5 away from zero; (4+7-128)/3 = -39; (-128+127)/2 = -0.5.
	if want := []int8{-1, -39, -1}; !slices.Equal(got, want) {
		t.Errorf("average %v, want %v", got, want)
	}
	Average(got, src, g, 128, -128, 127, make([]int32, 1))
	if want := []int8{0, -39, 0}; !slices.Equal(got, want) { // halves go up
		t.Errorf("average of moved values %v, want %v", got, want)
	}
	Max(got, src, g, -128, -128, 100)
	if want := []int8{4, 7, 100}; !slices.Equal(got, want) {
		t.Errorf("max %v, want %v", got, want)
	}
	f := []float32{-5, 4, 7, -128, 127}
	out := make([]float32, 3)
	AverageF32(out, f, g, -100, 100)
	if want := []float32{-0.5, -39, -0.5}; !slices.Equal(out, want) {
		t.Errorf("average %v, want %v", out, want)
	}
	g.CountPad = true
	AverageF32(out, f, g, -100, 100)
	if want := []float32{float32(-1) / 3, -39, float32(-1) / 3}; !slices.Equal(out, want) {
		t.Errorf("average with padding %v, want %v", out, want)
	}
	Max(out, f, g, -math.MaxFloat32, -100, 5)
	if want := []float32{4, 5, 5}; !slices.Equal(out, want) {
		t.Errorf("max %v, want %v", out, want)
	}
	g.CountPad = false
	L2F32(out, []float32{3, 5, 4, 0, 2}, g, 0, 3.5)
	if want := []float32{3.5, 3.5, float32(math.Sqrt(2))}; !slices.Equal(out, want) {
		t.Errorf("mean square %v, want %v", out, want)
	}
	nan := float32(math.NaN())
	Max(out, []float32{nan, 1, nan, nan, nan}, g, -math.MaxFloat32, -100, 5)
	if want := []float32{1, 1, -100}; !slices.Equal(out, want) {
		t.Errorf("max of NaN %v, want %v", out, want)
	}
}
