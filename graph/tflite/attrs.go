package tflite

import (
	"wayside/graph"
)

// attrs gives an operator's options by slot. It is decoded from the file once, so that later calls cannot fail.
type attrs struct {
	ints   map[int]int64
	floats map[int]float32
	strs   map[int]string
	vecs   map[int][]int64
	fvecs  map[int][]float32
}

var _ graph.Attrs = attrs{}

// maxAttr bounds one vector or string in an operator's options.
const maxAttr = 1 << 16

// CustomSlot is the pseudo slot under which String gives the raw bytes of a custom operator's options.
const CustomSlot = 1000

func readAttrs(o table) attrs {
	a := attrs{}
	if c := o.vec(5, 1).limited("bytes of custom options", maxAttr); c.n > 0 {
		a.strs = map[int]string{CustomSlot: string(c.bytes())}
	}
	kind := ""
	var t table
	if k := int(uint8(o.i8(3, 0))); k > 0 && k < len(optionKinds) {
		kind, t = optionKinds[k], o.sub(4)
	}
	if k := int(uint8(o.i8(11, 0))); k > 0 && k < len(optionKinds2) {
		kind, t = optionKinds2[k], o.sub(12)
	}
	if !t.ok() {
		return a
	}
	for slot := range len(kind) {
		p := t.at(slot)
		if p == 0 {
			continue
		}
		switch kind[slot] {
		case 'b':
			a.setInt(slot, int64(int8(t.f.u8(p))))
		case 'h':
			a.setInt(slot, int64(int16(t.f.u16(p))))
		case 'i':
			a.setInt(slot, int64(int32(t.f.u32(p))))
		case 'l':
			a.setInt(slot, int64(t.f.u64(p)))
		case 'f':
			if a.floats == nil {
				a.floats = map[int]float32{}
			}
			a.floats[slot] = t.f32(slot, 0)
		case 's':
			if a.strs == nil {
				a.strs = map[int]string{}
			}
			a.strs[slot] = t.str(slot)
		case 'B', 'I', 'L', 'F':
			a.setVec(t, slot, kind[slot])
		}
	}
	return a
}

func (a *attrs) setInt(slot int, v int64) {
	if a.ints == nil {
		a.ints = map[int]int64{}
	}
	a.ints[slot] = v
}

func (a *attrs) setVec(t table, slot int, kind byte) {
	size := map[byte]int{'B': 1, 'I': 4, 'L': 8, 'F': 4}[kind]
	v := t.vec(slot, size).limited("values of an option", maxAttr)
	if kind == 'F' {
		if a.fvecs == nil {
			a.fvecs = map[int][]float32{}
		}
		out := make([]float32, v.n)
		for i := range out {
			out[i] = v.f32(i)
		}
		a.fvecs[slot] = out
		return
	}
	if a.vecs == nil {
		a.vecs = map[int][]int64{}
	}
	out := make([]int64, v.n)
	for i := range out {
		switch kind {
		case 'B':
			out[i] = int64(int8(v.f.u8(v.pos + int64(i))))
		case 'I':
			out[i] = int64(v.i32(i))
		case 'L':
			out[i] = v.i64(i)
		}
	}
	a.vecs[slot] = out
}

// Int returns an integer, bool or enum option.
func (a attrs) Int(slot int, _ string, def int64) int64 {
	if v, ok := a.ints[slot]; ok {
		return v
	}
	return def
}

// Float returns a float option.
func (a attrs) Float(slot int, _ string, def float32) float32 {
	if v, ok := a.floats[slot]; ok {
		return v
	}
	return def
}

// String returns a string option, or a custom operator's raw options under CustomSlot.
func (a attrs) String(slot int, _ string, def string) string {
	if v, ok := a.strs[slot]; ok {
		return v
	}
	return def
}

// Ints returns a vector option, nil when absent.
func (a attrs) Ints(slot int, _ string) []int64 { return a.vecs[slot] }

// Floats returns a vector option, nil when absent.
func (a attrs) Floats(slot int, _ string) []float32 { return a.fvecs[slot] }

// Tensor returns nil: TFLite options hold no tensors.
func (a attrs) Tensor(string) *graph.Value { return nil }

// Has reports whether the file states the option.
func (a attrs) Has(slot int, _ string) bool {
	_, i := a.ints[slot]
	_, f := a.floats[slot]
	_, s := a.strs[slot]
	_, v := a.vecs[slot]
	_, w := a.fvecs[slot]
	return i || f || s || v || w
}
