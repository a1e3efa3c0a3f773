package vec

import (
	"math"
	"testing"
)

// TestActivations holds the exponential, logistic and tanh against float64 mathematics, and at the ends of the range.
func TestActivations(t *testing.T) {
	for x := float32(-20); x < 20; x += 0.00137 {
		for name, c := range map[string]struct {
			got  float32
			want float64
		}{
			"exp":      {Exp(x), math.Exp(float64(x))},
			"logistic": {Logistic(x), 1 / (1 + math.Exp(-float64(x)))},
			"tanh":     {Tanh(x), math.Tanh(float64(x))},
		} {
			ulp := float64(math.Nextafter32(c.got, math.MaxFloat32) - c.got)
			if d := math.Abs(float64(c.got) - c.want); d > ulp {
				t.Fatalf("%s(%v) = %v, off by %v", name, x, c.got, d)
			}
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct{ got, want float32 }{
		{Logistic(inf), 1}, {Logistic(-inf), 0}, {Logistic(0), 0.5}, {Logistic(-800), 0}, {Logistic(800), 1},
		{Tanh(inf), 1}, {Tanh(-inf), -1}, {Tanh(0), 0}, {Tanh(1e-30), 1e-30}, {Exp(0), 1}, {Exp(-inf), 0}, {Exp(inf), inf},
		{LogisticCut(17), 1}, {LogisticCut(-20), Exp(-20)}, {LogisticCut(2), Logistic(2)}, {Rsqrt(0), inf}, {Sign(-3), -1}, {Sign(0), 0},
		{RoundEven(2.5), 2}, {RoundEven(-3.5), -4}, {HardSwish(-4), 0}, {HardSwish(3), 3}, {Elu(2), 2}, {Gelu(0), 0},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	for _, y := range []float32{Exp(nan), Logistic(nan), LogisticCut(nan), Tanh(nan), Sign(nan), RoundEven(nan), HardSwish(nan), Elu(nan), Gelu(nan), GeluTanh(nan)} {
		if y == y {
			t.Error("NaN is lost")
		}
	}
}
