package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
)

// TFLite's variables become states: VAR_HANDLE names one, READ_VARIABLE copies it out, ASSIGN_VARIABLE copies into it, and
// CALL_ONCE with its subgraph of assignments gives it the bytes that it has after Reset.
func init() {
	graph.Register(graph.Op{Name: "ReadVariable", Infer: func(c *graph.InferCtx) error {
		v := c.In(0)
		if v == nil {
			return c.Refuse("needs a variable")
		}
		return c.Set(0, v.DType, v.Shape)
	}, Compile: func(*graph.CompileCtx) (*graph.Kernel, error) { return copyKernel(0), nil }, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "READ_VARIABLE", Min: 1, Max: 1, DTypes: "any", Lower: lowerReadVariable})
	graph.Register(graph.Op{Name: "AssignVariable", Infer: func(c *graph.InferCtx) error {
		v, x := c.In(0), c.In(1)
		if v == nil || x == nil || v.DType != x.DType || !v.Shape.Equal(x.Shape) {
			return c.Refuse("needs a variable and a value of its type and shape")
		}
		return nil
	}, Compile: compileAssign, Impure: true},
		graph.Form{Format: graph.TFLite, Op: "ASSIGN_VARIABLE", Min: 1, Max: 1, DTypes: "any", Lower: lowerAssignVariable})
	graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "VAR_HANDLE", Min: 1, Max: 1, DTypes: "resource", Lower: lowerVarHandle}.As())
	graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "CALL_ONCE", Min: 1, Max: 1, DTypes: "assignments of constants to variables", Lower: lowerCallOnce}.As())
}

// copyKernel copies input i to the only output.
func copyKernel(i int) *graph.Kernel {
	return &graph.Kernel{ID: "copy/any/generic", Run: func(a *graph.Args) error {
		copy(a.Out[0].Data, a.In[i].Data)
		return nil
	}}
}

func compileAssign(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "copy/any/generic", Run: func(a *graph.Args) error {
		copy(a.In[0].Data, a.In[1].Data)
		return nil
	}}, nil
}

func lowerVarHandle(l *graph.Lower) error {
	if len(l.N.Out) != 1 {
		return l.Refuse("needs one output")
	}
	if d := l.G.Values[l.N.Out[0]].DType; d != tensor.Invalid {
		return l.Refuse("the output is declared %s, a handle is a resource", d)
	}
	at := l.Attrs()
	l.G.SetHandle(l.N.Out[0], fmt.Sprintf("variable %q %q", at.String(0, "", ""), at.String(1, "", "")))
	return nil
}

// variable returns the state behind input 0, with the type and shape of a value that is read from it or assigned to it.
func variable(l *graph.Lower, like graph.ValueID) (graph.ValueID, error) {
	if len(l.N.In) == 0 || l.N.In[0] == graph.None {
		return graph.None, l.Refuse("needs a variable's handle")
	}
	key, ok := l.G.Handle(l.N.In[0])
	if !ok {
		return graph.None, l.Refuse("input %q is not the handle of a variable; VAR_HANDLE gives one", l.G.Values[l.N.In[0]].Name)
	}
	v := l.G.Values[like]
	id, err := l.G.Variable(key, l.G.Values[l.N.In[0]].Name, v.DType, v.Shape, v.Quant)
	if err != nil {
		return graph.None, l.Refuse("%v", err)
	}
	return id, nil
}

func lowerReadVariable(l *graph.Lower) error {
	if len(l.N.Out) != 1 || l.N.Out[0] == graph.None {
		return l.Refuse("needs one output")
	}
	id, err := variable(l, l.N.Out[0])
	if err != nil {
		return err
	}
	l.Emit("ReadVariable", nil, ids(id), l.Outs())
	return nil
}

func lowerAssignVariable(l *graph.Lower) error {
	if len(l.N.In) != 2 || l.N.In[1] == graph.None {
		return l.Refuse("needs a variable's handle and a value")
	}
	id, err := variable(l, l.N.In[1])
	if err != nil {
		return err
	}
	l.Emit("AssignVariable", nil, []graph.ValueID{id, l.N.In[1]}, nil)
	return nil
}

// lowerCallOnce computes the assignments of the initialisation at load: they are what the variables hold after Reset.
func lowerCallOnce(l *graph.Lower) error {
	g, err := l.Sub(int(l.Attrs().Int(0, "", 0)), nil, nil)
	if err != nil {
		return err
	}
	states, at, err := l.StatesOf(g)
	if err != nil {
		return l.Refuse("%v", err)
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "AssignVariable" {
			return l.Refuse("the initialisation computes %s at run time; only constants that are assigned to variables are supported", n.Src.Op)
		}
		value := &g.Values[n.In[1]]
		if value.Const == nil {
			return l.Refuse("the initialisation assigns %q, which is not a constant", value.Name)
		}
		for j, s := range g.States {
			if s == n.In[0] {
				l.G.Values[states[at[0][j]]].Start = value.Const
			}
		}
	}
	return nil
}
