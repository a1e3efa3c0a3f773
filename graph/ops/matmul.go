package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
)

// MatMulAttr describes a matrix product. TransA says that input 0 is stored as [k][m], TransB that input 1 is stored as [n][k].
type MatMulAttr struct {
	TransA, TransB bool
	Asym           bool // float32 rows get a zero point when they are quantized for int8 matrices
}

// MatMul multiplies matrices with numpy's broadcasting of leading axes. In ONNX, constant two-dimensional weights become
// FullyConnected instead.
func init() {
	graph.Register(graph.Op{Name: "MatMul", Infer: inferMatMul, Compile: compileMatMul},
		onnxForm("MatMul", 1, lowerMatMulONNX, "float32, bfloat16 weights"),
		graph.Form{Format: graph.TFLite, Op: "BATCH_MATMUL", Min: 1, Max: 4, Lower: lowerBatchMatMul,
			DTypes: "float32 with float32 or int8; int8, also to int32; int16 with int16 or int8"})
	graph.RegisterForm(onnxForm("Gemm", 7, lowerGemmONNX, "float32, bfloat16 weights").As("FullyConnected", "MatMul", "Add"))
}

func lowerMatMulONNX(l *graph.Lower) error {
	a, b := l.In(0), l.In(1)
	if a == nil || b == nil {
		return l.Refuse("needs two matrices")
	}
	x, w := widened(l, l.N.In[0]), l.N.In[1]
	if len(l.G.Values[w].Shape) == 2 && fixed(&l.G.Values[w]) && len(l.G.Values[x].Shape) >= 2 && !fixed(&l.G.Values[x]) {
		emitDense(l, x, transposed(l, w), graph.None, l.N.Out[0])
		return nil
	}
	l.Emit("MatMul", MatMulAttr{}, ids(x, widened(l, w)), l.Outs())
	return nil
}

// fixed reports whether a value is a constant when the model runs.
func fixed(v *graph.Value) bool { return v.Const != nil || v.Late }

func lowerBatchMatMul(l *graph.Lower) error {
	a, b := l.In(0), l.In(1)
	if a == nil || b == nil || min(len(a.Shape), len(b.Shape)) < 2 {
		return l.Refuse("needs two inputs of at least 2 axes")
	}
	on := func(slot int) bool { return l.Attrs().Int(slot, "", 0) != 0 }
	l.Emit("MatMul", MatMulAttr{TransA: on(0), TransB: on(1), Asym: on(2)}, l.Ins(), l.Outs())
	return nil
}

// transposed swaps the axes of a matrix; a constant is transposed at once.
func transposed(l *graph.Lower, v graph.ValueID) graph.ValueID {
	t := l.Temp("transposed", nil)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: []int{1, 0}}, ids(v), ids(t))
	return t
}

// emitDense multiplies x[...,k] with constant weights [n][k] and adds an optional bias [n].
func emitDense(l *graph.Lower, x, w, bias, out graph.ValueID) {
	l.Emit("FullyConnected", FullyConnectedAttr{KeepDims: true}, ids(x, w, bias), ids(out))
}

func lowerGemmONNX(l *graph.Lower) error {
	a, b := l.In(0), l.In(1)
	if a == nil || b == nil || len(a.Shape) != 2 || len(b.Shape) != 2 {
		return l.Refuse("needs A and B of rank 2")
	}
	at := l.Attrs()
	alpha, beta := at.Float(-1, "alpha", 1), at.Float(-1, "beta", 1)
	constB := fixed(b)
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
	if len(l.G.Values[w].Shape) != 2 { // what came before is refused
		return nil
	}
	n := l.G.Values[w].Shape[0]
	if c == graph.None {
		emitDense(l, x, w, c, l.N.Out[0])
		return nil
	}
	if v := &l.G.Values[c]; v.Const != nil && product(v.Shape) == n && (len(v.Shape) == 0 || v.Shape[len(v.Shape)-1] == n) {
		t := l.Temp("bias", nil)
		l.Emit("Reshape", ReshapeAttr{Shape: []int{n}}, ids(c), ids(t))
		emitDense(l, x, w, t, l.N.Out[0])
		return nil
	}
	t := l.Temp("product", nil)
	emitDense(l, x, w, graph.None, t)
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

func newMatShape(a, b tensor.Shape, transA, transB bool) (matShape, string) {
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
	if transA {
		s.m, s.k = s.k, s.m
	}
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
	a, b, o := c.In(0), c.In(1), c.Out(0)
	at := c.N.Attr.(MatMulAttr)
	if a == nil || b == nil || o == nil {
		return c.Refuse("needs two matrices")
	}
	out, err := matMulTypes(c, a, b, o, at)
	if err != nil {
		return err
	}
	s, why := newMatShape(a.Shape, b.Shape, at.TransA, at.TransB)
	if why == "" && len(s.batch) > maxRank {
		why = "too many axes"
	}
	if why != "" {
		return c.Refuse("%v times %v: %s", a.Shape, b.Shape, why)
	}
	return c.Set(0, out, s.out)
}

// matMulTypes checks dtypes and quantization and returns the dtype of the product.
func matMulTypes(c *graph.InferCtx, a, b, o *graph.Value, at MatMulAttr) (tensor.DType, error) {
	switch {
	case a.DType == tensor.F32 && b.DType == tensor.F32:
		return tensor.F32, nil
	case a.Shifted || b.Shifted || o.Shifted:
		return 0, c.Refuse("uint8 is not supported; float32, int8 and int16 are")
	case a.DType == tensor.F32 && b.DType == tensor.S8:
		return tensor.F32, rightScales(c, b, at, false)
	case a.DType == tensor.S8 && b.DType == tensor.S8 && o.DType == tensor.S32:
		return tensor.S32, nil
	case a.DType == tensor.S8 && b.DType == tensor.S8, a.DType == tensor.S16 && (b.DType == tensor.S16 || b.DType == tensor.S8):
	default:
		return 0, c.Refuse("%s times %s is not supported; float32 with float32 or int8, int8, and int16 with int16 or int8 are", a.DType, b.DType)
	}
	if a.Quant == nil || o.Quant == nil {
		return 0, c.Refuse("input 0 and the output need scales")
	}
	if err := checkQuant(a, o); err != nil {
		return 0, err
	}
	if err := rightScales(c, b, at, a.DType == tensor.S8); err != nil {
		return 0, err
	}
	return a.DType, (&layer{x: a, w: b, o: o}).checkFactors(c)
}

// rightScales checks the quantization of input 1: one scale, or for a matrix of constants one per column of the product.
func rightScales(c *graph.InferCtx, b *graph.Value, at MatMulAttr, zeros bool) error {
	axis := len(b.Shape) - 1
	if at.TransB {
		axis--
	}
	q := b.Quant
	if q == nil || len(q.Scale) != 1 && (b.Const == nil || axis < 0 || len(q.Scale) != b.Shape[axis] || q.Axis != axis) {
		return c.Refuse("input 1 needs one scale, or when it is constant one per column")
	}
	if q.PerTensor() && zeros {
		return checkQuant(b)
	}
	if slices.ContainsFunc(q.Zero, func(z int32) bool { return z != 0 }) {
		return c.Refuse("input 1 has zero points; they must be 0 here")
	}
	return nil
}

// matMul is what the kernels of one node share.
type matMul struct {
	matShape
	MatMulAttr
	q     gemm.Quant
	h     gemm.Hybrid
	count int // products
	f32   *gemm.ProductF32
	s8    *gemm.ProductS8
}

// one describes a single product.
func (p *matMul) one() gemm.Product {
	return gemm.Product{M: p.m, K: p.k, N: p.n, TransA: p.TransA, TransB: p.TransB}
}

func compileMatMul(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(MatMulAttr)
	a, b, o := c.In(0), c.In(1), c.Out(0)
	s, _ := newMatShape(a.Shape, b.Shape, at.TransA, at.TransB)
	p := &matMul{matShape: s, MatMulAttr: at, count: product(s.batch)}
	l := layer{x: a, w: b, o: o}
	k := &graph.Kernel{ID: "gemm.matmul/" + l.types() + "/generic", MACs: int64(p.count) * int64(s.m) * int64(s.k) * int64(s.n)}
	switch {
	case b.DType == tensor.F32:
		compileMatMulF32(c, k, p)
	case a.DType == tensor.F32:
		right := turnRight(c, k, p, (*tensor.Tensor).S8)
		lo, hi := actRangeF32(graph.ActNone)
		p.h = gemm.Hybrid{Scale: b.Quant.Scale, Min: lo, Max: hi}
		k.Scratch = 5 * align8(s.m*s.k)
		if !p.TransB {
			k.Scratch += align8(s.k * s.n)
		}
		k.Run = func(a *graph.Args) error {
			p.runHybrid(a.Out[0].F32(), a.In[0].F32(), right(a), a.Scratch)
			return nil
		}
	case o.DType == tensor.S32:
		right := turnRight(c, k, p, (*tensor.Tensor).S8)
		p.s8 = gemm.NewProductS32(p.one())
		k.ID = "gemm.matmul/s8s32/" + p.s8.ID()
		k.Scratch = p.s8.Scratch()
		k.Run = func(a *graph.Args) error {
			p.runS32(a.Out[0].S32(), a.In[0].S8(), right(a), a.Scratch)
			return nil
		}
	default:
		compileMatMulInt(c, k, p, &l)
	}
	return k, nil
}

// turnRight returns the way to input 1. Kernels want its k last: a constant that has it first is turned here, once.
func turnRight[T gemm.Integer](c *graph.CompileCtx, k *graph.Kernel, p *matMul, view func(*tensor.Tensor) []T) func(*graph.Args) []T {
	if p.TransB || c.In(1).Const == nil {
		return func(a *graph.Args) []T { return view(a.In[1]) }
	}
	t, _ := c.Take(1)
	data := make([]T, t.Elems())
	size := p.k * p.n
	for at := 0; at < len(data); at += size {
		kLast(view(t)[at:], data[at:], p.n, p.k, true)
	}
	p.TransB = true
	if k.Weights == nil {
		k.Weights = map[tensor.DType]int{}
	}
	k.Weights[t.DType] += len(t.Data)
	return func(*graph.Args) []T { return data }
}

func compileMatMulInt(c *graph.CompileCtx, k *graph.Kernel, p *matMul, l *layer) {
	rule := requant.Fixed
	if l.x.DType == tensor.S16 {
		rule = requant.Wide
	}
	p.q = gemm.Quant{Params: l.params(rule, graph.ActNone, true), XZero: l.x.Quant.Zero[0], WZero: l.w.Quant.Zero[0]}
	k.Weights = weightBytes(tensor.S32, 0, p.q.Params, nil, nil)
	switch {
	case l.x.DType == tensor.S8:
		right := turnRight(c, k, p, (*tensor.Tensor).S8)
		p.s8 = gemm.NewProductS8(p.one(), &p.q)
		k.ID = "gemm.matmul/" + l.types() + "/" + p.s8.ID()
		p.share(k, 2*rowsMacsPerNano, p.s8.Scratch(), func(a *graph.Args, scratch []byte, from, to int) {
			p.runS8(a.Out[0].S8(), a.In[0].S8(), right(a), scratch, from, to)
		})
	case l.w.DType == tensor.S8 && compileWide16(c, k, p, l):
	case l.w.DType == tensor.S8:
		right := turnRight(c, k, p, (*tensor.Tensor).S8)
		first := align8(2 * p.scratchA())
		k.Scratch = first + p.scratch()
		k.Run = func(a *graph.Args) error {
			runMatMul(p, a.Out[0].S16(), a.In[0].S16(), right(a), tensor.As[int16](a.Scratch[:first], 2), tensor.As[int8](a.Scratch[first:], 1))
			return nil
		}
	default:
		right := turnRight(c, k, p, (*tensor.Tensor).S16)
		k.Scratch = 2 * p.scratch()
		k.Run = func(a *graph.Args) error {
			s := tensor.As[int16](a.Scratch, 2)
			runMatMul(p, a.Out[0].S16(), a.In[0].S16(), right(a), s, s[p.scratchA():])
			return nil
		}
	}
}

// compileWide16 compiles one product of int16 with a constant of int8 whose rows all matrices of input 0 share; false where the generic kernel must compute it.
func compileWide16(c *graph.CompileCtx, k *graph.Kernel, p *matMul, l *layer) bool {
	w := c.In(1).Const
	if w == nil || p.TransA || len(w) != p.k*p.n {
		return false
	}
	data := tensor.As[int8](w, 1)
	if !p.TransB {
		data = kLast(data, make([]int8, len(data)), p.n, p.k, true)
	}
	packed, ok := gemm.PackWide16(data, p.n, p.k, &p.q)
	if !ok {
		return false
	}
	_, _ = c.Take(1)
	s16, parameters := packed.Bytes()
	k.Weights = map[tensor.DType]int{tensor.S16: s16, tensor.S32: parameters}
	k.ID = "gemm.matmul/" + l.types() + "/" + packed.ID()
	step := rowStep{rows: p.count * p.m, tile: gemmRows, work: denseNanos(p.count*p.m, p.n, p.k), kernel: func(m int) (func(*graph.Args) error, int) {
		return func(a *graph.Args) error {
			packed.Run(a.Out[0].S16(), a.In[0].S16(), m, tensor.As[int32](a.Scratch, 4))
			return nil
		}, 4 * packed.Scratch(m)
	}}
	step.set(k)
	return true
}

func align8(n int) int { return (n + 7) &^ 7 }

// scratchA returns the elements that a transposed copy of one matrix of input 0 takes.
func (p *matMul) scratchA() int {
	if p.TransA {
		return p.m * p.k
	}
	return 0
}

// scratch adds those of input 1 with k last.
func (p *matMul) scratch() int {
	if !p.TransB {
		return p.scratchA() + p.k*p.n
	}
	return p.scratchA()
}

// productWalk steps through the products with the indices of their matrices.
type productWalk struct {
	at     [maxRank]int
	ia, ib int
}

// walkFrom returns the walk at product i.
func (s *matShape) walkFrom(i int) (w productWalk) {
	for range i {
		w.next(s)
	}
	return w
}

func (w *productWalk) next(s *matShape) {
	for d := len(s.batch) - 1; d >= 0; d-- {
		w.at[d]++
		w.ia += s.aStep[d]
		w.ib += s.bStep[d]
		if w.at[d] < s.batch[d] {
			break
		}
		w.ia -= s.aStep[d] * s.batch[d]
		w.ib -= s.bStep[d] * s.batch[d]
		w.at[d] = 0
	}
}

// kLast returns x[rows][cols], or for swapped the transpose of x[cols][rows], made in scratch.
func kLast[T int8 | int16 | float32](x, scratch []T, rows, cols int, swapped bool) []T {
	if !swapped {
		return x[:rows*cols]
	}
	s := scratch[:rows*cols]
	for c := range cols {
		for r, v := range x[c*rows : (c+1)*rows] {
			s[r*cols+c] = v
		}
	}
	return s
}

// compileMatMulF32 packs matrices of constants at once, and others in every run.
func compileMatMulF32(c *graph.CompileCtx, k *graph.Kernel, p *matMul) {
	lo, hi := actRangeF32(graph.ActNone)
	t, constant := c.Take(1)
	if !constant || p.k*p.n == 0 {
		p.f32 = gemm.NewProductF32(p.one(), nil, lo, hi)
		k.ID = "gemm.matmul/f32/" + p.f32.ID()
		p.share(k, rowsMacsPerNano, p.f32.Scratch(), func(a *graph.Args, scratch []byte, from, to int) {
			p.runF32(a.Out[0].F32(), a.In[0].F32(), a.In[1].F32(), scratch, from, to)
		})
		return
	}
	data := t.F32()
	size := p.k * p.n
	w := make([]*gemm.F32Weights, product(t.Shape)/max(size, 1))
	turned := make([]float32, size)
	bytes := gemm.FormBytes{}
	for i := range w {
		w[i] = gemm.PackF32In(c.G.Panels, p.count*p.m/len(w), kLast(data[i*size:], turned, p.n, p.k, !p.TransB), p.n, p.k, nil, lo, hi)
		bytes = bytes.Plus(w[i].Bytes())
	}
	k.Weights = floatBytes(bytes)
	if len(w) > 0 {
		k.ID = "gemm.matmul/" + w[0].Types() + "/" + w[0].ID()
	}
	if len(w) == 1 && !p.TransA {
		setDenseF32(k, p.count*p.m, w[0])
		return
	}
	k.Scratch = 4 * p.scratchA()
	k.Run = func(a *graph.Args) error {
		dst, x, s := a.Out[0].F32(), a.In[0].F32(), tensor.As[float32](a.Scratch, 4)
		var at productWalk
		for i := range p.count {
			gemm.F32(dst[i*p.m*p.n:], p.n, kLast(x[at.ia*p.m*p.k:], s, p.m, p.k, p.TransA), p.k, p.m, w[at.ib])
			at.next(&p.matShape)
		}
		return nil
	}
}

// share makes run the kernel, which computes some of the products, so many of their multiplications a nanosecond: threads share them.
func (p *matMul) share(k *graph.Kernel, perNano int64, scratch int, run func(a *graph.Args, scratch []byte, from, to int)) {
	c := newPartStep(k.MACs / perNano)
	if c == nil || p.count < 2 {
		k.Scratch = scratch
		k.Run = func(a *graph.Args) error { run(a, a.Scratch, 0, p.count); return nil }
		return
	}
	n := min(c.most, p.count)
	for i := range n {
		from, to := i*p.count/n, (i+1)*p.count/n
		c.parts = append(c.parts, func(a *graph.Args, scratch []byte) { run(a, scratch, from, to) })
	}
	c.scratch = scratch
	c.set(k)
}

func (p *matMul) runF32(dst, a, b []float32, scratch []byte, from, to int) {
	w := p.walkFrom(from)
	for i := from; i < to; i++ {
		p.f32.Run(dst[i*p.m*p.n:], a[w.ia*p.m*p.k:], b[w.ib*p.k*p.n:], scratch)
		w.next(&p.matShape)
	}
}

func (p *matMul) runS8(dst, a, b []int8, scratch []byte, from, to int) {
	w := p.walkFrom(from)
	for i := from; i < to; i++ {
		p.s8.Run(dst[i*p.m*p.n:], a[w.ia*p.m*p.k:], b[w.ib*p.k*p.n:], scratch)
		w.next(&p.matShape)
	}
}

func (p *matMul) runHybrid(dst, a []float32, b []int8, scratch []byte) {
	rows := align8(p.m * p.k)
	turned, q, bt := tensor.As[float32](scratch[:4*rows], 4), tensor.As[int8](scratch[4*rows:5*rows], 1), tensor.As[int8](scratch[5*rows:], 1)
	var w productWalk
	for i := range p.count {
		x := kLast(a[w.ia*p.m*p.k:], turned, p.m, p.k, p.TransA)
		y := kLast(b[w.ib*p.k*p.n:], bt, p.n, p.k, !p.TransB)
		for r := range p.m {
			scale, zero := quantizeDynamic(q[:p.k], x[r*p.k:(r+1)*p.k], p.Asym)
			gemm.HybridRows(dst[(i*p.m+r)*p.n:], p.n, q, p.k, 1, y, p.n, p.k, &p.h, scale, zero)
		}
		w.next(&p.matShape)
	}
}

func (p *matMul) runS32(dst []int32, a, b []int8, scratch []byte) {
	var w productWalk
	for i := range p.count {
		p.s8.RunS32(dst[i*p.m*p.n:], a[w.ia*p.m*p.k:], b[w.ib*p.k*p.n:], scratch)
		w.next(&p.matShape)
	}
}

func runMatMul[X, W gemm.Integer](p *matMul, dst, a []X, b []W, sa []X, sb []W) {
	var w productWalk
	for i := range p.count {
		x := kLast(a[w.ia*p.m*p.k:], sa, p.m, p.k, p.TransA)
		y := kLast(b[w.ib*p.k*p.n:], sb, p.n, p.k, !p.TransB)
		gemm.Rows(dst[i*p.m*p.n:], p.n, x, p.k, p.m, y, p.n, p.k, &p.q)
		w.next(&p.matShape)
	}
}
