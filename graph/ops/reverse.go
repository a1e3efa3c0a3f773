package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// ReverseSequenceAttr reverses the first elements along Seq, as many as input 1 says for each index of Batch.
type ReverseSequenceAttr struct{ Seq, Batch int }

// diagTypes are the types that the reference of the diagonal operators tells apart; it reads others as if they were float32.
const diagTypes = "float32, int8, uint8, int16, int32, int64, uint32"

func checkDiag(c *graph.InferCtx, d tensor.DType) error {
	switch d {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S16, tensor.S32, tensor.S64, tensor.U32:
		return nil
	}
	return c.Refuse("%s is not supported; %s are", d, diagTypes)
}

func init() {
	graph.Register(graph.Op{Name: "ReverseSequence", Infer: inferReverseSequence, Compile: compileReverseSequence},
		moveForm("REVERSE_SEQUENCE", 1, func(l *graph.Lower) error {
			x := l.In(0)
			if x == nil {
				return l.Refuse("needs data")
			}
			seq, err := axisOf(l, l.Attrs().Int(0, "", 0), len(x.Shape))
			if err != nil {
				return err
			}
			batch, err := axisOf(l, l.Attrs().Int(1, "", 0), len(x.Shape))
			if err != nil {
				return err
			}
			l.Emit("ReverseSequence", ReverseSequenceAttr{seq, batch}, l.Ins(), l.Outs())
			return nil
		}, anyWhole+", lengths int32, int64"))
	graph.Register(graph.Op{Name: "Diag", Infer: inferDiag, Compile: compileDiag},
		moveForm("MATRIX_DIAG", 1, lowerDiag, diagTypes))
	graph.Register(graph.Op{Name: "SetDiag", Infer: inferSetDiag, Compile: compileSetDiag},
		graph.Form{Format: graph.TFLite, Op: "MATRIX_SET_DIAG", Min: 1, Max: 1, DTypes: diagTypes})
}

func inferReverseSequence(c *graph.InferCtx) error {
	x, n := c.In(0), c.In(1)
	a := c.N.Attr.(ReverseSequenceAttr)
	if x == nil || n == nil || a.Seq == a.Batch || max(a.Seq, a.Batch) >= len(x.Shape) {
		return c.Refuse("needs data and lengths, and two different axes")
	}
	if !indexType(n.DType) || len(n.Shape) != 1 || n.Shape[0] != x.Shape[a.Batch] {
		return c.Refuse("lengths %s%v do not fit batch axis %d of %v; a vector of int32 or int64 does", n.DType, n.Shape, a.Batch, x.Shape)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, x.Shape)
}

func compileReverseSequence(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	attr := c.N.Attr.(ReverseSequenceAttr)
	lo, hi := min(attr.Seq, attr.Batch), max(attr.Seq, attr.Batch)
	s := &move.Sequences{
		Outer: product(x.Shape[:lo]), Batch: x.Shape[attr.Batch], Middle: product(x.Shape[lo+1 : hi]), Steps: x.Shape[attr.Seq],
		Block: x.DType.Bytes(product(x.Shape[hi+1:])), BatchLast: attr.Batch == hi,
	}
	return &graph.Kernel{ID: "move.reversesequence/any/generic", Run: func(a *graph.Args) error {
		dst, src, n, bad := a.Out[0].Data, a.In[0].Data, a.In[1], -1
		if len(dst) == 0 {
			return nil
		}
		switch n.DType {
		case tensor.S16:
			bad = move.ReverseSequences(dst, src, n.S16(), s)
		case tensor.S32:
			bad = move.ReverseSequences(dst, src, n.S32(), s)
		case tensor.S64:
			bad = move.ReverseSequences(dst, src, n.S64(), s)
		}
		if bad >= 0 {
			return fmt.Errorf("ops: reverse sequence: length %d of batch %d is outside of 0 to %d", indexAt(n, bad), bad, s.Steps)
		}
		return nil
	}}, nil
}

// DiagAttr is the byte that fills the elements beside the diagonal: 0, or 0x80 for data that is uint8 in the file.
type DiagAttr struct{ Zero byte }

func lowerDiag(l *graph.Lower) error {
	a := DiagAttr{}
	if x := l.In(0); x != nil && x.Shifted {
		a.Zero = 0x80
	}
	l.Emit("Diag", a, l.Ins(), l.Outs())
	return nil
}

func inferDiag(c *graph.InferCtx) error {
	x := c.In(0)
	if x == nil || len(x.Shape) == 0 || len(x.Shape) >= maxRank {
		return c.Refuse("needs one input with 1 to %d axes", maxRank-1)
	}
	if err := checkDiag(c, x.DType); err != nil {
		return err
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, append(append(tensor.Shape{}, x.Shape...), x.Shape[len(x.Shape)-1]))
}

func compileDiag(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, zero := c.In(0), c.N.Attr.(DiagAttr).Zero
	last := len(x.Shape) - 1
	n := x.Shape[last]
	s := newStrided([]int{product(x.Shape[:last]), n}, []int{n * n, n + 1}, 0, x.DType.Bytes(1))
	return &graph.Kernel{ID: "move.diag/any/generic", Run: func(a *graph.Args) error {
		fillBytes(a.Out[0].Data, []byte{zero})
		s.place(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

func inferSetDiag(c *graph.InferCtx) error {
	x, d := c.In(0), c.In(1)
	if x == nil || d == nil || x.DType != d.DType || len(x.Shape) < 2 || len(x.Shape) > maxRank {
		return c.Refuse("needs matrices with 2 to %d axes and diagonals of their type", maxRank)
	}
	k := len(x.Shape) - 2
	if want := append(append(tensor.Shape{}, x.Shape[:k]...), min(x.Shape[k], x.Shape[k+1])); !d.Shape.Equal(want) {
		return c.Refuse("diagonals %v do not fit matrices %v; %v do", d.Shape, x.Shape, want)
	}
	if err := checkDiag(c, x.DType); err != nil {
		return err
	}
	keepQuant(x, c.Out(0))
	return c.Set(0, x.DType, x.Shape)
}

func compileSetDiag(c *graph.CompileCtx) (*graph.Kernel, error) {
	x := c.In(0)
	k := len(x.Shape) - 2
	rows, cols := x.Shape[k], x.Shape[k+1]
	s := newStrided([]int{product(x.Shape[:k]), min(rows, cols)}, []int{rows * cols, cols + 1}, 0, x.DType.Bytes(1))
	return &graph.Kernel{ID: "move.setdiag/any/generic", InPlace: []int{0}, Run: func(a *graph.Args) error {
		copy(a.Out[0].Data, a.In[0].Data)
		s.place(a.Out[0].Data, a.In[1].Data)
		return nil
	}}, nil
}
