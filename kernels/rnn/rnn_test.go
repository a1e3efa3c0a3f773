package rnn

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	return v
}

// narrow rounds to values that bfloat16 holds exactly, and returns both storages.
func narrow(v []float32) ([]float32, []bfloat16.BF16) {
	f, b := make([]float32, len(v)), make([]bfloat16.BF16, len(v))
	for i, x := range v {
		b[i] = bfloat16.BF16(math.Float32bits(x) >> 16)
		f[i] = math.Float32frombits(uint32(b[i]) << 16)
	}
	return f, b
}

func at(m []float32, rows, row int, x []float64) float64 {
	s := 0.0
	for j, v := range x {
		s += float64(m[row*len(x)+j]) * v
	}
	return s
}

func sig(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func f64(v []float32) []float64 {
	r := make([]float64, len(v))
	for i, x := range v {
		r[i] = float64(x)
	}
	return r
}

// TestGRU compares float32 and bfloat16 steps with the formulas of ONNX operator GRU in float64.
func TestGRU(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 5}, {4, 4}, {7, 13}, {40, 64}} {
		for _, lbr := range []bool{false, true} {
			for _, bias := range []bool{false, true} {
				t.Run(fmt.Sprintf("in=%d/hidden=%d/lbr=%v/bias=%v", size[0], size[1], lbr, bias), func(t *testing.T) {
					in, n := size[0], size[1]
					r := rand.New(rand.NewSource(int64(in*100 + n)))
					w, wb16 := narrow(random(r, 3*n*in))
					u, ub16 := narrow(random(r, 3*n*n))
					g := GRU{Input: in, Hidden: n, W: Matrix{F32: w}, R: Matrix{F32: u}, LinearBeforeReset: lbr, F: Sigmoid, G: Tanh}
					wb, rb := make([]float32, 3*n), make([]float32, 3*n)
					if bias {
						wb, rb = random(r, 3*n), random(r, 3*n)
						g.Wb, g.Rb = wb, rb
					}
					h := random(r, n)
					h16 := append([]float32(nil), h...)
					b := g
					b.W, b.R = Matrix{BF16: wb16}, Matrix{BF16: ub16}
					scratch := make([]float32, g.Scratch())
					want := f64(h)
					for range 3 {
						x := random(r, in)
						old := append([]float64(nil), want...)
						rh := make([]float64, n)
						for i := range rh {
							rh[i] = old[i] * sig(at(w, 3*n, n+i, f64(x))+at(u, 3*n, n+i, old)+float64(wb[n+i]+rb[n+i]))
						}
						for i := range want {
							z := sig(at(w, 3*n, i, f64(x)) + at(u, 3*n, i, old) + float64(wb[i]) + float64(rb[i]))
							rg := sig(at(w, 3*n, n+i, f64(x)) + at(u, 3*n, n+i, old) + float64(wb[n+i]) + float64(rb[n+i]))
							k := 2*n + i
							c := at(u, 3*n, k, rh) + float64(rb[k])
							if lbr {
								c = rg * (at(u, 3*n, k, old) + float64(rb[k]))
							}
							v := math.Tanh(at(w, 3*n, k, f64(x)) + float64(wb[k]) + c)
							want[i] = (1-z)*v + z*old[i]
						}
						g.Step(h, x, scratch)
						b.Step(h16, x, scratch)
					}
					for i := range want {
						if math.Abs(float64(h[i])-want[i]) > 5e-6 {
							t.Fatalf("h[%d] = %v, want %v", i, h[i], want[i])
						}
						if h[i] != h16[i] {
							t.Fatalf("bfloat16 h[%d] = %v, float32 gives %v for the same weights", i, h16[i], h[i])
						}
					}
					x := random(r, in)
					if a := testing.AllocsPerRun(20, func() { b.Step(h16, x, scratch) }); a != 0 {
						t.Errorf("%v allocations per step", a)
					}
				})
			}
		}
	}
}

// TestLSTM compares with the formulas of ONNX operator LSTM in float64.
func TestLSTM(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 5}, {9, 16}, {32, 31}} {
		for _, peep := range []bool{false, true} {
			t.Run(fmt.Sprintf("in=%d/hidden=%d/peepholes=%v", size[0], size[1], peep), func(t *testing.T) {
				in, n := size[0], size[1]
				r := rand.New(rand.NewSource(int64(in*100 + n)))
				w, w16 := narrow(random(r, 4*n*in))
				u, u16 := narrow(random(r, 4*n*n))
				wb, rb := random(r, 4*n), random(r, 4*n)
				p := make([]float32, 3*n)
				l := LSTM{Input: in, Hidden: n, W: Matrix{F32: w}, R: Matrix{F32: u}, Wb: wb, Rb: rb, F: Sigmoid, G: Tanh, H: Tanh}
				if peep {
					p = random(r, 3*n)
					l.P = p
				}
				b := l
				b.W, b.R = Matrix{BF16: w16}, Matrix{BF16: u16}
				h, c := random(r, n), random(r, n)
				h16, c16 := append([]float32(nil), h...), append([]float32(nil), c...)
				wh, wc := f64(h), f64(c)
				scratch := make([]float32, l.Scratch())
				for range 3 {
					x := random(r, in)
					old := append([]float64(nil), wh...)
					gate := func(k int) float64 {
						return at(w, 4*n, k, f64(x)) + at(u, 4*n, k, old) + float64(wb[k]) + float64(rb[k])
					}
					for i := range wh {
						vi := sig(gate(i) + float64(p[i])*wc[i])
						vf := sig(gate(2*n+i) + float64(p[2*n+i])*wc[i])
						wc[i] = vf*wc[i] + vi*math.Tanh(gate(3*n+i))
						wh[i] = sig(gate(n+i)+float64(p[n+i])*wc[i]) * math.Tanh(wc[i])
					}
					l.Step(h, c, x, scratch)
					b.Step(h16, c16, x, scratch)
				}
				for i := range wh {
					if math.Abs(float64(h[i])-wh[i]) > 5e-6 || math.Abs(float64(c[i])-wc[i]) > 2e-5 {
						t.Fatalf("h[%d], c[%d] = %v, %v, want %v, %v", i, i, h[i], c[i], wh[i], wc[i])
					}
					if h[i] != h16[i] || c[i] != c16[i] {
						t.Fatalf("bfloat16 state %d differs from float32 with the same weights", i)
					}
				}
				x := random(r, in)
				if a := testing.AllocsPerRun(20, func() { l.Step(h, c, x, scratch) }); a != 0 {
					t.Errorf("%v allocations per step", a)
				}
			})
		}
	}
}

// TestActivations checks the ends of what a gate's non-linearity and the cell's limit do.
func TestActivations(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct{ got, want float32 }{
		{Sigmoid.apply(0), 0.5}, {Tanh.apply(-inf), -1}, {Relu.apply(-3), 0}, {Relu.apply(3), 3},
		{clip(5, 2), 2}, {clip(-5, 2), -2}, {clip(5, 0), 5},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}
