package requant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// down returns the greatest float32 that is not above a×b + c.
func down(a, b, c float32) float32 {
	p := float64(a) * float64(b) // exact
	s := p + float64(c)
	t := s - p
	rest := (p - (s - t)) + (float64(c) - t) // what s lacks
	f := float32(s)
	if float64(f) > s || float64(f) == s && rest < 0 {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}

// TestFloatStep compares the form with Mul for sums around those from which on there is another output, and for random ones.
func TestFloatStep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	proved := 0
	for i := range 4000 {
		m, shift := int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(19))
		if i%8 == 0 {
			m = 1 << 30
		}
		zero := int32(r.IntN(256) - 128)
		lo, hi := zero+int32(r.IntN(128-int(zero))), int32(127)
		bias, largest := int64(r.IntN(1<<15)-1<<14), int64(1+r.IntN(1<<19))
		f, ok := FloatStep(bias, largest, m, shift, zero, lo, hi)
		if !ok {
			continue
		}
		proved++
		check := func(sum int64) {
			if sum < -largest || sum > largest {
				return
			}
			x := float32(int32(sum) + f.Bias)
			got := int32(math.Floor(float64(down(f.High, x, down(f.Low, x, f.Add)))))
			want := Mul(int32(sum+bias), m, shift) + zero
			if got, want := min(max(got, lo), hi), min(max(want, lo), hi); got != want {
				t.Fatalf("m %d, shift %d, zero %d, from %d: sum %d gives %d, want %d", m, shift, zero, lo, sum+bias, got, want)
			}
		}
		for k := lo; k <= hi; k++ {
			near := int64((float64(k-zero)-0.5)*math.Exp2(float64(31-shift))/float64(m)) - bias
			for d := int64(-3); d <= 3; d++ {
				check(near + d)
			}
			check(r.Int64N(2*largest+1) - largest)
		}
	}
	if proved < 2000 {
		t.Errorf("%d of 4000 channels have the form", proved)
	}
	t.Logf("%d of 4000 channels have the form", proved)
}
