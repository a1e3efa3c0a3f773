package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// broadcastShape returns numpy's broadcast of two shapes.
func broadcastShape(a, b tensor.Shape) (tensor.Shape, bool) {
	r := max(len(a), len(b))
	out := make(tensor.Shape, r)
	for i := range out {
		da, db := 1, 1
		if j := i - r + len(a); j >= 0 {
			da = a[j]
		}
		if j := i - r + len(b); j >= 0 {
			db = b[j]
		}
		if da != db && da != 1 && db != 1 {
			return nil, false
		}
		out[i] = da
		if da == 1 {
			out[i] = db
		}
	}
	return out, true
}

// broadcastStrides returns the strides of an input within the broadcast shape, 0 on the axes along which it repeats.
func broadcastStrides(in, out tensor.Shape) []int {
	st := make([]int, len(out))
	for i, s := range contiguous(in) {
		if in[i] != 1 {
			st[i+len(out)-len(in)] = s
		}
	}
	return st
}

// spread walks broadcast inputs in runs along the innermost axes, along which each advances by one or not at all.
// There are three of them at most; those that an operator does not have repeat one element.
type spread struct {
	outer [maxRank]int    // extents of the outer axes
	step  [maxRank][3]int // strides of the inputs along them
	rank  int             // number of outer axes
	runs  int
	n     int    // length of a run
	in    [3]int // strides within a run: 0 or 1
}

func newSpread(out tensor.Shape, in ...tensor.Shape) *spread {
	var st [maxRank][3]int
	for k, s := range in {
		for i, v := range broadcastStrides(s, out) {
			st[i][k] = v
		}
	}
	s := &spread{n: 1, runs: 1}
	i := len(out) - 1
	for i >= 0 && out[i] == 1 {
		i--
	}
	if i >= 0 {
		for k := range s.in {
			s.in[k] = min(st[i][k], 1)
		}
	}
	for ; i >= 0; i-- {
		// An axis joins the run when all inputs go on as within the run.
		if out[i] != 1 && st[i] != [3]int{s.in[0] * s.n, s.in[1] * s.n, s.in[2] * s.n} {
			break
		}
		s.n *= out[i]
	}
	for k := range i + 1 {
		if out[k] != 1 {
			s.outer[s.rank], s.step[s.rank] = out[k], st[k]
			s.rank++
			s.runs *= out[k]
		}
	}
	return s
}

// each calls f for every run with the first elements of the output and the inputs.
func (s *spread) each(f func(o int, in [3]int)) {
	var at [maxRank]int
	if s.n == 0 {
		return
	}
	var p [3]int
	for r := range s.runs {
		f(r*s.n, p)
		for k := s.rank - 1; k >= 0; k-- {
			at[k]++
			for i, v := range s.step[k] {
				p[i] += v
			}
			if at[k] < s.outer[k] {
				break
			}
			for i, v := range s.step[k] {
				p[i] -= v * s.outer[k]
			}
			at[k] = 0
		}
	}
}

// elems views a tensor as elements of T, which must be the type of its dtype.
func elems[T any](t *tensor.Tensor) []T { return tensor.As[T](t.Data, t.DType.Bytes(1)) }

// pairFunc computes one run of an operator with two inputs: dst[i] from a[i×sa] and b[i×sb].
type pairFunc[T, D any] func(dst []D, a []T, sa int, b []T, sb int)

// pairRun returns the Run of an operator with two inputs of one type.
func pairRun[T, D any](s *spread, f pairFunc[T, D]) func(*graph.Args) error {
	return func(a *graph.Args) error {
		x, y, d := elems[T](a.In[0]), elems[T](a.In[1]), elems[D](a.Out[0])
		s.each(func(o int, p [3]int) { f(d[o:o+s.n], x[p[0]:], s.in[0], y[p[1]:], s.in[1]) })
		return nil
	}
}

// rowsRun is pairRun for functions that take all runs along an axis at once.
func rowsRun[T any](s *spread, f func(dst, a, b []T, r *vec.Rows)) func(*graph.Args) error {
	r := &vec.Rows{N: s.n, SA: s.in[0], SB: s.in[1], Count: 1}
	outer := *s
	if k := s.rank - 1; k >= 0 {
		r.Count, r.StepA, r.StepB = s.outer[k], s.step[k][0], s.step[k][1]
		outer.rank, outer.n, outer.runs = k, s.n*r.Count, 1
		for _, d := range s.outer[:k] {
			outer.runs *= d
		}
	}
	return func(a *graph.Args) error {
		x, y, d := elems[T](a.In[0]), elems[T](a.In[1]), elems[T](a.Out[0])
		outer.each(func(o int, p [3]int) { f(d[o:o+outer.n], x[p[0]:], y[p[1]:], r) })
		return nil
	}
}

// elemsPerNano is how many elements a thread computes in a nanosecond, roughly, in the kernels of simple operators.
const elemsPerNano = 8

// shareElems makes run the kernel of an operator that computes each element of o from those at the same place, so many a nanosecond, shared among threads.
func shareElems(k *graph.Kernel, o *graph.Value, perNano int, run func(*graph.Args) error) {
	n := product(o.Shape)
	step := rowStep{rows: n, tile: 64, work: int64(n / perNano), kernel: func(int) (func(*graph.Args) error, int) { return run, 0 }}
	step.set(k)
}

// shareRuns makes rowsRun the kernel, shared among threads where there is one run or one axis of runs.
func shareRuns[T any](k *graph.Kernel, s *spread, f func(dst, a, b []T, r *vec.Rows)) {
	if s.rank > 1 {
		k.Run = rowsRun(s, f)
		return
	}
	step := rowStep{rows: s.n, tile: 64, work: int64(s.n * s.runs / elemsPerNano)}
	stride := s.in
	if s.rank == 1 {
		step.rows, step.tile, stride = s.runs, 1, s.step[0]
	}
	for i, d := range stride[:2] {
		if d == 0 {
			step.whole = append(step.whole, i)
		}
	}
	step.kernel = func(rows int) (func(*graph.Args) error, int) {
		part := *s
		if s.rank == 1 {
			part.outer[0], part.runs = rows, rows
		} else {
			part.n = rows
		}
		return rowsRun(&part, f), 0
	}
	step.set(k)
}

// tryFunc is a pairFunc that returns false for data it has no result for.
type tryFunc[T any] func(dst, a []T, sa int, b []T, sb int) bool

// tryRun is pairRun for a function that can fail with the given error.
func tryRun[T any](s *spread, bad error, f tryFunc[T]) func(*graph.Args) error {
	return func(a *graph.Args) error {
		x, y, d := elems[T](a.In[0]), elems[T](a.In[1]), elems[T](a.Out[0])
		ok := true
		s.each(func(o int, p [3]int) {
			ok = ok && f(d[o:o+s.n], x[p[0]:], s.in[0], y[p[1]:], s.in[1])
		})
		if !ok {
			return bad
		}
		return nil
	}
}

// inferPair checks what all operators with two inputs of one type need and returns them and the broadcast shape.
func inferPair(c *graph.InferCtx) (a, b *graph.Value, s tensor.Shape, err error) {
	a, b = c.In(0), c.In(1)
	if len(c.N.In) != 2 || a == nil || b == nil || a.DType != b.DType || len(c.N.Out) != 1 || c.Out(0) == nil {
		return nil, nil, nil, c.Refuse("needs two inputs of one type and one output")
	}
	s, ok := broadcastShape(a.Shape, b.Shape)
	if !ok || len(s) > maxRank {
		return nil, nil, nil, c.Refuse("shapes %v and %v do not broadcast within %d axes", a.Shape, b.Shape, maxRank)
	}
	return a, b, s, nil
}

// pairSpread returns the walk over the two inputs of a node.
func pairSpread(c *graph.CompileCtx) *spread {
	return newSpread(c.Out(0).Shape, c.In(0).Shape, c.In(1).Shape)
}

// inPlace returns the inputs of the output's shape, whose memory it may take over.
func inPlace(c *graph.CompileCtx) []int {
	var in []int
	for i := range c.N.In {
		if v := c.In(i); v != nil && v.Shape.Equal(c.Out(0).Shape) && v.DType.Bytes(1) == c.Out(0).DType.Bytes(1) {
			in = append(in, i)
		}
	}
	return in
}
