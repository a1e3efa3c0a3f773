//go:build arm || arm64

package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// TestS8Arm compares the tiles with sums in plain Go, on rows and outputs that end at a page which must not be touched, or begin behind one.
func TestS8Arm(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		if cpu.Best() == cpu.Generic {
			t.Skip("skipped: generic has no tiles")
		}
		r := rand.New(rand.NewPCG(7, 8))
		for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 24, 25, 27, 31, 32, 40, 64, 129} {
			for _, n := range []int{1, 3, 4, 5, 7, 8, 9, 15, 17, 31} {
				for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 25} {
					checkS8Arm(t, r, m, n, k, r.IntN(2) == 0, r.IntN(3) > 0, r.IntN(3), r.IntN(2) == 0)
				}
			}
		}
		checkS8Arm(t, r, 70, 20, 1000, true, false, 0, true)
		checkS8Arm(t, r, 3, 9, 9000, true, true, 0, true)
	})
}

func checkS8Arm(t *testing.T, r *rand.Rand, m, n, k int, relu, symmetric bool, odd int, atEnd bool) {
	t.Helper()
	ldx, ldd := k+odd, n+2*odd
	w, bias, x := make([]int8, n*k), make([]int32, n), kerneltest.Guarded[int8](t, (m-1)*ldx+k, atEnd)
	q := requant.Params{Mult: make([]int32, n), Shift: make([]int32, n), Zero: int32(r.IntN(256) - 128), Min: -128, Max: int32(r.IntN(3)) + 125}
	if relu {
		q.Min = q.Zero
	}
	q.Max = max(q.Max, q.Min)
	extreme := r.IntN(4) == 0
	for i := range w {
		if w[i] = int8(r.IntN(256) - 128); extreme {
			w[i] = int8(127 - 255*r.IntN(2))
		}
		if symmetric {
			w[i] = max(w[i], -127)
		}
	}
	for i := range x {
		if x[i] = int8(r.IntN(256) - 128); extreme {
			x[i] = -128
		}
	}
	for i := range n {
		bias[i] = int32(r.IntN(1<<14) - 1<<13)
		if r.IntN(8) == 0 {
			bias[i] = math.MaxInt32 - int32(r.IntN(1000)) // sums wrap
		}
		q.Mult[i], q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -1-int32(r.IntN(14))
		switch r.IntN(12) {
		case 0:
			q.Mult[i], q.Shift[i] = 0, 0
		case 1:
			q.Mult[i] = 1 << 30
		case 2:
			q.Shift[i] = -31
		}
	}
	wZero := int32(r.IntN(2) * (r.IntN(256) - 128))
	p := packS8Arch(nil, ManyRows, w, n, k, bias, q.Mult, q.Shift, wZero, q.Zero, q.Min, q.Max)
	if p == nil {
		t.Fatal("not packed")
	}
	got := kerneltest.Guarded[int8](t, (m-1)*ldd+n, atEnd)
	for i := range got {
		got[i] = 99
	}
	before := append([]int8(nil), x...)
	p.run(got, ldd, x, ldx, m, kerneltest.Guarded[byte](t, p.scratch(m), atEnd))
	for i, v := range before {
		if x[i] != v {
			t.Fatal("the input was written")
		}
	}
	for at, v := range got {
		want, i, j := int8(99), at/ldd, at%ldd
		if j < n {
			acc := bias[j]
			for l := range k {
				acc += int32(x[i*ldx+l]) * (int32(w[j*k+l]) - wZero)
			}
			want = q.Apply(acc, j)
		}
		if v != want {
			t.Fatalf("%s: n=%d k=%d m=%d relu=%v symmetric=%v zero=%d: row %d column %d: got %d, want %d", p.id(), n, k, m, relu, symmetric, wZero, i, j, v, want)
		}
	}
}

// TestS8ArmRescale runs edges of the rescaling through the store: ties, wrapped sums, all shifts that the tiles take.
func TestS8ArmRescale(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		if cpu.Best() == cpu.Generic {
			t.Skip("skipped: generic has no tiles")
		}
		r := rand.New(rand.NewPCG(1, 9))
		const n = 4096
		bias, mult, shift := make([]int32, n), make([]int32, n), make([]int32, n)
		for _, relu := range []bool{false, true} {
			for range 20 {
				for i := range n {
					m, s := int32(1<<30+r.IntN(1<<30)), 1+int32(r.IntN(31))
					if r.IntN(3) == 0 {
						m = 1<<30 + int32(r.IntN(1<<10))<<20
					}
					x := int32(r.Uint32())
					switch r.IntN(4) {
					case 0: // near a tie of the second step
						x = int32(int64(2*r.IntN(256)-255) << (s + 30) / int64(m))
						x += int32(r.IntN(3) - 1)
					case 1:
						x = []int32{math.MinInt32, math.MaxInt32, -1, 0, 1}[r.IntN(5)]
					}
					bias[i], mult[i], shift[i] = x, m, -s
				}
				q := requant.Params{Mult: mult, Shift: shift, Zero: int32(r.IntN(256) - 128), Min: -128, Max: 127}
				if relu {
					q.Min = q.Zero
				}
				p := packS8Arch(nil, ManyRows, make([]int8, n), n, 1, bias, mult, shift, 0, q.Zero, q.Min, q.Max)
				got := make([]int8, n)
				p.run(got, n, []int8{1}, 1, 1, make([]byte, p.scratch(1)))
				for i, v := range got {
					if want := q.Apply(bias[i], i); v != want {
						t.Fatalf("x=%d m=%d r=%d zero=%d: got %d, want %d", bias[i], mult[i], -shift[i], q.Zero, v, want)
					}
				}
			}
		}
		for _, s := range []int32{0, 3, -32} {
			if packS8Arch(nil, ManyRows, []int8{1}, 1, 1, []int32{0}, []int32{1 << 30}, []int32{s}, 0, 0, -128, 127) != nil {
				t.Errorf("a shift of %d is packed", s)
			}
		}
	})
}

func TestF32Arm(t *testing.T) {
	if !cpu.Supported(cpu.Neon) {
		t.Skip("skipped: the machine has no NEON")
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 27, 129} {
		for _, n := range []int{1, 3, 4, 5, 6, 7, 8, 9, 17} {
			for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 25} {
				t.Run(fmt.Sprintf("m=%d/n=%d/k=%d", m, n, k), func(t *testing.T) { checkF32Arm(t, r, m, n, k, r.IntN(3), r.IntN(2) == 0) })
			}
		}
	}
}

func checkF32Arm(t *testing.T, r *rand.Rand, m, n, k, odd int, atEnd bool) {
	ldx, ldd := k+odd, n+2*odd
	w, bias, x := make([]float32, n*k), make([]float32, n), kerneltest.Guarded[float32](t, (m-1)*ldx+k, atEnd)
	for _, s := range [][]float32{w, x, bias} {
		for i := range s {
			s[i] = float32(r.IntN(65)-32) / 32 // exact sums, so any order gives the same
		}
	}
	special := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	if r.IntN(3) == 0 {
		x[r.IntN(len(x))] = special[r.IntN(3)]
	}
	got := kerneltest.Guarded[float32](t, (m-1)*ldd+n, atEnd)
	for i := range got {
		got[i] = 99
	}
	packF32Arch(nil, full, w, n, k, bias, -1.5, 2).run(got, ldd, x, ldx, m)
	for at, v := range got {
		want, i, j := float32(99), at/ldd, at%ldd
		if j < n {
			want = 0
			for l := range k {
				want += float32(x[i*ldx+l] * w[j*k+l])
			}
			want = min(max(want+bias[j], -1.5), 2)
		}
		if v != want && (v == v || want == want) {
			t.Fatalf("row %d column %d: got %v, want %v", i, j, v, want)
		}
	}
}
