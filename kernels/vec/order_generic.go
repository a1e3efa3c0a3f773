package vec

import "wayside/kernels/requant"

// ArgExtreme writes the place of the largest value along the middle axis of src[outer, depth, inner], of the least one with least
// set; the first counts where several are equal.
func ArgExtreme[I int32 | int64, T Number](dst []I, src []T, outer, depth, inner int, least bool) {
	if len(dst) != outer*inner || len(src) != outer*depth*inner {
		panic("vec: slice length mismatch")
	}
	for o := range outer {
		block := src[o*depth*inner:][:depth*inner]
		for i := range inner {
			best, at := block[i], 0
			for k, p := 1, inner+i; p < len(block); k, p = k+1, p+inner {
				if v := block[p]; least && v < best || !least && v > best {
					best, at = v, k
				}
			}
			dst[o*inner+i] = I(at)
		}
	}
}

// Running is the geometry of a running sum along the middle axis of [outer, depth, inner].
type Running struct {
	Outer, Depth, Inner int
	Exclusive, Reverse  bool // without the element itself; from the end
}

// start returns the first element of a row and the step from one element to the next.
func (r *Running) start(o, i int) (at, step int) {
	at, step = o*r.Depth*r.Inner+i, r.Inner
	if r.Reverse {
		at, step = at+(r.Depth-1)*r.Inner, -step
	}
	return at, step
}

// CumSum computes running sums; integers wrap around.
func CumSum[T Number](dst, src []T, r *Running) {
	if n := r.Outer * r.Depth * r.Inner; len(dst) != n || len(src) != n {
		panic("vec: slice length mismatch")
	}
	for o := range r.Outer {
		for i := range r.Inner {
			at, step := r.start(o, i)
			var sum T
			for range r.Depth {
				v := src[at]
				if r.Exclusive {
					dst[at] = sum
				}
				sum += v
				if !r.Exclusive {
					dst[at] = sum
				}
				at += step
			}
		}
	}
}

// CumSumS8 computes running sums of int8 values. They begin with first; term holds what each value adds, by its bits; the sum is
// scaled by m and shift and moved by zero. It wraps around like the reference, whose terms leave room for 16 of full size.
func CumSumS8(dst, src []int8, r *Running, first int32, term *[256]int32, m, shift, zero int32) {
	if n := r.Outer * r.Depth * r.Inner; len(dst) != n || len(src) != n {
		panic("vec: slice length mismatch")
	}
	for o := range r.Outer {
		for i := range r.Inner {
			at, step := r.start(o, i)
			sum := first
			for range r.Depth {
				out := sum
				sum += term[uint8(src[at])]
				if !r.Exclusive {
					out = sum
				}
				dst[at] = int8(min(max(requant.Mul(out, m, shift)+zero, -128), 127))
				at += step
			}
		}
	}
}

// TopK writes the k largest values of a row in decreasing order, and their places. Of equal values the first comes first.
func TopK[T Number](values []T, places []int32, row []T) {
	k := len(places)
	if len(values) != k || k > len(row) {
		panic("vec: slice length mismatch")
	}
	if k == 0 {
		return
	}
	// A heap with the worst of the best at its root.
	for i := range k {
		places[i] = int32(i)
	}
	for i := k/2 - 1; i >= 0; i-- {
		sinkTop(places, row, i)
	}
	for i := k; i < len(row); i++ {
		if before(row, int32(i), places[0]) {
			places[0] = int32(i)
			sinkTop(places, row, 0)
		}
	}
	for n := k - 1; n > 0; n-- { // the worst goes to the end
		places[0], places[n] = places[n], places[0]
		sinkTop(places[:n], row, 0)
	}
	for i, p := range places {
		values[i] = row[p]
	}
}

// before reports whether the element at a comes before that at b.
func before[T Number](row []T, a, b int32) bool {
	x, y := row[a], row[b]
	return y < x || !(y > x) && a < b
}

func sinkTop[T Number](heap []int32, row []T, i int) {
	for {
		c := 2*i + 1
		if c >= len(heap) {
			return
		}
		if c+1 < len(heap) && before(row, heap[c], heap[c+1]) {
			c++
		}
		if !before(row, heap[i], heap[c]) {
			return
		}
		heap[i], heap[c] = heap[c], heap[i]
		i = c
	}
}
