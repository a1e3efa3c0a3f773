//go:build arm || arm64

package gemm

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// f32Arm is a packed matrix for the float32 tiles of ARM.
type f32Arm struct {
	n, k           int
	form           form
	shape          armShape
	blocks, groups int
	panels         []f32ArmPanel
}

// f32ArmPanel is a run of columns with its packed weights and parameters.
type f32ArmPanel struct {
	span
	w   []byte
	par []float32 // bias of each column, then the bounds for a vector
}

// halfRows is for how many rows at a time binary16 pays. One tile reads each weight once and waits for memory; where several share what a cache holds,
// widening again for each would take an A72 some 20 % longer, see docs/adr/0012.
const halfRows = 8

// packF32Arch packs for the tiles, nil for the generic kernel.
func packF32Arch(store Store, form form, w []float32, n, k int, bias []float32, lo, hi float32) f32Packed {
	if !cpu.Has(cpu.Neon) {
		return nil
	}
	tiles := f32Forms[form]
	if tiles == nil {
		form, tiles = full, f32Tiles()
	}
	p := &f32Arm{n: n, k: k, form: form, shape: f32Neon}
	p.shape.tiles = tiles
	var list []armChunk
	list, p.blocks, p.groups = f32Neon.chunks(4 * k)
	size := f32Neon.panel(list) / 4
	all, ready := form.panels(store, (n+f32Neon.cols-1)/f32Neon.cols*size, w[:n*k], p.id(), n, k)
	size *= form.size()
	var panel []float32 // before it is narrowed
	for first := 0; first < n; first += f32Neon.cols {
		cols := min(f32Neon.cols, n-first)
		q := f32ArmPanel{span: span{first, cols}, w: all[:size], par: make([]float32, f32Neon.cols)}
		if all = all[size:]; !ready {
			panel = form.room(q.w, panel)
			packArm(panel, &f32Neon, w[first*k:(first+cols)*k], k, cols, list)
			form.store(q.w, panel)
		}
		if bias != nil {
			copy(q.par, bias[first:first+cols])
		}
		q.par = append(q.par, lo, lo, lo, lo, hi, hi, hi, hi)
		p.panels = append(p.panels, q)
	}
	return p
}

func (p *f32Arm) id() string { return f32Neon.id() }

func (p *f32Arm) types() form { return p.form }

func (p *f32Arm) bytes() FormBytes {
	weights, parameters := 0, 0
	for i := range p.panels {
		weights += len(p.panels[i].w)
		parameters += 4 * len(p.panels[i].par)
	}
	return p.form.bytes(weights, parameters)
}

func (p *f32Arm) count() int { return len(p.panels) }

// part is the matrix of some of the panels.
func (p *f32Arm) part(from, to int) (first, columns int, _ f32Packed) {
	m := *p
	first, columns, m.panels = somePanels(p.panels, from, to)
	m.n = columns
	return first, columns, &m
}

// run computes m rows of x, ldx apart, into dst, ldd apart.
func (p *f32Arm) run(dst []float32, ldd int, x []float32, ldx, m int) {
	_, _ = x[(m-1)*ldx+p.k-1], dst[(m-1)*ldd+p.n-1]
	block := f32Neon.rowsPerBlock(m, 4*p.k)
	for i := 0; i < m; i += block {
		for j := range p.panels {
			q := &p.panels[j]
			t := armTile{w: unsafe.Pointer(&q.w[0]), blocks: p.blocks, groups: p.groups, bytes: 4 * p.k, par: unsafe.Pointer(&q.par[0]), cols: q.n}
			runRows(&p.shape, &t, dst[i*ldd+q.first:], ldd, x[i*ldx:], ldx, min(block, m-i))
		}
	}
}
