package requant

import (
	"math"
	"testing"
)

func TestFixed16IsClose(t *testing.T) {
	for x := math.MinInt16; x <= math.MaxInt16; x++ {
		real := float64(x) / 4096
		if got, want := float64(LogisticFixed16(int16(x)))/32768, 1/(1+math.Exp(-real)); math.Abs(got-want) > 16.0/32768 {
			t.Fatalf("logistic(%v) = %v, want %v", real, got, want)
		}
		for bits := range uint(7) {
			real := float64(x) / float64(int(1)<<(15-bits))
			got, want := float64(TanhFixed16(int16(x), bits))/32768, math.Tanh(real)
			if math.Abs(got-want) > 32.0/32768 {
				t.Fatalf("tanh(%v) with %d integer bits = %v, want %v", real, bits, got, want)
			}
		}
	}
}

func TestHighMul16(t *testing.T) {
	for _, c := range []struct{ a, b, want int16 }{
		{math.MinInt16, math.MinInt16, math.MaxInt16}, {1, 16384, 1}, {-1, 16384, 0}, {1, 16383, 0}, {-1, 16383, 0}, {-3, 16384, -1}, {32767, 32767, 32766},
	} {
		if got := HighMul16(c.a, c.b); got != c.want {
			t.Errorf("%d × %d: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
