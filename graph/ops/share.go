package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
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

// shareFrom is the work of a step, in nanoseconds, from which threads share it: below that sharing costs more than it saves.
const shareFrom = 12_000

// set makes the step k's, shared among as many threads as there are now where there is enough to do.
func (s *rowStep) set(k *graph.Kernel) {
	workers := par.Workers()
	if workers == 1 || s.work < shareFrom || s.rows < 2*s.tile {
		k.Run, k.Scratch = s.kernel(s.rows)
		return
	}
	// Enough pieces that none waits long for the last, none too small to be worth its start.
	n := int64(4 * workers)
	n = max(2, min(n, s.work/(shareFrom/4)))
	each := (s.rows + int(n) - 1) / int(n)
	each = (each + s.tile - 1) / s.tile * s.tile
	run, scratch := s.kernel(each)
	last, lastScratch := run, scratch
	if rest := s.rows % each; rest > 0 {
		last, lastScratch = s.kernel(rest)
	}
	scratch = (max(scratch, lastScratch) + 63) &^ 63
	pieces := (s.rows + each - 1) / each
	if pieces < 2 || pieces > par.MaxChunks {
		k.Run, k.Scratch = s.kernel(s.rows)
		return
	}
	k.Scratch = scratch * workers
	k.Bind = func(a *graph.Args) (func(*graph.Args) error, error) {
		t := &sharedRows{pieces: make([]piece, pieces)}
		for w := range workers {
			t.scratch = append(t.scratch, a.Scratch[w*scratch:(w+1)*scratch])
		}
		for i := range t.pieces {
			p, from, to := &t.pieces[i], i*each, min((i+1)*each, s.rows)
			p.run = run
			if i == pieces-1 {
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
	if par.Workers() > len(s.scratch) { // more threads than were planned for
		for i := range s.pieces {
			s.Do(i, 0)
		}
	} else {
		par.Run(s, len(s.pieces))
	}
	for i := range s.pieces {
		if err := s.pieces[i].err; err != nil {
			return err
		}
	}
	return nil
}
