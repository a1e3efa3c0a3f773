package conv

import "wayside/kernels/par"

// macsPerNano is how many multiply-adds a thread does in a nanosecond, roughly.
const macsPerNano = 50

// shared says how rows of results, which are pixels, lines or squares of them, are divided into chunks, and for how many workers.
type shared struct {
	total, unit  int // rows, and what the chunks' bounds are multiples of
	rows, chunks int // most rows of a chunk, and how many chunks there are
	workers      int
}

// divide divides rows into chunks of at most so many, nearly equal ones, and where it is work for several workers into about perWorker for each, so that none
// waits long for the last.
func divide(total, unit, most, perWorker int, macs int64) shared {
	units := (total + unit - 1) / unit
	s := shared{total: total, unit: unit, workers: par.For(macs / macsPerNano)}
	if units < 2 {
		s.workers = 1
	}
	s.chunks = (total + most - 1) / max(most, 1)
	if w := s.workers; w > 1 {
		s.chunks = (max(s.chunks, perWorker*w) + w - 1) / w * w
	}
	s.chunks = min(s.chunks, units)
	s.rows = (units + s.chunks - 1) / max(s.chunks, 1) * unit
	if s.chunks > par.MaxChunks {
		s.workers = 1
	}
	return s
}

// most returns the rows of the worker that begins with the most of them.
func (s *shared) most() (most int) {
	for w := range s.workers {
		from, to := w*s.chunks/s.workers, (w+1)*s.chunks/s.workers
		first, _ := s.chunk(from)
		end := s.total
		if to < s.chunks {
			end, _ = s.chunk(to)
		}
		most = max(most, end-first)
	}
	return most
}

// chunk returns the first row of a chunk and how many it has.
func (s *shared) chunk(i int) (first, n int) {
	units := (s.total + s.unit - 1) / s.unit
	first = i * units / s.chunks * s.unit
	return first, min((i+1)*units/s.chunks*s.unit, s.total) - first
}

// run does all chunks, shared where the scratch memory was planned for as many threads as there are now.
func (s *shared) run(t par.Task) { par.RunPlanned(t, s.chunks, s.workers) }

// columnParts is into how many parts the columns are divided for each worker that shares them.
const columnParts = 2

// columnwise reports whether threads share the columns of a pointwise layer rather than its pixels: where the weights, of so many bytes each, are the larger
// part of what passes through the caches, and too many for the second level's, or where pixels do not fill the tiles of all threads. Each thread then reads
// but its own.
func (g *Geometry) columnwise(bytes int) bool {
	const cache, tile = 256 << 10, 12
	pixels, weights := g.Batch*g.OutH*g.OutW, g.C*g.OutC
	return g.pointwise() && par.For(g.MACs()/macsPerNano) > 1 && weights > 2*pixels*(g.C+g.OutC) && (bytes*weights > cache || pixels < tile*par.Workers())
}

// shareColumns divides the pixels of a layer whose columns are shared: each worker takes all of them in blocks that stay in the cache.
func (g *Geometry) shareColumns() shared {
	s := divide(g.Batch*g.OutH*g.OutW, 1, g.blockRows(), 1, -1)
	s.workers = par.Workers()
	return s
}
