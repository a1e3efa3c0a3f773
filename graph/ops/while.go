package ops

import (
	"errors"
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// WhileAttr is the attribute of While: In are the loop's variables and then the states that the graphs use, Out the variables after
// the loop.
type WhileAttr struct {
	Cond, Body *graph.Graph
	Vars       int      // variables of the loop
	Same       []bool   // per variable: the body hands it on unchanged
	At         [2][]int // for Cond and Body: place of each of their states in In, counted after the variables
}

// Graphs implements graph.Nested.
func (a WhileAttr) Graphs() []*graph.Graph { return []*graph.Graph{a.Cond, a.Body} }

// whileLimit ends a loop whose condition never becomes false: a hung model would hold up its task for ever.
const whileLimit = 1 << 20

func init() {
	graph.Register(graph.Op{Name: "While", Infer: inferWhile, Compile: compileWhile, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "WHILE", Min: 1, Max: 1, DTypes: "any; variables of one static shape", Lower: lowerWhile})
}

func lowerWhile(l *graph.Lower) error {
	at := l.Attrs()
	ci, bi := int(at.Int(0, "", 0)), int(at.Int(1, "", 0))
	src, err := l.Subgraph(bi)
	if err != nil {
		return err
	}
	in, out := l.Ins(), l.Outs()
	if len(src.Inputs) != len(in) || len(src.Outputs) != len(in) || len(out) != len(in) {
		return fmt.Errorf("%w: a loop of %d variables has a body with %d inputs and %d outputs", graph.ErrDamaged, len(in), len(src.Inputs), len(src.Outputs))
	}
	// What the body hands on unchanged is no variable: a constant stays one inside.
	same := make([]bool, len(in))
	for i := range same {
		if in[i] == graph.None || out[i] == graph.None {
			return fmt.Errorf("%w: variable %d of a loop is absent", graph.ErrDamaged, i)
		}
		same[i] = src.Outputs[i] == src.Inputs[i]
	}
	a := WhileAttr{}
	if a.Cond, err = l.Sub(ci, in, same); err != nil {
		return err
	}
	if a.Body, err = l.Sub(bi, in, same); err != nil {
		return err
	}
	if len(a.Cond.Outputs) != 1 {
		return fmt.Errorf("%w: a loop's condition has %d outputs", graph.ErrDamaged, len(a.Cond.Outputs))
	}
	var vars, results, bodyOut []graph.ValueID
	for i, id := range in {
		v := &l.G.Values[id]
		if key, ok := l.G.Handle(id); ok {
			l.G.SetHandle(out[i], key)
			continue
		}
		if same[i] && v.Const != nil {
			o := &l.G.Values[out[i]]
			o.DType, o.Shape, o.Const = v.DType, v.Shape, v.Const
			continue
		}
		vars, results, bodyOut = append(vars, id), append(results, out[i]), append(bodyOut, a.Body.Outputs[i])
		a.Same = append(a.Same, same[i])
	}
	a.Vars, a.Body.Outputs = len(vars), bodyOut
	states, places, err := l.StatesOf(a.Cond, a.Body)
	if err != nil {
		return l.Refuse("%v", err)
	}
	copy(a.At[:], places)
	l.Emit("While", a, append(vars, states...), results)
	return nil
}

func inferWhile(c *graph.InferCtx) error {
	a := c.N.Attr.(WhileAttr)
	cond := &a.Cond.Values[a.Cond.Outputs[0]]
	if cond.DType != tensor.Bool || product(cond.Shape) != 1 {
		return c.Refuse("the condition gives %s%v; one bool is needed", cond.DType, cond.Shape)
	}
	for i := range a.Vars {
		x, y := c.In(i), &a.Body.Values[a.Body.Outputs[i]]
		if x.DType != y.DType || !x.Shape.Equal(y.Shape) {
			return c.Refuse("variable %d goes into the body as %s%v and comes out as %s%v; only variables of one shape are supported", i, x.DType, x.Shape, y.DType, y.Shape)
		}
		if err := c.Set(i, x.DType, x.Shape); err != nil {
			return err
		}
	}
	return nil
}

// nestedArena is the limit of the working memory of a subgraph; the model's own limit holds for the sum.
const nestedArena = 1 << 30

// subplans plans the graphs of a control operator. Their arenas stand one after the other in the kernel's scratch memory, from offsets at.
func subplans(k *graph.Kernel, gs ...*graph.Graph) (at []int, err error) {
	k.Weights = map[tensor.DType]int{}
	for _, g := range gs {
		p, err := graph.NewPlan(g, nestedArena)
		if err != nil {
			return nil, err
		}
		at = append(at, k.Scratch)
		k.Scratch += (p.ArenaBytes() + 63) &^ 63
		if k.Scratch > nestedArena {
			return nil, fmt.Errorf("the subgraphs need %d bytes of working memory, the limit is %d", k.Scratch, nestedArena)
		}
		k.Inner = append(k.Inner, p)
		for d, n := range p.WeightsByDType() {
			k.Weights[d] += n
		}
	}
	return at, nil
}

// nested is a subgraph in a session: how its states lie among the states of the control operator's node.
type nested struct {
	*graph.Session
	states []*tensor.Tensor // of the graph outside, in the order of the session's own
}

func bindNested(a *graph.Args, k *graph.Kernel, i, at, firstState int, places []int) (nested, error) {
	p := k.Inner[i]
	s, err := p.NewSessionIn(a.Scratch[at : at+p.ArenaBytes()])
	if err != nil {
		return nested{}, err
	}
	n := nested{Session: s}
	for _, j := range places {
		n.states = append(n.states, a.In[firstState+j])
	}
	return n, nil
}

// run gives the session the states from outside, runs it and hands them back.
func (n *nested) run() error {
	for i, t := range n.states {
		copy(n.State(i).Data, t.Data)
	}
	if err := n.Run(); err != nil {
		return err
	}
	for i, t := range n.states {
		copy(t.Data, n.State(i).Data)
	}
	return nil
}

var errEndlessLoop = errors.New("ops: while: the condition is still true after 1048576 rounds")

func compileWhile(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(WhileAttr)
	k := &graph.Kernel{ID: "control.while/any/generic"}
	at, err := subplans(k, a.Cond, a.Body)
	if err != nil {
		return nil, err
	}
	k.Bind = func(args *graph.Args) (func(*graph.Args) error, error) {
		cond, err := bindNested(args, k, 0, at[0], a.Vars, a.At[0])
		if err != nil {
			return nil, err
		}
		body, err := bindNested(args, k, 1, at[1], a.Vars, a.At[1])
		if err != nil {
			return nil, err
		}
		inputs := len(k.Inner[0].Inputs())
		return func(args *graph.Args) error {
			for i := range a.Vars {
				copy(args.Out[i].Data, args.In[i].Data)
				if a.Same[i] {
					copy(cond.Input(i).Data, args.In[i].Data)
					copy(body.Input(i).Data, args.In[i].Data)
				}
			}
			for range whileLimit {
				for i := range inputs {
					if !a.Same[i] {
						copy(cond.Input(i).Data, args.Out[i].Data)
					}
				}
				if err := cond.run(); err != nil {
					return err
				}
				if cond.Output(0).Data[0] == 0 {
					return nil
				}
				for i := range inputs {
					if !a.Same[i] {
						copy(body.Input(i).Data, args.Out[i].Data)
					}
				}
				if err := body.run(); err != nil {
					return err
				}
				for i := range inputs {
					if !a.Same[i] {
						copy(args.Out[i].Data, body.Output(i).Data)
					}
				}
			}
			return errEndlessLoop
		}, nil
	}
	return k, nil
}
