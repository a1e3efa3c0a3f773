// Package flip turns int8 into uint8 and back by flipping the sign bit, for kernels that multiply unsigned by signed bytes.
//
// Holds: one copy.
// Never holds: anything else.
// May import: kernels/internal/cpu.
// Start reading at: Copy.
package flip

import "encoding/binary"

// Copy writes to dst what src holds, with 128 added to each value. They have one length, and are the same memory or do not overlap.
func Copy(dst []byte, src []int8) {
	if len(dst) != len(src) {
		panic("flip: slice length mismatch")
	}
	if !copyAsm(dst, src) {
		copyGeneric(dst, src)
	}
}

func copyGeneric(dst []byte, src []int8) {
	for i, v := range src {
		dst[i] = byte(v)
	}
	for len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)^0x8080808080808080)
		dst = dst[8:]
	}
	for i := range dst {
		dst[i] ^= 0x80
	}
}
