package tflite

import (
	"fmt"
	"math"
	"strconv"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Limits of what is read. They are far above any model that fits a gateway and keep a hostile file from making
// the reader allocate or loop more than its own size warrants.
const (
	maxTensors   = 1 << 16
	maxOperators = 1 << 15
	maxOpCodes   = 4096
	maxBuffers   = 1 << 16
	maxSubgraphs = 1024
	maxRank      = 8
	maxIO        = 4096 // inputs or outputs of a graph or an operator
	maxName      = 1 << 16
	maxScales    = 1 << 20
)

// Is reports whether data starts like a TFLite file: a FlatBuffer with the identifier TFL3.
func Is(data []byte) bool { return len(data) >= 8 && string(data[4:8]) == "TFL3" }

var dtypes = map[int8]tensor.DType{
	0: tensor.F32, 1: tensor.F16, 2: tensor.S32, 3: tensor.U8, 4: tensor.S64, 6: tensor.Bool,
	7: tensor.S16, 9: tensor.S8, 12: tensor.U64, 15: tensor.U32, 17: tensor.S4, 18: tensor.BF16,
}

// unreadTypes are the names of the element types that the runtime lacks.
var unreadTypes = map[int8]string{5: "STRING", 8: "COMPLEX64", 10: "FLOAT64", 11: "COMPLEX128", 13: "RESOURCE", 14: "VARIANT", 16: "UINT16", 19: "INT2", 20: "UINT4"}

// Read parses a model: the main subgraph, and the others for control operators in Graph.Subgraphs. The graph's constants alias data, which
// must stay unchanged as long as the graph is used. Bytes after the FlatBuffer are not damage: they may be a zip with labels. Metadata that
// cannot be read becomes a note of Graph.Meta. Errors wrap graph.ErrFormat or graph.ErrDamaged. Read never panics, and takes memory
// in proportion to the data.
func Read(data []byte) (*graph.Graph, error) {
	if !Is(data) {
		return nil, fmt.Errorf("tflite: %w: no TFL3 identifier at byte 4", graph.ErrFormat)
	}
	f := &buf{b: data, budget: 4*len(data) + 1<<16}
	r := &reader{f: f, model: f.table(int64(f.u32(0))), dense: denseTimes*len(data) + denseSlack}
	g, err := r.read()
	if f.err != nil { // the first broken offset explains whatever came after it
		err = f.err
	}
	if err != nil {
		return nil, fmt.Errorf("tflite: %w", err)
	}
	g.Meta = readMeta(data, g)
	return g, nil
}

type reader struct {
	f        *buf
	model    table
	codes    []opCode
	buffers  [][]byte // constant bytes of each buffer, nil for none
	external []bool   // buffers outside of the FlatBuffer
	dense    int      // bytes that sparse constants may still become
	g        *graph.Graph
}

func (r *reader) read() (*graph.Graph, error) {
	if v := r.model.i32(0, 0); v != 3 && r.f.err == nil {
		return nil, fmt.Errorf("%w: TFLite schema version %d; version 3 is read, convert the model again", graph.ErrFormat, v)
	}
	subs := r.model.vec(2, 4).limited("subgraphs", maxSubgraphs)
	if subs.n == 0 {
		return nil, fmt.Errorf("%w: the model has no subgraph", graph.ErrDamaged)
	}
	r.codes = r.opCodes()
	r.readBuffers()
	all := make([]*graph.Graph, subs.n)
	for i := range all {
		if err := r.subgraph(subs.table(i)); err != nil {
			return nil, err
		}
		all[i] = r.g
	}
	main := all[0]
	if main.Name == "" {
		main.Name = r.model.str(3)
	}
	all[0] = nil
	main.Subgraphs = all
	return main, r.f.err
}

// subgraph reads one into r.g.
func (r *reader) subgraph(sg table) error {
	r.g = &graph.Graph{Format: graph.TFLite, Name: sg.str(4)}
	if err := r.tensors(sg); err != nil {
		return err
	}
	var err error
	if r.g.Inputs, err = r.ids(sg.vec(1, 4), false); err != nil {
		return err
	}
	if r.g.Outputs, err = r.ids(sg.vec(2, 4), false); err != nil {
		return err
	}
	if err := r.operators(sg); err != nil {
		return err
	}
	for _, id := range r.g.Inputs {
		r.g.Values[id].Const = nil
	}
	emptyConstants(r.g)
	return r.f.err
}

// emptyConstants makes constants of values without elements that nothing computes, like an empty list of axes: files have no
// bytes for them, so nothing else tells them apart from results.
func emptyConstants(g *graph.Graph) {
	made := map[graph.ValueID]bool{}
	for _, list := range [][]graph.ValueID{g.Inputs, g.States} {
		for _, id := range list {
			made[id] = true
		}
	}
	for i := range g.Nodes {
		for _, id := range g.Nodes[i].Out {
			made[id] = true
		}
	}
	for i := range g.Values {
		v := &g.Values[i]
		if n, err := v.Shape.Elems(); err == nil && n == 0 && v.Const == nil && !made[graph.ValueID(i)] {
			v.Const = []byte{}
		}
	}
}

// readBuffers finds the constant bytes. Buffers outside of the FlatBuffer are the form of files over 2 GB.
func (r *reader) readBuffers() {
	bufs := r.model.vec(4, 4).limited("buffers", maxBuffers)
	r.buffers, r.external = make([][]byte, bufs.n), make([]bool, bufs.n)
	for i := range bufs.n {
		t := bufs.table(i)
		if d := t.data(0); len(d) > 0 {
			r.buffers[i] = d
		}
		r.external[i] = t.u64(1) > 1
	}
}

func (r *reader) tensors(sg table) error {
	ts := sg.vec(0, 4).limited("tensors", maxTensors)
	r.g.Values = make([]graph.Value, 0, ts.n)
	for i := range ts.n {
		t := ts.table(i)
		v := graph.Value{Name: t.str(3)}
		code := t.i8(1, 0)
		v.DType = dtypes[code] // Invalid where the runtime has no such type: the node that uses it is refused
		if v.DType == tensor.Invalid {
			if v.Unread = unreadTypes[code]; v.Unread == "" {
				v.Unread = "number " + strconv.Itoa(int(code))
			}
		}
		shape, sig := t.vec(0, 4).limited("axes", maxRank), t.vec(7, 4).limited("axes", maxRank)
		v.Shape = make(tensor.Shape, shape.n)
		for a := range shape.n {
			v.Shape[a] = int(shape.i32(a))
			if v.Shape[a] < -1 || v.Shape[a] > tensor.MaxElems {
				return fmt.Errorf("%w: tensor %d %q has an axis of %d", graph.ErrDamaged, i, v.Name, v.Shape[a])
			}
		}
		if sig.n == shape.n {
			for a := range sig.n {
				if sig.i32(a) == -1 {
					v.Shape[a] = -1
				}
			}
		}
		b := t.u32(2)
		if r.f.err != nil {
			return r.f.err
		}
		if int64(b) >= int64(len(r.buffers)) && b != 0 {
			return fmt.Errorf("%w: tensor %d %q refers to buffer %d of %d", graph.ErrDamaged, i, v.Name, b, len(r.buffers))
		}
		if b != 0 && r.external[b] || t.u32(10) != 0 {
			return fmt.Errorf("%w: tensor %d %q keeps its bytes outside of the FlatBuffer (the form of files over 2 GB); convert the model with buffers inside", graph.ErrUnsupported, i, v.Name)
		}
		if b != 0 && r.buffers[b] != nil && t.i8(5, 0) == 0 {
			data := r.buffers[b]
			if sparsity := t.sub(6); sparsity.ok() {
				var err error
				if data, err = r.densify(&v, data, sparsity); err != nil {
					return fmt.Errorf("constant %d %q: %w", i, v.Name, err)
				}
			}
			if err := r.constant(i, &v, data, code); err != nil {
				return err
			}
		}
		var err error
		if v.Quant, err = r.quant(i, &v, t.sub(4)); err != nil {
			return err
		}
		r.g.Values = append(r.g.Values, v)
		if t.i8(5, 0) != 0 { // a variable tensor: nodes read and write it, it starts with zeros, an int8 one with its zero point
			r.g.States = append(r.g.States, graph.ValueID(i))
			if v.DType == tensor.S8 && v.Quant != nil {
				r.g.Values[i].Fill = byte(v.Quant.Zero[0])
			}
		}
	}
	return r.f.err
}

// constant checks the bytes of a constant against its shape. Some files write shape [] for a vector: its length then
// follows from the bytes.
func (r *reader) constant(i int, v *graph.Value, data []byte, code int8) error {
	if v.DType == tensor.Invalid {
		v.Const = data
		v.Shape = tensor.Shape{len(data)}
		return nil
	}
	for a, d := range v.Shape {
		if d < 0 {
			return fmt.Errorf("%w: constant %d %q has an open axis %d", graph.ErrDamaged, i, v.Name, a)
		}
	}
	if w := v.DType.Bytes(1); len(v.Shape) == 0 && len(data) > w && len(data)%w == 0 && v.DType != tensor.S4 {
		v.Shape = tensor.Shape{len(data) / w}
	}
	n, err := v.Shape.Elems()
	if err != nil {
		return fmt.Errorf("%w: constant %d %q: %w", graph.ErrDamaged, i, v.Name, err)
	}
	if v.DType.Bytes(n) != len(data) {
		return fmt.Errorf("%w: constant %d %q: %s%v needs %d bytes, its buffer has %d", graph.ErrDamaged, i, v.Name, v.DType, v.Shape, v.DType.Bytes(n), len(data))
	}
	v.Const = data
	return nil
}

func (r *reader) quant(i int, v *graph.Value, q table) (*tensor.Quant, error) {
	if !q.ok() {
		return nil, nil
	}
	scales, zeros := q.vec(2, 4).limited("scales", maxScales), q.vec(3, 8).limited("zero points", maxScales)
	if scales.n == 0 || v.DType == tensor.F32 || v.DType == tensor.F16 || v.DType == tensor.BF16 {
		return nil, nil
	}
	if zeros.n != 0 && zeros.n != 1 && zeros.n != scales.n {
		return nil, fmt.Errorf("%w: tensor %d %q has %d scales and %d zero points", graph.ErrDamaged, i, v.Name, scales.n, zeros.n)
	}
	out := &tensor.Quant{Scale: make([]float32, scales.n), Zero: make([]int32, scales.n), Axis: int(q.i32(6, 0))}
	for k := range scales.n {
		s := scales.f32(k)
		if s < 0 || math.IsInf(float64(s), 0) || s != s {
			return nil, fmt.Errorf("%w: tensor %d %q has the scale %v", graph.ErrDamaged, i, v.Name, s)
		}
		out.Scale[k] = s
		if zeros.n == 0 {
			continue
		}
		z := zeros.i64(min(k, zeros.n-1))
		if z < math.MinInt32 || z > math.MaxInt32 {
			return nil, fmt.Errorf("%w: tensor %d %q has the zero point %d", graph.ErrDamaged, i, v.Name, z)
		}
		out.Zero[k] = int32(z)
	}
	if r.f.err == nil && scales.n == 1 && scales.f32(0) == 0 {
		return nil, nil // written by some converters on tensors that are not quantized
	}
	return out, nil
}

func (t table) u32(slot int) uint32 { return uint32(t.i32(slot, 0)) }

// ids reads a vector of tensor indices; -1 marks an absent one where optional allows it.
func (r *reader) ids(v vec, optional bool) ([]graph.ValueID, error) {
	v = v.limited("inputs or outputs", maxIO)
	out := make([]graph.ValueID, v.n)
	for i := range out {
		id := v.i32(i)
		if id == -1 && optional {
			out[i] = graph.None
			continue
		}
		if id < 0 || int(id) >= len(r.g.Values) {
			return nil, fmt.Errorf("%w: tensor %d of %d is referred to", graph.ErrDamaged, id, len(r.g.Values))
		}
		out[i] = graph.ValueID(id)
	}
	return out, r.f.err
}

type opCode struct {
	name    string
	version int
}

func (r *reader) opCodes() []opCode {
	codes := r.model.vec(1, 4).limited("operator codes", maxOpCodes)
	out := make([]opCode, codes.n)
	for i := range out {
		c := codes.table(i)
		// Codes above 127 do not fit the old one-byte field; older files have only that one.
		code := max(c.i32(3, 0), int32(c.i8(0, 0)))
		out[i] = opCode{"CODE_" + strconv.Itoa(int(code)), int(c.i32(2, 1))}
		if code >= 0 && int(code) < len(builtinNames) && builtinNames[code] != "" {
			out[i].name = builtinNames[code]
		}
		if code == 32 { // CUSTOM
			out[i].name = "CUSTOM:" + c.str(1)
		}
	}
	return out
}

func (r *reader) operators(sg table) error {
	ops := sg.vec(3, 4).limited("operators", maxOperators)
	r.g.Nodes = make([]graph.Node, 0, ops.n)
	for i := range ops.n {
		o := ops.table(i)
		k := o.u32(0)
		if r.f.err != nil {
			return r.f.err
		}
		if int64(k) >= int64(len(r.codes)) {
			return fmt.Errorf("%w: operator %d has code %d of %d", graph.ErrDamaged, i, k, len(r.codes))
		}
		n := graph.Node{Src: graph.Source{Op: r.codes[k].name, Version: r.codes[k].version, Index: i}}
		var err error
		if n.In, err = r.ids(o.vec(1, 4), true); err != nil {
			return fmt.Errorf("operator %d %s: %w", i, n.Src.Op, err)
		}
		if n.Out, err = r.ids(o.vec(2, 4), false); err != nil {
			return fmt.Errorf("operator %d %s: %w", i, n.Src.Op, err)
		}
		if n.Src.Inter, err = r.ids(o.vec(8, 4), true); err != nil {
			return fmt.Errorf("operator %d %s: %w", i, n.Src.Op, err)
		}
		n.Name = n.Src.Op + "_" + strconv.Itoa(i)
		if len(n.Out) > 0 && n.Out[0] != graph.None && r.g.Values[n.Out[0]].Name != "" {
			n.Name = r.g.Values[n.Out[0]].Name
		}
		n.Src.Attrs = readAttrs(o)
		r.g.Nodes = append(r.g.Nodes, n)
	}
	return r.f.err
}
