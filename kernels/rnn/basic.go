package rnn

import (
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// Basic is TensorFlow Lite's first LSTM kernel in float32: one matrix for all gates, in the order input, cell, forget, output.
type Basic struct {
	Input, Cells int
	W            []float32 // [4*Cells][Input+Cells]
	Bias         []float32 // 4*Cells
}

// Run computes the output y and the state s from the input x, the previous output h and state p, for as many batch entries as h holds.
// joined receives x and h of each entry, gates the four gates before their activations.
func (c *Basic) Run(y, s, joined, gates, x, h, p []float32) {
	n, k := c.Cells, c.Input+c.Cells
	for b := range len(h) / n {
		j := joined[b*k : (b+1)*k]
		copy(j, x[b*c.Input:(b+1)*c.Input])
		copy(j[c.Input:], h[b*n:(b+1)*n])
		g := gates[4*b*n : 4*(b+1)*n]
		for r := range g {
			g[r] = dotF32(c.W[r*k:(r+1)*k], j) + c.Bias[r]
		}
		for i := range n {
			v := float32(vec.Logistic(g[i])*TanhRationalF32(g[n+i])) + float32(vec.Logistic(g[2*n+i])*p[b*n+i])
			s[b*n+i] = v
			y[b*n+i] = vec.Logistic(g[3*n+i]) * TanhRationalF32(v)
		}
	}
}

// BasicS8 is Basic on int8 activations (uint8 less 128) with scale 1/128 and zero point 0, and an int16 state with four integer bits.
type BasicS8 struct {
	Input, Cells int
	W            []int8
	Zero         int32 // of W
	Bias         []int64
	Scale        Scale // from the sums to Q3.12
}

// rescale is Scale.mul with both roundings half up, as LiteRT's matrix library has it.
func (c *BasicS8) rescale(x int32) int32 {
	if c.Scale.Shift >= 0 {
		return c.Scale.mul(x)
	}
	right := uint(-c.Scale.Shift)
	return int32((int64(requant.HighMul(x, c.Scale.Mult)) + 1<<(right-1)) >> right)
}

// Run is Basic.Run.
func (c *BasicS8) Run(y []int8, s []int16, joined []int8, gates []int16, x, h []int8, p []int16) {
	n, k := c.Cells, c.Input+c.Cells
	for b := range len(h) / n {
		j := joined[b*k : (b+1)*k]
		copy(j, x[b*c.Input:(b+1)*c.Input])
		copy(j[c.Input:], h[b*n:(b+1)*n])
		sum := int32(0)
		for _, v := range j {
			sum += int32(v)
		}
		g := gates[4*b*n : 4*(b+1)*n]
		for r := range g {
			g[r] = sat16(c.rescale(int32(dot(c.W[r*k:(r+1)*k], j, c.Bias[r])) - c.Zero*sum))
		}
		for i := range n {
			in := requant.HighMul16(requant.LogisticFixed16(g[i]), requant.TanhFixed16(g[n+i], 3))
			kept := requant.HighMul16(requant.LogisticFixed16(g[2*n+i]), p[b*n+i])
			v := sat16(requant.DivPow2(int32(in), 4) + int32(kept))
			s[b*n+i] = v
			out := requant.HighMul16(requant.LogisticFixed16(g[3*n+i]), requant.TanhFixed16(v, 4))
			y[b*n+i] = sat8(requant.DivPow2(int32(out), 8))
		}
	}
}
