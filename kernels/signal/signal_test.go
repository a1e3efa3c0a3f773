package signal

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// published reads one file of ../shared/conformance/tflm-signal: the fields of its lines.
func published(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "conformance", "tflm-signal", "cases.tar.gz"))
	if err != nil {
		t.Skip("skipped: ../shared/conformance/tflm-signal is absent")
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("no file %s", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != name {
			continue
		}
		var lines [][]string
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			lines = append(lines, strings.Fields(s.Text()))
		}
		if s.Err() != nil || len(lines) == 0 {
			t.Fatalf("%d lines, %v", len(lines), s.Err())
		}
		return lines
	}
}

func parse[T int16 | int32 | uint32 | uint64](t *testing.T, fields []string) []T {
	t.Helper()
	out := make([]T, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseInt(f, 10, 64)
		if err != nil || int64(T(v)) != v {
			t.Fatalf("%q does not fit: %v", f, err)
		}
		out[i] = T(v)
	}
	return out
}

// hann returns weights as the front end's tools make them: a Hann window, half a step shifted, with shift bits behind the point.
func hann(n, shift int) []int16 {
	w := make([]int16, n)
	for i := range w {
		c := float32(0.5) - float32(0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n)))
		w[i] = int16(math.Floor(float64(c)*float64(int(1)<<shift) + 0.5))
	}
	return w
}

func TestPublishedWindow(t *testing.T) {
	lines := published(t, "window_test1.txt")
	for i := 1; i+1 < len(lines); i += 2 {
		in, want := parse[int16](t, lines[i]), parse[int16](t, lines[i+1])
		got := make([]int16, len(in))
		Window(got, in, hann(len(in), 12), 12)
		if !slices.Equal(got, want) {
			t.Fatalf("line %d: got %v, want %v", i, got[:8], want[:8])
		}
	}
}

func TestPublishedFFT(t *testing.T) {
	lines := published(t, "rfft_test1.txt")
	f := NewFFT[int16](512, false)
	for i := 1; i+1 < len(lines); i += 2 {
		in, want := parse[int16](t, lines[i]), parse[int16](t, lines[i+1])
		got := make([]int16, 514)
		f.Forward(got, in)
		if !slices.Equal(got, want) {
			t.Fatalf("line %d: got %v, want %v", i, got[:8], want[:8])
		}
	}
}

func TestPublishedSquareRoot(t *testing.T) {
	lines := published(t, "filter_bank_square_root_test1.txt")
	n := 0
	for i := 0; i+2 < len(lines); i += 3 {
		in, shift, want := parse[uint64](t, lines[i]), parse[int32](t, lines[i+1]), parse[uint32](t, lines[i+2])
		got := make([]uint32, len(in))
		SquareRoot(got, in, shift[0])
		if !slices.Equal(got, want) {
			t.Fatalf("line %d: got %v, want %v", i, got, want)
		}
		n++
	}
	if n < 100 {
		t.Fatalf("only %d cases", n)
	}
}

func TestPublishedFramer(t *testing.T) {
	lines := published(t, "framer_test1.txt")
	p := parse[int32](t, lines[0])
	size, step := int(p[0]), int(p[1])
	if p[2] != 0 {
		t.Fatal("the case starts with zeros in the buffer")
	}
	q := Queue{Buf: make([]int16, (size+step-1)/step*step)}
	n := 0
	for i := 1; i+2 < len(lines); i += 3 {
		in, want, valid := parse[int16](t, lines[i]), parse[int16](t, lines[i+1]), lines[i+2][0] == "1"
		got := make([]int16, size)
		q.Push(in)
		if q.Take(got, step) != valid || !slices.Equal(got, want) {
			t.Fatalf("line %d: got %v, want %v (valid: %v)", i, got[:8], want[:8], valid)
		}
		n++
	}
	if n < 100 {
		t.Fatalf("only %d frames", n)
	}
}

// melBank computes the weights of triangles that are evenly spaced on the mel scale, as the front end's tools do, with 12 bits behind the point.
func melBank(bins int, rate, low, high float64, channels int) (b FilterBank, first, end int) {
	mel := func(hz float64) float32 { return 1127 * float32(math.Log1p(float64(float32(hz)/700))) }
	melLow := mel(low)
	spacing := (mel(high) - melLow) / float32(channels+1)
	hz := rate / 2 / float64(bins-1)
	at := int(math.RoundToEven(1 + low/hz))
	first = at
	before := melLow
	for c := range channels + 1 {
		center := melLow + float32(spacing*float32(c+1))
		b.Freq, b.Start = append(b.Freq, int16(at)), append(b.Start, int16(len(b.Weights)))
		for ; mel(float64(at)*hz) <= center; at++ {
			w := (center - mel(float64(at)*hz)) / (center - before)
			b.Weights, b.Unweights = append(b.Weights, int16(w*4096)), append(b.Unweights, int16((1-w)*4096))
		}
		b.Width = append(b.Width, int16(at)-b.Freq[c])
		before = center
	}
	return b, first, at
}

// TestPublishedFilterBank feeds 0, 1, 2 ...
func TestPublishedFilterBank(t *testing.T) {
	for _, name := range []string{"filter_bank_accumulation_8k.txt", "filter_bank_accumulation_16k.txt"} {
		lines := published(t, name)
		var p [7]float64
		for i := range p {
			p[i], _ = strconv.ParseFloat(lines[0][i], 64)
		}
		bins, channels := int(p[0]), int(p[4])
		b, first, end := melBank(bins, p[1], p[2], p[3], channels)
		if float64(first) != p[5] || float64(end) != p[6] || !b.Valid(channels, bins) {
			t.Fatalf("%s: bins %d to %d, want %v to %v", name, first, end, p[5], p[6])
		}
		in := make([]uint32, bins)
		for i := range in {
			in[i] = uint32(i)
		}
		got := make([]uint64, channels)
		b.Accumulate(got, in)
		for c, f := range lines[1:] {
			if want := parse[uint64](t, f)[0]; got[c] != want {
				t.Errorf("%s: channel %d: got %d, want %d", name, c, got[c], want)
			}
		}
	}
}

// bigSin sums the series with 400 bits; phase 1 gives the cosine.
func bigSin(x float64, phase int64) float64 {
	num := func() *big.Float { return new(big.Float).SetPrec(400) }
	sq := num().SetFloat64(x)
	term := num().SetInt64(1)
	if phase == 0 {
		term.Set(sq)
	}
	sq.Mul(sq, sq).Neg(sq)
	sum := num().Set(term)
	for i := 2 - phase; i < 120; i += 2 {
		term.Mul(term, sq).Quo(term, num().SetInt64(i*(i+1)))
		sum.Add(sum, term)
	}
	f, _ := sum.Float64()
	return f
}

func TestSinCosRoundsCorrectly(t *testing.T) {
	xs := []float64{0, math.Pi, -math.Pi, math.Pi / 2, -2 * math.Pi, 3 * math.Pi / 2, math.Pi / 3, 2 * math.Pi / 3, 1e-9, 0.1}
	for i := range 480 {
		xs = append(xs, float64(-2*math.Pi*float64(i))/480)
	}
	for _, x := range xs {
		sin, cos := sincos(x)
		if ws, wc := bigSin(x, 0), bigSin(x, 1); sin != ws || cos != wc {
			t.Errorf("%v: got %v and %v, want %v and %v", x, sin, cos, ws, wc)
		}
	}
	if sin, _ := sincos(math.Copysign(0, -1)); !math.Signbit(sin) {
		t.Error("the sine of -0 is +0")
	}
}

// TestFFTFindsTone compares with the plain sum for lengths of every kind of radix, forwards and back.
func TestFFTFindsTone(t *testing.T) {
	for _, n := range []int{4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 50, 64, 90, 120, 480, 512} {
		in := make([]float32, n)
		for i := range in {
			in[i] = float32(i*i%17) - 8
		}
		out, back := make([]float32, n+2), make([]float32, n)
		NewFFT[float32](n, false).Forward(out, in)
		for k := range n/2 + 1 {
			re, im := 0.0, 0.0
			for i, v := range in {
				a := -2 * math.Pi * float64(i*k%n) / float64(n)
				re, im = re+float64(v)*math.Cos(a), im+float64(v)*math.Sin(a)
			}
			if math.Abs(re-float64(out[2*k])) > 1e-3 || math.Abs(im-float64(out[2*k+1])) > 1e-3 {
				t.Fatalf("length %d, bin %d: got %v%+vi, want %v%+vi", n, k, out[2*k], out[2*k+1], re, im)
			}
		}
		NewFFT[float32](n, true).Inverse(back, out)
		for i, v := range back {
			if math.Abs(float64(v)/float64(n)-float64(in[i])) > 1e-3 {
				t.Fatalf("length %d: sample %d comes back as %v instead of %v", n, i, v/float32(n), in[i])
			}
		}
	}
}

func TestValidFFT(t *testing.T) {
	for _, c := range []struct {
		length int
		want   bool
	}{{0, false}, {-2, false}, {1, false}, {2, false}, {3, false}, {4, true}, {15, false}, {512, true}, {MaxFFT, true}, {2 * MaxFFT, false}, {14, false}, {8 * 11, false}, {30 * 60, true}} {
		if got := ValidFFT(c.length); got != c.want {
			t.Errorf("%d: got %v", c.length, got)
		}
	}
}

func TestFFTSharesTables(t *testing.T) {
	a, b, c := NewFFT[int16](64, false), NewFFT[int16](64, false), NewFFT[int16](64, true)
	if a != b || a == c {
		t.Error("two transforms of one kind differ, or two kinds are one")
	}
	if i, v := a.Numbers(); i != 32 || v != 96 {
		t.Errorf("%d indices and %d values", i, v)
	}
}

func TestAutoScale(t *testing.T) {
	for _, c := range []struct {
		in, want []int16
		bits     int32
	}{
		{[]int16{0, 0}, []int16{0, 0}, 0},
		{[]int16{1, -1}, []int16{16384, -16384}, 14},
		{[]int16{-3, 100}, []int16{-768, 25600}, 8},
		{[]int16{32767, 1}, []int16{32767, 1}, 0},
		{[]int16{-32768}, []int16{-32768}, 0},
		{[]int16{-32768, 5, 1}, []int16{0, 20480, 4096}, 12}, // the largest magnitude is lost and wraps
		{[]int16{-32768, -5}, []int16{-32768, -5}, 0},
	} {
		got := make([]int16, len(c.in))
		if bits := AutoScale(got, c.in); bits != c.bits || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v and %d bits, want %v and %d", c.in, got, bits, c.want, c.bits)
		}
	}
}

func TestSquareRootEdges(t *testing.T) {
	for _, c := range []struct {
		in   uint64
		want uint32
	}{{0, 0}, {1, 1}, {2, 1}, {3, 2}, {6, 2}, {7, 3}, {1<<32 - 1, 65535}, {1 << 32, 65536}, {1<<64 - 1, 1<<32 - 1}, {1 << 62, 1 << 31}, {1<<62 + 1<<31, 1 << 31}, {1<<62 + 1<<31 + 1, 1<<31 + 1}} {
		var got [1]uint32
		SquareRoot(got[:], []uint64{c.in}, 0)
		if got[0] != c.want {
			t.Errorf("%d: got %d, want %d", c.in, got[0], c.want)
		}
	}
	var got [1]uint32
	if SquareRoot(got[:], []uint64{1 << 40}, -31); got[0] != 1<<19 {
		t.Errorf("a shift of -31 counts as 1: got %d", got[0])
	}
}

func TestDelayLongAndShort(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 7} {
		state := make([]int16, n)
		var got []int16
		for i := range 6 {
			out := make([]int16, 3)
			Delay(out, []int16{int16(3*i + 1), int16(3*i + 2), int16(3*i + 3)}, state)
			got = append(got, out...)
		}
		for i, v := range got {
			if want := int16(max(0, i+1-n)); v != want {
				t.Fatalf("delay %d: sample %d is %d, want %d", n, i, v, want)
			}
		}
	}
}
