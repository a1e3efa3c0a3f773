package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// plainLSTM reports whether a node has none of the options that TensorFlow Lite Micro lacks.
func plainLSTM(c graph.NodeCtx, a *SequenceLSTMAttr) bool {
	for _, i := range []int{lstmP + 1, lstmNorm + 1, lstmProj, lstmAux} {
		if c.In(i) != nil {
			return false
		}
	}
	return a.micro && c.In(lstmCoupledAt) != nil
}

func inferIntLSTM(c *graph.InferCtx, a *SequenceLSTMAttr, d *lstmShape) error {
	x, o := c.In(0), c.Out(0)
	plain := plainLSTM(c.NodeCtx, a)
	bias := tensor.S32
	switch {
	case a.act != rnn.TanhRational:
		return c.Refuse("int8 and int16 need the activation tanh")
	case c.In(lstmAux) != nil:
		return c.Refuse("an auxiliary input is supported for float32 only")
	case x.DType == tensor.S16 && !plain:
		return c.Refuse("int16 activations are supported with 24 inputs, without peepholes, projection, layer normalization and coupled gates; int8 and float32 have them")
	case x.DType == tensor.S16:
		bias = tensor.S64
	case !plain && len(a.inter) == 12:
		return c.Refuse("int8 sums of the gates (12 intermediate tensors) are not supported: LiteRT itself reads beyond its table of scales; int16 sums (5 intermediate tensors) are")
	case !plain && (len(a.inter) != 5 || a.inter[4] == nil || !a.inter[4].PerTensor() || !(a.inter[4].Scale[0] > 0)):
		return c.Refuse("needs 5 intermediate tensors, the last one with the scale of the hidden state")
	}
	for k := range lstmGates {
		if err := firstOf(
			checkConst(c, lstmW+k, tensor.S8, d.cells, d.input),
			checkConst(c, lstmR+k, tensor.S8, d.cells, d.output),
			checkConst(c, lstmBias+k, bias, d.cells),
			checkConst(c, lstmNorm+k, tensor.S16, d.cells),
		); err != nil {
			return err
		}
		if c.In(lstmNorm+k) == nil {
			continue
		}
		if q := a.inter[k]; q == nil || !q.PerTensor() || !(q.Scale[0] > 0) {
			return c.Refuse("the layer normalization needs the scale of intermediate tensor %d", k)
		}
	}
	for k := range 3 {
		if err := checkConst(c, lstmP+k, tensor.S16, d.cells); err != nil {
			return err
		}
	}
	if c.In(lstmP+1) != nil && d.output != d.cells {
		return c.Refuse("peepholes with a projection to another size are not supported in int8: LiteRT itself applies only some of them")
	}
	if err := firstOf(
		checkConst(c, lstmProj, tensor.S8, d.output, d.cells),
		checkConst(c, lstmProjBias, tensor.S32, d.output),
		checkState(c, lstmHidden, x.DType, d.batch*d.output, "output state"),
		checkState(c, lstmCell, tensor.S16, d.batch*d.cells, "cell state"),
		checkQuant(x, c.In(lstmHidden), c.In(lstmCell), o),
	); err != nil {
		return err
	}
	if o == nil || o.Quant == nil {
		return c.Refuse("the output has no scale")
	}
	lo, hi := -15, -9
	if plain {
		lo, hi = -24, 0
	}
	if p, ok := log2Of(c.In(lstmCell).Quant.Scale[0]); !ok || p < lo || p > hi {
		return c.Refuse("the cell state's scale %v is not a power of two from 2^%d to 2^%d", c.In(lstmCell).Quant.Scale[0], lo, hi)
	}
	cell := newIntCell(c.NodeCtx, a)
	for k := range cell.Gates {
		g := &cell.Gates[k]
		if x.DType == tensor.S16 && max(g.WScale.Shift, g.RScale.Shift) > 7 {
			return c.Refuse("the product of activation and weight scales is too large")
		}
	}
	if x.DType == tensor.S16 && int64(max(d.input, d.output))<<22 >= 1<<46 {
		return c.Refuse("%d inputs to a cell; fewer are supported in int16", max(d.input, d.output))
	}
	return nil
}

// newIntCell computes everything of the kernel but its weights. The arithmetic follows the references: TensorFlow Lite Micro has its scales in
// float64 after the product of two, LiteRT in float32.
func newIntCell(c graph.NodeCtx, a *SequenceLSTMAttr) *rnn.IntCell {
	x, h, s := c.In(0), c.In(lstmHidden), c.In(lstmCell)
	w, r := c.In(lstmW+3), c.In(lstmR+3)
	scale := func(i int) float32 { return c.In(i).Quant.Scale[0] }
	plain := plainLSTM(c, a)
	power, _ := log2Of(s.Quant.Scale[0])
	cell := &rnn.IntCell{
		Input: w.Shape[1], Cells: w.Shape[0], Output: r.Shape[1], Power: power, Coupled: c.In(lstmCoupledAt) == nil,
		HiddenZero: h.Quant.Zero[0], OutZero: h.Quant.Zero[0],
	}
	xs, hs, cs := x.Quant.Scale[0], h.Quant.Scale[0], s.Quant.Scale[0]
	for k := range cell.Gates {
		g := &cell.Gates[k]
		if c.In(lstmW+k) == nil {
			continue
		}
		sum := float32(1.0 / 4096)
		if c.In(lstmNorm+k) != nil {
			sum = a.inter[k].Scale[0]
			g.NormScale = rnn.ScaleOf(float64(scale(lstmNorm + k)))
			g.NormGuard = int32(max(1, min(10000*scale(lstmNorm+k), 1<<30)))
		}
		wx, rh := scale(lstmW+k)*xs, scale(lstmR+k)*hs
		g.WScale, g.RScale = rnn.ScaleOf(float64(wx/sum)), rnn.ScaleOf(float64(rh/sum))
	}
	if plain {
		cell.Forget = rnn.ScaleOf(math.Ldexp(float64(cs), -15) / float64(cs))
		cell.In = rnn.ScaleOf(math.Ldexp(1, -30) / float64(cs))
		cell.Hidden = rnn.ScaleOf(math.Ldexp(1, -30) / float64(hs))
		cell.Clips = a.cellClip > 0
		cell.CellClip = int16(min(float64(a.cellClip)/float64(cs), math.MaxInt16))
		return cell
	}
	for i, k := range peepholeGates {
		if c.In(lstmP+i) == nil {
			continue
		}
		sum := 1.0 / 4096
		if c.In(lstmNorm+k) != nil {
			sum = float64(a.inter[k].Scale[0])
		}
		cell.Gates[k].PScale = rnn.ScaleOf(float64(float32(math.Ldexp(float64(scale(lstmP+i)), power) / sum)))
	}
	hidden := a.inter[4]
	cell.HiddenZero = hidden.Zero[0]
	cell.Hidden = rnn.ScaleOf(float64(float32(math.Ldexp(math.Ldexp(1, -15)/float64(hidden.Scale[0]), -15))))
	if c.In(lstmProj) != nil {
		cell.ProjScale = rnn.ScaleOf(float64(scale(lstmProj) * hidden.Scale[0] / hs))
	}
	if a.cellClip > 0 {
		cell.CellClip = int16(min(a.cellClip/cs, math.MaxInt16))
		cell.Clips = cell.CellClip > 0
	}
	if a.projClip > 0 && c.Out(0) != nil {
		cell.ProjClip = int8(min(a.projClip/c.Out(0).Quant.Scale[0], math.MaxInt8))
	}
	return cell
}

// effectiveBias is bias[r] + zero × sum of row r of w; bias may be nil.
func effectiveBias(w []int8, rows int, zero int32, bias []int64) []int64 {
	out := make([]int64, rows)
	copy(out, bias)
	n := len(w) / rows
	for r := range out {
		sum := int64(0)
		for _, v := range w[r*n : (r+1)*n] {
			sum += int64(v)
		}
		out[r] += int64(zero) * sum
	}
	return out
}

func compileIntLSTM(c *graph.CompileCtx, a *SequenceLSTMAttr) (*graph.Kernel, error) {
	x := *c.In(0)
	cell := newIntCell(c.NodeCtx, a)
	plain := plainLSTM(c.NodeCtx, a)
	zx, zh := x.Quant.Zero[0], c.In(lstmHidden).Quant.Zero[0]
	h := newHolder(c)
	for k := range cell.Gates {
		g := &cell.Gates[k]
		if c.In(lstmW+k) == nil {
			continue
		}
		bias := h.ints(lstmBias + k)
		g.W, g.R, g.Norm = h.s8(lstmW+k), h.s8(lstmR+k), h.s16(lstmNorm+k)
		g.Logistic = k != rnn.GateCell
		if g.Norm != nil {
			g.NormBias = make([]int32, len(bias))
			for i, b := range bias {
				g.NormBias[i] = int32(b)
			}
			bias = nil
		}
		h.weights[tensor.S32] += 4 * len(g.NormBias)
		g.WBias = h.s64(effectiveBias(g.W, cell.Cells, -zx, bias))
		g.RBias = h.s64(effectiveBias(g.R, cell.Cells, -zh, nil))
	}
	for i, k := range peepholeGates {
		cell.Gates[k].P = h.s16(lstmP + i)
	}
	if cell.Proj = h.s8(lstmProj); cell.Proj != nil {
		cell.ProjBias = h.s64(effectiveBias(cell.Proj, cell.Output, cell.HiddenZero, h.ints(lstmProjBias)))
	}
	walk := a.walk(x.Shape)
	words, bytes := cell.Scratch()
	n, m, o := cell.Input, cell.Cells, cell.Output
	k := &graph.Kernel{
		ID: "rnn.lstm/s8/generic", Scratch: 2*words + bytes, Weights: h.weights,
		MACs: walk.rows() * (int64(lstmGates*m)*int64(n+o) + int64(len(cell.Proj))),
	}
	if x.DType == tensor.S16 {
		k.ID = "rnn.lstm/s16/generic"
		k.Run = func(a *graph.Args) error {
			f := tensor.As[int16](a.Scratch[:2*words], 2)
			runMicro(&walk, cell, a.Out[0].S16(), a.In[lstmHidden].S16(), a.In[lstmCell].S16(), a.In[0].S16(), f)
			return nil
		}
		return k, nil
	}
	if cell.Pack() {
		packIntLSTM(k, cell, &walk, plain)
		return k, nil
	}
	k.Run = func(a *graph.Args) error {
		f, q := tensor.As[int16](a.Scratch[:2*words], 2), tensor.As[int8](a.Scratch[2*words:], 1)
		y, hidden, state, x := a.Out[0].S8(), a.In[lstmHidden].S8(), a.In[lstmCell].S16(), a.In[0].S8()
		if plain {
			runMicro(&walk, cell, y, hidden, state, x, f)
			return nil
		}
		for b := range walk.batch {
			h, s := hidden[b*o:(b+1)*o], state[b*m:(b+1)*m]
			for i := range walk.steps {
				r := walk.at(i, b)
				cell.StepFixed(h, s, x[r*n:(r+1)*n], f, q)
				copy(y[r*o:(r+1)*o], h)
			}
		}
		return nil
	}
	return k, nil
}

func runMicro[T int8 | int16](w *walk, cell *rnn.IntCell, y, hidden []T, state []int16, x []T, f []int16) {
	n, m := cell.Input, cell.Cells
	for b := range w.batch {
		h, s := hidden[b*m:(b+1)*m], state[b*m:(b+1)*m]
		for i := range w.steps {
			r := w.at(i, b)
			rnn.StepMicro(cell, h, s, x[r*n:(r+1)*n], f)
			copy(y[r*m:(r+1)*m], h)
		}
	}
}

// packIntLSTM replaces a kernel by that of a packed cell.
func packIntLSTM(k *graph.Kernel, cell *rnn.IntCell, w *walk, micro bool) {
	words, bytes := cell.Scratch()
	sums, flipped := cell.PackedScratch(w.steps)
	first := align8(2 * words)
	second := first + align8(bytes)
	third := second + 4*sums
	s8, s32 := cell.PackedBytes()
	k.ID, k.Scratch = "rnn.lstm/s8/"+cell.ID(), third+flipped
	k.Weights[tensor.S8] = s8 + len(cell.Proj)
	k.Weights[tensor.S32] += s32
	n, m, o := cell.Input, cell.Cells, cell.Output
	stride := 1
	if w.timeMajor || w.flat {
		stride = w.batch
	}
	run := func(a *graph.Args, walk *rnn.IntWalk) error {
		f, q := tensor.As[int16](a.Scratch[:first], 2), tensor.As[int8](a.Scratch[first:second], 1)
		sums, flipped := tensor.As[int32](a.Scratch[second:third], 4), a.Scratch[third:]
		y, hidden, state, x := a.Out[0].S8(), a.In[lstmHidden].S8(), a.In[lstmCell].S16(), a.In[0].S8()
		for b := range w.batch {
			at := w.at(0, b)
			if w.reverse {
				at = w.at(w.steps-1, b)
			}
			walk.Run(micro, y[at*o:], stride*o, hidden[b*o:(b+1)*o], state[b*m:(b+1)*m], x[at*n:], stride*n, w.steps, w.reverse, f, q, sums, flipped)
		}
		return nil
	}
	k.Bind = func(*graph.Args) (func(*graph.Args) error, error) {
		walk := cell.Walk()
		return func(a *graph.Args) error { return run(a, walk) }, nil
	}
}
