package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/call"
	"wayside/kernels/requant"
)

// dwWiden is the argument of the copy of columns.
type dwWiden struct {
	dst          *int16
	src          *int8
	run          int // values
	dstep, sstep int // bytes
	n            int // runs
	zero         int32
}

// dwTableAVX2 returns the addresses of the run of vectors, whose argument is a dwTile, and of the copy.
func dwTableAVX2() *[2]uintptr

// dwPairTerms is how many parameters each sum has.
const dwPairTerms = 5

// dwAVX2 is a packed depthwise convolution for AVX2.
type dwAVX2 struct {
	*dwShape
	*dwRows[int8]
	pairs  int       // of taps
	w      [][]int16 // per run: [pairs][2 registers][8][2]
	par    [][]int32 // per run: bias, multiplier, addend, shift, carry limit: [dwPairTerms][2][8]
	exact  []bool
	lo, hi int8
	zero   int32
}

// packDepthwiseAVX2 packs w[taps][OutC]; nil where it would not be exact for some channel.
func packDepthwiseAVX2(w []int8, g *Geometry, q *gemm.Quant) *dwAVX2 {
	shape := newDwShape(g, 16, 1, false, true)
	if shape == nil {
		return nil
	}
	p := &dwAVX2{dwShape: shape, lo: int8(q.Min), hi: int8(q.Max), zero: q.XZero}
	taps := g.KH * g.KW
	p.pairs = (taps + 1) / 2
	for i := range p.runs {
		r := &p.runs[i]
		weights, par, exact := make([]int16, p.pairs*32), make([]int32, dwPairTerms*16), false
		for j := range r.n {
			ch := p.channel(r, j)
			// Unpacking leaves value 8·lane + 4·register + k in that register at 4·lane + k.
			at := j/4%2*8 + j/8*4 + j%4
			abs := int64(0)
			for t := range taps {
				v := int32(w[t*g.OutC+ch]) - q.WZero
				weights[t/2*32+at*2+t%2] = int16(v)
				abs += int64(max(v, -v))
			}
			bias := int64(0)
			if q.Bias != nil {
				bias = int64(int32(q.Bias[ch]))
			}
			one := min(ch, len(q.Mult)-1)
			terms, ok := requant.OneStep(bias, 255*abs, q.Mult[one], q.Shift[one], q.Zero, q.Min)
			if !ok {
				return nil
			}
			exact = exact || terms.Carry
			if terms.Carry && terms.Limit >= 0 {
				terms.Add++ // it is taken back below the limit
			}
			for k, v := range [dwPairTerms]int32{terms.Bias, terms.Mult, terms.Add, terms.Shift, terms.Limit} {
				par[k*16+at] = v
			}
		}
		p.w, p.par, p.exact = append(p.w, weights), append(p.par, par), append(p.exact, exact)
	}
	p.dwRows = newDwRows(g, 2*p.ring*p.line+2*64+8*2*p.pairs, p.compute)
	return p
}

// ID implements DepthwiseS8.
func (p *dwAVX2) ID() string { return "1x16/avx2" }

// Bytes implements DepthwiseS8.
func (p *dwAVX2) Bytes() (s8, s32 int) {
	for i := range p.w {
		s8 += 2 * len(p.w[i])
		s32 += 4 * len(p.par[i])
	}
	return s8, s32
}

// Scratch implements DepthwiseS8: for each worker a ring of padded lines, and the table of pointers to taps.
func (p *dwAVX2) Scratch() int { return p.scratch() }

// Run implements DepthwiseS8.
func (p *dwAVX2) Run(dst, src []int8, scratch []byte) {
	g := &p.Geometry
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < p.Scratch() {
		panic("conv: slice length mismatch")
	}
	p.run(dst, src, scratch)
}

// compute computes the output rows from to to, counted over all images.
func (p *dwAVX2) compute(dst, src []int8, scratch []byte, from, to int) {
	table := unsafe.Slice((*uintptr)(unsafe.Pointer(&scratch[0])), 2*p.pairs)
	room := scratch[8*len(table):]
	room = room[-uintptr(unsafe.Pointer(&room[0]))&63:]
	lines := unsafe.Slice((*int16)(unsafe.Pointer(&room[0])), len(room)/2)
	if p.padded {
		clear(lines[:p.ring*p.line])
	}
	p.walk(from, to, false, func(slot, b, y, n int) {
		p.load(lines[slot*p.line:][:n*p.line], src, b, y, n)
	}, func(row, slot, _ int) {
		p.tapTable(table, p.KH, unsafe.Pointer(&lines[0]), 2, slot)
		if taps := p.KH * p.KW; taps < len(table) {
			table[taps] = table[0] // its weights are zero: any place will do
		}
		out := dst[row*p.OutW*p.OutC:]
		t := dwTile{taps: &table[0], groups: p.pairs, dstep: p.dstep, xstep: 2 * p.xstep, lo: p.lo, hi: p.hi}
		for i := range p.runs {
			r := &p.runs[i]
			t.w, t.par, t.exact = (*int8)(unsafe.Pointer(&p.w[i][0])), &p.par[i][0], p.exact[i]
			t.dst, t.n, t.at, t.mask, t.last = &out[r.at], r.vectors, 2*r.line, uint64(r.n), uint64(r.last)
			call.Tile(dwTableAVX2()[0], unsafe.Pointer(&t))
		}
	})
}

// load puts input row y into a line, without the zero point; or several rows into as many lines.
func (p *dwAVX2) load(line []int16, src []int8, b, y, rows int) {
	if y < 0 || y >= p.H {
		clear(line)
		return
	}
	n, mult, c := p.columns()*rows, p.OutC/p.C, p.C
	if n == 0 {
		return
	}
	row := src[(b*p.H+y)*p.W*c:]
	row = row[:min(len(row), n*c)]
	k := dwWiden{zero: p.zero}
	switch {
	case mult > 1:
		for first := range min(p.phases, n) {
			to := line[p.column(first+p.PadLeft):]
			for x := first; x < n; x += p.phases {
				for i, v := range row[x*c : x*c+c] {
					repeat(to[i*mult:(i+1)*mult], int16(int32(v)-p.zero))
				}
				to = to[p.OutC:]
			}
		}
		return
	case p.phases == 1:
		k.dst, k.src, k.run, k.n = &line[p.PadLeft*c], &row[0], n*c, 1
		call.Tile(dwTableAVX2()[1], unsafe.Pointer(&k))
		return
	}
	for first := range min(p.phases, n) {
		k.dst, k.src, k.run, k.dstep, k.sstep, k.n = &line[p.column(first+p.PadLeft)], &row[first*c], c, 2*c, p.phases*c, (n-first-1)/p.phases+1
		call.Tile(dwTableAVX2()[1], unsafe.Pointer(&k))
	}
}

// repeat sets all of s to v.
func repeat(s []int16, v int16) {
	four := uint64(uint16(v)) * 0x0001000100010001
	for len(s) >= 4 {
		*(*uint64)(unsafe.Pointer(&s[0])) = four
		s = s[4:]
	}
	for i := range s {
		s[i] = v
	}
}
