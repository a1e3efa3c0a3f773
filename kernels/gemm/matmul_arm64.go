package gemm

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// fastProducts reports whether float32 matrices that come at run time have tiles.
func fastProducts() bool { return cpu.Has(cpu.Neon) }

func productID(int, bool) string { return "8x8/neon" }

// panelsF32 is how many floats the second matrix takes as panels.
func (p *ProductF32) panelsF32() int {
	return (p.N+7)/8*8*p.K + armReadAhead/4
}

func scratchProductF32(p *ProductF32) int {
	n := 16 + p.panelsF32()
	if p.TransA {
		n += p.M * p.K
	}
	return (4*n + 63) &^ 63
}

// runProductF32 packs b into panels [K][8], turns a where it must, and runs the tiles.
func runProductF32(p *ProductF32, c, a, b []float32, scratch []byte) {
	par, size := floats(scratch, 16), p.panelsF32()
	w := floats(scratch[64:], size)
	if p.TransA {
		a = turned(floats(scratch[64+4*size:], p.M*p.K), a, p.M, p.K)
	}
	for i := range 4 {
		par[8+i], par[12+i] = p.min, p.max
	}
	for first := 0; first < p.N; first += 8 {
		packPanelF32(w[first*p.K:], b, first, p)
	}
	block := f32Neon.rowsPerBlock(p.M, 4*p.K)
	for i := 0; i < p.M; i += block {
		for first := 0; first < p.N; first += 8 {
			copy(par[:8], p.bias[first:])
			t := armTile{w: unsafe.Pointer(&w[first*p.K]), blocks: p.K / 4, groups: p.K % 4, bytes: 4 * p.K, par: unsafe.Pointer(&par[0]), cols: min(8, p.N-first)}
			runRows(&f32Neon, &t, c[i*p.N+first:], p.N, a[i*p.K:], p.K, min(block, p.M-i))
		}
	}
}

// packPanelF32 lays eight columns of b side by side. What is absent does not matter: its sums are not stored.
func packPanelF32(to, b []float32, first int, p *ProductF32) {
	cols := min(8, p.N-first)
	if !p.TransB {
		for k := range p.K {
			copy(to[8*k:8*k+8], b[k*p.N+first:k*p.N+first+cols])
		}
		return
	}
	for col := range cols {
		at := col
		for _, v := range b[(first+col)*p.K : (first+col+1)*p.K] {
			to[at] = v
			at += 8
		}
	}
}

// Products of int8 matrices that come at run time have no tiles.

func packProductS8(*ProductS8) []int32 { return nil }

func scratchProductS8(*ProductS8) int { return 0 }

func runProductS8(*ProductS8, []int8, []int32, []int8, []int8, []byte) {}
