package resize

import (
	"slices"
	"testing"
)

// TestTapsStayInside looks at every place that an axis can be read at, for scales that rounding moves past the end.
func TestTapsStayInside(t *testing.T) {
	for _, m := range []Mode{{}, {AlignCorners: true}, {HalfPixel: true}, {AlignCorners: true, HalfPixel: true}} {
		for _, in := range []int{1, 2, 3, 7, 100, 30001} {
			for _, out := range []int{1, 2, 3, 5, 97, 2048, 32768} {
				ok := func(p int32) bool { return p >= 0 && p < int32(in) }
				for i, x := range NewTaps(in, out, m) {
					if !ok(x.Lo) || !ok(x.Hi) {
						t.Fatalf("%+v %d to %d: tap %d is %+v", m, in, out, i, x)
					}
				}
				for i, x := range NewFixedTaps(in, out, m) {
					if !ok(x.Lo) || !ok(x.Hi) || x.W < 0 || x.W > 1<<10 {
						t.Fatalf("%+v %d to %d: fixed tap %d is %+v", m, in, out, i, x)
					}
				}
				for i, x := range NearestPlaces(in, out, m) {
					if !ok(x) {
						t.Fatalf("%+v %d to %d: place %d is %d", m, in, out, i, x)
					}
				}
			}
		}
	}
}

func TestBilinear(t *testing.T) {
	g := &Geometry{Batch: 1, InH: 1, InW: 2, C: 1, OutH: 1, OutW: 4}
	f := make([]float32, 4)
	BilinearF32(f, []float32{0, 8}, g, NewTaps(1, 1, Mode{}), NewTaps(2, 4, Mode{HalfPixel: true}))
	if want := []float32{0, 2, 6, 8}; !slices.Equal(f, want) {
		t.Errorf("half pixel %v, want %v", f, want)
	}
	q := make([]int8, 4)
	BilinearFixed(q, []int8{-3, 0}, g, NewFixedTaps(1, 1, Mode{}), NewFixedTaps(2, 4, Mode{}))
	if want := []int8{-3, -2, 0, 0}; !slices.Equal(q, want) { // -1.5 goes away from zero
		t.Errorf("int8 %v, want %v", q, want)
	}
	BilinearU8(q, []int8{-3, 0}, 128, g, NewTaps(1, 1, Mode{}), NewTaps(2, 4, Mode{}))
	if want := []int8{-3, -1, 0, 0}; !slices.Equal(q, want) { // 126.5 goes up
		t.Errorf("uint8 %v, want %v", q, want)
	}
	u := make([]uint8, 4)
	BilinearU8(u, []uint8{125, 128}, 0, g, NewTaps(1, 1, Mode{}), NewTaps(2, 4, Mode{}))
	if want := []uint8{125, 127, 128, 128}; !slices.Equal(u, want) {
		t.Errorf("plain uint8 %v, want %v", u, want)
	}
	Nearest(q, []int8{-3, 0}, g, NearestPlaces(1, 1, Mode{}), NearestPlaces(2, 4, Mode{}))
	if want := []int8{-3, -3, 0, 0}; !slices.Equal(q, want) {
		t.Errorf("nearest %v, want %v", q, want)
	}
}
