//go:build arm || arm64

package gemm

import (
	"bytes"
	"unsafe"
)

// s8Arm is a packed matrix for the int8 tiles of ARM.
type s8Arm struct {
	n, k   int
	name   string
	row    int // bytes of a row as the tiles read it: k, or more where it is shorter than they can read
	blocks int
	groups int
	wZero  int32
	exact  bool
	panels []s8ArmPanel
}

// s8ArmPanel is a run of columns with its packed weights and parameters.
type s8ArmPanel struct {
	shape *armShape
	span
	w   []int8
	par []int32 // bias, multiplier and negative shift of each column, then zero point and bounds for a vector
}

// packS8Arch packs for the best tiles that the limit allows; nil without any, or when some multiplier does not move sums to the right, which the tiles'
// rescaling relies on: the generic kernel then does it. bias is that of sums over raw inputs.
func packS8Arch(store Store, rows int, w []int8, n, k int, bias, mult, shift []int32, wZero, zero, lo, hi int32) s8Packed {
	shape, types := s8Shape(), "s8/"
	if four := s4Shape(); four != nil && rows <= nibbleRows && nibbles(w[:n*k]) {
		shape, types = four, "s4/"
	}
	if shape == nil {
		return nil
	}
	p := &s8Arm{n: n, k: k, name: shape.id(), wZero: wZero, exact: lo < zero}
	p.row = shape.rowBytes(k)
	var list []armChunk
	list, p.blocks, p.groups = shape.chunks(p.row)
	size := shape.panel(list)
	var unfolded []int8 // nibbles before they are folded
	if shape.nibbles {
		unfolded, size = make([]int8, size), size/2
	}
	all, ready := panels[int8](store, (n+shape.cols-1)/shape.cols*size, w[:n*k], types+p.name, n, k)
	for first := 0; first < n; first += shape.cols {
		cols := min(shape.cols, n-first)
		part := w[first*k : (first+cols)*k]
		q := s8ArmPanel{shape: shape, span: span{first, cols}, par: make([]int32, 3*shape.cols, 3*shape.cols+12)}
		if shape == &s8Neon && bytes.IndexByte(bytesOf(part), 0x80) >= 0 {
			q.shape = &s8Wide
		}
		q.w, all = all[:size], all[size:]
		switch {
		case ready:
		case shape.nibbles:
			clear(unfolded)
			packArm(unfolded, q.shape, part, k, cols, list)
			foldNibbles(q.w, bytesOf(unfolded), 16, 0)
		default:
			packArm(q.w, q.shape, part, k, cols, list)
		}
		for c := range cols {
			m, s := mult[first+c], shift[first+c]
			if m == 0 {
				s = -1
			}
			if s > -1 || s < -31 {
				return nil
			}
			q.par[c], q.par[shape.cols+c], q.par[2*shape.cols+c] = bias[first+c], m, s
		}
		for _, v := range []int32{zero & 0xffff * 0x10001, lo & 0xff * 0x1010101, hi & 0xff * 0x1010101} {
			q.par = append(q.par, v, v, v, v)
		}
		p.panels = append(p.panels, q)
	}
	return p
}

func (p *s8Arm) id() string { return p.name }

func (p *s8Arm) fourBits() bool { return p.panels[0].shape.nibbles }

func (p *s8Arm) bytes() (s8, s32 int) {
	for i := range p.panels {
		s8 += len(p.panels[i].w)
		s32 += 4 * len(p.panels[i].par)
	}
	return s8, s32
}

// scratch returns the bytes that run needs for m rows: for rows that are too short to be read where they lie, and for sums of rows.
func (p *s8Arm) scratch(m int) int {
	rows, n := p.panels[0].shape.rowsPerBlock(m, p.row), 0
	if p.row != p.k {
		n = rows * p.row
	}
	if p.wZero != 0 {
		n += 4*rows + 3
	}
	return n
}

func (p *s8Arm) count() int { return len(p.panels) }

// part is the matrix of some of the panels.
func (p *s8Arm) part(from, to int) (first, columns int, _ s8Packed) {
	m := *p
	first, columns, m.panels = somePanels(p.panels, from, to)
	m.n = columns
	return first, columns, &m
}

// run computes m rows of x, ldx apart, into dst, ldd apart. scratch has scratch(m) bytes.
func (p *s8Arm) run(dst []int8, ldd int, x []int8, ldx, m int, scratch []byte) {
	_, _ = x[(m-1)*ldx+p.k-1], dst[(m-1)*ldd+p.n-1]
	block := p.panels[0].shape.rowsPerBlock(m, p.row)
	var fix []int32
	if p.wZero != 0 {
		at := int(-uintptr(unsafe.Pointer(&scratch[0])) & 3)
		fix = unsafe.Slice((*int32)(unsafe.Pointer(&scratch[at])), block)
		scratch = scratch[at+4*block:]
	}
	for i := 0; i < m; i += block {
		rows := min(block, m-i)
		a, lda := x[i*ldx:], ldx
		if p.row != p.k {
			a, lda = widenRows(scratch, p.row, a, ldx, p.k, rows), p.row
		}
		if p.wZero != 0 {
			rowSums(fix[:rows], a, lda, p.k)
			for r := range rows {
				fix[r] *= -p.wZero
			}
		}
		for j := range p.panels {
			q := &p.panels[j]
			t := armTile{w: unsafe.Pointer(&q.w[0]), blocks: p.blocks, groups: p.groups, bytes: p.row, par: unsafe.Pointer(&q.par[0]), cols: q.n, exact: p.exact}
			if p.wZero != 0 {
				t.fix = unsafe.Pointer(&fix[0])
			}
			runRows(q.shape, &t, dst[i*ldd+q.first:], ldd, a, lda, rows)
		}
	}
}

//go:noescape
func rowSumsNeon(t *armTile)

// rowSums adds up k values of each row.
func rowSums(sums []int32, x []int8, ldx, k int) {
	whole := k &^ 15
	if clear(sums); whole > 0 {
		rowSumsNeon(&armTile{a: unsafe.Pointer(&x[0]), lda: ldx, blocks: whole / 16, dst: unsafe.Pointer(&sums[0]), tiles: len(sums)})
	}
	for r := range sums {
		for _, v := range x[r*ldx+whole : r*ldx+k] {
			sums[r] += int32(v)
		}
	}
}

// widenRows copies short rows of k bytes into scratch, lda apart. What lies between meets weights of zero.
func widenRows(scratch []byte, lda int, x []int8, ldx, k, rows int) []int8 {
	out := unsafe.Slice((*int8)(unsafe.Pointer(&scratch[0])), rows*lda)
	for r := range rows {
		copy(out[r*lda:r*lda+k], x[r*ldx:])
	}
	return out
}
