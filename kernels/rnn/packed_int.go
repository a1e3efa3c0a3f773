package rnn

import (
	"math"

	"wayside/kernels/gemm"
	"wayside/kernels/par"
)

// intBand is a band of an IntCell on int8 activations, packed for this machine: some cells with the matrices of all gates, one after the other.
type intBand struct {
	from, n      int // cells
	w, r         *gemm.Sums
	wBias, rBias []int32
}

// Pack packs the matrices where this machine has a kernel for them; it reports whether it has. The plain ones are then given up.
func (c *IntCell) Pack() bool {
	count, groups := 1, (c.Cells+bandUnit-1)/bandUnit
	if c.apart() {
		const macsPerNano, cellNanos = 50, 50 // the activations of a cell are in Go
		count = bandsOf(groups, int64(c.Cells)*(cellNanos+int64(4*c.Output/macsPerNano)))
	}
	bands := make([]intBand, count)
	for i := range bands {
		b := &bands[i]
		b.from = i * groups / count * bandUnit
		b.n = min((i+1)*groups/count*bandUnit, c.Cells) - b.from
		b.pack(c)
		if !b.w.Fast() || !b.r.Fast() {
			return false
		}
	}
	for k := range c.Gates {
		c.Gates[k].W, c.Gates[k].R = nil, nil
	}
	c.bands = bands
	return true
}

// apart reports whether each cell needs of the others but their outputs.
func (c *IntCell) apart() bool {
	for k := range c.Gates {
		if g := &c.Gates[k]; g.P != nil || g.Norm != nil {
			return false
		}
	}
	return c.Proj == nil
}

func (b *intBand) pack(c *IntCell) {
	w, r := make([]int8, 4*b.n*c.Input), make([]int8, 4*b.n*c.Output)
	b.wBias, b.rBias = make([]int32, 4*b.n), make([]int32, 4*b.n)
	for k := range c.Gates {
		g := &c.Gates[k]
		if g.WBias == nil { // the input gate is coupled
			continue
		}
		copy(w[k*b.n*c.Input:], g.W[b.from*c.Input:(b.from+b.n)*c.Input])
		copy(r[k*b.n*c.Output:], g.R[b.from*c.Output:(b.from+b.n)*c.Output])
		for i := range b.n {
			b.wBias[k*b.n+i], b.rBias[k*b.n+i] = int32(g.WBias[b.from+i]), int32(g.RBias[b.from+i])
		}
	}
	b.w, b.r = gemm.PackSums(w, 4*b.n, c.Input), gemm.PackSums(r, 4*b.n, c.Output)
}

// PackedBytes returns the memory of packed matrices, and ID their tile.
func (c *IntCell) PackedBytes() (s8, s32 int) {
	for i := range c.bands {
		band := &c.bands[i]
		a, b := band.w.Bytes()
		d, e := band.r.Bytes()
		s8, s32 = s8+a+d, s32+b+e+4*(len(band.wBias)+len(band.rBias))
	}
	return s8, s32
}

// ID names the tile and the instruction set of a packed cell.
func (c *IntCell) ID() string { return c.bands[0].w.ID() }

// PackedScratch returns the numbers of int32 and of bytes that a walk needs beside Scratch, for a sequence of so many steps.
func (c *IntCell) PackedScratch(steps int) (sums, bytes int) {
	m := min(steps, chunk)
	return 4 * c.Cells * (m + 1), len(c.bands) * c.flipped(m)
}

// flipped is how many bytes the products of a band need.
func (c *IntCell) flipped(m int) (n int) {
	for i := range c.bands {
		n = max(n, c.bands[i].w.Scratch(m), c.bands[i].r.Scratch(1))
	}
	return (n + 63) &^ 63
}

// IntWalk is Walk for an IntCell.
type IntWalk struct {
	c      *IntCell
	chunks int // of bands

	// Of the run and of the part of it that has its inputs' products computed at once.
	micro    bool
	x, y     []int8
	xs, ys   int
	s        []int16
	f        []int16
	q        []int8
	sums     []int32
	flipped  []byte
	rows     int // of sums in each band
	first, m int // row of x and y, and how many

	// Of the step.
	at      int    // row of x and y
	begins  bool   // the part: products of its inputs are missing
	h, next []int8 // the outputs before and behind it
}

// Walk returns what runs sequences through a packed cell.
func (c *IntCell) Walk() *IntWalk { return &IntWalk{c: c} }

// Run walks a sequence as Walk.Run does, with StepMicro or StepFixed. Results are the same as theirs.
func (w *IntWalk) Run(micro bool, y []int8, ys int, h []int8, s []int16, x []int8, xs, steps int, backwards bool, f []int16, q []int8, sums []int32, flipped []byte) {
	c := w.c
	n := c.Cells
	if steps == 0 {
		return
	}
	if len(h) != c.Output || len(s) != n || len(x) < (steps-1)*xs+c.Input || len(y) < (steps-1)*ys+c.Output || len(f) < 4*n || len(q) < n {
		panic("rnn: slice length mismatch")
	}
	w.micro, w.x, w.y, w.xs, w.ys, w.s, w.f, w.q, w.sums, w.flipped = micro, x, y, xs, ys, s, f, q, sums, flipped
	w.chunks, w.rows = min(par.Workers(), len(c.bands)), min(steps, chunk)
	w.h, w.next = h, h
	if len(c.bands) > 1 { // without a projection, which needs it, q is free
		w.next = q[:n]
	}
	for done := 0; done < steps; done += w.m {
		w.m = min(chunk, steps-done)
		w.first, w.begins = done, true
		if backwards {
			w.first = steps - done - w.m
		}
		for i := range w.m {
			w.at = w.first + i
			if backwards {
				w.at = w.first + w.m - 1 - i
			}
			par.Run(w, w.chunks)
			w.begins = false
			w.h, w.next = w.next, w.h
		}
	}
	copy(h, w.h)
}

// Do implements par.Task: a chunk is some bands of a step.
func (w *IntWalk) Do(chunk, _ int) {
	c := w.c
	each := len(w.flipped) / len(c.bands)
	for i := chunk * len(c.bands) / w.chunks; i < (chunk+1)*len(c.bands)/w.chunks; i++ {
		b, room := &c.bands[i], w.flipped[i*each:(i+1)*each]
		row := 4 * b.n
		sums, f := w.sums[4*b.from*(w.rows+1):][:row*(w.rows+1)], w.f[4*b.from:][:row]
		rs, ws := sums[:row], sums[row:]
		if w.begins {
			b.w.Run(ws, row, w.x[w.first*w.xs:], w.xs, w.m, room)
		}
		b.r.Run(rs, row, w.h, c.Output, 1, room)
		b.join(c, f, ws[(w.at-w.first)*row:][:row], rs, w.micro)
		h, s := w.next, w.s[b.from:b.from+b.n]
		if len(c.bands) > 1 {
			h = h[b.from : b.from+b.n]
		}
		if w.micro {
			finishMicro(c, h, s, f, math.MinInt8, math.MaxInt8)
		} else {
			c.finishFixed(h, s, f, w.q)
		}
		copy(w.y[w.at*w.ys+b.from:], h)
	}
}

// join rescales the sums of both products of all gates and adds them up: as addRows does, or as addRowsFixed.
func (b *intBand) join(c *IntCell, f []int16, ws, rs []int32, micro bool) {
	n := b.n
	for k := range c.Gates {
		g := &c.Gates[k]
		if g.WBias == nil { // the input gate is coupled
			continue
		}
		dst, w, r := f[k*n:(k+1)*n], ws[k*n:(k+1)*n], rs[k*n:(k+1)*n]
		lo, hi := int32(math.MinInt32), int32(math.MaxInt32)
		if micro {
			lo, hi = math.MinInt16, math.MaxInt16
		}
		scaleAll(w, b.wBias[k*n:], g.WScale, math.MinInt16, math.MaxInt16, 0)
		scaleAll(r, b.rBias[k*n:], g.RScale, lo, hi, 0)
		for i := range dst {
			dst[i] = sat16(w[i] + r[i])
		}
	}
}
