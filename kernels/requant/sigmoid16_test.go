package requant

import (
	"math"
	"testing"
)

func TestSigmoid16IsClose(t *testing.T) {
	for x := math.MinInt16; x <= math.MaxInt16; x++ {
		real := float64(x) / 4096
		if got, want := float64(Logistic16(int16(x), 3, 0))/32768, 1/(1+math.Exp(-real)); math.Abs(got-want) > 1.0/16384 {
			t.Fatalf("logistic(%v) = %v, want %v", real, got, want)
		}
		if got, want := float64(Tanh16(int16(x), 3, 0))/32768, math.Tanh(real); math.Abs(got-want) > 1.5/16384 {
			t.Fatalf("tanh(%v) = %v, want %v", real, got, want)
		}
	}
	for _, c := range []struct {
		x           int16
		mult, shift int32
		log, tanh   int16
	}{{0, 3, 0, 16384, 0}, {math.MaxInt16, 3, 0, 32757, 32767}, {math.MinInt16, 3, 0, 11, -32767}, {math.MaxInt16, 3, 3, 23956, 24956}, {-1, 3, 1, 16383, -3}} {
		if l, h := Logistic16(c.x, c.mult, c.shift), Tanh16(c.x, c.mult, c.shift); l != c.log || h != c.tanh {
			t.Errorf("%d × %d / 2^%d: logistic %d, tanh %d, want %d and %d", c.x, c.mult, c.shift, l, h, c.log, c.tanh)
		}
	}
}
