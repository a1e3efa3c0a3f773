package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wayside/graph/tensor"
)

// Op is one neutral operator. Its functions are called at load only; what they return runs.
type Op struct {
	Name string
	// Infer makes every check of the operator and sets shape and dtype of each output with InferCtx.Set. Inputs are static.
	Infer func(*InferCtx) error
	// Compile chooses the kernel, packs weights and returns the step. It runs after the passes and must not fail for a
	// node that Infer accepted, unless memory limits say so.
	Compile func(*CompileCtx) (*Kernel, error)
	// Elementwise says that element i of the output depends on elements i of the (broadcast) inputs only, so that a layout
	// pass may move a transpose through the node.
	Elementwise bool
	// Impure nodes touch state: they are never folded, merged or removed.
	Impure bool
	// LateFold keeps Build from folding a node whose inputs are constants; Fold does it after the passes.
	// Operators whose constant form means something to a pass (DequantizeLinear of a weight) set it.
	LateFold bool
}

// Form says how one operator of a format becomes neutral nodes.
type Form struct {
	Format Format
	Op     string // CONV_2D, Conv
	Domain string // ONNX domain, "" for the default one
	Min    int    // lowest version: TFLite operator version, ONNX opset
	Max    int    // highest version, 0 when there is no limit
	DTypes string // for the documentation: "float32, int8"
	// Neutral names the operators that the form lowers to, for the documentation. Register sets it to its own; see As.
	Neutral []string
	// Lower replaces the source node. nil emits the neutral operator it is registered with, with the same values and no attributes.
	Lower func(*Lower) error
}

type formKey struct {
	format     Format
	domain, op string
}

var (
	opsByName = map[string]*Op{}
	forms     = map[formKey][]Form{}
)

// Register adds a neutral operator and the forms that lower to it. It is called from init functions and panics on a
// duplicate name or overlapping version ranges.
func Register(op Op, fs ...Form) {
	if op.Name == "" || op.Infer == nil || op.Compile == nil || opsByName[op.Name] != nil {
		panic("graph: operator registered twice or without Name, Infer or Compile: " + op.Name)
	}
	opsByName[op.Name] = &op
	for _, f := range fs {
		if f.Neutral == nil {
			f.Neutral = []string{op.Name}
		}
		if f.Lower == nil {
			name := op.Name
			f.Lower = func(l *Lower) error {
				l.Emit(name, nil, l.Ins(), l.Outs())
				return nil
			}
		}
		RegisterForm(f)
	}
}

// As returns the form with the names of the neutral operators that it lowers to; none when it is known at load what the node gives.
func (f Form) As(neutral ...string) Form {
	f.Neutral = append([]string{}, neutral...)
	return f
}

// RegisterForm adds a form that lowers to operators registered elsewhere.
func RegisterForm(f Form) {
	if f.Lower == nil {
		panic("graph: form without Lower: " + f.Op)
	}
	k := formKey{f.Format, f.Domain, f.Op}
	for _, o := range forms[k] {
		if (o.Max == 0 || f.Min <= o.Max) && (f.Max == 0 || o.Min <= f.Max) {
			panic(fmt.Sprintf("graph: %s %s registered twice for one version", f.Format, f.Op))
		}
	}
	forms[k] = append(forms[k], f)
}

// FindOp returns the neutral operator with that name.
func FindOp(name string) (*Op, bool) {
	o, ok := opsByName[name]
	return o, ok
}

// Forms returns all registered forms ordered by format, domain, operator and version, for the documentation.
func Forms() []Form {
	var all []Form
	for _, fs := range forms {
		all = append(all, fs...)
	}
	slices.SortFunc(all, func(a, b Form) int {
		return cmp.Or(cmp.Compare(a.Format, b.Format), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Min, b.Min))
	})
	return all
}

func findForm(f Format, s *Source) (*Form, string) {
	fs := forms[formKey{f, s.Domain, s.Op}]
	if len(fs) == 0 {
		switch name, custom := strings.CutPrefix(s.Op, "CUSTOM:"); {
		case custom && strings.HasPrefix(name, "Flex"):
			return nil, "this operator needs the TensorFlow runtime; convert the model with built-in operators only"
		case custom:
			return nil, "this custom operator is not known; the known ones are " + strings.Join(customNames(f), ", ")
		}
		return nil, "this operator is not implemented"
	}
	lo, hi := fs[0].Min, fs[0].Max
	for i := range fs {
		if s.Version >= fs[i].Min && (fs[i].Max == 0 || s.Version <= fs[i].Max) {
			return &fs[i], ""
		}
		lo = min(lo, fs[i].Min)
		hi = max(hi, fs[i].Max)
	}
	return nil, fmt.Sprintf("this version is not implemented; versions %d to %d are", lo, hi)
}

// customNames lists the custom operators that have a form.
func customNames(f Format) []string {
	var names []string
	for k := range forms {
		if name, ok := strings.CutPrefix(k.op, "CUSTOM:"); ok && k.format == f {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// NodeCtx is what an operator's functions see of their node.
type NodeCtx struct {
	G *Graph
	N *Node
}

// In returns input i, or nil when it is absent. The pointer is valid until a value is added to the graph.
func (c NodeCtx) In(i int) *Value {
	if i < 0 || i >= len(c.N.In) || c.N.In[i] == None {
		return nil
	}
	return &c.G.Values[c.N.In[i]]
}

// Out returns output i, or nil when nobody wants it.
func (c NodeCtx) Out(i int) *Value {
	if i < 0 || i >= len(c.N.Out) || c.N.Out[i] == None {
		return nil
	}
	return &c.G.Values[c.N.Out[i]]
}

// Const returns input i as a read-only, aligned tensor when it is a constant. It may alias the model file.
func (c NodeCtx) Const(i int) (*tensor.Tensor, bool) {
	v := c.In(i)
	if v == nil {
		return nil, false
	}
	return v.Tensor()
}

// ConstInts returns the elements of an integer or bool constant as int64.
func (c NodeCtx) ConstInts(i int) ([]int64, bool) {
	t, ok := c.Const(i)
	if !ok {
		return nil, false
	}
	return t.Ints()
}

// ConstF32 returns the elements of a floating-point constant (float32, float16, bfloat16) as float32. Weights that
// are held as bfloat16 reach kernels without bfloat16 panels this way; kernels with such panels take Const instead.
func (c NodeCtx) ConstF32(i int) ([]float32, bool) {
	t, ok := c.Const(i)
	if !ok {
		return nil, false
	}
	return t.Floats()
}

// Refuse returns the error that makes the node unsupported, with the reason and the nearest supported form.
func (c NodeCtx) Refuse(format string, args ...any) error { return refuse(format, args...) }

func refuse(format string, args ...any) error { return fmt.Errorf(format, args...) }

// InferCtx is the context of Op.Infer.
type InferCtx struct{ NodeCtx }

// Set gives output i its dtype and shape. A dtype that the file declares differently, or a shape that is not static or
// exceeds tensor.MaxElems, is an error. It does nothing for an output that nobody wants.
func (c *InferCtx) Set(i int, d tensor.DType, s tensor.Shape) error {
	n, err := s.Elems()
	if err != nil {
		return fmt.Errorf("output %d: %w", i, err)
	}
	if d.Bytes(n) < 0 { // 8 bytes each on a 32-bit machine
		return fmt.Errorf("output %d: %s%v does not fit this machine's memory", i, d, s)
	}
	v := c.Out(i)
	if v == nil {
		return nil
	}
	if v.DType != tensor.Invalid && v.DType != d {
		return fmt.Errorf("output %d is declared %s, the operator gives %s", i, v.DType, d)
	}
	v.DType, v.Shape = d, slices.Clone(s)
	return nil
}

// SetConst makes output i a constant: the shape is known, the bytes are (operators like Shape).
func (c *InferCtx) SetConst(i int, t *tensor.Tensor) error {
	if err := c.Set(i, t.DType, t.Shape); err != nil {
		return err
	}
	if v := c.Out(i); v != nil {
		v.Const = t.Data
	}
	return nil
}

// CompileCtx is the context of Op.Compile.
type CompileCtx struct {
	NodeCtx
	taken []bool
}

// Take returns constant input i like Const and says that the kernel keeps its own packed copy: Args.In[i] will be nil,
// and the plan does not retain the original. The kernel counts the copy in Kernel.Weights.
func (c *CompileCtx) Take(i int) (*tensor.Tensor, bool) {
	t, ok := c.Const(i)
	if ok {
		c.taken[i] = true
	}
	return t, ok
}

// Kernel is a compiled step: immutable and shared by all sessions of a plan.
type Kernel struct {
	ID      string               // family/types/tile/isa, e.g. conv/s8pc/generic
	MACs    int64                // multiply-accumulates per run
	Work    int64                // other operations per run where they are many more than elements: windows, comparisons of pairs
	Scratch int                  // bytes of working memory, 64-byte aligned
	Weights map[tensor.DType]int // bytes of packed constants per stored dtype
	InPlace []int                // inputs whose memory output 0 may take over: same bytes, element by element
	View    bool                 // output 0 is input 0 under another shape: the step vanishes when their memory may be shared
	Run     func(*Args) error    // must not allocate; errors only for data that no load can check
	// Bind replaces Run for kernels that keep something for each session: it is called once with the session's views and returns
	// what runs, which must not allocate.
	Bind  func(*Args) (func(*Args) error, error)
	Inner []*Plan // what a control operator runs; Weights counts theirs too
}

// Args is what a step works on: views made once per session. In[i] is nil for an absent or taken input.
type Args struct {
	In, Out []*tensor.Tensor
	Scratch []byte
}

// Lower is the context of Form.Lower: it reads one source node and emits neutral ones.
type Lower struct {
	NodeCtx
	emitted []Node
	fold    *folder
	unknown map[ValueID]bool
	err     error
}

// Attrs returns the attributes of the source node.
func (l *Lower) Attrs() Attrs { return l.N.Src.Attrs }

// Version returns the TFLite operator version, or the ONNX opset of the node's domain.
func (l *Lower) Version() int { return l.N.Src.Version }

// Ins and Outs return the values of the source node, None where absent. The slices are copies.
func (l *Lower) Ins() []ValueID { return slices.Clone(l.N.In) }

// First returns the first n inputs, None where the node has fewer.
func (l *Lower) First(n int) []ValueID {
	in := make([]ValueID, n)
	for i := range in {
		in[i] = None
	}
	copy(in, l.N.In)
	return in
}

// Outs returns the outputs of the source node.
func (l *Lower) Outs() []ValueID { return slices.Clone(l.N.Out) }

// Emit appends a neutral node, infers its outputs and folds it when all its inputs are constants, so that a lowering
// sees the shapes of what it has emitted. The first failure is remembered and refuses the source node; later calls do nothing.
func (l *Lower) Emit(op string, attr any, in, out []ValueID) {
	if l.err != nil {
		return
	}
	n := Node{Op: op, Name: l.N.Name, In: in, Out: out, Attr: attr, Src: l.N.Src}
	if l.err = InferNode(l.G, &n); l.err != nil {
		return
	}
	folded, err := l.fold.node(l.G, &n, false)
	if err != nil {
		l.err = err
		return
	}
	if !folded {
		l.emitted = append(l.emitted, n)
	}
}

// Inline lowers source nodes that stand in this node's place, before what is emitted. Those that cannot run are listed like the graph's own.
func (l *Lower) Inline(nodes []Node) error { return lowerNodes(l.G, nodes, l.fold, l.unknown) }

// Once returns what compute gives, which is called once for each key of a graph: for lists that many nodes share.
func Once[T any](l *Lower, key any, compute func() T) T {
	if v, ok := l.G.once[key]; ok {
		return v.(T)
	}
	if l.G.once == nil {
		l.G.once = map[any]any{}
	}
	v := compute()
	l.G.once[key] = v
	return v
}

// Temp makes a value for a result between emitted nodes; its dtype and shape come from inference. quant may be nil.
func (l *Lower) Temp(name string, quant *tensor.Quant) ValueID {
	return l.G.NewValue(Value{Name: l.N.Name + "/" + name, Quant: quant})
}

// Constant makes a constant value from a tensor, whose bytes are kept.
func (l *Lower) Constant(name string, t *tensor.Tensor) ValueID {
	return l.G.NewValue(Value{Name: l.N.Name + "/" + name, DType: t.DType, Shape: t.Shape, Quant: t.Quant, Const: t.Data})
}

// State makes a value that keeps its bytes between runs, zero at first or with the given start.
func (l *Lower) State(name string, d tensor.DType, s tensor.Shape, start []byte) ValueID {
	id := l.G.NewValue(Value{Name: l.N.Name + "/" + name, DType: d, Shape: s, Start: start})
	l.G.States = append(l.G.States, id)
	return id
}
