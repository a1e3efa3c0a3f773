package requant

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// mulExact is Mul with both roundings written out over big integers: half up, then half away from zero.
func mulExact(x, m, shift int32) int32 {
	b := new(big.Int).Mul(big.NewInt(int64(x)), big.NewInt(int64(m)))
	b.Add(b, big.NewInt(1<<30)).Rsh(b, 31)
	if shift >= 0 {
		return int32(b.Int64())
	}
	d := new(big.Int).Lsh(big.NewInt(1), uint(-shift))
	half := new(big.Int).Rsh(d, 1)
	if b.Sign() < 0 {
		b.Sub(b, half)
	} else {
		b.Add(b, half)
	}
	return int32(b.Quo(b, d).Int64())
}

func TestMulAgainstBigIntegers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	edge := []int32{0, 1, -1, 2, -2, 3, -3, 1 << 29, -1 << 29, math.MaxInt32, math.MinInt32, 0x55555555}
	for i := range 200000 {
		x, m, shift := int32(r.Uint32()), int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(32))
		if i < len(edge)*32 {
			x, shift = edge[i/32], -int32(i%32)
		}
		if i%3 == 0 {
			x >>= r.IntN(31)
		}
		if got, want := Mul(x, m, shift), mulExact(x, m, shift); got != want {
			t.Fatalf("Mul(%d, %d, %d) = %d, want %d", x, m, shift, got, want)
		}
	}
	if got := HighMul(math.MinInt32, math.MinInt32); got != math.MaxInt32 {
		t.Errorf("HighMul does not saturate: %d", got)
	}
	if got := Mul(3, 1<<30, 2); got != 6 {
		t.Errorf("left shift: %d", got)
	}
}

func TestDivPow2TiesAwayFromZero(t *testing.T) {
	for _, c := range []struct{ x, e, want int32 }{
		{3, 1, 2}, {-3, 1, -2}, {1, 1, 1}, {-1, 1, -1}, {5, 2, 1}, {6, 2, 2}, {-6, 2, -2}, {-5, 2, -1}, {7, 0, 7},
		{math.MaxInt32, 31, 1}, {math.MinInt32, 31, -1}, {1 << 30, 31, 1}, {-1 << 30, 31, -1}, {1<<30 - 1, 31, 0},
	} {
		if got := DivPow2(c.x, c.e); got != c.want {
			t.Errorf("DivPow2(%d, %d) = %d, want %d", c.x, c.e, got, c.want)
		}
	}
}

func TestQuantize(t *testing.T) {
	for _, c := range []struct {
		real     float64
		m, shift int32
	}{
		{0, 0, 0}, {0.5, 1 << 30, 0}, {1, 1 << 30, 1}, {0.25, 1 << 30, -1}, {math.Ldexp(1, -33), 0, 0},
		{1 - math.Ldexp(1, -40), 1 << 30, 1}, {math.NaN(), 0, 0}, {math.Inf(1), 0, 0}, {0.75, 3 << 29, 0},
	} {
		if m, s := Quantize(c.real); m != c.m || s != c.shift {
			t.Errorf("Quantize(%v) = %d, %d, want %d, %d", c.real, m, s, c.m, c.shift)
		}
	}
}

func TestFixedPointFunctionsAreClose(t *testing.T) {
	const one = 1 << 31
	for i := -1000; i <= 1000; i++ {
		x := float64(i) / 1000 * 15.9
		a := int32(math.Round(x * (1 << 27)))
		if got, want := float64(Logistic(a))/one, 1/(1+math.Exp(-x)); math.Abs(got-want) > 1e-6 {
			t.Errorf("logistic(%v) = %v, want %v", x, got, want)
		}
		if got, want := float64(Tanh(a))/one, math.Tanh(x); math.Abs(got-want) > 1e-6 {
			t.Errorf("tanh(%v) = %v, want %v", x, got, want)
		}
		if Tanh(-a) != -Tanh(a) {
			t.Errorf("tanh is not odd at %v", x)
		}
		if i <= 0 {
			if got, want := float64(ExpNegative(a, 4))/one, math.Exp(x); math.Abs(got-want) > 1e-6 {
				t.Errorf("exp(%v) = %v, want %v", x, got, want)
			}
		}
	}
	for _, x := range []float64{1, 1.5, 2, 3.75, 100, 4000} {
		m, over := Reciprocal(int32(x*(1<<19)), 12)
		if got := math.Ldexp(float64(m)/one, int(-over)); math.Abs(got*x-1) > 1e-6 {
			t.Errorf("1/%v = %v", x, got)
		}
	}
}

func TestRootAndLogarithmAreClose(t *testing.T) {
	for _, x := range []int32{1, 2, 3, 4, 100, 65025, 1 << 20, 1<<29 - 1, 1 << 29, 1 << 30, math.MaxInt32} {
		m, shift := InvSqrt(x)
		got, want := math.Ldexp(float64(m), int(shift)-31), 1/math.Sqrt(float64(x))
		if math.Abs(got/want-1) > 2e-6 {
			t.Errorf("1/√%d = %v, want %v", x, got, want)
		}
	}
	if m, shift := InvSqrt(0); m != math.MaxInt32 || shift != 0 {
		t.Errorf("1/√0 = %d, %d", m, shift)
	}
	for x := 1.0; x < 4096; x *= 1.01 {
		if got, want := float64(LogAboveOne(int32(x*(1<<19))))/(1<<26), math.Log(x); math.Abs(got-want) > 1e-4 {
			t.Errorf("ln %v = %v, want %v", x, got, want)
		}
	}
}

func TestStoreRules(t *testing.T) {
	p := Params{Mult: []int32{1 << 30}, Shift: []int32{1}, Real: []float64{1}, Min: math.MinInt32, Max: math.MaxInt32}
	for _, c := range []struct {
		rule Rule
		a    int64
		want int32
	}{
		{Fixed, -7, -7}, {Fixed, 1<<32 + 5, 5}, {Wide, 1 << 20, 1 << 20}, {Wide, -3, -3},
		{Float, 1<<32 - 5, -5}, {FloatWide, 1<<29 + 1, 1<<29 + 1}, {FloatWide, 1 << 40, 1 << 30},
	} {
		p.Rule = c.rule
		if got := p.Store(c.a, 3); got != c.want {
			t.Errorf("rule %d of %d: got %d, want %d", c.rule, c.a, got, c.want)
		}
	}
	half := Params{Rule: Float, Real: []float64{0.5}, Zero: 10, Min: 9, Max: 12}
	for a, want := range map[int64]int32{1: 11, -1: 9, -9: 9, 9: 12, 3: 12, 2: 11} {
		if got := half.Store(a, 0); got != want {
			t.Errorf("half of %d: got %d, want %d", a, got, want)
		}
	}
}
