package ops

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/rnn"
)

// sequence says how a recurrent operator of TensorFlow Lite walks its input.
type sequence struct {
	flat      bool // [batch][width]: one step
	timeMajor bool // [time][batch][width], else [batch][time][width]
	reverse   bool // from the last step to the first
	passes    int  // how often the whole sequence is run, the state going on; 0 means once
}

// dims returns the extents of the input.
func (q *sequence) dims(s tensor.Shape) (steps, batch, width int) {
	switch {
	case q.flat:
		return 1, s[0], s[1]
	case q.timeMajor:
		return s[0], s[1], s[2]
	}
	return s[1], s[0], s[2]
}

// rank returns the number of axes of the input.
func (q *sequence) rank() int {
	if q.flat {
		return 2
	}
	return 3
}

// walk is a sequence over static shapes.
type walk struct {
	sequence
	steps, batch int
}

func (q *sequence) walk(s tensor.Shape) walk {
	steps, batch, _ := q.dims(s)
	return walk{*q, steps, batch}
}

// at returns the row of the input and the output that holds batch entry b at step i of the walk.
func (w *walk) at(i, b int) int {
	if w.reverse {
		i = w.steps - 1 - i
	}
	if w.timeMajor || w.flat {
		return i*w.batch + b
	}
	return b*w.steps + i
}

func (w *walk) times() int { return max(w.passes, 1) }

// rows returns how often the cell steps in one run.
func (w *walk) rows() int64 { return int64(w.times()) * int64(w.steps) * int64(w.batch) }

// widthOut returns the shape of the output.
func widthOut(x tensor.Shape, n int) tensor.Shape {
	s := slices.Clone(x)
	s[len(s)-1] = n
	return s
}

// inferSequence checks the input and returns its width.
func inferSequence(c *graph.InferCtx, q *sequence) (batch, width int, err error) {
	x := c.In(0)
	if x == nil || len(x.Shape) != q.rank() {
		return 0, 0, c.Refuse("needs an input of rank %d", q.rank())
	}
	if x.Shifted {
		return 0, 0, c.Refuse("uint8 is not supported; float32 and int8 are")
	}
	_, batch, width = q.dims(x.Shape)
	if width == 0 || batch == 0 {
		return 0, 0, c.Refuse("the input %v is empty", x.Shape)
	}
	return batch, width, nil
}

// sequenceActs are TensorFlow Lite's activations in the options of recurrent operators.
var sequenceActs = map[int64]rnn.Activation{0: rnn.None, 1: rnn.Relu, 2: rnn.ReluN1To1, 3: rnn.Relu6, 4: rnn.TanhRational}

func sequenceAct(l *graph.Lower, slot int) (rnn.Activation, error) {
	v := l.Attrs().Int(slot, "", 0)
	a, ok := sequenceActs[v]
	if !ok {
		return 0, l.Refuse("activation %d is not supported; none, relu, relu_n1_to_1, relu6 and tanh are", v)
	}
	return a, nil
}

// checkState makes sure that input i is a state of the model with n elements.
func checkState(c *graph.InferCtx, i int, d tensor.DType, n int, what string) error {
	v := c.In(i)
	if v == nil || !c.G.IsState(c.N.In[i]) {
		return c.Refuse("the %s must be a variable tensor", what)
	}
	if v.DType != d || product(v.Shape) != n {
		return c.Refuse("the %s must be %s with %d elements, it is %s%v", what, d, n, v.DType, v.Shape)
	}
	return nil
}

// checkConst makes sure that input i, if it is there, is a constant of the given type and shape. Float32 constants may be held in 16 bits.
func checkConst(c *graph.InferCtx, i int, d tensor.DType, s ...int) error {
	v := c.In(i)
	if v == nil {
		return nil
	}
	if v.Const == nil {
		return c.Refuse("input %d is computed at run time; a constant is supported", i)
	}
	is := v.DType
	if d == tensor.F32 && (is == tensor.F16 || is == tensor.BF16) {
		is = d
	}
	if is != d || !v.Shape.Equal(s) {
		return c.Refuse("input %d must be %s%v, it is %s%v", i, d, tensor.Shape(s), v.DType, v.Shape)
	}
	if v.Shifted {
		return c.Refuse("input %d is uint8; int8 is supported", i)
	}
	if d == tensor.S8 || d == tensor.S16 {
		if _, zero, err := scaleOf(v, "input"); err != nil || zero != 0 {
			return c.Refuse("input %d needs one scale, and the zero point 0", i)
		}
	}
	return nil
}

// need refuses nodes without all of the given inputs.
func need(c *graph.InferCtx, is ...int) error {
	for _, i := range is {
		if c.In(i) == nil {
			return c.Refuse("input %d is missing", i)
		}
	}
	return nil
}

// holder copies constants for a kernel and counts their bytes.
type holder struct {
	c       *graph.CompileCtx
	weights map[tensor.DType]int
}

func newHolder(c *graph.CompileCtx) *holder { return &holder{c, map[tensor.DType]int{}} }

func (h *holder) f32(i int) []float32 {
	t, ok := h.c.Take(i)
	if !ok {
		return nil
	}
	v, _ := t.Floats()
	h.weights[tensor.F32] += 4 * len(v)
	return slices.Clone(v)
}

func (h *holder) s8(i int) []int8 {
	t, ok := h.c.Take(i)
	if !ok {
		return nil
	}
	h.weights[tensor.S8] += len(t.Data)
	return slices.Clone(t.S8())
}

func (h *holder) s16(i int) []int16 {
	t, ok := h.c.Take(i)
	if !ok {
		return nil
	}
	h.weights[tensor.S16] += len(t.Data)
	return slices.Clone(t.S16())
}

// ints returns an int32 or int64 constant as int64, without counting it.
func (h *holder) ints(i int) []int64 {
	t, ok := h.c.Take(i)
	if !ok {
		return nil
	}
	v, _ := t.Ints()
	return slices.Clone(v)
}

// s64 counts a slice that a kernel keeps.
func (h *holder) s64(v []int64) []int64 {
	h.weights[tensor.S64] += 8 * len(v)
	return v
}

// matrix returns weights of an operator with float32 activations.
func (h *holder) matrix(i int) rnn.Weights {
	v := h.c.In(i)
	switch {
	case v == nil:
		return rnn.Weights{}
	case v.DType == tensor.S8:
		q := h.s8(i)
		w := rnn.NewWeightsS8(q, v.Shape[0], v.Quant.Scale[0])
		s8, s32, f32 := w.Bytes()
		h.weights[tensor.S8] += s8 - len(q)
		h.weights[tensor.S32] += s32
		h.weights[tensor.F32] += f32
		return w
	}
	return rnn.Weights{F32: h.f32(i)}
}

// vector returns float32 weights, or int8 weights times their scale.
func (h *holder) vector(i int) []float32 {
	v := h.c.In(i)
	if v == nil || v.DType != tensor.S8 {
		return h.f32(i)
	}
	scale, q := v.Quant.Scale[0], h.s8(i)
	out := make([]float32, len(q))
	for k, x := range q {
		out[k] = scale * float32(x)
	}
	h.weights[tensor.S8] -= len(q)
	h.weights[tensor.F32] += 4 * len(q)
	return out
}

// log2Of returns the power of two that a scale is, within a part in a thousand of the exponent.
func log2Of(scale float32) (int, bool) {
	l := math.Log2(float64(scale))
	r := math.Round(l)
	return int(max(min(r, 1000), -1000)), math.Abs(l-r) < 1e-3
}

// scratchParts splits a kernel's scratch into float32 and int8 elements.
func scratchParts(b []byte, floats int) ([]float32, []int8) {
	return tensor.As[float32](b[:4*floats], 4), tensor.As[int8](b[4*floats:], 1)
}
