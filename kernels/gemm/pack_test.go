package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDeal compares panels with their definition, on every depth that some tile has.
func TestDeal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, depth := range []int{2, 4, 8, 16} {
		for _, k := range []int{1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 64, 129, 1000, 9000} {
			for _, c := range []struct{ cols, nr int }{{1, 4}, {4, 4}, {7, 8}, {16, 16}, {33, 48}, {64, 64}} {
				ldw := k + r.IntN(3)
				w := make([]byte, (c.cols-1)*ldw+k)
				for i := range w {
					w[i] = byte(r.Uint32())
				}
				turned := func(i int) int { return c.nr - 1 - i }
				groups := (k + depth - 1) / depth
				got, want := make([]byte, groups*c.nr*depth), make([]byte, groups*c.nr*depth)
				deal(got, w, ldw, k, c.cols, c.nr, depth, turned)
				for col := range c.cols {
					for i := range k {
						want[i/depth*c.nr*depth+turned(col)*depth+i%depth] = w[col*ldw+i]
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("depth %d, %d columns of %d bytes in panels of %d differ", depth, c.cols, k, c.nr)
				}
			}
		}
	}
}

func TestSum(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 7, 8, 9, 1023, 1024, 1025, 2049, 5000} {
		for _, value := range []func() int8{func() int8 { return -128 }, func() int8 { return 127 }, func() int8 { return int8(r.Uint32()) }} {
			column, want := make([]int8, n), int32(0)
			for i := range column {
				column[i] = value()
				want += int32(column[i])
			}
			if got := sum(column); got != want {
				t.Fatalf("the sum of %d values is %d, not %d", n, got, want)
			}
		}
	}
}
