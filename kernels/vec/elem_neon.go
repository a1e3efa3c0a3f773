//go:build arm || arm64

package vec

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// armElem is the argument of the assembly functions of one and two inputs, which know the offsets. They work on whole blocks of 16 values.
type armElem struct {
	dst, a, b    unsafe.Pointer
	blocks       int
	stepA, stepB int // bytes from one block to the next
	f            [5]float32
	lo, hi       int8
	zero         int32
}

// armPiece is how many values one call takes: less than 100 µs, in which the runtime cannot stop the goroutine.
const armPiece = 1 << 11

// armRows runs a function of two inputs over all runs; false where the generic loop is as good: both inputs one value, or many runs shorter than a block.
func armRows[T int8 | float32](fn uintptr, t armElem, dst, a, b []T, r *Rows) bool {
	if !cpu.Has(cpu.Neon) || r.SA|r.SB == 0 {
		return false
	}
	n, count := r.N, r.Count
	if r.StepA == r.SA*n && r.StepB == r.SB*n {
		n, count = n*count, 1
	}
	if count > 1 && n < 16 {
		return false
	}
	for i := range count {
		armRun(fn, t, dst[i*n:(i+1)*n], a[i*r.StepA:], r.SA, b[i*r.StepB:], r.SB)
	}
	return true
}

// armRun runs a function of one or two inputs with strides 0 or 1; b is empty for one input. What does not fill a block goes through buffers that do,
// and so does an input that is one value.
func armRun[T int8 | float32](fn uintptr, t armElem, dst, a []T, sa int, b []T, sb int) {
	var x, y, z [16]T
	size := int(unsafe.Sizeof(z[0]))
	t.stepA, t.stepB = 16*size*sa, 16*size*sb
	if sa == 0 {
		repeat(&x, a[0])
	}
	if sb == 0 && len(b) > 0 {
		repeat(&y, b[0])
	}
	for i := 0; i < len(dst); {
		m := min((len(dst)-i)&^15, armPiece)
		t.a, t.b = unsafe.Pointer(&x), unsafe.Pointer(&y)
		if m == 0 {
			if sa == 1 {
				copy(x[:], a[i:len(dst)])
			}
			if sb == 1 {
				copy(y[:], b[i:len(dst)])
			}
			t.dst, t.blocks = unsafe.Pointer(&z), 1
			call.Tile(fn, unsafe.Pointer(&t))
			copy(dst[i:], z[:])
			return
		}
		if sa == 1 {
			t.a = unsafe.Pointer(&a[i])
		}
		if sb == 1 {
			t.b = unsafe.Pointer(&b[i])
		}
		t.dst, t.blocks = unsafe.Pointer(&dst[i]), m/16
		call.Tile(fn, unsafe.Pointer(&t))
		i += m
	}
}

func repeat[T int8 | float32](s *[16]T, v T) {
	for i := range s {
		s[i] = v
	}
}
