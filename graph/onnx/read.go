package onnx

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Limits of one model, checked before anything is allocated for it. The largest model of onnx/models that fits a
// gateway has some thousand nodes.
const (
	maxNodes      = 1 << 16
	maxValues     = 1 << 18
	maxPorts      = 1 << 12 // inputs or outputs of one node, outputs of the graph
	maxAttrs      = 256     // attributes of one node
	maxAttrValues = 1 << 20 // values of one list attribute
	maxDims       = 8
	maxOpsets     = 64
	maxDepth      = 16 // branches within branches
)

func float32frombits(v uint64) float32 { return math.Float32frombits(uint32(v)) }

// Is reports whether data looks like an ONNX ModelProto: fields that a ModelProto has, with their wire types, among them
// the IR version or the graph. A file cut off at its end still counts, so that Read can say what is wrong with it.
func Is(data []byte) bool {
	var version, model, opset bool
	for b := data; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			break
		}
		want := protowire.BytesType
		switch num {
		case 1, 5: // ir_version, model_version
			want = protowire.VarintType
		case 2, 3, 4, 6: // producer, its version, domain, doc_string
		case 7:
			model = true
		case 8:
			opset = true
		case 14, 20, 25, 26: // metadata, training info, functions, device configuration
		default:
			return false
		}
		if typ != want {
			return false
		}
		b = b[n:]
		if num == 1 {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 || v == 0 || v > 1<<16 {
				return false
			}
			version = true
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			break
		}
		b = b[n:]
	}
	return version || model && opset
}

// reader holds what is known of the file so far.
type reader struct {
	g      *graph.Graph
	opsets map[string]int
	ids    map[string]graph.ValueID // what may be consumed so far
	nodes  int                      // of the graph and of all branches
	depth  int                      // branches around what is read
	local  []string                 // names that the branches around it have defined
}

// Read decodes an ONNX model. Constants alias data, which must stay unchanged for the life of the graph. Nodes keep the
// file's order, which must be topological; Constant nodes become constants. Dynamic axes are -1. Errors that mean a broken
// or incomplete file wrap graph.ErrDamaged; data in external files is refused by name. The branches of If are read; other
// nodes that carry subgraphs (Loop, Scan) stay in the graph without them and are refused together with all other unsupported ones.
func Read(data []byte) (*graph.Graph, error) {
	r := &reader{
		g:      &graph.Graph{Format: graph.ONNX},
		opsets: map[string]int{},
		ids:    map[string]graph.ValueID{},
	}
	var body, doc []byte
	var producer [2][]byte // name and version
	graphs, version := 0, uint64(0)
	err := each(data, func(f field) error {
		switch f.num {
		case 1:
			version = f.val
		case 2, 3:
			producer[f.num-2] = f.raw
		case 5:
			if f.val != 0 {
				r.g.Meta.Version = strconv.FormatUint(f.val, 10)
			}
		case 6:
			doc = f.raw
		case 7:
			graphs++
			b, err := f.bytes()
			body = b
			return err
		case 8:
			return r.opset(f.raw)
		}
		return nil
	})
	switch {
	case errors.Is(err, errWire):
		return nil, damaged("read model: the file is cut off or is not a protobuf message")
	case err != nil:
		return nil, err
	case graphs != 1:
		return nil, damaged("read model: %d graphs instead of one", graphs)
	case version == 0:
		return nil, damaged("read model: no ir_version")
	case len(r.opsets) == 0:
		return nil, damaged("read model: no opset_import")
	}
	r.g.Meta.Description = graph.CleanText(string(doc))
	r.g.Meta.Producer = graph.CleanText(string(producer[0]) + " " + string(producer[1]))
	if err := r.graph(body); err != nil {
		return nil, err
	}
	return r.g, nil
}

// opset records an OperatorSetIdProto.
func (r *reader) opset(b []byte) error {
	domain, version := "", int64(0)
	if err := each(b, func(f field) error {
		switch f.num {
		case 1:
			domain = string(f.raw)
		case 2:
			version = int64(f.val)
		}
		return nil
	}); err != nil {
		return err
	}
	if domain == "ai.onnx" { // the long name of the default domain
		domain = ""
	}
	if len(r.opsets) >= maxOpsets || version < 1 || version > 1<<20 {
		return damaged("read model: opset %q version %d", domain, version)
	}
	r.opsets[domain] = int(version)
	return nil
}

// sections are the parts of a GraphProto, found in a first walk so that their file order does not matter.
type sections struct {
	nodes, inits, inputs, outputs [][]byte
}

// sectionsOf finds the parts of a GraphProto.
func (r *reader) sectionsOf(body []byte) (sections, error) {
	var s sections
	err := each(body, func(f field) error {
		var list *[][]byte
		limit := maxValues
		switch f.num {
		case 1:
			list, limit = &s.nodes, maxNodes
		case 2:
			if r.depth == 0 {
				r.g.Name = string(f.raw)
			}
			return nil
		case 5:
			list = &s.inits
		case 11:
			list = &s.inputs
		case 12:
			list, limit = &s.outputs, maxPorts
		case 15:
			return fmt.Errorf("onnx: %w: the graph has sparse initializers: store them dense", graph.ErrUnsupported)
		default:
			return nil
		}
		b, err := f.bytes()
		if err != nil {
			return err
		}
		if len(*list) >= limit {
			return damaged("read graph: more than %d entries in field %d", limit, f.num)
		}
		*list = append(*list, b)
		return nil
	})
	if errors.Is(err, errWire) {
		return s, damaged("read graph: %v", err)
	}
	return s, err
}

// initializers adds the constants of a graph.
func (r *reader) initializers(list [][]byte) error {
	for _, b := range list {
		c, err := readTensor(b)
		if err != nil {
			return err
		}
		if c.name == "" {
			return damaged("read graph: an initializer has no name")
		}
		if _, err := r.define(c.name, c); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) graph(body []byte) error {
	s, err := r.sectionsOf(body)
	if err != nil {
		return err
	}
	if err := r.initializers(s.inits); err != nil {
		return err
	}
	for i, b := range s.inputs {
		if err := r.input(i, b); err != nil {
			return err
		}
	}
	for i, b := range s.nodes {
		if err := r.node(i, b); err != nil {
			return err
		}
	}
	for i, b := range s.outputs {
		if err := r.output(i, b); err != nil {
			return err
		}
	}
	if len(r.g.Outputs) == 0 {
		return damaged("read graph: no outputs")
	}
	return nil
}

// branch reads a subgraph whose nodes see the values around it: it has names of its own, and no inputs.
func (r *reader) branch(body []byte) (graph.Branch, error) {
	outer, names := r.g.Nodes, len(r.local)
	r.g.Nodes = nil
	r.depth++
	defer func() {
		for _, name := range r.local[names:] {
			delete(r.ids, name)
		}
		r.g.Nodes, r.local = outer, r.local[:names]
		r.depth--
	}()
	if r.depth > maxDepth {
		return graph.Branch{}, damaged("read graph: branches nest deeper than %d levels", maxDepth)
	}
	s, err := r.sectionsOf(body)
	if err == nil && len(s.inputs) > 0 {
		err = damaged("read graph: a branch has inputs")
	}
	if err == nil {
		err = r.initializers(s.inits)
	}
	for i := 0; err == nil && i < len(s.nodes); i++ {
		err = r.node(i, s.nodes[i])
	}
	b := graph.Branch{Nodes: r.g.Nodes}
	for i := 0; err == nil && i < len(s.outputs); i++ {
		var id graph.ValueID
		if id, err = r.known(i, s.outputs[i]); err == nil {
			b.Outputs = append(b.Outputs, id)
		}
	}
	return b, err
}

// define adds a named value that may be consumed from here on. Names are assigned once.
func (r *reader) define(name string, c *constant) (graph.ValueID, error) {
	if _, ok := r.ids[name]; ok {
		return graph.None, damaged("read graph: value %q is defined twice", name)
	}
	if len(r.g.Values) >= maxValues {
		return graph.None, damaged("read graph: more than %d values", maxValues)
	}
	v := graph.Value{Name: name}
	if c != nil {
		v.DType, v.Shape, v.Const = c.dtype, c.shape, c.data
		if v.DType == tensor.Invalid {
			v.Unread = typeName(c.typ)
		}
	}
	id := graph.ValueID(len(r.g.Values))
	r.g.Values = append(r.g.Values, v)
	r.ids[name] = id
	if r.depth > 0 {
		r.local = append(r.local, name)
	}
	return id, nil
}

// input adds a graph input. An input that also is an initializer is its default value (files before ir_version 4 list all
// initializers so), and is taken as a constant.
func (r *reader) input(i int, b []byte) error {
	info, err := readInfo(b)
	if err != nil {
		return damaged("read graph: input %d: %v", i, err)
	}
	if info.name == "" {
		return damaged("read graph: input %d has no name", i)
	}
	if id, ok := r.ids[info.name]; ok {
		if r.g.Values[id].Const == nil {
			return damaged("read graph: input %q is listed twice", info.name)
		}
		return nil
	}
	if info.kind != "" {
		return fmt.Errorf("onnx: %w: input %q is %s; only tensors are supported", graph.ErrUnsupported, info.name, info.kind)
	}
	if info.dtype == tensor.Invalid {
		return fmt.Errorf("onnx: %w: input %q has the element type %s: cast it before the model", graph.ErrUnsupported, info.name, typeName(info.typ))
	}
	if !info.ranked {
		return fmt.Errorf("onnx: %w: input %q has no shape: give it one, with named axes where it is dynamic", graph.ErrUnsupported, info.name)
	}
	id, err := r.define(info.name, nil)
	if err != nil {
		return err
	}
	r.g.Values[id].DType, r.g.Values[id].Shape = info.dtype, info.shape
	r.g.Inputs = append(r.g.Inputs, id)
	return nil
}

func (r *reader) output(i int, b []byte) error {
	id, err := r.known(i, b)
	r.g.Outputs = append(r.g.Outputs, id)
	return err
}

// known returns the value that output i of a graph names.
func (r *reader) known(i int, b []byte) (graph.ValueID, error) {
	info, err := readInfo(b)
	if err != nil {
		return graph.None, damaged("read graph: output %d: %v", i, err)
	}
	id, ok := r.ids[info.name]
	if !ok {
		return graph.None, damaged("read graph: output %q is computed by no node", info.name)
	}
	return id, nil
}

// node adds a NodeProto.
func (r *reader) node(i int, b []byte) error {
	if r.nodes++; r.nodes > maxNodes {
		return damaged("read graph: more than %d nodes", maxNodes)
	}
	var in, out []string
	n := graph.Node{Src: graph.Source{Index: i}}
	attrs := attributes{}
	err := each(b, func(f field) error {
		switch f.num {
		case 1:
			in = append(in, string(f.raw))
		case 2:
			out = append(out, string(f.raw))
		case 3:
			n.Name = string(f.raw)
		case 4:
			n.Src.Op = string(f.raw)
		case 5:
			name, a, err := readAttribute(f.raw)
			if err != nil {
				return err
			}
			if len(attrs) >= maxAttrs || attrs[name] != nil {
				return errCount
			}
			attrs[name] = a
		case 7:
			n.Src.Domain = string(f.raw)
		}
		if len(in) > maxPorts || len(out) > maxPorts {
			return errCount
		}
		return nil
	})
	if errors.Is(err, errWire) || errors.Is(err, errCount) {
		return damaged("read node %d (%s %q): %v", i, n.Src.Op, n.Name, err)
	}
	if err != nil {
		return fmt.Errorf("onnx: read node %d (%s %q): %w", i, n.Src.Op, n.Name, err)
	}
	if n.Src.Op == "" {
		return damaged("read node %d (%q): no op_type", i, n.Name)
	}
	if n.Src.Domain == "ai.onnx" {
		n.Src.Domain = ""
	}
	if n.Name == "" && len(out) > 0 { // exporters may leave nodes unnamed; the first output is unique
		n.Name = out[0]
	}
	n.Src.Version = r.opsets[n.Src.Domain]
	n.Src.Attrs = attrs
	if n.Src.Domain == "" && n.Src.Op == "Constant" && len(in) == 0 && len(out) == 1 {
		if c := constantOf(attrs); c != nil {
			_, err := r.define(out[0], c)
			return err
		}
	}
	for _, name := range in {
		id := graph.None
		if name != "" {
			var ok bool
			if id, ok = r.ids[name]; !ok {
				return damaged("read node %d (%s %q): input %q is not computed before it", i, n.Src.Op, n.Name, name)
			}
		}
		n.In = append(n.In, id)
	}
	if n.Src.Domain == "" && n.Src.Op == "If" {
		for _, name := range []string{"then_branch", "else_branch"} {
			a := attrs[name]
			if a == nil || a.graph == nil {
				return damaged("read node %d (%s %q): no %s", i, n.Src.Op, n.Name, name)
			}
			b, err := r.branch(a.graph)
			if err != nil {
				return err
			}
			n.Src.Branches = append(n.Src.Branches, b)
		}
	}
	for _, name := range out {
		id := graph.None
		if name != "" {
			if id, err = r.define(name, nil); err != nil {
				return err
			}
		}
		n.Out = append(n.Out, id)
	}
	r.g.Nodes = append(r.g.Nodes, n)
	return nil
}

// constantOf returns the value of a Constant node in any of its numeric forms (operator Constant, opset 1 to 12), or nil.
func constantOf(a attributes) *constant {
	if t := a.Tensor("value"); t != nil {
		return &constant{dtype: t.DType, shape: t.Shape, data: t.Const}
	}
	p := parts{}
	shape := tensor.Shape{}
	d := tensor.F32
	switch {
	case a.of("value_float", kindFloat) != nil:
		p.floats = []float32{a.Float(0, "value_float", 0)}
	case a.of("value_floats", kindFloats) != nil:
		p.floats = a.Floats(0, "value_floats")
		shape = tensor.Shape{len(p.floats)}
	case a.of("value_int", kindInt) != nil:
		d, p.ints = tensor.S64, []int64{a.Int(0, "value_int", 0)}
	case a.of("value_ints", kindInts) != nil:
		d, p.ints = tensor.S64, a.Ints(0, "value_ints")
		shape = tensor.Shape{len(p.ints)}
	default:
		return nil
	}
	return &constant{dtype: d, shape: shape, data: p.typed(d, d.Bytes(len(p.floats)+len(p.ints)))}
}
