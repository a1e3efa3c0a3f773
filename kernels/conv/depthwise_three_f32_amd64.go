package conv

import (
	"unsafe"

	"wayside/kernels/internal/call"
	"wayside/kernels/internal/cpu"
)

// dwThreeF32 is the argument of an assembly call for runs of whole vectors with 3×3 taps. The assembly knows the offsets; steps are in bytes.
type dwThreeF32 struct {
	in            [4]*float32 // first taps of the first vector in the input rows, three for one output row
	second, third int         // from the first tap of a row to the others
	xstep         int         // from the taps of one vector to those of the next
	w             *float32    // per run: bias, then taps, 8 values each
	dst           *float32
	dstep         int // from one vector to the next
	row           int // from one output row to the next
	n             int // vectors of a run
	runs          int // counted down
	nextIn        int // from the end of one run to the next, in the input
	nextDst       int // and in the output
	lo, hi        float32
}

// dwThreeF32AVX2 returns the addresses of runs for one output row and for two: with all taps, at the left edge, at the right edge.
func dwThreeF32AVX2() *[2][3]uintptr

// dwDirectF32 is a depthwise convolution with 3×3 taps that reads the picture where it lies: a column of padding on the left and one on the
// right are left out of the sums, and lines above and below are read as a line of zeros.
type dwDirectF32 struct {
	Geometry
	*dwRows[float32]
	w           []float32 // per 8 channels: bias, then taps
	lo, hi      float32
	columns     int // output columns of which all channels are computed before the next
	left, right int // first output column that has all taps, and the first after it that has not
	then        func([]float32)
}

// newDwDirectF32 returns nil for what the lines of dwF32 serve better.
func newDwDirectF32(w, bias []float32, g *Geometry, lo, hi float32) *dwDirectF32 {
	if !cpu.Has(cpu.AVX2) || g.KH != 3 || g.KW != 3 || g.DilW != 1 || g.C != g.OutC || g.C%8 != 0 || g.C == 0 || g.PadLeft > 1 || g.W < 2 {
		return nil
	}
	p := &dwDirectF32{Geometry: *g, lo: lo, hi: hi, left: g.PadLeft, right: g.OutW}
	if over := (g.OutW-1)*g.StrideW - g.PadLeft + 3 - g.W; over > 1 {
		return nil
	} else if over == 1 {
		p.right--
	}
	if p.right < p.left {
		return nil
	}
	// Two runs that follow each other share lines of the cache: those of the first should still be in the first-level cache when the second comes, of
	// which a step from column to column with many factors of two leaves little.
	p.columns = 8 * 64 / gcd((g.C+15)/16, 64) / 16
	if p.columns < 4 {
		return nil
	}
	if g.C <= 16 {
		p.columns = g.OutW
	}
	p.columns = min(p.columns, g.OutW)
	for c := 0; c < g.C; c += 8 {
		p.w = append(p.w, bias[c:c+8]...)
		for t := range 9 {
			p.w = append(p.w, w[t*g.C+c:][:8]...)
		}
	}
	p.dwRows = newDwRows(g, 4*((p.columns-1)*g.StrideW+3)*g.C, p.compute)
	return p
}

func (p *dwDirectF32) setThen(f func([]float32)) { p.then = f }

func (p *dwDirectF32) id() string { return "1x8/avx2" }

func (p *dwDirectF32) bytes() int { return 4 * len(p.w) }

// compute computes the output rows from to to, counted over all images.
func (p *dwDirectF32) compute(dst, src []float32, scratch []byte, from, to int) {
	zeros := unsafe.Slice((*float32)(unsafe.Pointer(&scratch[0])), ((p.columns-1)*p.StrideW+3)*p.C)
	clear(zeros)
	pair := p.StrideH == 1 && p.DilH == 1
	for at := from; at < to; {
		rows, oy := 1, at%p.OutH
		if pair && at+1 < to && oy+1 < p.OutH {
			rows = 2
		}
		var lines [4][]float32
		for r := range rows + 2 {
			if y := oy*p.StrideH - p.PadTop + r*p.DilH; y >= 0 && y < p.H {
				lines[r] = src[(at/p.OutH*p.H+y)*p.W*p.C:][:p.W*p.C]
			}
		}
		n := p.OutW * p.C
		out := dst[at*n : (at+rows)*n]
		if p.left > 0 {
			p.runs(out, &lines, zeros, rows, 1, 0, 1)
		}
		for x := p.left; x < p.right; x += p.columns {
			p.runs(out, &lines, zeros, rows, 0, x, min(x+p.columns, p.right))
		}
		if p.right < p.OutW {
			p.runs(out, &lines, zeros, rows, 2, p.right, p.OutW)
		}
		if p.then != nil {
			p.then(out)
		}
		at += rows
	}
}

// runs computes the columns from x to end of one or two output rows. A nil line is one of zeros.
func (p *dwDirectF32) runs(dst []float32, lines *[4][]float32, zeros []float32, rows, edge, x, end int) {
	c := 4 * p.C
	t := dwThreeF32{second: c, third: 2 * c, xstep: p.StrideW * c, w: &p.w[0], dst: &dst[x*p.C], dstep: c, row: p.OutW * c, n: end - x, runs: p.C / 8,
		nextIn: 32 - (end-x)*p.StrideW*c, nextDst: 32 - (end-x)*c, lo: p.lo, hi: p.hi}
	for r := range rows + 2 {
		if t.in[r] = &zeros[0]; lines[r] != nil {
			t.in[r] = &lines[r][max(0, x*p.StrideW-p.PadLeft)*p.C]
		}
	}
	call.Tile(dwThreeF32AVX2()[rows-1][edge], unsafe.Pointer(&t))
}
