package conv

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// gatherLine is gather for m pixels of one output line, where the taps of a line are neighbours.
func gatherLine[T int8 | int16 | float32](patch []T, apart int, src []T, g *Geometry, pixel, m int, zero T) {
	ox, oy, b := pixel%g.OutW, pixel/g.OutW%g.OutH, pixel/(g.OutW*g.OutH)
	// All taps of pixels lo to hi are inside of the image.
	lo := min(max((g.PadLeft+g.StrideW-1)/g.StrideW-ox, 0), m)
	hi := lo
	if last := g.W - g.KW + g.PadLeft; last >= 0 {
		hi = min(max(last/g.StrideW+1-ox, lo), m)
	}
	run := g.KW * g.C
	for ky := range g.KH {
		out, y := patch[ky*run:], oy*g.StrideH-g.PadTop+ky*g.DilH
		if y < 0 || y >= g.H {
			for i := range m {
				fill(out[i*apart:][:run], zero)
			}
			continue
		}
		line := src[(b*g.H+y)*g.W*g.C:][:g.W*g.C]
		edge := func(i int) {
			row, x := out[i*apart:][:run], (ox+i)*g.StrideW-g.PadLeft
			left := min(max(-x, 0), g.KW)
			right := min(max(x+g.KW-g.W, 0), g.KW-left)
			fill(row[:left*g.C], zero)
			if n := g.KW - left - right; n > 0 {
				copy(row[left*g.C:], line[(x+left)*g.C:][:n*g.C])
			}
			fill(row[run-right*g.C:], zero)
		}
		for i := range lo {
			edge(i)
		}
		if hi > lo {
			copyRuns(out[lo*apart:], apart, line[((ox+lo)*g.StrideW-g.PadLeft)*g.C:], g.StrideW*g.C, run, hi-lo)
		}
		for i := hi; i < m; i++ {
			edge(i)
		}
	}
}

// copyRuns copies so many runs of n values, which begin apart and step values from each other.
func copyRuns[T int8 | int16 | float32](dst []T, apart int, src []T, step, n, count int) {
	size := int(unsafe.Sizeof(src[0]))
	if bytes := n * size; bits.UintSize == 64 && bytes >= 8 && bytes <= 16 {
		copyShort(bytesOf(dst, size), apart*size, bytesOf(src, size), step*size, bytes, count)
		return
	}
	for i := range count {
		copy(dst[i*apart:][:n], src[i*step:][:n])
	}
}

func bytesOf[T int8 | int16 | float32](s []T, size int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*size)
}

// copyShort is copyRuns for runs of 8 to 16 bytes, as filters of three pixels of a colour picture have them: two words, which may overlap, take less than a
// call of copy.
func copyShort(dst []byte, apart int, src []byte, step, n, count int) {
	for i := range count {
		d, s := dst[i*apart:][:n], src[i*step:][:n]
		first, last := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[n-8:])
		binary.LittleEndian.PutUint64(d, first)
		binary.LittleEndian.PutUint64(d[n-8:], last)
	}
}
