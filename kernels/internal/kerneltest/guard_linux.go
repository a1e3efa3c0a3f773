package kerneltest

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Guarded returns n elements that end at a page which must not be touched (atEnd) or begin behind one: a kernel that reads or writes beside its
// slices crashes the test.
func Guarded[T any](t testing.TB, n int, atEnd bool) []T {
	t.Helper()
	var z T
	size := int(unsafe.Sizeof(z)) * n
	page := unix.Getpagesize()
	room := (size + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, room+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	for _, guard := range [][]byte{m[:page], m[page+room:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		return nil
	}
	at := page
	if atEnd {
		at = page + room - size
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&m[at])), n)
}
