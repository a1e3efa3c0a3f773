package vec

import (
	"math"
	"slices"
	"testing"
)

func TestPackS4(t *testing.T) {
	for _, c := range []struct{ in, out []int8 }{
		{nil, nil}, {[]int8{-8}, []int8{-8}}, {[]int8{7, -1, 3}, []int8{7, -1, 3}}, {[]int8{127, -128, 8, -9}, []int8{7, -8, 7, -8}},
	} {
		packed := slices.Repeat([]byte{0xa5}, (len(c.in)+1)/2) // what was there before does not matter
		PackS4(packed, c.in)
		got := make([]int8, len(c.in))
		UnpackS4(got, packed)
		if !slices.Equal(got, c.out) {
			t.Errorf("%v becomes %v, want %v", c.in, got, c.out)
		}
	}
}

func truncated[D int8 | uint8 | int16 | int32 | uint32 | int64 | uint64](t *testing.T, nan D, src []float32, want ...D) {
	t.Helper()
	got := make([]D, len(src))
	Truncate(got, src, nan)
	if !slices.Equal(got, want) {
		t.Errorf("%T: got %v, want %v", got, got, want)
	}
}

func TestTruncate(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	src := []float32{1.9, -1.9, 126.5, 128, -128.9, -129, 3e9, -3e9, 2e19, inf, -inf, nan, float32(math.Copysign(0, -1))}
	truncated(t, int8(7), src, 1, -1, 126, 127, -128, -128, 127, -128, 127, 127, -128, 7, 0)
	truncated(t, uint8(9), src, 1, 0, 126, 128, 0, 0, 255, 0, 255, 255, 0, 9, 0)
	truncated(t, int16(0), src, 1, -1, 126, 128, -128, -129, 32767, -32768, 32767, 32767, -32768, 0, 0)
	truncated(t, int32(0), src, 1, -1, 126, 128, -128, -129, math.MaxInt32, math.MinInt32, math.MaxInt32, math.MaxInt32, math.MinInt32, 0, 0)
	truncated(t, uint32(0), src, 1, 0, 126, 128, 0, 0, 3e9, 0, math.MaxUint32, math.MaxUint32, 0, 0, 0)
	truncated(t, int64(0), src, 1, -1, 126, 128, -128, -129, 3e9, -3e9, math.MaxInt64, math.MaxInt64, math.MinInt64, 0, 0)
	truncated(t, uint64(0), src, 1, 0, 126, 128, 0, 0, 3e9, 0, math.MaxUint64, math.MaxUint64, 0, 0, 0)
}

// TestS16Table walks a table whose entries are the inputs themselves: interpolation must give every input back.
func TestS16Table(t *testing.T) {
	var table S16Table
	for i := range table {
		table[i] = int16(min(i*128-32768, math.MaxInt16))
	}
	for x := math.MinInt16; x < math.MaxInt16-128; x++ {
		if got := table.At(int16(x)); got != int16(x) {
			t.Fatalf("at %d: %d", x, got)
		}
	}
}

func TestChannels(t *testing.T) {
	c := &Channels{Scale: []float32{1, 0.5}, Zero: []int32{0, 10}, Inner: 2}
	src := []float32{1, 2, 1, 2, -3, 4, -3, 4}
	q := make([]int8, 8)
	QuantizeChannels(q, src, c)
	if want := []int8{1, 2, 12, 14, -3, 4, 4, 18}; !slices.Equal(q, want) {
		t.Errorf("got %v, want %v", q, want)
	}
	back := make([]float32, 8)
	DequantizeChannels(back, q, c)
	if !slices.Equal(back, src) {
		t.Errorf("got %v, want %v", back, src)
	}
	DequantizeChannels[int8](nil, nil, &Channels{Scale: []float32{1}, Zero: []int32{0}}) // nothing to walk, no step
}

// TestWideRows holds rows whose sum of exponentials leaves the fixed-point range of the reference: every share is below half a step.
func TestWideRows(t *testing.T) {
	src, dst := make([]int8, 5000), make([]int8, 5000)
	SoftmaxS8(dst, src, len(src), NewSoftmaxS8Table(1, 0.1), make([]int32, SoftmaxS8Scratch(len(src))))
	if slices.Max(dst) != -128 {
		t.Errorf("got %d", slices.Max(dst))
	}
	p, ok := NewLogSoftmaxS8(0.1)
	if !ok {
		t.Fatal("refused")
	}
	p.Run(dst, src, len(src))
	if want := int8(127 - 133); slices.Min(dst) != want || slices.Max(dst) != want { // −ln(4096) × 16: the sum stays at its largest
		t.Errorf("log: got %d to %d, want %d", slices.Min(dst), slices.Max(dst), want)
	}
	wide, out := make([]int16, 70000), make([]int16, 70000)
	SoftmaxS16(out, wide, len(wide), 1<<30, 1, &SoftmaxS16Tables{Exp: &S16Table{512: math.MaxInt16}, Reciprocal: &S16Table{}})
}

func TestNormalizations(t *testing.T) {
	dst := make([]int8, 4)
	L2NormS8(dst, []int8{13, 14, 10, 10}, 4, 10, false)
	if want := []int8{77, 102, 0, 0}; !slices.Equal(dst, want) { // 3/5 and 4/5 of 128
		t.Errorf("L2 %v, want %v", dst, want)
	}
	out := make([]float32, 3)
	LocalResponseNorm(out, []float32{1, 2, 3}, 3, 1, 1, 1, 1) // one before, none after
	if want := []float32{0.5, 2.0 / 6, 3.0 / 14}; math.Abs(float64(out[0]-want[0])+float64(out[1]-want[1])+float64(out[2]-want[2])) > 1e-6 {
		t.Errorf("local response %v, want %v", out, want)
	}
	FakeQuantF32(out, []float32{-9, 0.3, float32(math.NaN())}, 0.25, -1, 1)
	if want := []float32{-1, 0.25, -1}; !slices.Equal(out, want) {
		t.Errorf("fake quantization %v, want %v", out, want)
	}
}
