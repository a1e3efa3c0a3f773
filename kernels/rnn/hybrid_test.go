package rnn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

func TestQuantized(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		x     []float32
		asym  bool
		want  []int8
		scale float32
		zero  int32
	}{
		{[]float32{0, 0}, false, []int8{0, 0}, 1, 0},
		{[]float32{0, 0}, true, []int8{0, 0}, 1, 0},
		{[]float32{127, -63.5, 1.5}, false, []int8{127, -64, 2}, 1, 0},
		{[]float32{-254, 1}, false, []int8{-127, 1}, 2, 0},
		{[]float32{255, 0, 3}, true, []int8{127, -128, -125}, 1, -128},
		{[]float32{-255, -3}, true, []int8{-128, 124}, 1, 127},
		{[]float32{-1, 1}, true, []int8{-128, 126}, 2.0 / 255, -1}, // the zero point -1/2 rounds away from zero
		{[]float32{2, 4}, true, []int8{-1, 127}, 4.0 / 255, -128},
		{nil, true, nil, 1, 0},
		{[]float32{inf, 1}, false, []int8{-127, 0}, inf, 0}, // nothing sensible, but nothing worse
		{[]float32{nan, 1}, true, []int8{-128, 127}, 1.0 / 255, -128},
	} {
		v := quantized(c.x, make([]int8, len(c.x)), c.asym)
		same := v.scale == c.scale || v.scale != v.scale && c.scale != c.scale
		if !slices.Equal(v.q, c.want) || !same || v.zero != c.zero {
			t.Errorf("%v, asymmetric %v: %v, scale %v, zero point %d; want %v, %v, %d", c.x, c.asym, v.q, v.scale, v.zero, c.want, c.scale, c.zero)
		}
	}
}

func TestMulAddIsTheSameInBothStorages(t *testing.T) {
	w := []int8{1, -2, 3, 40, 50, -60}
	f := make([]float32, len(w))
	for i, v := range w {
		f[i] = float32(v) / 4
	}
	x := []float32{127, -1, 64} // exact under both rules
	for _, asym := range []bool{false, true} {
		float, hybrid := Weights{F32: f}, NewWeightsS8(w, 2, 0.25)
		a, b := []float32{1, 2}, []float32{1, 2}
		if asym {
			x = []float32{-100, 155, 0}
		}
		v := quantized(x, make([]int8, 3), asym)
		float.mulAdd(a, &vector{x: x}, work{})
		hybrid.mulAdd(b, &v, work{make([]float32, 2), make([]byte, room(&hybrid))})
		if !slices.Equal(a, b) {
			t.Errorf("asymmetric %v: %v and %v", asym, a, b)
		}
	}
}

func TestTanhRational(t *testing.T) {
	for i := -40000; i <= 40000; i++ {
		x := float32(i) / 4000
		if got, want := float64(TanhRationalF32(x)), math.Tanh(float64(x)); math.Abs(got-want) > 4e-7*math.Abs(want) {
			t.Fatalf("tanh(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float32{7.9074, 1e30, float32(math.Inf(1))} {
		if TanhRationalF32(x) != 1 || TanhRationalF32(-x) != -1 {
			t.Errorf("tanh(±%v) = %v, %v", x, TanhRationalF32(x), TanhRationalF32(-x))
		}
	}
	if x := TanhRationalF32(float32(math.NaN())); x == x {
		t.Errorf("tanh(NaN) = %v", x)
	}
}

func TestCellsCheckLengths(t *testing.T) {
	for name, f := range map[string]func(){
		"cell": func() {
			(&Cell{Input: 2, Cells: 1, Output: 1}).Step(make([]float32, 1), make([]float32, 1), nil, nil, make([]float32, 4), nil)
		},
		"simple": func() { (&Simple{Input: 2, Units: 1}).Step(make([]float32, 1), nil, nil, make([]float32, 1), nil) },
		"svdf":   func() { (&SVDF{Input: 1, Filters: 2, Memory: 1, Rank: 1}).Step(nil, nil, nil, make([]float32, 2), nil) },
		"micro":  func() { StepMicro(&IntCell{Input: 1, Cells: 1}, []int8{0}, []int16{0}, nil, make([]int16, 4)) },
		"fixed": func() {
			(&IntCell{Input: 1, Cells: 1, Output: 1}).StepFixed([]int8{0}, []int16{0}, nil, make([]int16, 4), []int8{0})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: slices of the wrong length are accepted", name)
				}
			}()
			f()
		}()
	}
}

// TestPackedWeights compares products with packed int8 weights and plain ones: every bit must be the same.
func TestPackedWeights(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 9))
		for _, rows := range []int{1, 3, 7, 8, 9, 16, 65, 130} {
			for _, n := range []int{1, 2, 7, 16, 33, 129} {
				for _, asymmetric := range []bool{false, true} {
					q, x := make([]int8, rows*n), make([]float32, n)
					for i := range q {
						q[i] = int8(r.IntN(256) - 128)
					}
					for i := range x {
						x[i] = r.Float32()*3 - 1
					}
					plain := Weights{S8: q, Scale: 0.01, Sums: make([]int32, rows)}
					for i, v := range q {
						plain.Sums[i/n] += int32(v)
					}
					w := NewWeightsS8(q, rows, 0.01)
					v := quantized(x, kerneltest.Guarded[int8](t, n, true), asymmetric)
					got, want := kerneltest.Guarded[float32](t, rows, true), make([]float32, rows)
					for i := range want {
						want[i] = r.Float32()
					}
					copy(got, want)
					left := work{kerneltest.Guarded[float32](t, rows, true), kerneltest.Guarded[byte](t, room(&w), true)}
					plain.mulAdd(want, &v, work{})
					w.mulAdd(got, &v, left)
					if !slices.Equal(got, want) {
						t.Fatalf("%d rows of %d, %s: got %v, want %v", rows, n, w.ID(), got, want)
					}
					if a := testing.AllocsPerRun(5, func() { w.mulAdd(got, &v, left) }); a != 0 {
						t.Fatalf("%v allocations", a)
					}
				}
			}
		}
	})
}
