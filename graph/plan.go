package graph

import (
	"errors"
	"fmt"
	"maps"
	"math"

	"wayside/graph/tensor"
)

// IO describes one input, output or state of a plan. It is shared and read-only.
type IO struct {
	Value ValueID // what steps read and write, see Operand
	Name  string
	DType tensor.DType
	Shape tensor.Shape
	Quant *tensor.Quant
	Meta  IOMeta // what the file's metadata says
	// Declared is the shape in the file, -1 for axes that were open until they were bound; nil except for inputs.
	Declared tensor.Shape
}

// StepInfo describes one step of a plan.
type StepInfo struct {
	Op      string // the operator as the file names it
	Name    string // the node's name, or its first output's
	Kernel  string // kernel id: family/types/tile/isa
	MACs    int64  // multiply-accumulates per run
	Bytes   int64  // bytes of activations and weights that one run touches
	Live    int64  // bytes of the arena that hold something while the step runs
	In, Out []Operand
	Depth   int // of steps inside a control operator, which follow it
}

// Operand is one input or output of a step.
type Operand struct {
	Value ValueID // unique in the plan; None where an optional input is absent
	DType tensor.DType
	Shape tensor.Shape
	Const bool // a constant, kept by the plan or packed by the kernel
}

// Plan is a compiled model: steps with packed weights and arena offsets. It is immutable and may be shared by any number
// of sessions in any number of goroutines.
type Plan struct {
	format               Format
	name                 string
	meta                 Meta
	values               ValueID // as many values had the graph
	inputs, outputs      []IO
	states               []IO
	inLoc, outLoc, stLoc []loc
	stateStart           [][]byte
	stateFill            []byte
	steps                []step
	arenaBytes           int
	weights              map[tensor.DType]int
}

// loc says where a view lies: in the arena at off, or in constant memory.
type loc struct {
	value ValueID
	dtype tensor.DType
	shape tensor.Shape
	quant *tensor.Quant
	off   int
	size  int
	konst *tensor.Tensor // set for constants
	none  bool           // absent or taken
}

type step struct {
	info    StepInfo
	kernel  *Kernel
	in, out []loc
	scratch loc
}

// NewPlan compiles a graph of neutral nodes: it chooses kernels, packs weights and places every buffer. The graph must not
// be used afterwards. maxArena limits the arena in bytes, 0 means no limit.
func NewPlan(g *Graph, maxArena int64) (*Plan, error) {
	p := &Plan{format: g.Format, name: g.Name, meta: g.Meta, weights: map[tensor.DType]int{}}
	for _, id := range g.States { // a node that used an open one would have been refused
		v := &g.Values[id]
		if n, err := v.Shape.Elems(); err != nil || v.DType.Bytes(n) < 0 {
			return nil, fmt.Errorf("graph: planning: %w: the state %q of %s%v has no size, or too large a one", ErrDamaged, v.Name, v.DType, v.Shape)
		}
	}
	kernels, err := compileAll(g)
	if err != nil {
		return nil, err
	}
	p.values = ValueID(len(g.Values))
	mem := assign(g, kernels)
	need := place(mem.bufs)
	if maxArena == 0 || maxArena > math.MaxInt {
		maxArena = math.MaxInt
	}
	if need > maxArena {
		return nil, fmt.Errorf("graph: planning: the model needs %d bytes of working memory, the limit is %d; raise the limit or bind smaller shapes", need, maxArena)
	}
	p.arenaBytes = int(need)
	live := liveBytes(mem.bufs, len(g.Nodes))
	b := &binder{g: g, mem: mem, plan: p, consts: map[ValueID]*tensor.Tensor{}}
	for i := range g.Nodes {
		n, k := &g.Nodes[i], kernels[i]
		if mem.skip[i] {
			k.kernel = &Kernel{ID: "view", View: true}
		}
		s := step{kernel: k.kernel, info: StepInfo{Op: n.Src.Op, Name: n.Name, Kernel: k.kernel.ID, MACs: k.kernel.MACs, Live: live[i]}}
		if s.info.Op == "" {
			s.info.Op = n.Op
		}
		if s.info.Name == "" && len(n.Out) > 0 && n.Out[0] != None {
			s.info.Name = g.Values[n.Out[0]].Name
		}
		for j, id := range n.In {
			s.in = append(s.in, b.loc(id, !mem.skip[i] && !k.taken[j]))
		}
		for _, id := range n.Out {
			s.out = append(s.out, b.loc(id, true))
		}
		if !mem.skip[i] {
			for _, l := range append(append([]loc{}, s.in...), s.out...) {
				if !l.none {
					s.info.Bytes += int64(l.size)
				}
			}
			for d, w := range k.kernel.Weights {
				p.weights[d] += w
				if k.kernel.Inner == nil { // the steps inside count theirs
					s.info.Bytes += int64(w)
				}
			}
			s.scratch = loc{off: int(mem.scratch[i].offset), size: k.kernel.Scratch}
		}
		p.steps = append(p.steps, s)
	}
	for i, id := range g.Inputs {
		if g.Values[id].DType == tensor.Invalid {
			return nil, fmt.Errorf("graph: planning: %w: input %q %s", ErrUnsupported, g.Values[id].Name, g.Values[id].noType())
		}
		v := io(g, id, ioMeta(g.Meta.Inputs, i))
		if i < len(g.Declared) {
			v.Declared = g.Declared[i]
		}
		p.inputs, p.inLoc = append(p.inputs, v), append(p.inLoc, b.loc(id, true))
	}
	for i, id := range g.Outputs {
		if g.Values[id].DType == tensor.Invalid {
			return nil, fmt.Errorf("graph: planning: %w: output %q %s", ErrUnsupported, g.Values[id].Name, g.Values[id].noType())
		}
		p.outputs, p.outLoc = append(p.outputs, io(g, id, ioMeta(g.Meta.Outputs, i))), append(p.outLoc, b.loc(id, true))
	}
	for _, id := range g.States {
		p.states, p.stLoc = append(p.states, io(g, id, IOMeta{})), append(p.stLoc, b.loc(id, true))
		p.stateStart = append(p.stateStart, append([]byte(nil), g.Values[id].Start...))
		p.stateFill = append(p.stateFill, g.Values[id].Fill)
	}
	return p, nil
}

func io(g *Graph, id ValueID, m IOMeta) IO {
	v := &g.Values[id]
	return IO{Value: id, Name: v.Name, DType: v.DType, Shape: v.Shape, Quant: v.Quant, Meta: m}
}

type compiled struct {
	kernel *Kernel
	taken  []bool
}

func compileAll(g *Graph) ([]*compiled, error) {
	detachOutputs(g)
	if err := checkSharing(g); err != nil {
		return nil, err
	}
	if err := checkProduced(g); err != nil {
		return nil, err
	}
	out := make([]*compiled, len(g.Nodes))
	var refused UnsupportedError
	for i := range g.Nodes {
		n := &g.Nodes[i]
		op, ok := opsByName[n.Op]
		if !ok {
			return nil, fmt.Errorf("graph: planning: no neutral operator %q", n.Op)
		}
		c := &CompileCtx{NodeCtx{g, n}, make([]bool, len(n.In))}
		k, err := op.Compile(c)
		if errors.Is(err, ErrDamaged) {
			return nil, fmt.Errorf("graph: planning: %s %q: %w", n.Src.Op, n.Name, err)
		}
		if err != nil {
			refused.Nodes = append(refused.Nodes, describe(g, n, err.Error()))
			continue
		}
		out[i] = &compiled{k, c.taken}
	}
	if len(refused.Nodes) > 0 {
		return nil, &refused
	}
	return out, nil
}

// checkProduced makes sure that everything that is read has been computed: a lowering may not leave an output without a producer.
func checkProduced(g *Graph) error {
	known := make([]bool, len(g.Values))
	for _, list := range [][]ValueID{g.Inputs, g.States} {
		for _, id := range list {
			known[id] = true
		}
	}
	for i := range g.Values {
		known[i] = known[i] || g.Values[i].Const != nil
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, id := range n.In {
			if id != None && !known[id] {
				return fmt.Errorf("graph: planning: %w: %s %q reads %q, which nothing computes", ErrDamaged, n.Src.Op, n.Name, g.Values[id].Name)
			}
		}
		for _, id := range n.Out {
			if id != None {
				known[id] = true
			}
		}
	}
	for _, id := range g.Outputs {
		if !known[id] {
			return fmt.Errorf("graph: planning: %w: output %q is computed by nothing", ErrDamaged, g.Values[id].Name)
		}
	}
	return nil
}

// checkSharing refuses a graph whose nodes share constants so often that packing a copy for each would take far more memory than
// the file: some sharing is normal, a thousandfold is an attack.
func checkSharing(g *Graph) error {
	const times, slack = 16, 16 << 20
	var own, used int64
	for i := range g.Values {
		own += int64(len(g.Values[i].Const))
	}
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].In {
			if v != None {
				used += int64(len(g.Values[v].Const))
			}
		}
	}
	if used > times*own+slack {
		return fmt.Errorf("graph: planning: %w: nodes share constants so often that %d bytes become %d", ErrDamaged, own, used)
	}
	return nil
}

// detachOutputs gives every graph output memory of its own: an output that is a constant, an input, a state or a second
// name of another output gets a copy.
func detachOutputs(g *Graph) {
	src := map[ValueID]bool{}
	for _, id := range g.Inputs {
		src[id] = true
	}
	for _, id := range g.States {
		src[id] = true
	}
	seen := map[ValueID]bool{}
	for i, id := range g.Outputs {
		if src[id] || seen[id] || g.Values[id].Const != nil {
			v := g.Values[id]
			v.Const = nil
			nv := g.NewValue(v)
			g.Nodes = append(g.Nodes, Node{Op: CopyOp, Name: v.Name, In: []ValueID{id}, Out: []ValueID{nv}})
			g.Outputs[i] = nv
		}
		seen[g.Outputs[i]] = true
	}
}

// CopyOp is the name of the neutral operator that copies its input. The planner needs it, so the core registers it.
const CopyOp = "Copy"

func init() {
	Register(Op{
		Name: CopyOp,
		Infer: func(c *InferCtx) error {
			x := c.In(0)
			if x == nil {
				return c.Refuse("needs one input")
			}
			if o := c.Out(0); o != nil && o.Quant == nil {
				o.Quant = x.Quant
			}
			return c.Set(0, x.DType, x.Shape)
		},
		Compile: func(c *CompileCtx) (*Kernel, error) {
			return &Kernel{ID: "copy/any/generic", Run: func(a *Args) error {
				copy(a.Out[0].Data, a.In[0].Data)
				return nil
			}}, nil
		},
	})
}

// memory is the outcome of buffer assignment: which buffer each value lives in, which steps vanish.
type memory struct {
	of      []*buffer // per value; nil for constants and unused values
	scratch []*buffer // per node
	bufs    []*buffer
	skip    []bool
}

// assign decides which values share a buffer. Inputs keep their bytes for the whole run, so that a caller may run twice
// without writing them again; outputs keep theirs to the end; states for ever.
func assign(g *Graph, ks []*compiled) *memory {
	m := &memory{of: make([]*buffer, len(g.Values)), scratch: make([]*buffer, len(g.Nodes)), skip: make([]bool, len(g.Nodes))}
	end := len(g.Nodes)
	lastUse := make([]int, len(g.Values))
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].In {
			if v != None {
				lastUse[v] = i
			}
		}
	}
	isOut := make([]bool, len(g.Values))
	for _, v := range g.Outputs {
		lastUse[v], isOut[v] = end, true
	}
	pinned := map[*buffer]bool{}
	fresh := func(v ValueID, first, last int) {
		b := &buffer{size: valueBytes(&g.Values[v]), first: first, last: last}
		m.of[v] = b
		m.bufs = append(m.bufs, b)
	}
	for _, list := range [][]ValueID{g.Inputs, g.States} {
		for _, v := range list {
			if m.of[v] == nil {
				fresh(v, -1, end)
				pinned[m.of[v]] = true
			}
		}
	}
	for i := range g.Nodes {
		n, k := &g.Nodes[i], ks[i].kernel
		if v := share(g, m, n, k, i, pinned, isOut); v != None {
			b, o := m.of[v], n.Out[0]
			m.of[o] = b
			b.last = max(b.last, lastUse[o], i)
			m.skip[i] = k.View
		}
		for _, o := range n.Out {
			if o != None && m.of[o] == nil && g.Values[o].Const == nil {
				fresh(o, i, max(lastUse[o], i))
			}
		}
		s := &buffer{size: k.Scratch, first: i, last: i}
		m.scratch[i] = s
		m.bufs = append(m.bufs, s)
		for _, v := range n.In {
			if v != None && m.of[v] != nil {
				m.of[v].last = max(m.of[v].last, lastUse[v])
			}
		}
	}
	return m
}

// share returns the input whose buffer output 0 of node i takes over, or None.
func share(g *Graph, m *memory, n *Node, k *Kernel, i int, pinned map[*buffer]bool, isOut []bool) ValueID {
	if len(n.Out) == 0 || n.Out[0] == None {
		return None
	}
	o := n.Out[0]
	size := valueBytes(&g.Values[o])
	if k.View {
		v := n.In[0]
		if v != None && m.of[v] != nil && m.of[v].size == size && !(pinned[m.of[v]] && (isOut[o] || g.IsState(v))) && !(isOut[v] && isOut[o]) {
			return v
		}
		return None
	}
	for _, j := range k.InPlace {
		if j >= len(n.In) || n.In[j] == None {
			continue
		}
		v := n.In[j]
		b := m.of[v]
		if b == nil || pinned[b] || b.size != size || b.last > i || valueBytes(&g.Values[v]) != size {
			continue
		}
		alone := true
		for _, w := range n.In {
			if w != None && w != v && m.of[w] == b {
				alone = false
			}
		}
		if alone {
			return v
		}
	}
	return None
}

func valueBytes(v *Value) int {
	n, err := v.Shape.Elems()
	if err != nil {
		panic("graph: planning a value without a static shape: " + v.Name)
	}
	return v.DType.Bytes(n)
}

type binder struct {
	g      *Graph
	mem    *memory
	plan   *Plan
	consts map[ValueID]*tensor.Tensor
}

// loc finds a value's place; a constant is copied once into memory of its own, so that the model file can go.
func (b *binder) loc(id ValueID, retain bool) loc {
	if id == None {
		return loc{value: None, none: true}
	}
	v := &b.g.Values[id]
	l := loc{value: id, dtype: v.DType, shape: v.Shape, quant: v.Quant, size: valueBytes(v)}
	if v.Const == nil {
		l.off = int(b.mem.of[id].offset)
		return l
	}
	if !retain {
		l.none = true
		return l
	}
	t, ok := b.consts[id]
	if !ok {
		t = &tensor.Tensor{DType: v.DType, Shape: v.Shape, Quant: v.Quant, Data: tensor.Aligned(len(v.Const))}
		copy(t.Data, v.Const)
		b.consts[id] = t
		b.plan.weights[v.DType] += len(v.Const)
	}
	l.konst = t
	return l
}

// Format returns the format that the model was read from.
func (p *Plan) Format() Format { return p.format }

// Name returns the model's own name, which may be empty.
func (p *Plan) Name() string { return p.name }

// Meta returns what the file says about itself. It is shared and read-only.
func (p *Plan) Meta() *Meta { return &p.meta }

// Inputs returns the inputs in the model's order.
func (p *Plan) Inputs() []IO { return p.inputs }

// Outputs returns the outputs in the model's order.
func (p *Plan) Outputs() []IO { return p.outputs }

// State returns what the model remembers between runs.
func (p *Plan) State() []IO { return p.states }

// ArenaBytes returns the exact working memory of one session: activations, states and scratch.
func (p *Plan) ArenaBytes() int { return p.arenaBytes }

// WeightBytes returns the bytes of all constants that the plan keeps, as packed for its kernels.
func (p *Plan) WeightBytes() int {
	n := 0
	for _, b := range p.weights {
		n += b
	}
	return n
}

// WeightsByDType returns WeightBytes by the dtype in which the constants are stored.
func (p *Plan) WeightsByDType() map[tensor.DType]int { return maps.Clone(p.weights) }

// WeightBytesByDType returns WeightBytes by the dtype in which the constants are stored.
func (p *Plan) WeightBytesByDType() map[string]int {
	m := map[string]int{}
	for d, n := range maps.All(p.weights) {
		m[d.String()] += n
	}
	return m
}

// Steps describes what one Run does, in order. The steps of a control operator follow it, whether they run once, often or not at all.
func (p *Plan) Steps() []StepInfo {
	next := p.values
	return p.stepsFrom(0, &next)
}

// stepsFrom numbers the plan's values from base; those of the plans inside go on at next.
func (p *Plan) stepsFrom(base ValueID, next *ValueID) []StepInfo {
	out := make([]StepInfo, 0, len(p.steps))
	for i := range p.steps {
		st := &p.steps[i]
		info := st.info
		info.In, info.Out = operands(st.in, base), operands(st.out, base)
		out = append(out, info)
		for _, inner := range st.kernel.Inner {
			first := *next
			*next += inner.values
			for _, in := range inner.stepsFrom(first, next) {
				in.Name = st.info.Name + "/" + in.Name
				in.Depth++
				out = append(out, in)
			}
		}
	}
	return out
}

func operands(ls []loc, base ValueID) []Operand {
	out := make([]Operand, len(ls))
	for i := range ls {
		l := &ls[i]
		if l.value == None {
			out[i] = Operand{Value: None}
			continue
		}
		out[i] = Operand{base + l.value, l.dtype, l.shape, l.konst != nil || l.none}
	}
	return out
}
