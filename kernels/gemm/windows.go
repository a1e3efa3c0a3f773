package gemm

import "wayside/kernels/requant"

// s8Windows is a matrix packed for tiles that read windows of a picture.
type s8Windows interface {
	window(i int, dst []int8, ldd int, a []byte, at, step, m int)
	count() int
	size() int
	put(dst []byte, src []int8)
	fill(dst []byte, v int8)
	bytes() (s8, s32 int)
	id() string
}

// f32Windows is s8Windows for float32.
type f32Windows interface {
	window(i int, dst []float32, ldd int, a []float32, at, step, m int, offsets []int)
	count() int
	bytes() FormBytes
	types() form
	id() string
}

// S8Windows is a packed matrix whose rows are windows of a picture: each is made of segments that lie at the same offsets from where the window begins,
// so that a convolution needs no copy of its windows. It is immutable.
type S8Windows struct {
	N    int
	fast s8Windows
}

// PackS8Windows packs w[N][K], K in segments of one length, like PackS8In: offsets say where these lie from where a window begins, in values. False where this
// machine has no such tiles or they are not exact, and for a zero point of the weights that they have no means for.
func PackS8Windows(store Store, w []int8, n, k int, offsets []int, bias []int32, inZero, wZero int32, q requant.Params) (*S8Windows, bool) {
	if len(w) < n*k || k%len(offsets) != 0 || n == 0 || k == 0 {
		return nil, false
	}
	mult, shift, sums := make([]int32, n), make([]int32, n), make([]int32, n)
	foldColumns(w, n, k, bias, inZero, wZero, q, sums, mult, shift)
	if fast := packS8WindowsArch(store, w, n, k, offsets, sums, mult, shift, wZero, q.Zero, q.Min, q.Max); fast != nil {
		return &S8Windows{N: n, fast: fast}, true
	}
	return nil, false
}

// Panels returns how many panels of columns there are.
func (w *S8Windows) Panels() int { return w.fast.count() }

// Bytes returns the memory of the packed weights.
func (w *S8Windows) Bytes() (s8, s32 int) { return w.fast.bytes() }

// ID names the tile and the instruction set.
func (w *S8Windows) ID() string { return w.fast.id() }

// Size returns the bytes of a value of the picture, which is in a form of the tiles' own.
func (w *S8Windows) Size() int { return w.fast.size() }

// Put writes values into a picture, Size bytes each.
func (w *S8Windows) Put(dst []byte, src []int8) { w.fast.put(dst, src) }

// Fill sets all values of a part of a picture to v.
func (w *S8Windows) Fill(dst []byte, v int8) { w.fast.fill(dst, v) }

// Run multiplies m windows with the columns of one panel: dst[i*ldd+j] for the panel's columns j. Window i begins at a[at+i*step], in bytes; a is a picture of
// what Put and Fill wrote.
func (w *S8Windows) Run(panel int, dst []int8, ldd int, a []byte, at, step, m int) {
	w.fast.window(panel, dst, ldd, a, at, step, m)
}

// F32Windows is S8Windows for float32.
type F32Windows struct {
	N    int
	fast f32Windows
}

// PackF32Windows packs w[N][K], K in segs segments of one length, like PackF32In; false where this machine has no such tiles.
func PackF32Windows(store Store, w []float32, n, k, segs int, bias []float32, lo, hi float32) (*F32Windows, bool) {
	if len(w) < n*k || k%segs != 0 || n == 0 || k == 0 || bias != nil && len(bias) < n {
		return nil, false
	}
	if fast := packF32WindowsArch(store, w, n, k, segs, bias, lo, hi); fast != nil {
		return &F32Windows{N: n, fast: fast}, true
	}
	return nil, false
}

// Panels returns how many panels of columns there are.
func (w *F32Windows) Panels() int { return w.fast.count() }

// Bytes is F32Weights.Bytes.
func (w *F32Windows) Bytes() FormBytes { return w.fast.bytes() }

// Types is F32Weights.Types.
func (w *F32Windows) Types() string { return w.fast.types().String() }

// ID names the tile and the instruction set.
func (w *F32Windows) ID() string { return w.fast.id() }

// Run is S8Windows.Run for float32; step counts values. The segments of a window lie at offsets from where it begins, in bytes.
func (w *F32Windows) Run(panel int, dst []float32, ldd int, a []float32, at, step, m int, offsets []int) {
	w.fast.window(panel, dst, ldd, a, at, step, m, offsets)
}
