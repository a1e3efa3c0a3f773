package requant

import (
	"math/rand/v2"
	"testing"
)

// TestOneStep compares the one-step form with the two-step one on edges and ties.
func TestOneStep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for range 3_000_000 {
		m, s := int32(1<<30+r.IntN(1<<30)), int32(r.IntN(23))
		if r.IntN(3) == 0 {
			m = 1<<30 + int32(r.IntN(1<<10))<<r.IntN(21)
		}
		if m < 0 || m < 1<<30 {
			continue
		}
		x := int32(r.IntN(1<<30) - 1<<29)
		if r.IntN(3) == 0 { // near a tie of the second step
			x = int32((int64(2*r.IntN(256)-255) << (s + 30) / int64(m))) + int32(r.IntN(3)-1)
		}
		if x <= -1<<29 || x >= 1<<29 {
			continue
		}
		zero := int32(r.IntN(256) - 128)
		lo := zero - int32(r.IntN(2))
		f, ok := OneStep(0, 1<<29-1, m, -s, zero, lo)
		if !ok {
			t.Fatalf("m=%d r=%d: no terms", m, s)
		}
		X := uint32(x + f.Bias)
		y := int32(uint64(X)*uint64(uint32(f.Mult))>>32) + f.Add
		if f.Carry && X >= uint32(f.Limit) {
			y++
		}
		if got, want := max(y>>f.Shift, lo), max(Mul(x, m, -s)+zero, lo); got != want {
			t.Fatalf("x=%d m=%d r=%d zero=%d lo=%d: got %d, want %d", x, m, s, zero, lo, got, want)
		}
	}
}
