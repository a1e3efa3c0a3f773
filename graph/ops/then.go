package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// stepS8 is what a node that a layer has taken over does to the layer's int8 results, while they are in the cache. The zero value does nothing.
type stepS8 struct {
	run   func(x, beside []int8) // x are results, beside is what the other input of Add has at the same places
	id    string                 // what it adds to the family of the kernel's id
	bytes map[tensor.DType]int
}

// count adds the step's constants to those of a kernel.
func (s stepS8) count(k *graph.Kernel) {
	for d, n := range s.bytes {
		k.Weights[d] += n
	}
}

// all has a kernel without a place for the step do it to all results in the end.
func (s stepS8) all(k *graph.Kernel) {
	before := k.Run
	if s.run == nil {
		return
	}
	k.Run = func(a *graph.Args) error {
		if err := before(a); err != nil {
			return err
		}
		s.run(a.Out[0].S8(), beside(a))
		return nil
	}
}

// thenS8 compiles the node that a layer of int8 has taken over; nil is none.
func thenS8(c *graph.CompileCtx, n *graph.Node) stepS8 {
	if n == nil {
		return stepS8{}
	}
	if n.Op == graph.TableOp {
		t := tableOf(n.Attr.(graph.TableAttr))
		return stepS8{func(x, _ []int8) { vec.LookupS8(x, x, t) }, "+table", map[tensor.DType]int{tensor.S8: len(t)}}
	}
	p, values := sumS8(graph.NodeCtx{G: c.G, N: n})
	p.Prepare(product(c.Out(0).Shape))
	run := func(x, beside []int8) { p.Run(x, x, beside, &vec.Rows{N: len(x), SA: 1, SB: 1, Count: 1}) }
	if n.In[0] == c.N.In[graph.BesideIn] {
		run = func(x, beside []int8) { p.Run(x, beside, x, &vec.Rows{N: len(x), SA: 1, SB: 1, Count: 1}) }
	}
	return stepS8{run, "+add", map[tensor.DType]int{tensor.S8: p.Bytes(), tensor.S32: 4 * values}}
}

// beside returns the values of the input that a fused node reads; nil without one.
func beside(a *graph.Args) []int8 {
	if len(a.In) <= graph.BesideIn {
		return nil
	}
	return a.In[graph.BesideIn].S8()
}

// ownResult is the result of a layer before what a node that it has taken over makes of it.
func ownResult(c graph.NodeCtx, then *graph.Node) *graph.Value {
	if then == nil {
		return c.Out(0)
	}
	for _, v := range then.In {
		if len(c.N.In) <= graph.BesideIn || v != c.N.In[graph.BesideIn] {
			return &c.G.Values[v]
		}
	}
	panic("ops: a layer does not compute what the node after it reads")
}
