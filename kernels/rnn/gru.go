package rnn

// GRU is one direction of a gated recurrent unit, as ONNX operator GRU defines it. Gates are in the order update (z),
// reset (r), hidden (h).
type GRU struct {
	Input, Hidden     int
	W                 Matrix    // [3*Hidden][Input]
	R                 Matrix    // [3*Hidden][Hidden]
	Wb, Rb            []float32 // biases of W and R, 3*Hidden each; nil for none
	LinearBeforeReset bool      // the reset gate scales R·h instead of h
	F, G              Activation
	Clip              float32 // bounds the inputs of activations to ±Clip; 0 for none
}

// Scratch returns the number of float32 elements that Step needs.
func (g *GRU) Scratch() int { return 6 * g.Hidden }

// Step replaces the hidden state h by that after the input x. len(h) is Hidden, len(x) Input, len(scratch) at least Scratch().
//
//	z = F(W[z]x + R[z]h + b)   r = F(W[r]x + R[r]h + b)
//	n = G(W[h]x + Wb + R[h](r*h) + Rb), or G(W[h]x + Wb + r*(R[h]h + Rb)) with LinearBeforeReset
//	h = (1-z)*n + z*h
func (g *GRU) Step(h, x, scratch []float32) {
	n := g.Hidden
	if len(h) != n || len(x) != g.Input || len(scratch) < 6*n || g.W.Len() != 3*n*g.Input || g.R.Len() != 3*n*n {
		panic("rnn: gru slice length mismatch")
	}
	px, ph := scratch[:3*n], scratch[3*n:6*n]
	g.W.mulRows(px, x, 0, 3*n)
	addBias(px, g.Wb)
	if g.LinearBeforeReset {
		g.R.mulRows(ph, h, 0, 3*n)
		addBias(ph, g.Rb)
	} else {
		g.R.mulRows(ph[:2*n], h, 0, 2*n)
		if g.Rb != nil {
			addBias(ph[:2*n], g.Rb[:2*n])
		}
	}
	z, r := px[:n], px[n:2*n]
	for i := range z {
		z[i] = g.F.apply(clip(z[i]+ph[i], g.Clip))
		r[i] = g.F.apply(clip(r[i]+ph[n+i], g.Clip))
	}
	c := ph[2*n:]
	if g.LinearBeforeReset {
		for i := range c {
			c[i] = float32(r[i] * c[i])
		}
	} else {
		rh := ph[:n]
		for i := range rh {
			rh[i] = r[i] * h[i]
		}
		g.R.mulRows(c, rh, 2*n, 3*n)
		if g.Rb != nil {
			addBias(c, g.Rb[2*n:])
		}
	}
	for i := range h {
		v := g.G.apply(clip(px[2*n+i]+c[i], g.Clip))
		h[i] = float32((1-z[i])*v) + float32(z[i]*h[i])
	}
}

func addBias(dst, b []float32) {
	for i, v := range b {
		dst[i] += v
	}
}

func clip(x, limit float32) float32 {
	if limit == 0 {
		return x
	}
	return min(max(x, -limit), limit)
}
