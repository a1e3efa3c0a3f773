package rnn

import (
	"wayside/kernels/gemm"
	"wayside/kernels/par"
)

// Walk runs sequences through a packed layer. Threads share its bands and meet behind each step. Each session needs a walk of its own.
type Walk struct {
	p            *Packed
	chunks, rows int // of bands; rows of gates in each

	// Of the run and of the part of it that has its inputs' products computed at once.
	x, y        []float32
	xs, ys      int
	room, gates []float32
	first, m    int // row of x and y, and how many

	// Of the step.
	at         int       // row of x and y
	begins     bool      // the part: products of its inputs are missing
	again      bool      // the second half of a step whose reset gate comes first
	odd        bool      // every other step walks the weights from their end
	h, next, c []float32 // the state before and behind it; the cell state, or room for a product
}

// Walk returns what runs sequences.
func (p *Packed) Walk() *Walk { return &Walk{p: p} }

// Run walks a sequence: x has a row of Input values for each step, xs apart, and y, unless it is nil, gets the hidden state after each, ys apart. h and c
// are the states, c of an LSTM alone. Backwards begins with the last row.
func (w *Walk) Run(y []float32, ys int, h, c, x []float32, xs, steps int, backwards bool, scratch []float32) {
	p := w.p
	n, u := p.hidden, p.units
	if steps == 0 {
		return
	}
	if len(h) != n || p.kind == packedLSTM && len(c) != n || len(x) < (steps-1)*xs+p.input || y != nil && len(y) < (steps-1)*ys+n || len(scratch) < p.Scratch(steps) {
		panic("rnn: slice length mismatch")
	}
	states, scratch := scratch[:3*u], scratch[3*u:]
	w.chunks, w.rows = min(par.Workers(), len(p.bands)), min(steps, chunk)
	w.x, w.y, w.xs, w.ys, w.room, w.gates = x, y, xs, ys, scratch[:p.room()*u], scratch[p.room()*u:]
	w.h, w.next, w.c, w.odd = states[:u], states[u:2*u], states[2*u:], false
	if len(p.bands) == 1 { // no other band needs the old state
		w.next = w.h
	}
	clear(states)
	copy(w.h, h)
	copy(w.c, c[:min(len(c), n)])
	for done := 0; done < steps; done += w.m {
		w.m = min(chunk, steps-done)
		w.first, w.begins = done, true
		if backwards {
			w.first = steps - done - w.m
		}
		for i := range w.m {
			w.at = w.first + i
			if backwards {
				w.at = w.first + w.m - 1 - i
			}
			w.half()
			w.begins = false
			if p.kind == packedGRUReset {
				w.again = true
				w.half()
				w.again = false
			}
			w.h, w.next = w.next, w.h
			w.odd = !w.odd
		}
	}
	copy(h, w.h)
	copy(c[:min(len(c), n)], w.c)
}

// half does a step, or a half of one whose reset gate comes first.
func (w *Walk) half() {
	if w.chunks == 1 {
		w.Do(0, 0)
		return
	}
	par.Run(w, w.chunks)
}

// Do implements par.Task: a chunk is some bands of a step.
func (w *Walk) Do(chunk, _ int) {
	p := w.p
	from, to := chunk*len(p.bands)/w.chunks, (chunk+1)*len(p.bands)/w.chunks
	for i := from; i < to; i++ {
		b := &p.bands[i]
		if w.odd {
			b = &p.bands[from+to-1-i]
		}
		gates, row := w.gates[w.rows*p.blocks*b.from:], p.blocks*b.width
		if w.begins {
			b.inputs(p, gates, w.x[w.first*w.xs:], w.xs, w.m)
		}
		gates = gates[(w.at-w.first)*row:]
		b.step(w, gates[:row])
		if w.y != nil && (w.again || p.kind != packedGRUReset) {
			copy(w.y[w.at*w.ys+b.from:][:b.n], w.next[b.from:])
		}
	}
}

// inputs writes the products of m inputs, with all that does not depend on the state.
func (b *band) inputs(p *Packed, gates, x []float32, xs, m int) {
	row, first := p.blocks*b.width, p.first()*b.width
	gemm.F32(gates[first:], row, x, xs, m, b.w)
	for i := range m {
		copy(gates[i*row:], b.bias[:first])
	}
}
