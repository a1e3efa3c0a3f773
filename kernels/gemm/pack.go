package gemm

import (
	"encoding/binary"
	"unsafe"
)

// packBlock is how many bytes of a panel are written before its next columns: they stay in the first-level cache, although each column writes a few
// bytes here and there.
const packBlock = 8 << 10

// bytesOf returns the memory of s.
func bytesOf[T int8 | float32](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// floatsOf is the opposite of bytesOf.
func floatsOf(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// deal writes columns of k bytes, which begin ldw bytes apart in w, into a panel: [groups of depth bytes][nr columns][depth]. place says which of the nr
// a column becomes. What a column's last group lacks is left as it is.
func deal(panel, w []byte, ldw, k, cols, nr, depth int, place func(c int) int) {
	step := nr * depth
	block := max(packBlock/step, 1) * depth // bytes of a column
	for at := 0; at < k; at += block {
		n := min(block, k-at)
		for c := range cols {
			spread(panel[at*nr+place(c)*depth:], w[c*ldw+at:c*ldw+at+n], step, depth)
		}
	}
}

// inOrder is the place of columns that stand in their order.
func inOrder(c int) int { return c }

// spread writes groups of depth bytes of src to dst, step bytes apart; the last one may be short.
func spread(dst, src []byte, step, depth int) {
	switch depth {
	case 2:
		for len(src) >= 8 && len(dst) >= 3*step+2 {
			v := binary.LittleEndian.Uint64(src)
			binary.LittleEndian.PutUint16(dst, uint16(v))
			binary.LittleEndian.PutUint16(dst[step:], uint16(v>>16))
			binary.LittleEndian.PutUint16(dst[2*step:], uint16(v>>32))
			binary.LittleEndian.PutUint16(dst[3*step:], uint16(v>>48))
			src, dst = src[8:], dst[min(4*step, len(dst)):]
		}
	case 4:
		for len(src) >= 8 && len(dst) >= step+4 {
			v := binary.LittleEndian.Uint64(src)
			binary.LittleEndian.PutUint32(dst, uint32(v))
			binary.LittleEndian.PutUint32(dst[step:], uint32(v>>32))
			src, dst = src[8:], dst[min(2*step, len(dst)):]
		}
	case 8, 16:
		for len(src) >= depth && len(dst) >= depth {
			binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
			if depth == 16 {
				binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:]))
			}
			src, dst = src[depth:], dst[min(step, len(dst)):]
		}
	}
	for len(src) > 0 {
		n := copy(dst[:depth], src)
		src, dst = src[n:], dst[min(step, len(dst)):]
	}
}

// sum adds up the elements of a column, eight at a time. It wraps.
func sum(column []int8) int32 {
	const (
		flip  = 0x8080808080808080
		lanes = 0x00ff00ff00ff00ff
		most  = 128 // words whose bytes, in pairs, four lanes of 16 bits hold
	)
	total, b := int32(0), bytesOf(column)
	for len(b) >= 8 {
		words := min(len(b)/8, most)
		acc := uint64(0)
		for i := 0; i < 8*words; i += 8 {
			v := binary.LittleEndian.Uint64(b[i:]) ^ flip
			acc += v&lanes + v>>8&lanes
		}
		total += int32(acc&0xffff+acc>>16&0xffff+acc>>32&0xffff+acc>>48) - int32(8*128*words)
		b = b[8*words:]
	}
	for _, v := range b {
		total += int32(int8(v))
	}
	return total
}

// nibbleRows is for how many rows at a time weights of four bits are faster: weights come from memory, and all rows need them but once.
const nibbleRows = 4

// least is the least weight of four bits.
const least = -8

// nibbles reports whether weights fit into four bits.
func nibbles(w []int8) bool {
	for _, v := range w {
		if v < least || v >= -least {
			return false
		}
	}
	return true
}

// foldNibbles makes bytes of two weights of four bits, to which it adds: of one of a run of n, and in the high half of one of the next run.
func foldNibbles(dst []int8, panel []byte, n int, add byte) {
	for i := range dst {
		at := i/n*2*n + i%n
		dst[i] = int8((panel[at]+add)&15 | (panel[at+n]+add)<<4)
	}
}
