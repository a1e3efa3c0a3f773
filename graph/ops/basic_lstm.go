package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// BasicLSTM is the kernel with five inputs of TensorFlow Lite's first LSTM: input, previous output, weights of the four gates
// [4*cells][input+cells] in the order input, cell, forget, output, biases, previous state; it gives output, state, the
// concatenated input and the gates. Previous values that are variable tensors move on with each run.
func init() {
	graph.Register(graph.Op{Name: "BasicLSTM", Infer: inferBasicLSTM, Compile: compileBasicLSTM, Impure: true})
}

func lowerBasicLSTM(l *graph.Lower) error {
	if len(l.N.In) != 5 || len(l.N.Out) != 4 {
		return l.Refuse("the basic kernel needs 5 inputs and 4 outputs, not %d and %d", len(l.N.In), len(l.N.Out))
	}
	l.Emit("BasicLSTM", nil, l.Ins(), l.Outs())
	return nil
}

func inferBasicLSTM(c *graph.InferCtx) error {
	if err := need(c, 0, 1, 2, 3, 4); err != nil {
		return err
	}
	x, h, w, s := c.In(0), c.In(1), c.In(2), c.In(4)
	if len(x.Shape) != 2 || len(h.Shape) != 2 || h.Shape[0] != x.Shape[0] || h.Shape[1] == 0 || !s.Shape.Equal(h.Shape) {
		return c.Refuse("input %v, previous output %v and state %v do not go together", x.Shape, h.Shape, s.Shape)
	}
	batch, n, total := h.Shape[0], h.Shape[1], x.Shape[1]+h.Shape[1]
	state, bias, gates := tensor.F32, tensor.F32, tensor.F32
	switch x.DType {
	case tensor.F32:
	case tensor.S8:
		state, bias, gates = tensor.S16, tensor.S32, tensor.S16
		for i := range 3 {
			if v := c.In(i); !v.Shifted {
				return c.Refuse("int8 is not supported by the basic kernel; uint8 and float32 are")
			}
		}
		if o := c.Out(0); o == nil || !o.Shifted {
			return c.Refuse("the output must be uint8")
		}
		if w.Quant == nil || !w.Quant.PerTensor() || w.Quant.Zero[0] < math.MinInt8 || w.Quant.Zero[0] > math.MaxInt8 {
			return c.Refuse("the weights need one scale and a zero point within uint8")
		}
		if q := c.In(3).Quant; q == nil || !q.PerTensor() {
			return c.Refuse("the biases have no scale")
		}
		if o := c.Out(1); o == nil || o.Quant == nil || !o.Quant.PerTensor() {
			return c.Refuse("the state has no scale")
		} else if p, ok := log2Of(o.Quant.Scale[0]); !ok || p != -11 {
			return c.Refuse("the state's scale %v is not 2^-11", o.Quant.Scale[0])
		}
	default:
		return c.Refuse("%s is not supported; float32 and uint8 are", x.DType)
	}
	if h.DType != x.DType || s.DType != state {
		return c.Refuse("previous output %s and state %s do not go with the input %s", h.DType, s.DType, x.DType)
	}
	if w.Const == nil || w.DType != x.DType || !w.Shape.Equal(tensor.Shape{4 * n, total}) {
		return c.Refuse("the weights must be a constant %s%v, they are %s%v", x.DType, tensor.Shape{4 * n, total}, w.DType, w.Shape)
	}
	if h.Const != nil || s.Const != nil {
		return c.Refuse("previous output and state must be variable tensors or inputs, not constants")
	}
	return firstOf(
		checkConst(c, 3, bias, 4*n),
		c.Set(0, x.DType, h.Shape), c.Set(1, state, h.Shape),
		c.Set(2, x.DType, tensor.Shape{batch, total}), c.Set(3, gates, tensor.Shape{batch, 4 * n}),
	)
}

func compileBasicLSTM(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, s := c.In(0), c.In(1)
	n, total := s.Shape[1], x.Shape[1]+s.Shape[1]
	batch, input := x.Shape[0], x.Shape[1]
	states, cells := c.G.IsState(c.N.In[1]), c.G.IsState(c.N.In[4])
	k := &graph.Kernel{MACs: int64(batch) * int64(4*n) * int64(total)}
	hold := newHolder(c)
	if x.DType == tensor.F32 {
		cell := &rnn.Basic{Input: input, Cells: n, W: hold.f32(2), Bias: hold.f32(3)}
		k.ID, k.Weights = "rnn.lstm_basic/f32/generic", hold.weights
		k.Run = func(a *graph.Args) error {
			cell.Run(a.Out[0].F32(), a.Out[1].F32(), a.Out[2].F32(), a.Out[3].F32(), a.In[0].F32(), a.In[1].F32(), a.In[4].F32())
			keepStates(a, states, cells)
			return nil
		}
		return k, nil
	}
	wq, bq := c.In(2).Quant, c.In(3).Quant
	w := hold.s8(2)
	cell := &rnn.BasicS8{Input: input, Cells: n, W: w, Zero: wq.Zero[0], Bias: hold.s64(hold.ints(3)), Scale: rnn.ScaleOf(4096 * float64(bq.Scale[0]))}
	k.ID, k.Weights = "rnn.lstm_basic/s8/generic", hold.weights
	k.Run = func(a *graph.Args) error {
		cell.Run(a.Out[0].S8(), a.Out[1].S16(), a.Out[2].S8(), a.Out[3].S16(), a.In[0].S8(), a.In[1].S8(), a.In[4].S16())
		keepStates(a, states, cells)
		return nil
	}
	return k, nil
}

// keepStates moves the results into the variable tensors.
func keepStates(a *graph.Args, output, state bool) {
	if output {
		copy(a.In[1].Data, a.Out[0].Data)
	}
	if state {
		copy(a.In[4].Data, a.Out[1].Data)
	}
}
