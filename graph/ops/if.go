package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// IfAttr is the attribute of If: In are the condition (None when there is one branch only, which then always runs), the inputs of the
// branches, and the states that they use; Out the outputs of the branch that ran.
type IfAttr struct {
	Branches []*graph.Graph // then, else
	Args     int            // inputs of the branches
	At       [][]int        // per branch: place of each of its states in In, counted after the inputs
}

// Graphs implements graph.Nested.
func (a IfAttr) Graphs() []*graph.Graph { return a.Branches }

func init() {
	graph.Register(graph.Op{Name: "If", Infer: inferIf, Compile: compileIf, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "IF", Min: 1, Max: 1, DTypes: "any; branches whose outputs have the same static shapes", Lower: func(l *graph.Lower) error {
			cond := l.In(0)
			if cond == nil || cond.DType != tensor.Bool {
				return l.Refuse("needs a bool as its first input")
			}
			at := l.Attrs()
			branches := []int{int(at.Int(0, "", 0)), int(at.Int(1, "", 0))}
			if v, ok := l.ConstInts(0); ok && len(v) == 1 {
				if v[0] != 0 {
					return emitBranches(l, graph.None, branches[:1], l.Ins()[1:])
				}
				return emitBranches(l, graph.None, branches[1:], l.Ins()[1:])
			}
			return emitBranches(l, l.N.In[0], branches, l.Ins()[1:])
		}})
	graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "STABLEHLO_COMPOSITE", Min: 1, Max: 1, DTypes: "any; runs the decomposition that the file has", Lower: func(l *graph.Lower) error {
		return emitBranches(l, graph.None, []int{int(l.Attrs().Int(1, "", 0))}, l.Ins())
	}}.As("If"))
}

func init() {
	graph.RegisterForm(onnxForm("If", 1, lowerIfONNX, "any; conditions that are known when shapes are").As())
}

// lowerIfONNX puts the branch in the node's place that a constant condition chooses: exporters write such conditions on shapes.
func lowerIfONNX(l *graph.Lower) error {
	v, ok := l.ConstInts(0)
	if !ok || len(v) != 1 || len(l.N.Src.Branches) != 2 {
		return l.Refuse("the condition is computed at run time; one that depends on shapes alone is supported")
	}
	b := l.N.Src.Branches[0]
	if v[0] == 0 {
		b = l.N.Src.Branches[1]
	}
	if len(b.Outputs) != len(l.N.Out) {
		return fmt.Errorf("%w: a branch has %d outputs, the node has %d", graph.ErrDamaged, len(b.Outputs), len(l.N.Out))
	}
	if err := l.Inline(b.Nodes); err != nil {
		return err
	}
	for i, out := range l.N.Out {
		if out == graph.None {
			continue
		}
		x := &l.G.Values[b.Outputs[i]]
		if _, err := x.Shape.Elems(); err != nil || x.DType == tensor.Invalid {
			return l.Refuse("output %d has no type and shape", i)
		}
		emitReshape(l, b.Outputs[i], out, x.Shape)
	}
	return nil
}

func emitBranches(l *graph.Lower, cond graph.ValueID, branches []int, in []graph.ValueID) error {
	a := IfAttr{}
	out := l.Outs()
	for _, b := range branches {
		g, err := l.Sub(b, in, nil)
		if err != nil {
			return err
		}
		if len(g.Outputs) != len(out) {
			return fmt.Errorf("%w: subgraph %d has %d outputs, the node has %d", graph.ErrDamaged, b, len(g.Outputs), len(out))
		}
		a.Branches = append(a.Branches, g)
	}
	args := []graph.ValueID{cond}
	for _, id := range in {
		if _, ok := l.G.Handle(id); !ok {
			args = append(args, id)
		}
	}
	a.Args = len(args) - 1
	states, at, err := l.StatesOf(a.Branches...)
	if err != nil {
		return l.Refuse("%v", err)
	}
	a.At = at
	l.Emit("If", a, append(args, states...), out)
	return nil
}

func inferIf(c *graph.InferCtx) error {
	a := c.N.Attr.(IfAttr)
	if cond := c.In(0); cond != nil && product(cond.Shape) != 1 {
		return c.Refuse("the condition has the shape %v; one bool is needed", cond.Shape)
	}
	for i, id := range a.Branches[0].Outputs {
		first := &a.Branches[0].Values[id]
		for _, b := range a.Branches[1:] {
			if other := &b.Values[b.Outputs[i]]; other.DType != first.DType || !other.Shape.Equal(first.Shape) {
				return c.Refuse("output %d is %s%v in one branch and %s%v in the other; only equal shapes are supported", i, first.DType, first.Shape, other.DType, other.Shape)
			}
		}
		if err := c.Set(i, first.DType, first.Shape); err != nil {
			return err
		}
	}
	return nil
}

func compileIf(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(IfAttr)
	k := &graph.Kernel{ID: "control.if/any/generic"}
	if len(a.Branches) == 1 {
		k.ID = "control.call/any/generic"
	}
	at, err := subplans(k, a.Branches...)
	if err != nil {
		return nil, err
	}
	k.Bind = func(args *graph.Args) (func(*graph.Args) error, error) {
		branches := make([]nested, len(a.Branches))
		for i := range branches {
			var err error
			if branches[i], err = bindNested(args, k, i, at[i], 1+a.Args, a.At[i]); err != nil {
				return nil, err
			}
		}
		return func(args *graph.Args) error {
			b := &branches[0]
			if args.In[0] != nil && args.In[0].Data[0] == 0 {
				b = &branches[1]
			}
			for i := range a.Args {
				copy(b.Input(i).Data, args.In[1+i].Data)
			}
			if err := b.run(); err != nil {
				return err
			}
			for i, t := range args.Out {
				if t != nil {
					copy(t.Data, b.Output(i).Data)
				}
			}
			return nil
		}, nil
	}
	return k, nil
}
