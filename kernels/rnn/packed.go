package rnn

import "wayside/kernels/gemm"

// Packed is a float32 LSTM or GRU packed for the vector instructions of this machine: it runs whole sequences, with the products of all inputs first. It
// is immutable. Its results differ from those of the plain cells by the order of sums, which also depends on a step's place in the run, and by the bounds of
// vec.FnLogistic and vec.FnTanh.
type Packed struct {
	input, hidden int
	units         int // hidden, padded to whole vectors: every gate has so many columns
	kind          packedKind
	blocks        int // gates of a row of working memory
	products      int // of those, the first ones that get a product with the state
	w             *gemm.F32Weights
	bias          []float32 // of the row
	clip          float32   // bound of an LSTM's cell state
	r, rOut       *panels   // rOut: of the candidate where the reset gate comes first
}

type packedKind uint8

const (
	packedLSTM packedKind = iota
	packedGRUAfter
	packedGRUReset
)

// chunk is how many steps have their inputs' products computed at once.
const chunk = 24

// part is one gate of a packed row: rows of the matrices, or none where it has no such product.
type part struct {
	w, r   Matrix
	wb, rb []float32
}

// rowsOf returns rows [g*n, (g+1)*n) of a matrix with k columns.
func (m Matrix) rowsOf(g, n, k int) Matrix {
	if m.BF16 != nil {
		return Matrix{BF16: m.BF16[g*n*k : (g+1)*n*k]}
	}
	return Matrix{F32: m.F32[g*n*k : (g+1)*n*k]}
}

func biasOf(b []float32, g, n int) []float32 {
	if b == nil {
		return nil
	}
	return b[g*n : (g+1)*n]
}

// Pack packs the layer, nil where this machine has nothing faster than Step, or the layer is not of the usual kind.
func (l *LSTM) Pack() *Packed {
	if l.P != nil || l.Clip != 0 || l.F != Sigmoid || l.G != Tanh || l.H != Tanh {
		return nil
	}
	var parts [4]part
	for i, g := range [...]int{0, 2, 3, 1} { // input, forget, cell, output
		n := l.Hidden
		parts[i] = part{l.W.rowsOf(g, n, l.Input), l.R.rowsOf(g, n, n), biasOf(l.Wb, g, n), biasOf(l.Rb, g, n)}
	}
	return pack(packedLSTM, l.Input, l.Hidden, parts[:], 4)
}

// Pack packs the layer, nil where this machine has nothing faster than Step, or the layer is not of the usual kind.
func (g *GRU) Pack() *Packed {
	if g.Clip != 0 || g.F != Sigmoid || g.G != Tanh {
		return nil
	}
	n := g.Hidden
	at := func(i int) part {
		return part{g.W.rowsOf(i, n, g.Input), g.R.rowsOf(i, n, n), biasOf(g.Wb, i, n), biasOf(g.Rb, i, n)}
	}
	if !g.LinearBeforeReset {
		return pack(packedGRUReset, g.Input, n, []part{at(0), at(1), at(2)}, 2)
	}
	// The products with the state come first, the candidate's product with the input behind them.
	candidate := at(2)
	state := part{r: candidate.r, rb: candidate.rb}
	candidate.r, candidate.rb = Matrix{}, nil
	return pack(packedGRUAfter, g.Input, n, []part{state, at(0), at(1), candidate}, 3)
}

// Pack packs the cell, nil where this machine has nothing faster than Step, or the cell has options.
func (c *Cell) Pack() *Packed {
	if c.Hybrid || c.Aux > 0 || c.Coupled || c.Proj.Present() || !c.Act.tanh() || !c.Out.tanh() || c.Output != c.Cells {
		return nil
	}
	var parts [4]part
	for i := range c.Gates {
		g := &c.Gates[i]
		if g.P != nil || g.Norm != nil || g.Aux.Present() {
			return nil
		}
		parts[i] = part{Matrix{F32: g.W.F32}, Matrix{F32: g.R.F32}, g.Bias, nil}
	}
	p := pack(packedLSTM, c.Input, c.Cells, parts[:], 4)
	if p != nil && c.CellClip > 0 {
		p.clip = c.CellClip
	}
	return p
}

func (a Activation) tanh() bool { return a == Tanh || a == TanhRational }

// pack packs the parts, of which the first ones are multiplied with the state at once.
func pack(kind packedKind, input, hidden int, parts []part, products int) *Packed {
	width := panelWidth()
	if width == 0 || input == 0 || hidden == 0 {
		return nil
	}
	p := &Packed{input: input, hidden: hidden, units: (hidden + width - 1) / width * width, kind: kind, blocks: len(parts), products: products, clip: posInf}
	p.bias = make([]float32, p.blocks*p.units)
	half := false
	for i, q := range parts {
		half = half || q.w.BF16 != nil || q.r.BF16 != nil
		for j := range hidden {
			for _, b := range [][]float32{q.wb, q.rb} {
				if b != nil {
					p.bias[i*p.units+j] += b[j]
				}
			}
		}
	}
	var r []Matrix
	for _, q := range parts[:products] {
		r = append(r, q.r)
	}
	p.r = packPanels(r, hidden, p.units, hidden, half)
	if kind == packedGRUReset {
		p.rOut = packPanels([]Matrix{parts[2].r}, hidden, p.units, hidden, half)
	}
	w := make([]float32, (p.blocks-p.first())*p.units*input)
	for i, q := range parts[p.first():] {
		copy(w[i*p.units*input:], q.w.widened())
	}
	p.w = gemm.PackF32(w, (p.blocks-p.first())*p.units, input, p.bias[p.first()*p.units:], negInf, posInf)
	return p
}

// first is the first gate with a product with the input.
func (p *Packed) first() int {
	if p.kind == packedGRUAfter {
		return 1
	}
	return 0
}

// Bytes returns the memory of the weights and the bias.
func (p *Packed) Bytes() gemm.FormBytes {
	n := p.w.Bytes().Plus(p.r.bytes()).Plus(gemm.FormBytes{F32: 4 * len(p.bias)})
	if p.rOut != nil {
		n = n.Plus(p.rOut.bytes())
	}
	return n
}

// ID names the panel and the instruction set.
func (p *Packed) ID() string { return panelID() }

// Scratch returns the number of float32 elements that Run needs for a sequence of so many steps.
func (p *Packed) Scratch(steps int) int {
	return min(steps, chunk)*p.blocks*p.units + 3*p.units + p.room()
}

// Run walks a sequence: x has a row of Input values for each step, xs apart, and y, unless it is nil, gets the hidden state after each, ys apart. h and c
// are the states, c of an LSTM alone. Backwards begins with the last row.
func (p *Packed) Run(y []float32, ys int, h, c, x []float32, xs, steps int, backwards bool, scratch []float32) {
	n, u := p.hidden, p.units
	if steps == 0 {
		return
	}
	if len(h) != n || p.kind == packedLSTM && len(c) != n || len(x) < (steps-1)*xs+p.input || y != nil && len(y) < (steps-1)*ys+n || len(scratch) < p.Scratch(steps) {
		panic("rnn: slice length mismatch")
	}
	row := p.blocks * u
	states, scratch := scratch[:3*u], scratch[3*u:]
	room, gates := scratch[:p.room()], scratch[p.room():]
	clear(states)
	hp, cp := states[:u], states[u:2*u]
	copy(hp, h)
	copy(cp, c[:min(len(c), n)])
	odd := false // every other step walks the weights from their end
	for done := 0; done < steps; {
		m := min(chunk, steps-done)
		lo := done
		if backwards {
			lo = steps - done - m
		}
		p.inputs(gates, x[lo*xs:], xs, m)
		for i := range m {
			if backwards {
				i = m - 1 - i
			}
			p.step(gates[i*row:(i+1)*row], states, room, odd)
			odd = !odd
			if y != nil {
				copy(y[(lo+i)*ys:(lo+i)*ys+n], hp)
			}
		}
		done += m
	}
	copy(h, hp)
	copy(c[:min(len(c), n)], cp)
}

// inputs writes the products of m inputs, with all that does not depend on the state.
func (p *Packed) inputs(gates, x []float32, xs, m int) {
	row, first := p.blocks*p.units, p.first()*p.units
	gemm.F32(gates[first:], row, x, xs, m, p.w)
	for i := range m {
		copy(gates[i*row:], p.bias[:first])
	}
}
