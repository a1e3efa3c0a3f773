package vec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestReduceAllAxes compares every choice of axes of some shapes with an index calculation.
func TestReduceAllAxes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{}, {1}, {5}, {2, 3}, {3, 1, 2}, {2, 3, 4, 1}, {1, 2, 1, 3, 2}, {2, 1, 2, 2, 1, 2, 3, 2}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		src := make([]int16, n)
		for i := range src {
			src[i] = int16(rng.IntN(7) - 3)
		}
		for mask := range 1 << len(shape) {
			axes := []int{}
			for a := range shape {
				if mask>>a&1 == 1 {
					axes = append(axes, a)
				}
			}
			r := NewReduction(shape, axes)
			if r.Ins != n || r.Outs*r.N != n {
				t.Fatalf("%v over %v: %+v", shape, axes, r)
			}
			want := [4][]int64{make([]int64, r.Outs), slices.Repeat([]int64{1}, r.Outs), slices.Repeat([]int64{math.MinInt16}, r.Outs), slices.Repeat([]int64{math.MaxInt16}, r.Outs)}
			for i, v := range src {
				o, rest, step := 0, i, 1
				for a := len(shape) - 1; a >= 0; a-- {
					if !slices.Contains(axes, a) {
						o += rest % shape[a] * step
						step *= shape[a]
					}
					rest /= shape[a]
				}
				x := int64(v)
				want[ReduceSum][o] += x
				want[ReduceProd][o] *= x
				want[ReduceMax][o] = max(want[ReduceMax][o], x)
				want[ReduceMin][o] = min(want[ReduceMin][o], x)
			}
			for op, start := range []int64{0, 1, math.MinInt16, math.MaxInt16} {
				got := slices.Repeat([]int64{start}, r.Outs)
				if Reduce(got, src, r, ReduceOp(op)); !slices.Equal(got, want[op]) {
					t.Fatalf("%v over %v, operation %d: got %v, want %v", shape, axes, op, got, want[op])
				}
			}
			got := make([]int32, r.Outs) // 1 as the multiplier: the plain product, as long as it is small
			ReduceProdQ(got, src, r, 0, 1<<30, 1)
			for o, x := range want[ReduceProd] {
				if x > -1<<20 && x < 1<<20 && math.Abs(float64(int64(got[o])-x)) > float64(r.N)*math.Abs(float64(x))/1000 {
					t.Fatalf("%v over %v: scaled product %v, want about %v", shape, axes, got, want[ReduceProd])
				}
			}
		}
	}
}

func TestReduceNaN(t *testing.T) {
	nan := float32(math.NaN())
	r := NewReduction([]int{2, 2}, []int{1})
	got := []float32{-math.MaxFloat32, -math.MaxFloat32}
	if Reduce(got, []float32{nan, 1, 2, nan}, r, ReduceMax); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestTopK(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		row := make([]int8, 1+rng.IntN(30))
		for i := range row {
			row[i] = int8(rng.IntN(6))
		}
		order := make([]int32, len(row))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return int(row[b]) - int(row[a]) })
		k := rng.IntN(len(row) + 1)
		values, places := make([]int8, k), make([]int32, k)
		TopK(values, places, row)
		if !slices.Equal(places, order[:k]) {
			t.Fatalf("%d of %v: got %v, want %v", k, row, places, order[:k])
		}
		for i, p := range places {
			if values[i] != row[p] {
				t.Fatalf("value %d is %d, want %d", i, values[i], row[p])
			}
		}
	}
	nan := float32(math.NaN())
	TopK(make([]float32, 4), make([]int32, 4), []float32{nan, 1, nan, 2, nan}) // any order, no panic
}

func TestSegments(t *testing.T) {
	dst := make([]int32, 6)
	if !Segments(dst, []int32{1, 2, 3, 4, 5, 6}, []int32{2, -1, 2}, 3, ReduceSum) || !slices.Equal(dst, []int32{0, 0, 0, 0, 6, 8}) {
		t.Errorf("got %v", dst)
	}
	if Segments(dst, []int32{1, 2}, []int32{3}, 3, ReduceSum) {
		t.Error("a segment that does not exist is accepted")
	}
}

func TestRunningSums(t *testing.T) {
	src := []int32{1, 2, 3, 4, 5, 6}
	dst := make([]int32, 6)
	for _, c := range []struct {
		exclusive, reverse bool
		want               []int32
	}{
		{false, false, []int32{1, 2, 4, 6, 9, 12}}, {true, false, []int32{0, 0, 1, 2, 4, 6}},
		{false, true, []int32{9, 12, 8, 10, 5, 6}}, {true, true, []int32{8, 10, 5, 6, 0, 0}},
	} {
		r := &Running{Outer: 1, Depth: 3, Inner: 2, Exclusive: c.exclusive, Reverse: c.reverse}
		if CumSum(dst, src, r); !slices.Equal(dst, c.want) {
			t.Errorf("%+v: got %v, want %v", c, dst, c.want)
		}
		same := slices.Clone(src)
		if CumSum(same, same, r); !slices.Equal(same, c.want) {
			t.Errorf("%+v in place: got %v, want %v", c, same, c.want)
		}
	}
}
