package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/attention"
	"wayside/kernels/par"
)

// Attention has no form of its own: the pass of that name makes it from products of matrices around a softmax.
func init() {
	graph.Register(graph.Op{Name: graph.AttentionOp, Infer: inferAttention, Compile: compileAttention})
}

// Transposed and Turn make MatMulAttr a graph.MatrixProduct.
func (a MatMulAttr) Transposed() (bool, bool) { return a.TransA, a.TransB }

// Turn returns the attributes with other sides transposed.
func (a MatMulAttr) Turn(left, right bool) any {
	a.TransA, a.TransB = left, right
	return a
}

// AlongLast makes SoftmaxAttr a graph.RowSoftmax.
func (a SoftmaxAttr) AlongLast(rank int) (float32, bool) {
	return a.Beta, a.Axis == -1 || a.Axis == rank-1
}

func inferAttention(c *graph.InferCtx) error {
	a := c.N.Attr.(graph.AttentionAttr)
	fits := func(v *graph.Value, h graph.Heads, rows, columns int) bool {
		if v == nil || v.DType != tensor.F32 || len(h.At) != len(a.Out.At) {
			return false
		}
		n := product(v.Shape)
		for _, at := range h.At {
			if at < 0 || h.Step < 0 || rows > 0 && columns > 0 && at+(rows-1)*h.Step+columns > n {
				return false
			}
		}
		return true
	}
	rows, columns := a.Keys, a.Depth
	if a.Turned {
		rows, columns = columns, rows
	}
	if a.Keys < 1 || !fits(c.In(0), a.Q, a.Queries, a.Depth) || !fits(c.In(1), a.K, rows, columns) || !fits(c.In(2), a.V, a.Keys, a.Values) ||
		len(c.N.In) > 3 && !fits(c.In(3), a.Mask, a.Queries, a.Keys) {
		return c.Refuse("heads lie outside of the inputs")
	}
	if err := c.Set(0, tensor.F32, a.Shape); err != nil {
		return err
	}
	if o := c.Out(0); o != nil && !fits(o, a.Out, a.Queries, a.Values) {
		return c.Refuse("heads lie outside of the output")
	}
	return nil
}

func compileAttention(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(graph.AttentionAttr)
	p := attention.NewF32(attention.Shape{Queries: a.Queries, Keys: a.Keys, Depth: a.Depth, Values: a.Values, Turned: a.Turned, Scale: a.Scale})
	k := &graph.Kernel{
		ID:   "attention/f32/" + p.ID(),
		MACs: int64(len(a.Out.At)) * int64(a.Queries) * int64(a.Keys) * int64(a.Depth+a.Values),
	}
	workers := par.For(k.MACs / macsPerNano)
	if len(a.Out.At) > par.MaxChunks {
		workers = 1
	}
	each := (p.Scratch() + 63) &^ 63
	k.Scratch = each * workers
	k.Bind = func(r *graph.Args) (func(*graph.Args) error, error) {
		return (&attentionHeads{a: &a, p: p, args: r, each: each, workers: workers}).run, nil
	}
	return k, nil
}

// attentionHeads is an Attention of a session. Threads share its heads.
type attentionHeads struct {
	a       *graph.AttentionAttr
	p       *attention.F32
	args    *graph.Args
	each    int // bytes of scratch of each worker
	workers int
}

func (s *attentionHeads) run(*graph.Args) error {
	par.RunPlanned(s, len(s.a.Out.At), s.workers)
	return nil
}

// Do implements par.Task: a chunk is a head.
func (s *attentionHeads) Do(h, worker int) {
	a, r := s.a, s.args
	dst, q, k, v := r.Out[0].F32(), r.In[0].F32(), r.In[1].F32(), r.In[2].F32()
	var mask []float32
	if len(r.In) > 3 {
		mask = r.In[3].F32()[a.Mask.At[h]:]
	}
	s.p.Head(dst[a.Out.At[h]:], a.Out.Step, q[a.Q.At[h]:], a.Q.Step, k[a.K.At[h]:], a.K.Step, v[a.V.At[h]:], a.V.Step, mask, a.Mask.Step,
		r.Scratch[worker*s.each:(worker+1)*s.each])
}
