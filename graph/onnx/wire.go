package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"wayside/graph"
)

// damaged wraps graph.ErrDamaged with the place in the file.
func damaged(format string, args ...any) error {
	return fmt.Errorf("onnx: "+format+": %w", append(args, graph.ErrDamaged)...)
}

// field is one field of a message: a varint, a fixed number or bytes, by its wire type.
type field struct {
	num protowire.Number
	typ protowire.Type
	val uint64 // varint, fixed32 and fixed64
	raw []byte // bytes; aliases the file
}

// errWire is what each reports for bytes that are not a protobuf message.
var errWire = errors.New("broken protobuf field")

// each calls f for every field of the message b, in file order. Groups are skipped: ONNX has none.
func each(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		fl := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			fl.val, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			fl.val = uint64(v)
		case protowire.Fixed64Type:
			fl.val, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			fl.raw, n = protowire.ConsumeBytes(b)
		default:
			return errWire
		}
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if err := f(fl); err != nil {
			return err
		}
	}
	return nil
}

// bytes returns the field's bytes, or an error when the file stores it as a number.
func (f field) bytes() ([]byte, error) {
	if f.typ != protowire.BytesType {
		return nil, errWire
	}
	return f.raw, nil
}

// varints appends a repeated integer field, packed or not, refusing more than limit values in all.
func (f field) varints(dst []int64, limit int) ([]int64, error) {
	switch f.typ {
	case protowire.VarintType:
		if len(dst) >= limit {
			return nil, errCount
		}
		return append(dst, int64(f.val)), nil
	case protowire.BytesType:
		n := 0 // a varint ends at each byte without the continuation bit
		for _, c := range f.raw {
			if c < 0x80 {
				n++
			}
		}
		if n > limit-len(dst) {
			return nil, errCount
		}
		if dst == nil {
			dst = make([]int64, 0, n)
		}
		for b := f.raw; len(b) > 0; {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 {
				return nil, errWire
			}
			dst, b = append(dst, int64(v)), b[k:]
		}
		return dst, nil
	}
	return nil, errWire
}

// floats appends a repeated float field, packed or not, refusing more than limit values in all.
func (f field) floats(dst []float32, limit int) ([]float32, error) {
	switch f.typ {
	case protowire.Fixed32Type:
		if len(dst) >= limit {
			return nil, errCount
		}
		return append(dst, math.Float32frombits(uint32(f.val))), nil
	case protowire.BytesType:
		if len(f.raw)%4 != 0 {
			return nil, errWire
		}
		if len(f.raw)/4 > limit-len(dst) {
			return nil, errCount
		}
		for b := f.raw; len(b) > 0; b = b[4:] {
			v, _ := protowire.ConsumeFixed32(b)
			dst = append(dst, math.Float32frombits(v))
		}
		return dst, nil
	}
	return nil, errWire
}

// errCount is what a repeated field with too many values gives.
var errCount = errors.New("more values than its shape or the reader's limit allows")
