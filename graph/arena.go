package graph

import (
	"cmp"
	"slices"
)

// arenaAlign is the alignment of every buffer in the arena: a cache line.
const arenaAlign = 64

// buffer is a piece of the arena that is alive from step first to step last, both included.
type buffer struct {
	size        int
	first, last int
	offset      int64
}

// place gives every buffer an offset so that no two that are alive at the same step overlap, and returns the bytes needed.
// Greedy by size: the largest first, each into the lowest gap that holds it. Equal sizes keep their order, so the
// result does not depend on anything but the input.
func place(bufs []*buffer) int64 {
	order := slices.Clone(bufs)
	slices.SortStableFunc(order, func(a, b *buffer) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.first, b.first))
	})
	var placed []*buffer // ordered by offset
	total := int64(0)
	for _, b := range order {
		if b.size == 0 {
			b.offset = 0
			continue
		}
		end := int64(0)
		for _, p := range placed {
			if p.last < b.first || b.last < p.first {
				continue
			}
			if p.offset-end >= int64(b.size) {
				break
			}
			end = max(end, (p.offset+int64(p.size)+arenaAlign-1)&^(arenaAlign-1))
		}
		b.offset = end
		total = max(total, end+int64(b.size))
		at, _ := slices.BinarySearchFunc(placed, b, func(x, y *buffer) int { return cmp.Compare(x.offset, y.offset) })
		placed = slices.Insert(placed, at, b)
	}
	return total
}

// liveBytes returns, for each of n steps, the bytes of all buffers that are alive while it runs: what the arena would need if
// no gap were lost between them.
func liveBytes(bufs []*buffer, n int) []int64 {
	delta := make([]int64, n+1)
	for _, b := range bufs {
		delta[min(max(b.first, 0), n)] += int64(b.size)
		if b.last+1 < n {
			delta[b.last+1] -= int64(b.size)
		}
	}
	live := make([]int64, n)
	sum := int64(0)
	for i := range live {
		sum += delta[i]
		live[i] = sum
	}
	return live
}
