package vec

import (
	"math"
	"slices"
	"testing"
)

// TestRelations compares with Go's own operators, NaN included.
func TestRelations(t *testing.T) {
	nan := float32(math.NaN())
	v := []float32{-1, 0, 1, nan}
	for _, c := range []struct {
		r Relation
		f func(x, y float32) bool
	}{
		{Less, func(x, y float32) bool { return x < y }}, {LessEqual, func(x, y float32) bool { return x <= y }},
		{Greater, func(x, y float32) bool { return x > y }}, {GreaterEqual, func(x, y float32) bool { return x >= y }},
		{Equal, func(x, y float32) bool { return x == y }}, {NotEqual, func(x, y float32) bool { return x != y }},
	} {
		for _, x := range v {
			got := make([]uint8, len(v))
			Compare(got, []float32{x}, 0, v, 1, c.r)
			for i, y := range v {
				if (got[i] == 1) != c.f(x, y) || got[i] > 1 {
					t.Errorf("relation %d of %v and %v is %d", c.r, x, y, got[i])
				}
			}
		}
	}
}

func TestFloorDivision(t *testing.T) {
	a, b := []int8{7, -7, 7, -7, -128, 6, -6}, []int8{2, 2, -2, -2, -1, 3, 3}
	q, m := make([]int8, len(a)), make([]int8, len(a))
	if !FloorDivInt(q, a, 1, b, 1) || !slices.Equal(q, []int8{3, -4, -4, 3, -128, 2, -2}) {
		t.Errorf("quotients %v", q)
	}
	if !FloorModInt(m, a, 1, b, 1) || !slices.Equal(m, []int8{1, 1, -1, -1, 0, 0, 0}) {
		t.Errorf("remainders %v", m)
	}
}

func TestPowers(t *testing.T) {
	for _, c := range []struct{ x, e, whole, wrapped int32 }{
		{0, 0, 1, 1}, {7, 0, 1, 1}, {2, 30, 1 << 30, 1 << 30}, {2, 31, math.MinInt32, math.MinInt32}, {-2, 31, math.MinInt32, math.MinInt32},
		{3, 20, math.MinInt32, -808182895}, {-1, math.MaxInt32, -1, -1}, {46341, 2, math.MinInt32, -2147479015}, {10, 9, 1e9, 1e9}, {2, 40, math.MinInt32, 0},
	} {
		w := make([]int32, 1)
		PowS32(w, []int32{c.x}, 1, []int32{c.e}, 1)
		if w[0] != c.whole {
			t.Errorf("%d^%d = %d, want %d", c.x, c.e, w[0], c.whole)
		}
		PowWrapS32(w, []int32{c.x}, 1, []int32{c.e}, 1)
		if w[0] != c.wrapped {
			t.Errorf("%d^%d wraps to %d, want %d", c.x, c.e, w[0], c.wrapped)
		}
	}
}

// TestShiftDown holds the exponents in and beyond the range that the reference was written for.
func TestShiftDown(t *testing.T) {
	for _, c := range []struct{ x, e, want int32 }{
		{5, 1, 3}, {-5, 1, -3}, {5, 0, 5}, {1 << 30, 31, 1}, {0, 37, 1}, {-1, 40, -1}, {100, 36, 7}, {-100, 36, -7}, {math.MinInt32, 32, math.MinInt32},
	} {
		if got := shiftDown(c.x, c.e); got != c.want {
			t.Errorf("shiftDown(%d, %d) = %d, want %d", c.x, c.e, got, c.want)
		}
	}
}

func TestFlippedBits(t *testing.T) {
	a, b := []int8{-128, 127, 0x55 - 128}, []int8{1 - 128, 4 - 128, 127} // 0, 255, 0x55 with 1, 4, 255
	got := make([]int8, 3)
	ShiftRightFlipped(got, a, 1, b, 1)
	if want := []int8{-128, 15 - 128, -128}; !slices.Equal(got, want) {
		t.Errorf("shift %v, want %v", got, want)
	}
	XorFlipped(got, a, 1, b, 1)
	if want := []int8{1 - 128, 251 - 128, 0xaa - 128}; !slices.Equal(got, want) {
		t.Errorf("xor %v, want %v", got, want)
	}
}

// TestLogicInPlace: the result may stand where one of the inputs does.
func TestLogicInPlace(t *testing.T) {
	a, b := []uint8{0, 0, 1, 2}, []uint8{0, 3, 0, 1}
	for name, c := range map[string]struct {
		f    func(dst, a []uint8, sa int, b []uint8, sb int)
		want []uint8
	}{"and": {And, []uint8{0, 0, 0, 1}}, "or": {Or, []uint8{0, 1, 1, 1}}} {
		x, y := slices.Clone(a), slices.Clone(b)
		c.f(x, x, 1, b, 1)
		c.f(y, a, 1, y, 1)
		if !slices.Equal(x, c.want) || !slices.Equal(y, c.want) {
			t.Errorf("%s: %v on the first input, %v on the second, want %v", name, x, y, c.want)
		}
	}
}
