package move

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPlaceUndoesCopy moves data through random walks that touch every element once: forward and back gives the same.
func TestPlaceUndoesCopy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		dims := make([]int, r.IntN(6))
		n := 1
		for i := range dims {
			dims[i] = 1 + r.IntN(4)
			n *= dims[i]
		}
		perm := r.Perm(len(dims))
		stride, base, step := make([]int, len(dims)), 0, 1
		for _, a := range perm { // the strided side has its axes in another order, some of them backwards
			if stride[a] = step; r.IntN(2) == 0 {
				stride[a] = -step
				base += step * (dims[a] - 1)
			}
			step *= dims[a]
		}
		src := make([]int32, n)
		for i := range src {
			src[i] = int32(i + 1)
		}
		w := NewWalk(dims, stride, base)
		out, back := make([]int32, n), make([]int32, n)
		Copy(out, src, &w)
		Place(back, out, &w)
		if !slices.Equal(src, back) {
			t.Fatalf("%v by %v: %v became %v", dims, stride, src, back)
		}
		if w.Straight() && base == 0 && !slices.Equal(src, out) {
			t.Fatalf("%v by %v is not straight", dims, stride)
		}
	}
}

func TestMirror(t *testing.T) {
	for _, c := range []struct {
		b    Border
		want []int
	}{
		{Border{[]int{3}, []int{2}, []int{2}, 1}, []int{3, 2, 1, 2, 3, 2, 1}},
		{Border{[]int{3}, []int{3}, []int{1}, 0}, []int{3, 2, 1, 1, 2, 3, 3}},
		{Border{[]int{2, 2}, []int{1, 0}, []int{0, 1}, 1}, []int{3, 4, 3, 1, 2, 1, 3, 4, 3}},
		{Border{[]int{1, 2}, []int{1, 2}, []int{1, 0}, 0}, []int{2, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2}},
		{Border{[]int{0}, []int{0}, []int{0}, 0}, []int{}},
	} {
		n := 1
		for _, d := range c.b.Dims {
			n *= d
		}
		src := make([]int, n)
		for i := range src {
			src[i] = i + 1
		}
		dst := make([]int, len(c.want))
		if Mirror(dst, src, &c.b); !slices.Equal(dst, c.want) {
			t.Errorf("%+v: %v, want %v", c.b, dst, c.want)
		}
	}
}

func TestGather(t *testing.T) {
	src := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, c := range []struct {
		r    Rows
		idx  []int16
		wrap bool
		want []byte
		bad  int
	}{
		{Rows{1, 1, 6, 2, 3}, []int16{5, 0, 2}, false, []byte{11, 12, 1, 2, 5, 6}, -1},
		{Rows{1, 2, 3, 2, 1}, []int16{1}, false, []byte{3, 4, 9, 10}, -1},
		{Rows{2, 1, 3, 2, 1}, []int16{2, 0}, false, []byte{5, 6, 7, 8}, -1},
		{Rows{1, 1, 6, 2, 2}, []int16{-1, -6}, true, []byte{11, 12, 1, 2}, -1},
		{Rows{1, 1, 6, 2, 2}, []int16{0, -1}, false, []byte{1, 2, 0, 0}, 1},
		{Rows{1, 1, 6, 2, 2}, []int16{6, 0}, true, []byte{0, 0, 0, 0}, 0},
		{Rows{1, 1, 6, 2, 2}, []int16{0, -7}, true, []byte{1, 2, 0, 0}, 1},
	} {
		dst := make([]byte, len(c.want))
		if bad := Gather(dst, src, c.idx, &c.r, c.wrap); bad != c.bad || !slices.Equal(dst, c.want) {
			t.Errorf("%+v by %v: %v, bad %d", c.r, c.idx, dst, bad)
		}
	}
}

func TestPoints(t *testing.T) {
	p := &Points{Dims: []int{2, 3}, Stride: []int{6, 2}, Block: 2, N: 3}
	src := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	dst := make([]byte, 6)
	if bad := GatherPoints(dst, src, []int64{1, 2, 0, 0, 1, 0}, p); bad != -1 || !slices.Equal(dst, []byte{10, 11, 0, 1, 6, 7}) {
		t.Errorf("%v, bad %d", dst, bad)
	}
	if bad := GatherPoints(dst, src, []int64{1, 2, 0, 3, 1, 0}, p); bad != 1 { // in range of all the data, but of another row
		t.Errorf("bad %d", bad)
	}
	sum := make([]int8, 12)
	if bad := ScatterPoints(sum, []int8{100, 1, 100, 2, 3, 4}, []int32{0, 1, 0, 1, 1, 0}, p); bad != -1 || !slices.Equal(sum, []int8{0, 0, -56, 3, 0, 0, 3, 4, 0, 0, 0, 0}) {
		t.Errorf("%v, bad %d", sum, bad)
	}
	put := slices.Repeat([]byte{7}, 12)
	if bad := PutPoints(put, []byte{1, 2}, []int32{0, 1, 1, 2, 0, 1}, p, 0); bad != -1 || !slices.Equal(put, []byte{7, 7, 1, 2, 7, 7, 7, 7, 7, 7, 1, 2}) {
		t.Errorf("%v, bad %d", put, bad)
	}
	or := make([]byte, 12)
	if bad := OrPoints(or, []byte{1, 0, 1, 0, 0, 1}, []int32{0, 1, 0, 1, 0, 1}, p); bad != -1 || or[2] != 1 || or[3] != 1 || or[4] != 0 {
		t.Errorf("%v, bad %d", or, bad)
	}
}

func TestOneHot(t *testing.T) {
	dst := make([]int, 6)
	if OneHot(dst, []int64{1, 1 << 32}, 1, 3, 2, 9, 4); !slices.Equal(dst, []int{4, 9, 9, 4, 4, 4}) {
		t.Errorf("%v", dst)
	}
}

func TestReverseSequences(t *testing.T) {
	src := []byte{1, 2, 3, 4, 5, 6}
	dst := make([]byte, 6)
	s := &Sequences{Outer: 1, Batch: 2, Middle: 1, Steps: 3, Block: 1}
	if bad := ReverseSequences(dst, src, []int32{2, 3}, s); bad != -1 || !slices.Equal(dst, []byte{2, 1, 3, 6, 5, 4}) {
		t.Errorf("%v, bad %d", dst, bad)
	}
	s.BatchLast, s.Batch, s.Steps = true, 3, 2
	if bad := ReverseSequences(dst, src, []int32{2, 0, 1}, s); bad != -1 || !slices.Equal(dst, []byte{4, 2, 3, 1, 5, 6}) {
		t.Errorf("%v, bad %d", dst, bad)
	}
	if bad := ReverseSequences(dst, src, []int32{2, 3, 1}, s); bad != 1 {
		t.Errorf("bad %d", bad)
	}
}
