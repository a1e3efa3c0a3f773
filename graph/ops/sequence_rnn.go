package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// Inputs of SequenceRNN.
const (
	rnnW = 1 + iota
	rnnR
	rnnBias
	rnnHidden // state
	rnnAux
	rnnAuxW
	rnnInputs
)

// SequenceRNNAttr is the attribute of SequenceRNN.
type SequenceRNNAttr struct {
	sequence
	act        rnn.Activation
	asymmetric bool
}

// SequenceRNN is one direction of TensorFlow Lite's RNN operators: h = act(W·x + R·h + bias), with an auxiliary input if there is one.
func init() {
	const types = "float32, float32 with int8 weights"
	graph.Register(graph.Op{Name: "SequenceRNN", Infer: inferSequenceRNN, Compile: compileSequenceRNN, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "RNN", Min: 1, Max: 3, DTypes: types, Lower: func(l *graph.Lower) error {
			return lowerRNN(l, SequenceRNNAttr{sequence: sequence{flat: true}, asymmetric: l.Attrs().Int(1, "", 0) != 0}, 0)
		}},
		graph.Form{Format: graph.TFLite, Op: "UNIDIRECTIONAL_SEQUENCE_RNN", Min: 1, Max: 3, DTypes: types, Lower: func(l *graph.Lower) error {
			return lowerRNN(l, SequenceRNNAttr{sequence: sequence{timeMajor: l.Attrs().Int(0, "", 0) != 0}, asymmetric: l.Attrs().Int(2, "", 0) != 0}, 1)
		}},
		graph.Form{Format: graph.TFLite, Op: "BIDIRECTIONAL_SEQUENCE_RNN", Min: 1, Max: 3, DTypes: types, Lower: lowerBidirectionalRNN})
}

func lowerRNN(l *graph.Lower, a SequenceRNNAttr, actSlot int) (err error) {
	if a.act, err = sequenceAct(l, actSlot); err != nil {
		return err
	}
	if len(l.N.In) != 5 || len(l.N.Out) != 1 {
		return l.Refuse("%d inputs and %d outputs instead of 5 and 1", len(l.N.In), len(l.N.Out))
	}
	l.Emit("SequenceRNN", a, l.First(rnnInputs), l.Outs())
	return nil
}

// maxPasses bounds the square of steps that hybrid bidirectional RNNs take.
const maxPasses = 1 << 10

func lowerBidirectionalRNN(l *graph.Lower) error {
	act, err := sequenceAct(l, 1)
	if err != nil {
		return err
	}
	if len(l.N.In) != 12 {
		return l.Refuse("%d inputs instead of 12", len(l.N.In))
	}
	a := SequenceRNNAttr{sequence{timeMajor: l.Attrs().Int(0, "", 0) != 0}, act, l.Attrs().Int(3, "", 0) != 0}
	in := l.N.In
	fw := []graph.ValueID{in[0], in[1], in[2], in[3], in[4], graph.None, graph.None}
	bw := []graph.ValueID{in[0], in[5], in[6], in[7], in[8], graph.None, graph.None}
	aux, fwAux, bwAux := in[9], in[10], in[11]
	merge := l.Attrs().Int(2, "", 0) != 0
	switch {
	case aux != graph.None && fwAux != graph.None:
		if x, v := l.In(0), l.In(9); x != nil && a.timeMajor && !x.Shape.Equal(v.Shape) {
			return l.Refuse("time-major, the auxiliary input %v must have the shape %v of the input: LiteRT itself takes its rows for as wide", v.Shape, x.Shape)
		}
		fw[rnnAux], fw[rnnAuxW], bw[rnnAux], bw[rnnAuxW] = aux, fwAux, aux, bwAux
	case aux != graph.None && !a.timeMajor:
		return l.Refuse("a second input for the backward direction is supported time-major only: LiteRT itself reads the first one otherwise")
	case aux != graph.None:
		bw[0] = aux // stacked without links between the directions: each reads its own predecessor
	}
	if x, w := l.In(0), l.In(rnnW); a.timeMajor && x != nil && w != nil && w.DType == tensor.S8 {
		if len(x.Shape) != 3 || x.Shape[0] > maxPasses {
			return l.Refuse("int8 weights are supported for time-major sequences of up to %d steps", maxPasses)
		}
		if merge && !a.asymmetric && x.Shape[1] > 1 {
			return l.Refuse("merged outputs of a time-major batch with int8 weights need asymmetric_quantize_inputs: LiteRT itself crashes without")
		}
		a.passes = x.Shape[0] // LiteRT's hybrid kernel walks the whole sequence once for each of its steps
	}
	back := a
	back.reverse = true
	return emitDirections(l, "SequenceRNN", a, back, fw, bw, merge)
}

func inferSequenceRNN(c *graph.InferCtx) error {
	a := c.N.Attr.(SequenceRNNAttr)
	batch, input, err := inferSequence(c, &a.sequence)
	if err != nil {
		return err
	}
	if err := need(c, rnnW, rnnR, rnnBias, rnnHidden); err != nil {
		return err
	}
	x, w := c.In(0), c.In(rnnW)
	if x.DType != tensor.F32 {
		return c.Refuse("%s is not supported; float32 with float32 or int8 weights is", x.DType)
	}
	if len(w.Shape) != 2 || w.Shape[0] == 0 {
		return c.Refuse("weights of shape %v; a matrix is supported", w.Shape)
	}
	units, width := w.Shape[0], 0
	weights := tensor.F32
	if w.DType == tensor.S8 {
		weights = tensor.S8
	}
	aux := c.In(rnnAux)
	if (aux == nil) != (c.In(rnnAuxW) == nil) {
		return c.Refuse("an auxiliary input needs weights, and weights need the input")
	}
	if aux != nil {
		if aux.DType != tensor.F32 || len(aux.Shape) != 3 || !widthOut(aux.Shape, 1).Equal(widthOut(x.Shape, 1)) || aux.Shape[2] == 0 {
			return c.Refuse("the auxiliary input %s%v does not go with the input %v", aux.DType, aux.Shape, x.Shape)
		}
		width = aux.Shape[2]
	}
	return firstOf(
		checkConst(c, rnnW, weights, units, input),
		checkConst(c, rnnR, weights, units, units),
		checkConst(c, rnnAuxW, weights, units, width),
		checkConst(c, rnnBias, tensor.F32, units),
		checkState(c, rnnHidden, tensor.F32, batch*units, "hidden state"),
		c.Set(0, tensor.F32, widthOut(x.Shape, units)),
	)
}

func compileSequenceRNN(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SequenceRNNAttr)
	x, w := c.In(0), c.In(rnnW)
	h := newHolder(c)
	cell := &rnn.Simple{
		Input: w.Shape[1], Units: w.Shape[0], Act: a.act, Hybrid: w.DType == tensor.S8, Asymmetric: a.asymmetric,
		Gate: rnn.Gate{W: h.matrix(rnnW), R: h.matrix(rnnR), Aux: h.matrix(rnnAuxW), Bias: h.f32(rnnBias)},
	}
	if aux := c.In(rnnAux); aux != nil {
		cell.Aux = aux.Shape[2]
	}
	walk := a.walk(x.Shape)
	floats, bytes := cell.Scratch()
	n, u, aux := cell.Input, cell.Units, cell.Aux
	id := "rnn.simple/f32/generic"
	if cell.Hybrid {
		id = "rnn.simple/f32s8/" + cell.Gate.W.ID()
	}
	return &graph.Kernel{
		ID: id, MACs: walk.rows() * int64(u) * int64(n+aux+u), Scratch: 4*floats + bytes, Weights: h.weights,
		Run: func(a *graph.Args) error {
			f, q := scratchParts(a.Scratch, floats)
			x, hidden, y := a.In[0].F32(), a.In[rnnHidden].F32(), a.Out[0].F32()
			var ax []float32
			if aux > 0 {
				ax = a.In[rnnAux].F32()
			}
			for range walk.times() {
				for b := range walk.batch {
					h := hidden[b*u : (b+1)*u]
					for i := range walk.steps {
						r := walk.at(i, b)
						cell.Step(h, x[r*n:(r+1)*n], ax[r*aux:(r+1)*aux], f, q)
						copy(y[r*u:(r+1)*u], h)
					}
				}
			}
			return nil
		},
	}, nil
}
