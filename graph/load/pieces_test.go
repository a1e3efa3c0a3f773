package load

import (
	"testing"
	"unsafe"
)

func TestPieces(t *testing.T) {
	const file = 1 << 16
	p := newPieces(file)
	first, end := unsafe.Pointer(&p.free[0]), file+file/8
	var all [][]byte
	for _, n := range []int{1, 64, 65, 1000, 40000, 63, 1 << 15, 5, 1 << 20, 0} {
		b, ready := p.Panel("id", nil, n)
		if ready || len(b) != n || cap(b) != n {
			t.Fatalf("%d bytes: %d, room for %d, ready: %v", n, len(b), cap(b), ready)
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); n > 0 && at%64 != 0 {
			t.Errorf("%d bytes: at %#x, not on a line of the cache", n, at)
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("%d bytes: they overlap what was given before", n)
			}
			b[i] = 1
		}
		all = append(all, b)
	}
	if &all[0][0] != (*byte)(first) || uintptr(unsafe.Pointer(&all[7][0])) >= uintptr(first)+uintptr(end) {
		t.Error("small panels do not lie in the piece")
	}
	for _, i := range []int{6, 8} {
		if at := uintptr(unsafe.Pointer(&all[i][0])) - uintptr(first); at < uintptr(end) {
			t.Errorf("panel %d of %d bytes lies in the piece, which has no room for it", i, len(all[i]))
		}
	}
}
