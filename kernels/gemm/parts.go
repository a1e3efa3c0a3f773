package gemm

import "slices"

// span is a run of columns.
type span struct {
	first, n int
}

func (s *span) at() *span { return s }

// somePanels returns some of a packing's panels, with columns counted from the first of these, and how many columns they have.
func somePanels[P any, Q interface {
	*P
	at() *span
}](panels []P, from, to int) (first, columns int, some []P) {
	some = slices.Clone(panels[from:to])
	first = Q(&some[0]).at().first
	for i := range some {
		s := Q(&some[i]).at()
		s.first -= first
		columns += s.n
	}
	return first, columns, some
}

// parted is a packed matrix of panels, some of which make a matrix of their own.
type parted[P any] interface {
	count() int
	part(from, to int) (first, columns int, p P)
}

// eachPart divides a packed matrix into at most n parts of whole panels, all of them nearly equal, and hands on the first column of each and how many it
// has; false where there are no panels of that kind.
func eachPart[P any](packed P, n int, f func(first, columns int, p P)) bool {
	p, ok := any(packed).(parted[P])
	if !ok {
		return false
	}
	n = min(n, p.count())
	for i := range n {
		f(p.part(i*p.count()/n, (i+1)*p.count()/n))
	}
	return true
}

// F32Part is some neighbouring columns of packed float32 weights, whose memory it shares, and the first of them.
type F32Part struct {
	First int
	W     *F32Weights
}

// Parts divides the columns into at most n parts of whole panels, all of them nearly equal; one where only the generic kernel runs.
func (w *F32Weights) Parts(n int) (parts []F32Part) {
	if !eachPart(w.fast, n, func(first, columns int, p f32Packed) {
		parts = append(parts, F32Part{First: first, W: &F32Weights{N: columns, K: w.K, fast: p}})
	}) {
		return []F32Part{{W: w}}
	}
	return parts
}

// S8Part is F32Part for int8.
type S8Part struct {
	First int
	W     *S8Weights
}

// Parts is F32Weights.Parts for int8.
func (w *S8Weights) Parts(n int) (parts []S8Part) {
	if !eachPart(w.fast, n, func(first, columns int, p s8Packed) {
		parts = append(parts, S8Part{First: first, W: &S8Weights{N: columns, K: w.K, fast: p}})
	}) {
		return []S8Part{{W: w}}
	}
	return parts
}
