package onnx

import (
	"wayside/graph"
)

// Attribute kinds of AttributeProto.AttributeType (onnx.proto) that nodes here read.
const (
	kindFloat   = 1
	kindInt     = 2
	kindString  = 3
	kindTensor  = 4
	kindFloats  = 6
	kindInts    = 7
	kindStrings = 8
)

// attribute is one decoded AttributeProto. Sparse tensors and types are known by their kind only.
type attribute struct {
	kind    int64
	i       int64
	f       float32
	s       string
	tensor  *graph.Value
	ints    []int64
	floats  []float32
	strings []string
	graph   []byte // a GraphProto
}

// attributes implements graph.Attrs by name; slots are TFLite's and are ignored. An attribute of another kind than the
// one that is asked for counts as missing.
type attributes map[string]*attribute

var _ graph.Attrs = attributes(nil)

func (a attributes) of(name string, kind int64) *attribute {
	if v := a[name]; v != nil && v.kind == kind {
		return v
	}
	return nil
}

// Int returns an integer attribute.
func (a attributes) Int(_ int, name string, def int64) int64 {
	if v := a.of(name, kindInt); v != nil {
		return v.i
	}
	return def
}

// Float returns a float attribute.
func (a attributes) Float(_ int, name string, def float32) float32 {
	if v := a.of(name, kindFloat); v != nil {
		return v.f
	}
	return def
}

// String returns a string attribute.
func (a attributes) String(_ int, name string, def string) string {
	if v := a.of(name, kindString); v != nil {
		return v.s
	}
	return def
}

// Ints returns a list of integers that the caller must not change.
func (a attributes) Ints(_ int, name string) []int64 {
	if v := a.of(name, kindInts); v != nil {
		return v.ints
	}
	return nil
}

// Floats returns a list of floats that the caller must not change.
func (a attributes) Floats(_ int, name string) []float32 {
	if v := a.of(name, kindFloats); v != nil {
		return v.floats
	}
	return nil
}

// Strings returns a list of strings; it goes beyond graph.Attrs, for the activations of recurrent operators.
func (a attributes) Strings(name string) []string {
	if v := a.of(name, kindStrings); v != nil {
		return v.strings
	}
	return nil
}

// Tensor returns a tensor attribute as a constant value.
func (a attributes) Tensor(name string) *graph.Value {
	if v := a.of(name, kindTensor); v != nil {
		return v.tensor
	}
	return nil
}

// Has reports whether the file has the attribute, of whatever kind.
func (a attributes) Has(_ int, name string) bool { return a[name] != nil }

// readAttribute decodes an AttributeProto.
func readAttribute(b []byte) (string, *attribute, error) {
	var name string
	a := &attribute{}
	seen := int64(0) // the kind that the populated field implies; files before ir_version 2 lack the type field
	err := each(b, func(f field) error {
		var err error
		switch f.num {
		case 1:
			name = string(f.raw)
		case 2:
			a.f, seen = float32frombits(f.val), kindFloat
		case 3:
			a.i, seen = int64(f.val), kindInt
		case 4:
			a.s, seen = string(f.raw), kindString
		case 5:
			var c *constant
			if c, err = readTensor(f.raw); err == nil {
				a.tensor, seen = &graph.Value{Name: c.name, DType: c.dtype, Shape: c.shape, Const: c.data}, kindTensor
			}
		case 6:
			a.graph = f.raw
		case 7:
			a.floats, err = f.floats(a.floats, maxAttrValues)
			seen = kindFloats
		case 8:
			a.ints, err = f.varints(a.ints, maxAttrValues)
			seen = kindInts
		case 9:
			if len(a.strings) >= maxAttrValues {
				return errCount
			}
			a.strings, seen = append(a.strings, string(f.raw)), kindStrings
		case 20:
			a.kind = int64(f.val)
		}
		return err
	})
	if a.kind == 0 {
		a.kind = seen
	}
	if a.kind == kindInts && a.ints == nil {
		a.ints = []int64{}
	}
	if a.kind == kindTensor && a.tensor == nil {
		return name, nil, damaged("attribute %q of kind tensor has no tensor", name)
	}
	return name, a, err
}
