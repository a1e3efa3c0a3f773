package gemm

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// s16TilesAVX2 returns the addresses of the tiles by rows less one.
func s16TilesAVX2() *[6]uintptr

var s16AVX2 = tileSet{isa: "avx2", width: 16, wide: 1, high: 6, sums: 6, table: s16TilesAVX2()[:]}

func s16Fast() bool { return cpu.Has(cpu.AVX2) }

// s16Tiles is S16 with panels.
func s16Tiles(dst []int32, ldd int, x []int16, ldx, m int, w *S16Weights) {
	for j := 0; j < w.N; j += 16 {
		t := s8Tile{a: (*uint8)(unsafe.Pointer(&x[0])), lda: 2 * ldx, w: (*int8)(unsafe.Pointer(&w.w[j*w.K])), groups: w.K / 2, dst: (*int8)(unsafe.Pointer(&dst[j])), ldd: 4 * ldd}
		s16AVX2.runS8(&t, 1, m)
	}
}

// wideStoreAVX2 returns the address of the rescaling to int16.
func wideStoreAVX2() *[1]uintptr

var wideStoreFn = wideStoreAVX2()[0]

// wideStore is the argument of the assembly, which knows the offsets.
type wideStore struct {
	dst     *int16
	sums    *int32
	scale   *float64
	columns int // a multiple of 16
	rows    int
}

// storeWide16 rescales rows of sums, each by the scales of the columns, so many at a time that a call takes a small part of 100 µs.
func storeWide16(dst []int16, sums []int32, scale []float64) {
	most := max(1, (64<<10)/len(scale))
	for n := len(scale); len(sums) > 0; {
		rows := min(most, len(sums)/n)
		t := wideStore{&dst[0], &sums[0], &scale[0], n, rows}
		call.Tile(wideStoreFn, unsafe.Pointer(&t))
		dst, sums = dst[rows*n:], sums[rows*n:]
	}
}
