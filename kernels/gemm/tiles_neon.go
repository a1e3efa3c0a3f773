//go:build arm || arm64

package gemm

import (
	"strconv"
	"unsafe"

	"wayside/kernels/internal/call"
)

// armTile is the argument of an assembly tile: tiles × rows rows with one panel of columns. The assembly knows the offsets.
type armTile struct {
	a      unsafe.Pointer // rows, lda bytes apart
	lda    int
	w      unsafe.Pointer // the panel's weights
	blocks int            // of 16 bytes of a row
	groups int            // short groups behind the blocks
	bytes  int            // of a row
	dst    unsafe.Pointer // rows, ldd bytes apart
	ldd    int
	par    unsafe.Pointer // what the store needs
	tiles  int
	cols   int            // that exist
	fix    unsafe.Pointer // int8: an int32 for each row that comes to its sums; nil for none
	exact  bool           // int8: some output may lie below the zero point before it is clamped
}

// armShape is how a family of tiles walks over rows and columns. Lengths are in bytes.
type armShape struct {
	isa        string
	tiles      []uintptr // by rows, less one
	rows, cols int
	group      int // length of a short group
	depth      int // how many bytes of a column lie side by side in the weights
	nibbles    bool
}

// id names the tile.
func (s *armShape) id() string {
	return strconv.Itoa(s.rows) + "x" + strconv.Itoa(s.cols) + "/" + s.isa
}

// armChunk is a part of a row that the tiles take at once: width bytes at at, of which those before from have been taken already.
type armChunk struct{ at, from, width int }

// armReadAhead is how many bytes behind the weights a tile may read.
const armReadAhead = 128

// count returns into how many blocks and short groups a row of at least group bytes is cut.
func (s *armShape) count(bytes int) (blocks, groups int) {
	blocks = bytes / 16
	rest := bytes % 16
	if rest > 16-s.group && blocks > 0 {
		return blocks + 1, 0
	}
	return blocks, (rest + s.group - 1) / s.group
}

// chunk returns part i of a row that count has cut into blocks and then groups.
func (s *armShape) chunk(bytes, blocks, i int) armChunk {
	if i < blocks {
		return armChunk{min(16*i, bytes-16), 16 * i, 16}
	}
	from := 16*blocks + s.group*(i-blocks)
	return armChunk{min(from, bytes-s.group), from, s.group}
}

// chunks returns all parts of a row.
func (s *armShape) chunks(bytes int) (list []armChunk, blocks, groups int) {
	blocks, groups = s.count(bytes)
	for i := range blocks + groups {
		list = append(list, s.chunk(bytes, blocks, i))
	}
	return list, blocks, groups
}

// packArm lays cols rows of w, k elements each, into an empty panel in the order in which the tiles read them.
func packArm[T int8 | float32](panel []T, s *armShape, w []T, k, cols int, list []armChunk) {
	row := k * int(unsafe.Sizeof(w[0]))
	to, from := bytesOf(panel), bytesOf(w)
	whole := row &^ 15 // the chunks there overlap nothing and are full
	deal(to, from, row, whole, cols, s.cols, s.depth, inOrder)
	to = to[whole*s.cols:]
	for _, c := range list[whole/16:] {
		depth := min(s.depth, c.width)
		for col := range cols {
			var part [16]byte // what has been taken already, and what is absent, is zero
			copy(part[c.from-c.at:c.width], from[col*row+min(c.from, row):(col+1)*row])
			spread(to[col*depth:], part[:c.width], s.cols*depth, depth)
		}
		to = to[c.width*s.cols:]
	}
}

// panel returns the bytes of a panel of the chunks, with what tiles may read behind it.
func (s *armShape) panel(list []armChunk) int {
	bytes := armReadAhead
	for _, c := range list {
		bytes += c.width * s.cols
	}
	return bytes
}

// armCall bounds the work of one call, in bytes of rows times columns: far less than 100 µs, in which the runtime cannot stop the goroutine.
const armCall = 200_000

// runRows runs tiles of nearly equal heights over m rows of x.
func runRows[T, U int8 | int32 | float32](s *armShape, t *armTile, dst []T, ldd int, x []U, ldx, m int) {
	t.lda, t.ldd = ldx*int(unsafe.Sizeof(x[0])), ldd*int(unsafe.Sizeof(dst[0]))
	if m <= s.rows { // as most rows of dense layers: there, divisions would take as long as short panels
		t.tiles, t.a, t.dst = 1, unsafe.Pointer(&x[0]), unsafe.Pointer(&dst[0])
		call.Tile(s.tiles[m-1], unsafe.Pointer(t))
		return
	}
	tiles := (m + s.rows - 1) / s.rows
	height, taller := m/tiles, m%tiles
	done, fix := 0, t.fix
	for _, part := range [2]struct{ height, tiles int }{{height + 1, taller}, {height, tiles - taller}} {
		for left := part.tiles; left > 0; left -= t.tiles {
			t.tiles = min(left, max(1, armCall/(part.height*s.cols*t.bytes)))
			t.a, t.dst = unsafe.Pointer(&x[done*ldx]), unsafe.Pointer(&dst[done*ldd])
			if fix != nil {
				t.fix = unsafe.Add(fix, 4*done)
			}
			call.Tile(s.tiles[part.height-1], unsafe.Pointer(t))
			done += t.tiles * part.height
		}
	}
}

// rowBytes is how many bytes of rows of k the tiles read: more than k where that is too short for them.
func (s *armShape) rowBytes(k int) int {
	switch {
	case k < s.group:
		return s.group
	case k < 16 && s.group == 8:
		return (k + 7) &^ 7
	}
	return k
}

// armBlock is how many bytes of rows are multiplied with all panels before the next rows: they stay in the first-level cache.
const armBlock = 16 << 10

// rowsPerBlock returns how many of m rows of that many bytes are worked on at once.
func (s *armShape) rowsPerBlock(m, bytes int) int {
	return min(m, max(armBlock/bytes, 24)/s.rows*s.rows)
}
