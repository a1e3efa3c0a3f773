package onnx

import (
	"strconv"

	"wayside/graph/tensor"
)

// info is a decoded ValueInfoProto.
type info struct {
	name   string
	typ    int64
	dtype  tensor.DType
	shape  tensor.Shape
	ranked bool
	kind   string // "a sequence" and the like when it is no dense tensor
}

// kinds are the alternatives of TypeProto.value that are no dense tensor, by field number.
var kinds = map[int32]string{4: "a sequence", 5: "a map", 7: "an opaque value", 8: "a sparse tensor", 9: "an optional"}

// readInfo decodes a ValueInfoProto.
func readInfo(b []byte) (info, error) {
	var v info
	err := each(b, func(f field) error {
		switch f.num {
		case 1:
			v.name = string(f.raw)
		case 2:
			return each(f.raw, func(f field) error {
				if k, ok := kinds[int32(f.num)]; ok {
					v.kind = k
				}
				if f.num != 1 {
					return nil
				}
				return each(f.raw, v.tensorType)
			})
		}
		return nil
	})
	return v, err
}

// tensorType takes one field of a TypeProto.Tensor.
func (v *info) tensorType(f field) error {
	switch f.num {
	case 1:
		v.typ, v.dtype = int64(f.val), dtypeOf(int64(f.val))
	case 2:
		v.ranked = true
		return each(f.raw, func(f field) error {
			if f.num != 1 {
				return nil
			}
			if len(v.shape) >= maxDims {
				return errCount
			}
			d, err := readDim(f.raw)
			v.shape = append(v.shape, d)
			return err
		})
	}
	return nil
}

// readDim decodes a TensorShapeProto.Dimension; a named, missing or (as some exporters write a batch) non-positive
// extent is dynamic.
func readDim(b []byte) (int, error) {
	d := -1
	err := each(b, func(f field) error {
		if f.num == 1 {
			if int64(f.val) > tensor.MaxElems {
				return errCount
			}
			if int64(f.val) > 0 {
				d = int(f.val)
			}
		}
		return nil
	})
	return d, err
}

// typeNames are the names of TensorProto.DataType that have no counterpart here.
var typeNames = map[int64]string{4: "uint16", 8: "string", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
	17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 23: "float4e2m1"}

func typeName(t int64) string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	if d := dtypeOf(t); d != tensor.Invalid {
		return d.String()
	}
	return "number " + strconv.FormatInt(t, 10)
}
