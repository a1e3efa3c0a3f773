package gemm

import (
	"math"
	"strconv"

	"wayside/kernels/internal/cpu"
)

// packS8Arch packs for the best tiles of this machine, nil where only the generic kernel is exact. bias is that of the sums of raw inputs and
// weights less both zero points, as PackS8 computes it.
func packS8Arch(store Store, rows int, w []int8, n, k int, bias, mult, shift []int32, wZero, zero, lo, hi int32) s8Packed {
	p := s8Packing{store: store, w: w, n: n, k: k, bias: bias, mult: mult, shift: shift, wZero: wZero, zero: zero, lo: lo, hi: hi}
	if rows >= centredRows {
		p, _ = p.centred()
	}
	fourBits := rows <= nibbleRows && nibbles(p.w[:n*k])
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		set := &s8AVX512
		if fourBits {
			set = &s4AVX512
		}
		if m, ok := p.flipped(set); ok {
			return m
		}
	case cpu.Has(cpu.AVXVNNI):
		if m, ok := p.flipped(&s8AVXVNNI); ok {
			return m
		}
	}
	if !cpu.Has(cpu.AVX2) {
		return nil
	}
	if fourBits {
		if m, ok := p.pack(&s4AVX2, false); ok {
			return &s8Widened{m}
		}
	}
	if rows >= innerRows && k >= innerK {
		if m, ok := p.pack(&s8InnerAVX2, false); ok {
			return &s8Inner{m}
		}
	} else if m, ok := p.pack(&s8AVX2, false); ok {
		return &s8Widened{m}
	}
	return nil
}

// From how many rows and values of a row on the tiles of the inner kind are faster: what they need of each row takes time too.
var innerRows, innerK = 8, 128

// WideS8Rows reports whether the int8 tiles of this machine read rows of int16, so that a picture for windows has twice the bytes.
func WideS8Rows() bool {
	return cpu.Has(cpu.AVX2) && !cpu.Has(cpu.AVX512VNNI) && !cpu.Has(cpu.AVXVNNI)
}

// packS8WindowsArch packs for tiles that read windows of a picture, nil where there are none or they are not exact.
func packS8WindowsArch(store Store, w []int8, n, k int, offsets []int, bias, mult, shift []int32, wZero, zero, lo, hi int32) s8Windows {
	p, ok := s8Packing{store: store, w: w, n: n, k: k, offsets: offsets, bias: bias, mult: mult, shift: shift, wZero: wZero, zero: zero, lo: lo, hi: hi}.centred()
	if !ok {
		return nil
	}
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		if m, ok := p.flipped(&s8AVX512); ok {
			return m
		}
	case cpu.Has(cpu.AVXVNNI):
		if m, ok := p.flipped(&s8AVXVNNI); ok {
			return m
		}
	case cpu.Has(cpu.AVX2):
		if m, ok := p.pack(&s8AVX2, false); ok {
			return &s8Widened{m}
		}
	}
	return nil
}

// packF32WindowsArch is packS8WindowsArch for float32.
func packF32WindowsArch(store Store, w []float32, n, k, segs int, bias []float32, lo, hi float32) f32Windows {
	if p, ok := packF32Arch(store, formOf(w[:n*k]), w, n, k, bias, lo, hi).(*f32Matrix); ok {
		p.segs = segs
		return p
	}
	return nil
}

// halfRows is for how many rows at a time binary16 pays: here it costs nothing.
const halfRows = math.MaxInt

// packF32Arch packs for the best tiles of this machine, nil for the generic kernel.
func packF32Arch(store Store, form form, w []float32, n, k int, bias []float32, lo, hi float32) f32Packed {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return packF32Tiles(store, &f32SetsAVX512, &f32SetsAVX2, form, w, n, k, bias, lo, hi)
	case cpu.Has(cpu.AVX2):
		return packF32Tiles(store, &f32SetsAVX2, nil, form, w, n, k, bias, lo, hi)
	}
	return nil
}

// apartF32Arch keeps the rows of a tile out of each other's sets of a first-level cache of 32 KB: on AVX2 the weights pass through all of its sets
// meanwhile, and push out what shares one with too many others.
func apartF32Arch(n int) int {
	const half, line = 512, 16 // values that span half of the sets, values of a line
	if n > 0 && n%half == 0 && cpu.Has(cpu.AVX2) && !cpu.Has(cpu.AVX512VNNI) {
		return n + line
	}
	return n
}

// tileSet is the tiles of one kind for one instruction set.
type tileSet struct {
	isa     string
	width   int       // columns of a vector
	wide    int       // vectors of the widest tile
	high    int       // rows of the highest tile
	sums    int       // vectors of sums that the registers hold
	table   []uintptr // addresses by vectors, then by rows, both less one; then those for one row and several panels of the widest tile, see onePanels
	depth   int       // int8: values of k in a group
	nibbles bool      // int8: weights of four bits, in panels of pairs of vectors
	inner   bool      // int8: the sums of a row and of a column have too much what innerColumn says, of the row and of the column
	zipped  bool      // int8: columns 0, 2, 1 and 3 of each four follow each other among the sums, as rescaling on AVX2 wants them
}

// with returns the set with other tiles of the same sizes.
func (s tileSet) with(table []uintptr) *tileSet {
	s.table = table
	return &s
}

// rows returns how many rows the highest tile of so many vectors has.
func (s *tileSet) rows(vectors int) int { return min(s.sums/vectors, s.high) }

// split divides m rows into tiles of two nearly equal heights, so that none is far from full: taller ones of height+1, the rest of height.
func (s *tileSet) split(m, vectors int) (tiles, height, taller int) {
	most := s.rows(vectors)
	tiles = (m + most - 1) / most
	return tiles, m / tiles, m % tiles
}

// tile is the address of the function for a tile.
func (s *tileSet) tile(vectors, rows int) uintptr { return s.table[(vectors-1)*s.high+rows-1] }

// onePanels says how many panels the functions for one row take: in this order their addresses follow those of the tiles.
var onePanels = [...]int{4, 2}

// one calls f with runs of full panels and the addresses of the functions for one row, and returns how many panels these runs hold.
func (s *tileSet) one(full int, f func(tile uintptr, first, n int)) int {
	i := 0
	for t, n := range onePanels {
		for ; i+n <= full; i += n {
			f(s.table[s.wide*s.high+t], i, n)
		}
	}
	return i
}

// id names the widest tile of a packing.
func (s *tileSet) id(vectors int) string {
	return strconv.Itoa(s.rows(vectors)) + "x" + strconv.Itoa(s.width*vectors) + "/" + s.isa
}

// panel says how many of n columns the next panel takes, and its vectors.
func (s *tileSet) panel(n int) (columns, vectors int) {
	columns = min(s.wide*s.width, n)
	vectors = (columns + s.width - 1) / s.width
	if s.nibbles {
		vectors = (vectors + 1) &^ 1
	}
	return columns, vectors
}
