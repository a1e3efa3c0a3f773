package ops

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// FlexBuffers, the self-describing encoding in which custom TFLite operators keep their options. The root sits at the end of the
// bytes: a value, its packed type, the width of the value. Everything else is reached through offsets that count backwards; the
// reader follows three of them at most.

// flexMap holds the options of a custom operator by name: int64, float64, bool, string, or a slice of one of the first three.
// What an operator never reads (nested maps, untyped vectors, blobs) is there as nil.
type flexMap map[string]any

// Bounds of one map. A reader allocates no more than maxFlexElems elements whatever the offsets say.
const (
	maxFlexKeys  = 256
	maxFlexElems = 1 << 16
)

// The types of the FlexBuffers format that the reader tells apart.
const (
	flexNull          = 0
	flexInt           = 1
	flexUint          = 2
	flexFloat         = 3
	flexKey           = 4
	flexString        = 5
	flexIndirectInt   = 6
	flexIndirectUint  = 7
	flexIndirectFloat = 8
	flexMapType       = 9
	flexVectorInt     = 11
	flexVectorUint    = 12
	flexVectorFloat   = 13
	flexInt2          = 16 // int, uint, float by two, three and four elements, without a stored length
	flexFloat4        = 24
	flexBool          = 26
	flexVectorBool    = 36
)

var errFlex = errors.New("the custom options are damaged")

// parseFlexMap reads custom options whose root is a map. Empty options are an empty map. Damaged bytes, more than maxFlexKeys keys
// or more than maxFlexElems elements in vectors and strings are an error.
func parseFlexMap(options string) (flexMap, error) {
	if options == "" {
		return flexMap{}, nil
	}
	r := flexReader{s: options, left: maxFlexElems}
	if len(options) < 3 {
		return nil, errFlex
	}
	width := int(options[len(options)-1])
	root := len(options) - 2 - width
	if width != 1 && width != 2 && width != 4 && width != 8 || root < 0 {
		return nil, errFlex
	}
	if options[len(options)-2]>>2 != flexMapType {
		return nil, errors.New("the custom options are no FlexBuffers map")
	}
	at := r.follow(root, width)
	m := r.options(at, 1<<(options[len(options)-2]&3))
	if r.bad {
		return nil, errFlex
	}
	return m, nil
}

// flexReader walks the bytes; the first thing out of bounds makes it bad, and all later reads give zero.
type flexReader struct {
	s    string
	left int // elements that may still be made
	bad  bool
}

// uint reads an unsigned integer of 1, 2, 4 or 8 bytes.
func (r *flexReader) uint(at, width int) uint64 {
	if at < 0 || at > len(r.s)-width {
		r.bad = true
		return 0
	}
	var v uint64
	for i := range width {
		v |= uint64(r.s[at+i]) << (8 * i)
	}
	return v
}

func (r *flexReader) int(at, width int) int64 {
	shift := 64 - 8*width
	return int64(r.uint(at, width)<<shift) >> shift
}

func (r *flexReader) float(at, width int) float64 {
	switch width {
	case 4:
		return float64(math.Float32frombits(uint32(r.uint(at, 4))))
	case 8:
		return math.Float64frombits(r.uint(at, 8))
	}
	r.bad = true // no writer stores shorter floats
	return 0
}

// follow returns the place that the offset at a place points to. An empty vector may stand where its offset does.
func (r *flexReader) follow(at, width int) int {
	off := r.uint(at, width)
	if r.bad || off > uint64(at) {
		r.bad = true
		return 0
	}
	return at - int(off)
}

// length reads the number of elements before a vector, each of at least size bytes, and takes it off what may still be made.
func (r *flexReader) length(at, width, size int) int {
	n := r.uint(at-width, width)
	if r.bad || n > uint64(len(r.s)-at)/uint64(size) || n > uint64(r.left) {
		r.bad = true
		return 0
	}
	r.left -= int(n)
	return int(n)
}

// cstring reads a key: bytes up to a zero.
func (r *flexReader) cstring(at int) string {
	if r.bad {
		return ""
	}
	n := strings.IndexByte(r.s[at:], 0)
	if n < 0 || n > r.left {
		r.bad = true
		return ""
	}
	r.left -= n
	return strings.Clone(r.s[at : at+n])
}

// options reads the map whose values start at a place: before them stand the number of values, the width of the keys' offsets
// and the offset to these; after them one packed type for each value.
func (r *flexReader) options(at, width int) flexMap {
	n := r.length(at, width, width+1)
	keyWidth := int(r.uint(at-2*width, width))
	if n > maxFlexKeys || keyWidth != 1 && keyWidth != 2 && keyWidth != 4 && keyWidth != 8 {
		r.bad = true
	}
	keys := r.follow(at-3*width, width)
	if r.bad {
		return nil
	}
	m := flexMap{}
	for i := range n {
		key := r.cstring(r.follow(keys+i*keyWidth, keyWidth))
		v := r.value(at+i*width, width, byte(r.uint(at+n*width+i, 1)))
		if _, twice := m[key]; !twice {
			m[key] = v
		}
		if r.bad {
			return nil
		}
	}
	return m
}

// value reads one value of a map. Scalars stand in place, in the width of the map; the rest stands behind an offset, in a width of its own.
func (r *flexReader) value(at, width int, packed byte) any {
	kind, own := int(packed>>2), 1<<(packed&3)
	switch kind {
	case flexInt:
		return r.int(at, width)
	case flexUint:
		return r.clip(at, width)
	case flexFloat:
		return r.float(at, width)
	case flexBool:
		return r.uint(at, width) != 0
	case flexNull:
		return nil
	}
	at = r.follow(at, width)
	switch kind {
	case flexIndirectInt:
		return r.int(at, own)
	case flexIndirectUint:
		return r.clip(at, own)
	case flexIndirectFloat:
		return r.float(at, own)
	case flexKey:
		return r.cstring(at)
	case flexString:
		n := r.length(at, own, 1)
		if r.bad {
			return nil
		}
		return strings.Clone(r.s[at : at+n])
	case flexVectorInt, flexVectorUint, flexVectorFloat, flexVectorBool:
		return r.vector(at, own, r.length(at, own, own), kind)
	}
	if kind >= flexInt2 && kind <= flexFloat4 {
		n := (kind-flexInt2)/3 + 2
		if n > r.left {
			r.bad = true
			return nil
		}
		r.left -= n
		return r.vector(at, own, n, flexVectorInt+(kind-flexInt2)%3)
	}
	return nil
}

func (r *flexReader) vector(at, width, n, kind int) any {
	switch {
	case r.bad:
		return nil
	case kind == flexVectorFloat:
		v := make([]float64, n)
		for i := range v {
			v[i] = r.float(at+i*width, width)
		}
		return v
	case kind == flexVectorBool:
		v := make([]bool, n)
		for i := range v {
			v[i] = r.uint(at+i*width, width) != 0
		}
		return v
	}
	v := make([]int64, n)
	for i := range v {
		if kind == flexVectorInt {
			v[i] = r.int(at+i*width, width)
		} else {
			v[i] = r.clip(at+i*width, width)
		}
	}
	return v
}

// clip reads an unsigned integer; what exceeds int64 becomes its largest value.
func (r *flexReader) clip(at, width int) int64 {
	return int64(min(r.uint(at, width), math.MaxInt64))
}

// int returns an option as an integer: floats lose their fraction, a missing option gives def. An option of another type, or out of
// the range lo to hi, is an error that names it.
func (m flexMap) int(name string, def, lo, hi int64) (int, error) {
	v := def
	switch x := m[name].(type) {
	case nil:
	case int64:
		v = x
	case bool:
		v = 0
		if x {
			v = 1
		}
	case float64:
		if !(x >= math.MinInt32 && x <= math.MaxInt32) {
			return 0, fmt.Errorf("option %s is %v; %d to %d is supported", name, x, lo, hi)
		}
		v = int64(x)
	default:
		return 0, fmt.Errorf("option %s is no number", name)
	}
	if v < lo || v > hi {
		return 0, fmt.Errorf("option %s is %d; %d to %d is supported", name, v, lo, hi)
	}
	return int(v), nil
}

// float returns an option as a number; a missing option gives def. An option of another type, NaN or an infinity is an error that names it.
func (m flexMap) float(name string, def float32) (float32, error) {
	switch x := m[name].(type) {
	case nil:
		return def, nil
	case int64:
		return float32(x), nil
	case float64:
		f := float32(x)
		if math.IsNaN(x) || math.IsInf(float64(f), 0) {
			return 0, fmt.Errorf("option %s is %v", name, x)
		}
		return f, nil
	}
	return 0, fmt.Errorf("option %s is no number", name)
}

// bool returns an option as a truth value, numbers as unequal to zero; a missing option gives def.
func (m flexMap) bool(name string, def bool) (bool, error) {
	switch x := m[name].(type) {
	case nil:
		return def, nil
	case bool:
		return x, nil
	case int64:
		return x != 0, nil
	case float64:
		return x != 0, nil
	}
	return false, fmt.Errorf("option %s is no truth value", name)
}
