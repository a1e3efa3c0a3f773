//go:build arm || arm64

package rnn

import (
	"math"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/vec"
)

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// panelWidth returns to what multiple units are padded, 0 where there are no kernels.
func panelWidth() int {
	if cpu.Has(cpu.Neon) {
		return 1
	}
	return 0
}

func panelID() string { return gemm.PackF32([]float32{0}, 1, 1, nil, negInf, posInf).ID() }

// panels is a matrix for products with the state.
type panels struct{ w *gemm.F32Weights }

// packPanels packs matrices of rows × k one after the other.
func packPanels(ms []Matrix, rows, units, k int, _ bool) *panels {
	w := make([]float32, 0, len(ms)*units*k)
	for _, m := range ms {
		w = append(w, m.widened()...)
	}
	return &panels{gemm.PackF32(w, len(ms)*rows, k, nil, negInf, posInf)}
}

func (p *panels) bytes() gemm.FormBytes { return p.w.Bytes() }

// room is how many float32 a step needs for each unit.
func (p *Packed) room() int { return p.products }

var plus, minus, times = vec.NewArithF32("Add", negInf, posInf), vec.NewArithF32("Sub", negInf, posInf), vec.NewArithF32("Mul", negInf, posInf)

// pairs computes dst = a op b, element by element.
func pairs(op *vec.PairF32, dst, a, b []float32) {
	op.Run(dst, a, b, &vec.Rows{N: len(dst), SA: 1, SB: 1, Count: 1})
}

// step computes the new states of a band from a row of gates that holds the products with the input.
func (b *band) step(w *Walk, gates []float32) {
	p, u := w.p, b.width
	old, h, c := w.h[b.from:b.from+u], w.next[b.from:b.from+u], w.c[b.from:b.from+u]
	room := w.room[p.products*b.from : p.products*(b.from+u)]
	g := func(i int) []float32 { return gates[i*u : (i+1)*u] }
	if !w.again {
		gemm.F32(room, p.products*u, w.h, p.hidden, 1, b.r.w)
		pairs(plus, gates[:p.products*u], gates[:p.products*u], room)
	}
	switch p.kind {
	case packedLSTM:
		in, forget, cell, out := g(0), g(1), g(2), g(3)
		vec.FnLogistic.Map(gates[:2*u], gates[:2*u])
		vec.FnTanh.Map(cell, cell)
		vec.FnLogistic.Map(out, out)
		pairs(times, in, in, cell)
		pairs(times, c, c, forget)
		pairs(plus, c, c, in)
		if p.clip < posInf {
			vec.ClampF32(c, c, -p.clip, p.clip)
		}
		vec.FnTanh.Map(h, c)
		pairs(times, h, h, out)
	case packedGRUAfter:
		state, update, reset, candidate := g(0), g(1), g(2), g(3)
		vec.FnLogistic.Map(gates[u:3*u], gates[u:3*u])
		pairs(times, state, state, reset)
		pairs(plus, candidate, candidate, state)
		mix(h, old, update, candidate)
	case packedGRUReset:
		update, reset, candidate := g(0), g(1), g(2)
		if !w.again {
			vec.FnLogistic.Map(gates[:2*u], gates[:2*u])
			pairs(times, c, reset, old)
			return
		}
		gemm.F32(room, u, w.c, p.hidden, 1, b.rOut.w)
		pairs(plus, candidate, candidate, room[:u])
		mix(h, old, update, candidate)
	}
}

// mix makes the hidden state h = update × old + (1 − update) × tanh(candidate).
func mix(h, old, update, candidate []float32) {
	vec.FnTanh.Map(candidate, candidate)
	pairs(minus, h, old, candidate)
	pairs(times, h, h, update)
	pairs(plus, h, h, candidate)
}
