package rnn

import (
	"math"

	"wayside/kernels/gemm"
)

// intPacked is the matrices of an IntCell on int8 activations, packed for this machine: all gates one after the other.
type intPacked struct {
	w, r         *gemm.Sums
	wBias, rBias []int32
}

// Pack packs the matrices where this machine has a kernel for them; it reports whether it has. The plain ones are then given up.
func (c *IntCell) Pack() bool {
	n := c.Cells
	w, r := make([]int8, 4*n*c.Input), make([]int8, 4*n*c.Output)
	for k := range c.Gates {
		copy(w[k*n*c.Input:], c.Gates[k].W)
		copy(r[k*n*c.Output:], c.Gates[k].R)
	}
	p := &intPacked{gemm.PackSums(w, 4*n, c.Input), gemm.PackSums(r, 4*n, c.Output), make([]int32, 4*n), make([]int32, 4*n)}
	if !p.w.Fast() || !p.r.Fast() {
		return false
	}
	for k := range c.Gates {
		g := &c.Gates[k]
		for i, b := range g.WBias {
			p.wBias[k*n+i], p.rBias[k*n+i] = int32(b), int32(g.RBias[i])
		}
		g.W, g.R = nil, nil
	}
	c.packed = p
	return true
}

// PackedBytes returns the memory of packed matrices, and ID their tile.
func (c *IntCell) PackedBytes() (s8, s32 int) {
	a, b := c.packed.w.Bytes()
	d, e := c.packed.r.Bytes()
	return a + d, b + e + 4*(len(c.packed.wBias)+len(c.packed.rBias))
}

// ID names the tile and the instruction set of a packed cell.
func (c *IntCell) ID() string { return c.packed.w.ID() }

// PackedScratch returns the numbers of int32 and of bytes that RunPacked needs beside Scratch, for a sequence of so many steps.
func (c *IntCell) PackedScratch(steps int) (sums, bytes int) {
	m := min(steps, chunk)
	return 4 * c.Cells * (m + 1), max(c.packed.w.Scratch(m), c.packed.r.Scratch(1))
}

// RunPacked walks a sequence as Packed.Run does, with StepMicro or StepFixed. Results are the same as theirs.
func (c *IntCell) RunPacked(micro bool, y []int8, ys int, h []int8, s []int16, x []int8, xs, steps int, backwards bool, f []int16, q []int8, sums []int32, flipped []byte) {
	n := c.Cells
	row := 4 * n
	if steps == 0 {
		return
	}
	if len(h) != c.Output || len(s) != n || len(x) < (steps-1)*xs+c.Input || len(y) < (steps-1)*ys+c.Output || len(f) < row {
		panic("rnn: slice length mismatch")
	}
	rs, ws := sums[:row], sums[row:]
	for done := 0; done < steps; {
		m := min(chunk, steps-done)
		lo := done
		if backwards {
			lo = steps - done - m
		}
		c.packed.w.Run(ws, row, x[lo*xs:], xs, m, flipped)
		for i := range m {
			if backwards {
				i = m - 1 - i
			}
			c.packed.r.Run(rs, row, h, c.Output, 1, flipped)
			c.join(f, ws[i*row:(i+1)*row], rs, micro)
			if micro {
				finishMicro(c, h, s, f, math.MinInt8, math.MaxInt8)
			} else {
				c.finishFixed(h, s, f, q)
			}
			copy(y[(lo+i)*ys:(lo+i)*ys+c.Output], h)
		}
		done += m
	}
}

// join rescales the sums of both products of all gates and adds them up: as addRows does, or as addRowsFixed.
func (c *IntCell) join(f []int16, ws, rs []int32, micro bool) {
	n := c.Cells
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
		scaleAll(w, c.packed.wBias[k*n:], g.WScale, math.MinInt16, math.MaxInt16, 0)
		scaleAll(r, c.packed.rBias[k*n:], g.RScale, lo, hi, 0)
		for i := range dst {
			dst[i] = sat16(w[i] + r[i])
		}
	}
}
