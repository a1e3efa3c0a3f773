package graph

import (
	"unsafe"

	"wayside/graph/tensor"
)

// WithinArena reports whether every view of the session that is not a constant lies in the arena.
func WithinArena(s *Session, arena []byte) bool {
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(arena)))
	hi := lo + uintptr(len(arena))
	ok := func(t *tensor.Tensor) bool {
		if t == nil || len(t.Data) == 0 {
			return true
		}
		at := uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))
		return at >= lo && at+uintptr(len(t.Data)) <= hi
	}
	for _, list := range [][]*tensor.Tensor{s.inputs, s.outputs, s.states} {
		for _, t := range list {
			if !ok(t) {
				return false
			}
		}
	}
	i := 0
	for k := range s.plan.steps {
		st := &s.plan.steps[k]
		if st.kernel.Run == nil && st.kernel.Bind == nil {
			continue
		}
		a := s.steps[i].args
		i++
		for j, t := range a.In {
			if st.in[j].konst == nil && !ok(t) {
				return false
			}
		}
		for _, t := range a.Out {
			if !ok(t) {
				return false
			}
		}
		if !ok(&tensor.Tensor{Data: a.Scratch}) {
			return false
		}
	}
	return true
}

// Kernels returns how many steps a Run of the session calls, and StepAlone one of them.
func Kernels(s *Session) int { return len(s.steps) }

// StepAlone runs one step as Run does.
func StepAlone(s *Session, i int) error { return s.steps[i].run(&s.steps[i].args) }
