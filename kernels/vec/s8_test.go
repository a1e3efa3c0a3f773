package vec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

func bytesOf(r *rand.Rand, dst []int8) {
	for i := range dst {
		dst[i] = int8(r.Uint32())
	}
}

func TestLookupTiers(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		var table [256]int8
		bytesOf(r, table[:])
		for _, n := range append(sizes, 1000) {
			for _, atEnd := range []bool{false, true} {
				src, dst, want := kerneltest.Guarded[int8](t, n, atEnd), kerneltest.Guarded[int8](t, n, atEnd), make([]int8, n)
				bytesOf(r, src)
				lookupS8Generic(want, src, &table)
				LookupS8(dst, src, &table)
				LookupS8(src, src, &table)
				if !slices.Equal(dst, want) || !slices.Equal(src, want) {
					t.Fatalf("n=%d differs", n)
				}
			}
		}
	})
}

// TestPairsS8 compares sums, products and squared differences of many quantizations with the textbook's integer arithmetic, for all pairs of inputs: without
// preparation, with kernels, and with tables.
func TestPairsS8(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		got, want := make([]int8, 256), make([]int8, 256)
		all := bitOrder[:]
		fast, whole, cases := 0, 0, 60
		for at := range cases {
			q := &Store{Zero: int32(r.IntN(256) - 128), Lo: -128, Hi: 127}
			if at%4 == 0 {
				q.Lo, q.Hi = q.Zero, 127
			}
			za, zb := int32(r.IntN(256)-128), int32(r.IntN(256)-128)
			var p *PairS8
			var book func(dst, a []int8, sa int, b []int8, sb int)
			sa, sb := math.Exp(r.Float64()*4-6), math.Exp(r.Float64()*4-6)
			twice := 2 * max(sa, sb)
			rescales := func(left int32) (ra, rb *Rescale) {
				ra, rb = &Rescale{Zero: za, Left: left}, &Rescale{Zero: zb, Left: left}
				ra.Mult, ra.Shift = requant.Quantize(sa / twice)
				rb.Mult, rb.Shift = requant.Quantize(sb / twice)
				return ra, rb
			}
			switch {
			case at%10 == 9:
				ra, rb := rescales(7)
				q.Mult, q.Shift = requant.Quantize(twice * twice / (1 << 14 * (sa + sb)))
				p = NewSquaredDifferenceS8(ra, rb, q)
				book = func(dst, a []int8, sa int, b []int8, sb int) {
					SquaredDifferenceS8(dst, a, sa, b, sb, ra.Table(), rb.Table(), q)
				}
			case at%2 == 0:
				ra, rb := rescales(20)
				q.Mult, q.Shift = requant.Quantize(twice / (1 << 20 * (sa + sb) * (0.5 + r.Float64())))
				sub := at%3 == 0
				p = NewSumS8(ra, rb, sub, q)
				ta, tb := ra.Table(), rb.Table()
				for i := range tb {
					if sub {
						tb[i] = -tb[i]
					}
				}
				book = func(dst, a []int8, sa int, b []int8, sb int) { AddS8(dst, a, sa, b, sb, ta, tb, q) }
			default:
				switch at % 20 {
				case 1: // never negative
					za, zb = -128, -128
				case 11: // a product that grows
					q.Mult, q.Shift = 1<<30, 2
				}
				if q.Mult == 0 {
					q.Mult, q.Shift = requant.Quantize(math.Exp(-r.Float64() * 7))
				}
				p = NewProductS8(za, zb, q)
				book = func(dst, a []int8, sa int, b []int8, sb int) { MulQ(dst, a, sa, b, sb, za, zb, q) }
			}
			for _, elems := range []int{1, 10000} {
				p.Prepare(elems)
				if elems == 1 && p.ISA() != "generic" || elems == 10000 && p.ISA() == "generic" {
					t.Errorf("case %d: runs of %d elements use %s", at, elems, p.ISA())
				}
				for i := range all {
					book(want, all[i:i+1], 0, all, 1)
					p.Run(got, all[i:i+1], all, &Rows{N: 256, SB: 1, Count: 1})
					if !slices.Equal(got, want) {
						t.Fatalf("case %d: first input %d differs with %s", at, all[i], p.ISA())
					}
					book(want, all, 1, all[i:i+1], 0)
					p.Run(got, all, all[i:i+1], &Rows{N: 256, SA: 1, Count: 1})
					if !slices.Equal(got, want) {
						t.Fatalf("case %d: second input %d differs with %s", at, all[i], p.ISA())
					}
				}
			}
			if p.fast {
				fast++
			}
			if p.params.whole != (wholeSum{}) {
				whole++
			}
			for _, n := range sizes[:len(sizes)*max(0, 1-at/4)] { // for a few
				for _, atEnd := range []bool{false, true} {
					for _, rows := range rowShapes(n) {
						a, b := kerneltest.Guarded[int8](t, rows.length(rows.SA, rows.StepA), atEnd), kerneltest.Guarded[int8](t, rows.length(rows.SB, rows.StepB), atEnd)
						dst, want := kerneltest.Guarded[int8](t, n*rows.Count, atEnd), make([]int8, n*rows.Count)
						bytesOf(r, a)
						bytesOf(r, b)
						eachRow(want, a, b, &rows, book)
						p.Run(dst, a, b, &rows)
						if !slices.Equal(dst, want) {
							t.Fatalf("%+v differs", rows)
						}
					}
				}
			}
		}
		t.Logf("%d of %d have a fast form, of which %d are sums of whole numbers", fast, cases, whole)
		if ISA8() != "generic" && fast < cases/2 {
			t.Errorf("only %d of %d have a fast form", fast, cases)
		}
		if wholeSums() && whole < cases/4 {
			t.Errorf("only %d of %d are sums of whole numbers", whole, cases/2)
		}
	})
}

func TestQuantizeTiers(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, n := range append(sizes, 3000) {
			for _, atEnd := range []bool{false, true} {
				src, back := kerneltest.Guarded[float32](t, n, atEnd), kerneltest.Guarded[float32](t, n, atEnd)
				fill(src, r)
				for i := range src {
					if r.IntN(4) == 0 {
						src[i] = float32(r.IntN(600)-300) / 8 // ties
					}
					if r.IntN(20) == 0 {
						src[i] = math.Nextafter32(float32(r.IntN(5)-2)/8, 9)
					}
				}
				quantized[int8](t, src, back, atEnd)
				quantized[int16](t, src, back, atEnd)
				quantizedEven(t, src, atEnd)
			}
		}
	})
}

func quantizedEven(t *testing.T, src []float32, atEnd bool) {
	for _, scale := range []float32{0.25, 0.0173, 1e-3} {
		dst, want := kerneltest.Guarded[int8](t, len(src), atEnd), make([]int8, len(src))
		QuantizeEvenS8(dst, src, scale, 7)
		quantizeEvenGeneric(want, src, scale, 7)
		for i := range dst {
			if dst[i] != want[i] {
				t.Fatalf("n=%d: %v / %v became %d, want %d", len(src), src[i], scale, dst[i], want[i])
			}
		}
	}
	ties := []int8{0, 2, 2, 0, -2, -2} // of the halves from a half up and down
	dst := make([]int8, len(ties))
	if QuantizeEvenS8(dst, []float32{0.5, 1.5, 2.5, -0.5, -1.5, -2.5}, 1, 0); !slices.Equal(dst, ties) {
		t.Fatalf("halves became %v", dst)
	}
}

func quantized[T Small](t *testing.T, src, back []float32, atEnd bool) {
	for _, scale := range []float32{0.25, 0.0173, 1e-3} {
		dst, want, ref := kerneltest.Guarded[T](t, len(src), atEnd), make([]T, len(src)), make([]float32, len(src))
		QuantizeF32(dst, src, scale, -3)
		quantizeGeneric(want, src, scale, -3)
		for i := range dst {
			if dst[i] != want[i] {
				t.Fatalf("n=%d: %v / %v became %d, want %d", len(src), src[i], scale, dst[i], want[i])
			}
		}
		Dequantize(back, dst, scale, 5)
		dequantizeGeneric(ref, dst, scale, 5)
		if !slices.Equal(back, ref) {
			t.Fatalf("n=%d: the way back differs", len(src))
		}
	}
}
