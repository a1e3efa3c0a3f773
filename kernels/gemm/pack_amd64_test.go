package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// TestPackS8Layouts checks where every weight and every column's terms lie, for the tiles of all instruction sets, whether this machine has them or not.
func TestPackS8Layouts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, set := range []*tileSet{&s8AVX512, &s8AVXVNNI, &s8AVX2} {
		for _, n := range []int{1, 7, 8, 16, 17, 33, 48, 64, 65, 130} {
			for _, c := range []struct{ k, segs int }{{1, 1}, {3, 1}, {4, 1}, {5, 1}, {27, 1}, {27, 3}, {64, 1}, {300, 1}, {300, 3}} {
				for _, wZero := range []int32{0, -5} {
					checkPackS8(t, r, set, n, c.k, c.segs, wZero, fmt.Sprintf("%s, %d columns of %d in %d segments, zero point %d", set.isa, n, c.k, c.segs, wZero))
				}
			}
		}
	}
}

// TestS8Inner tests the tiles of the inner kind with rows of every length, also of those that they are not chosen for.
func TestS8Inner(t *testing.T) {
	defer func(rows, k, wide int) { innerRows, innerK, wideRows = rows, k, wide }(innerRows, innerK, wideRows)
	innerRows, innerK = 0, 0
	kerneltest.EachTier(t, func(t *testing.T) {
		if cpu.Best() != cpu.AVX2 {
			t.Skip("skipped: this tier has int8 products of another kind")
		}
		r := rand.New(rand.NewPCG(13, 4))
		for k := 1; k < 70; k++ {
			for _, n := range []int{1, 8, 9, 16, 31, 33, 64, 97} {
				for _, m := range []int{1, 2, 3, 4, 5, 11} {
					wideRows = []int{1, 64}[r.IntN(2)]
					c := newCaseS8(t, r, m, n, k, []int32{0, 0, 0, 17, -128}[(k+n+m)%5], []int32{-128, 3}[(k+m)%2], m%2 == 0)
					if k%5 == 0 { // the largest products and sums of two
						for i := range c.x {
							c.x[i] = -128
						}
						for i := range c.w {
							c.w[i] = -128
						}
					}
					p := PackS8(c.w, n, k, c.bias, c.inZero, c.wZero, c.q)
					if _, ok := p.fast.(*s8Inner); !ok {
						t.Fatal("another kind was chosen")
					}
					S8(c.dst, c.ldd, c.x, c.ldx, m, p, kerneltest.Guarded[byte](t, p.Scratch(m), true))
					c.check(t)
				}
			}
		}
	})
}

// TestS8Flips tests tiles that take rows as they are and those that do not, whatever this machine's choice is.
func TestS8Flips(t *testing.T) {
	if !cpu.Has(cpu.AVX512VNNI) {
		t.Skip("skipped: needs AVX512-VNNI")
	}
	defer func(flip bool) { flipInTiles = flip }(flipInTiles)
	r := rand.New(rand.NewPCG(19, 4))
	for _, n := range []int{16, 17, 24, 31, 32, 33, 48, 49, 63, 64, 65} {
		for _, k := range []int{1, 4, 8, 12, 27, 64, 128} {
			for _, m := range []int{1, 2, 5, 6, 7, 8, 9, 11, 12, 13, 25, 300} {
				for _, flip := range []bool{false, true} {
					flipInTiles = flip
					c := newCaseS8(t, r, m, n, k, []int32{0, 0, 17}[(m+k)%3], []int32{-128, 3}[(n+m)%2], m%2 == 0)
					p := PackS8(c.w, n, k, c.bias, c.inZero, c.wZero, c.q)
					S8(c.dst, c.ldd, c.x, c.ldx, m, p, kerneltest.Guarded[byte](t, p.Scratch(m), true))
					c.check(t)
				}
			}
		}
	}
}

func checkPackS8(t *testing.T, r *rand.Rand, set *tileSet, n, k, segs int, wZero int32, what string) {
	t.Helper()
	flipped := set != &s8AVX2
	p := s8Packing{w: make([]int8, n*k), n: n, k: k, offsets: make([]int, segs), bias: make([]int32, n), mult: make([]int32, n), shift: make([]int32, n), wZero: wZero, zero: 3, lo: -128, hi: 127}
	for i := range p.w {
		p.w[i] = int8(r.Uint32())
	}
	for j := range n {
		p.bias[j], p.mult[j], p.shift[j] = r.Int32N(1<<12)-1<<11, 1<<30+r.Int32N(1<<30), -1-r.Int32N(8)
	}
	m, ok := p.pack(set, flipped)
	if !ok {
		t.Fatalf("%s: not packed", what)
	}
	length := k / segs
	groups := (length + set.depth - 1) / set.depth
	columns := 0
	for i := range m.panels {
		q := &m.panels[i]
		nr := set.width * q.vectors
		want := make([]int8, segs*groups*nr*set.depth)
		if q.first != columns || len(q.w) != len(want) || len(q.par) != 5*nr {
			t.Fatalf("%s: panel %d begins at %d, not %d, or has not %d weights", what, i, q.first, columns, len(want))
		}
		for c := range q.n {
			at, out := set.place(c, q.vectors)
			total, largest := int64(0), int64(0)
			for x, v := range p.w[(q.first+c)*k : (q.first+c+1)*k] {
				group := x/length*groups + x%length/set.depth
				want[group*nr*set.depth+at*set.depth+x%length%set.depth] = v
				total += int64(v)
				largest += max(int64(v)-int64(wZero), int64(wZero)-int64(v))
			}
			bias := int64(p.bias[q.first+c])
			if largest *= 128; flipped {
				bias, largest = bias-128*total, largest/128*255
			}
			terms, _ := requant.OneStep(bias, largest, p.mult[q.first+c], p.shift[q.first+c], p.zero, p.lo)
			if set.zipped && terms.Carry && terms.Limit >= 0 {
				terms.Add++
			}
			got := [5]int32{q.par[at], q.par[nr+at], q.par[2*nr+out], q.par[3*nr+out], q.par[4*nr+at]}
			if got != [5]int32{terms.Bias, terms.Mult, terms.Add, terms.Shift, terms.Limit} {
				t.Fatalf("%s: column %d has the terms %v, not %v", what, q.first+c, got, terms)
			}
		}
		for x, v := range want {
			if q.w[x] != v {
				t.Fatalf("%s: panel %d has %d at %d, not %d", what, i, q.w[x], x, v)
			}
		}
		columns += q.n
	}
	if columns != n {
		t.Fatalf("%s: %d columns are packed", what, columns)
	}
}

// TestLayoutAMD64 is TestLayout for the tiles that this machine may not have.
func TestLayoutAMD64(t *testing.T) {
	s := &layoutStore{t: t, made: map[string][]byte{}}
	n, k := layoutN, layoutK
	mult, shift := make([]int32, n), make([]int32, n)
	for i := range mult {
		mult[i], shift[i] = 1<<30, -8
	}
	for _, set := range []*tileSet{&s8AVX512, &s8AVXVNNI, &s8AVX2} {
		for _, segs := range []int{1, 3} {
			p := s8Packing{store: s, w: layoutWeights[int8](n * k), n: n, k: k, offsets: make([]int, segs), bias: make([]int32, n), mult: mult, shift: shift, lo: -128, hi: 127}
			if _, ok := p.pack(set, set != &s8AVX2); !ok {
				t.Fatal("not packed")
			}
		}
	}
	p := s8Packing{store: s, w: layoutWeights[int8](n * k), n: n, k: k, bias: make([]int32, n), mult: mult, shift: shift, lo: -128, hi: 127}
	for i := range p.w {
		p.w[i] >>= 4
	}
	for _, set := range []*tileSet{&s4AVX2, &s4AVX512} {
		if _, ok := p.pack(set, set != &s4AVX2); !ok {
			t.Fatal("not packed")
		}
	}
	for _, form := range []form{full, brain, half} {
		packF32Tiles(s, &f32SetsAVX512, &f32SetsAVX2, form, layoutWeights[float32](n*k), n, k, nil, -1, 1)
		packF32Tiles(s, &f32SetsAVX2, nil, form, layoutWeights[float32](n*k), n, k, nil, -1, 1)
	}
	s.check()
}
