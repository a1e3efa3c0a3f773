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

// room is how many float32 a step needs.
func (p *Packed) room() int { return p.products * p.units }

var plus, minus, times = vec.NewArithF32("Add", negInf, posInf), vec.NewArithF32("Sub", negInf, posInf), vec.NewArithF32("Mul", negInf, posInf)

// pairs computes dst = a op b, element by element.
func pairs(op *vec.PairF32, dst, a, b []float32) {
	op.Run(dst, a, b, &vec.Rows{N: len(dst), SA: 1, SB: 1, Count: 1})
}

// step computes new states from a row of gates that holds the products with the input. states is the hidden state, the cell state or room for a product.
func (p *Packed) step(gates, states, room []float32, _ bool) {
	u := p.units
	h, c := states[:u], states[u:2*u]
	g := func(i int) []float32 { return gates[i*u : (i+1)*u] }
	gemm.F32(room, p.products*u, h, u, 1, p.r.w)
	pairs(plus, gates[:p.products*u], gates[:p.products*u], room)
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
		mix(h, update, candidate)
	case packedGRUReset:
		update, reset, candidate := g(0), g(1), g(2)
		vec.FnLogistic.Map(gates[:2*u], gates[:2*u])
		pairs(times, reset, reset, h)
		gemm.F32(room, u, reset, u, 1, p.rOut.w)
		pairs(plus, candidate, candidate, room[:u])
		mix(h, update, candidate)
	}
}

// mix makes the hidden state h = update × h + (1 − update) × tanh(candidate).
func mix(h, update, candidate []float32) {
	vec.FnTanh.Map(candidate, candidate)
	pairs(minus, h, h, candidate)
	pairs(times, h, h, update)
	pairs(plus, h, h, candidate)
}
