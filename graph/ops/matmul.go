package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
)

// MatMulAttr describes a matrix product. TransB says that input 1 is stored as [n][k], which only constant bfloat16
// weights are.
type MatMulAttr struct{ TransB bool }

// MatMul multiplies float32 matrices with numpy's broadcasting of leading axes. Constant two-dimensional weights become
// FullyConnected instead, except in bfloat16, which stays two bytes wide here.
func init() {
	graph.Register(graph.Op{Name: "MatMul", Infer: inferMatMul, Compile: compileMatMul},
		onnxForm("MatMul", 1, lowerMatMulONNX, "float32, bfloat16 weights"))
	graph.RegisterForm(onnxForm("Gemm", 7, lowerGemmONNX, "float32, bfloat16 weights").As("FullyConnected", "MatMul", "Add"))
}

func lowerMatMulONNX(l *graph.Lower) error {
	a, b := l.In(0), l.In(1)
	if a == nil || b == nil {
		return l.Refuse("needs two matrices")
	}
	x, w := widened(l, l.N.In[0]), l.N.In[1]
	if len(l.G.Values[w].Shape) == 2 && l.G.Values[w].Const != nil && len(l.G.Values[x].Shape) >= 2 && l.G.Values[x].Const == nil {
		return emitDense(l, x, transposed(l, w), graph.None, l.N.Out[0])
	}
	l.Emit("MatMul", MatMulAttr{}, ids(x, widened(l, w)), l.Outs())
	return nil
}

// transposed swaps the axes of a matrix; a constant is transposed at once.
func transposed(l *graph.Lower, v graph.ValueID) graph.ValueID {
	t := l.Temp("transposed", nil)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{1, 0}}, ids(v), ids(t))
	return t
}

// emitDense multiplies x[...,k] with constant weights [n][k] and adds an optional bias [n].
func emitDense(l *graph.Lower, x, w, bias, out graph.ValueID) error {
	if l.G.Values[w].DType != tensor.BF16 {
		l.Emit("FullyConnected", FullyConnectedAttr{KeepDims: true}, ids(x, widened(l, w), bias), ids(out))
		return nil
	}
	if bias == graph.None {
		l.Emit("MatMul", MatMulAttr{TransB: true}, ids(x, w), ids(out))
		return nil
	}
	t := l.Temp("product", nil)
	l.Emit("MatMul", MatMulAttr{TransB: true}, ids(x, w), ids(t))
	l.Emit("Add", BinaryAttr{}, ids(t, bias), ids(out))
	return nil
}

func lowerGemmONNX(l *graph.Lower) error {
	a, b := l.In(0), l.In(1)
	if a == nil || b == nil || len(a.Shape) != 2 || len(b.Shape) != 2 {
		return l.Refuse("needs A and B of rank 2")
	}
	at := l.Attrs()
	alpha, beta := at.Float(-1, "alpha", 1), at.Float(-1, "beta", 1)
	constB := b.Const != nil
	x, w, c := widened(l, l.N.In[0]), l.N.In[1], graph.None
	if len(l.N.In) > 2 && beta != 0 {
		c = widened(l, l.N.In[2])
	}
	if c != graph.None && beta != 1 {
		t := l.Temp("beta", nil)
		l.Emit("Mul", BinaryAttr{}, ids(c, floats(l, "beta", nil, beta)), ids(t))
		c = t
	}
	if at.Int(-1, "transA", 0) != 0 {
		x = transposed(l, x)
	}
	if alpha != 1 && constB {
		t := l.Temp("alpha", nil)
		l.Emit("Mul", BinaryAttr{}, ids(widened(l, w), floats(l, "alpha", nil, alpha)), ids(t))
		w = t
	}
	if (at.Int(-1, "transB", 0) != 0) != constB { // dense weights are [n][k], matrices [k][n]
		w = transposed(l, w)
	}
	if !constB {
		return emitGemm(l, x, widened(l, w), c, alpha)
	}
	n := l.G.Values[w].Shape[0]
	if c == graph.None {
		return emitDense(l, x, w, c, l.N.Out[0])
	}
	if v := &l.G.Values[c]; v.Const != nil && product(v.Shape) == n && (len(v.Shape) == 0 || v.Shape[len(v.Shape)-1] == n) {
		t := l.Temp("bias", nil)
		l.Emit("Reshape", ReshapeAttr{Shape: []int{n}}, ids(c), ids(t))
		return emitDense(l, x, w, t, l.N.Out[0])
	}
	t := l.Temp("product", nil)
	if err := emitDense(l, x, w, graph.None, t); err != nil {
		return err
	}
	l.Emit("Add", BinaryAttr{}, ids(t, c), l.Outs())
	return nil
}

// emitGemm multiplies two computed matrices, scales the product and adds c.
func emitGemm(l *graph.Lower, x, w, c graph.ValueID, alpha float32) error {
	out := l.N.Out[0]
	next := func(last bool) graph.ValueID {
		if last {
			return out
		}
		return l.Temp("product", nil)
	}
	t := next(c == graph.None && alpha == 1)
	l.Emit("MatMul", MatMulAttr{}, ids(x, w), ids(t))
	if alpha != 1 {
		u := next(c == graph.None)
		l.Emit("Mul", BinaryAttr{}, ids(t, floats(l, "alpha", nil, alpha)), ids(u))
		t = u
	}
	if c != graph.None {
		l.Emit("Add", BinaryAttr{}, ids(t, c), ids(out))
	}
	return nil
}

// matShape is a product of matrices after vectors have become matrices and leading axes are broadcast.
type matShape struct {
	m, k, n      int
	batch        tensor.Shape
	aStep, bStep []int // matrices per step of each batch axis; 0 where broadcast
	out          tensor.Shape
}

func newMatShape(a, b tensor.Shape, transB bool) (matShape, string) {
	var s matShape
	if len(a) == 0 || len(b) == 0 {
		return s, "needs matrices or vectors, not scalars"
	}
	vecA, vecB := len(a) == 1, len(b) == 1
	if vecA {
		a = tensor.Shape{1, a[0]}
	}
	if vecB {
		b = tensor.Shape{b[0], 1}
	}
	ra, rb := len(a)-2, len(b)-2
	s.m, s.k, s.n = a[ra], a[ra+1], b[rb+1]
	kb := b[rb]
	if transB {
		s.n, kb = b[rb], b[rb+1]
	}
	if s.k != kb {
		return s, "the inner extents differ"
	}
	r := max(ra, rb)
	s.batch = make(tensor.Shape, r)
	s.aStep, s.bStep = make([]int, r), make([]int, r)
	na, nb := 1, 1
	for i := r - 1; i >= 0; i-- {
		da, db := 1, 1
		if j := i - r + ra; j >= 0 {
			da = a[j]
		}
		if j := i - r + rb; j >= 0 {
			db = b[j]
		}
		if da != db && da != 1 && db != 1 {
			return s, "the leading axes do not broadcast"
		}
		s.batch[i] = da
		if da == 1 {
			s.batch[i] = db
		} else {
			s.aStep[i] = na
		}
		if db != 1 {
			s.bStep[i] = nb
		}
		na, nb = na*da, nb*db
	}
	s.out = slices.Clone(s.batch)
	if !vecA {
		s.out = append(s.out, s.m)
	}
	if !vecB {
		s.out = append(s.out, s.n)
	}
	return s, ""
}

func inferMatMul(c *graph.InferCtx) error {
	a, b := c.In(0), c.In(1)
	trans := c.N.Attr.(MatMulAttr).TransB
	if a == nil || b == nil || a.DType != tensor.F32 {
		return c.Refuse("needs two float32 matrices")
	}
	if trans {
		if b.DType != tensor.BF16 || b.Const == nil || len(b.Shape) != 2 {
			return c.Refuse("transposed weights must be a constant bfloat16 matrix")
		}
	} else if b.DType != tensor.F32 {
		return c.Refuse("input 1 is %s; float32 is supported", b.DType)
	}
	s, why := newMatShape(a.Shape, b.Shape, trans)
	if why == "" && len(s.batch) > maxRank {
		why = "too many axes"
	}
	if why != "" {
		return c.Refuse("%v times %v: %s", a.Shape, b.Shape, why)
	}
	return c.Set(0, tensor.F32, s.out)
}

func compileMatMul(c *graph.CompileCtx) (*graph.Kernel, error) {
	trans := c.N.Attr.(MatMulAttr).TransB
	s, _ := newMatShape(c.In(0).Shape, c.In(1).Shape, trans)
	count := product(s.batch)
	k := &graph.Kernel{ID: "gemm.matmul/f32/generic", MACs: int64(count) * int64(s.m) * int64(s.k) * int64(s.n)}
	if trans {
		k.ID = "gemm.matmul/bf16/generic"
		t, _ := c.Take(1)
		w := slices.Clone(t.BF16()) // the model file need not stay in memory
		k.Weights = map[tensor.DType]int{tensor.BF16: 2 * len(w)}
		k.Run = func(a *graph.Args) error {
			gemm.MatMulBF16(a.Out[0].F32(), a.In[0].F32(), w, count*s.m, s.k, s.n)
			return nil
		}
		return k, nil
	}
	k.Run = func(args *graph.Args) error {
		a, b, out := args.In[0].F32(), args.In[1].F32(), args.Out[0].F32()
		var at [maxRank]int
		ia, ib := 0, 0
		for i := range count {
			gemm.MatMulF32(out[i*s.m*s.n:], a[ia*s.m*s.k:], b[ib*s.k*s.n:], s.m, s.k, s.n)
			for d := len(s.batch) - 1; d >= 0; d-- {
				at[d]++
				ia += s.aStep[d]
				ib += s.bStep[d]
				if at[d] < s.batch[d] {
					break
				}
				ia -= s.aStep[d] * s.batch[d]
				ib -= s.bStep[d] * s.batch[d]
				at[d] = 0
			}
		}
		return nil
	}
	return k, nil
}
