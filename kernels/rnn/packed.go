package rnn

import (
	"wayside/kernels/gemm"
	"wayside/kernels/par"
)

// Packed is a float32 LSTM or GRU packed for the vector instructions of this machine: it runs whole sequences, with the products of all inputs first. It
// is immutable. Its results differ from those of the plain cells by the order of sums, which also depends on a step's place in the run, and by the bounds of
// vec.FnLogistic and vec.FnTanh; they do not depend on how many threads share it.
type Packed struct {
	input, hidden int
	units         int // hidden, padded to whole vectors
	kind          packedKind
	blocks        int     // gates of a row of working memory
	products      int     // of those, the first ones that get a product with the state
	clip          float32 // bound of an LSTM's cell state
	bands         []band
}

// band is some units of a layer with all of their weights: one thread computes them, and needs of the others but their state.
type band struct {
	from, n int // units
	width   int // n, padded to whole vectors: every gate has so many columns
	w       *gemm.F32Weights
	bias    []float32 // of the row
	r, rOut *panels   // rOut: of the candidate where the reset gate comes first
}

const (
	maxBands    = 4  // of a layer
	bandUnit    = 16 // units that bounds of bands are multiples of: whole vectors and cache lines
	macsPerNano = 20 // of one thread, roughly
)

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
func (m Matrix) rowsOf(g, n, k int) Matrix { return m.between(g*n, (g+1)*n, k) }

// between returns rows [lo, hi) of a matrix with k columns.
func (m Matrix) between(lo, hi, k int) Matrix {
	if m.BF16 != nil {
		return Matrix{BF16: m.BF16[lo*k : hi*k]}
	}
	return Matrix{F32: m.F32[lo*k : hi*k]}
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
	half := false
	for _, q := range parts {
		half = half || q.w.BF16 != nil || q.r.BF16 != nil
	}
	groups := (p.units + bandUnit - 1) / bandUnit
	count := bandsOf(groups, int64(len(parts)*hidden*hidden/macsPerNano))
	for i := range count {
		b := band{from: i * groups / count * bandUnit}
		b.width = min((i+1)*groups/count*bandUnit, p.units) - b.from
		b.n = min(b.width, hidden-b.from)
		b.pack(p, parts, half)
		p.bands = append(p.bands, b)
	}
	return p
}

// bandsOf returns into how many bands a layer is divided that has so many groups of units and whose step takes a thread so long: as many of which any two
// are worth sharing. The number of threads does not count, so that sums have the same order for all.
func bandsOf(groups int, nanos int64) int {
	n := maxBands
	for n > 1 && (n > groups || !par.Worth(2*nanos/int64(n))) {
		n /= 2
	}
	return n
}

// pack packs the band's columns of the layer's gates.
func (b *band) pack(p *Packed, parts []part, half bool) {
	b.bias = make([]float32, p.blocks*b.width)
	var r []Matrix
	first := p.first()
	w := make([]float32, (p.blocks-first)*b.width*p.input)
	for i, q := range parts {
		for _, bias := range [][]float32{q.wb, q.rb} {
			if bias != nil {
				for j, v := range bias[b.from : b.from+b.n] {
					b.bias[i*b.width+j] += v
				}
			}
		}
		if i < p.products {
			r = append(r, q.r.between(b.from, b.from+b.n, p.hidden))
		}
		if i >= first {
			copy(w[(i-first)*b.width*p.input:], q.w.between(b.from, b.from+b.n, p.input).widened())
		}
	}
	b.r = packPanels(r, b.n, b.width, p.hidden, half)
	if p.kind == packedGRUReset {
		b.rOut = packPanels([]Matrix{parts[2].r.between(b.from, b.from+b.n, p.hidden)}, b.n, b.width, p.hidden, half)
	}
	b.w = gemm.PackF32(w, (p.blocks-first)*b.width, p.input, b.bias[first*b.width:], negInf, posInf)
}

// first is the first gate with a product with the input.
func (p *Packed) first() int {
	if p.kind == packedGRUAfter {
		return 1
	}
	return 0
}

// Bytes returns the memory of the weights and the bias.
func (p *Packed) Bytes() (n gemm.FormBytes) {
	for i := range p.bands {
		b := &p.bands[i]
		n = n.Plus(b.w.Bytes()).Plus(b.r.bytes()).Plus(gemm.FormBytes{F32: 4 * len(b.bias)})
		if b.rOut != nil {
			n = n.Plus(b.rOut.bytes())
		}
	}
	return n
}

// ID names the panel and the instruction set.
func (p *Packed) ID() string { return panelID() }

// Scratch returns the number of float32 elements that a walk of so many steps needs.
func (p *Packed) Scratch(steps int) int {
	return min(steps, chunk)*p.blocks*p.units + 3*p.units + p.room()*p.units
}
