//go:build arm || arm64

package gemm

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// fastProducts reports whether matrices that come at run time have tiles.
func fastProducts() bool { return cpu.Has(cpu.Neon) }

func productID(_ int, s8 bool) string {
	if s8 {
		return s8Shape().id()
	}
	return f32Neon.id()
}

// panelsProductF32 is how many floats the second matrix takes as panels, behind what the store needs.
func panelsProductF32(p *ProductF32) int { return 16 + (p.N+7)/8*8*p.K + armReadAhead/4 }

func (p *ProductF32) direct([]float32) []float32 { return nil }

// packProductF32 packs b into panels [K][8].
func packProductF32(p *ProductF32, panels, b []float32, ldb int) {
	for first := 0; first < p.N; first += 8 {
		packPanelF32(panels[16+first*p.K:], b, ldb, first, p)
	}
}

func rowsOfProductF32(p *ProductF32, c []float32, ldc int, a []float32, lda, m int, panels []float32) {
	par, w := panels[:16], panels[16:]
	for i := range 4 {
		par[8+i], par[12+i] = p.min, p.max
	}
	shape := f32Neon
	shape.tiles = f32Tiles()
	block := shape.rowsPerBlock(m, 4*p.K)
	for i := 0; i < m; i += block {
		for first := 0; first < p.N; first += 8 {
			copy(par[:8], p.bias[first:])
			t := armTile{w: unsafe.Pointer(&w[first*p.K]), blocks: p.K / 4, groups: p.K % 4, bytes: 4 * p.K, par: unsafe.Pointer(&par[0]), cols: min(8, p.N-first)}
			runRows(&shape, &t, c[i*ldc+first:], ldc, a[i*lda:], lda, min(block, m-i))
		}
	}
}

// packPanelF32 lays eight columns of b side by side. What is absent does not matter: its sums are not stored.
func packPanelF32(to, b []float32, ldb, first int, p *ProductF32) {
	cols := min(8, p.N-first)
	if !p.TransB {
		for k := range p.K {
			copy(to[8*k:8*k+8], b[k*ldb+first:k*ldb+first+cols])
		}
		return
	}
	for col := range cols {
		at := col
		for _, v := range b[(first+col)*ldb : (first+col)*ldb+p.K] {
			to[at] = v
			at += 8
		}
	}
}
