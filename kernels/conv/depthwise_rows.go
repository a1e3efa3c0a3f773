package conv

import (
	"sync/atomic"

	"wayside/kernels/par"
)

// dwRows shares the output rows of a packed depthwise convolution between workers.
type dwRows[T int8 | float32] struct {
	shared
	each   int // bytes of scratch of a worker
	across int // results of an output row
	then   func([]T)
	kernel func(dst, src []T, scratch []byte, from, to int)
	idle   atomic.Pointer[dwTask[T]] // for one run at a time: another one that goes on meanwhile does without
}

// dwTask is a dwRows with its arguments.
type dwTask[T int8 | float32] struct {
	*dwRows[T]
	dst, src []T
	scratch  []byte
}

// newDwRows plans for the workers that there are now; each is a worker's scratch in bytes.
func newDwRows[T int8 | float32](g *Geometry, each int, kernel func(dst, src []T, scratch []byte, from, to int)) *dwRows[T] {
	lines, perWorker := g.Batch*g.OutH, 1
	// The lines that two chunks both need are loaded twice: chunks are not too small.
	for perWorker < 4 && lines/(2*perWorker*par.Workers()) >= 2*g.KH {
		perWorker *= 2
	}
	// A multiply-add takes twice the time that it takes elsewhere.
	macs := 2 * int64(lines) * int64(g.OutW*g.OutC) * int64(g.KH*g.KW)
	d := &dwRows[T]{shared: divide(lines, 2, lines, perWorker, macs), each: (each + 63) &^ 63, across: g.OutW * g.OutC, kernel: kernel}
	if d.workers > 1 {
		d.idle.Store(&dwTask[T]{dwRows: d})
	}
	return d
}

// Then has f, if it is not nil, change all results in place, where possible while they are in the cache. It is for use before run.
func (d *dwRows[T]) Then(f func([]T)) { d.then = f }

// finish applies the function of Then to output rows; the kernel calls it.
func (d *dwRows[T]) finish(dst []T, row, rows int) {
	if d.then != nil {
		d.then(dst[row*d.across : (row+rows)*d.across])
	}
}

// finishMany is finish for the rows from *from to end when they are many, or the last ones before to: what has been stored a moment ago is slow to load.
func (d *dwRows[T]) finishMany(dst []T, from *int, end, to int) {
	if (end-*from)*d.across >= thenBytes/2 || end == to {
		d.finish(dst, *from, end-*from)
		*from = end
	}
}

// scratch returns the bytes that run needs.
func (d *dwRows[T]) scratch() int { return d.workers * d.each }

// run computes all rows.
func (d *dwRows[T]) run(dst, src []T, scratch []byte) {
	if d.workers > 1 && par.Workers() <= d.workers {
		if t := d.idle.Swap(nil); t != nil {
			t.dst, t.src, t.scratch = dst, src, scratch
			par.Run(t, d.chunks)
			t.dst, t.src, t.scratch = nil, nil, nil
			d.idle.Store(t)
			return
		}
	}
	d.kernel(dst, src, scratch, 0, d.total)
}

// Do implements par.Task.
func (t *dwTask[T]) Do(chunk, worker int) {
	from, n := t.chunk(chunk)
	t.kernel(t.dst, t.src, t.scratch[worker*t.each:][:t.each], from, from+n)
}
