package rnn

import "math"

// Gate holds the parameters of one gate of a Cell. Missing parts are nil.
type Gate struct {
	W    Weights   // [cells][input]
	Aux  Weights   // [cells][auxiliary input]
	R    Weights   // [cells][output]
	P    []float32 // peephole: weights of the cell state
	Norm []float32 // coefficients of the layer normalization
	Bias []float32
}

// The gates of a Cell.
const (
	GateInput = iota
	GateForget
	GateCell
	GateOutput
)

// Cell is a long short-term memory as TensorFlow Lite's LSTM operators define it, with all their options, on float32 activations.
type Cell struct {
	Input, Aux, Cells, Output int
	Gates                     [4]Gate
	Coupled                   bool // the input gate is one minus the forget gate
	Act, Out                  Activation
	CellClip, ProjClip        float32 // bounds of the cell state and of the projection; 0 for none
	Proj                      Weights // [output][cells]; without it Output is Cells
	ProjBias                  []float32
	Hybrid, Asymmetric        bool // int8 weights; inputs quantized with a zero point
}

// Scratch returns the numbers of float32 and int8 elements that Step needs.
func (c *Cell) Scratch() (floats, bytes int) {
	n := room(&c.Proj)
	for k := range c.Gates {
		g := &c.Gates[k]
		n = max(n, room(&g.W, &g.Aux, &g.R))
	}
	return 4*c.Cells + max(c.Cells, c.Output), c.Input + c.Aux + c.Output + c.Cells + n
}

// operand splits n int8 elements off q and uses them where x must be quantized.
func operand(x []float32, q []int8, hybrid, asymmetric bool) (vector, []int8) {
	if !hybrid {
		return vector{x: x}, q
	}
	return quantized(x, q[:len(x)], asymmetric), q[len(x):]
}

// Step replaces the output state h and the cell state s by those after the input x and the auxiliary input aux (empty for none).
// f and q are working memory of the sizes that Scratch gives.
func (c *Cell) Step(h, s, x, aux, f []float32, q []int8) {
	n := c.Cells
	if len(h) != c.Output || len(s) != n || len(x) != c.Input || len(aux) != c.Aux || len(f) < 4*n {
		panic("rnn: cell slice length mismatch")
	}
	var vx, va, vh vector
	vx, q = operand(x, q, c.Hybrid, c.Asymmetric)
	va, q = operand(aux, q, c.Hybrid, c.Asymmetric)
	vh, q = operand(h, q, c.Hybrid, c.Asymmetric)
	left := workOf(f[4*n:], q[min(n, len(q)):])
	var g [4][]float32
	for k := range g {
		g[k] = f[k*n : (k+1)*n]
	}
	for k := range c.Gates {
		if k == GateOutput { // its peephole sees the new cell state
			c.update(s, &g)
		}
		if k == GateInput && c.Coupled {
			continue
		}
		act := Sigmoid
		if k == GateCell {
			act = c.Act
		}
		c.Gates[k].apply(g[k], s, &vx, &va, &vh, act, left)
	}
	hidden := g[GateOutput]
	for i, v := range s {
		hidden[i] *= c.Out.apply(v)
	}
	if !c.Proj.Present() {
		copy(h, hidden)
		return
	}
	clear(h)
	copy(h, c.ProjBias)
	vp, _ := operand(hidden, q, c.Hybrid, c.Asymmetric)
	c.Proj.mulAdd(h, &vp, left)
	if c.ProjClip > 0 {
		clipAll(h, c.ProjClip)
	}
}

// update moves the cell state on: forget × state + input × cell.
func (c *Cell) update(s []float32, g *[4][]float32) {
	for i := range s {
		in := g[GateInput][i]
		if c.Coupled {
			in = 1 - g[GateForget][i]
		}
		s[i] = float32(g[GateForget][i]*s[i]) + float32(in*g[GateCell][i])
	}
	if c.CellClip > 0 {
		clipAll(s, c.CellClip)
	}
}

func (g *Gate) apply(dst, s []float32, x, aux, h *vector, act Activation, left work) {
	clear(dst)
	if g.Norm == nil {
		copy(dst, g.Bias)
	}
	g.W.mulAdd(dst, x, left)
	if g.Aux.Present() {
		g.Aux.mulAdd(dst, aux, left)
	}
	g.R.mulAdd(dst, h, left)
	for i, p := range g.P {
		dst[i] += float32(p * s[i])
	}
	if g.Norm != nil {
		normalize(dst)
		for i, w := range g.Norm {
			dst[i] = float32(dst[i]*w) + g.Bias[i]
		}
	}
	for i, v := range dst {
		dst[i] = act.apply(v)
	}
}

// normalize brings x to mean 0 and deviation 1.
func normalize(x []float32) {
	n := float32(len(x))
	sum := float32(0)
	for _, v := range x {
		sum += v
	}
	mean := sum / n
	sum = 0
	for _, v := range x {
		d := v - mean
		sum += float32(d * d)
	}
	inv := 1 / float32(math.Sqrt(float64(sum/n+1e-8)))
	for i, v := range x {
		x[i] = (v - mean) * inv
	}
}

func clipAll(x []float32, to float32) {
	for i, v := range x {
		x[i] = max(min(v, to), -to)
	}
}

// Simple is a recurrent layer with one gate, as TensorFlow Lite's RNN operators define it: h = act(W·x + Aux·a + R·h + bias).
type Simple struct {
	Input, Aux, Units  int
	Gate               Gate
	Act                Activation
	Hybrid, Asymmetric bool
}

// Scratch returns the numbers of float32 and int8 elements that Step needs.
func (c *Simple) Scratch() (floats, bytes int) {
	return 2 * c.Units, c.Input + c.Aux + c.Units + room(&c.Gate.W, &c.Gate.Aux, &c.Gate.R)
}

// Step replaces the state h by that after the input x and the auxiliary input aux (empty for none).
func (c *Simple) Step(h, x, aux, f []float32, q []int8) {
	if len(h) != c.Units || len(x) != c.Input || len(aux) != c.Aux || len(f) < c.Units {
		panic("rnn: cell slice length mismatch")
	}
	var vx, va, vh vector
	vx, q = operand(x, q, c.Hybrid, c.Asymmetric)
	va, q = operand(aux, q, c.Hybrid, c.Asymmetric)
	vh, q = operand(h, q, c.Hybrid, c.Asymmetric)
	c.Gate.apply(f[:c.Units], nil, &vx, &va, &vh, c.Act, workOf(f[c.Units:], q))
	copy(h, f)
}
