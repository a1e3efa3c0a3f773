package rnn

// LSTM is one direction of a long short-term memory, as ONNX operator LSTM defines it. Gates are in the order input (i),
// output (o), forget (f), cell (c).
type LSTM struct {
	Input, Hidden int
	W             Matrix    // [4*Hidden][Input]
	R             Matrix    // [4*Hidden][Hidden]
	Wb, Rb        []float32 // biases of W and R, 4*Hidden each; nil for none
	P             []float32 // peepholes of i, o, f, 3*Hidden; nil for none
	F, G, H       Activation
	Clip          float32 // bounds the inputs of activations to ±Clip; 0 for none
}

// Scratch returns the number of float32 elements that Step needs.
func (l *LSTM) Scratch() int { return 8 * l.Hidden }

// Step replaces the hidden state h and the cell state c by those after the input x. len(h) and len(c) are Hidden, len(x) is
// Input, len(scratch) at least Scratch().
//
//	i = F(W[i]x + R[i]h + P[i]*c + b)   f = F(W[f]x + R[f]h + P[f]*c + b)   g = G(W[c]x + R[c]h + b)
//	c = f*c + i*g   o = F(W[o]x + R[o]h + P[o]*c + b)   h = o*H(c)
func (l *LSTM) Step(h, c, x, scratch []float32) {
	n := l.Hidden
	if len(h) != n || len(c) != n || len(x) != l.Input || len(scratch) < 8*n || l.W.Len() != 4*n*l.Input || l.R.Len() != 4*n*n {
		panic("rnn: lstm slice length mismatch")
	}
	px, ph := scratch[:4*n], scratch[4*n:8*n]
	l.W.mulRows(px, x, 0, 4*n)
	addBias(px, l.Wb)
	l.R.mulRows(ph, h, 0, 4*n)
	addBias(ph, l.Rb)
	addBias(px, ph)
	gi, gout, gf, gc := px[:n], px[n:2*n], px[2*n:3*n], px[3*n:]
	for i := range h {
		vi, vo, vf := gi[i], gout[i], gf[i]
		if l.P != nil {
			vi += float32(l.P[i] * c[i])
			vf += float32(l.P[2*n+i] * c[i])
		}
		vi, vf = l.F.apply(clip(vi, l.Clip)), l.F.apply(clip(vf, l.Clip))
		c[i] = float32(vf*c[i]) + float32(vi*l.G.apply(clip(gc[i], l.Clip)))
		if l.P != nil {
			vo += float32(l.P[n+i] * c[i])
		}
		h[i] = l.F.apply(clip(vo, l.Clip)) * l.H.apply(clip(c[i], l.Clip))
	}
}
