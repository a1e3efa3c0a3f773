package conv

import (
	"math"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/par"
)

// Winograd is a convolution of 3×3 filters with stride 1 that computes 4×4 outputs at a time: each square of 6×6 inputs becomes one value in each of 36
// matrices, these are multiplied with 36 matrices of weights, and each 36 sums become 16 outputs. That takes 36 multiplications where the direct form
// takes 144 (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015). Make one with NewWinograd, and a copy of it for each session.
//
// Accuracy: the largest error against the exact result is at most four times that of a plain sum in float32 (TestWinogradError); the polynomials are
// taken at 0, ±5/8, ±3/2 and infinity because the usual 0, ±1, ±2 give three times more. The result does not depend on threads. A NaN or an infinity in the
// input spreads to all outputs of the squares that hold it.
type Winograd struct {
	g           *Geometry
	parts       []winogradPart // of the columns: one, or as many as workers share them instead of the squares
	bias        []float32
	lo, hi      float32
	down, right int // squares of an image
	shared      shared
	apart       int // values from one square to the next in a matrix
	in, out     int // values from one matrix to the next: of inputs, of sums
	per         int // values of scratch of each worker
	isa         winogradISA
	after[float32]
	dst, src, scratch []float32
}

// winogradPart is some output channels with their weights.
type winogradPart struct {
	first, n int
	w        [36]*gemm.F32Weights // [n][C] each
}

// winogradTile is the argument of the transforms. The assembly knows the offsets; distances are in bytes.
type winogradTile struct {
	src, dst           *float32
	srcDown, srcRight  int
	dstDown, dstRight  int
	n                  int // vectors
	temp, bias         *float32
	lo, hi             float32
	srcStart, dstStart uintptr // the assembly's own
}

const (
	winogradBlock  = 24        // squares that are multiplied at once: as many rows as make the weights worth their way
	winogradElems  = 96 << 10  // and more where their matrices have no more values than that
	winogradCached = 256 << 10 // weights that stay in the cache
	winogradTemp   = 36 * 16   // values of temporary memory of the assembly
	winogradRows   = 6         // squares that fill a tile of the products: with fewer for each worker, these share the columns
)

// winogradable reports whether the form is faster than the direct one: channels enough that the transforms, above all those in Go, are less than the
// products they save; and squares enough that the weights, four times as many, are not read for nothing where they exceed the cache.
func (g *Geometry) winogradable() bool {
	least, squares := 16, g.Batch*((g.OutH+3)/4)*((g.OutW+3)/4)
	if !winogradFast() {
		least = 64
	}
	return g.KH == 3 && g.KW == 3 && g.StrideH == 1 && g.StrideW == 1 && g.DilH == 1 && g.DilW == 1 && g.Groups == 1 &&
		g.C%16 == 0 && g.OutC%16 == 0 && min(g.C, g.OutC) >= least && squares >= 4 && (squares >= 12 || 36*g.C*g.OutC <= winogradCached)
}

// NewWinograd transforms and packs w[OutC][3][3][C] for a geometry; bias may be nil, results are clamped to lo and hi. It returns false where another
// form is better, for weights that are not finite, and where only generic kernels run: these are the reference.
func NewWinograd(w []float32, g *Geometry, bias []float32, lo, hi float32) (*Winograd, bool) {
	if !g.winogradable() || cpu.Best() == cpu.Generic {
		return nil, false
	}
	return newWinograd(w, g, bias, lo, hi)
}

func newWinograd(w []float32, g *Geometry, bias []float32, lo, hi float32) (*Winograd, bool) {
	if len(w) < g.OutC*9*g.C || bias != nil && len(bias) < g.OutC {
		panic("conv: slice length mismatch")
	}
	c := &Winograd{g: g, bias: make([]float32, g.OutC), lo: lo, hi: hi, down: (g.OutH + 3) / 4, right: (g.OutW + 3) / 4, isa: winogradArch()}
	copy(c.bias, bias)
	squares := g.Batch * c.down * c.right
	c.shared = g.shareSquares(squares, winogradElems/(36*(g.C+g.OutC)))
	c.parts = make([]winogradPart, 1)
	if workers := c.shared.workers; workers > 1 && squares < winogradRows*workers {
		c.parts = make([]winogradPart, workers)
	}
	matrix := make([]float32, g.OutC*g.C)
	for i := range c.parts[0].w {
		if !winogradWeights(matrix, w, g.C, i/6, i%6) {
			return nil, false
		}
		all := gemm.PackF32In(gemm.Room(g.Store), gemm.ManyRows, matrix, g.OutC, g.C, nil, float32(math.Inf(-1)), float32(math.Inf(1)))
		parts := all.Parts(len(c.parts))
		c.parts = c.parts[:len(parts)]
		for j, p := range parts {
			c.parts[j].first, c.parts[j].n, c.parts[j].w[i] = p.First, p.W.N, p.W
		}
	}
	if len(c.parts) > 1 {
		c.shared = shared{total: squares, unit: 1, rows: squares, chunks: 1, workers: c.shared.workers}
	}
	c.apart = gemm.ApartF32(g.C)
	c.in, c.out = oddLines(c.shared.rows*c.apart), oddLines(c.shared.rows*g.OutC)
	c.per = 36*(c.in+c.out) + 36*max(g.C, g.OutC) + winogradTemp
	return c, true
}

// shareSquares divides squares into blocks of so many, but not too few, and no more than keep all workers busy.
func (g *Geometry) shareSquares(squares, rows int) shared {
	return divide(squares, 1, max(winogradBlock, rows), 1, g.MACs())
}

// oddLines rounds up to an odd number of cache lines, so that matrices that lie so far apart do not share sets of the cache.
func oddLines(n int) int { return (n+15)/16*16 | 16 }

// The points at which the polynomials are taken, beside 0 and infinity. All numbers that follow from them are exact in float32.
const winA, winB = 0.625, 1.5

// winogradFilter is what the three values of a filter count at each point.
var winogradFilter = func() (m [6][3]float64) {
	const a2, b2 = winA * winA, winB * winB
	a, b := 1/(2*a2*(a2-b2)), 1/(2*b2*(b2-a2))
	return [6][3]float64{{1 / (a2 * b2)}, {a, a * winA, a * a2}, {a, -a * winA, a * a2}, {b, b * winB, b * b2}, {b, -b * winB, b * b2}, {2: 1}}
}()

// winogradWeights computes the matrix at row y and column x of the 36; false where it is not finite.
func winogradWeights(dst, w []float32, c, y, x int) bool {
	var f [9]float64
	for i := range f {
		f[i] = winogradFilter[y][i/3] * winogradFilter[x][i%3]
	}
	finite := true
	for o := range len(dst) / c {
		filter := w[o*9*c:][:9*c]
		for k := range c {
			sum := 0.0
			for i, v := range f {
				sum += v * float64(filter[i*c+k])
			}
			r := float32(sum)
			finite = finite && r-r == 0
			dst[o*c+k] = r
		}
	}
	return finite
}

// Bytes returns the memory of the packed weights.
func (c *Winograd) Bytes() gemm.FormBytes {
	n := gemm.FormBytes{F32: 4 * len(c.bias)}
	for i := range c.parts {
		for _, w := range c.parts[i].w {
			n = n.Plus(w.Bytes())
		}
	}
	return n
}

// ID names the tile of the products and the instruction set.
func (c *Winograd) ID() string { return c.parts[0].w[0].ID() }

// Scratch returns the values of scratch that Run needs.
func (c *Winograd) Scratch() int { return c.shared.workers * c.per }

// Run convolves src into dst. It does not allocate.
func (c *Winograd) Run(dst, src, scratch []float32) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.scratch = dst, src, scratch
	if len(c.parts) > 1 {
		par.RunPlanned(c, len(c.parts), c.shared.workers)
		c.finish(dst, 0, g.Batch*g.OutH*g.OutW*g.OutC) // of a few squares
		return
	}
	c.shared.run(c)
}

// Then is S8's.
func (c *Winograd) Then(f func(x, beside []float32)) { c.then = f }

// Do implements par.Task: a chunk is a block of squares, or a part of the columns of all of them.
func (c *Winograd) Do(chunk, worker int) {
	g, part := c.g, &c.parts[0]
	if len(c.parts) > 1 {
		part, chunk = &c.parts[chunk], 0
	}
	first, m := c.shared.chunk(chunk)
	s := c.scratch[worker*c.per : (worker+1)*c.per]
	in, out, border, temp := s[:36*c.in], s[36*c.in:][:36*c.out], s[36*(c.in+c.out):][:36*max(g.C, g.OutC)], s[c.per-winogradTemp:]
	for i := range m {
		b, y, x := c.square(first + i)
		y, x = y-g.PadTop, x-g.PadLeft
		if y >= 0 && x >= 0 && y+6 <= g.H && x+6 <= g.W {
			c.isa.in(in[i*c.apart:], c.in, c.src[((b*g.H+y)*g.W+x)*g.C:], g.W*g.C, g.C, g.C, temp)
			continue
		}
		winogradEdge(border, c.src, g, b, y, x, 6, 0)
		c.isa.in(in[i*c.apart:], c.in, border, 6*g.C, g.C, g.C, temp)
	}
	n, bias := part.n, c.bias[part.first:part.first+part.n]
	for i, w := range part.w {
		gemm.F32(out[i*c.out:], n, in[i*c.in:], c.apart, m, w)
	}
	for i := range m {
		b, y, x := c.square(first + i)
		at := ((b*g.OutH+y)*g.OutW+x)*g.OutC + part.first
		rows, columns := min(4, g.OutH-y), min(4, g.OutW-x)
		if rows == 4 && columns == 4 {
			c.isa.out(c.dst[at:], g.OutW*g.OutC, g.OutC, out[i*n:], c.out, bias, c.lo, c.hi, temp)
			continue
		}
		c.isa.out(border, 4*n, n, out[i*n:], c.out, bias, c.lo, c.hi, temp)
		for r := range rows {
			for col := range columns {
				copy(c.dst[at+(r*g.OutW+col)*g.OutC:][:n], border[(r*4+col)*n:])
			}
		}
	}
	if len(c.parts) == 1 {
		c.finishSquares(c.dst, g, 4, c.right, first, m)
	}
}

// square returns the image of a square and its first output.
func (c *Winograd) square(i int) (b, y, x int) {
	return i / (c.down * c.right), i / c.right % c.down * 4, i % c.right * 4
}

// winogradEdge copies the size × size inputs of a square that reaches beyond the image, with zeros there.
func winogradEdge[T int8 | float32](border, src []T, g *Geometry, b, y, x, size int, zero T) {
	fill(border[:size*size*g.C], zero)
	left, right := max(x, 0), min(x+size, g.W)
	for r := max(y, 0); r < min(y+size, g.H) && left < right; r++ {
		copy(border[((r-y)*size+left-x)*g.C:], src[((b*g.H+r)*g.W+left)*g.C:][:(right-left)*g.C])
	}
}
