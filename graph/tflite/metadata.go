package tflite

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wayside/graph"
)

// Limits of the metadata. What exceeds them is left out, with a note.
const (
	maxMetadata   = 256  // named metadata buffers
	maxSignatures = 256  // signatures, and names of one
	maxUnits      = 64   // process units or files of one tensor
	maxChannels   = 4096 // values of a normalization or of a range
	maxNotes      = 16
)

// Types of the metadata schema (version 1.1.0), as its enumerations and unions number them.
const (
	fileAxisLabels    = 2
	fileValueLabels   = 3
	unitNormalization = 1
)

// metaReader reads what a file says about itself. The FlatBuffers that it reads have a buf of their own, so that nothing broken in
// them touches the model.
type metaReader struct {
	g      *graph.Graph
	m      graph.Meta
	data   []byte
	files  map[string]packed   // files in the zip behind the model, by name
	labels map[string][]string // label files that were read
	left   int                 // bytes of label files that may still be read
}

// readMeta returns what the file says about itself. g has its inputs and outputs already. It never fails: what cannot be read
// becomes a note.
func readMeta(data []byte, g *graph.Graph) graph.Meta {
	r := &metaReader{g: g, data: data, labels: map[string][]string{}, left: maxLabelBytes}
	f := &buf{b: data, budget: len(data) + 1<<16}
	model := f.table(int64(f.u32(0)))
	r.m.Producer = graph.CleanText(strings.TrimSuffix(model.str(3), "."))
	described := r.entries(model)
	if f.err != nil {
		r.note("the list of metadata is not readable: %v", f.err)
	} else {
		r.signatures(model)
		if f.err != nil {
			r.m.Signatures = nil
			r.note("the signatures are not readable: %v", f.err)
		}
	}
	if described != nil {
		r.described(described)
	}
	return r.m
}

func (r *metaReader) note(format string, args ...any) {
	if len(r.m.Notes) < maxNotes {
		r.m.Notes = append(r.m.Notes, graph.CleanText(fmt.Sprintf(format, args...)))
	}
}

// entries reads the small named buffers and returns the large one, the metadata's own FlatBuffer.
func (r *metaReader) entries(model table) (described []byte) {
	list, bufs := model.vec(6, 4).limited("metadata", maxMetadata), model.vec(4, 4).limited("buffers", maxBuffers)
	for i := range list.n {
		e := list.table(i)
		name, at := e.str(0), e.u32(1)
		if model.f.err != nil || int64(at) >= int64(bufs.n) {
			r.note("metadata %q is in buffer %d of %d", name, at, bufs.n)
			continue
		}
		b := bufs.table(int(at)).data(0)
		switch name {
		case "TFLITE_METADATA":
			described = b
		case "min_runtime_version":
			r.m.MinRuntime = graph.CleanText(strings.TrimRight(string(b[:min(len(b))]), "\x00"))
		case "CONVERSION_METADATA":
			f := &buf{b: b, budget: len(b)}
			if v := f.table(int64(f.u32(0))).sub(0).str(0); f.err == nil && v != "" {
				r.m.Producer = "TensorFlow " + graph.CleanText(v)
			}
		}
	}
	return described
}

// signatures reads the names of the main subgraph.
func (r *metaReader) signatures(model table) {
	list := model.vec(7, 4).limited("signatures", maxSignatures)
	for i := range list.n {
		t := list.table(i)
		if t.u32(4) != 0 {
			continue
		}
		s := graph.Signature{Key: graph.CleanText(t.str(2))}
		s.Inputs = r.bindings(t.vec(0, 4), r.g.Inputs)
		s.Outputs = r.bindings(t.vec(1, 4), r.g.Outputs)
		r.m.Signatures = append(r.m.Signatures, s)
	}
}

// bindings reads names of tensors that are in list; others name nothing that a user can give or get.
func (r *metaReader) bindings(v vec, list []graph.ValueID) []graph.Binding {
	v = v.limited("names of a signature", maxSignatures)
	var out []graph.Binding
	for i := range v.n {
		t := v.table(i)
		name := t.str(0)
		at := slices.Index(list, graph.ValueID(t.i32(1, 0)))
		if at < 0 {
			r.note("a signature names %q, which is tensor %d and neither input nor output", name, t.i32(1, 0))
			continue
		}
		out = append(out, graph.Binding{Name: graph.CleanText(name), Index: at})
	}
	slices.SortStableFunc(out, func(a, b graph.Binding) int { return a.Index - b.Index })
	return out
}

// described reads the metadata FlatBuffer: ModelMetadata of the schema that TFLite Support defines.
func (r *metaReader) described(b []byte) {
	if len(b) < 8 || string(b[4:8]) != "M001" {
		r.note("the metadata has no identifier M001; it is of a form that is not read")
		return
	}
	f := &buf{b: b, budget: 4*len(b) + 1<<10}
	t := f.table(int64(f.u32(0)))
	r.m.Name, r.m.Description, r.m.Version = text(t, 0), text(t, 1), text(t, 2)
	r.m.Author, r.m.License = text(t, 4), text(t, 5)
	if subs := t.vec(3, 4).limited("subgraphs of the metadata", maxSubgraphs); subs.n > 0 {
		sub := subs.table(0)
		r.m.Inputs = r.tensors("input", sub.vec(2, 4), len(r.g.Inputs))
		r.m.Outputs = r.tensors("output", sub.vec(3, 4), len(r.g.Outputs))
	}
	if f.err != nil {
		notes := r.m.Notes
		r.m = graph.Meta{Producer: r.m.Producer, MinRuntime: r.m.MinRuntime, Signatures: r.m.Signatures, Notes: notes}
		r.note("the metadata is not readable: %v", f.err)
	}
}

// tensors reads the metadata of all inputs or all outputs, which stand in the model's order.
func (r *metaReader) tensors(what string, v vec, want int) []graph.IOMeta {
	v = v.limited("tensors of the metadata", maxIO)
	if v.n == 0 {
		return nil
	}
	if v.n != want {
		r.note("the metadata describes %d %ss, the model has %d; it is not used", v.n, what, want)
		return nil
	}
	out := make([]graph.IOMeta, v.n)
	for i := range out {
		t := v.table(i)
		m := &out[i]
		m.Name, m.Description = text(t, 0), text(t, 1)
		units := t.vec(4, 4).limited("process units", maxUnits)
		for k := range units.n {
			if u := units.table(k); u.i8(0, 0) == unitNormalization && m.Mean == nil {
				r.normalization(m, fmt.Sprintf("%s %d", what, i), u.sub(1))
			}
		}
		if s := t.sub(5); s.ok() {
			m.Max, m.Min = floats(s, 0), floats(s, 1)
		}
		files := t.vec(6, 4).limited("files of a tensor", maxUnits)
		for k := range files.n {
			f := files.table(k)
			kind := f.i8(2, 0)
			if kind != fileAxisLabels && kind != fileValueLabels || m.Labels != nil {
				continue // of several label files the first is the default, the others are translations
			}
			m.Labels, m.ValueLabels = r.labelFile(f.str(0)), kind == fileValueLabels
		}
	}
	return out
}

// normalization takes mean and standard deviation if they can be used; one value stands for all channels.
func (r *metaReader) normalization(m *graph.IOMeta, what string, t table) {
	mean, std := floats(t, 0), floats(t, 1)
	switch {
	case len(mean) == 0 && len(std) == 0:
		return
	case len(mean) == 1 && len(std) > 1:
		mean = slices.Repeat(mean, len(std))
	case len(std) == 1 && len(mean) > 1:
		std = slices.Repeat(std, len(mean))
	}
	bad := func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }
	if len(mean) != len(std) || slices.ContainsFunc(mean, bad) || slices.ContainsFunc(std, func(v float32) bool { return bad(v) || v <= 0 }) {
		r.note("the normalization of %s is not usable: mean %v, standard deviation %v", what, mean[:min(len(mean), 4)], std[:min(len(std), 4)])
		return
	}
	m.Mean, m.Std = mean, std
}

func floats(t table, slot int) []float32 {
	v := t.vec(slot, 4).limited("values per channel", maxChannels)
	out := make([]float32, v.n)
	for i := range out {
		out[i] = v.f32(i)
	}
	return out
}

func text(t table, slot int) string { return graph.CleanText(t.str(slot)) }
