package tensor

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a large page where ordinary ones have 4 KiB.
const hugePage = 2 << 20

// hugePages asks for large pages under the part of b that fills some: many megabytes of weights and activations pass by faster where fewer pages must be
// looked up. Where the kernel has none, ordinary ones do. It is for memory that nothing has been written to.
func hugePages(b []byte) {
	from := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (hugePage - 1))
	if to := from + (len(b)-from)&^(hugePage-1); from < to {
		_ = syscall.Madvise(b[from:to], syscall.MADV_HUGEPAGE) // a wish
	}
}
