package detect

import "math"

// Candidate is a box that may still be chosen.
type Candidate struct {
	Box   int32
	Seen  int32 // how many chosen boxes it has been compared with
	Score float32
}

// SuppressConfig says how Suppress chooses boxes.
type SuppressConfig struct {
	MaxOverlap float32 // a box that overlaps a chosen one by as much or more is dropped
	MinScore   float32 // boxes need more
	Sigma      float32 // width of the Gaussian by which overlap lowers a score, 0 for none
}

// Suppress chooses at most len(chosen) boxes of four corners each by their scores, best first, and returns how many; kept takes their
// scores, which overlap may have lowered, unless it is nil. heap has room for as many candidates as there are scores. The rest of chosen
// and kept is set to zero. Equal scores come in the order of a binary heap, as in the reference.
func Suppress(chosen []int32, kept, boxes, scores []float32, c *SuppressConfig, heap []Candidate) int {
	if len(boxes) != 4*len(scores) || kept != nil && len(kept) != len(chosen) || len(heap) < len(scores) {
		panic("detect: slice length mismatch")
	}
	clear(chosen)
	clear(kept)
	q := queue(heap[:0])
	for i, s := range scores {
		if s > c.MinScore {
			q.push(Candidate{Box: int32(i), Score: s})
		}
	}
	limit, n := min(len(q), len(chosen)), 0
	slope := float32(0)
	if c.Sigma > 0 {
		slope = -0.5 / c.Sigma
	}
	for n < limit && len(q) > 0 {
		next := q.pop()
		before, drop := next.Score, false
		for j := n - 1; j >= int(next.Seen); j-- {
			o := overlapAny(boxes[4*next.Box:4*next.Box+4], boxes[4*chosen[j]:4*chosen[j]+4])
			if o >= c.MaxOverlap {
				drop = true
				break
			}
			if c.Sigma > 0 {
				next.Score *= float32(math.Exp(float64(float32(slope*o) * o)))
			}
			if next.Score <= c.MinScore {
				break
			}
		}
		next.Seen = int32(n)
		if drop {
			continue
		}
		if next.Score == before {
			chosen[n] = next.Box
			if kept != nil {
				kept[n] = next.Score
			}
			n++
		}
		// A chosen box goes back too, as in the reference; it is dropped when it meets itself, unless it has no area.
		if next.Score > c.MinScore {
			q.push(next)
		}
	}
	return n
}

// overlapAny is Overlap for boxes whose corners may come in any order.
func overlapAny(a, b []float32) float32 {
	x := [4]float32{min(a[0], a[2]), min(a[1], a[3]), max(a[0], a[2]), max(a[1], a[3])}
	y := [4]float32{min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])}
	return Overlap(x[:], y[:])
}

// queue is a binary heap with the highest score first. The order of equal scores is that of the C++ standard library of GCC.
type queue []Candidate

func (q *queue) push(c Candidate) {
	*q = append(*q, c)
	q.rise(len(*q)-1, c)
}

// rise moves the free place i up to where c belongs.
func (q *queue) rise(i int, c Candidate) {
	h := *q
	for i > 0 {
		p := (i - 1) / 2
		if !(h[p].Score < c.Score) {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = c
}

func (q *queue) pop() Candidate {
	h := *q
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	if len(h) == 0 {
		return top
	}
	// The free place sinks to the end of a branch, then the last element rises from there.
	i := 0
	for 2*i+2 < len(h) {
		c := 2*i + 2
		if h[c].Score < h[c-1].Score {
			c--
		}
		h[i] = h[c]
		i = c
	}
	if c := 2*i + 1; c < len(h) {
		h[i] = h[c]
		i = c
	}
	q.rise(i, last)
	return top
}
