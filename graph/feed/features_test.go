package feed

import (
	"math"
	"strings"
	"testing"
)

func TestFeatures(t *testing.T) {
	x := []float32{1, 2, 4, 1}
	s2 := math.Sqrt(1.5) // population variance of x is 1.5
	cases := []struct {
		name string
		want []float64
	}{
		{"value", []float64{1, 2, 4, 1}},
		{"diff", []float64{1, 2, -3}},
		{"mean", []float64{2}},
		{"std", []float64{s2}},
		{"min", []float64{1}},
		{"max", []float64{4}},
		{"slope", []float64{0.2}},
		{"rms", []float64{math.Sqrt(22.0 / 4)}},
		{"zscore", []float64{-1 / s2, 0, 2 / s2, -1 / s2}},
		// X0 = 8, X1 = (1-4) + i(1-2), X2 = 1-2+4-1
		{"spectrum:3", []float64{2, math.Sqrt(10) / 4, 0.5}},
		{"spectrum:1", []float64{2}},
	}
	var all []string
	var joined []float64
	for _, c := range cases {
		all, joined = append(all, c.name), append(joined, c.want...)
		checkFeatures(t, []string{c.name}, x, c.want)
	}
	checkFeatures(t, all, x, joined)
	checkFeatures(t, []string{"zscore", "std"}, []float32{3, 3, 3}, []float64{0, 0, 0, 0})
	checkFeatures(t, []string{"spectrum:3"}, []float32{0, 1, 0, -1, 0}, []float64{0, cmplxAbs(4, 1), cmplxAbs(4, 2)})
}

// cmplxAbs is a slow transform of 0, 1, 0, -1, 0.
func cmplxAbs(last, k int) float64 {
	re, im := 0.0, 0.0
	for i, v := range []float64{0, 1, 0, -1, 0}[:last] {
		a := -2 * math.Pi * float64(i*k) / 5
		re, im = re+v*math.Cos(a), im+v*math.Sin(a)
	}
	return math.Hypot(re, im) / 5
}

func checkFeatures(t *testing.T, names []string, x []float32, want []float64) {
	t.Helper()
	f, err := ParseFeatures(names)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(len(x)); err != nil {
		t.Fatal(err)
	}
	if f.Size(len(x)) != len(want) {
		t.Fatalf("%v: size %d, want %d", names, f.Size(len(x)), len(want))
	}
	got := make([]float32, len(want))
	f.Apply(got, x)
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-6 {
			t.Errorf("%v: value %d is %v, want %v", names, i, got[i], want[i])
		}
	}
}

func TestFeaturesDoNotAllocate(t *testing.T) {
	f, err := ParseFeatures([]string{"value", "diff", "zscore", "mean", "std", "min", "max", "slope", "rms", "spectrum:8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{24, 31, 64} {
		if err := f.Check(n); err != nil {
			t.Fatal(err)
		}
		x, dst := make([]float32, n), make([]float32, f.Size(n))
		if a := testing.AllocsPerRun(100, func() { f.Apply(dst, x) }); a != 0 {
			t.Errorf("%d values: %v allocations per Apply", n, a)
		}
	}
}

func TestFeaturesRefuse(t *testing.T) {
	for name, say := range map[string]string{
		"":                   "unknown",
		"median":             "known are value",
		"spectrum":           "spectrum:8",
		"spectrum:0":         "spectrum:8",
		"spectrum:x":         "spectrum:8",
		"spectrum:999999999": "spectrum:8",
		"mean:3":             "takes no number",
	} {
		if _, err := ParseFeatures([]string{"value", name}); err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "feature 2") {
			t.Errorf("%q: error %v", name, err)
		}
	}
	if _, err := ParseFeatures(nil); err == nil {
		t.Error("no features: no error")
	}
	for name, n := range map[string]int{"spectrum:4": 5, "diff": 1, "slope": 1, "mean": 0} {
		f, err := ParseFeatures([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		if f.Check(n) == nil {
			t.Errorf("%s of %d values: no error", name, n)
		}
	}
}

func TestNormalize(t *testing.T) {
	v := []float32{1, 10, 3, 30}
	if err := Normalize(v, []float32{1, 10}, []float32{2, 10}); err != nil || v[0] != 0 || v[1] != 0 || v[2] != 1 || v[3] != 2 {
		t.Errorf("%v %v", v, err)
	}
	nan := float32(math.NaN())
	for _, c := range [][2][]float32{{{1}, {0}}, {{1}, {-1}}, {{1}, {nan}}, {{1}, {1, 2}}, {nil, nil}, {{1, 2, 3}, {1, 2, 3}}} {
		if Normalize([]float32{1, 2}, c[0], c[1]) == nil {
			t.Errorf("mean %v, std %v: no error", c[0], c[1])
		}
	}
}

func FuzzParseFeatures(f *testing.F) {
	f.Add("spectrum:3", 8)
	f.Add("zscore", 1)
	f.Fuzz(func(t *testing.T, name string, n int) {
		fs, err := ParseFeatures([]string{name})
		if err != nil || n > 4096 || fs.Check(n) != nil {
			return
		}
		fs.Apply(make([]float32, fs.Size(n)), make([]float32, n))
	})
}
