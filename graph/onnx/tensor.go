package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Element types of TensorProto.DataType (onnx.proto, ir_version 11) that have a counterpart here.
const (
	typeFloat    = 1
	typeUint8    = 2
	typeInt8     = 3
	typeInt16    = 5
	typeInt32    = 6
	typeInt64    = 7
	typeBool     = 9
	typeFloat16  = 10
	typeBFloat16 = 16
	typeInt4     = 22
)

// dtypeOf maps TensorProto.DataType; types without a counterpart (float64, string, complex, float8) give Invalid,
// which the lowering of the consuming node refuses by name.
func dtypeOf(t int64) tensor.DType {
	switch t {
	case typeFloat:
		return tensor.F32
	case typeUint8:
		return tensor.U8
	case typeInt8:
		return tensor.S8
	case typeInt16:
		return tensor.S16
	case typeInt32:
		return tensor.S32
	case typeInt64:
		return tensor.S64
	case typeBool:
		return tensor.Bool
	case typeFloat16:
		return tensor.F16
	case typeBFloat16:
		return tensor.BF16
	case typeInt4:
		return tensor.S4
	}
	return tensor.Invalid
}

// constant is a decoded TensorProto.
type constant struct {
	name  string
	dtype tensor.DType
	shape tensor.Shape
	data  []byte // never nil; aliases the file for raw_data
	typ   int64  // in the file
}

// parts collects the fields of a TensorProto before its dtype and shape are known to be consistent.
type parts struct {
	constant
	dims     []int64
	raw      []byte
	hasRaw   bool
	floats   []float32
	ints     []int64 // int32_data or int64_data
	segment  bool
	external bool
	location string
}

// readTensor decodes a TensorProto. No byte is allocated for more elements than the file really carries.
func readTensor(b []byte) (*constant, error) {
	var p parts
	err := each(b, func(f field) error {
		var err error
		switch f.num {
		case 1:
			p.dims, err = f.varints(p.dims, maxDims)
		case 2:
			p.typ = int64(f.val)
		case 3:
			p.segment = true
		case 4:
			p.floats, err = f.floats(p.floats, tensor.MaxElems)
		case 5, 7:
			p.ints, err = f.varints(p.ints, tensor.MaxElems)
		case 8:
			p.name = string(f.raw)
		case 9:
			p.raw, err = f.bytes()
			p.hasRaw = true
		case 13:
			p.external = true
			if loc := entryValue(f.raw, "location"); loc != "" {
				p.location = loc
			}
		case 14:
			p.external = p.external || f.val == 1
		}
		return err
	})
	if err != nil {
		return nil, damaged("read tensor %q: %v", p.name, err)
	}
	return p.finish()
}

// entryValue returns the value of a StringStringEntryProto when its key matches.
func entryValue(b []byte, key string) string {
	var k, v string
	if each(b, func(f field) error {
		switch f.num {
		case 1:
			k = string(f.raw)
		case 2:
			v = string(f.raw)
		}
		return nil
	}) != nil || k != key {
		return ""
	}
	return v
}

// finish checks the shape against the data and lays the elements out.
func (p *parts) finish() (*constant, error) {
	if p.external {
		return nil, fmt.Errorf("onnx: %w: tensor %q keeps its data in the external file %q, which a single-file model must not:"+
			" save the model with save_as_external_data=False", graph.ErrUnsupported, p.name, p.location)
	}
	if p.segment {
		return nil, fmt.Errorf("onnx: %w: tensor %q is a segment of a larger tensor: save the model without segments", graph.ErrUnsupported, p.name)
	}
	c := &constant{name: p.name, typ: p.typ, dtype: dtypeOf(p.typ), shape: make(tensor.Shape, len(p.dims)), data: []byte{}}
	for i, d := range p.dims {
		if d < 0 || d > tensor.MaxElems {
			return nil, damaged("tensor %q has the extent %d on axis %d", p.name, d, i)
		}
		c.shape[i] = int(d)
	}
	n, err := c.shape.Elems()
	if err != nil {
		return nil, damaged("tensor %q: %v", p.name, err)
	}
	if c.dtype == tensor.Invalid { // kept without data; its consumer names it
		return c, nil
	}
	want := c.dtype.Bytes(n)
	if p.hasRaw {
		if len(p.raw) != want {
			return nil, damaged("tensor %q of %s%v has %d bytes of data instead of %d", p.name, c.dtype, c.shape, len(p.raw), want)
		}
		c.data = p.raw
		return c, nil
	}
	have := len(p.ints)
	switch {
	case c.dtype == tensor.F32:
		have = len(p.floats)
	case c.dtype == tensor.S4:
		have *= 2 // two elements per entry
	}
	if have != n && (c.dtype != tensor.S4 || have != n+1) {
		return nil, damaged("tensor %q of %s%v has %d elements instead of %d", p.name, c.dtype, c.shape, have, n)
	}
	c.data = p.typed(c.dtype, want)
	return c, nil
}

// typed stores the values of the typed fields as little endian elements.
func (p *parts) typed(d tensor.DType, size int) []byte {
	out := make([]byte, 0, size)
	if d == tensor.F32 {
		for _, v := range p.floats {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
		return out
	}
	for _, v := range p.ints {
		switch d {
		case tensor.S64:
			out = binary.LittleEndian.AppendUint64(out, uint64(v))
		case tensor.S32:
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		case tensor.S16, tensor.F16, tensor.BF16: // the 16-bit floats are stored as their bits
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		case tensor.Bool:
			if v != 0 {
				v = 1
			}
			out = append(out, byte(v))
		default:
			out = append(out, byte(v))
		}
	}
	return out
}
