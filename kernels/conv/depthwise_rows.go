package conv

import (
	"sync/atomic"

	"wayside/kernels/par"
)

// dwRows shares the output rows of a packed depthwise convolution between workers.
type dwRows[T int8 | float32] struct {
	total, each int // output rows of all images, bytes of scratch of a worker
	workers     int // that there is scratch for
	chunk       int // rows that a worker takes at once
	rows        func(dst, src []T, scratch []byte, from, to int)
	idle        atomic.Pointer[dwTask[T]] // for one run at a time: another one that goes on meanwhile does without
}

// dwTask is a dwRows with its arguments.
type dwTask[T int8 | float32] struct {
	*dwRows[T]
	dst, src []T
	scratch  []byte
}

// dwParallelMACs is the least work that is shared: some 15 microseconds.
const dwParallelMACs = 1 << 20

// newDwRows plans for the workers that there are now; each is a worker's scratch in bytes.
func newDwRows[T int8 | float32](g *Geometry, each int, rows func(dst, src []T, scratch []byte, from, to int)) *dwRows[T] {
	d := &dwRows[T]{total: g.Batch * g.OutH, each: (each + 63) &^ 63, workers: par.Workers(), rows: rows}
	// The lines that two chunks both need are loaded twice: chunks are not too small.
	d.chunk = max((d.total+4*d.workers-1)/(4*d.workers), 2*g.KH, 4) &^ 1
	if int64(d.total)*int64(g.OutW*g.OutC)*int64(g.KH*g.KW) < dwParallelMACs || d.chunk >= d.total {
		d.workers = 1
	}
	if d.workers > 1 {
		d.idle.Store(&dwTask[T]{dwRows: d})
	}
	return d
}

// scratch returns the bytes that run needs.
func (d *dwRows[T]) scratch() int { return d.workers * d.each }

// run computes all rows.
func (d *dwRows[T]) run(dst, src []T, scratch []byte) {
	if d.workers > 1 && par.Workers() <= d.workers {
		if t := d.idle.Swap(nil); t != nil {
			t.dst, t.src, t.scratch = dst, src, scratch
			par.Run(t, (d.total+d.chunk-1)/d.chunk)
			t.dst, t.src, t.scratch = nil, nil, nil
			d.idle.Store(t)
			return
		}
	}
	d.rows(dst, src, scratch, 0, d.total)
}

// Do implements par.Task.
func (t *dwTask[T]) Do(chunk, worker int) {
	from := chunk * t.chunk
	t.rows(t.dst, t.src, t.scratch[worker*t.each:][:t.each], from, min(from+t.chunk, t.total))
}
