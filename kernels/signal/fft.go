package signal

import (
	"math"
	"sync"
	"weak"
)

// Scalar is the type of an FFT's numbers. Integers are fixed-point fractions with 15 or 31 bits behind the point.
type Scalar interface{ int16 | int32 | float32 }

// MaxFFT bounds the length of a transform: its tables are made in some milliseconds.
const MaxFFT = 1 << 14

// ValidFFT reports whether NewFFT makes a transform of that many real numbers: 4 to MaxFFT, twice a product of twos, threes and fives.
func ValidFFT(length int) bool {
	if length < 4 || length > MaxFFT || length%2 != 0 {
		return false
	}
	for _, s := range stagesOf(length / 2) {
		if s.radix > 5 {
			return false
		}
	}
	return true
}

// stage is one radix of a mixed-radix transform: blocks of radix × m numbers, m apart, with every stride-th root of unity.
type stage struct{ radix, m, stride int }

// stagesOf splits n > 1 as KISS FFT does: fours first, then a two, then odd numbers, and what is left when these exceed the root of n.
func stagesOf(n int) []stage {
	root := int(math.Sqrt(float64(n)))
	var out []stage
	for p, stride := 4, 1; ; {
		for n%p != 0 {
			switch p {
			case 4:
				p = 2
			case 2:
				p = 3
			default:
				p += 2
			}
			if p > root {
				p = n
			}
		}
		n /= p
		out = append(out, stage{p, n, stride})
		stride *= p
		if n <= 1 {
			return out
		}
	}
}

// FFT is a transform between length real numbers and length/2 + 1 complex ones, as a complex transform of half the length with a last
// (or first) step that tells even from odd samples. The arithmetic, scaling of each stage included, is that of KISS FFT: in fixed point each
// stage divides by its radix. It is immutable and may be shared.
type FFT[T Scalar] struct {
	n       int // complex numbers
	inverse bool
	frac    uint // bits behind the point, 0 for floats
	stages  []stage
	place   []int32  // where number i of the input stands before the first stage
	roots   []cpx[T] // n roots of unity
	odd     []cpx[T] // n/2 factors of the step between real and complex
}

// made keeps what NewFFT has made for as long as somebody uses it, so that many transforms of one length share their tables.
var made = struct {
	sync.Mutex
	byKind map[fftKind]any // weak.Pointer[FFT[T]]
}{byKind: map[fftKind]any{}}

type fftKind struct {
	length  int
	inverse bool
	frac    uint
}

// NewFFT returns a transform of length real numbers, or its inverse. It panics unless ValidFFT allows the length.
func NewFFT[T Scalar](length int, inverse bool) *FFT[T] {
	if !ValidFFT(length) {
		panic("signal: length of FFT")
	}
	kind := fftKind{length: length, inverse: inverse}
	var z T
	switch any(z).(type) {
	case int16:
		kind.frac = 15
	case int32:
		kind.frac = 31
	}
	made.Lock()
	defer made.Unlock()
	if w, ok := made.byKind[kind].(weak.Pointer[FFT[T]]); ok {
		if f := w.Value(); f != nil {
			return f
		}
	}
	f := newFFT[T](kind)
	made.byKind[kind] = weak.Make(f)
	return f
}

func newFFT[T Scalar](kind fftKind) *FFT[T] {
	n := kind.length / 2
	f := &FFT[T]{n: n, inverse: kind.inverse, frac: kind.frac, stages: stagesOf(n), place: make([]int32, n), roots: make([]cpx[T], n), odd: make([]cpx[T], n/2)}
	for i := range f.place {
		at, rest := 0, i
		for _, s := range f.stages {
			at += rest % s.radix * s.m
			rest /= s.radix
		}
		f.place[i] = int32(at)
	}
	for i := range f.roots {
		f.roots[i] = f.root(float64(-2*math.Pi*float64(i)) / float64(n))
	}
	for i := range f.odd {
		f.odd[i] = f.root(float64(-math.Pi * (float64(i+1)/float64(n) + 0.5)))
	}
	return f
}

// root returns the point of the unit circle at an angle, mirrored for an inverse transform.
func (f *FFT[T]) root(angle float64) cpx[T] {
	if f.inverse {
		angle = -angle
	}
	sin, cos := sincos(angle)
	if f.frac == 0 {
		return cpx[T]{T(cos), T(sin)}
	}
	most := float64(int64(1)<<f.frac - 1)
	return cpx[T]{T(math.Floor(0.5 + float64(most*cos))), T(math.Floor(0.5 + float64(most*sin)))}
}

// MACs returns a measure of the work of one transform: the multiplications of all stages.
func (f *FFT[T]) MACs() int64 {
	m := int64(4 * f.n)
	for _, s := range f.stages {
		m += int64(4 * f.n * s.radix)
	}
	return m
}

// Numbers returns how many numbers the tables hold: indices of int32, and values of T.
func (f *FFT[T]) Numbers() (indices, values int) {
	return len(f.place), 2 * (len(f.roots) + len(f.odd))
}

// Forward writes the length/2 + 1 complex numbers of the spectrum, real parts first, into dst, which has length + 2 elements. src has
// up to length samples; zeros take the place of missing ones.
func (f *FFT[T]) Forward(dst, src []T) {
	n := f.n
	if f.inverse || len(dst) != 2*n+2 || len(src) > 2*n {
		panic("signal: FFT: slice length mismatch")
	}
	for i, at := range f.place {
		var v cpx[T]
		if 2*i+1 < len(src) {
			v = cpx[T]{src[2*i], src[2*i+1]}
		} else if 2*i < len(src) {
			v.re = src[2*i]
		}
		put(dst, int(at), v)
	}
	f.transform(dst)

	dc := f.part(get(dst, 0), 2)
	put(dst, 0, cpx[T]{dc.re + dc.im, 0})
	put(dst, n, cpx[T]{dc.re - dc.im, 0})
	for k := 1; k <= n/2; k++ {
		a, b := f.part(get(dst, k), 2), get(dst, n-k)
		b = f.part(cpx[T]{b.re, -b.im}, 2)
		even, odd := a.add(b), f.mul(a.sub(b), f.odd[k-1])
		put(dst, k, cpx[T]{f.meanOf(even.re, odd.re), f.meanOf(even.im, odd.im)})
		put(dst, n-k, cpx[T]{f.halfGap(even.re, odd.re), f.halfGap(odd.im, even.im)})
	}
}

// Inverse writes length samples into dst from the length + 2 numbers of a spectrum. Integers come out divided by about the length; floats come
// out multiplied by it, as KISS FFT leaves them.
func (f *FFT[T]) Inverse(dst, src []T) {
	n := f.n
	if !f.inverse || len(src) != 2*n+2 || len(dst) != 2*n {
		panic("signal: FFT: slice length mismatch")
	}
	first, last := src[0], src[2*n]
	put(dst, int(f.place[0]), f.part(cpx[T]{first + last, first - last}, 2))
	for k := 1; k <= n/2; k++ {
		a, b := f.part(get(src, k), 2), get(src, n-k)
		b = f.part(cpx[T]{b.re, -b.im}, 2)
		even, odd := a.add(b), f.mul(a.sub(b), f.odd[k-1])
		put(dst, int(f.place[k]), even.add(odd))
		d := even.sub(odd)
		put(dst, int(f.place[n-k]), cpx[T]{d.re, -d.im})
	}
	f.transform(dst)
}
