package graphtest

import (
	"encoding/binary"
	"math"
)

// Table is one FlatBuffer table for tests that need a file made to measure: the value of each slot. A value is nil (left out), int8,
// int32, uint32, string, []byte, []int32, []float32, Table or []Table; a Table field that is empty is left out too.
type Table []any

// FlatBuffer lays a root table out, with a file identifier of four bytes.
func FlatBuffer(identifier string, root Table) []byte {
	w := &writer{b: append(make([]byte, 4), identifier...)}
	binary.LittleEndian.PutUint32(w.b, uint32(w.table(root)))
	return w.b
}

type writer struct{ b []byte }

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

// table writes the vtable, then one cell of four bytes for each slot, then what the cells refer to.
func (w *writer) table(t Table) int {
	w.align(4)
	vt := len(w.b)
	w.b = binary.LittleEndian.AppendUint16(w.b, uint16(4+2*len(t)))
	w.b = binary.LittleEndian.AppendUint16(w.b, uint16(4+4*len(t)))
	for i, v := range t {
		off := 0
		if v != nil {
			off = 4 + 4*i
		}
		w.b = binary.LittleEndian.AppendUint16(w.b, uint16(off))
	}
	w.align(4)
	pos := len(w.b)
	w.b = binary.LittleEndian.AppendUint32(w.b, uint32(pos-vt))
	w.b = append(w.b, make([]byte, 4*len(t))...)
	for i, v := range t {
		if v != nil {
			w.cell(pos+4+4*i, v)
		}
	}
	return pos
}

func (w *writer) cell(at int, v any) {
	set := func(x uint32) { binary.LittleEndian.PutUint32(w.b[at:], x) }
	switch v := v.(type) {
	case int8:
		w.b[at] = byte(v)
	case int32:
		set(uint32(v))
	case uint32:
		set(v)
	case float32:
		set(math.Float32bits(v))
	case Table:
		pos := w.table(v)
		binary.LittleEndian.PutUint32(w.b[at:], uint32(pos-at))
	default:
		w.align(16)
		set(uint32(len(w.b) - at))
		w.vector(v)
	}
}

func (w *writer) vector(v any) {
	length := func(n int) { w.b = binary.LittleEndian.AppendUint32(w.b, uint32(n)) }
	switch v := v.(type) {
	case string:
		length(len(v))
		w.b = append(append(w.b, v...), 0)
	case []byte:
		length(len(v))
		w.b = append(w.b, v...)
	case []int32:
		length(len(v))
		for _, x := range v {
			w.b = binary.LittleEndian.AppendUint32(w.b, uint32(x))
		}
	case []float32:
		length(len(v))
		for _, x := range v {
			w.b = binary.LittleEndian.AppendUint32(w.b, math.Float32bits(x))
		}
	case []Table:
		length(len(v))
		first := len(w.b)
		w.b = append(w.b, make([]byte, 4*len(v))...)
		for i, t := range v {
			pos := w.table(t)
			binary.LittleEndian.PutUint32(w.b[first+4*i:], uint32(pos-first-4*i))
		}
	default:
		panic("graphtest: a FlatBuffer cell of an unknown type")
	}
}

// Described is a TFLite file of one RELU with everything that a file can say about itself.
type Described struct {
	Shape      []int32
	Metadata   []byte // the buffer named TFLITE_METADATA; nil for none
	Signatures []Table
}

// Model lays the file out. Trailing bytes, such as a zip, may be appended.
func (d Described) Model() []byte {
	tensor := func(name string) Table { return Table{d.Shape, int8(0), uint32(0), name} }
	buffers := []Table{{}, {[]byte("1.5.0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")}}
	meta := []Table{{"min_runtime_version", uint32(1)}}
	if d.Metadata != nil {
		buffers = append(buffers, Table{d.Metadata})
		meta = append(meta, Table{"TFLITE_METADATA", uint32(2)})
	}
	sub := Table{[]Table{tensor("x:0"), tensor("y:0")}, []int32{0}, []int32{1}, []Table{{uint32(0), []int32{0}, []int32{1}}}, "main"}
	var sigs any
	if d.Signatures != nil {
		sigs = d.Signatures
	}
	return FlatBuffer("TFL3", Table{uint32(3), []Table{{int8(19), nil, int32(1), int32(19)}}, []Table{sub}, "made by a test.", buffers, nil, meta, sigs})
}

// ClassifierMetadata describes a picture as input and a label for each place of the output.
func ClassifierMetadata(mean, std []float32, labels string) []byte {
	in := Table{"image", "a picture", nil, nil, []Table{{int8(1), Table{mean, std}}}, Table{[]float32{255}, []float32{0}}}
	out := Table{"probability", "of each class", nil, nil, nil, nil, []Table{{labels, nil, int8(2)}}}
	return FlatBuffer("M001", Table{"Things", "tells things apart", "v1", []Table{{"main", "", []Table{in}, []Table{out}}}, "A. Author", "Apache-2.0"})
}
