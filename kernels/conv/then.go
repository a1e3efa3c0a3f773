package conv

// after is what a convolution does to its results while they are in the cache.
type after[T int8 | float32] struct {
	then   func(x, beside []T)
	beside []T
}

// thenBytes is how many bytes of results are finished before the next function runs over them: few enough for the first caches.
const thenBytes = 64 << 10

// Beside gives the function of Then as many values of another tensor as there are results: those at the same places. It is for use before Run.
func (a *after[T]) Beside(b []T) { a.beside = b }

// finish applies the function to n results from the one at place at on.
func (a *after[T]) finish(dst []T, at, n int) {
	switch {
	case a.then == nil:
	case a.beside != nil:
		a.then(dst[at:at+n], a.beside[at:at+n])
	default:
		a.then(dst[at:at+n], nil)
	}
}

// finishSquares applies the function to m squares of size × size results from the first one on, of which right lie side by side in an image.
func (a *after[T]) finishSquares(dst []T, g *Geometry, size, right, first, m int) {
	if a.then == nil {
		return
	}
	down := (g.OutH + size - 1) / size
	for end := first + m; first < end; {
		n := min(end-first, right-first%right)
		b, y, x := first/(down*right), first/right%down*size, first%right*size
		for r := y; r < min(y+size, g.OutH); r++ {
			a.finish(dst, ((b*g.OutH+r)*g.OutW+x)*g.OutC, min(n*size, g.OutW-x)*g.OutC)
		}
		first += n
	}
}
