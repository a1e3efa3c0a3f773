package vec

import (
	"math"
	"slices"
	"testing"
)

func TestQuantizeTiesAndRange(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	src := []float32{0.5, -0.5, 1.5, -1.5, 2.49, 1e30, -1e30, inf, -inf, nan, 0}
	got := make([]int8, len(src))
	QuantizeF32(got, src, 1, 10)
	if want := []int8{11, 9, 12, 8, 12, 127, -128, 127, -128, -128, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSoftmaxRows(t *testing.T) {
	src := []float32{1, 2, 3, -1000, 0, 1000}
	dst := make([]float32, 6)
	SoftmaxF32(dst, src, 3, 1)
	for r := range 2 {
		sum := float32(0)
		for _, v := range dst[r*3 : r*3+3] {
			sum += v
		}
		if math.Abs(float64(sum)-1) > 1e-6 {
			t.Errorf("row %d sums to %v", r, sum)
		}
	}
	if dst[5] != 1 || dst[3] != 0 {
		t.Errorf("far apart: %v", dst[3:])
	}
	q := []int8{127, -128, -128, 5, 5, 5}
	out := make([]int8, 6)
	SoftmaxS8(out, q, 3, NewSoftmaxS8Table(1, 0.1), make([]int32, SoftmaxS8Scratch(3)))
	if want := []int8{127, -128, -128, -43, -43, -43}; !slices.Equal(out, want) {
		t.Errorf("got %v, want %v", out, want)
	}
}

func TestPairStrides(t *testing.T) {
	dst := make([]float32, 3)
	Add(dst, []float32{10}, 0, []float32{1, 2, 3}, 1, 0, 12)
	if want := []float32{11, 12, 12}; !slices.Equal(dst, want) {
		t.Errorf("add %v", dst)
	}
	Sub(dst, []float32{1, 2, 3}, 1, []float32{10}, 0, -8, 0)
	if want := []float32{-8, -8, -7}; !slices.Equal(dst, want) {
		t.Errorf("sub %v", dst)
	}
	Mul(dst, []float32{1, 2, 3}, 1, []float32{3, 2, 1}, 1, 0, 9)
	if want := []float32{3, 4, 3}; !slices.Equal(dst, want) {
		t.Errorf("mul %v", dst)
	}
	for name, f := range map[string]func(){
		"short a": func() { Add(dst, make([]float32, 2), 1, make([]float32, 3), 1, 0, 1) },
		"empty b": func() { Add(dst, make([]float32, 3), 1, nil, 0, 0, 1) },
		"lookup":  func() { LookupS8(make([]int8, 2), make([]int8, 3), &[256]int8{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			f()
		}()
	}
}
