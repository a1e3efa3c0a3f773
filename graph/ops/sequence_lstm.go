package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// Inputs of SequenceLSTM: those of TensorFlow Lite's LSTM operators, then the auxiliary input and its weights.
const (
	lstmW         = 1  // input weights of the gates input, forget, cell, output
	lstmR         = 5  // recurrent weights
	lstmP         = 9  // peepholes of input, forget, output
	lstmBias      = 12 // four
	lstmProj      = 16
	lstmProjBias  = 17
	lstmHidden    = 18 // state
	lstmCell      = 19 // state
	lstmNorm      = 20 // four
	lstmAux       = 24
	lstmAuxW      = 25 // four
	lstmInputs    = 29
	lstmGates     = 4
	lstmCoupledAt = lstmW // its absence couples input and forget gate
)

// SequenceLSTMAttr is the attribute of SequenceLSTM.
type SequenceLSTMAttr struct {
	sequence
	act                rnn.Activation
	cellClip, projClip float32
	asymmetric         bool
	micro              bool            // TensorFlow Lite Micro has the operator with 24 inputs: it decides for int8 and int16 without options
	inter              []*tensor.Quant // of the gates' sums and of the hidden state, for int8
}

// SequenceLSTM is one direction of TensorFlow Lite's LSTM operators with all their options: coupled gates (no input gate weights),
// peepholes, projection, layer normalization, an auxiliary input; in float32, hybrid (int8 weights), int8 and int16. Its states are variable tensors.
func init() {
	graph.Register(graph.Op{Name: "SequenceLSTM", Infer: inferSequenceLSTM, Compile: compileSequenceLSTM, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "UNIDIRECTIONAL_SEQUENCE_LSTM", Min: 1, Max: 3, DTypes: "float32, float32 with int8 weights, int8, int16", Lower: lowerUnidirectionalLSTM},
		graph.Form{Format: graph.TFLite, Op: "LSTM", Min: 1, Max: 4, DTypes: "float32, float32 with int8 weights, int8; basic kernel: float32, uint8", Lower: lowerLSTM},
		graph.Form{Format: graph.TFLite, Op: "BIDIRECTIONAL_SEQUENCE_LSTM", Min: 1, Max: 3, DTypes: "float32, float32 with int8 weights", Lower: lowerBidirectionalLSTM})
}

// lstmAttr reads the options that the three operators share.
func lstmAttr(l *graph.Lower) (a SequenceLSTMAttr, err error) {
	a.cellClip, a.projClip = l.Attrs().Float(1, "", 0), l.Attrs().Float(2, "", 0)
	if !(a.cellClip >= 0) || !(a.projClip >= 0) {
		return a, l.Refuse("cell_clip %v and proj_clip %v must not be negative", a.cellClip, a.projClip)
	}
	for _, id := range l.N.Src.Inter {
		var q *tensor.Quant
		if id != graph.None {
			q = l.G.Values[id].Quant
		}
		a.inter = append(a.inter, q)
	}
	if a.act, err = sequenceAct(l, 0); a.act == rnn.None && err == nil {
		err = l.Refuse("an LSTM without activation is not supported: TensorFlow Lite's kernels then multiply stale memory; tanh and the relus are")
	}
	return a, err
}

func lowerUnidirectionalLSTM(l *graph.Lower) error {
	a, err := lstmAttr(l)
	if err != nil {
		return err
	}
	if l.Attrs().Int(5, "", 0) != 0 {
		return l.Refuse("diagonal recurrent tensors are not supported; full matrices are")
	}
	a.micro, a.timeMajor, a.asymmetric = len(l.N.In) == 24, l.Attrs().Int(3, "", 0) != 0, l.Attrs().Int(4, "", 0) != 0
	return emitLSTM(l, a)
}

func lowerLSTM(l *graph.Lower) error {
	a, err := lstmAttr(l)
	if err != nil {
		return err
	}
	switch k := l.Attrs().Int(3, "", 0); k {
	case 0:
	case 1:
		return lowerBasicLSTM(l)
	default:
		return l.Refuse("kernel type %d is not supported; 0 (full) and 1 (basic) are", k)
	}
	a.flat, a.asymmetric = true, l.Attrs().Int(4, "", 0) != 0
	return emitLSTM(l, a)
}

func emitLSTM(l *graph.Lower, a SequenceLSTMAttr) error {
	if n := len(l.N.In); n != 20 && n != 24 {
		return l.Refuse("%d inputs; 20 and 24 are supported", n)
	}
	if len(l.N.Out) != 1 {
		return l.Refuse("%d outputs instead of one", len(l.N.Out))
	}
	l.Emit("SequenceLSTM", a, l.First(lstmInputs), l.Outs())
	return nil
}

// lowerBidirectionalLSTM makes one node per direction; merged outputs are concatenated.
func lowerBidirectionalLSTM(l *graph.Lower) error {
	a, err := lstmAttr(l)
	if err != nil {
		return err
	}
	a.timeMajor, a.asymmetric = l.Attrs().Int(4, "", 1) != 0, l.Attrs().Int(5, "", 0) != 0
	if len(l.N.In) != 48 {
		return l.Refuse("%d inputs instead of 48", len(l.N.In))
	}
	x, merge := l.In(0), l.Attrs().Int(3, "", 0) != 0
	if x == nil || x.DType != tensor.F32 {
		return l.Refuse("only float32 activations are supported, with float32 or int8 weights")
	}
	if merge && !a.timeMajor && len(x.Shape) == 3 && x.Shape[0] > 1 {
		return l.Refuse("merged outputs of a batch are supported time-major only: LiteRT itself reads beyond its states otherwise")
	}
	src := l.N.In
	const aux, auxWeights = 39, 40
	direction := func(first, states, auxW int) []graph.ValueID {
		in := make([]graph.ValueID, lstmInputs)
		for i := range in {
			in[i] = graph.None
		}
		copy(in, src[:1])
		copy(in[lstmW:], src[first:first+17])
		copy(in[lstmHidden:], src[states:states+2])
		if src[auxWeights+1] != graph.None {
			in[lstmAux] = src[aux]
			copy(in[lstmAuxW:], src[auxW:auxW+lstmGates])
		}
		return in
	}
	fw, bw := direction(1, 35, auxWeights), direction(18, 37, auxWeights+lstmGates)
	if src[auxWeights+1] == graph.None && src[aux] != graph.None {
		bw[0] = src[aux] // stacked without links between the directions: each reads its own predecessor
	}
	back := a
	back.reverse = true
	return emitDirections(l, "SequenceLSTM", a, back, fw, bw, merge)
}

// emitDirections emits a forward and a backward node whose outputs are the source node's, or concatenated where merge says so.
func emitDirections(l *graph.Lower, op string, forward, backward any, fw, bw []graph.ValueID, merge bool) error {
	outs, want := l.Outs(), 2
	if merge {
		want = 1
	}
	if len(outs) != want {
		return l.Refuse("%d outputs instead of %d", len(outs), want)
	}
	a, b := outs[0], graph.None
	if merge {
		a, b = l.Temp("forward", nil), l.Temp("backward", nil)
	} else {
		b = outs[1]
	}
	l.Emit(op, forward, fw, ids(a))
	l.Emit(op, backward, bw, ids(b))
	if merge {
		l.Emit("Concat", ConcatAttr{Axis: 2}, ids(a, b), outs[:1])
	}
	return nil
}

// lstmShape are the extents of an LSTM.
type lstmShape struct{ batch, input, aux, cells, output int }

func inferSequenceLSTM(c *graph.InferCtx) error {
	a := c.N.Attr.(SequenceLSTMAttr)
	batch, input, err := inferSequence(c, &a.sequence)
	if err != nil {
		return err
	}
	x := c.In(0)
	if err := need(c, lstmW+1, lstmW+2, lstmW+3, lstmR+1, lstmR+2, lstmR+3, lstmBias+1, lstmBias+2, lstmBias+3, lstmHidden, lstmCell); err != nil {
		return err
	}
	w, r := c.In(lstmW+3), c.In(lstmR+3)
	if len(w.Shape) != 2 || len(r.Shape) != 2 || w.Shape[0] == 0 || r.Shape[1] == 0 {
		return c.Refuse("weights of shape %v and %v; matrices are supported", w.Shape, r.Shape)
	}
	d := lstmShape{batch: batch, input: input, cells: w.Shape[0], output: r.Shape[1]}
	if err := lstmParts(c, &d); err != nil {
		return err
	}
	switch x.DType {
	case tensor.F32:
		err = inferFloatLSTM(c, &a, &d)
	case tensor.S8, tensor.S16:
		err = inferIntLSTM(c, &a, &d)
	default:
		err = c.Refuse("%s is not supported; float32, int8 and int16 are", x.DType)
	}
	if err != nil {
		return err
	}
	return c.Set(0, x.DType, widthOut(x.Shape, d.output))
}

// lstmParts checks which optional inputs are there: all of a group, or none.
func lstmParts(c *graph.InferCtx, d *lstmShape) error {
	group := func(what string, is ...int) (bool, error) {
		n := 0
		for _, i := range is {
			if c.In(i) != nil {
				n++
			}
		}
		if n != 0 && n != len(is) {
			return false, c.Refuse("the %s are incomplete: inputs %v belong together", what, is)
		}
		return n > 0, nil
	}
	gate, err := group("parameters of the input gate", lstmW, lstmR, lstmBias)
	if err != nil {
		return err
	}
	for _, g := range []struct {
		what   string
		inputs []int
		first  int
	}{{"peepholes", []int{lstmP + 1, lstmP + 2}, lstmP}, {"coefficients of the layer normalization", []int{lstmNorm + 1, lstmNorm + 2, lstmNorm + 3}, lstmNorm},
		{"auxiliary weights", []int{lstmAuxW + 1, lstmAuxW + 2, lstmAuxW + 3}, lstmAuxW}} {
		if gate { // the input gate's part belongs to the group
			g.inputs = append([]int{g.first}, g.inputs...)
		} else if c.In(g.first) != nil {
			return c.Refuse("input %d belongs to the input gate, which is missing", g.first)
		}
		if _, err := group(g.what, g.inputs...); err != nil {
			return err
		}
	}
	if c.In(lstmProj) == nil {
		if c.In(lstmProjBias) != nil {
			return c.Refuse("there is a bias of the projection, but no projection")
		}
		if d.output != d.cells {
			return c.Refuse("%d outputs of %d cells need a projection", d.output, d.cells)
		}
	}
	aux := c.In(lstmAux)
	if (aux == nil) != (c.In(lstmAuxW+1) == nil) {
		return c.Refuse("an auxiliary input needs weights, and weights need the input")
	}
	if aux != nil {
		x := c.In(0).Shape
		if aux.DType != c.In(0).DType || len(aux.Shape) != len(x) || !widthOut(aux.Shape, 1).Equal(widthOut(x, 1)) || aux.Shape[len(x)-1] == 0 {
			return c.Refuse("the auxiliary input %s%v does not go with the input %v", aux.DType, aux.Shape, x)
		}
		d.aux = aux.Shape[len(x)-1]
	}
	return nil
}

func inferFloatLSTM(c *graph.InferCtx, a *SequenceLSTMAttr, d *lstmShape) error {
	weights := tensor.F32
	if c.In(lstmW+3).DType == tensor.S8 {
		weights = tensor.S8
	}
	for k := range lstmGates {
		if err := firstOf(
			checkConst(c, lstmW+k, weights, d.cells, d.input),
			checkConst(c, lstmR+k, weights, d.cells, d.output),
			checkConst(c, lstmAuxW+k, weights, d.cells, d.aux),
			checkConst(c, lstmBias+k, tensor.F32, d.cells),
			checkConst(c, lstmNorm+k, tensor.F32, d.cells),
		); err != nil {
			return err
		}
	}
	for k := range 3 {
		if err := checkConst(c, lstmP+k, weights, d.cells); err != nil {
			return err
		}
	}
	return firstOf(
		checkConst(c, lstmProj, weights, d.output, d.cells),
		checkConst(c, lstmProjBias, tensor.F32, d.output),
		checkState(c, lstmHidden, tensor.F32, d.batch*d.output, "output state"),
		checkState(c, lstmCell, tensor.F32, d.batch*d.cells, "cell state"),
	)
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func compileSequenceLSTM(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(SequenceLSTMAttr)
	x := c.In(0)
	if x.DType != tensor.F32 {
		return compileIntLSTM(c, &a)
	}
	if w := c.In(lstmW + 3); w.DType != tensor.S8 && plainLSTM(c.NodeCtx, &a) && a.act == rnn.TanhRational {
		a.act = rnn.Tanh // TensorFlow Lite Micro's
	}
	h := newHolder(c)
	w, r := c.In(lstmW+3), c.In(lstmR+3)
	cell := &rnn.Cell{
		Input: w.Shape[1], Cells: w.Shape[0], Output: r.Shape[1], Coupled: c.In(lstmCoupledAt) == nil, Act: a.act, Out: a.act,
		CellClip: a.cellClip, ProjClip: a.projClip, Hybrid: w.DType == tensor.S8, Asymmetric: a.asymmetric,
	}
	if aux := c.In(lstmAux); aux != nil {
		cell.Aux = aux.Shape[len(aux.Shape)-1]
	}
	for k := range cell.Gates {
		g := &cell.Gates[k]
		g.W, g.R, g.Aux = h.matrix(lstmW+k), h.matrix(lstmR+k), h.matrix(lstmAuxW+k)
		g.Norm, g.Bias = h.f32(lstmNorm+k), h.f32(lstmBias+k)
	}
	for i, k := range peepholeGates {
		cell.Gates[k].P = h.vector(lstmP + i)
	}
	cell.Proj, cell.ProjBias = h.matrix(lstmProj), h.f32(lstmProjBias)
	walk := a.walk(x.Shape)
	floats, bytes := cell.Scratch()
	id := "rnn.lstm/f32/generic"
	if cell.Hybrid {
		id = "rnn.lstm/f32s8/" + cell.Gates[rnn.GateForget].W.ID()
	}
	n, m, o, aux := cell.Input, cell.Cells, cell.Output, cell.Aux
	macs := int64(lstmGates*m) * int64(n+aux+o)
	if cell.Proj.Present() {
		macs += int64(m) * int64(o)
	}
	kernel := &graph.Kernel{
		ID: id, MACs: walk.rows() * macs, Scratch: 4*floats + bytes, Weights: h.weights,
		Run: func(a *graph.Args) error {
			f, q := scratchParts(a.Scratch, floats)
			x, hidden, state, y := a.In[0].F32(), a.In[lstmHidden].F32(), a.In[lstmCell].F32(), a.Out[0].F32()
			var ax []float32
			if aux > 0 {
				ax = a.In[lstmAux].F32()
			}
			for range walk.times() {
				for b := range walk.batch {
					h, s := hidden[b*o:(b+1)*o], state[b*m:(b+1)*m]
					for i := range walk.steps {
						r := walk.at(i, b)
						cell.Step(h, s, x[r*n:(r+1)*n], ax[r*aux:(r+1)*aux], f, q)
						copy(y[r*o:(r+1)*o], h)
					}
				}
			}
			return nil
		},
	}
	if p := cell.Pack(); p != nil {
		packLSTM(kernel, p, &walk, n, m)
	}
	return kernel, nil
}

// packLSTM replaces a kernel by that of a packed cell.
func packLSTM(k *graph.Kernel, p *rnn.Packed, w *walk, input, cells int) {
	k.ID, k.Scratch, k.Weights = "rnn.lstm/f32/"+p.ID(), 4*p.Scratch(w.steps), floatBytes(p.Bytes())
	run := func(a *graph.Args, walk *rnn.Walk) error {
		s := tensor.As[float32](a.Scratch, 4)
		x, hidden, state, y := a.In[0].F32(), a.In[lstmHidden].F32(), a.In[lstmCell].F32(), a.Out[0].F32()
		stride := 1
		if w.timeMajor || w.flat {
			stride = w.batch
		}
		for range w.times() {
			for b := range w.batch {
				first := w.at(0, b)
				if w.reverse {
					first = w.at(w.steps-1, b)
				}
				h, c := hidden[b*cells:(b+1)*cells], state[b*cells:(b+1)*cells]
				walk.Run(y[first*cells:], stride*cells, h, c, x[first*input:], stride*input, w.steps, w.reverse, s)
			}
		}
		return nil
	}
	k.Run, k.Bind = nil, func(*graph.Args) (func(*graph.Args) error, error) {
		walk := p.Walk()
		return func(a *graph.Args) error { return run(a, walk) }, nil
	}
}

// peepholeGates are the gates of the three peepholes in their order.
var peepholeGates = [...]int{rnn.GateInput, rnn.GateForget, rnn.GateOutput}
