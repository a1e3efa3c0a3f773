package gemm

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	bfloat16 "github.com/d4l3k/go-bfloat16"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// The sizes are those around the widths and heights of the tiles, primes, and one that is large.
var (
	sizesM = []int{0, 1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 25, 49}
	sizesN = []int{1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 63, 64, 65, 130, 256, 325}
	sizesK = []int{0, 1, 3, 4, 5, 8, 15, 16, 17, 27, 64, 129}
)

// caseS8 is a random problem in memory beside guard pages.
type caseS8 struct {
	m, n, k, ldx, ldd int
	x, w, dst         []int8
	bias              []int32
	inZero, wZero     int32
	q                 requant.Params
}

func newCaseS8(t testing.TB, r *rand.Rand, m, n, k int, wZero, lo int32, atEnd bool) *caseS8 {
	c := &caseS8{m: m, n: n, k: k, ldx: k + r.IntN(4), ldd: n + r.IntN(4), inZero: int32(r.IntN(256) - 128), wZero: wZero}
	c.w, c.bias = make([]int8, n*k), make([]int32, n)
	if m > 0 {
		c.x, c.dst = kerneltest.Guarded[int8](t, (m-1)*c.ldx+k, atEnd), kerneltest.Guarded[int8](t, (m-1)*c.ldd+n, atEnd)
	}
	c.q = requant.Params{Mult: make([]int32, n), Shift: make([]int32, n), Zero: 3, Min: lo, Max: 101 + 26*int32(n%2)}
	for _, s := range [][]int8{c.x, c.w} {
		for i := range s {
			s[i] = int8(r.IntN(256) - 128)
			if r.IntN(8) == 0 {
				s[i] = []int8{-128, 127, 0, -127}[r.IntN(4)]
			}
		}
	}
	if wZero != 0 && r.IntN(2) == 0 {
		// All but a few weights are int8 without the zero point.
		for i, v := range c.w {
			c.w[i] = int8(min(max(int32(v), wZero-128), wZero+127))
		}
		for range min(r.IntN(5), len(c.w)) {
			c.w[r.IntN(len(c.w))] = []int8{-128, 127}[r.IntN(2)]
		}
	}
	for i := range c.dst {
		c.dst[i] = 99 // what lies between the rows must stay
	}
	for i := range n {
		c.bias[i] = int32(r.IntN(1<<14) - 1<<13)
		c.q.Mult[i], c.q.Shift[i] = int32(1<<30+r.IntN(1<<30)), -int32(r.IntN(12))
		switch r.IntN(8) {
		case 0:
			c.q.Mult[i] = 1<<30 + 1<<r.IntN(30)
		case 1:
			c.q.Mult[i], c.q.Shift[i] = 0, 0
		}
	}
	return c
}

func (c *caseS8) check(t *testing.T) {
	t.Helper()
	for i := range c.m {
		for j := range c.ldd {
			if i*c.ldd+j == len(c.dst) {
				return
			}
			want := int8(99)
			if j < c.n {
				acc := c.bias[j]
				for k := range c.k {
					acc += (int32(c.x[i*c.ldx+k]) - c.inZero) * (int32(c.w[j*c.k+k]) - c.wZero)
				}
				want = c.q.Apply(acc, j)
			}
			if got := c.dst[i*c.ldd+j]; got != want {
				t.Fatalf("m=%d n=%d k=%d weight zero %d least %d: row %d column %d: got %d, want %d", c.m, c.n, c.k, c.wZero, c.q.Min, i, j, got, want)
			}
		}
	}
}

func TestS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		turn := 0
		for _, n := range sizesN {
			for _, k := range sizesK {
				for _, m := range sizesM {
					turn++
					wZero, lo := int32(0), int32(-128)
					if turn%16 == 0 {
						wZero = []int32{11, -128}[turn/16%2]
					}
					if turn%2 == 0 {
						lo = 3
					}
					c := newCaseS8(t, r, m, n, k, wZero, lo, turn%3 > 0)
					switch turn % 29 {
					case 0: // too large for the one-step rescaling
						c.bias[0] = 1 << 30
					case 1: // a multiplier above one
						c.q.Shift[0] = 2
					}
					if turn%5 == 0 { // four bits
						for i := range c.w {
							c.w[i] >>= 4
						}
					}
					p := PackS8In(nil, []int{1, ManyRows}[turn/2%2], c.w, n, k, c.bias, c.inZero, wZero, c.q)
					S8(c.dst, c.ldd, c.x, c.ldx, m, p, kerneltest.Guarded[byte](t, p.Scratch(m), true))
					c.check(t)
				}
			}
		}
	})
}

// TestS8Rows gives rows in the form that the tiles want.
func TestS8Rows(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 4))
		for i := range 200 {
			c := newCaseS8(t, r, 1+r.IntN(20), 1+r.IntN(80), 1+r.IntN(70), []int32{0, 0, 13, -128}[i%4], []int32{-128, 3}[i/4%2], true)
			p := PackS8(c.w, c.n, c.k, c.bias, c.inZero, c.wZero, c.q)
			lda := p.Stride()
			if lda == 0 {
				t.Skip("skipped: this tier takes rows as they are")
			}
			a := kerneltest.Guarded[byte](t, c.m*lda, true)
			for i := range a {
				a[i] = byte(r.Uint32())
			}
			for i := range c.m {
				for k := range c.k {
					a[i*lda+k] = byte(c.x[i*c.ldx+k]) ^ 0x80
				}
			}
			S8Rows(c.dst, c.ldd, a, c.m, p)
			c.check(t)
		}
	})
}

// TestS8Extremes has the largest sums, with zero points at both ends and rows so long that their sum needs several int16 values.
func TestS8Extremes(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 4))
		for i, k := range []int{255, 256, 257, 600, 1021, 2000} {
			for _, v := range []int8{-128, 127} {
				for _, wZero := range []int32{-128, -127, -1, 1, 127} {
					c := newCaseS8(t, r, 7, 9+8*(i%2), k, wZero, -128, true)
					for j := range c.x[:len(c.x)/2] {
						c.x[j] = v
					}
					for j := range c.w[:len(c.w)/2] {
						c.w[j] = -v
					}
					for j := range c.q.Mult {
						c.q.Shift[j] -= 8
					}
					p := PackS8(c.w, c.n, k, c.bias, c.inZero, wZero, c.q)
					S8(c.dst, c.ldd, c.x, c.ldx, c.m, p, kerneltest.Guarded[byte](t, p.Scratch(c.m), true))
					c.check(t)
				}
			}
		}
	})
}

// ulpF32 bounds how far the tiers are from the generic kernel, in units in the last place of the largest product sum of the row.
const ulpF32 = 4

func TestF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		turn := 0
		for _, n := range sizesN {
			for _, k := range sizesK {
				for _, m := range sizesM {
					turn++
					if m == 0 {
						continue
					}
					ldx, ldd := k+r.IntN(3), n+r.IntN(3)
					x, dst := kerneltest.Guarded[float32](t, (m-1)*ldx+k, turn%2 == 0), kerneltest.Guarded[float32](t, (m-1)*ldd+n, turn%2 == 0)
					w, bias := make([]float32, n*k), make([]float32, n)
					for _, s := range [][]float32{w, x, bias} {
						for i := range s {
							s[i] = r.Float32()*2 - 1
						}
					}
					for i := range dst {
						dst[i] = 99
					}
					if turn%7 == 0 && len(x) > 0 {
						x[0] = float32(math.NaN())
					}
					F32(dst, ldd, x, ldx, m, PackF32(w, n, k, bias, -1.5, 2))
					checkF32(t, dst, x, w, bias, m, n, k, ldx, ldd)
				}
			}
		}
	})
}

func checkF32(t *testing.T, dst, x, w, bias []float32, m, n, k, ldx, ldd int) {
	t.Helper()
	for i := range m {
		for j := range ldd {
			if i*ldd+j == len(dst) {
				return
			}
			got := dst[i*ldd+j]
			if j >= n {
				if got != 99 {
					t.Fatalf("m=%d n=%d k=%d: row %d: what lies behind it has changed", m, n, k, i)
				}
				continue
			}
			sum, size := float64(bias[j]), math.Abs(float64(bias[j]))
			for l := range k {
				p := float64(x[i*ldx+l]) * float64(w[j*k+l])
				sum, size = sum+p, size+math.Abs(p)
			}
			want := min(max(sum, -1.5), 2)
			if d := math.Abs(float64(got) - want); d > ulpF32*size*0x1p-23 || (got != got) != (want != want) {
				t.Fatalf("m=%d n=%d k=%d: row %d column %d: got %v, want %v", m, n, k, i, j, got, want)
			}
		}
	}
}

func TestGemmPanicsOnShortSlices(t *testing.T) {
	w := PackS8(make([]int8, 12), 3, 4, nil, 0, 0, requant.Params{Mult: []int32{1 << 30}, Shift: []int32{0}})
	scratch := make([]byte, w.Scratch(2))
	for name, f := range map[string]func(){
		"input":  func() { S8(make([]int8, 6), 3, make([]int8, 7), 4, 2, w, scratch) },
		"output": func() { S8(make([]int8, 5), 3, make([]int8, 8), 4, 2, w, scratch) },
		"pack":   func() { PackF32(make([]float32, 11), 3, 4, nil, 0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a short %s slice is accepted", name)
				}
			}()
			f()
		}()
	}
}

// TestF32Forms compares weights of two bytes with the same weights in float32: every bit of the results is the same.
func TestF32Forms(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		turn := 0
		for _, f := range []form{brain, half} {
			for _, n := range []int{1, 7, 8, 9, 16, 17, 33, 48, 64, 65, 130, 199, 300} {
				for _, k := range []int{0, 1, 3, 4, 5, 17, 64, 129} {
					for _, m := range []int{1, 2, 4, 5, 7, 8, 11, 12, 25} {
						turn++
						checkForm(t, r, f, m, n, k, turn%2 == 0)
					}
				}
			}
		}
	})
}

func checkForm(t *testing.T, r *rand.Rand, f form, m, n, k int, atEnd bool) {
	t.Helper()
	ldx, ldd := k+r.IntN(3), n+r.IntN(3)
	w, bias, x := make([]float32, n*k), make([]float32, n), kerneltest.Guarded[float32](t, (m-1)*ldx+k, atEnd)
	for i := range w {
		w[i] = randomOf(r, f)
	}
	for _, s := range [][]float32{x, bias} {
		for i := range s {
			s[i] = r.Float32()*2 - 1
		}
	}
	got, want := kerneltest.Guarded[float32](t, (m-1)*ldd+n, atEnd), make([]float32, (m-1)*ldd+n)
	p, q := PackF32(w, n, k, bias, -1.5, 2), packF32(nil, full, w, n, k, bias, -1.5, 2)
	F32(got, ldd, x, ldx, m, p)
	F32(want, ldd, x, ldx, m, q)
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) {
			t.Fatalf("m=%d n=%d k=%d %s: element %d is %v, not %v", m, n, k, f, i, got[i], v)
		}
	}
	a, b := p.Bytes(), q.Bytes()
	narrow := a.F32+2*(a.BF16+a.F16) == b.F32 && p.Types() == f.String()
	halves := p.fast != nil && runtime.GOARCH != "arm" // has tiles for binary16
	if q.Types() != "f32" || !halves && f == half && a != b || (halves || f == brain) && n*k > 0 && !narrow {
		t.Fatalf("n=%d k=%d %s: %+v bytes of %s, in float32 %+v", n, k, f, a, p.Types(), b)
	}
}

// randomOf returns a weight that a form holds: any finite one from time to time, mostly one of middle size.
func randomOf(r *rand.Rand, f form) float32 {
	for {
		bits := uint16(r.Uint32())
		if r.IntN(4) > 0 { // between 2^-7 and 2
			bits = map[form]uint16{brain: bits&0x83ff | 0x3c00, half: bits&0x9fff | 0x2000}[f]
		}
		switch v := widenBF16(bfloat16.BF16(bits)); {
		case f == half && bits&0x7c00 != 0x7c00:
			return fromHalf(bits)
		case f == brain && math.Abs(float64(v)) < 1e30:
			return v
		}
	}
}

// TestFormOf tries all values of both narrow forms, and values that they do not hold.
func TestFormOf(t *testing.T) {
	for bits := range 1 << 16 {
		if v := widenBF16(bfloat16.BF16(bits)); formOf([]float32{v}) != brain {
			t.Errorf("bfloat16 %#04x is not found", bits)
		}
		h, finite := uint16(bits), bits&0x7c00 != 0x7c00
		v := fromHalf(h)
		if got := formOf([]float32{1 + 0x1p-10, v}); finite != (got == half) {
			t.Errorf("binary16 %#04x is taken for %s", bits, got)
		}
		if got, ok := toHalf(v); finite && (!ok || got != h) {
			t.Errorf("binary16 %#04x becomes %#04x", bits, got)
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, v := range []float32{1 + 0x1p-11, 1 + 0x1p-23, 65536, -65536 - 256, 0x1p-25, 0x1p-24 + 0x1p-25, 0x1p-14 + 0x1p-25, 0x1p-126, 1e30, inf, -inf, nan} {
		if got := formOf([]float32{1 + 0x1p-10, v}); got != full {
			t.Errorf("%v is taken for %s", v, got)
		}
	}
	if got := formOf(nil); got != brain {
		t.Errorf("no weights are taken for %s", got)
	}
}
