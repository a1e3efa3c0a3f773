package tensor

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestHugePages looks whether large memory is marked for large pages, and small memory in the same place is not.
func TestHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this kernel has no transparent large pages")
	}
	probe, err := syscall.Mmap(-1, 0, 2*hugePage, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(probe) }()
	if err := syscall.Madvise(probe, syscall.MADV_HUGEPAGE); err != nil || !flagged(t, &probe[hugePage]) {
		t.Skipf("this system does not show which memory is marked, as under an emulator (%v)", err)
	}
	for _, n := range []int{0, 1, hugePage - 1, 2*hugePage - 1, 2 * hugePage, 5*hugePage + 12345} {
		b := Aligned(n)
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("%d bytes: byte %d is %d", n, i, b[i])
			}
		}
		if n >= 2*hugePage && !flagged(t, &b[n/2]) {
			t.Errorf("%d bytes: the middle is not marked for large pages", n)
		}
	}
}

// flagged reports whether the mapping of an address has the flag hg.
func flagged(t *testing.T, at *byte) bool {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s, inside := bufio.NewScanner(f), false
	for s.Scan() {
		var from, to uintptr
		if n, _ := fmt.Sscanf(s.Text(), "%x-%x ", &from, &to); n == 2 {
			inside = from <= uintptr(unsafe.Pointer(at)) && uintptr(unsafe.Pointer(at)) < to
		}
		if flags, ok := strings.CutPrefix(s.Text(), "VmFlags:"); ok && inside {
			return strings.Contains(flags+" ", " hg ")
		}
	}
	t.Fatal("no mapping has the address")
	return false
}
