package graph

import (
	"math/rand/v2"
	"testing"
)

func overlap(a, b *buffer) bool {
	return a.size > 0 && b.size > 0 && a.first <= b.last && b.first <= a.last &&
		a.offset < b.offset+int64(b.size) && b.offset < a.offset+int64(a.size)
}

func TestPlaceNeverOverlapsLiveBuffers(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		var bufs []*buffer
		sum := int64(0)
		for range 1 + r.IntN(60) {
			b := &buffer{size: r.IntN(5000), first: r.IntN(30) - 1}
			b.last = b.first + r.IntN(10)
			bufs = append(bufs, b)
			sum += int64(b.size+arenaAlign-1) &^ (arenaAlign - 1)
		}
		total := place(bufs)
		end := int64(0)
		for i, a := range bufs {
			if a.offset%arenaAlign != 0 {
				t.Fatalf("seed %d: offset %d is not aligned", seed, a.offset)
			}
			end = max(end, a.offset+int64(a.size)*int64(min(a.size, 1)))
			for _, b := range bufs[:i] {
				if overlap(a, b) {
					t.Fatalf("seed %d: %+v and %+v overlap", seed, *a, *b)
				}
			}
		}
		if total != end {
			t.Fatalf("seed %d: total %d, the last byte used is %d", seed, total, end)
		}
		if total > sum {
			t.Fatalf("seed %d: %d bytes are more than %d without any sharing", seed, total, sum)
		}
	}
}

func TestPlaceKnownLayouts(t *testing.T) {
	for _, c := range []struct {
		name string
		bufs []*buffer
		want int64
	}{
		{"none", nil, 0},
		{"only empty", []*buffer{{size: 0, last: 5}}, 0},
		{"one after the other", []*buffer{{size: 100, first: 0, last: 1}, {size: 200, first: 2, last: 3}}, 200},
		{"side by side", []*buffer{{size: 100, first: 0, last: 1}, {size: 200, first: 1, last: 3}}, 256 + 100},
		{"a gap is used", []*buffer{{size: 640, first: 0, last: 1}, {size: 64, first: 1, last: 4}, {size: 128, first: 2, last: 4}}, 704},
	} {
		if got := place(c.bufs); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
}

func TestLiveBytes(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := 1 + r.IntN(20)
		var bufs []*buffer
		for range r.IntN(40) {
			b := &buffer{size: r.IntN(5000), first: r.IntN(n+2) - 1}
			b.last = b.first + r.IntN(10)
			bufs = append(bufs, b)
		}
		total := place(bufs)
		for i, got := range liveBytes(bufs, n) {
			want := int64(0)
			for _, b := range bufs {
				if b.first <= i && i <= b.last {
					want += int64(b.size)
				}
			}
			if got != want || got > total {
				t.Fatalf("seed %d, step %d: %d bytes are alive, want %d of %d", seed, i, got, want, total)
			}
		}
	}
}
