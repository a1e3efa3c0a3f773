package tensor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unsafe"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// DType is the type of a tensor's elements.
type DType uint8

// The element types. BF16 and F16 are storage types: arithmetic on them is done in float32.
// S4 is a storage type too: two elements per byte, the low nibble first.
const (
	Invalid DType = iota
	F32
	BF16
	F16
	S8
	U8
	S16
	S32
	S64
	Bool
	S4
	U32
	U64
)

var dtypeNames = [...]string{"invalid", "float32", "bfloat16", "float16", "int8", "uint8", "int16", "int32", "int64", "bool", "int4", "uint32", "uint64"}

// String returns the name that users know from numpy: float32, int8, bool.
func (d DType) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return "dtype" + strconv.Itoa(int(d))
}

// Bytes returns the storage of n elements of d in bytes. n must not be negative.
func (d DType) Bytes(n int) int {
	switch d {
	case F32, S32, U32:
		return 4 * n
	case BF16, F16, S16:
		return 2 * n
	case S64, U64:
		return 8 * n
	case S8, U8, Bool:
		return n
	case S4:
		return (n + 1) / 2
	}
	return 0
}

// Shape is the extent of each axis, outermost first. An empty shape is a scalar with one element.
// Before a model's dynamic axes are bound they are -1.
type Shape []int

// MaxElems bounds the element count of one tensor; larger shapes are refused at load.
const MaxElems = 1 << 28

// Elems returns the number of elements, or an error when an axis is negative (unbound) or the product exceeds MaxElems.
func (s Shape) Elems() (int, error) {
	n := 1
	for _, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("tensor: shape %v has an unbound axis", s)
		}
		if d > MaxElems || d != 0 && n > MaxElems/d {
			return 0, fmt.Errorf("tensor: shape %v has more than %d elements", s, MaxElems)
		}
		n *= d
	}
	return n, nil
}

// Equal reports whether both shapes have the same axes.
func (s Shape) Equal(o Shape) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// String formats the shape as [1,49,10,1].
func (s Shape) String() string {
	b := []string{}
	for _, d := range s {
		b = append(b, strconv.Itoa(d))
	}
	return "[" + strings.Join(b, ",") + "]"
}

// Quant says how stored integers q stand for real values r: r = Scale × (q − Zero).
// With one scale it holds for the whole tensor; otherwise there is one scale (and one zero point) per index of Axis.
type Quant struct {
	Scale []float32
	Zero  []int32
	Axis  int
}

// PerTensor reports whether one scale and zero point hold for all elements.
func (q *Quant) PerTensor() bool { return q != nil && len(q.Scale) == 1 }

// Tensor is a view of bytes that somebody else owns: a session's arena, a model's weights or a caller's buffer.
type Tensor struct {
	DType DType
	Shape Shape
	Quant *Quant // nil when the elements are not quantized
	Data  []byte // exactly DType.Bytes(elements) long, aligned for DType
}

// New returns a zeroed tensor with memory of its own, aligned to 8 bytes.
func New(d DType, s Shape) (*Tensor, error) {
	n, err := s.Elems()
	if err != nil {
		return nil, err
	}
	nb := d.Bytes(n)
	if nb < 0 { // 8 bytes each on a 32-bit machine
		return nil, fmt.Errorf("tensor: %s%v does not fit this machine's memory", d, s)
	}
	return &Tensor{DType: d, Shape: s, Data: Aligned(nb)}, nil
}

// Aligned returns n zeroed bytes whose first byte lies on a 64-byte boundary, so that any element type may view them
// and no vector load splits a cache line. Many of them lie on large pages where the system has such.
func Aligned(n int) []byte {
	const a = 64
	b := make([]byte, n+a-1)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (a - 1))
	b = b[off : off+n : off+n]
	hugePages(b)
	return b
}

// Elems returns the number of elements.
func (t *Tensor) Elems() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

func view[T any](t *Tensor, ok bool) []T {
	if !ok {
		panic("tensor: view of the wrong dtype: " + t.DType.String())
	}
	var z T
	return As[T](t.Data, int(unsafe.Sizeof(z)))
}

// As views bytes as elements of T, which is size bytes wide. b must be aligned for T; a remainder is cut off.
func As[T any](b []byte, size int) []T {
	if len(b) < size {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size)
}

// F32 views the elements as float32. Like all views it panics when the dtype differs: the plan has checked it.
func (t *Tensor) F32() []float32 { return view[float32](t, t.DType == F32) }

// BF16 views the elements as bfloat16.
func (t *Tensor) BF16() []bfloat16.BF16 { return view[bfloat16.BF16](t, t.DType == BF16) }

// F16 views the elements as the bits of IEEE 754 binary16.
func (t *Tensor) F16() []uint16 { return view[uint16](t, t.DType == F16) }

// S8 views the elements as int8.
func (t *Tensor) S8() []int8 { return view[int8](t, t.DType == S8) }

// U8 views the elements as uint8.
func (t *Tensor) U8() []uint8 { return view[uint8](t, t.DType == U8) }

// S16 views the elements as int16.
func (t *Tensor) S16() []int16 { return view[int16](t, t.DType == S16) }

// S32 views the elements as int32.
func (t *Tensor) S32() []int32 { return view[int32](t, t.DType == S32) }

// S64 views the elements as int64.
func (t *Tensor) S64() []int64 { return view[int64](t, t.DType == S64) }

// U32 views the elements as uint32.
func (t *Tensor) U32() []uint32 { return view[uint32](t, t.DType == U32) }

// U64 views the elements as uint64.
func (t *Tensor) U64() []uint64 { return view[uint64](t, t.DType == U64) }

// Bool views the elements as bytes that are 0 or 1.
func (t *Tensor) Bool() []uint8 { return view[uint8](t, t.DType == Bool) }

// BF16FromF32 rounds to the nearest bfloat16, ties to even; NaN stays a quiet NaN.
// The library's own conversion truncates.
func BF16FromF32(f float32) bfloat16.BF16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return bfloat16.BF16(b>>16 | 0x40)
	}
	return bfloat16.BF16((b + 0x7fff + b>>16&1) >> 16)
}
