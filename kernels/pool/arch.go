//go:build amd64 || arm || arm64

package pool

import (
	"math"
	"unsafe"

	"wayside/kernels/internal/call"
)

// tile is the argument of the assembly functions, which know the offsets: a run of output pixels whose windows have one shape. Strides are in bytes.
type tile struct {
	dst, src unsafe.Pointer
	n        int // channels
	pixels   int
	kh, kw   int
	row, col int // from one row or column of a window to the next
	step     int // from one window to the next
	out      int // from one output pixel to the next
	lo, hi   uint32
	count    float32 // what a sum is divided by
	half     float32 // of it, cut off
	start    int32   // what a sum of integers begins with
	offset   int32
}

// run pools with the assembly function fn; false where a window lies outside of the image or is too large for a short call.
func (g *Geometry) run(fn uintptr, dst, src unsafe.Pointer, size int, t *tile) bool {
	if g.KH*g.KW > work/16 {
		return false
	}
	first, _ := g.window(0, 0)
	last, _ := g.window(g.OutH-1, g.OutW-1)
	if first.y1 <= 0 || first.x1 <= 0 || last.y0 >= g.H || last.x0 >= g.W {
		return false
	}
	t.row, t.col, t.step, t.out = g.W*g.C*size, g.C*size, g.StrideW*g.C*size, g.C*size
	for b := range g.Batch {
		for oy := range g.OutH {
			for ox := 0; ox < g.OutW; {
				w, count := g.window(oy, ox)
				n := 1
				if w.x1-w.x0 == g.KW { // and all that follow, as long as they lie inside
					n = min((g.W-g.KW-w.x0)/g.StrideW+1, g.OutW-ox)
				}
				t.kh, t.kw = w.y1-w.y0, w.x1-w.x0
				t.count, t.half, t.start = float32(count), float32(count/2), t.offset*int32(count)
				from := ((b*g.H+w.y0)*g.W + w.x0) * g.C * size
				to := ((b*g.OutH+oy)*g.OutW + ox) * g.C * size
				g.windows(fn, unsafe.Add(dst, to), unsafe.Add(src, from), size, n, t)
				ox += n
			}
		}
	}
	return true
}

// windows calls fn for n windows in pieces of a bounded time.
func (g *Geometry) windows(fn uintptr, dst, src unsafe.Pointer, size, n int, t *tile) {
	each := max(work/(t.kh*t.kw), 64) &^ 63 // channels
	for c := 0; c < g.C; c += each {
		t.n = min(each, g.C-c)
		most := max(each/t.n, 1)
		for i := 0; i < n; i += most {
			t.pixels = min(most, n-i)
			t.dst, t.src = unsafe.Add(dst, i*t.out+c*size), unsafe.Add(src, i*t.step+c*size)
			call.Tile(fn, unsafe.Pointer(t))
		}
	}
}

func averageS8Asm(dst, src []int8, g *Geometry, offset, lo, hi int32) bool {
	fn := kernel(average, 1)
	if fn == 0 || g.KH*g.KW > 1<<14 { // sums stay below 2^23
		return false
	}
	t := tile{lo: uint32(lo), hi: uint32(hi), offset: offset}
	return g.run(fn, unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), 1, &t)
}

func f32Asm(what int, dst, src []float32, g *Geometry, lo, hi float32) bool {
	fn := kernel(what, 4)
	if fn == 0 {
		return false
	}
	t := tile{lo: math.Float32bits(lo), hi: math.Float32bits(hi)}
	return g.run(fn, unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), 4, &t)
}

func maxS8Asm(dst, src []int8, g *Geometry, lo, hi int8) bool {
	fn := kernel(largest, 1)
	if fn == 0 {
		return false
	}
	t := tile{lo: uint32(uint8(lo)), hi: uint32(uint8(hi))}
	return g.run(fn, unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), 1, &t)
}
