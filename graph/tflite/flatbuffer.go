package tflite

import (
	"encoding/binary"
	"fmt"
	"math"

	"wayside/graph"
)

// buf is the whole file. Every access is checked, so that no offset in a hostile file can lead outside of it. A failure is
// kept in err, the access gives zero, and the reader looks at err at the end of each object.
type buf struct {
	b      []byte
	err    error
	budget int // elements of vectors that may still be decoded
}

func (f *buf) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: "+format, append([]any{graph.ErrDamaged}, args...)...)
	}
}

// has reports whether n bytes from at lie in the file, and fails if not.
func (f *buf) has(at, n int64) bool {
	if at < 0 || n < 0 || at > int64(len(f.b)) || n > int64(len(f.b))-at {
		f.fail("an offset leads to byte %d of a file of %d bytes", at+max(n, 0), len(f.b))
		return false
	}
	return true
}

func (f *buf) u8(at int64) uint8 {
	if !f.has(at, 1) {
		return 0
	}
	return f.b[at]
}

func (f *buf) u16(at int64) uint16 {
	if !f.has(at, 2) {
		return 0
	}
	return binary.LittleEndian.Uint16(f.b[at:])
}

func (f *buf) u32(at int64) uint32 {
	if !f.has(at, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(f.b[at:])
}

func (f *buf) u64(at int64) uint64 {
	if !f.has(at, 8) {
		return 0
	}
	return binary.LittleEndian.Uint64(f.b[at:])
}

// table is one FlatBuffer table: pos is its position, vt that of its vtable, vn the vtable's length in bytes.
// The zero table has no fields.
type table struct {
	f   *buf
	pos int64
	vt  int64
	vn  int64
}

func (f *buf) table(pos int64) table {
	if !f.has(pos, 4) {
		return table{f: f}
	}
	vt := pos - int64(int32(f.u32(pos)))
	if !f.has(vt, 4) {
		return table{f: f}
	}
	vn := int64(f.u16(vt))
	if vn < 4 || !f.has(vt, vn) {
		f.fail("the table at byte %d has a broken field list", pos)
		return table{f: f}
	}
	return table{f, pos, vt, vn}
}

func (t table) ok() bool { return t.vn > 0 }

// at returns the position of a slot's value, or 0 when the file leaves it out.
func (t table) at(slot int) int64 {
	o := 4 + 2*int64(slot)
	if slot < 0 || o+2 > t.vn {
		return 0
	}
	d := int64(t.f.u16(t.vt + o))
	if d == 0 {
		return 0
	}
	return t.pos + d
}

func (t table) i8(slot int, def int8) int8 {
	if p := t.at(slot); p != 0 {
		return int8(t.f.u8(p))
	}
	return def
}

func (t table) i32(slot int, def int32) int32 {
	if p := t.at(slot); p != 0 {
		return int32(t.f.u32(p))
	}
	return def
}

func (t table) u64(slot int) uint64 {
	if p := t.at(slot); p != 0 {
		return t.f.u64(p)
	}
	return 0
}

func (t table) f32(slot int, def float32) float32 {
	if p := t.at(slot); p != 0 {
		return math.Float32frombits(t.f.u32(p))
	}
	return def
}

// sub follows a slot's offset to a table.
func (t table) sub(slot int) table {
	p := t.at(slot)
	if p == 0 {
		return table{f: t.f}
	}
	return t.f.table(p + int64(t.f.u32(p)))
}

// vec is a vector: n elements of size bytes from pos.
type vec struct {
	f   *buf
	pos int64
	n   int
}

// vec follows a slot's offset to a vector whose elements have size bytes, checked to lie in the file.
func (t table) vec(slot, size int) vec {
	p := t.at(slot)
	if p == 0 {
		return vec{f: t.f}
	}
	p += int64(t.f.u32(p))
	n := int64(t.f.u32(p))
	if t.f.err != nil || !t.f.has(p+4, n*int64(size)) {
		return vec{f: t.f}
	}
	return vec{t.f, p + 4, int(n)}
}

// limited fails when the vector is longer than limit, so that nothing is allocated for it. Objects of a FlatBuffer may share a
// vector, so the sum of all lengths is bounded too, by the size of the file.
func (v vec) limited(what string, limit int) vec {
	if v.f.budget -= v.n; v.f.budget < 0 {
		v.f.fail("the vectors are shared so often that %d bytes are worth many times as much", len(v.f.b))
		return vec{f: v.f}
	}
	if v.n > limit {
		v.f.fail("%d %s, at most %d are read", v.n, what, limit)
		return vec{f: v.f}
	}
	return v
}

func (v vec) table(i int) table {
	p := v.pos + 4*int64(i)
	return v.f.table(p + int64(v.f.u32(p)))
}

func (v vec) i32(i int) int32   { return int32(v.f.u32(v.pos + 4*int64(i))) }
func (v vec) i64(i int) int64   { return int64(v.f.u64(v.pos + 8*int64(i))) }
func (v vec) f32(i int) float32 { return math.Float32frombits(v.f.u32(v.pos + 4*int64(i))) }
func (v vec) bytes() []byte     { return v.f.b[v.pos : v.pos+int64(v.n) : v.pos+int64(v.n)] }
func (t table) str(s int) string {
	return string(t.vec(s, 1).limited("bytes of a name", maxName).bytes())
}
func (t table) data(s int) []byte { return t.vec(s, 1).bytes() }
