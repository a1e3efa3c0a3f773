package graph

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"wayside/graph/tensor"
)

// The tests of this file use operators of their own, so that they show the core alone.
func init() {
	same := func(c *InferCtx) error {
		x := c.In(0)
		if x == nil || x.DType != tensor.F32 {
			return c.Refuse("needs float32")
		}
		return c.Set(0, x.DType, x.Shape)
	}
	Register(Op{Name: "testDouble", Infer: same, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", InPlace: []int{0}, Run: func(a *Args) error {
			for i, v := range a.In[0].F32() {
				a.Out[0].F32()[i] = 2 * v
			}
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_DOUBLE", Min: 1, Max: 2})
	Register(Op{Name: "testAdd", Infer: same, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", InPlace: []int{0, 1}, Scratch: 40, Run: func(a *Args) error {
			for i, v := range a.In[0].F32() {
				a.Out[0].F32()[i] = v + a.In[1].F32()[i]
			}
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_ADD", Min: 1})
	Register(Op{Name: "testView", Infer: same, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", View: true, Run: func(a *Args) error {
			copy(a.Out[0].Data, a.In[0].Data)
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_VIEW", Min: 1})
	Register(Op{Name: "testHeavy", Infer: same, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", MACs: foldWork / 4, Work: foldWork/4 + 1, Run: func(a *Args) error {
			copy(a.Out[0].F32(), a.In[0].F32())
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_HEAVY", Min: 1})
	Register(Op{Name: "testFirst", Infer: func(c *InferCtx) error { return c.Set(0, tensor.F32, tensor.Shape{1}) }, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", Run: func(a *Args) error {
			a.Out[0].F32()[0] = a.In[0].F32()[0]
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_FIRST", Min: 1})
	// testCount adds its input to a state and gives the sum.
	Register(Op{Name: "testCount", Impure: true, Infer: same, Compile: func(c *CompileCtx) (*Kernel, error) {
		return &Kernel{ID: "test/f32/generic", Run: func(a *Args) error {
			st := a.In[1].F32()
			for i, v := range a.In[0].F32() {
				st[i] += v
			}
			copy(a.Out[0].F32(), st)
			return nil
		}}, nil
	}}, Form{Format: TFLite, Op: "T_COUNT", Min: 1, Lower: func(l *Lower) error {
		st := l.State("sum", tensor.F32, tensor.Shape{3}, []byte{0, 0, 128, 63}) // 1, 0, 0
		l.Emit("testCount", nil, []ValueID{l.N.In[0], st}, l.Outs())
		return nil
	}})
}

// TestFoldReads makes many nodes read one large constant: folding stops where the sum of what is read goes far beyond the file.
func TestFoldReads(t *testing.T) {
	const size, nodes = 4 << 20, 200
	g := &Graph{Format: TFLite}
	c := g.NewValue(Value{Name: "c", DType: tensor.F32, Shape: tensor.Shape{size / 4}, Const: make([]byte, size)})
	for range nodes {
		o := g.NewValue(Value{})
		g.Outputs = append(g.Outputs, o)
		g.Nodes = append(g.Nodes, Node{Src: Source{Op: "T_FIRST", Version: 1}, In: []ValueID{c}, Out: []ValueID{o}})
	}
	if err := Build(g); err != nil {
		t.Fatal(err)
	}
	if n := len(g.Nodes); n < nodes/4 || n > nodes*9/10 {
		t.Errorf("%d of %d nodes are left", n, nodes)
	}
}

// sketch builds a graph over float32 vectors of 3: "out=OP in in", inputs first.
func sketch(inputs, outputs string, lines ...string) *Graph {
	g := &Graph{Format: TFLite}
	byName := map[string]ValueID{}
	id := func(n string) ValueID {
		if _, ok := byName[n]; !ok {
			byName[n] = g.NewValue(Value{Name: n})
		}
		return byName[n]
	}
	for _, n := range strings.Fields(inputs) {
		v := id(n)
		g.Values[v].DType, g.Values[v].Shape = tensor.F32, tensor.Shape{-1, 3}[1:]
		g.Inputs = append(g.Inputs, v)
	}
	for _, l := range lines {
		out, rest, _ := strings.Cut(l, "=")
		f := strings.Fields(rest)
		n := Node{Name: out, Src: Source{Op: f[0], Version: 1}}
		for _, i := range f[1:] {
			n.In = append(n.In, id(i))
		}
		n.Out = []ValueID{id(out)}
		g.Nodes = append(g.Nodes, n)
	}
	for _, n := range strings.Fields(outputs) {
		g.Outputs = append(g.Outputs, id(n))
	}
	return g
}

func plan(t *testing.T, g *Graph) *Plan {
	t.Helper()
	for _, f := range []func() error{func() error { return Check(g) }, func() error { return Bind(g, nil) }, func() error { return Build(g) }} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPlan(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, s *Session, in ...float32) []float32 {
	t.Helper()
	copy(s.Input(0).F32(), in)
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	return s.Output(0).F32()
}

func TestRunKeepsInputsAndSharesMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		g     *Graph
		want  float32 // first output for input 1
		arena int
	}{
		// The input keeps its 12 bytes; the chain behind it works in place in the next 64-byte slot.
		{"chain in place", sketch("x", "d", "a=T_DOUBLE x", "b=T_DOUBLE a", "c=T_DOUBLE b", "d=T_DOUBLE c"), 16, 64 + 12},
		{"both inputs are needed later", sketch("x", "e", "a=T_DOUBLE x", "b=T_DOUBLE a", "e=T_ADD a b"), 6, 0},
		{"one value twice", sketch("x", "b", "a=T_DOUBLE x", "b=T_ADD a a"), 4, 0},
		{"a view of the input", sketch("x", "b", "a=T_VIEW x", "b=T_DOUBLE a"), 2, 64 + 12},
		{"a view of an input is an output", sketch("x", "a", "a=T_VIEW x"), 1, 64 + 12},
		{"the input is the output", sketch("x", "x"), 1, 64 + 12},
		{"views of one value live on", sketch("x", "d", "a=T_DOUBLE x", "b=T_VIEW a", "c=T_DOUBLE a", "d=T_ADD b c"), 6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, c.g)
			if c.arena != 0 && p.ArenaBytes() != c.arena {
				t.Errorf("arena %d bytes, want %d", p.ArenaBytes(), c.arena)
			}
			s := p.NewSession()
			if got := run(t, s, 1, 2, 3); got[0] != c.want || got[2] != 3*c.want {
				t.Errorf("got %v, want %v times the input", got, c.want)
			}
			if x := s.Input(0).F32(); x[0] != 1 || x[2] != 3 {
				t.Errorf("the input has become %v", x)
			}
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			if got := s.Output(0).F32()[0]; got != c.want {
				t.Errorf("the second run gives %v, the first %v", got, c.want)
			}
		})
	}
}

func TestSessionMemoryIsExact(t *testing.T) {
	p := plan(t, sketch("x", "e", "a=T_DOUBLE x", "b=T_DOUBLE a", "e=T_ADD a b"))
	arena := tensor.Aligned(p.ArenaBytes())
	if _, err := p.NewSessionIn(arena[:len(arena)-1]); err == nil {
		t.Error("an arena that is one byte short is accepted")
	}
	if _, err := p.NewSessionIn(tensor.Aligned(p.ArenaBytes() + 1)[1:]); err == nil {
		t.Error("a misaligned arena is accepted")
	}
	s, err := p.NewSessionIn(arena)
	if err != nil {
		t.Fatal(err)
	}
	if !WithinArena(s, arena) {
		t.Error("a view lies outside of the arena")
	}
	if n := testing.AllocsPerRun(100, func() {
		if s.Run() != nil {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}

func TestState(t *testing.T) {
	p := plan(t, sketch("x", "a", "a=T_COUNT x"))
	if st := p.State(); len(st) != 1 || st[0].Name != "a/sum" {
		t.Fatalf("states %v", st)
	}
	s := p.NewSession()
	run(t, s, 1, 2, 3)
	saved := s.Save()
	if got := run(t, s, 1, 2, 3); got[0] != 3 || got[1] != 4 {
		t.Errorf("after two runs %v", got)
	}
	other := p.NewSession()
	if got := run(t, other, 1, 0, 0); got[0] != 2 {
		t.Errorf("sessions share state: %v", got)
	}
	if err := other.Restore(saved); err != nil {
		t.Fatal(err)
	}
	if got := run(t, other, 0, 0, 0); got[0] != 2 || got[1] != 2 || got[2] != 3 {
		t.Errorf("after restore %v", got)
	}
	s.Reset()
	if got := run(t, s, 0, 0, 0); got[0] != 1 || got[1] != 0 {
		t.Errorf("after reset %v", got)
	}
	before := s.Save()
	for i := range saved {
		bad := bytes.Clone(saved)
		bad[i] ^= 1
		if s.Restore(bad) == nil {
			t.Errorf("a saved state with byte %d changed is accepted", i)
		}
		if s.Restore(saved[:i]) == nil {
			t.Errorf("the first %d bytes of a saved state are accepted", i)
		}
	}
	if !bytes.Equal(before, s.Save()) {
		t.Error("a refused restore has changed the state")
	}
	if plan(t, sketch("x", "a", "a=T_DOUBLE x")).NewSession().Restore(saved) == nil {
		t.Error("the state of another model is accepted")
	}
}

func TestBuildCollectsAllUnsupported(t *testing.T) {
	g := sketch("x", "e", "a=NOPE x", "b=T_DOUBLE a", "c=T_DOUBLE x", "d=ALSO_NOPE c", "e=T_ADD b d")
	g.Nodes[2].Src.Version = 3
	if err := Check(g); err != nil {
		t.Fatal(err)
	}
	var u *UnsupportedError
	if err := Build(g); !errors.As(err, &u) {
		t.Fatalf("got %v", err)
	}
	var ops []string
	for _, n := range u.Nodes {
		ops = append(ops, n.Op)
	}
	if got := strings.Join(ops, " "); got != "NOPE T_DOUBLE ALSO_NOPE" {
		t.Errorf("reported %s:\n%v", got, u)
	}
	if !strings.Contains(u.Nodes[1].Reason, "versions 1 to 2") {
		t.Errorf("version refusal does not name the supported ones: %s", u.Nodes[1].Reason)
	}
}

func TestCheckRefusesDamage(t *testing.T) {
	for name, g := range map[string]*Graph{
		"read before computed": sketch("x", "a", "a=T_DOUBLE b", "b=T_DOUBLE x"),
		"computed twice":       sketch("x", "a", "a=T_DOUBLE x", "a=T_DOUBLE x"),
		"input overwritten":    sketch("x", "x", "x=T_DOUBLE x"),
		"output unknown":       sketch("x", "y", "a=T_DOUBLE x"),
		"id out of range": func() *Graph {
			g := sketch("x", "a", "a=T_DOUBLE x")
			g.Nodes[0].In[0] = 99
			return g
		}(),
		"short constant": func() *Graph {
			g := sketch("x", "a", "a=T_DOUBLE x")
			g.NewValue(Value{DType: tensor.F32, Shape: tensor.Shape{2}, Const: []byte{1, 2, 3}})
			return g
		}(),
	} {
		if err := Check(g); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBind(t *testing.T) {
	open := func() *Graph {
		g := sketch("x", "a", "a=T_DOUBLE x")
		g.Values[g.Inputs[0]].Shape = tensor.Shape{-1, 3}
		return g
	}
	for _, c := range []struct {
		shapes map[string][]int
		want   string // shape, or part of the error
	}{
		{nil, "[1,3]"},
		{map[string][]int{"x": {4, 3}}, "[4,3]"},
		{map[string][]int{"x": {4, 5}}, "axis 1"},
		{map[string][]int{"x": {4}}, "has 2 axes"},
		{map[string][]int{"y": {4}}, `no input "y"`},
		{map[string][]int{"x": {0, 3}}, "axis 0"},
	} {
		g := open()
		got := ""
		if err := Bind(g, c.shapes); err != nil {
			got = err.Error()
		} else {
			got = g.Values[g.Inputs[0]].Shape.String()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%v: got %s, want %s", c.shapes, got, c.want)
		}
	}
}

func TestFoldAndSharing(t *testing.T) {
	g := sketch("x", "b", "a=T_DOUBLE k", "b=T_ADD x a")
	k := &g.Values[g.Nodes[0].In[0]]
	k.DType, k.Shape, k.Const = tensor.F32, tensor.Shape{3}, make([]byte, 12)
	k.Const[3] = 64 // 2
	p := plan(t, g)
	if len(p.Steps()) != 1 {
		t.Fatalf("steps %v", p.Steps())
	}
	if got := run(t, p.NewSession(), 1, 1, 1); got[0] != 5 || got[1] != 1 {
		t.Errorf("got %v", got)
	}
	if p.WeightBytes() != 12 || p.WeightBytesByDType()["float32"] != 12 {
		t.Errorf("weights %v", p.WeightBytesByDType())
	}

	// 40000 nodes that share one constant of 64 KB.
	g = sketch("x", "b", "b=T_ADD x k")
	n := g.Nodes[0]
	c := &g.Values[n.In[1]]
	c.DType, c.Shape, c.Const = tensor.F32, tensor.Shape{16384}, make([]byte, 65536)
	for range 40000 {
		g.Nodes = append(g.Nodes, n)
	}
	if _, err := NewPlan(g, 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("a constant shared 40000 times: %v", err)
	}
}

func TestFoldingWorkIsBounded(t *testing.T) {
	g := sketch("x", "d", "a=T_HEAVY k", "b=T_HEAVY a", "c=T_HEAVY b", "d=T_ADD x c")
	k := &g.Values[g.Nodes[0].In[0]]
	k.DType, k.Shape, k.Const = tensor.F32, tensor.Shape{3}, make([]byte, 12)
	k.Const[3] = 64 // 2
	p := plan(t, g)
	if len(p.Steps()) != 3 {
		t.Fatalf("%d steps, want one of the three folded: %v", len(p.Steps()), p.Steps())
	}
	if got := run(t, p.NewSession(), 1, 1, 1); got[0] != 3 {
		t.Errorf("got %v", got)
	}
}

func TestArenaLimit(t *testing.T) {
	g := sketch("x", "a", "a=T_DOUBLE x")
	if err := errors.Join(Bind(g, nil), Build(g)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(g, 70); err == nil || !strings.Contains(err.Error(), "the limit is 70") {
		t.Errorf("got %v", err)
	}
}

// TestPlanDescribes: the plan tells which steps exchange a value, what was open in the file, and what the metadata said by position.
func TestPlanDescribes(t *testing.T) {
	g := sketch("a", "y", "t=T_DOUBLE a", "y=T_ADD t a")
	g.Meta = Meta{Producer: "test", Inputs: []IOMeta{{Name: "first"}}, Signatures: []Signature{{Key: "s", Inputs: []Binding{{"alias", 0}}}}}
	g.Values[g.Inputs[0]].Shape = tensor.Shape{-1}
	if err := Bind(g, map[string][]int{"alias": {3}}); err != nil {
		t.Fatal(err)
	}
	if err := Build(g); err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := p.Inputs()[0]
	if in.Meta.Name != "first" || len(in.Declared) != 1 || in.Declared[0] != -1 || in.Shape[0] != 3 || p.Meta().Producer != "test" || p.Outputs()[0].Meta.Name != "" {
		t.Errorf("input %+v, metadata %+v", in, p.Meta())
	}
	s := p.Steps()
	if len(s) != 2 || s[0].In[0].Value != in.Value || s[1].In[0].Value != s[0].Out[0].Value || s[1].In[1].Value != in.Value || s[1].Out[0].Value != p.Outputs()[0].Value ||
		s[0].Live <= 0 || s[1].Live > int64(p.ArenaBytes()) || s[0].In[0].Const {
		t.Errorf("steps %+v", s)
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		" a\tb\r\nc ": "a b  c", "\x1b[31mred\x00": "[31mred", "ü\xff": "ü", strings.Repeat("é", 4096): strings.Repeat("é", 2048), "\u202eabc": "abc",
	} {
		if got := CleanText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
