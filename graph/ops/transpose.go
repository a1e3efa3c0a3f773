package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// Transpose reorders axes: axis i of the output is axis Perm[i] of the input. Every dtype of whole bytes.
func init() {
	graph.Register(graph.Op{Name: graph.TransposeOp, Infer: inferTranspose, Compile: compileTranspose},
		moveForm("TRANSPOSE", 9, lowerTransposeTFLite, anyWhole),
		onnxForm("Transpose", 1, lowerTransposeONNX, "any"))
}

func lowerTransposeTFLite(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs data")
	}
	perm, err := constVec(l.NodeCtx, 1, "perm")
	if err != nil {
		return err
	}
	for i, p := range perm {
		if p < 0 {
			perm[i] += len(x.Shape)
		}
	}
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, l.First(1), l.Outs())
	return nil
}

func lowerTransposeONNX(l *graph.Lower) error {
	x := l.In(0)
	if x == nil {
		return l.Refuse("needs one input")
	}
	perm := ints(l.Attrs().Ints(-1, "perm"))
	if !l.Attrs().Has(-1, "perm") {
		for i := len(x.Shape) - 1; i >= 0; i-- {
			perm = append(perm, i)
		}
	}
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(l.N.In[0]), l.Outs())
	return nil
}

func inferTranspose(c *graph.InferCtx) error {
	x := c.In(0)
	perm := c.N.Attr.(graph.TransposeAttr).Perm
	if x == nil || len(perm) != len(x.Shape) || len(perm) > maxRank {
		return c.Refuse("needs one axis per axis of the input, at most %d", maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	out := make(tensor.Shape, len(perm))
	sorted := slices.Clone(perm)
	slices.Sort(sorted)
	for i := range sorted { // all of them, before any is used
		if sorted[i] != i {
			return c.Refuse("perm %v does not name every axis once", perm)
		}
	}
	for i, p := range perm {
		out[i] = x.Shape[p]
	}
	keepQuant(x, c.Out(0))
	if err := passesOn(c, x, c.Out(0)); err != nil { // passes join and drop transposes
		return err
	}
	return c.Set(0, x.DType, out)
}

func compileTranspose(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	perm := c.N.Attr.(graph.TransposeAttr).Perm
	in := contiguous(x.Shape)
	dims, st := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		dims[i], st[i] = x.Shape[p], in[p]
	}
	s := newStrided(dims, st, 0, x.DType.Bytes(1))
	return &graph.Kernel{ID: "move.transpose/any/" + move.ISA(), View: s.straight(), Run: func(a *graph.Args) error {
		s.copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}
