package conv

import "unsafe"

// dwShape says how a depthwise convolution is computed: output rows in vectors of width values, from padded lines of input.
//
// Where the channels fill whole vectors, a run of vectors goes from pixel to pixel with one block of channels. Otherwise an output row is
// taken as a flat row of values, and run p has the vectors p, p + period, p + 2·period…: all of them see the same channels in the same lanes. For
// the taps of neighbouring outputs to be neighbours too, a line then holds the columns by their remainder modulo the stride, one phase behind the
// other. Lines hold each input channel as often as it has output channels. They may hold blocks of channels one behind the other, so that a run
// does not jump by powers of two, which would fall into few sets of the cache, and only as many blocks at a time as keep the lines in the first-level
// cache.
type dwShape struct {
	Geometry
	width         int   // values of a vector
	pixel         int   // values from one column to the next in a line
	phases, phase int   // parts of a line, and the values of each
	line, ring    int   // values of a line; lines
	xstep, dstep  int   // values from one vector of a run to the next: in a line, in the output
	whole         bool  // input rows are lines
	padded        bool  // some taps lie outside of the image
	taps          []int // where the taps of an input row begin in a line
	runs          []dwRun
	group         int // runs that share lines; the next ones have their own after them
}

// dwRun is a run of vectors of an output row.
type dwRun struct {
	at      int // place of the first value in the output row
	line    int // and in a line
	n, last int // values that count in a vector, and in the last one
	vectors int
	width   int // values of a vector, or fewer where n fits
}

// Bounds of what is packed: beyond them Depthwise does it.
const (
	dwMaxTaps    = 1 << 10
	dwMaxRuns    = 64
	dwMaxScratch = 8 << 20
	dwGroupElems = 6 << 10 // of the lines of a group of blocks
	dwGroupInput = 1 << 18 // of an input that groups may read one after the other: it stays in the second-level cache
)

// newDwShape plans vectors of width values; together says how many output rows are computed at once, blocked that lines hold blocks, flat
// that flat rows will do. It returns nil for what is too large.
func newDwShape(g *Geometry, width, together int, blocked, flat bool) *dwShape {
	s := &dwShape{Geometry: *g, width: width, phases: 1, pixel: g.OutC}
	c := g.OutC
	if c == 0 || g.C == 0 || c%g.C != 0 || g.OutW < 1 || g.OutH < 1 || g.KH*g.KW > dwMaxTaps {
		return nil
	}
	columns := (g.OutW-1)*g.StrideW + (g.KW-1)*g.DilW + 1
	s.ring = (g.KH-1)*g.DilH + 1 + (together-1)*g.StrideH
	blocks, vectors := (c+width-1)/width, (g.OutW*c+width-1)/width
	period := c / gcd(c, width)
	cost := 2 * width
	if blocked { // then no load falls into two lines of the cache
		cost = 3*width - gcd(c, width)
	}
	if runs := min(period, vectors); flat && c%width != 0 && runs <= dwMaxRuns && cost*vectors/width+runs < 2*g.OutW*blocks+blocks {
		s.phases, s.xstep, s.dstep = g.StrideW, period*width, period*width
		for p := range runs {
			r := dwRun{at: p * width, line: p * width, n: width, last: width, width: width, vectors: (vectors-p-1)/period + 1}
			if (vectors-1)%period == p {
				r.last = g.OutW*c - (vectors-1)*width
			}
			s.runs = append(s.runs, r)
		}
	} else {
		if blocked {
			s.pixel = width
			s.group = blocks
			// Every group reads the input anew, a line of the cache from each pixel at least.
			if width == 16 && g.H*g.W*g.C <= dwGroupInput {
				groups := (blocks*columns*width*s.ring + dwGroupElems - 1) / dwGroupElems
				s.group = max(1, blocks/groups)
			}
		}
		s.xstep, s.dstep = g.StrideW*s.pixel, c
		for at := 0; at < c; at += width {
			n := min(width, c-at)
			r := dwRun{at: at, line: at, n: n, last: n, width: width, vectors: g.OutW}
			if blocked {
				r.line = at / width % s.group * columns * width
			}
			s.runs = append(s.runs, r)
		}
	}
	s.phase = (columns + s.phases - 1) / s.phases * s.pixel
	if s.group == 0 {
		s.group = len(s.runs)
	} else {
		s.phase = s.group * columns * width
	}
	s.line = s.phases * s.phase
	s.whole = s.phases == 1 && c == g.C && s.pixel == c && s.group == len(s.runs) && g.PadLeft == 0 && columns == g.W
	s.padded = g.PadTop > 0 || g.PadLeft > 0 || columns > g.W || (g.OutH-1)*g.StrideH+(g.KH-1)*g.DilH >= g.H
	if s.line > dwMaxScratch || s.ring > dwMaxScratch/s.line {
		return nil
	}
	for kx := range g.KW {
		s.taps = append(s.taps, s.column(kx*g.DilW))
	}
	return s
}

// channel returns the output channel of value i of a run's vectors.
func (s *dwShape) channel(r *dwRun, i int) int { return (r.at + i) % s.OutC }

// column returns where column x of the padded image lies in a line.
func (s *dwShape) column(x int) int { return x%s.phases*s.phase + x/s.phases*s.pixel }

// columns returns how many input columns of a line matter.
func (s *dwShape) columns() int {
	return max(0, min(s.W, (s.OutW-1)*s.StrideW+(s.KW-1)*s.DilW+1-s.PadLeft))
}

// next returns the place in the ring n ≤ ring lines behind slot.
func (s *dwShape) next(slot, n int) int {
	if slot += n; slot >= s.ring {
		slot -= s.ring
	}
	return slot
}

// walk calls row for output rows from to to, counted over all images, in order, two at once where pair allows it: with the place in the ring of their first input
// row. load has put the input rows that they need into the ring: n rows from y of image b on, more than one only where those are whole lines.
func (s *dwShape) walk(from, to int, pair bool, load func(slot, b, y, n int), row func(row, slot, rows int)) {
	b, oy := from/s.OutH, from%s.OutH
	loaded, slot := oy*s.StrideH-s.PadTop, 0 // the first input row that is not in the ring, and its place there
	for at := from; at < to; {
		if oy == s.OutH {
			b, oy = b+1, 0
			loaded, slot = -s.PadTop, 0
		}
		top := oy*s.StrideH - s.PadTop
		rows, last := 1, top+(s.KH-1)*s.DilH
		if pair && at+1 < to && oy+1 < s.OutH {
			rows, last = 2, last+s.StrideH
		}
		for ; loaded < top; loaded++ {
			slot = s.next(slot, 1)
		}
		for loaded <= last {
			n := 1
			if s.whole && loaded >= 0 {
				n = max(1, min(last+1-loaded, s.H-loaded, s.ring-slot))
			}
			load(slot, b, loaded, n)
			loaded, slot = loaded+n, s.next(slot, n)
		}
		first := slot - (loaded - top) // where the row top is
		if first < 0 {
			first += s.ring
		}
		row(at, first, rows)
		at, oy = at+rows, oy+rows
	}
}

// tapTable puts where each tap begins into the table, for rows of taps whose first input row is at slot of the ring. Values have size bytes.
// The table lies in scratch memory and holds addresses of it, not pointers: storing pointers would have the garbage collector look at what was there.
func (s *dwShape) tapTable(table []uintptr, rows int, lines unsafe.Pointer, size, slot int) {
	n := 0
	for range rows {
		line := uintptr(lines) + uintptr(slot*s.line*size)
		for _, at := range s.taps {
			table[n] = line + uintptr(at*size)
			n++
		}
		slot = s.next(slot, s.DilH)
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
