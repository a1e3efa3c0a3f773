package gemm

// parted is a packed matrix of panels, some of which make a matrix of their own.
type parted[P any] interface {
	count() int
	part(from, to int) (first, columns int, p P)
}

// F32Part is some neighbouring columns of packed float32 weights, whose memory it shares, and the first of them.
type F32Part struct {
	First int
	W     *F32Weights
}

// Parts divides the columns into at most n parts of whole panels, all of them nearly equal; one where only the generic kernel runs.
func (w *F32Weights) Parts(n int) []F32Part {
	p, ok := w.fast.(parted[f32Packed])
	if !ok {
		return []F32Part{{W: w}}
	}
	parts := make([]F32Part, 0, n)
	for from, to := range ranges(p.count(), n) {
		first, columns, fast := p.part(from, to)
		parts = append(parts, F32Part{First: first, W: &F32Weights{N: columns, K: w.K, fast: fast}})
	}
	return parts
}

// S8Part is F32Part for int8.
type S8Part struct {
	First int
	W     *S8Weights
}

// Parts is F32Weights.Parts for int8.
func (w *S8Weights) Parts(n int) []S8Part {
	p, ok := w.fast.(parted[s8Packed])
	if !ok {
		return []S8Part{{W: w}}
	}
	parts := make([]S8Part, 0, n)
	for from, to := range ranges(p.count(), n) {
		first, columns, fast := p.part(from, to)
		parts = append(parts, S8Part{First: first, W: &S8Weights{N: columns, K: w.K, fast: fast}})
	}
	return parts
}

// ranges yields at most n ranges of nearly equal length that divide count.
func ranges(count, n int) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		n = min(n, count)
		for i := range n {
			if !yield(i*count/n, (i+1)*count/n) {
				return
			}
		}
	}
}
