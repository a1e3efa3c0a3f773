package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/rnn"
)

// GRU and LSTM as ONNX defines them: X, W, R, B, sequence_lens, initial_h, and for LSTM initial_c and P, give Y, Y_h and
// for LSTM Y_c. A state that the caller does not pass in starts at zero in every run; a model keeps state from run to run
// only through its own inputs and outputs.
func init() {
	graph.Register(graph.Op{Name: "GRU", Infer: inferRecurrent, Compile: compileRecurrent},
		onnxForm("GRU", 7, lowerRecurrent, "float32, bfloat16 weights"))
	graph.Register(graph.Op{Name: "LSTM", Infer: inferRecurrent, Compile: compileRecurrent},
		onnxForm("LSTM", 7, lowerRecurrent, "float32, bfloat16 weights"))
}

type recurrentAttr struct {
	lstm       bool
	hidden     int
	directions int  // 2 for bidirectional
	reverse    bool // the only direction runs backwards
	batchFirst bool // layout 1: X is [batch][time][input]
	lbr        bool
	clip       float32
	acts       []rnn.Activation // two per direction for GRU, three for LSTM
}

func (a *recurrentAttr) gates() int {
	if a.lstm {
		return 4
	}
	return 3
}

var recurrentActivations = map[string]rnn.Activation{"Sigmoid": rnn.Sigmoid, "Tanh": rnn.Tanh, "Relu": rnn.Relu}

func lowerRecurrent(l *graph.Lower) error {
	at := l.Attrs()
	a := recurrentAttr{
		lstm:       l.N.Src.Op == "LSTM",
		directions: 1,
		batchFirst: at.Int(-1, "layout", 0) == 1,
		lbr:        at.Int(-1, "linear_before_reset", 0) != 0,
		clip:       at.Float(-1, "clip", 0),
	}
	switch d := at.String(-1, "direction", "forward"); d {
	case "forward":
	case "reverse":
		a.reverse = true
	case "bidirectional":
		a.directions = 2
	default:
		return l.Refuse("direction %q is unknown", d)
	}
	if at.Int(-1, "input_forget", 0) != 0 {
		return l.Refuse("input_forget (coupled gates) is not supported; export with separate gates")
	}
	x, r := l.In(0), l.In(2)
	if x == nil || l.In(1) == nil || r == nil || len(x.Shape) != 3 || len(r.Shape) != 3 {
		return l.Refuse("needs X, W and R of rank 3")
	}
	a.hidden = int(at.Int(-1, "hidden_size", int64(r.Shape[2])))
	defaults, per := []string{"Sigmoid", "Tanh"}, 2
	if a.lstm {
		defaults, per = []string{"Sigmoid", "Tanh", "Tanh"}, 3
	}
	names := attrStrings(at, "activations")
	if len(names) == 0 {
		names = slices.Repeat(defaults, a.directions)
	}
	if len(names) != per*a.directions {
		return l.Refuse("%d activations instead of %d", len(names), per*a.directions)
	}
	for _, n := range names {
		f, ok := recurrentActivations[n]
		if !ok {
			return l.Refuse("activation %q is not supported; Sigmoid, Tanh and Relu are", n)
		}
		a.acts = append(a.acts, f)
	}
	in := l.Ins()
	if l.In(4) != nil {
		steps := x.Shape[0]
		if a.batchFirst {
			steps = x.Shape[1]
		}
		lens, ok := l.ConstInts(4)
		if !ok {
			return l.Refuse("sequence_lens is computed at run time; only whole sequences are supported: omit it")
		}
		for _, n := range lens {
			if n != int64(steps) {
				return l.Refuse("sequence_lens has %d where the sequence has %d steps; only whole sequences are supported", n, steps)
			}
		}
		in[4] = graph.None
	}
	for i := range in { // only W and R stay in two-byte storage
		if i != 1 && i != 2 {
			in[i] = widened(l, in[i])
		}
	}
	if w, r := l.G.Values[in[1]].DType, l.G.Values[in[2]].DType; w != r {
		in[1], in[2] = widened(l, in[1]), widened(l, in[2])
	}
	l.Emit(l.N.Src.Op, a, in, l.Outs())
	return nil
}

// recurrentDims returns the extents of X after checking its rank.
func recurrentDims(a *recurrentAttr, x tensor.Shape) (steps, batch, input int) {
	if a.batchFirst {
		return x[1], x[0], x[2]
	}
	return x[0], x[1], x[2]
}

func inferRecurrent(c *graph.InferCtx) error {
	a := c.N.Attr.(recurrentAttr)
	x := c.In(0)
	if x == nil || x.DType != tensor.F32 || len(x.Shape) != 3 {
		return c.Refuse("X must be float32 of rank 3")
	}
	steps, batch, input := recurrentDims(&a, x.Shape)
	d, h, g := a.directions, a.hidden, a.gates()
	if h < 1 {
		return c.Refuse("hidden_size is %d", h)
	}
	state := tensor.Shape{d, batch, h}
	if a.batchFirst {
		state = tensor.Shape{batch, d, h}
	}
	want := []tensor.Shape{nil, {d, g * h, input}, {d, g * h, h}, {d, 2 * g * h}, nil, state, state, {d, 3 * h}}
	for i := 1; i < len(c.N.In); i++ {
		v := c.In(i)
		if v == nil {
			continue
		}
		if i >= len(want) || want[i] == nil || i > 5 && !a.lstm {
			return c.Refuse("input %d is not supported", i)
		}
		if !v.Shape.Equal(want[i]) {
			return c.Refuse("input %d has the shape %v, the other inputs ask for %v", i, v.Shape, want[i])
		}
		if v.DType != tensor.F32 && (v.DType != tensor.BF16 || i > 2 || v.Const == nil) {
			return c.Refuse("input %d is %s; float32 is supported, and bfloat16 for constant W and R", i, v.DType)
		}
	}
	if c.In(1) == nil || c.In(2) == nil {
		return c.Refuse("needs W and R")
	}
	y := tensor.Shape{steps, d, batch, h}
	if a.batchFirst {
		y = tensor.Shape{batch, steps, d, h}
	}
	if err := c.Set(0, tensor.F32, y); err != nil {
		return err
	}
	for i := 1; i < len(c.N.Out); i++ {
		if i > 2 || i == 2 && !a.lstm {
			return c.Refuse("output %d is unknown", i)
		}
		if err := c.Set(i, tensor.F32, state); err != nil {
			return err
		}
	}
	return nil
}

// recurrent is the compiled layer: cells per direction, whose slices are nil where they come from the step's inputs.
type recurrent struct {
	recurrentAttr
	steps, batch, input int
	gru                 [2]rnn.GRU
	cell                [2]rnn.LSTM
	w, r, b, p          bool // whether the slice is constant and held by the cell
	packed              [2]*rnn.Packed
}

func compileRecurrent(c *graph.CompileCtx) (*graph.Kernel, error) {
	k := &recurrent{recurrentAttr: c.N.Attr.(recurrentAttr)}
	k.steps, k.batch, k.input = recurrentDims(&k.recurrentAttr, c.In(0).Shape)
	h, g := k.hidden, k.gates()
	types := "f32"
	weights := map[tensor.DType]int{}
	hold := func(i int) (*tensor.Tensor, bool) {
		t, ok := c.Take(i)
		if !ok {
			return nil, false
		}
		weights[t.DType] += len(t.Data)
		o := &tensor.Tensor{DType: t.DType, Shape: t.Shape, Data: tensor.Aligned(len(t.Data))}
		copy(o.Data, t.Data) // the model file need not stay in memory
		return o, true
	}
	for d := range k.directions {
		per := len(k.acts) / k.directions
		act := k.acts[d*per:]
		k.gru[d] = rnn.GRU{Input: k.input, Hidden: h, LinearBeforeReset: k.lbr, F: act[0], G: act[1], Clip: k.clip}
		if k.lstm {
			k.cell[d] = rnn.LSTM{Input: k.input, Hidden: h, F: act[0], G: act[1], H: act[2], Clip: k.clip}
		}
	}
	var t *tensor.Tensor
	if t, k.w = hold(1); k.w {
		k.setW(t)
		if t.DType == tensor.BF16 {
			types = "bf16"
		}
	}
	if t, k.r = hold(2); k.r {
		k.setR(t)
	}
	if t, k.b = hold(3); k.b {
		k.setB(t)
	}
	if t, k.p = hold(7); k.p {
		k.setP(t)
	}
	id := "rnn.gru/"
	if k.lstm {
		id = "rnn.lstm/"
	}
	kernel := &graph.Kernel{
		ID:      id + types + "/generic",
		MACs:    int64(k.steps) * int64(k.batch) * int64(k.directions) * int64(g*h) * int64(k.input+h),
		Scratch: 4 * (8*h + 2*h),
		Weights: weights,
		Run:     k.run,
	}
	if k.w && k.r && (k.b || c.In(3) == nil) && (k.p || c.In(7) == nil) && k.pack() {
		kernel.ID = id + types + "/" + k.packed[0].ID()
		kernel.Scratch = 4 * (2*h + k.packed[0].Scratch(k.steps))
		bytes := gemm.FormBytes{}
		for _, p := range k.packed[:k.directions] {
			bytes = bytes.Plus(p.Bytes())
		}
		kernel.Weights = floatBytes(bytes)
		k.gru, k.cell = [2]rnn.GRU{}, [2]rnn.LSTM{}
		kernel.Run, kernel.Bind = nil, func(*graph.Args) (func(*graph.Args) error, error) {
			var walks [2]*rnn.Walk
			for d := range k.directions {
				walks[d] = k.packed[d].Walk()
			}
			return func(a *graph.Args) error { return k.runPacked(a, &walks) }, nil
		}
	}
	return kernel, nil
}

// pack packs all directions, where there is something to gain.
func (k *recurrent) pack() bool {
	for d := range k.directions {
		if k.lstm {
			k.packed[d] = k.cell[d].Pack()
		} else {
			k.packed[d] = k.gru[d].Pack()
		}
		if k.packed[d] == nil {
			return false
		}
	}
	return true
}

// rows returns the part of t that belongs to direction d.
func rows(t *tensor.Tensor, d, directions int) rnn.Matrix {
	if t.DType == tensor.BF16 {
		v := t.BF16()
		n := len(v) / directions
		return rnn.Matrix{BF16: v[d*n : (d+1)*n]}
	}
	v := t.F32()
	n := len(v) / directions
	return rnn.Matrix{F32: v[d*n : (d+1)*n]}
}

func (k *recurrent) setW(t *tensor.Tensor) {
	for d := range k.directions {
		m := rows(t, d, k.directions)
		k.gru[d].W, k.cell[d].W = m, m
	}
}

func (k *recurrent) setR(t *tensor.Tensor) {
	for d := range k.directions {
		m := rows(t, d, k.directions)
		k.gru[d].R, k.cell[d].R = m, m
	}
}

func (k *recurrent) setB(t *tensor.Tensor) {
	for d := range k.directions {
		b := rows(t, d, k.directions).F32
		n := len(b) / 2
		k.gru[d].Wb, k.gru[d].Rb = b[:n], b[n:]
		k.cell[d].Wb, k.cell[d].Rb = b[:n], b[n:]
	}
}

func (k *recurrent) setP(t *tensor.Tensor) {
	for d := range k.directions {
		k.cell[d].P = rows(t, d, k.directions).F32
	}
}

func input(a *graph.Args, i int) *tensor.Tensor {
	if i < len(a.In) {
		return a.In[i]
	}
	return nil
}

func output(a *graph.Args, i int) []float32 {
	if i < len(a.Out) && a.Out[i] != nil {
		return a.Out[i].F32()
	}
	return nil
}

// stateAt returns the elements of batch entry b and direction d in an initial or final state.
func (k *recurrent) stateAt(s []float32, b, d int) []float32 {
	i := d*k.batch + b
	if k.batchFirst {
		i = b*k.directions + d
	}
	return s[i*k.hidden : (i+1)*k.hidden]
}

// begin copies the initial states of batch entry b and direction d to h and c, or zero.
func (k *recurrent) begin(a *graph.Args, h, c []float32, b, d int) {
	clear(h)
	clear(c)
	if t := input(a, 5); t != nil {
		copy(h, k.stateAt(t.F32(), b, d))
	}
	if t := input(a, 6); t != nil {
		copy(c, k.stateAt(t.F32(), b, d))
	}
}

// end copies the states to the outputs that want them.
func (k *recurrent) end(a *graph.Args, h, c []float32, b, d int) {
	if yh := output(a, 1); yh != nil {
		copy(k.stateAt(yh, b, d), h)
	}
	if yc := output(a, 2); yc != nil {
		copy(k.stateAt(yc, b, d), c)
	}
}

// rowAt returns the row of X and of Y that belongs to a step.
func (k *recurrent) rowAt(s, b, d int) (x, y int) {
	if k.batchFirst {
		return b*k.steps + s, (b*k.steps+s)*k.directions + d
	}
	return s*k.batch + b, (s*k.directions+d)*k.batch + b
}

// runPacked is run for constant weights.
func (k *recurrent) runPacked(a *graph.Args, walks *[2]*rnn.Walk) error {
	if k.steps == 0 {
		return k.run(a)
	}
	n := k.hidden
	scratch := tensor.As[float32](a.Scratch, 4)
	h, c, scratch := scratch[:n], scratch[n:2*n], scratch[2*n:]
	x, y := a.In[0].F32(), output(a, 0)
	for d := range k.directions {
		for b := range k.batch {
			k.begin(a, h, c, b, d)
			i, o := k.rowAt(0, b, d)
			xs, ys := 0, 0
			if k.steps > 1 {
				xs, ys = k.rowAt(1, b, d)
				xs, ys = xs-i, ys-o
			}
			var rows []float32
			if y != nil {
				rows = y[o*n:]
			}
			walks[d].Run(rows, ys*n, h, c, x[i*k.input:], xs*k.input, k.steps, k.reverse || d == 1, scratch)
			k.end(a, h, c, b, d)
		}
	}
	return nil
}

func (k *recurrent) run(a *graph.Args) error {
	l := *k // cells whose weights are inputs are completed in a copy, so that plans stay shared
	if t := input(a, 1); t != nil {
		l.setW(t)
	}
	if t := input(a, 2); t != nil {
		l.setR(t)
	}
	if t := input(a, 3); t != nil {
		l.setB(t)
	}
	if t := input(a, 7); t != nil {
		l.setP(t)
	}
	n := l.hidden
	scratch := tensor.As[float32](a.Scratch, 4)
	h, c, scratch := scratch[:n], scratch[n:2*n], scratch[2*n:]
	x := a.In[0].F32()
	y := output(a, 0)
	for d := range l.directions {
		backwards := l.reverse || d == 1
		for b := range l.batch {
			l.begin(a, h, c, b, d)
			for s := range l.steps {
				if backwards {
					s = l.steps - 1 - s
				}
				i, o := l.rowAt(s, b, d)
				xs := x[i*l.input : (i+1)*l.input]
				if l.lstm {
					l.cell[d].Step(h, c, xs, scratch)
				} else {
					l.gru[d].Step(h, xs, scratch)
				}
				if y != nil {
					copy(y[o*n:(o+1)*n], h)
				}
			}
			l.end(a, h, c, b, d)
		}
	}
	return nil
}
