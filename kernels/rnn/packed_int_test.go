package rnn

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/par"
)

// TestPackedInt compares packed integer cells with their plain steps: every value must be the same, in one band and in several that threads share.
func TestPackedInt(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer par.SetLeast(par.SetLeast(0))
	defer par.Set(1)
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 2))
		bytes := func(n int) []int8 {
			s := make([]int8, n)
			for i := range s {
				s[i] = int8(r.IntN(256) - 128)
			}
			return s
		}
		for turn := range 60 {
			par.Set(1 + turn%4)
			n, input, steps := 1+r.IntN(70), 1+r.IntN(40), 1+r.IntN(30)
			micro, backwards := turn%2 == 0, turn%3 == 0
			out := n
			c := &IntCell{Input: input, Cells: n, Power: -11, Coupled: turn%4 == 1, Forget: ScaleOf(1.0 / 32768), In: ScaleOf(1.0 / 524288), Hidden: ScaleOf(1.0 / (1 << 23)), HiddenZero: 3}
			if !micro && turn%5 == 0 {
				out = 1 + r.IntN(20)
				c.Proj, c.ProjBias, c.ProjScale = bytes(out*n), make([]int64, out), ScaleOf(0.004)
			}
			c.Output = out
			for k := range c.Gates {
				if k == GateInput && c.Coupled {
					continue
				}
				g := &c.Gates[k]
				*g = IntGate{W: bytes(n * input), R: bytes(n * out), WBias: make([]int64, n), RBias: make([]int64, n), WScale: ScaleOf(0.3), RScale: ScaleOf(0.7), Logistic: k != GateCell}
				for i := range n {
					g.WBias[i], g.RBias[i] = int64(r.IntN(9999)-5000), int64(r.IntN(9999)-5000)
				}
			}
			plain := *c
			if !c.Pack() {
				t.Skip("skipped: this tier has no kernel")
			}
			if shared := len(c.bands) > 1; shared != (n > bandUnit && c.Proj == nil) {
				t.Fatalf("%d cells, %d outputs: shared: %v", n, out, shared)
			}
			x := bytes(steps * input)
			h, s := bytes(out), make([]int16, n)
			gotH, gotS, got, want := slices.Clone(h), slices.Clone(s), make([]int8, steps*out), make([]int8, steps*out)
			f, q := make([]int16, 4*n), make([]int8, n)
			for i := range steps {
				if backwards {
					i = steps - 1 - i
				}
				if micro {
					StepMicro(&plain, h, s, x[i*input:(i+1)*input], f)
				} else {
					plain.StepFixed(h, s, x[i*input:(i+1)*input], f, q)
				}
				copy(want[i*out:], h)
			}
			sums, flipped := c.PackedScratch(steps)
			c.Walk().Run(micro, got, out, gotH, gotS, x, input, steps, backwards, f, q, make([]int32, sums), make([]byte, flipped))
			if !slices.Equal(got, want) || !slices.Equal(gotH, h) || !slices.Equal(gotS, s) {
				t.Fatalf("turn %d: %d cells, %d inputs, %d outputs, %d steps: got %v, want %v", turn, n, input, out, steps, got, want)
			}
		}
	})
}
