//go:build amd64 || arm64

package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/requant"
)

// TestInverses compares the reciprocals of 16 rows with those of requant, at both ends of the range and between.
func TestInverses(t *testing.T) {
	if cpu.Best() == cpu.Generic {
		t.Skip("skipped: only generic kernels run")
	}
	r := rand.New(rand.NewPCG(13, 14))
	for range 20000 {
		var x [softmaxRows]int32
		for i := range x {
			x[i] = r.Int32() >> r.IntN(31)
			if i%2 == 0 {
				x[i] = math.MaxInt32 - x[i]
			}
		}
		x[0], x[1] = 0, math.MaxInt32
		got := x
		inverses(&got)
		for i, v := range x {
			// As a number of 32 bits with its first bit set; the sign of Reciprocal's input does not count.
			if want, _ := requant.Reciprocal(int32(uint32(v)+1<<31), 0); got[i] != want {
				t.Fatalf("1/(1 + %d) is %d, want %d", v, got[i], want)
			}
		}
	}
}
