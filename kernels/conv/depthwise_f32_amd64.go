package conv

import (
	"strconv"
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// dwTileF32 is the argument of an assembly run of vectors. The assembly knows the offsets; steps are in bytes.
type dwTileF32 struct {
	taps   *uintptr // lines from the first column of each tap on
	ntaps  int      // for two output rows those of an input row
	w      *float32 // [taps][width]
	bias   *float32 // [width]
	dst    *float32
	dstep  int // from one vector to the next
	xstep  int // from the taps of one vector to those of the next
	n      int // vectors
	lo, hi float32
	mask   int // values of a vector that exist
	last   int // those of the last vector
	at     int // of the first vector in the lines
	row    int // from one output row to the next
	shared int // taps that both of two output rows have
}

// dwPickF32 is the argument of the copy of columns to a line. Steps are in bytes.
type dwPickF32 struct {
	dst, src     *float32
	n            int // columns
	blocks, last int // vectors of a column; values of the last one
	dstep, sstep int // from column to column
	block        int // from vector to vector in dst
}

// dwTableF32AVX512 and dwTableF32AVX2 return the addresses of runs of vectors for one and for two output rows, and of the copy.
func dwTableF32AVX512() *[3]uintptr
func dwTableF32AVX2() *[3]uintptr

// dwF32 is a packed depthwise convolution of float32 values.
type dwF32 struct {
	*dwShape
	*dwRows[float32]
	table  *[3]uintptr
	isa    string
	w      []float32 // per run: bias, then taps, width values each
	lo, hi float32
	pair   bool // two output rows at once
}

// packDepthwiseF32Arch packs w[taps][OutC]; nil where nothing is faster than the generic form.
func packDepthwiseF32Arch(w, bias []float32, g *Geometry, lo, hi float32) depthwiseF32Packed {
	p := &dwF32{lo: lo, hi: hi}
	width := 8
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		width, p.table, p.isa = 16, dwTableF32AVX512(), "avx512"
	case cpu.Has(cpu.AVX2):
		p.table, p.isa = dwTableF32AVX2(), "avx2"
	default:
		return nil
	}
	together := 1
	if g.KH > 1 && g.OutH > 1 && g.StrideH == 1 && g.DilH == 1 {
		together = 2
	}
	if !finite(w) {
		return nil
	}
	if d := newDwDirectF32(w, bias, g, lo, hi); d != nil {
		return d
	}
	if p.dwShape = newDwShape(g, width, together, true, true); p.dwShape == nil {
		return nil
	}
	p.pair = together == 2
	taps := g.KH * g.KW
	p.w = make([]float32, len(p.runs)*(taps+1)*width)
	for i := range p.runs {
		to := p.w[i*(taps+1)*width:]
		for j := range p.runs[i].n {
			ch := p.channel(&p.runs[i], j)
			to[j] = bias[ch]
			for t := range taps {
				to[(t+1)*width+j] = w[t*g.OutC+ch]
			}
		}
	}
	p.dwRows = newDwRows(g, 4*p.ring*p.line+2*64+8*p.tableLen(), p.compute)
	return p
}

func (p *dwF32) id() string { return "1x" + strconv.Itoa(p.width) + "/" + p.isa }

func (p *dwF32) bytes() int { return 4 * len(p.w) }

// tableLen is how many pointers to taps there are.
func (p *dwF32) tableLen() int {
	if p.pair {
		return (p.KH + 1) * p.KW
	}
	return p.KH * p.KW
}

// compute computes the output rows from to to, counted over all images.
func (p *dwF32) compute(dst, src []float32, scratch []byte, from, to int) {
	table := unsafe.Slice((*uintptr)(unsafe.Pointer(&scratch[0])), p.tableLen())
	room := scratch[8*len(table):]
	room = room[-uintptr(unsafe.Pointer(&room[0]))&63:]
	lines := unsafe.Slice((*float32)(unsafe.Pointer(&room[0])), len(room)/4)
	if p.padded {
		clear(lines[:p.ring*p.line])
	}
	for first := 0; first < len(p.runs); first += p.group {
		last := min(first+p.group, len(p.runs))
		p.walk(from, to, p.pair, func(slot, b, y, n int) {
			p.load(lines[slot*p.line:][:n*p.line], src, b, y, n, first, last)
		}, func(row, slot, rows int) {
			p.tapTable(table, p.KH+rows-1, unsafe.Pointer(&lines[0]), 4, slot)
			p.outputRows(dst[row*p.OutW*p.OutC:], table, rows, first, last)
			if last == len(p.runs) {
				p.finish(dst, row, rows)
			}
		})
	}
}

// outputRows computes the runs from first to last of one or two output rows.
func (p *dwF32) outputRows(dst []float32, table []uintptr, rows, first, last int) {
	taps := p.KH * p.KW
	t := dwTileF32{taps: &table[0], ntaps: taps, dstep: 4 * p.dstep, xstep: 4 * p.xstep, lo: p.lo, hi: p.hi}
	if rows == 2 {
		t.ntaps, t.shared, t.row = p.KW, taps-p.KW, 4*p.OutW*p.OutC
	}
	for i := first; i < last; i++ {
		r := &p.runs[i]
		w := p.w[i*(taps+1)*p.width:]
		t.bias, t.w, t.dst, t.n, t.at, t.mask, t.last = &w[0], &w[p.width], &dst[r.at], r.vectors, 4*r.line, r.n, r.last
		call.Tile(p.table[rows-1], unsafe.Pointer(&t))
	}
}

// load puts what the runs from first to last read of input row y into a line; or several rows into as many lines.
func (p *dwF32) load(line, src []float32, b, y, rows, first, last int) {
	if y < 0 || y >= p.H {
		clear(line)
		return
	}
	if p.whole {
		copy(line, src[(b*p.H+y)*p.line:][:rows*p.line])
		return
	}
	n, mult, c := p.columns(), p.OutC/p.C, p.C
	row := src[(b*p.H+y)*p.W*c:][:n*c]
	if n == 0 {
		return
	}
	if p.group == len(p.runs) && p.phases == 1 && mult == 1 && p.pixel == c {
		copy(line[p.PadLeft*c:], row)
		return
	}
	// A column has the values from lo to hi in vectors that lie block apart: all of them, side by side, in flat rows.
	lo, hi, block := 0, p.OutC, p.width
	if p.pixel != p.OutC || p.group < len(p.runs) {
		lo, hi, block = p.runs[first].at, p.runs[last-1].at+p.runs[last-1].n, p.line/p.group
	}
	for x := range min(p.phases, n) {
		at, columns := p.column(x+p.PadLeft), (n-x-1)/p.phases+1
		if mult == 1 {
			blocks := (hi - lo + p.width - 1) / p.width
			k := dwPickF32{dst: &line[at], src: &row[x*c+lo], n: columns, blocks: blocks, last: hi - lo - (blocks-1)*p.width,
				dstep: 4 * p.pixel, sstep: 4 * p.phases * c, block: 4 * block}
			call.Tile(p.table[2], unsafe.Pointer(&k))
			continue
		}
		for i := range columns {
			in := row[(x+i*p.phases)*c:]
			for j := lo; j < hi; j++ {
				line[at+i*p.pixel+(j-lo)/p.width*block+(j-lo)%p.width] = in[j/mult]
			}
		}
	}
}
