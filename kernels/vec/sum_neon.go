//go:build arm || arm64

package vec

import (
	"unsafe"

	"wayside/kernels/internal/cpu"
)

// armSum is the argument of the assembly sums, which know the offsets.
type armSum struct {
	acc, src unsafe.Pointer
	rows     int
	blocks   int // of 16 values
	stride   int // bytes from one row to the next
}

//go:noescape
func sumAlongF32Neon(t *armSum)

//go:noescape
func sumAcrossF32Neon(t *armSum)

//go:noescape
func sumAlongS8Neon(t *armSum)

//go:noescape
func sumAcrossS8Neon(t *armSum)

// SumISA names the instructions of SumF32, or with small of SumS8.
func SumISA(bool) string { return ISA() }

// sumWork is how many values one call adds up, which takes less than 100 µs.
const sumWork = 1 << 15

// sumAsm adds rows of n elements, float32 or small for int8 to int32: each to its element of acc, or with across all to one row of n. false where the
// generic loop must. What does not fill a block of 16 is added here.
func sumAsm(acc, src unsafe.Pointer, rows, n int, across, small bool) bool {
	whole := n &^ 15
	if !cpu.Has(cpu.Neon) || whole == 0 || n > sumWork {
		return false
	}
	size := 4
	if small {
		size = 1
	}
	for i := 0; i < rows; {
		t := armSum{acc: acc, src: unsafe.Add(src, i*n*size), rows: min(max(sumWork/n, 1), rows-i), blocks: whole / 16, stride: n * size}
		if !across {
			t.acc = unsafe.Add(acc, 4*i)
		}
		switch {
		case small && across:
			sumAcrossS8Neon(&t)
		case small:
			sumAlongS8Neon(&t)
		case across:
			sumAcrossF32Neon(&t)
		default:
			sumAlongF32Neon(&t)
		}
		i += t.rows
	}
	outs := rows
	if across {
		outs = n
	}
	if small {
		sumRest(unsafe.Slice((*int32)(acc), outs), unsafe.Slice((*int8)(src), rows*n), n, whole, across)
	} else {
		sumRest(unsafe.Slice((*float32)(acc), outs), unsafe.Slice((*float32)(src), rows*n), n, whole, across)
	}
	return true
}

// sumRest adds what stands in the rows from a column on.
func sumRest[A, T Number](acc []A, src []T, n, from int, across bool) {
	for i := 0; from < n && i < len(src)/n; i++ {
		row := src[i*n+from : (i+1)*n]
		if across {
			merge(acc[from:], row, ReduceSum)
		} else {
			acc[i] = fold(acc[i], row, ReduceSum)
		}
	}
}
