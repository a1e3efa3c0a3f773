package tensor

import (
	"math"
	"testing"
	"unsafe"
)

func TestF16RoundTrip(t *testing.T) {
	for h := range 1 << 16 {
		f := F16ToF32(uint16(h))
		if f != f {
			if g := F32ToF16(f); g&0x7c00 != 0x7c00 || g&0x3ff == 0 {
				t.Fatalf("%04x: NaN becomes %04x", h, g)
			}
			continue
		}
		if g := F32ToF16(f); g != uint16(h) {
			t.Fatalf("%04x is %v and becomes %04x", h, f, g)
		}
	}
	for _, c := range []struct {
		f float32
		h uint16
	}{
		{65519, 0x7bff}, {65520, 0x7c00}, {1 + 1.0/2048, 0x3c00}, {1 + 3.0/2048, 0x3c02}, {1e-8, 0}, {-1e-8, 0x8000},
		{float32(math.Ldexp(1, -25)), 0}, {float32(math.Ldexp(1.5, -25)), 1}, {float32(math.Ldexp(1.5, -24)), 2}, {float32(math.Inf(-1)), 0xfc00},
	} {
		if got := F32ToF16(c.f); got != c.h {
			t.Errorf("%v becomes %04x, want %04x", c.f, got, c.h)
		}
	}
}

func TestBF16Rounding(t *testing.T) {
	for _, c := range []struct {
		bits uint32
		want uint16
	}{
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82}, {0x7f7fffff, 0x7f80}, {0x7f800001, 0x7fc0}, {0x80000000, 0x8000},
	} {
		if got := uint16(BF16FromF32(math.Float32frombits(c.bits))); got != c.want {
			t.Errorf("%08x becomes %04x, want %04x", c.bits, got, c.want)
		}
	}
}

func TestElems(t *testing.T) {
	for _, c := range []struct {
		s    Shape
		want int // -1 for an error
	}{
		{nil, 1}, {Shape{3, 4}, 12}, {Shape{0, MaxElems + 1}, -1}, {Shape{MaxElems + 1, 0}, -1}, {Shape{-1, 2}, -1}, {Shape{MaxElems}, MaxElems},
		{Shape{MaxElems, 2}, -1}, {Shape{1 << 20, 1 << 20, 1 << 20, 1 << 20}, -1}, {Shape{2, 0, 3}, 0},
	} {
		if got, err := c.s.Elems(); (err != nil) != (c.want < 0) || err == nil && got != c.want {
			t.Errorf("%v: %d, %v, want %d", c.s, got, err, c.want)
		}
	}
}

func TestViewsAndAlignment(t *testing.T) {
	for n := range 200 {
		b := Aligned(n)
		if len(b) != n || cap(b) != n || n > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Fatalf("%d bytes: length %d, capacity %d", n, len(b), cap(b))
		}
	}
	x, err := New(F32, Shape{2, 3})
	if err != nil || len(x.F32()) != 6 || x.Elems() != 6 {
		t.Fatalf("%v %v", x, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a view of another dtype is given")
		}
	}()
	x.S8()
}
