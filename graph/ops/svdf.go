package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// SVDFAttr is the attribute of SVDF.
type SVDFAttr struct {
	rank       int
	act        rnn.Activation
	asymmetric bool
}

// SVDF takes the input, weights of features [filters][input] and of time [filters][memory], a bias or none, and the memory: a
// variable tensor [batch][filters*memory].
func init() {
	graph.Register(graph.Op{Name: "SVDF", Infer: inferSVDF, Compile: compileSVDF, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "SVDF", Min: 1, Max: 4, DTypes: "float32, float32 with int8 weights, int8 with int16 or int8 state", Lower: func(l *graph.Lower) error {
			act, err := sequenceAct(l, 1)
			if err != nil {
				return err
			}
			if len(l.N.In) != 5 || len(l.N.Out) != 1 {
				return l.Refuse("%d inputs and %d outputs instead of 5 and 1", len(l.N.In), len(l.N.Out))
			}
			l.Emit("SVDF", SVDFAttr{int(l.Attrs().Int(0, "", 0)), act, l.Attrs().Int(2, "", 0) != 0}, l.Ins(), l.Outs())
			return nil
		}})
}

func inferSVDF(c *graph.InferCtx) error {
	a := c.N.Attr.(SVDFAttr)
	if err := need(c, 0, 1, 2, 4); err != nil {
		return err
	}
	x, w, t := c.In(0), c.In(1), c.In(2)
	if x.Shifted {
		return c.Refuse("uint8 is not supported; float32 and int8 are")
	}
	if len(x.Shape) != 2 || len(w.Shape) != 2 || len(t.Shape) != 2 || product(x.Shape) == 0 || product(w.Shape) == 0 || product(t.Shape) == 0 {
		return c.Refuse("input %v and weights %v and %v must be matrices with elements", x.Shape, w.Shape, t.Shape)
	}
	batch, input, filters, memory := x.Shape[0], x.Shape[1], w.Shape[0], t.Shape[1]
	if a.rank < 1 || filters%a.rank != 0 {
		return c.Refuse("rank %d does not divide %d filters", a.rank, filters)
	}
	units := filters / a.rank
	state, time, bias, feature := tensor.F32, tensor.F32, tensor.F32, tensor.S8
	switch {
	case x.DType == tensor.F32 && w.DType == tensor.S8:
		time = tensor.S8
	case x.DType == tensor.F32:
		feature = tensor.F32
	case x.DType == tensor.S8:
		time, bias = t.DType, tensor.S32
		state = time
		if time != tensor.S8 && time != tensor.S16 {
			return c.Refuse("time weights in %s are not supported; int16 and int8 are", time)
		}
		if a.act != rnn.Relu && a.act != rnn.None {
			return c.Refuse("int8 supports the activations none and relu")
		}
		if o := c.Out(0); o == nil || o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(x, c.In(4), c.Out(0)); err != nil {
			return err
		}
	default:
		return c.Refuse("%s is not supported; float32 and int8 are", x.DType)
	}
	return firstOf(
		checkConst(c, 1, feature, filters, input),
		checkConst(c, 2, time, filters, memory),
		checkConst(c, 3, bias, units),
		checkState(c, 4, state, batch*filters*memory, "state"),
		c.Set(0, x.DType, tensor.Shape{batch, units}),
	)
}

func compileSVDF(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SVDFAttr)
	x, w, t := *c.In(0), *c.In(1), *c.In(2)
	batch, input, filters, memory := x.Shape[0], x.Shape[1], w.Shape[0], t.Shape[1]
	units := filters / a.rank
	h := newHolder(c)
	k := &graph.Kernel{MACs: int64(batch) * int64(filters) * int64(input+memory)}
	if x.DType == tensor.F32 {
		cell := &rnn.SVDF{
			Input: input, Filters: filters, Memory: memory, Rank: a.rank, Act: a.act, Hybrid: w.DType == tensor.S8, Asymmetric: a.asymmetric,
			Feature: h.matrix(1), Time: h.vector(2), Bias: h.f32(3),
		}
		floats, bytes := cell.Scratch()
		k.ID, k.Scratch, k.Weights = "rnn.svdf/f32/generic", 4*floats+bytes, h.weights
		if cell.Hybrid {
			k.ID = "rnn.svdf/f32s8/" + cell.Feature.ID()
		}
		k.Run = func(a *graph.Args) error {
			f, q := scratchParts(a.Scratch, floats)
			y, m, x := a.Out[0].F32(), a.In[4].F32(), a.In[0].F32()
			for b := range batch {
				cell.Step(y[b*units:(b+1)*units], m[b*filters*memory:(b+1)*filters*memory], x[b*input:(b+1)*input], f, q)
			}
			return nil
		}
		return k, nil
	}
	s, o := c.In(4), c.Out(0)
	sx, ss := float64(x.Quant.Scale[0]), float64(s.Quant.Scale[0])
	cell := &rnn.IntSVDF{
		Input: input, Filters: filters, Memory: memory, Rank: a.rank, Feature: h.s8(1), Bias: h.s64(h.ints(3)),
		In:     rnn.ScaleOf(sx * float64(w.Quant.Scale[0]) / ss),
		Out:    rnn.ScaleOf(ss * float64(t.Quant.Scale[0]) / float64(o.Quant.Scale[0])),
		InZero: x.Quant.Zero[0], MemoryZero: s.Quant.Zero[0], OutZero: o.Quant.Zero[0],
	}
	types := "s8s16/"
	if t.DType == tensor.S16 {
		cell.Time = h.s16(2)
	} else {
		types = "s8/"
		time := h.s8(2)
		cell.Time = make([]int16, len(time))
		for i, v := range time {
			cell.Time[i] = int16(v)
		}
		h.weights[tensor.S8] -= len(time)
		h.weights[tensor.S16] += 2 * len(time)
	}
	if cell.Pack() {
		s8, s16, s32 := cell.PackedBytes()
		h.weights[tensor.S8] = s8
		h.weights[tensor.S16] += s16
		h.weights[tensor.S32] = s32
	}
	sums, bytes := cell.Scratch()
	k.Scratch = 4*sums + bytes
	k.ID, k.Weights = "rnn.svdf/"+types+cell.ID(), h.weights
	k.Run = func(a *graph.Args) error {
		svdf(cell, a.Out[0].S8(), a.In[4].S16(), a.In[0].S8(), math.MinInt16, math.MaxInt16, a.Scratch)
		return nil
	}
	if t.DType == tensor.S8 {
		k.Run = func(a *graph.Args) error {
			svdf(cell, a.Out[0].S8(), a.In[4].S8(), a.In[0].S8(), math.MinInt8, math.MaxInt8, a.Scratch)
			return nil
		}
	}
	return k, nil
}

func svdf[T int8 | int16](c *rnn.IntSVDF, y []int8, m []T, x []int8, lo, hi int32, scratch []byte) {
	sums, flipped := tensor.As[int32](scratch[:4*c.Filters], 4), scratch[4*c.Filters:]
	units, size := c.Filters/c.Rank, c.Filters*c.Memory
	for b := range len(x) / c.Input {
		rnn.StepSVDF(c, y[b*units:(b+1)*units], m[b*size:(b+1)*size], x[b*c.Input:(b+1)*c.Input], lo, hi, sums, flipped)
	}
}
