package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
)

// What operators that move data share.

// anyWhole documents the types that a mover takes: it looks at the size of an element only.
const anyWhole = "all types of 1, 2, 4 and 8 bytes"

// moveForm is a form of a TFLite operator from version 1 on.
func moveForm(op string, max int, lower func(*graph.Lower) error, dtypes string) graph.Form {
	return graph.Form{Format: graph.TFLite, Op: op, Min: 1, Max: max, DTypes: dtypes, Lower: lower}
}

// maxList bounds a list of axes, extents or offsets, because many nodes may share one list and each makes a copy of it.
const maxList = 1 << 12

// constVec returns the integers of constant input i. What a model computes from shapes is a constant by the time it gets here.
func constVec(c graph.NodeCtx, i int, what string) ([]int, error) {
	v := c.In(i)
	if v == nil {
		return nil, c.Refuse("needs %s (input %d)", what, i)
	}
	if v.Const != nil && product(v.Shape) > maxList {
		return nil, c.Refuse("%s (input %d) have %d elements; up to %d are supported", what, i, product(v.Shape), maxList)
	}
	list, ok := c.ConstInts(i)
	if !ok {
		if v.Const != nil {
			return nil, c.Refuse("%s (input %d) are %s; integers are supported", what, i, v.DType)
		}
		return nil, c.Refuse("%s (input %d) depend on data of the run and decide a shape; make input %d a constant", what, i, i)
	}
	out := make([]int, len(list))
	for k, x := range list {
		if x < math.MinInt32 || x > math.MaxInt32 {
			return nil, c.Refuse("%s (input %d) hold %d, outside of 32 bits", what, i, x)
		}
		out[k] = int(x)
	}
	return out, nil
}

// constOne is constVec for one integer.
func constOne(c graph.NodeCtx, i int, what string) (int, error) {
	v, err := constVec(c, i, what)
	if err == nil && len(v) != 1 {
		err = c.Refuse("%s (input %d) has %d elements instead of one", what, i, len(v))
	}
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// checkWhole refuses elements that are not whole bytes.
func checkWhole(c *graph.InferCtx, vs ...*graph.Value) error {
	for _, v := range vs {
		if v.DType == tensor.S4 {
			return c.Refuse("int4 data cannot be moved, only constant int4 weights are supported; store int8")
		}
	}
	return nil
}

// keepQuant gives an output without a scale that of the data it is made of.
func keepQuant(x, o *graph.Value) {
	if o != nil && o.Quant == nil && x.Quant.PerTensor() {
		o.Quant = x.Quant
	}
}

// passesOn refuses an output whose scale or zero point differs from the input's, where the bytes are passed on as they are.
func passesOn(c *graph.InferCtx, x, o *graph.Value) error {
	if o != nil && x.Quant.PerTensor() && o.Quant.PerTensor() && !sameQuant(x, o) {
		return c.Refuse("input and output differ in scale or zero point; equal ones are supported")
	}
	return nil
}

// declared returns the static shape that the file gives output 0, for operators whose result depends on data of the run.
func declared(c graph.NodeCtx, rank int) (tensor.Shape, bool) {
	o := c.Out(0)
	if o == nil || len(o.Shape) != rank {
		return nil, false
	}
	_, err := o.Shape.Elems()
	return o.Shape, err == nil
}

// indexType reports whether a type may hold indices.
func indexType(d tensor.DType) bool { return d == tensor.S16 || d == tensor.S32 || d == tensor.S64 }

// asInFile returns a value in the type that the file gives it: int8 that is uint8 there is shifted back.
func asInFile(l *graph.Lower, v graph.ValueID) graph.ValueID {
	if v == graph.None || !l.G.Values[v].Shifted {
		return v
	}
	t := l.G.NewValue(graph.Value{Name: l.N.Name + "/uint8", DType: tensor.U8})
	l.Emit(graph.ShiftSignOp, nil, ids(v), ids(t))
	return t
}

// emitInFile emits an operator whose one result is in the type that the file gives the node's output.
func emitInFile(l *graph.Lower, op string, attr any, in []graph.ValueID) {
	out := l.N.Out[0]
	if !l.G.Values[out].Shifted {
		l.Emit(op, attr, in, ids(out))
		return
	}
	t := l.G.NewValue(graph.Value{Name: l.N.Name + "/uint8", DType: tensor.U8})
	l.Emit(op, attr, in, ids(t))
	l.Emit(graph.ShiftSignOp, nil, ids(t), ids(out))
}
