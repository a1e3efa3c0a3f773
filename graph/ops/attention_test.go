package ops

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/par"
)

// TestAttentionThreads: threads that share the heads compute the same bits as one.
func TestAttentionThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(5))
	defer par.Set(1)
	const heads, rows, depth = 3, 150, 24
	h := graph.Heads{Step: heads * depth}
	for i := range heads {
		h.At = append(h.At, i*depth)
	}
	a := graph.AttentionAttr{Q: h, K: h, V: h, Out: h, Queries: rows, Keys: rows, Depth: depth, Values: depth, Scale: 0.2, Shape: tensor.Shape{1, rows, heads * depth}}
	g := &graph.Graph{}
	args := &graph.Args{Out: []*tensor.Tensor{mustTensor(t, tensor.F32, a.Shape...)}}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		g.Values = append(g.Values, graph.Value{DType: tensor.F32, Shape: a.Shape})
		x := mustTensor(t, tensor.F32, a.Shape...)
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		args.In = append(args.In, x)
	}
	g.Values = append(g.Values, graph.Value{DType: tensor.F32, Shape: a.Shape})
	n := &graph.Node{Op: graph.AttentionOp, In: []graph.ValueID{0, 1, 2}, Out: []graph.ValueID{3}, Attr: a}
	var want []float32
	for _, workers := range []int{1, 2, 5} {
		if par.Set(workers) != workers {
			t.Fatal("too few threads")
		}
		k, err := compileAttention(&graph.CompileCtx{NodeCtx: graph.NodeCtx{G: g, N: n}})
		if err != nil {
			t.Fatal(err)
		}
		args.Scratch = tensor.Aligned(k.Scratch)
		run, err := k.Bind(args)
		if err != nil {
			t.Fatal(err)
		}
		out := args.Out[0].F32()
		clear(out)
		if err := run(args); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = slices.Clone(out)
		}
		if !slices.Equal(want, out) || slices.Max(out) == 0 {
			t.Errorf("%d threads compute other values", workers)
		}
		if n := testing.AllocsPerRun(10, func() { _ = run(args) }); n >= 1 {
			t.Errorf("%d threads: %v allocations", workers, n)
		}
	}
}
