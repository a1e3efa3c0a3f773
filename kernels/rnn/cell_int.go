package rnn

import (
	"math"

	"wayside/kernels/requant"
)

// Scale is a fixed-point multiplier: Mult × 2^(Shift−31).
type Scale struct{ Mult, Shift int32 }

// ScaleOf returns the multiplier nearest to a real one; see requant.Quantize.
func ScaleOf(real float64) Scale {
	m, s := requant.Quantize(real)
	return Scale{m, s}
}

func (s Scale) mul(x int32) int32 { return requant.Mul(x, s.Mult, s.Shift) }

// IntGate holds the parameters of one gate of an IntCell. Zero points are part of the biases.
type IntGate struct {
	W, R           []int8  // [cells][input], [cells][output]
	WBias, RBias   []int64 // per cell
	WScale, RScale Scale   // to Q3.12, or to the layer normalization's input
	Logistic       bool    // StepMicro: a logistic function, else tanh

	P         []int16 // StepFixed: peephole; nil for none
	PScale    Scale
	Norm      []int16 // StepFixed: layer normalization; nil for none
	NormBias  []int32
	NormScale Scale
	NormGuard int32 // stands for a variance below one
}

// IntCell is a long short-term memory on int8 or int16 activations with an int16 cell state, whose scale is 2^Power. There are two
// definitions of it: that of TensorFlow Lite Micro (StepMicro), and that of LiteRT with the options of Cell (StepFixed).
type IntCell struct {
	Input, Cells, Output int
	Gates                [4]IntGate
	Power                int
	Clips                bool
	CellClip             int16 // where Clips is set
	Forget, In           Scale // StepMicro: of the products forget × state and input × cell
	Hidden               Scale // of output × tanh(state)
	HiddenZero           int32

	Coupled   bool   // the rest belongs to StepFixed: the input gate is one minus the forget gate
	Proj      []int8 // [output][cells]; nil for none
	ProjBias  []int64
	ProjScale Scale
	OutZero   int32
	ProjClip  int8 // 0 for none

	bands []intBand // nil for the plain loops
}

// Scratch returns the numbers of int16 and int8 elements that a step needs.
func (c *IntCell) Scratch() (words, bytes int) { return 4 * c.Cells, c.Cells }

func sat16(v int32) int16 { return int16(min(max(v, math.MinInt16), math.MaxInt16)) }

func sat8(v int32) int8 { return int8(min(max(v, math.MinInt8), math.MaxInt8)) }

// dot is a row of weights times a vector, plus a bias.
func dot[T int8 | int16](w []int8, x []T, bias int64) int64 {
	w = w[:len(x)]
	for i, v := range x {
		bias += int64(w[i]) * int64(v)
	}
	return bias
}

// addRows adds w·x + bias to dst; the rescaled product saturates at int16, and the sum again.
func addRows[T int8 | int16](dst []int16, w []int8, x []T, bias []int64, s Scale, wide bool) {
	n := len(x)
	for r := range dst {
		sum := dot(w[r*n:r*n+n], x, bias[r])
		v := int32(0)
		if wide {
			v = requant.Mul64(sum, s.Mult, s.Shift)
		} else {
			v = s.mul(int32(sum))
		}
		dst[r] = sat16(int32(dst[r]) + int32(sat16(v)))
	}
}

// StepMicro replaces the output state h and the cell state s by those after the input x. f is working memory.
func StepMicro[T int8 | int16](c *IntCell, h []T, s []int16, x []T, f []int16) {
	n := c.Cells
	if len(h) != n || len(s) != n || len(x) != c.Input || len(f) < 4*n {
		panic("rnn: cell slice length mismatch")
	}
	lo, hi, wide := int32(math.MinInt8), int32(math.MaxInt8), false
	if _, ok := any(h).([]int16); ok {
		lo, hi, wide = math.MinInt16, math.MaxInt16, true
	}
	for k := range c.Gates {
		g, dst := &c.Gates[k], f[k*n:(k+1)*n]
		clear(dst)
		addRows(dst, g.W, x, g.WBias, g.WScale, wide)
		addRows(dst, g.R, h, g.RBias, g.RScale, wide)
	}
	finishMicro(c, h, s, f, lo, hi)
}

// finishMicro is StepMicro behind the sums of the gates, for all cells or some of them.
func finishMicro[T int8 | int16](c *IntCell, h []T, s, f []int16, lo, hi int32) {
	n := len(s)
	for k := range c.Gates {
		g, dst := &c.Gates[k], f[k*n:(k+1)*n]
		for i, v := range dst {
			if g.Logistic {
				dst[i] = requant.Logistic16(v, 3, 0)
			} else {
				dst[i] = requant.Tanh16(v, 3, 0)
			}
		}
	}
	// tanh reads the state in Q3.12: the shift between the two scales is part of its multiplier.
	mult, shift := int32(3), int32(0)
	if e := c.Power + 12; e >= 0 {
		mult = 3 << e
	} else {
		shift = int32(-e)
	}
	in, forget, cell, out := f[:n], f[n:2*n], f[2*n:3*n], f[3*n:4*n]
	for i, v := range s {
		kept := sat16(c.Forget.mul(int32(forget[i]) * int32(v)))
		added := sat16(c.In.mul(int32(in[i]) * int32(cell[i])))
		v = sat16(int32(kept) + int32(added))
		if c.Clips {
			v = max(min(v, c.CellClip), -c.CellClip)
		}
		s[i] = v
		t := requant.Tanh16(v, mult, shift)
		h[i] = T(min(max(c.Hidden.mul(int32(out[i])*int32(t))+c.HiddenZero, lo), hi))
	}
}

// addRowsFixed adds w·x + bias to dst; only the sum saturates.
func addRowsFixed(dst []int16, w, x []int8, bias []int64, s Scale) {
	n := len(x)
	for r := range dst {
		dst[r] = sat16(s.mul(int32(dot(w[r*n:r*n+n], x, bias[r]))) + int32(dst[r]))
	}
}

// StepFixed replaces the output state h and the cell state s by those after the input x. f and q are working memory.
func (c *IntCell) StepFixed(h []int8, s []int16, x []int8, f []int16, q []int8) {
	n := c.Cells
	if len(h) != c.Output || len(s) != n || len(x) != c.Input || len(f) < 4*n || len(q) < n {
		panic("rnn: cell slice length mismatch")
	}
	for k := range c.Gates {
		if k == GateInput && c.Coupled {
			continue
		}
		g, dst := &c.Gates[k], f[k*n:(k+1)*n]
		clear(dst)
		addRowsFixed(dst, g.W, x, g.WBias, g.WScale)
		addRowsFixed(dst, g.R, h, g.RBias, g.RScale)
	}
	c.finishFixed(h, s, f, q)
}

// finishFixed is StepFixed behind the sums of the gates, for all cells or some of them.
func (c *IntCell) finishFixed(h []int8, s, f []int16, q []int8) {
	n := len(s)
	in, forget, cell, out := f[:n], f[n:2*n], f[2*n:3*n], f[3*n:4*n]
	for k := range c.Gates {
		if k == GateOutput { // its peephole sees the new cell state
			c.updateFixed(s, in, forget, cell)
		}
		if k == GateInput && c.Coupled {
			continue
		}
		c.Gates[k].applyFixed(f[k*n:(k+1)*n], s, k == GateCell)
	}
	bits := uint(15 + c.Power)
	if c.Proj == nil {
		for i, v := range s {
			h[i] = sat8(c.Hidden.mul(int32(out[i])*int32(requant.TanhFixed16(v, bits))) + c.HiddenZero)
		}
		return
	}
	for i, v := range s {
		q[i] = sat8(c.Hidden.mul(int32(out[i])*int32(requant.TanhFixed16(v, bits))) - c.HiddenZero)
	}
	for r := range h {
		v := sat8(c.ProjScale.mul(int32(dot(c.Proj[r*n:r*n+n], q[:n], c.ProjBias[r]))) + c.OutZero)
		if c.ProjClip > 0 {
			v = max(min(v, c.ProjClip), -c.ProjClip)
		}
		h[r] = v
	}
}

func (c *IntCell) updateFixed(s, in, forget, cell []int16) {
	shift := int32(30 + c.Power)
	for i, v := range s {
		gate := in[i]
		if c.Coupled {
			gate = math.MaxInt16 - forget[i]
		}
		kept := int16(requant.DivPow2(int32(forget[i])*int32(v), 15))
		added := int16(requant.DivPow2(int32(gate)*int32(cell[i]), shift))
		v = sat16(int32(kept) + int32(added))
		if c.Clips {
			v = max(min(v, c.CellClip), -c.CellClip)
		}
		s[i] = v
	}
}

func (g *IntGate) applyFixed(dst, s []int16, tanh bool) {
	for i, p := range g.P {
		dst[i] = sat16(g.PScale.mul(int32(p)*int32(s[i])) + int32(dst[i]))
	}
	if g.Norm != nil {
		g.normalize(dst)
	}
	for i, v := range dst {
		if tanh {
			dst[i] = requant.TanhFixed16(v, 3)
		} else {
			dst[i] = requant.LogisticFixed16(v)
		}
	}
}

// normalize brings the gate to mean 0 and deviation 1 and applies coefficients and bias. Sums wrap as LiteRT's do; its product with the
// coefficients, which 32 bits do not hold where the variance is lost, has 64 as compiled.
func (g *IntGate) normalize(x []int16) {
	n := int64(len(x))
	sum, squares := int64(0), int64(0)
	for _, v := range x {
		sum += int64(v)
		squares += int64(v) * int64(v)
	}
	mean := int32(sum * 1024 / n)
	variance := int32((squares*(1<<20/n) - int64(mean)*int64(mean)) / (1 << 20))
	if variance < 1 {
		variance = g.NormGuard
	}
	m, shift := requant.InvSqrt(variance)
	for i, v := range x {
		d := requant.Mul(1024*int32(v)-mean, m, shift)
		w := int64(d)*int64(g.Norm[i]) + int64(g.NormBias[i])
		if w > 0 {
			w += 512
		} else {
			w -= 512
		}
		x[i] = sat16(requant.Mul(int32(w/1024), g.NormScale.Mult, g.NormScale.Shift+12))
	}
}
