package conv

import (
	"unsafe"

	"wayside/kernels/gemm"
	"wayside/kernels/requant"
)

// WinogradS8 is Winograd for int8, 2×2 outputs at a time: 16 multiplications where the direct form takes 36. Make one with NewWinogradS8, and a copy of
// it for each session.
//
// Results are those of the direct form, byte for byte. Inputs stay as they are, with their zero point outside of the image, and become at most 512 in
// size; weights are taken four times, which makes them whole and at most 9×128. All that follows are sums of int32, which may wrap on the way: in the
// end they are four times the direct form's, which the exact rescaling wants below 2^29.
type WinogradS8 struct {
	g           *Geometry
	w           [16]*gemm.S16Weights // [OutC][C] each, columns as winogradPlace says
	bias        []int32              // of raw inputs
	q           requant.Params
	par         []int32 // of the assembly, for each 16 columns blocks of bias, multiplier, addend, shift, carry limit
	exact       bool    // the carry counts
	zero        int8
	down, right int // squares of an image
	shared      shared
	in, out     int // values from one matrix to the next: of inputs, of sums
	per         int // bytes of scratch of each worker
	after[int8]
	dst, src []int8
	scratch  []byte
}

// Then is S8's.
func (c *WinogradS8) Then(f func(x, beside []int8)) { c.then = f }

const (
	winogradS8Bytes  = 384 << 10 // of the matrices of a block, where these are more than winogradBlock squares
	winogradS8Cached = 2 << 20   // weights that stay in a large cache
)

// NewWinogradS8 transforms and packs w[OutC][3][3][C] for a geometry. It returns false where another form is better, or this one not exact.
func NewWinogradS8(w []int8, g *Geometry, q *gemm.Quant) (*WinogradS8, bool) {
	squares, outputs := g.Batch*((g.OutH+1)/2)*((g.OutW+1)/2), g.Batch*g.OutH*g.OutW
	switch {
	case !winogradS8Fast(), min(g.C, g.OutC) < 32: // the transforms take more than the products save
		return nil, false
	case squares < 4, 9*outputs < 24*squares: // few rows for each product, or many outputs of squares that nobody wants
		return nil, false
	case squares < winogradBlock && 32*g.C*g.OutC > winogradS8Cached: // the weights, 32 bytes for 9, are what takes the time
		return nil, false
	}
	return newWinogradS8(w, g, q)
}

func newWinogradS8(w []int8, g *Geometry, q *gemm.Quant) (*WinogradS8, bool) {
	if g.KH != 3 || g.KW != 3 || g.StrideH != 1 || g.StrideW != 1 || g.DilH != 1 || g.DilW != 1 || g.Groups != 1 || g.C%16 != 0 || g.OutC%16 != 0 || q.WZero != 0 {
		return nil, false
	}
	if len(w) < g.OutC*9*g.C || q.Bias != nil && len(q.Bias) < g.OutC {
		panic("conv: slice length mismatch")
	}
	c := &WinogradS8{g: g, bias: make([]int32, g.OutC), q: q.Params, par: make([]int32, 5*g.OutC), zero: int8(q.XZero), down: (g.OutH + 1) / 2, right: (g.OutW + 1) / 2}
	for o := range g.OutC {
		if !c.column(o, w[o*9*g.C:(o+1)*9*g.C], q) {
			return nil, false
		}
	}
	matrix := make([]int16, g.OutC*g.C)
	for i := range c.w {
		winogradWeightsS8(matrix, w, g.C, i/4, i%4)
		c.w[i] = gemm.PackS16(matrix, g.OutC, g.C)
	}
	c.shared = g.shareSquares(g.Batch*c.down*c.right, winogradS8Bytes/(16*(2*g.C+4*g.OutC)))
	c.in, c.out = 2*oddLines(c.shared.rows*g.C/2), oddLines(c.shared.rows*g.OutC)
	c.per = align(16*(2*c.in+4*c.out) + 16*max(g.C, g.OutC))
	return c, true
}

// winogradPlace says where channel c stands among the sums, and among the addends and shifts: rescaling and packing to bytes bring them in order.
func winogradPlace(c int) (sum, output int) {
	four := c / 4 % 4
	at := c/16*16 + four%2*8 + four/2*4
	return at + [4]int{0, 2, 1, 3}[c%4], at + c%4
}

// column computes the parameters of an output channel from its filter; false where its rescaling is not exact.
func (c *WinogradS8) column(o int, filter []int8, q *gemm.Quant) bool {
	size, m := int64(0), min(o, len(q.Mult)-1)
	for _, v := range filter {
		size += int64(max(int(v), -int(v)))
		c.bias[o] -= q.XZero * int32(v)
	}
	if q.Bias != nil {
		c.bias[o] += int32(q.Bias[o])
	}
	t, ok := requant.OneStep(int64(c.bias[o]), 128*size, q.Mult[m], q.Shift[m], q.Zero, q.Min)
	c.exact = c.exact || t.Carry
	t = t.Below()
	sum, output := winogradPlace(o % 16)
	p := c.par[o/16*80:][:80]
	p[sum], p[16+sum], p[64+sum] = t.Bias, t.Mult, t.Limit
	p[32+output], p[48+output] = t.Add, t.Shift
	return ok
}

// winogradFilterS8 is what the three values of a filter count at the points 0, 1, −1 and infinity, twice.
var winogradFilterS8 = [4][3]int16{{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}}

// winogradWeightsS8 computes the matrix at row y and column x of the 16.
func winogradWeightsS8(dst []int16, w []int8, c, y, x int) {
	clear(dst)
	for o := range len(dst) / c {
		sum, _ := winogradPlace(o)
		row := dst[sum*c:][:c]
		for i := range 9 {
			f := winogradFilterS8[y][i/3] * winogradFilterS8[x][i%3]
			if f == 0 {
				continue
			}
			for k, v := range w[(o*9+i)*c:][:c] {
				row[k] += f * int16(v)
			}
		}
	}
}

// Bytes returns the memory of the packed weights, int16, and of their parameters, int32.
func (c *WinogradS8) Bytes() (s16, s32 int) {
	for _, w := range c.w {
		s16 += w.Bytes()
	}
	return s16, 4 * (len(c.bias) + len(c.par))
}

// ID names the tile of the products and the instruction set.
func (c *WinogradS8) ID() string { return c.w[0].ID() }

// Scratch returns the bytes of scratch that Run needs.
func (c *WinogradS8) Scratch() int { return c.shared.workers * c.per }

// Run convolves src into dst. It does not allocate.
func (c *WinogradS8) Run(dst, src []int8, scratch []byte) {
	g := c.g
	if len(dst) < g.Batch*g.OutH*g.OutW*g.OutC || len(src) < g.Batch*g.H*g.W*g.C || len(scratch) < c.Scratch() {
		panic("conv: slice length mismatch")
	}
	c.dst, c.src, c.scratch = dst, src, scratch
	c.shared.run(c)
}

// Do implements par.Task: a chunk is a block of squares.
func (c *WinogradS8) Do(chunk, worker int) {
	g := c.g
	first, m := c.shared.chunk(chunk)
	s := unsafe.Pointer(&c.scratch[worker*c.per : (worker+1)*c.per][0])
	out := unsafe.Slice((*int32)(s), 16*c.out)
	in := unsafe.Slice((*int16)(unsafe.Add(s, 64*c.out)), 16*c.in)
	border := unsafe.Slice((*int8)(unsafe.Add(s, 64*c.out+32*c.in)), 16*max(g.C, g.OutC))
	for i := range m {
		b, y, x := c.square(first + i)
		y, x = y-g.PadTop, x-g.PadLeft
		if y >= 0 && x >= 0 && y+4 <= g.H && x+4 <= g.W {
			winogradInS8(in[i*g.C:], c.in, c.src[((b*g.H+y)*g.W+x)*g.C:], g.W*g.C, g.C, g.C)
			continue
		}
		winogradEdge(border, c.src, g, b, y, x, 4, c.zero)
		winogradInS8(in[i*g.C:], c.in, border, 4*g.C, g.C, g.C)
	}
	for i, w := range c.w {
		gemm.S16(out[i*c.out:], g.OutC, in[i*c.in:], g.C, m, w)
	}
	for i := range m {
		b, y, x := c.square(first + i)
		at := ((b*g.OutH+y)*g.OutW + x) * g.OutC
		if y+2 <= g.OutH && x+2 <= g.OutW {
			c.results(c.dst[at:], g.OutW*g.OutC, g.OutC, out[i*g.OutC:])
			continue
		}
		c.results(border, 2*g.OutC, g.OutC, out[i*g.OutC:])
		for r := range min(2, g.OutH-y) {
			copy(c.dst[at+r*g.OutW*g.OutC:][:min(2, g.OutW-x)*g.OutC], border[r*2*g.OutC:])
		}
	}
	c.finishSquares(c.dst, g, 2, c.right, first, m)
}

// square returns the image of a square and its first output.
func (c *WinogradS8) square(i int) (b, y, x int) {
	return i / (c.down * c.right), i / c.right % c.down * 2, i % c.right * 2
}

// winogradInS8Generic transforms a square of 4×4 inputs of n channels, rows down and columns right values apart, into one value of each channel in each
// of 16 matrices.
func winogradInS8Generic(dst []int16, matrix int, src []int8, down, right, n int) {
	four := func(d0, d1, d2, d3 int16) [4]int16 { return [4]int16{d0 - d2, d1 + d2, d2 - d1, d1 - d3} }
	for c := range n {
		var t [4][4]int16
		for y := range t {
			at := y*down + c
			t[y] = four(int16(src[at]), int16(src[at+right]), int16(src[at+2*right]), int16(src[at+3*right]))
		}
		for x := range 4 {
			for y, v := range four(t[0][x], t[1][x], t[2][x], t[3][x]) {
				dst[(4*y+x)*matrix+c] = v
			}
		}
	}
}

// resultsGeneric transforms the sums of 16 matrices into 2×2 outputs.
func (c *WinogradS8) resultsGeneric(dst []int8, down, right int, src []int32) {
	two := func(m0, m1, m2, m3 int32) [2]int32 { return [2]int32{m0 + m1 + m2, m1 - m2 - m3} }
	for o, bias := range c.bias {
		var t [4][2]int32
		sum, _ := winogradPlace(o)
		for y := range t {
			m := src[4*y*c.out+sum:]
			t[y] = two(m[0], m[c.out], m[2*c.out], m[3*c.out])
		}
		for x := range 2 {
			for y, v := range two(t[0][x], t[1][x], t[2][x], t[3][x]) {
				dst[y*down+x*right+o] = c.q.Apply(v>>2+bias, o)
			}
		}
	}
}
