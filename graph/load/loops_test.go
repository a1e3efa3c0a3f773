package load_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/ops"
	"wayside/graph/passes"
	"wayside/graph/tensor"
	"wayside/graph/tflite"
	"wayside/kernels/vec"
)

// loopTolerance bounds what another order of sums, and other kernels of activations, may change in states between -1 and 1.
const loopTolerance = 1e-5

// loopCases returns the arrays of scripts/oracles/loops.py by their names, and the names of the models.
func loopCases(t *testing.T) (arrays map[string]*tensor.Tensor, names []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/loops.npz")
	check(t, err)
	list, err := feed.ParseNPZ(b)
	check(t, err)
	arrays = map[string]*tensor.Tensor{}
	for _, a := range list {
		arrays[a.Name] = a.T
		if n, ok := strings.CutSuffix(a.Name, ".model"); ok {
			names = append(names, n)
		}
	}
	return arrays, names
}

// loopBuilt reads a model and builds it, before the passes.
func loopBuilt(t *testing.T, data []byte) *graph.Graph {
	t.Helper()
	g, err := tflite.Read(data)
	check(t, err)
	for _, step := range []func(*graph.Graph) error{graph.Check, func(g *graph.Graph) error { return graph.Bind(g, nil) }, passes.ListWrites, passes.ShiftSign, graph.Build} {
		check(t, step(g))
	}
	return g
}

// loopResults plans a built graph and runs it.
func loopResults(t *testing.T, g *graph.Graph, name string, arrays map[string]*tensor.Tensor) [][]float32 {
	t.Helper()
	p, err := graph.NewPlan(g, 0)
	check(t, err)
	s := p.NewSession()
	for i := range p.Inputs() {
		copy(s.Input(i).Data, arrays[fmt.Sprintf("%s.in.%d", name, i)].Data)
	}
	check(t, s.Run())
	var out [][]float32
	for i := range p.Outputs() {
		out = append(out, slices.Clone(s.Output(i).F32()))
	}
	return out
}

// farthest returns the largest difference, or NaN.
func farthest(a, b []float32) (worst float64) {
	for i, v := range a {
		worst = max(worst, math.Abs(float64(v)-float64(b[i])))
	}
	return worst
}

// withoutRewrite runs the passes but the one that recognizes loops.
func withoutRewrite(g *graph.Graph) error {
	all := passes.All
	defer func() { passes.All = all }()
	passes.All = slices.DeleteFunc(slices.Clone(all), func(p passes.Pass) bool { return p.Name == "rewrite" })
	return passes.Run(g)
}

func countOps(g *graph.Graph) map[string]int {
	n := map[string]int{}
	for i := range g.Nodes {
		n[g.Nodes[i].Op]++
	}
	return n
}

// TestRecurrentLoops: the loops that a converter makes of GRU and LSTM layers run as these, the others as loops, and all give what LiteRT gives.
func TestRecurrentLoops(t *testing.T) {
	arrays, names := loopCases(t)
	if len(names) < 20 {
		t.Fatalf("%d cases", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			g := loopBuilt(t, arrays[name+".model"].Data)
			check(t, passes.Run(g))
			n := countOps(g)
			want := map[string]int{"GRU": 1}
			switch {
			case strings.HasPrefix(name, "lstm"):
				want = map[string]int{"LSTM": 1}
			case strings.HasPrefix(name, "other"):
				want = map[string]int{"While": 1}
			case name == "two_layers":
				want = map[string]int{"GRU": 1, "LSTM": 1}
			}
			got := map[string]int{}
			for _, op := range []string{"GRU", "LSTM", "While"} {
				if n[op] > 0 {
					got[op] = n[op]
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			for i, got := range loopResults(t, g, name, arrays) {
				want := arrays[fmt.Sprintf("%s.out.%d", name, i)].F32()
				if e := farthest(got, want); !(e <= loopTolerance) {
					t.Errorf("output %d differs from LiteRT's by %v: %v, want %v", i, e, got, want)
				}
			}
		})
	}
}

// TestRecurrentLoopsAlike changes one detail of each loop in every way that its types allow: another value as an operand or as a result, another constant, another
// relation or range. Whatever is still recognized must give what the changed loop gives.
func TestRecurrentLoopsAlike(t *testing.T) {
	arrays, _ := loopCases(t)
	total, taken := 0, 0
	for _, name := range []string{"gru_sequences", "gru_before_last", "gru_states", "gru_square", "lstm", "lstm_states"} {
		data := arrays[name+".model"].Data
		for part := range 2 { // condition and body
			for k := 0; ; k++ {
				build := func() (*graph.Graph, string) {
					g := loopBuilt(t, data)
					return g, mutate(g, part, k)
				}
				g, what := build()
				if what == "" {
					if k == 0 {
						t.Fatalf("%s: nothing to change", name)
					}
					break
				}
				if what == "-" { // of no effect
					continue
				}
				total++
				check(t, passes.Run(g))
				if countOps(g)["While"] > 0 {
					continue
				}
				taken++
				loop, _ := build()
				check(t, withoutRewrite(loop))
				want := loopResults(t, loop, name, arrays)
				for i, got := range loopResults(t, g, name, arrays) {
					if e := farthest(got, want[i]); !(e <= loopTolerance) {
						t.Errorf("%s: %s: recognized, but output %d differs by %v", name, what, i, e)
					}
				}
			}
		}
	}
	t.Logf("%d changes, %d of them still a layer", total, taken)
	if total < 1000 || taken == 0 || taken > total/4 {
		t.Errorf("%d changes, %d of them still a layer", total, taken)
	}
}

// mutate makes change number k to the condition or the body of the only loop and describes it, "-" if it changes nothing, "" if there are not so many.
func mutate(g *graph.Graph, part, k int) string {
	at := slices.IndexFunc(g.Nodes, func(n graph.Node) bool { return n.Op == "While" })
	loop := &g.Nodes[at]
	a := loop.Attr.(ops.WhileAttr)
	b := a.Graphs()[part]
	turn := func() bool { k--; return k == -1 }
	alike := func(v, w graph.ValueID) bool {
		return v != w && v != graph.None && b.Values[v].DType == b.Values[w].DType && b.Values[v].Shape.Equal(b.Values[w].Shape)
	}
	known := slices.Clone(b.Inputs) // in the order of their computation
	for v := range b.Values {
		if b.Values[v].Const != nil {
			known = append(known, graph.ValueID(v))
		}
	}
	for i := range b.Nodes {
		n := &b.Nodes[i]
		for j, v := range n.In {
			for _, w := range known {
				if alike(v, w) && turn() {
					n.In[j] = w
					return fmt.Sprintf("%d: node %d %s reads value %d instead of %d as input %d", part, i, n.Op, w, v, j)
				}
			}
			if v != graph.None && b.Values[v].Const != nil && turn() {
				c := b.Values[v]
				c.Const = slices.Clone(c.Const)
				if c.DType == tensor.F32 {
					c.Const[len(c.Const)-2] ^= 0x40 // of the last number: a part of its mantissa
				} else {
					c.Const[0]++
				}
				n.In[j] = b.NewValue(c)
				return fmt.Sprintf("%d: node %d %s has another constant as input %d", part, i, n.Op, j)
			}
		}
		switch at := n.Attr.(type) {
		case ops.SliceAttr:
			last := len(at.Start) - 1
			for _, d := range []int{-1, 1, at.Size[last]} {
				if turn() {
					at.Start = slices.Clone(at.Start)
					if at.Start[last] += d; at.Start[last] < 0 || at.Start[last]+at.Size[last] > b.Values[n.In[0]].Shape[last] {
						return "-"
					}
					n.Attr = at
					return fmt.Sprintf("%d: node %d starts %d further", part, i, d)
				}
			}
		case ops.BinaryAttr:
			if turn() {
				at.Act = graph.ActRelu
				if b.Values[n.In[0]].DType != tensor.F32 {
					return "-"
				}
				n.Attr = at
				return fmt.Sprintf("%d: node %d %s with an activation", part, i, n.Op)
			}
		case ops.FullyConnectedAttr:
			if turn() {
				at.Act = graph.ActRelu
				n.Attr = at
				return fmt.Sprintf("%d: node %d %s with an activation", part, i, n.Op)
			}
		case ops.CompareAttr:
			if turn() {
				at.Relation = vec.LessEqual
				n.Attr = at
				return fmt.Sprintf("%d: node %d is <=", part, i)
			}
		}
		for _, swap := range []string{"Logistic", "Tanh", "Add", "Mul", "Sub"} {
			if unary := func(op string) bool { return op == "Logistic" || op == "Tanh" }; n.Op != swap && unary(n.Op) == unary(swap) &&
				(unary(swap) || n.Op == "Add" || n.Op == "Mul" || n.Op == "Sub") && turn() {
				was := n.Op
				n.Op = swap
				return fmt.Sprintf("%d: node %d %s instead of %s", part, i, swap, was)
			}
		}
		known = append(known, n.Out...)
	}
	for i, v := range b.Outputs {
		for _, w := range known {
			if alike(v, w) && turn() {
				b.Outputs[i] = w
				return fmt.Sprintf("%d: output %d is value %d instead of %d", part, i, w, v)
			}
		}
	}
	if part == 0 {
		return ""
	}
	for i, v := range loop.In {
		if c := g.Values[v]; c.Const != nil && turn() {
			c.Const = slices.Clone(c.Const)
			if c.DType == tensor.F32 {
				c.Const[len(c.Const)-1] ^= 0x3f
			} else {
				c.Const[0]++
			}
			loop.In[i] = g.NewValue(c)
			return fmt.Sprintf("variable %d starts elsewhere", i)
		}
	}
	return ""
}

// TestRecurrentLoopsOfManySums: a file whose sums refer to one another again and again costs no more than its nodes.
func TestRecurrentLoopsOfManySums(t *testing.T) {
	arrays, _ := loopCases(t)
	g := loopBuilt(t, arrays["gru.model"].Data)
	at := slices.IndexFunc(g.Nodes, func(n graph.Node) bool { return n.Op == "While" })
	b := g.Nodes[at].Attr.(ops.WhileAttr).Body
	i := slices.IndexFunc(b.Nodes, func(n graph.Node) bool { return n.Op == "Logistic" })
	x := b.Nodes[i].In[0]
	var sums []graph.Node
	for range 100 {
		v := b.Values[x]
		next := b.NewValue(v)
		sums = append(sums, graph.Node{Op: "Add", Attr: ops.BinaryAttr{}, In: []graph.ValueID{x, x}, Out: []graph.ValueID{next}})
		x = next
	}
	b.Nodes[i].In[0] = x
	b.Nodes = slices.Insert(b.Nodes, i, sums...)
	check(t, passes.Run(g)) // doubling would not end
	if countOps(g)["While"] != 1 {
		t.Error("recognized")
	}
}
