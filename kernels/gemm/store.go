package gemm

import (
	"strconv"
	"unsafe"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// Layout is the version of the panels that packing makes. TestLayout tells when it must grow.
const Layout = 2

// Store gives packed weights their memory, and may know their bytes from an earlier time.
type Store interface {
	// Panel returns n bytes, aligned to 64, for these weights packed in the way that id names: zeros to be filled in, or, if ready, what another
	// packing of the same weights with the same id has made. What is ready is read-only. An empty id asks for memory alone.
	Panel(id string, weights []byte, n int) (panel []byte, ready bool)
}

// Room is a Store that has memory of another one and keeps nothing: for weights that are computed at every load. s may be nil.
func Room(s Store) Store {
	if s == nil {
		return nil
	}
	return memoryOf{s}
}

type memoryOf struct{ store Store }

func (m memoryOf) Panel(_ string, _ []byte, n int) ([]byte, bool) { return m.store.Panel("", nil, n) }

// panels returns memory for n packed weights made of w. The tile and the dimensions say how they are packed. s may be nil.
func panels[P byte | int8 | float32 | bfloat16.BF16, W int8 | float32](s Store, n int, w []W, tile string, dims ...int) (p []P, ready bool) {
	if s == nil || n == 0 {
		return make([]P, n), false
	}
	id := tile
	for _, d := range dims {
		id += " " + strconv.Itoa(d)
	}
	b, ready := s.Panel(id, bytesOf(w), n*int(unsafe.Sizeof(p[0])))
	return unsafe.Slice((*P)(unsafe.Pointer(&b[0])), n), ready
}
