package rnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	bfloat16 "github.com/d4l3k/go-bfloat16"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
)

// packedBound is how far states may be from those of the plain cells after the sequences of the test.
const packedBound = 4e-6

func randomMatrix(r *rand.Rand, rows, cols int, half bool) Matrix {
	m := Matrix{F32: make([]float32, rows*cols)}
	for i := range m.F32 {
		m.F32[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(cols)))
	}
	if !half {
		return m
	}
	h := Matrix{BF16: make([]bfloat16.BF16, rows*cols)}
	for i, v := range m.F32 {
		h.BF16[i] = bfloat16.BF16(math.Float32bits(v) >> 16)
	}
	return h
}

// TestPacked compares packed layers with their plain cells: in one band, and in as many as there can be, which several threads share.
func TestPacked(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	kerneltest.EachTier(t, func(t *testing.T) {
		defer par.SetLeast(par.SetLeast(math.MaxInt64))
		defer par.Set(1)
		r := rand.New(rand.NewPCG(1, 2))
		for _, least := range []int64{math.MaxInt64, 0} {
			par.SetLeast(least)
			for _, n := range []int{1, 3, 7, 8, 9, 15, 16, 17, 20, 33, 64, 100} {
				if least == 0 && n <= bandUnit {
					continue
				}
				for _, input := range []int{1, 3, 16, 29} {
					for _, steps := range []int{1, 5, 25, 50} {
						for kind := range 6 {
							comparePacked(t, r, kind, n, input, steps)
						}
					}
				}
			}
		}
	})
}

func comparePacked(t *testing.T, r *rand.Rand, kind, n, input, steps int) {
	t.Helper()
	half, backwards := kind >= 3, r.IntN(2) == 0
	var step func(h, c, x []float32)
	var p *Packed
	gates := 4
	if kind%3 > 0 {
		gates = 3
	}
	w, m := randomMatrix(r, gates*n, input, half), randomMatrix(r, gates*n, n, half)
	wb, rb := randomMatrix(r, gates*n, 1, false).F32, randomMatrix(r, gates*n, 1, false).F32
	scratch := make([]float32, 8*n)
	switch {
	case kind == 0 && r.IntN(2) == 0:
		c := &Cell{Input: input, Cells: n, Output: n, Act: Tanh, Out: TanhRational, CellClip: []float32{0, 0.4}[r.IntN(2)]}
		for i := range c.Gates {
			c.Gates[i] = Gate{W: Weights{F32: w.rowsOf(i, n, input).F32}, R: Weights{F32: m.rowsOf(i, n, n).F32}, Bias: wb[i*n : (i+1)*n]}
		}
		p = c.Pack()
		step = func(h, s, x []float32) { c.Step(h, s, x, nil, scratch, nil) }
	case gates == 4:
		l := &LSTM{Input: input, Hidden: n, W: w, R: m, Wb: wb, Rb: rb, G: Tanh, H: Tanh}
		p, step = l.Pack(), func(h, c, x []float32) { l.Step(h, c, x, scratch) }
	default:
		g := &GRU{Input: input, Hidden: n, W: w, R: m, Wb: wb, Rb: rb, G: Tanh, LinearBeforeReset: kind%3 == 1}
		p, step = g.Pack(), func(h, _, x []float32) { g.Step(h, x, scratch) }
	}
	if p == nil {
		return
	}
	if shared := len(p.bands) > 1; shared != (n > bandUnit && par.Worth(0)) {
		t.Fatalf("%d units: shared: %v", n, shared)
	}
	xs, ys := input+2, n+1
	x, y := kerneltest.Guarded[float32](t, (steps-1)*xs+input, true), kerneltest.Guarded[float32](t, (steps-1)*ys+n, true)
	for i := range x {
		x[i] = r.Float32()*4 - 2
	}
	var h, c, gotH, gotC []float32
	for range n {
		h, c = append(h, r.Float32()-0.5), append(c, r.Float32()-0.5)
	}
	gotH, gotC = append(gotH, h...), append(gotC, c...)
	scratches := kerneltest.Guarded[float32](t, p.Scratch(steps), true)
	p.Walk().Run(y, ys, gotH, gotC, x, xs, steps, backwards, scratches)
	for threads := 2; threads <= len(p.bands); threads++ {
		par.Set(threads)
		again, h, c := make([]float32, len(y)), slices.Clone(h), slices.Clone(c)
		p.Walk().Run(again, ys, h, c, x, xs, steps, backwards, scratches)
		if !slices.Equal(again, y) || !slices.Equal(h, gotH) || !slices.Equal(c, gotC) {
			t.Fatalf("kind %d, %d units, %d inputs, %d steps: %d threads give other bits", kind, n, input, steps, threads)
		}
	}
	par.Set(1)
	for i := range steps {
		if backwards {
			i = steps - 1 - i
		}
		step(h, c, x[i*xs:i*xs+input])
		for j, want := range h {
			if d := math.Abs(float64(y[i*ys+j] - want)); !(d <= packedBound) {
				t.Fatalf("kind %d, %d units, %d inputs, step %d, unit %d: got %v, want %v", kind, n, input, i, j, y[i*ys+j], want)
			}
		}
	}
	for j := range h {
		if gotH[j] != y[map[bool]int{true: 0, false: steps - 1}[backwards]*ys+j] || gates == 4 && !(math.Abs(float64(gotC[j]-c[j])) <= packedBound) {
			t.Fatalf("kind %d, %d units: state %d: got %v and %v, want %v and %v", kind, n, j, gotH[j], gotC[j], h[j], c[j])
		}
	}
}

func BenchmarkPacked(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	run := func(name string, p *Packed, input, n, steps int) {
		if p == nil {
			return
		}
		b.Run(fmt.Sprintf("%s/%dx%d", name, n, steps), func(b *testing.B) {
			x, y, h, c, scratch := make([]float32, steps*input), make([]float32, steps*n), make([]float32, n), make([]float32, n), make([]float32, p.Scratch(steps))
			fastest := time.Hour
			for b.Loop() {
				t := time.Now()
				p.Walk().Run(y, n, h, c, x, input, steps, false, scratch)
				fastest = min(fastest, time.Since(t))
			}
			b.ReportMetric(float64(fastest.Nanoseconds())/1e3, "µs-best")
		})
	}
	for _, half := range []bool{false, true} {
		g := &GRU{Input: 8, Hidden: 64, W: randomMatrix(r, 192, 8, half), R: randomMatrix(r, 192, 64, half), G: Tanh, LinearBeforeReset: true}
		run(fmt.Sprintf("gru-bf16=%t", half), g.Pack(), 8, 64, 96)
		g.LinearBeforeReset = false
		run(fmt.Sprintf("gru-reset-bf16=%t", half), g.Pack(), 8, 64, 96)
		l := &LSTM{Input: 16, Hidden: 128, W: randomMatrix(r, 512, 16, half), R: randomMatrix(r, 512, 128, half), G: Tanh, H: Tanh}
		run(fmt.Sprintf("lstm-bf16=%t", half), l.Pack(), 16, 128, 64)
	}
}
