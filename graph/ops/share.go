package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/par"
)

// rowStep is a step over rows: row i of each output depends on row i of the inputs, and on all of some of them.
type rowStep struct {
	rows  int
	tile  int   // rows that a kernel works on at once: pieces are multiples of it
	work  int64 // of all rows, in nanoseconds of one thread, roughly
	whole []int // inputs that every piece gets whole
	// kernel returns what computes so many rows, and its scratch memory in bytes.
	kernel func(rows int) (run func(*graph.Args) error, scratch int)
}

// macsPerNano is how many products of float32 values a thread computes in a nanosecond, roughly, with few rows, which wait for the weights, and
// rowsMacsPerNano with more.
const (
	macsPerNano     = 20
	rowsMacsPerNano = 40
)

// denseNanos is how long a thread takes to multiply so many rows with n × k weights, roughly.
func denseNanos(rows, n, k int) int64 {
	macs := int64(rows) * int64(n) * int64(k)
	if rows < gemmRows {
		return macs / macsPerNano
	}
	return macs / rowsMacsPerNano
}

// set makes the step k's, shared among as many threads as there are now where there is enough to do.
func (s *rowStep) set(k *graph.Kernel) {
	workers := par.For(s.work)
	if workers == 1 || s.rows < 2*s.tile {
		k.Run, k.Scratch = s.kernel(s.rows)
		return
	}
	n := par.Pieces(workers, s.work)
	each := (s.rows + n - 1) / n
	each = (each + s.tile - 1) / s.tile * s.tile
	run, scratch := s.kernel(each)
	last, lastScratch := run, scratch
	if rest := s.rows % each; rest > 0 {
		last, lastScratch = s.kernel(rest)
	}
	scratch = (max(scratch, lastScratch) + 63) &^ 63
	count := (s.rows + each - 1) / each
	k.Scratch = scratch * workers
	k.Bind = func(a *graph.Args) (func(*graph.Args) error, error) {
		t := &sharedRows{pieces: make([]piece, count)}
		for w := range workers {
			t.scratch = append(t.scratch, a.Scratch[w*scratch:(w+1)*scratch])
		}
		for i := range t.pieces {
			p, from, to := &t.pieces[i], i*each, min((i+1)*each, s.rows)
			p.run = run
			if i == count-1 {
				p.run = last
			}
			for j, x := range a.In {
				if x != nil && !slices.Contains(s.whole, j) {
					x = rowsView(x, s.rows, from, to)
				}
				p.args.In = append(p.args.In, x)
			}
			for _, x := range a.Out {
				p.args.Out = append(p.args.Out, rowsView(x, s.rows, from, to))
			}
		}
		return t.all, nil
	}
}

// setDenseF32 makes the kernel k multiply so many rows with packed weights.
func setDenseF32(k *graph.Kernel, rows int, w *gemm.F32Weights) {
	work := denseNanos(rows, w.N, w.K)
	if c := newPartStep(work); c != nil && rows < 2*gemmRows {
		for _, p := range w.Parts(c.most) {
			c.parts = append(c.parts, func(a *graph.Args, _ []byte) {
				gemm.F32(a.Out[0].F32()[p.First:], w.N, a.In[0].F32(), w.K, rows, p.W)
			})
		}
		c.set(k)
		return
	}
	step := rowStep{rows: rows, tile: gemmRows, work: work, kernel: func(m int) (func(*graph.Args) error, int) {
		return func(a *graph.Args) error {
			gemm.F32(a.Out[0].F32(), w.N, a.In[0].F32(), w.K, m, w)
			return nil
		}, 0
	}}
	step.set(k)
}

// setDenseS8 is setDenseF32 for int8; then, if it is not nil, changes the results as a convolution's Then does.
func setDenseS8(k *graph.Kernel, rows int, w *gemm.S8Weights, then func(x, beside []int8)) {
	work := int64(rows) * int64(w.N) * int64(w.K) / (5 * macsPerNano / 2)
	if c := newPartStep(work); c != nil && rows < 2*gemmRows {
		c.scratch = w.Scratch(rows)
		for _, p := range w.Parts(c.most) {
			c.parts = append(c.parts, func(a *graph.Args, scratch []byte) {
				gemm.S8(a.Out[0].S8()[p.First:], w.N, a.In[0].S8(), w.K, rows, p.W, scratch)
				thenColumns(a, rows, w.N, p.First, p.W.N, then)
			})
		}
		c.set(k)
		return
	}
	step := rowStep{rows: rows, tile: gemmRows, work: work, kernel: func(m int) (func(*graph.Args) error, int) {
		return func(a *graph.Args) error {
			gemm.S8(a.Out[0].S8(), w.N, a.In[0].S8(), w.K, m, w, a.Scratch)
			if then != nil {
				then(a.Out[0].S8(), beside(a))
			}
			return nil
		}, w.Scratch(m)
	}}
	step.set(k)
}

// thenColumns applies a function to n columns of rows of width values.
func thenColumns(a *graph.Args, rows, width, first, n int, then func(x, beside []int8)) {
	if then == nil {
		return
	}
	dst, other := a.Out[0].S8(), beside(a)
	for at := first; at < rows*width; at += width {
		if other == nil {
			then(dst[at:at+n], nil)
		} else {
			then(dst[at:at+n], other[at:at+n])
		}
	}
}

// partStep is a step in parts that differ in more than their number of rows.
type partStep struct {
	workers, most int // threads, and how many parts are best for them
	scratch       int // bytes that a worker needs
	parts         []func(a *graph.Args, scratch []byte)
}

// newPartStep returns a step for as many threads as there are now; nil where it is not worth sharing.
func newPartStep(work int64) *partStep {
	workers := par.For(work)
	if workers == 1 {
		return nil
	}
	return &partStep{workers: workers, most: par.Pieces(workers, work)}
}

func (s *partStep) set(k *graph.Kernel) {
	each := (s.scratch + 63) &^ 63
	k.Scratch = each * s.workers
	k.Bind = func(a *graph.Args) (func(*graph.Args) error, error) {
		return (&sharedParts{partStep: s, each: each, args: a}).all, nil
	}
}

// sharedParts is a partStep of a session.
type sharedParts struct {
	*partStep
	each int
	args *graph.Args
}

// Do implements par.Task: a chunk is a part.
func (s *sharedParts) Do(chunk, worker int) {
	s.parts[chunk](s.args, s.args.Scratch[worker*s.each:(worker+1)*s.each])
}

func (s *sharedParts) all(*graph.Args) error {
	par.RunPlanned(s, len(s.parts), s.workers)
	return nil
}

// rowsView is a view of some of a tensor's rows.
func rowsView(x *tensor.Tensor, rows, from, to int) *tensor.Tensor {
	if x == nil {
		return nil
	}
	row := len(x.Data) / rows
	return &tensor.Tensor{DType: x.DType, Shape: tensor.Shape{to - from, x.Elems() / rows}, Quant: x.Quant, Data: x.Data[from*row : to*row : to*row]}
}

// sharedRows is a rowStep of a session, in pieces that threads take.
type sharedRows struct {
	pieces  []piece
	scratch [][]byte // of each worker
}

type piece struct {
	args graph.Args
	run  func(*graph.Args) error
	err  error
}

// Do implements par.Task.
func (s *sharedRows) Do(chunk, worker int) {
	p := &s.pieces[chunk]
	p.args.Scratch = s.scratch[worker]
	p.err = p.run(&p.args)
}

func (s *sharedRows) all(*graph.Args) error {
	par.RunPlanned(s, len(s.pieces), len(s.scratch))
	for i := range s.pieces {
		if err := s.pieces[i].err; err != nil {
			return err
		}
	}
	return nil
}
