package detect

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Values are float32 values, or int8 values with the real value of each of their 256 bit patterns, which must rise with the int8 values.
type Values struct {
	F     []float32
	Q     []int8 // used when Table is not nil
	Table *[256]float32
}

// Len returns the number of values.
func (v *Values) Len() int {
	if v.Table != nil {
		return len(v.Q)
	}
	return len(v.F)
}

// At returns one value.
func (v *Values) At(i int) float32 {
	if v.Table != nil {
		return v.Table[uint8(v.Q[i])]
	}
	return v.F[i]
}

// best returns the largest of n values from i on. Values of int8 rise with their bit patterns.
func (v *Values) best(i, n int) float32 {
	if v.Table != nil {
		return v.Table[uint8(largest(v.Q[i:i+n]))]
	}
	best := v.F[i]
	for _, s := range v.F[i+1 : i+n] {
		if s > best {
			best = s
		}
	}
	return best
}

// largest returns the largest of at least one value, eight of which it compares at once.
func largest(row []int8) int8 {
	const high, low = 0x8080808080808080, 0x0101010101010101
	top := row[0]
	if len(row) >= 8 {
		b := unsafe.Slice((*byte)(unsafe.Pointer(&row[0])), len(row))
		most := binary.LittleEndian.Uint64(b) ^ high // unsigned from here on
		for b = b[8:]; len(b) >= 8; b = b[8:] {
			x := binary.LittleEndian.Uint64(b) ^ high
			d := (x | high) - most&^high // no byte borrows from the next
			above := x&^most | ^(x^most)&d
			most ^= (x ^ most) & (above >> 7 & low * 0xff)
		}
		row = row[len(row)&^7:]
		for ; most != 0; most >>= 8 {
			top = max(top, int8(byte(most)^0x80))
		}
	}
	for _, v := range row {
		top = max(top, v)
	}
	return top
}

// read copies values from i on.
func (v *Values) read(dst []float32, i int) {
	if v.Table == nil {
		copy(dst, v.F[i:])
		return
	}
	for k, q := range v.Q[i : i+len(dst)] {
		dst[k] = v.Table[uint8(q)]
	}
}

// Decode computes the corners ymin, xmin, ymax, xmax of boxes that are given relative to anchors. An anchor is centre y, centre x,
// height, width; the first four of width values of each code are the distance of the centre in units of the anchor's size and the
// logarithm of the size, all times scale (y, x, height, width). It reports whether no box has its least corner beyond its largest.
func Decode(boxes []float32, codes *Values, width int, anchors *Values, scale *[4]float32) bool {
	n := len(boxes) / 4
	if codes.Len() < n*width || width < 4 || anchors.Len() < 4*n {
		panic("detect: slice length mismatch")
	}
	ok := true
	for i := range n {
		var c, a [4]float32
		codes.read(c[:], i*width)
		anchors.read(a[:], i*4)
		b := boxes[4*i : 4*i+4]
		for k := range 2 {
			// In float64 like the reference; the conversion forbids a fused multiply-add.
			centre := float32(float64(float64(c[k])/float64(scale[k])*float64(a[2+k])) + float64(a[k]))
			half := float32(0.5 * math.Exp(float64(c[2+k])/float64(scale[2+k])) * float64(a[2+k]))
			b[k], b[2+k] = centre-half, centre+half
			ok = ok && !(b[k] > b[2+k])
		}
	}
	return ok
}

// Overlap is the intersection of two boxes of ordered corners divided by their union, 0 when one has no area.
func Overlap(a, b []float32) float32 {
	areaA := float32((a[2] - a[0]) * (a[3] - a[1]))
	areaB := float32((b[2] - b[0]) * (b[3] - b[1]))
	if areaA <= 0 || areaB <= 0 {
		return 0
	}
	h := max(min(a[2], b[2])-max(a[0], b[0]), 0)
	w := max(min(a[3], b[3])-max(a[1], b[1]), 0)
	both := float32(h * w)
	return both / (areaA + areaB - both)
}
